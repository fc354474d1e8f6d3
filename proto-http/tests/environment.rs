//! Requests for FastCGI applications: what the client sends, and which variables the script sees.

use std::net::SocketAddr;

use proto_http::fastcgi::{Environment, ScriptRule, Variables};
use proto_http::upstream::{Announce, FieldNames, Forwarding, HostField, Named, Rules, Scheme, Trust};
use proto_http::{Head, HeadParser, Limits, fuzzing};

/// Variables that are not of interest in every case.
const ALWAYS: [&str; 4] = ["GATEWAY_INTERFACE", "SERVER_SOFTWARE", "REDIRECT_STATUS", "DOCUMENT_ROOT"];

struct Case<'c> {
    /// Head with `|` for each line end, and the path decoded.
    sent: (&'c str, &'c str),
    rule: &'c ScriptRule,
    trust: Trust,
    scheme: Scheme,
    user: Option<&'c str>,
    rules: Rules<'c>,
    variables: &'c Variables,
}

fn named() -> ScriptRule {
    ScriptRule::Named { ending: ".php".to_owned(), index: "index.php".to_owned() }
}

fn seen(case: &Case<'_>) -> Vec<String> {
    let input = case.sent.0.replace('|', "\r\n") + "\r\n";
    fuzzing::environment(input.as_bytes());
    let mut head = Head::new();
    HeadParser::new().parse(input.as_bytes(), &Limits::default(), &mut head).expect("a head");
    let request = head.view(input.as_bytes());
    let path = case.sent.1.as_bytes();
    let server: SocketAddr = "192.0.2.1:80".parse().expect("an address");
    let mut out = Vec::new();
    Environment {
        request,
        named: &Named::of(&request).expect("few options"),
        method: request.method_bytes(),
        path,
        query: request.query(),
        script: case.rule.find(path).expect("a script"),
        root: b"/srv",
        host: HostField::Kept(b"default"),
        content: matches!(request.body(), proto_http::Body::Length(_)).then_some(5),
        client: "::ffff:192.0.2.7".parse().ok(),
        client_port: Some(4711),
        server: Some(server),
        user: case.user,
        forwarding: Forwarding {
            peer: None,
            trust: case.trust,
            scheme: case.scheme,
            announce: Announce::Nothing,
        },
        rules: case.rules,
        variables: case.variables,
    }
    .write(&mut out);
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    fuzzing::variables(&out).iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect()
}

/// Each of the lines is among what the script sees; one that ends in `!` names a variable that is not there.
fn check(case: &Case<'_>, expected: &[&str]) {
    let seen = seen(case);
    for line in expected {
        match line.strip_suffix('!') {
            Some(name) => {
                let there = seen.iter().find(|pair| pair.starts_with(&format!("{name}=")));
                assert_eq!(there, None, "{}", case.sent.0);
            }
            None => assert!(seen.iter().any(|pair| pair == line), "{line} is not in {seen:#?}"),
        }
    }
}

#[test]
fn everything_that_a_script_expects_is_there() {
    let rule = named();
    let sent = ("GET /d/a.php/x%20y?b=c HTTP/1.1|Host: example.org:8080|User-Agent: u|", "/d/a.php/x y");
    let plain = Case {
        sent,
        rule: &rule,
        trust: Trust::Nobody,
        scheme: Scheme::Http,
        user: None,
        rules: Rules::NONE,
        variables: Variables::NONE,
    };
    let own = seen(&plain);
    let own: Vec<&str> = own
        .iter()
        .map(String::as_str)
        .filter(|pair| !ALWAYS.iter().any(|name| pair.starts_with(name)))
        .collect();
    let expected = [
        "SERVER_PROTOCOL=HTTP/1.1",
        "REQUEST_METHOD=GET",
        "REQUEST_URI=/d/a.php/x%20y?b=c",
        "QUERY_STRING=b=c",
        "DOCUMENT_URI=/d/a.php/x y",
        "SCRIPT_NAME=/d/a.php",
        "SCRIPT_FILENAME=/srv/d/a.php",
        "PATH_INFO=/x y",
        "PATH_TRANSLATED=/srv/x y",
        "CONTENT_TYPE=",
        "CONTENT_LENGTH=",
        "REQUEST_SCHEME=http",
        "REMOTE_ADDR=192.0.2.7",
        "REMOTE_PORT=4711",
        "SERVER_NAME=example.org",
        "SERVER_ADDR=192.0.2.1",
        "SERVER_PORT=80",
        "HTTP_HOST=example.org:8080",
        "HTTP_USER_AGENT=u",
    ];
    assert_eq!(own, expected);

    let fixed = ScriptRule::Fixed("/front.php".to_owned());
    let front = Case { sent: ("GET /a/b HTTP/1.0|", "/a/b"), rule: &fixed, scheme: Scheme::Https, ..plain };
    check(
        &front,
        &[
            "SCRIPT_FILENAME=/srv/front.php",
            "PATH_INFO=/a/b",
            "SERVER_PROTOCOL=HTTP/1.0",
            "REQUEST_SCHEME=https",
            "HTTPS=on",
            "HTTP_HOST=default",
            "SERVER_NAME=default",
        ],
    );
    let index = Case { sent: ("GET /d/ HTTP/1.1|Host: a|", "/d/"), ..plain };
    check(
        &index,
        &[
            "SCRIPT_NAME=/d/index.php",
            "SCRIPT_FILENAME=/srv/d/index.php",
            "PATH_INFO=",
            "HTTPS!",
            "REMOTE_USER!",
        ],
    );
    check(&Case { user: Some("alice"), ..index }, &["REMOTE_USER=alice", "AUTH_TYPE=Basic"]);
}

#[test]
fn fields_become_variables_that_no_client_can_mistake() {
    let (rule, mut dropped) = (named(), FieldNames::default());
    dropped.insert("X-Internal").expect("a name");
    let anybody = Case {
        sent: ("", "/a.php"),
        rule: &rule,
        trust: Trust::Nobody,
        scheme: Scheme::Http,
        user: None,
        rules: Rules { dropped: &dropped, lines: b"X-Internal: ours\r\nX-Two: 2\r\n" },
        variables: Variables::NONE,
    };
    for (fields, expected) in [
        ("Proxy: http://evil.example|", &["HTTP_PROXY!"][..]),
        ("X-A: 1|x-a: 2|X-B: 3|X-A: 4|", &["HTTP_X_A=1, 2, 4", "HTTP_X_B=3"]),
        ("Cookie: a=1|Cookie: b=2|", &["HTTP_COOKIE=a=1; b=2"]),
        ("X_A: 1|X.B: 2|", &["HTTP_X_A!", "HTTP_X.B!", "HTTP_X_B!"]),
        ("Content-Length: 5|Content-Type: text/plain|", &["CONTENT_LENGTH=5", "CONTENT_TYPE=text/plain"]),
        ("Content-Length: 5|Content-Type: a|", &["HTTP_CONTENT_LENGTH!", "HTTP_CONTENT_TYPE!"]),
        (
            "Connection: X-Hop|X-Hop: 1|Keep-Alive: 2|",
            &["HTTP_CONNECTION!", "HTTP_X_HOP!", "HTTP_KEEP_ALIVE!"],
        ),
        ("X-Forwarded-For: 10.0.0.1|Forwarded: for=x|", &["HTTP_X_FORWARDED_FOR!", "HTTP_FORWARDED!"]),
        ("Authorization: Basic x|", &["HTTP_AUTHORIZATION=Basic x"]),
        ("X-Internal: theirs|", &["HTTP_X_INTERNAL=ours", "HTTP_X_TWO=2"]),
    ] {
        let head = format!("POST /a.php HTTP/1.1|Host: a|{fields}");
        check(&Case { sent: (&head, "/a.php"), ..anybody }, expected);
    }
    let proxy = Case {
        sent: ("GET /a.php HTTP/1.1|Host: a|X-Forwarded-For: 10.0.0.1|X-Forwarded-Proto: https|", "/a.php"),
        trust: Trust::Proxy,
        ..anybody
    };
    check(
        &proxy,
        &["HTTP_X_FORWARDED_FOR=10.0.0.1", "HTTP_X_FORWARDED_PROTO=https", "REMOTE_ADDR=192.0.2.7"],
    );
}

#[test]
fn operators_set_variables() {
    let (rule, mut variables) = (named(), Variables::default());
    variables.set("SCRIPT_FILENAME", "/elsewhere.php");
    variables.set("APP_ENV", "test");
    variables.set("APP_ENV", "production");
    let case = Case {
        sent: ("GET /a.php HTTP/1.1|Host: a|", "/a.php"),
        rule: &rule,
        trust: Trust::Nobody,
        scheme: Scheme::Http,
        user: None,
        rules: Rules::NONE,
        variables: &variables,
    };
    check(&case, &["SCRIPT_FILENAME=/elsewhere.php", "APP_ENV=production", "SCRIPT_NAME=/a.php"]);
    let seen = seen(&case);
    assert_eq!(seen.iter().filter(|pair| pair.starts_with("SCRIPT_FILENAME")).count(), 1);
}

#[test]
fn many_and_long_variables_take_several_records() {
    let rule = named();
    let long = format!("GET /a.php HTTP/1.1|Host: a|X-Long: {}|", "v".repeat(30_000));
    let mut variables = Variables::default();
    for name in ["A", "B", "C"] {
        variables.set(name, &"w".repeat(65_535));
    }
    let case = Case {
        sent: (&long, "/a.php"),
        rule: &rule,
        trust: Trust::Nobody,
        scheme: Scheme::Http,
        user: None,
        rules: Rules::NONE,
        variables: &variables,
    };
    let lens: Vec<usize> = seen(&case).iter().rev().take(4).map(String::len).collect();
    assert_eq!(lens, [65_537, 65_537, 65_537, 30_012]);
}

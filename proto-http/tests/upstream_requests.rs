//! Request heads on their way to upstreams: what the client sends, and what leaves.

use proto_http::upstream::{
    Announce, Content, Expectation, FieldNames, Forwarding, HostField, Lifetime, Named, RequestHead, Rules,
    Scheme, Trust, wanted,
};
use proto_http::{BadRequest, Head, HeadParser, Limits, Progress, fuzzing};

/// What is other than usual about a head on its way.
struct Changes<'c> {
    target: Option<(&'c [u8], &'c [u8])>,
    host: HostField<'c>,
    content: Option<Content>,
    expectation: Expectation,
    announce: Announce,
    rules: Rules<'c>,
    lifetime: Lifetime,
}

/// Nothing is told about the client.
const USUAL: Changes<'_> = Changes {
    target: None,
    host: HostField::Kept(b"upstream:80"),
    content: None,
    expectation: Expectation::Answered,
    announce: Announce::Nothing,
    rules: Rules::NONE,
    lifetime: Lifetime::Kept,
};

/// What leaves, with `|` for each line end.
fn leaving(input: &str, changes: &Changes<'_>) -> String {
    fuzzing::relayed(input.as_bytes());
    let mut head = Head::new();
    let outcome = HeadParser::new().parse(input.as_bytes(), &Limits::default(), &mut head);
    assert!(matches!(outcome, Ok(Progress::Done { .. })), "{outcome:?} for {input}");
    let request = head.view(input.as_bytes());
    let named = Named::of(&request).expect("few options");
    let (peer, scheme, trust) = (None, Scheme::Http, Trust::Nobody);
    let mut out = Vec::new();
    RequestHead {
        request,
        named: &named,
        method: request.method_bytes(),
        path: changes.target.map_or(request.path(), |(path, _)| path),
        query: changes.target.map_or(request.query(), |(_, query)| Some(query)),
        host: changes.host,
        content: changes.content.or(Content::of(&request)).expect("no other coding"),
        expectation: changes.expectation,
        upgrade: wanted(&request, &["websocket"]),
        forwarding: Forwarding { peer, trust, scheme, announce: changes.announce },
        rules: changes.rules,
        lifetime: changes.lifetime,
    }
    .write(&mut out);
    String::from_utf8(out).expect("text").replace("\r\n", "|")
}

fn check(lines: &str, expected: &str) {
    let input = lines.replace('|', "\r\n") + "\r\n";
    let out = leaving(&input, &USUAL);
    assert_eq!(out, expected.to_owned() + "|", "{lines}");
}

const VIA: &str = "Via: 1.1 kimura|";

#[test]
fn what_belongs_to_the_clients_connection_stays_there() {
    for (fields, passed) in [
        ("", ""),
        ("X-Keep: 1|", "X-Keep: 1|"),
        ("X-L: a|X-M: m|X-L: b|", "X-L: a|X-M: m|X-L: b|"),
        ("Connection: X-Drop|X-Drop: 1|x-drop: 2|X-Stay: 3|", "X-Stay: 3|"),
        ("Connection: close|Keep-Alive: timeout=5|Proxy-Connection: keep-alive|", ""),
        ("Connection: Cookie, Authorization|Cookie: a|Authorization: b|", ""),
        ("Connection: Host|", ""),
        ("Connection: X-Forwarded-For|X-Forwarded-For: 10.0.0.1|", ""),
        ("Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AAMAAABkAAQAAP__|", ""),
        ("HTTP2-Settings: AAMAAABkAAQAAP__|", ""),
        ("Proxy: http://evil.example|Proxy-Authorization: Basic x|", ""),
        ("X-Forwarded-For: 10.0.0.1|X-Forwarded-Port: 1|Forwarded: for=10.0.0.1|", ""),
        ("X_Forwarded_For: 10.0.0.1|x-forwarded_host: b|", ""),
        ("X-Real-IP: 10.0.0.1|x_real_ip: 10.0.0.1|True-Client-IP: 10.0.0.1|X-Real: 1|", "X-Real: 1|"),
        ("X-Original-URL: /admin|X-Rewrite-URL: /admin|", ""),
        ("Transfer_Encoding: chunked|Content_Length: 5|Host_: c|", "Host_: c|"),
        ("Max-Forwards: 3|", "Max-Forwards: 3|"),
        ("Trailer: X-T|", ""),
        ("Via: 1.0 fred|", "Via: 1.0 fred|"),
    ] {
        check(
            &format!("GET /a?b=c HTTP/1.1|Host: a|{fields}"),
            &format!("GET /a?b=c HTTP/1.1|Host: a|{passed}{VIA}"),
        );
    }
}

#[test]
fn what_belongs_to_our_connection_is_said() {
    let upgrade = "Connection: upgrade|Upgrade: websocket|Sec-WebSocket-Version: 13|";
    check(
        &format!("GET /s HTTP/1.1|Host: a|{upgrade}"),
        &format!(
            "GET /s HTTP/1.1|Host: a|Sec-WebSocket-Version: 13|{VIA}Upgrade: websocket|Connection: upgrade|"
        ),
    );
    check(
        "GET / HTTP/1.1|Host: a|TE: gzip, trailers|Connection: TE|",
        &format!("GET / HTTP/1.1|Host: a|{VIA}TE: trailers|Connection: TE|"),
    );
    check("GET / HTTP/1.1|Host: a|TE: gzip|Connection: TE|", &format!("GET / HTTP/1.1|Host: a|{VIA}"));
    check("OPTIONS * HTTP/1.1|Host: a|", &format!("OPTIONS * HTTP/1.1|Host: a|{VIA}"));
    check(
        "OPTIONS /x HTTP/1.1|Host: a|Max-Forwards: 3|",
        &format!("OPTIONS /x HTTP/1.1|Host: a|{VIA}Max-Forwards: 2|"),
    );
    check(
        "OPTIONS /x HTTP/1.1|Host: a|Max-Forwards: x|",
        &format!("OPTIONS /x HTTP/1.1|Host: a|Max-Forwards: x|{VIA}"),
    );
}

#[test]
fn hosts_and_versions_are_told_as_they_were_asked_for() {
    check("GET http://b:81/x HTTP/1.1|Host: a|", &format!("GET /x HTTP/1.1|Host: b:81|{VIA}"));
    check("GET http://b HTTP/1.1|Host: a|", &format!("GET / HTTP/1.1|Host: b|{VIA}"));
    check("GET / HTTP/1.1|Host: [::1]:80|", &format!("GET / HTTP/1.1|Host: [::1]:80|{VIA}"));
    check("GET / HTTP/1.0|", "GET / HTTP/1.1|Host: upstream:80|Via: 1.0 kimura|");
    check("GET / HTTP/1.0|Host: a|Connection: keep-alive|", "GET / HTTP/1.1|Host: a|Via: 1.0 kimura|");
    let given = Changes { host: HostField::Given(b"app.example"), ..USUAL };
    let out = leaving("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &given);
    assert_eq!(out, format!("GET / HTTP/1.1|Host: app.example|{VIA}|"));
}

#[test]
fn a_content_has_one_framing() {
    for (fields, framing) in [
        ("", ""),
        ("Content-Length: 0|", "Content-Length: 0|"),
        ("Content-Length: 00005|", "Content-Length: 5|"),
        ("Transfer-Encoding: chunked|Trailer: X-T|", "Trailer: X-T|{VIA}Transfer-Encoding: chunked|"),
        ("Connection: Content-Length|Content-Length: 5|", "Content-Length: 5|"),
        ("Connection: Transfer-Encoding|Transfer-Encoding: chunked|", "Transfer-Encoding: chunked|"),
        ("Expect: 100-continue|Content-Length: 5|", "Content-Length: 5|"),
    ] {
        let framing =
            if framing.contains("{VIA}") { framing.replace("{VIA}", VIA) } else { format!("{VIA}{framing}") };
        check(&format!("POST / HTTP/1.1|Host: a|{fields}"), &format!("POST / HTTP/1.1|Host: a|{framing}"));
    }
    let whole = Changes { content: Some(Content::Length(7)), ..USUAL };
    let out =
        leaving("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n", &whole);
    assert_eq!(out, format!("POST / HTTP/1.1|Host: a|{VIA}Content-Length: 7||"));
}

#[test]
fn expectations_go_to_who_answers_them() {
    let passed = Changes { expectation: Expectation::Passed, ..USUAL };
    for (fields, expected) in [
        ("Content-Length: 5\r\nExpect: 100-Continue\r\n", "Expect: 100-continue|Content-Length: 5|"),
        ("Content-Length: 5\r\nExpect: other\r\n", "Content-Length: 5|"),
        ("Expect: 100-continue\r\n", ""),
    ] {
        let out = leaving(&format!("PUT / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), &passed);
        assert_eq!(out, format!("PUT / HTTP/1.1|Host: a|{VIA}{expected}|"));
    }
}

#[test]
fn what_was_rewritten_cannot_end_a_line() {
    let rewritten = Changes { target: Some((b"a b\r\n?#\xc3\xa9%2F", b"c=d?\r\nX: y")), ..USUAL };
    let out = leaving("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", &rewritten);
    assert_eq!(out, format!("GET /a%20b%0D%0A%3F%23%C3%A9%2F?c=d?%0D%0AX:%20y HTTP/1.1|Host: a|{VIA}|"));
    check("GET /a%2Fb%0Ac HTTP/1.1|Host: a|", &format!("GET /a%2Fb%0Ac HTTP/1.1|Host: a|{VIA}"));
}

#[test]
fn operators_change_what_they_want() {
    let mut dropped = FieldNames::default();
    for name in ["Cookie", "X-Real-IP", "Via", "x-forwarded-proto"] {
        dropped.insert(name).expect("a name");
    }
    let input = "GET / HTTP/1.1\r\nHost: a\r\ncookie: 1\r\nX-Real-IP: 10.0.0.1\r\nX-Other: 2\r\n\r\n";
    let changes = Changes {
        rules: Rules { dropped: &dropped, lines: b"X-Real-IP: 192.0.2.7\r\n" },
        announce: Announce::XForwarded,
        lifetime: Lifetime::Last,
        ..USUAL
    };
    let out = leaving(input, &changes);
    let expected =
        "GET / HTTP/1.1|Host: a|X-Other: 2|X-Forwarded-Host: a|Connection: close|X-Real-IP: 192.0.2.7||";
    assert_eq!(out, expected);
}

#[test]
fn what_cannot_be_passed_on_is_refused() {
    let many = vec!["x"; 17].join(",");
    for (fields, named, content) in [
        (format!("Connection: {many}"), Err(BadRequest::ConnectionOptions), Some(Content::None)),
        ("Transfer-Encoding: gzip, chunked".to_owned(), Ok(()), None),
    ] {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let mut head = Head::new();
        HeadParser::new().parse(input.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let request = head.view(input.as_bytes());
        assert_eq!((Named::of(&request).map(drop), Content::of(&request)), (named, content));
    }
}

//! Patterns that take exponential time where an engine goes back, over paths far longer than a target can be. That all of
//! this comes to an end is the proof: such an engine would not. What is counted is how often the rules look.

use config::Source;
use proto_http::{Head, HeadParser, Limits};
use site::{Action, Arrival, Event, Inquiry, Security, Site, Trail, Walk};

/// Bytes of each path.
const LEN: usize = 100_000;

/// A pattern, what is repeated behind `/`, the end, and whether it matches.
const ROWS: &[(&str, &str, &str, bool)] = &[
    ("^/(a+)+$", "a", "", true),
    ("^/(a+)+$", "a", "!", false),
    ("^/(a|aa)+$", "a", "", true),
    ("^/(a|aa)+$", "a", "!", false),
    ("^/(a|a?)+$", "a", "b", false),
    ("^/(a*)*b$", "a", "", false),
    ("^/((a+)+)+$", "a", "!", false),
    ("^/(([a-z])+.)+[A-Z]([a-z])+$", "a", "", false),
    ("^/([a-zA-Z]+)*$", "aB", "1", false),
    ("^/(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x$", "a", "", false),
    ("^/(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x$", "a", "x", true),
    ("^/(.+?)+?,$", "a", "", false),
    ("(a{1,50}){1,50}b$", "a", "", false),
    ("(x+x+)+y", "x", "", false),
    ("(x+x+)+y", "x", "y", true),
    ("\\d+\\d+\\d+\\d+\\d+z", "1", "", false),
    ("([\\w.-]+)+@([\\w-]+\\.)+[a-z]{2,}$", "a.", "!", false),
    ("^/(([^/]+)/?)*#$", "a/", "", false),
    ("(?i)^/(?:(?:A|a)+)+$", "aA", "0", false),
    ("^/(\\s*|\\S*)*$", "a ", "", true),
];

#[test]
fn each_comes_to_an_end() {
    let mut faults = Vec::new();
    for (pattern, repeated, end, wanted) in ROWS {
        let path = [b"/", repeated.repeat(LEN / repeated.len()).as_bytes(), end.as_bytes()].concat();
        for rule in ["path", "if"] {
            let (status, looks) = serve(&compile(pattern, rule), &path);
            if (status == 200) != *wanted || looks != 1 {
                faults.push(format!("{pattern} as {rule}, {end:?}: {status} after {looks} looks"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_captured_of_it_does_not_become_a_place() {
    let text = r#"{ "hosts": { "localhost": { "rewrite": [
        { "path": "^/to/(.*)$", "to": "https://www.example.org/?$1", "redirect": 302 },
        { "path": "^/in/(.*)$", "to": "/show/$1" } ] } } }"#;
    for path in ["/to/", "/in/"] {
        let path = [path.as_bytes(), &b"a".repeat(LEN)].concat();
        assert_eq!(serve(&load(text), &path).0, 414);
    }
}

fn compile(pattern: &str, place: &str) -> Site {
    let pattern = pattern.replace('\\', "\\\\");
    let matching = match place {
        "path" => format!(r#""path": "{pattern}""#),
        _ => format!(r#""if": {{ "match": {{ "$path": "{pattern}" }} }}"#),
    };
    load(&format!(
        r#"{{ "hosts": {{ "localhost": {{ "rewrite": [{{ {matching}, "return": 200 }}], "return": 404 }} }} }}"#
    ))
}

fn load(text: &str) -> Site {
    let source = Source { name: "kimura.conf".to_owned(), text: text.to_owned() };
    let loaded = config::load(Some(source), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    site::compile(&loaded.config, &loaded.registry).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The status, and how many rules were looked at.
fn serve(site: &Site, path: &[u8]) -> (u16, usize) {
    let bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut head = Head::default();
    HeadParser::default().parse(bytes, &Limits::default(), &mut head).expect("a head");
    let request = head.view(bytes);
    let place = site.locate(0, &request, path).expect("a place");
    let inquiry = Inquiry { request, asked: path, client: None, security: Security::Plain };
    let mut trail = Trail::default();
    trail.begin(path, None);
    let mut looks = 0;
    let arrival = Walk::new(place.host).go(&inquiry, &mut trail, &mut |event| {
        looks += usize::from(matches!(event, Event::Missed(..) | Event::Matched(_)));
    });
    match arrival {
        Arrival::Answered(_, Action::Respond(answer)) => (answer.status.code(), looks),
        Arrival::Answered(_, other) => panic!("{other:?}"),
        _ => (404, looks),
    }
}

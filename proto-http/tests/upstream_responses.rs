//! Response heads of upstreams in files, and what is to come of each: `testdata/responses`.

mod expected_responses;

use std::fs;
use std::path::Path;

use proto_http::upstream::{
    AnswerHead, Asked, Delivery, Framing, Recoding, Response, ResponseHead, ResponseLimits, ResponseParser,
    Rules, ServerField, write_interim,
};
use proto_http::{Method, Progress, Version, date, fuzzing, response};

#[test]
fn good_responses_are_read_as_expected() {
    check("good", expected_responses::GOOD, |input| {
        let mut head = ResponseHead::new();
        match ResponseParser::new().parse(input, &ResponseLimits::default(), &mut head) {
            Ok(Progress::Done { len }) => summary(&head.view(input), &input[len..]),
            other => format!("{other:?}"),
        }
    });
}

#[test]
fn bad_responses_are_refused_as_expected() {
    check("bad", expected_responses::BAD, |input| {
        match ResponseParser::new().parse(input, &ResponseLimits::default(), &mut ResponseHead::new()) {
            Err(cause) => format!("{cause:?}"),
            other => format!("{other:?}"),
        }
    });
}

fn check(folder: &str, expected: &[(&str, &str)], outcome: impl Fn(&[u8]) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/responses").join(folder);
    let files = fs::read_dir(&folder).expect("the folder can be listed");
    let mut found: Vec<(String, String)> = files
        .map(|file| {
            let path = file.expect("the folder can be listed").path();
            let input = fs::read(&path).expect("the file can be read");
            // Byte by byte, a large head takes its time.
            fuzzing::response(&input[..input.len().min(4096)]);
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            (name, outcome(&input))
        })
        .collect();
    found.sort();
    let lines = |(name, outcome): (&str, &str)| format!("{name}: {outcome}");
    let found: Vec<String> = found.iter().map(|(name, outcome)| lines((name, outcome))).collect();
    let expected: Vec<String> = expected.iter().map(|&pair| lines(pair)).collect();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "each file has an expectation");
}

/// Status, framing after GET and HEAD, connection, and the head that a client of HTTP/1.1 gets after GET.
fn summary(found: &Response<'_>, rest: &[u8]) -> String {
    let framing = |method| found.framing(&Asked { method, upgrade: Some(b"websocket") });
    let get = framing(Method::Get).expect("it was asked for");
    let mut line = format!("{} {get:?}", found.status().code());
    if framing(Method::Head) != Ok(get) {
        line += &format!(", HEAD {:?}", framing(Method::Head).expect("it was asked for"));
    }
    line += if found.keeps_alive(get) { ", keep" } else { ", close" };
    if !rest.is_empty() {
        line += &format!(", rest of {}", rest.len());
    }
    line + " -> " + &answer(found, get)
}

fn answer(found: &Response<'_>, framing: Framing) -> String {
    let mut out = Vec::new();
    if found.is_interim() {
        write_interim(found, &mut out);
    } else {
        let delivery = Delivery::of(found, framing, Method::Get, Version::Http11);
        let connection = response::connection(Version::Http11, !delivery.closes());
        let (date, server, rules) = (date::format(0), ServerField::Dropped, Rules::NONE);
        AnswerHead {
            response: *found,
            delivery,
            connection,
            date: &date,
            server,
            recoding: Recoding::None,
            rules,
        }
        .write(&mut out);
    }
    let head = out.escape_ascii().to_string().replace("\\r\\n", "|");
    head.strip_prefix("HTTP/1.1 ").expect("our version").replace("Thu, 01 Jan 1970 00:00:00 GMT", "NOW")
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let input = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\nraw";
    let mut head = ResponseHead::new();
    ResponseParser::new().parse(input, &ResponseLimits::default(), &mut head).expect("a head");
    for (upgrade, taken) in [(None, false), (Some(&b"websocket"[..]), false), (Some(b"Foo"), true)] {
        let framing = head.view(input).framing(&Asked { method: Method::Get, upgrade });
        assert_eq!(framing == Ok(Framing::Tunnel), taken, "{upgrade:?} {framing:?}");
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = ResponseLimits { head_bytes: 64, fields: 2 };
    let filler = |len| format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "v".repeat(len));
    for (input, outcome) in [
        ("HTTP/1.1 200 OK\r\nA:\r\nB:\r\n\r\n".to_owned(), "Ok(Done { len: 27 })"),
        ("HTTP/1.1 200 OK\r\nA:\r\nB:\r\nC:\r\n".to_owned(), "Err(TooManyFields)"),
        (filler(40), "Ok(Done { len: 64 })"),
        (filler(41), "Err(HeadTooLarge)"),
        (filler(60)[..63].to_owned(), "Ok(NeedMore)"),
        (filler(60)[..64].to_owned(), "Err(HeadTooLarge)"),
        ("H".to_owned(), "Ok(NeedMore)"),
        ("HTTP/2".to_owned(), "Err(Begin)"),
        ("\r".to_owned(), "Err(Begin)"),
        (String::new(), "Ok(NeedMore)"),
    ] {
        let found = ResponseParser::new().parse(input.as_bytes(), &limits, &mut ResponseHead::new());
        assert_eq!(format!("{found:?}"), outcome, "{input}");
    }
}

#[test]
fn a_head_and_a_parser_are_good_for_many_responses() {
    let input = b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nContent-Length: 5\r\n\r\n";
    let bare = b"HTTP/1.1 204 No Content\r\n\r\n";
    let (mut parser, mut head) = (ResponseParser::new(), ResponseHead::new());
    for _ in 0..3 {
        for (message, fields) in [(&input[..], 2), (&bare[..], 0)] {
            let outcome = parser.parse(message, &ResponseLimits::default(), &mut head);
            assert_eq!(outcome, Ok(Progress::Done { len: message.len() }));
            assert_eq!(head.view(message).fields().count(), fields);
        }
    }
}

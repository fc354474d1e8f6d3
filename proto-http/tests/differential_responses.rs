//! The parser of response heads beside httparse alone: what that takes and ours does not has to be intended.

use proptest::prelude::*;
use proto_http::upstream::{BadResponse, ResponseHead, ResponseLimits, ResponseParser};
use proto_http::{Progress, fuzzing};

/// Why httparse takes what is refused here for this cause. None: it should not.
fn stricter(cause: BadResponse) -> Option<&'static str> {
    match cause {
        BadResponse::Begin => Some("httparse skips empty lines before the status line"),
        BadResponse::LineEnd => Some("LF alone ends a line for httparse"),
        BadResponse::Status => Some("httparse takes every number of three digits"),
        BadResponse::FieldName
        | BadResponse::FieldFolded
        | BadResponse::FieldValue
        | BadResponse::StatusLine
        | BadResponse::Version => None,
        _ => Some("httparse does not look at what fields mean"),
    }
}

fn compare(input: &[u8]) {
    fuzzing::response(input);
    let (mut head, mut fields) = (ResponseHead::new(), [httparse::EMPTY_HEADER; 128]);
    let ours = ResponseParser::new().parse(input, &ResponseLimits::default(), &mut head);
    let mut parsed = httparse::Response::new(&mut fields);
    let theirs = parsed.parse(input);
    let shown = input.escape_ascii();
    match (ours, theirs) {
        (Ok(Progress::Done { len }), Ok(theirs)) => {
            assert_eq!(theirs, httparse::Status::Complete(len), "{shown}");
            let view = head.view(input);
            assert_eq!(Some(view.status().code()), parsed.code);
            let theirs = parsed.headers.iter().map(|field| (field.name.as_bytes(), field.value));
            assert!(view.fields().map(|(name, value, _)| (name, value)).eq(theirs), "{shown}");
        }
        (Err(cause), Ok(httparse::Status::Complete(_))) => {
            assert!(stricter(cause).is_some(), "{cause:?} for {shown}");
        }
        (Ok(Progress::Done { .. }), Err(error)) => panic!("{error:?} for {shown}"),
        // Either waits for more of what the other refuses already, or both refuse.
        _ => {}
    }
}

const SEEDS: [&str; 6] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.0 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nX-Empty:\r\nVary: Accept, \tCookie \r\n\r\n",
];

/// A seed in which bytes are replaced, put in and left out.
fn mutants() -> impl Strategy<Value = Vec<u8>> {
    let edges = b"\0\t\n\r ,/0129:;@AZaz~\x7f\x80\xff".to_vec();
    let byte = prop_oneof![prop::sample::select(edges), any::<u8>()];
    let change = (any::<prop::sample::Index>(), 0..4u8, byte);
    (prop::sample::select(&SEEDS[..]), prop::collection::vec(change, 0..4)).prop_map(|(seed, changes)| {
        let mut input = seed.as_bytes().to_owned();
        for (at, change, byte) in changes {
            let at = at.index(input.len());
            match change {
                0 => input[at] = byte,
                1 => input.insert(at, byte),
                2 if input.len() > 1 => drop(input.remove(at)),
                _ => input.insert(at, input[at]),
            }
        }
        input
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_difference_is_intended(input in mutants()) {
        compare(&input);
    }
}

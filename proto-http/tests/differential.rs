//! The parser of heads beside httparse: what one takes and the other does not has to be intended.

use httparse::{Error, Status};
use proptest::prelude::*;
use proto_http::{BadRequest, ErrorKind, Head, HeadParser, Limits, Progress, Version};

/// Why httparse takes, or waits for more of, what is refused here for this cause. None: it should not.
fn stricter(cause: BadRequest) -> Option<&'static str> {
    let meaning = "httparse does not look at what targets and fields mean";
    match cause {
        BadRequest::EmptyLines => Some("two are enough for every client that sends any"),
        BadRequest::MethodTooLong => Some("there are no such methods"),
        BadRequest::RequestLineEnd | BadRequest::FieldLineEnd => {
            Some("LF alone ends a line for httparse, but not for every server (RFC 9112 section 2.2)")
        }
        BadRequest::TargetByte => Some("httparse takes bytes outside ASCII, and `#`"),
        BadRequest::TargetForm | BadRequest::TargetUserInfo | BadRequest::TargetAuthority => Some(meaning),
        _ if matches!(cause.kind(), ErrorKind::Host | ErrorKind::Framing) => Some(meaning),
        BadRequest::ContentLengthTooLarge => Some(meaning),
        _ => None,
    }
}

/// Why httparse refuses with this error what is taken here. None: it should not.
fn laxer(error: Error) -> Option<&'static str> {
    match error {
        Error::Version => Some("a later minor version of HTTP/1 is read as 1.1 (RFC 9110 section 2.5)"),
        _ => None,
    }
}

#[derive(Debug, PartialEq)]
struct Found {
    len: usize,
    method: Vec<u8>,
    target: Vec<u8>,
    http10: bool,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

fn ours(input: &[u8]) -> Result<Option<Found>, BadRequest> {
    let mut head = Head::new();
    let Progress::Done { len } = HeadParser::new().parse(input, &Limits::default(), &mut head)? else {
        return Ok(None);
    };
    let view = head.view(input);
    Ok(Some(Found {
        len,
        method: view.method_bytes().to_owned(),
        target: view.raw_target().to_owned(),
        http10: view.version() == Version::Http10,
        fields: view.fields().map(|(name, value, _)| (name.to_owned(), value.to_owned())).collect(),
    }))
}

fn theirs(input: &[u8]) -> Result<Option<Found>, Error> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    let Status::Complete(len) = request.parse(input)? else { return Ok(None) };
    Ok(Some(Found {
        len,
        method: request.method.unwrap_or_default().into(),
        target: request.path.unwrap_or_default().into(),
        http10: request.version == Some(0),
        fields: request.headers.iter().map(|field| (field.name.into(), field.value.into())).collect(),
    }))
}

fn compare(input: &[u8]) {
    let shown = input.escape_ascii();
    match (ours(input), theirs(input)) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{shown}"),
        (Err(_), Err(_)) => {}
        (Err(cause), Ok(_)) => assert!(stricter(cause).is_some(), "{cause:?} for {shown}"),
        (Ok(found), Err(error)) => assert!(laxer(error).is_some(), "{error:?}, {found:?} for {shown}"),
    }
}

const SEEDS: [&str; 9] = [
    "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "AMETHODTHATISTHIRTYTWOBYTESLONGX / HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a/b?c=d HTTP/1.1\r\nHost: example.org:8080\r\nContent-Length: 5\r\n\r\nhello",
    "\r\nPUT http://example.org/x HTTP/1.0\r\nHost: [::1]\r\nAccept: */*\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nUser-Agent: some agent/1.0 (and more, of it)\r\nEmpty:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: \tkeep-alive \r\n\r\n0\r\n\r\n",
    "CONNECT a:443 HTTP/1.2\r\nHost: a\r\nX_~!: \u{e9}\r\n\r\n",
];

/// A seed in which bytes are replaced, put in and left out.
fn mutants() -> impl Strategy<Value = Vec<u8>> {
    let edges = b"\0\t\n\r !#%,/0129:;?@AZ[]_az{|}~\x7f\x80\xff".to_vec();
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
    #![proptest_config(ProptestConfig { cases: 8192, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_difference_is_intended(input in mutants()) {
        compare(&input);
    }

    #[test]
    fn every_difference_on_a_part_is_intended(input in mutants(), end in any::<prop::sample::Index>()) {
        compare(&input[..end.index(input.len())]);
    }
}

//! Properties of the parser of heads over generated inputs.

use proptest::prelude::*;
use proto_http::{BadRequest, Head, HeadParser, Limits, Progress, fuzzing};

/// Pieces of heads, most of them from the edge of what is allowed.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /echo?q HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "GET http://a.example:80?q HTTP/1.2\r\n",
        "CONNECT a:1 HTTP/1.0\r\n",
        "Host: example.org\r\n",
        "Host: [::1]:8080\r\n",
        "Connection: keep-alive, close\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
        "X-Very-Long-Name-Of-A-Field: a value\twith tabs and more than sixteen bytes\r\n",
        "\r\n",
        "\r",
        "\n",
        " ",
        "\t",
        ":",
        "_",
    ]);
    let line = lines.prop_map(|line| line.as_bytes().to_owned());
    let bytes = prop::collection::vec(any::<u8>(), 0..3);
    prop::collection::vec(prop_oneof![12 => line, 1 => bytes], 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn splits_do_not_matter(input in pieces()) {
        fuzzing::head(&input);
    }

    #[test]
    fn splits_do_not_matter_after_a_good_beginning(input in pieces()) {
        let mut head = b"GET /a HTTP/1.1\r\nHost: example.org\r\n".to_vec();
        head.extend_from_slice(&input);
        fuzzing::head(&head);
    }

    #[test]
    fn what_is_taken_goes_on_clean(input in pieces()) {
        let mut head = b"POST /a HTTP/1.1\r\nHost: example.org\r\n".to_vec();
        head.extend_from_slice(&input);
        head.extend_from_slice(b"\r\n\r\n");
        fuzzing::relayed(&head);
        fuzzing::environment(&head);
    }

    #[test]
    fn records_of_applications_are_the_same_however_they_are_cut(
        records in prop::collection::vec(
            (prop::sample::select(vec![3u8, 6, 6, 7, 5]), prop::collection::vec(0u8..4, 0..10), 0u8..4),
            0..6,
        ),
    ) {
        let record = |(kind, content, padding): (u8, Vec<u8>, u8)| {
            let head = [1, kind, 0, 1, 0, content.len() as u8, padding, 0];
            [&head[..], &content, &vec![0; usize::from(padding)]].concat()
        };
        fuzzing::fastcgi_reply(&records.into_iter().flat_map(record).collect::<Vec<u8>>());
    }

    #[test]
    fn what_proxies_say_before_is_the_same_however_it_is_cut(
        line in "PROXY (TCP4|TCP6|UNKNOWN|x)( (192\\.0\\.2\\.[0-9]{1,3}|::1|[0-9]{1,6})){0,5}\r?\n?",
        (command, family, len) in (0x1fu8..0x23, prop::sample::select(vec![0u8, 0x11, 0x12, 0x21, 0x31]), 0u8..50),
        rest in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        fuzzing::proxy(line.as_bytes());
        let binary = [b"\r\n\r\n\0\r\nQUIT\n", &[command, family, 0, len][..], &rest].concat();
        fuzzing::proxy(&binary);
        fuzzing::proxy(&rest);
    }

    #[test]
    fn fields_of_proxies_are_read_whatever_they_hold(
        value in "((for|by|x)=(\"?[0-9.\\[\\]:a]{0,12}\"?)?[,; \"\\\\]){0,80}",
    ) {
        fuzzing::forwarded(value.as_bytes());
    }

    #[test]
    fn searches_agree_with_their_twins(input in prop::collection::vec(any::<u8>(), 0..100)) {
        fuzzing::scan_twin(&input);
    }

    #[test]
    fn searches_of_text_agree_with_their_twins(input in "[a-zA-Z0-9 -]{0,90}[:\t\r?#é]?[a-z]{0,20}") {
        fuzzing::scan_twin(input.as_bytes());
    }
}

/// What comes of as many bytes as are there, for limits of 64 bytes, 16 of target and 2 fields.
fn small(input: &str) -> Result<Progress, BadRequest> {
    let limits = Limits { head_bytes: 64, target_bytes: 16, fields: 2 };
    HeadParser::new().parse(input.as_bytes(), &limits, &mut Head::new())
}

#[test]
fn limits_hold_to_the_byte() {
    let more = Ok(Progress::NeedMore);
    let done = |len| Ok(Progress::Done { len });
    let filler = |len| format!("GET / HTTP/1.0\r\nA: {}\r\n\r\n", "v".repeat(len));
    for (input, outcome) in [
        ("GET /123456789012345".to_owned(), more),
        ("GET /1234567890123456".to_owned(), Err(BadRequest::TargetTooLong)),
        ("GET /?345678901234567".to_owned(), Err(BadRequest::TargetTooLong)),
        ("GET /123456789012345 HTTP/1.0\r\n\r\n".to_owned(), done(33)),
        ("GET / HTTP/1.0\r\nA:\r\nB:\r\n\r\n".to_owned(), done(26)),
        ("GET / HTTP/1.0\r\nA:\r\nB:\r\nC".to_owned(), more),
        ("GET / HTTP/1.0\r\nA:\r\nB:\r\nC:".to_owned(), Err(BadRequest::TooManyFields)),
        (filler(41), done(64)),
        (filler(42), Err(BadRequest::HeadTooLarge)),
        (filler(60)[..63].to_owned(), more),
        (filler(60)[..64].to_owned(), Err(BadRequest::HeadTooLarge)),
    ] {
        assert_eq!(small(&input), outcome, "{input}");
    }
    // A request line that fills the head is for the target to answer for.
    let limits = Limits { head_bytes: 16, ..Limits::default() };
    let outcome = HeadParser::new().parse(b"GET /12345678901", &limits, &mut Head::new());
    assert_eq!(outcome, Err(BadRequest::TargetTooLong));
}

#[test]
fn other_protocols_are_refused_at_once() {
    for (input, cause) in [
        ("\x16", BadRequest::Method),
        ("\0", BadRequest::Method),
        ("\n", BadRequest::RequestLineEnd),
        ("PRI * ", BadRequest::TargetForm),
        ("GET / HTTP/1.1\r\n ", BadRequest::FieldFolded),
        ("GET / HTTP/1.1\r\nA ", BadRequest::FieldSpaceBeforeColon),
        ("GET / HTTP/1.1\r\nA: \0", BadRequest::FieldValue),
        ("GET / H2", BadRequest::Version),
    ] {
        assert_eq!(small(input), Err(cause), "{}", input.escape_debug());
    }
}

#[test]
fn a_head_and_a_parser_are_good_for_many_requests() {
    let (mut parser, mut head) = (HeadParser::new(), Head::new());
    let requests: [&[u8]; 4] = [
        b"POST http://a/?q HTTP/1.1\r\nHost: b\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        b"GET /x HTTP/1.0\r\n\r\n",
        b"GET  ",
        b"GET /x HTTP/1.0\r\n\r\n",
    ];
    for (request, seen) in requests.into_iter().zip(["a body", "nothing", "", "nothing"]) {
        let outcome = parser.parse(request, &Limits::default(), &mut head);
        if outcome.is_err() {
            parser.reset();
            continue;
        }
        assert_eq!(outcome, Ok(Progress::Done { len: request.len() }));
        let view = head.view(request);
        let left = view.authority().is_some() || view.query().is_some() || view.fields().count() != 0;
        let left = left || view.body() != proto_http::Body::None || view.expects_continue();
        assert_eq!(left, seen == "a body", "{view:?}");
    }
}

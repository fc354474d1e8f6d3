//! Properties of what goes through a proxy: whatever comes in on one side, what leaves on the other is clean, and
//! means the same.

use std::net::{IpAddr, Ipv4Addr};

use crate::upstream::{
    Announce, AnswerHead, Asked, BadResponse, Content, Delivery, Expectation, Forwarding, Framing, HostField,
    Lifetime, MaxForwards, Name, Named, Recoding, RequestHead, Response, ResponseHead, ResponseLimits,
    ResponseParser, Rules, Scheme, ServerField, Trust, wanted, write_interim,
};
use crate::{
    Body, Coding, Head, HeadParser, Known, Limits, Method, Progress, Request, Status, Version, date,
    response as wire, token,
};

const SMALL: ResponseLimits = ResponseLimits { head_bytes: 128, fields: 4 };
/// For what is written from something within the limits.
const WIDE: ResponseLimits = ResponseLimits { head_bytes: 1024 * 1024, fields: 256 };

/// Feeds a response head whole and byte by byte: the outcome must be the same, what is found well-formed, and what a
/// client gets of it one response that says what the upstream's did.
pub fn response(input: &[u8]) {
    for limits in [ResponseLimits::default(), SMALL] {
        let (mut whole, mut bytewise) = (ResponseHead::new(), ResponseHead::new());
        let outcome = ResponseParser::new().parse(input, &limits, &mut whole);
        assert_eq!(outcome, parse_bytewise(input, &limits, &mut bytewise), "splits do not matter");
        let Ok(Progress::Done { len }) = outcome else { continue };
        assert!(len <= input.len() && len <= limits.head_bytes);
        let found = whole.view(&input[..len]);
        assert!(found.fields().eq(bytewise.view(input).fields()));
        assert!(found.fields().count() <= limits.fields);
        is_well_formed(&found);
        if found.is_interim() {
            let mut out = Vec::new();
            write_interim(&found, &mut out);
            let said = |framing, _: &Response<'_>| assert_eq!(framing, Framing::None);
            reads_back(&out, (Method::Get, None), said);
            continue;
        }
        answers(&found);
    }
}

/// What a client gets of a response, whatever it has asked, is one response that says what the upstream's did.
pub(super) fn answers(found: &Response<'_>) {
    for method in [Method::Get, Method::Head] {
        for version in [Version::Http10, Version::Http11] {
            for upgrade in [None, Some(&b"websocket"[..])] {
                answer(found, (method, upgrade), version);
            }
        }
    }
}

fn parse_bytewise(
    input: &[u8],
    limits: &ResponseLimits,
    head: &mut ResponseHead,
) -> Result<Progress, BadResponse> {
    let mut parser = ResponseParser::new();
    let mut outcome = Ok(Progress::NeedMore);
    for len in 0..=input.len() {
        outcome = parser.parse(&input[..len], limits, head);
        if outcome != Ok(Progress::NeedMore) {
            break;
        }
    }
    outcome
}

fn is_well_formed(response: &Response<'_>) {
    assert!(response.reason().iter().all(|&byte| token::is_value(byte)));
    for (name, value, known) in response.fields() {
        assert!(!name.is_empty() && name.iter().all(|&byte| token::is_token_byte(byte)));
        assert!(value.iter().all(|&byte| token::is_value(byte)));
        assert_eq!(value, token::trim(value));
        assert!(known == Name::Other || response.all(known).any(|other| other == value));
    }
}

fn answer(found: &Response<'_>, (method, upgrade): (Method, Option<&[u8]>), version: Version) {
    let Ok(framing) = found.framing(&Asked { method, upgrade }) else { return };
    let delivery = Delivery::of(found, framing, method, version);
    for (recoding, delivery) in [
        (Recoding::None, delivery),
        (Recoding::Possible, delivery),
        (Recoding::Done(Coding::Gzip), delivery.recoded()),
    ] {
        tell(found, (method, upgrade), (version, delivery), recoding);
    }
}

fn tell(
    found: &Response<'_>,
    (method, upgrade): (Method, Option<&[u8]>),
    (version, delivery): (Version, Delivery),
    recoding: Recoding,
) {
    let connection = wire::connection(version, !delivery.closes());
    let mut out = Vec::new();
    let date = date::format(0);
    let server = ServerField::Own(b"kimura");
    AnswerHead { response: *found, delivery, connection, date: &date, server, recoding, rules: Rules::NONE }
        .write(&mut out);
    reads_back(&out, (method, upgrade), |framing, client| {
        let expected = match delivery {
            Delivery::None | Delivery::Announced(_) => Framing::None,
            Delivery::Length(length) => Framing::Length(length),
            Delivery::Chunked => Framing::Chunked,
            Delivery::UntilClose => Framing::UntilClose,
            Delivery::Tunnel => Framing::Tunnel,
        };
        assert_eq!(framing, expected);
        assert_eq!(client.status(), found.status());
        assert_eq!(client.all(Name::Server).collect::<Vec<_>>(), [b"kimura"]);
        assert!(client.field(Name::Date).is_some());
        let cookies = |response: &Response<'_>| response.all(Name::SetCookie).count();
        assert!(cookies(client) <= cookies(found));
        if let Recoding::Done(coding) = recoding {
            let codings: Vec<_> = client.all(Name::ContentEncoding).collect();
            assert_eq!(codings, [coding.token().as_bytes()]);
            assert!(client.all(Name::ETag).all(|tag| !tag.starts_with(b"\"")));
        }
        assert!(recoding == Recoding::None || client.field(Name::Vary).is_some());
    });
}

/// What a client reads of a head must be one head, within which nothing of the upstream's connection is left.
fn reads_back(
    out: &[u8],
    (method, upgrade): (Method, Option<&[u8]>),
    check: impl Fn(Framing, &Response<'_>),
) {
    let mut head = ResponseHead::new();
    let outcome = ResponseParser::new().parse(out, &WIDE, &mut head);
    assert_eq!(outcome, Ok(Progress::Done { len: out.len() }), "{}", out.escape_ascii());
    let client = head.view(out);
    is_well_formed(&client);
    for gone in [Name::KeepAlive, Name::ProxyConnection, Name::Te] {
        assert_eq!(client.field(gone), None);
    }
    assert!(client.all(Name::Connection).count() <= 1);
    if !client.status().allows_content() && client.status() != Status::SWITCHING_PROTOCOLS {
        assert_eq!(client.field(Name::ContentLength).or(client.field(Name::TransferEncoding)), None);
    }
    check(client.framing(&Asked { method, upgrade }).expect("a framing"), &client);
}

/// A request head that is taken leaves as one head that says the same, whoever has sent it.
pub fn relayed(input: &[u8]) {
    let mut head = Head::new();
    let Ok(Progress::Done { len }) = HeadParser::new().parse(input, &Limits::default(), &mut head) else {
        return;
    };
    let request = head.view(&input[..len]);
    let (Ok(named), Some(content)) = (Named::of(&request), Content::of(&request)) else { return };
    // Neither goes on to anybody.
    if request.method() == Method::Connect || MaxForwards::of(&request) == MaxForwards::Here {
        return;
    }
    for trust in [Trust::Nobody, Trust::Proxy] {
        for announce in [Announce::Nothing, Announce::Both] {
            let peer = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let leaving = RequestHead {
                request,
                named: &named,
                method: request.method_bytes(),
                path: request.path(),
                query: request.query(),
                host: HostField::Kept(b"upstream.example"),
                content,
                expectation: Expectation::Passed,
                upgrade: wanted(&request, &["websocket"]),
                forwarding: Forwarding { peer, trust, scheme: Scheme::Https, announce },
                rules: Rules::NONE,
                lifetime: Lifetime::Kept,
            };
            leaves(&leaving);
        }
    }
}

fn leaves(leaving: &RequestHead<'_>) {
    let mut out = Vec::new();
    leaving.write(&mut out);
    let (request, limits) =
        (leaving.request, Limits { head_bytes: 1024 * 1024, target_bytes: 64 * 1024, fields: 256 });
    let mut head = Head::new();
    let outcome = HeadParser::new().parse(&out, &limits, &mut head);
    assert_eq!(outcome, Ok(Progress::Done { len: out.len() }), "{}", out.escape_ascii());
    let seen = head.view(&out);
    assert_eq!(seen.method_bytes(), request.method_bytes());
    assert_eq!((seen.path(), seen.query()), (request.path(), request.query()));
    assert!(request.authority().is_none() || seen.authority() == request.authority());
    assert_eq!(seen.body(), request.body());
    assert!(seen.version() == Version::Http11 && seen.keep_alive());
    assert!(seen.body() != Body::Chunked || seen.field(Known::ContentLength).is_none());
    for gone in [Known::KeepAlive, Known::ProxyConnection] {
        assert_eq!(seen.field(gone), None);
    }
    assert_eq!(seen.all(Known::Host).count(), 1);
    let ours = |name: &[u8]| name.eq_ignore_ascii_case(b"X-Forwarded-Proto");
    let spoofed = seen.fields().any(|(name, value, _)| ours(name) && value != b"https");
    assert!(leaving.forwarding.trust == Trust::Proxy || !spoofed);
    if leaving.forwarding.trust == Trust::Nobody {
        says_nothing_of_the_client(leaving, &seen);
    }
}

/// What is told about the client is what we know, and not what it has said.
fn says_nothing_of_the_client(leaving: &RequestHead<'_>, seen: &Request<'_>) {
    let expected: &[&[u8]] =
        if leaving.forwarding.announce == Announce::Nothing { &[] } else { &[b"127.0.0.1"] };
    assert_eq!(seen.all(Known::XForwardedFor).collect::<Vec<_>>(), expected);
    assert_eq!(seen.all(Known::Forwarded).count(), expected.len());
}

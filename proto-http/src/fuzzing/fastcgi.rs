//! Properties of what is said to FastCGI applications, and of what they say.

use std::net::{IpAddr, Ipv4Addr};

use super::upstream::answers;
use crate::fastcgi::{BadReply, CgiParser, Environment, Part, Reply, Script, Variables};
use crate::upstream::{
    Announce, Content, Forwarding, HostField, Named, ResponseHead, ResponseLimits, Rules, Scheme, Trust,
};
use crate::{Head, HeadParser, Limits, Progress};

/// Feeds records whole and byte by byte: the outcome must be the same, and no more than was sent.
pub fn fastcgi_reply(input: &[u8]) {
    let whole = take_apart(input, input.len().max(1));
    assert_eq!(whole, take_apart(input, 1), "splits do not matter");
}

/// Output, errors, bytes that are done with, and whether the reply is.
type Taken = (Vec<u8>, Vec<u8>, usize, bool);

fn take_apart(input: &[u8], step: usize) -> Result<Taken, BadReply> {
    let (mut reply, mut output, mut errors, mut at) = (Reply::new(), Vec::new(), Vec::new(), 0);
    while at < input.len() && !reply.is_done() {
        let part = &input[at..input.len().min(at + step)];
        let found = reply.next(part)?;
        assert!(0 < found.consumed && found.consumed <= part.len(), "every call gets on");
        match found.part {
            Part::Output(range) => output.extend_from_slice(&part[range]),
            Part::Errors(range) => errors.extend_from_slice(&part[range]),
            Part::Nothing => {}
            Part::End => assert!(reply.is_done()),
        }
        at += found.consumed;
    }
    assert!(output.len() + errors.len() <= input.len());
    Ok((output, errors, at, reply.is_done()))
}

/// Feeds a script's output whole and byte by byte: the outcome must be the same, and what a client gets of it clean.
pub fn script_answer(input: &[u8]) {
    let limits = ResponseLimits::default();
    let (mut whole, mut bytewise) = (ResponseHead::new(), ResponseHead::new());
    let outcome = CgiParser::new().parse(input, &limits, &mut whole);
    let mut parser = CgiParser::new();
    let mut other = Ok(Progress::NeedMore);
    for len in 0..=input.len() {
        other = parser.parse(&input[..len], &limits, &mut bytewise);
        if other != Ok(Progress::NeedMore) {
            break;
        }
    }
    assert_eq!(outcome, other, "splits do not matter");
    if outcome.is_ok_and(|progress| progress != Progress::NeedMore) {
        let found = whole.view(input);
        assert!(2 <= found.status().class());
        assert!(found.fields().all(|(name, _, _)| !name.eq_ignore_ascii_case(b"status")));
        answers(&found);
    }
}

/// A request that is taken leaves as records that read back to variables, none of them twice, and none that only a
/// client that is not trusted has made up.
pub fn environment(input: &[u8]) {
    let mut head = Head::new();
    let Ok(Progress::Done { len }) = HeadParser::new().parse(input, &Limits::default(), &mut head) else {
        return;
    };
    let request = head.view(&input[..len]);
    let (Ok(named), Some(content)) = (Named::of(&request), Content::of(&request)) else { return };
    let mut out = Vec::new();
    Environment {
        request,
        named: &named,
        method: request.method_bytes(),
        path: request.path(),
        query: request.query(),
        script: Script { path: request.path(), index: b"", rest: b"" },
        root: b"/srv",
        host: HostField::Kept(b"upstream.example"),
        content: if let Content::Length(length) = content { Some(length) } else { None },
        client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        client_port: None,
        server: None,
        user: None,
        forwarding: Forwarding {
            peer: None,
            trust: Trust::Nobody,
            scheme: Scheme::Http,
            announce: Announce::Nothing,
        },
        rules: Rules::NONE,
        variables: Variables::NONE,
    }
    .write(&mut out);
    let found = variables(&out);
    let mut names: Vec<&[u8]> = found.iter().map(|(name, _)| &name[..]).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "no variable is set twice");
    for never in
        [&b"HTTP_PROXY"[..], b"HTTP_FORWARDED", b"HTTP_X_FORWARDED_FOR", b"HTTP_CONTENT_LENGTH", b"HTTPS"]
    {
        assert!(!names.contains(&never));
    }
    let address = found.iter().find(|(name, _)| name == b"REMOTE_ADDR").expect("it is always there");
    assert_eq!(address.1, b"127.0.0.1");
}

/// Reads back what [`Environment::write`] has written.
#[must_use]
pub fn variables(records: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut stream, mut rest, mut ended) = (Vec::new(), records, false);
    while let [1, 4, 0, 1, high, low, 0, 0, after @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        assert!(!ended, "nothing follows the empty record");
        ended = len == 0;
        stream.extend_from_slice(&after[..len]);
        rest = &after[len..];
    }
    assert!(ended && rest.is_empty(), "records of variables, and one that ends them");
    let (mut pairs, mut rest) = (Vec::new(), &stream[..]);
    while !rest.is_empty() {
        let (name, value);
        (name, rest) = length(rest);
        (value, rest) = length(rest);
        pairs.push((rest[..name].to_vec(), rest[name..name + value].to_vec()));
        rest = &rest[name + value..];
    }
    pairs
}

fn length(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes {
        [short @ ..=127, rest @ ..] => (usize::from(*short), rest),
        [a, b, c, d, rest @ ..] => (u32::from_be_bytes([a & 127, *b, *c, *d]) as usize, rest),
        _ => panic!("a length is cut"),
    }
}

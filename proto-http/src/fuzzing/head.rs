//! Properties of the parser of heads.

use crate::{BadRequest, Head, HeadParser, Known, Limits, Progress, Request, Version, scan, token};

const SMALL: Limits = Limits { head_bytes: 256, target_bytes: 32, fields: 4 };

/// Feeds a head whole and byte by byte: the outcome must be the same, and what is found well-formed.
pub fn head(input: &[u8]) {
    for limits in [Limits::default(), SMALL] {
        let (mut whole, mut bytewise) = (Head::new(), Head::new());
        let outcome = HeadParser::new().parse(input, &limits, &mut whole);
        assert_eq!(outcome, parse_bytewise(input, &limits, &mut bytewise), "splits do not matter");
        let Ok(Progress::Done { len }) = outcome else { continue };
        assert!(len <= input.len() && len <= limits.head_bytes);
        assert!(whole.view(input).fields().count() <= limits.fields);
        assert!(whole.view(input).raw_target().len() <= limits.target_bytes);
        is_same(&whole.view(input), &bytewise.view(input));
        is_well_formed(&whole.view(&input[..len]));
    }
}

fn parse_bytewise(input: &[u8], limits: &Limits, head: &mut Head) -> Result<Progress, BadRequest> {
    let mut parser = HeadParser::new();
    let mut outcome = Ok(Progress::NeedMore);
    for len in 0..=input.len() {
        outcome = parser.parse(&input[..len], limits, head);
        if outcome != Ok(Progress::NeedMore) {
            break;
        }
    }
    outcome
}

fn is_same(one: &Request<'_>, other: &Request<'_>) {
    assert_eq!(one.method_bytes(), other.method_bytes());
    assert_eq!(one.raw_target(), other.raw_target());
    assert_eq!((one.path(), one.query()), (other.path(), other.query()));
    assert_eq!(one.authority(), other.authority());
    assert_eq!((one.version(), one.body()), (other.version(), other.body()));
    assert_eq!((one.keep_alive(), one.expects_continue()), (other.keep_alive(), other.expects_continue()));
    assert!(one.fields().eq(other.fields()));
}

fn is_well_formed(request: &Request<'_>) {
    assert!(
        !request.method_bytes().is_empty() && request.method_bytes().iter().all(|&b| token::is_token_byte(b))
    );
    assert!(!request.raw_target().is_empty() && request.raw_target().iter().all(|&b| token::is_target(b)));
    assert!(request.path().is_empty() || request.path()[0] == b'/');
    assert!(!request.path().contains(&b'?'));
    assert!(request.authority().is_some() || request.version() == Version::Http10);
    assert!(request.authority().is_none_or(|authority| !authority.host.is_empty()));
    for (name, value, known) in request.fields() {
        assert!(!name.is_empty() && name.iter().all(|&b| token::is_token_byte(b)));
        assert!(value.iter().all(|&b| token::is_value(b)));
        assert_eq!(value, token::trim(value));
        assert!(known == Known::Other || request.all(known).any(|other| other == value));
        assert_eq!(request.field(known), request.all(known).next());
    }
}

/// Compares the searches with twins that look at one byte after the other.
pub fn scan_twin(input: &[u8]) {
    // Each start within two blocks, so that all alignments and tails are met.
    for at in 0..=input.len().min(33) {
        let plain = |belongs: &dyn Fn(u8) -> bool| {
            input[at..].iter().position(|&byte| !belongs(byte)).map_or(input.len(), |found| at + found)
        };
        assert_eq!(scan::name_end(input, at), plain(&token::is_token_byte));
        assert_eq!(scan::path_end(input, at), plain(&|byte| token::is_target(byte) && byte != b'?'));
        assert_eq!(scan::target_end(input, at), plain(&token::is_target));
        assert_eq!(scan::value_end(input, at), plain(&token::is_value));
        let host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        assert_eq!(scan::host_end(input, at), plain(&host));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_of_a_block_is_found_as_by_the_twin() {
        for len in [9, 16, 50] {
            for place in 0..len {
                for byte in 0..=255 {
                    let mut input = vec![b'a'; len];
                    input[place] = byte;
                    scan_twin(&input);
                }
            }
        }
    }
}

//! OCSP responses (RFC 6960): only as much as tells whether one may be sent along, and until when.

use crate::der::{self, OCTET_STRING, OID, Reader, SEQUENCE};
use crate::time;

/// An answer of a responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// Its last second, since 1970; `None` when it does not say.
    pub(crate) next_update: Option<i64>,
}

impl Response {
    /// Reads a response in DER. `None` when it is broken, or only says that there is no answer.
    pub(crate) fn from_der(bytes: &[u8]) -> Option<Response> {
        const ENUMERATED: u8 = 0x0a;

        let mut outer = Reader::new(bytes);
        let mut response = outer.expect(SEQUENCE)?.inside();
        // RFC 6960 4.2.1: 0 is successful.
        let successful = response.expect(ENUMERATED)?.value == [0] && outer.is_empty();
        let mut wrapped = response.expect(der::context(0))?.inside().expect(SEQUENCE)?.inside();
        wrapped.expect(OID)?;
        let basic = wrapped.expect(OCTET_STRING)?.value;
        let data = Reader::new(basic).expect(SEQUENCE)?.inside().expect(SEQUENCE)?;
        let next_update = next_update(data.inside())?;
        successful.then_some(Response { next_update })
    }
}

/// The earliest end of the answers in a `ResponseData`. `None` when it is broken.
fn next_update(mut data: Reader<'_>) -> Option<Option<i64>> {
    data.optional(der::context(0));
    // Who answers, and when it did.
    data.any()?;
    data.expect(der::GENERALIZED_TIME)?;
    let mut answers = data.expect(SEQUENCE)?.inside();
    let mut earliest: Option<i64> = None;
    while !answers.is_empty() {
        let mut answer = answers.expect(SEQUENCE)?.inside();
        answer.expect(SEQUENCE)?;
        answer.any()?;
        answer.expect(der::GENERALIZED_TIME)?;
        if let Some(wrapped) = answer.optional(der::context(0)) {
            let end = time::seconds(&wrapped.inside().expect(der::GENERALIZED_TIME)?)?;
            earliest = Some(earliest.map_or(end, |other| other.min(end)));
        }
    }
    Some(earliest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        [&[tag, u8::try_from(value.len()).expect("short")], value.as_slice()].concat()
    }

    /// A response with one answer, signed by nobody.
    fn response(status: u8, next_update: Option<&[u8]>) -> Vec<u8> {
        let time = |text: &[u8]| element(der::GENERALIZED_TIME, &[text]);
        let end = next_update.map(|end| element(der::context(0), &[&time(end)])).unwrap_or_default();
        let answer =
            element(SEQUENCE, &[&element(SEQUENCE, &[]), &[0x80, 0], &time(b"20260101000000Z"), &end]);
        let answers = element(SEQUENCE, &[&answer]);
        let responder = element(der::context(2), &[&element(OCTET_STRING, &[b"key"])]);
        let data = element(SEQUENCE, &[&responder, &time(b"20260101000000Z"), &answers]);
        let basic = element(OCTET_STRING, &[&element(SEQUENCE, &[&data])]);
        let wrapped = element(SEQUENCE, &[&element(OID, &[&[0x2b, 6, 1, 5, 5, 7, 48, 1, 1]]), &basic]);
        element(SEQUENCE, &[&[0x0a, 1, status], &element(der::context(0), &[&wrapped])])
    }

    #[test]
    fn responses() {
        let end = response(0, Some(b"20260108000000Z"));
        assert_eq!(Response::from_der(&end), Some(Response { next_update: Some(1_767_830_400) }));
        assert_eq!(Response::from_der(&response(0, None)), Some(Response { next_update: None }));
        let bad =
            [response(6, None), response(0, Some(b"soon")), [end.as_slice(), &[0]].concat(), vec![0x30, 0]];
        for bytes in bad {
            assert_eq!(Response::from_der(&bytes), None, "{bytes:?}");
        }
        for len in 0..end.len() {
            assert_eq!(Response::from_der(&end[..len]), None, "cut at {len}");
        }
    }
}

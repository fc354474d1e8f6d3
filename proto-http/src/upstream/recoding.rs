//! What the head of a response says once its content is compressed on its way.

use super::name::Name;
use super::response::Response;
use crate::coding::Coding;
use crate::response::HeadWriter;

/// What is done to the content of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recoding {
    /// Nothing, whoever asks.
    #[default]
    None,
    /// Nothing, but others would get it compressed.
    Possible,
    /// It is compressed.
    Done(Coding),
}

/// What these say holds for the content as it came.
const DIGESTS: [&[u8]; 4] = [b"Content-MD5", b"Content-Digest", b"Repr-Digest", b"Digest"];

impl Recoding {
    /// Whether a field is not true any more, or written again.
    pub(super) fn drops(self, name: &[u8], known: Name) -> bool {
        matches!(self, Recoding::Done(_))
            && (matches!(known, Name::AcceptRanges | Name::ContentEncoding | Name::ETag)
                || DIGESTS.iter().any(|digest| name.eq_ignore_ascii_case(digest)))
    }

    /// Writes the fields that are due to it.
    pub(super) fn write<'o>(self, writer: HeadWriter<'o>, response: &Response<'_>) -> HeadWriter<'o> {
        let writer = match self {
            Recoding::None => return writer,
            Recoding::Possible => writer,
            Recoding::Done(coding) => {
                let writer = writer.field("Content-Encoding", coding.token().as_bytes());
                match response.field(Name::ETag) {
                    // The bytes are others than those that a strong tag stands for (RFC 9110 section 8.8.1).
                    Some(tag) if tag.starts_with(b"\"") => writer.copy(b"ETag", &[b"W/", tag].concat()),
                    Some(tag) => writer.copy(b"ETag", tag),
                    None => writer,
                }
            }
        };
        writer.vary("Accept-Encoding")
    }
}

/// Whether a `Cache-Control` forbids to change the content (RFC 9111 section 5.2.2.6).
pub fn forbids_transformation<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> bool {
    let is_it = |directive: &[u8]| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform");
    values.any(|value| value.split(|&byte| byte == b',').any(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{
        AnswerHead, Delivery, ResponseHead, ResponseLimits, ResponseParser, Rules, ServerField,
    };
    use crate::{Progress, date};

    /// The head that becomes of one with these fields.
    fn head(recoding: Recoding, fields: &str) -> String {
        let text = format!("HTTP/1.1 200 OK\r\nDate: NOW\r\n{fields}\r\n");
        let mut head = ResponseHead::new();
        let parsed = ResponseParser::new().parse(text.as_bytes(), &ResponseLimits::default(), &mut head);
        assert!(matches!(parsed, Ok(Progress::Done { .. })), "{text}");
        let delivery = match recoding {
            Recoding::Done(_) => Delivery::Length(5).recoded(),
            Recoding::None | Recoding::Possible => Delivery::Length(5),
        };
        let mut out = Vec::new();
        AnswerHead {
            response: head.view(text.as_bytes()),
            delivery,
            connection: None,
            date: &date::format(0),
            server: ServerField::Dropped,
            recoding,
            rules: Rules::NONE,
        }
        .write(&mut out);
        let out = String::from_utf8(out).expect("text");
        out.strip_prefix("HTTP/1.1 200 OK\r\nDate: NOW\r\n").expect("our head").replace("\r\n", "|")
    }

    #[test]
    fn heads_tell_what_is_done() {
        let gzip = Recoding::Done(Coding::Gzip);
        let cases = [
            (Recoding::None, "ETag: \"a\"\r\n", "ETag: \"a\"|Content-Length: 5||"),
            (
                Recoding::Possible,
                "ETag: \"a\"\r\nContent-MD5: x\r\n",
                "ETag: \"a\"|Content-MD5: x|Vary: Accept-Encoding|Content-Length: 5||",
            ),
            (Recoding::Possible, "Vary: *\r\n", "Vary: *|Content-Length: 5||"),
            (
                Recoding::Possible,
                "Vary: Origin, accept-encoding\r\n",
                "Vary: Origin, accept-encoding|Content-Length: 5||",
            ),
            (
                Recoding::Possible,
                "Vary: Origin\r\n",
                "Vary: Origin|Vary: Accept-Encoding|Content-Length: 5||",
            ),
            (
                gzip,
                "ETag: \"a\"\r\nContent-Length: 5\r\nAccept-Ranges: bytes\r\nX-A: b\r\n",
                "X-A: b|Content-Encoding: gzip|ETag: W/\"a\"|Vary: Accept-Encoding|Transfer-Encoding: chunked||",
            ),
            (
                gzip,
                "ETag: W/\"a\"\r\ncontent-md5: x\r\nRepr-Digest: y\r\nVary: Accept-Encoding\r\n",
                "Vary: Accept-Encoding|Content-Encoding: gzip|ETag: W/\"a\"|Transfer-Encoding: chunked||",
            ),
            (
                gzip,
                "Content-Encoding: identity\r\n",
                "Content-Encoding: gzip|Vary: Accept-Encoding|Transfer-Encoding: chunked||",
            ),
        ];
        for (recoding, fields, expected) in cases {
            assert_eq!(head(recoding, fields), expected, "{recoding:?} {fields}");
        }
    }

    #[test]
    fn transformation_can_be_forbidden() {
        for (values, expected) in [
            (&[][..], false),
            (&[&b"no-cache"[..]], false),
            (&[b"no-transform"], true),
            (&[b"public, No-Transform , max-age=1"], true),
            (&[b"public", b"no-transform"], true),
            (&[b"x-no-transform, no-transform=1"], false),
        ] {
            assert_eq!(forbids_transformation(values.iter().copied()), expected, "{values:?}");
        }
    }
}

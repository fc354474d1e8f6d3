//! Fields of answers that lines of the log have. They are looked at where a head is whole, since it is gone when the
//! line is written, and only where a template asks for them.

use logging::{Answer, Format};

use crate::limits::FIELDS_KEPT_MAX;

/// The fields that the logs of a place ask for, by their names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    sent: Vec<Box<[u8]>>,
    upstream: Vec<Box<[u8]>>,
}

impl Wanted {
    /// Those of one more log.
    pub(crate) fn add(&mut self, format: &Format) {
        for (answer, name) in format.answer_fields() {
            let names = match answer {
                Answer::Sent => &mut self.sent,
                Answer::Upstream => &mut self.upstream,
            };
            if !names.iter().any(|known| **known == *name) {
                names.push(name.into());
            }
        }
    }

    fn of(&self, answer: Answer) -> &[Box<[u8]>] {
        match answer {
            Answer::Sent => &self.sent,
            Answer::Upstream => &self.upstream,
        }
    }
}

/// Nothing is asked for.
pub(crate) static NOTHING: Wanted = Wanted { sent: Vec::new(), upstream: Vec::new() };

/// What was kept of the answers to a request.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Lines of a name in lower case, a colon, and the value.
    sent: Vec<u8>,
    upstream: Vec<u8>,
}

impl Kept {
    /// Another request begins.
    pub(crate) fn clear(&mut self) {
        self.sent.clear();
        self.upstream.clear();
    }

    /// Keeps what is wanted of the head that the client gets: all of it, from its status line on.
    pub(crate) fn keep_sent(&mut self, wanted: &Wanted, head: &[u8]) {
        if wanted.sent.is_empty() {
            return;
        }
        let lines = head.split(|&byte| byte == b'\n').skip(1);
        let fields = lines.filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        });
        self.keep(Answer::Sent, wanted, fields);
    }

    /// Keeps what is wanted of the head that an upstream server has sent.
    pub(crate) fn keep_upstream<'f>(
        &mut self,
        wanted: &Wanted,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) {
        if !wanted.upstream.is_empty() {
            self.keep(Answer::Upstream, wanted, fields);
        }
    }

    fn keep<'f>(
        &mut self,
        answer: Answer,
        wanted: &Wanted,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) {
        let lines = match answer {
            Answer::Sent => &mut self.sent,
            Answer::Upstream => &mut self.upstream,
        };
        // The last head counts: what was said before it was not the answer.
        lines.clear();
        for (name, value) in fields {
            let Some(known) = wanted.of(answer).iter().find(|known| known.eq_ignore_ascii_case(name)) else {
                continue;
            };
            // Without its name and its end, a value has no room at all.
            let Some(room) = FIELDS_KEPT_MAX.checked_sub(lines.len() + known.len() + 2) else { return };
            lines.extend_from_slice(known);
            lines.push(b':');
            lines.extend_from_slice(&value[..value.len().min(room)]);
            lines.push(b'\n');
        }
    }

    /// The first field of an answer with this name.
    pub(crate) fn field(&self, answer: Answer, name: &[u8]) -> Option<&[u8]> {
        let lines = match answer {
            Answer::Sent => &self.sent,
            Answer::Upstream => &self.upstream,
        };
        let mut lines = lines.split(|&byte| byte == b'\n');
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(b":"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use logging::Template;

    use super::*;

    fn wanted(template: &str) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.add(&Format::Json);
        wanted.add(&Format::Template(Arc::new(Template::parse(template).unwrap())));
        wanted
    }

    const HEAD: &[u8] =
        b"HTTP/1.1 200 OK\r\nServer: kimura\r\nETag: \"a:b\"\r\nX-Two: 1\r\nx-two: 2\r\nEmpty:\r\n\r\n";

    #[test]
    fn what_is_asked_for_is_kept_and_nothing_else() {
        let wanted =
            wanted("$sent_http_etag $sent_http_x_two $sent_http_etag $sent_http_empty $upstream_http_server");
        let mut kept = Kept::default();
        kept.keep_sent(&wanted, HEAD);
        for (answer, name, value) in [
            (Answer::Sent, "etag", Some(&b"\"a:b\""[..])),
            (Answer::Sent, "x-two", Some(b"1")),
            (Answer::Sent, "empty", Some(b"")),
            (Answer::Sent, "server", None),
            (Answer::Sent, "x", None),
            (Answer::Upstream, "server", None),
        ] {
            assert_eq!(kept.field(answer, name.as_bytes()), value, "{name}");
        }
        kept.keep_upstream(&wanted, [(&b"SERVER"[..], &b"other"[..]), (b"etag", b"c")].into_iter());
        assert_eq!(kept.field(Answer::Upstream, b"server"), Some(&b"other"[..]));
        assert_eq!(kept.field(Answer::Upstream, b"etag"), None);
        kept.keep_sent(&wanted, b"HTTP/1.1 404 Not Found\r\n\r\n");
        assert_eq!(kept.field(Answer::Sent, b"etag"), None, "that was another answer");
        assert!(kept.field(Answer::Upstream, b"server").is_some());
        kept.clear();
        assert_eq!(kept.field(Answer::Upstream, b"server"), None);
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let mut kept = Kept::default();
        kept.keep_sent(&NOTHING, HEAD);
        kept.keep_upstream(&NOTHING, [(&b"a"[..], &b"b"[..])].into_iter());
        assert_eq!((kept.sent.capacity(), kept.upstream.capacity()), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let wanted = wanted("$upstream_http_a $upstream_http_b");
        let long = vec![b'x'; 1 << 20];
        let mut kept = Kept::default();
        let fields = [(&b"a"[..], &long[..10]), (b"b", &long), (b"a", &long), (b"b", b"")];
        kept.keep_upstream(&wanted, fields.into_iter());
        assert_eq!(kept.upstream.len(), FIELDS_KEPT_MAX);
        assert_eq!(kept.field(Answer::Upstream, b"a"), Some(&long[..10]));
        assert!(kept.field(Answer::Upstream, b"b").is_some_and(|value| value.starts_with(b"xxx")));
    }
}

//! How often a request has passed through servers like this one, by its `Via` (RFC 9110 section 7.6.3).

use super::request::PSEUDONYM;
use crate::{Known, Request};

/// How many of its `Via` entries are of a server that calls itself as we do. Comments count as what they are not only if
/// somebody has put an entry of ours into one.
#[must_use]
pub fn passages(request: &Request<'_>) -> usize {
    let entries = request.all(Known::Via).flat_map(|value| value.split(|&byte| byte == b','));
    entries.filter(|entry| is_ours(entry)).count()
}

/// `1.1 kimura`, whatever comment follows.
fn is_ours(entry: &[u8]) -> bool {
    let mut words = entry.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.next().is_some() && words.next() == Some(PSEUDONYM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, HeadParser, Limits};

    #[test]
    fn own_entries_are_counted() {
        for (fields, wanted) in [
            ("", 0),
            ("Via: 1.1 kimura\r\n", 1),
            ("Via: 1.0 kimura, 1.1 other,\t1.1  kimura (here)\r\nvia: HTTP/1.1 kimura\r\n", 3),
            ("Via: kimura, 1.1 kimura.example, 1.1 Kimura\r\nX: 1.1 kimura\r\n", 0),
            ("Via: ,, \r\n", 0),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let mut head = Head::default();
            HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
            assert_eq!(passages(&head.view(text.as_bytes())), wanted, "{fields}");
        }
    }
}

//! Classes of bytes (RFC 9110 section 5.6, RFC 3986 section 2) as one table.

/// `tchar` (RFC 9110 section 5.6.2).
const TOKEN: u8 = 1 << 0;
/// May stand in a request target: visible ASCII without `#`.
const TARGET: u8 = 1 << 1;
/// May stand in a field value: visible ASCII, SP, HTAB and obs-text (RFC 9110 section 5.5).
const VALUE: u8 = 1 << 2;
/// `unreserved / sub-delims` (RFC 3986 section 3.2.2): may stand in a host name.
const HOST: u8 = 1 << 3;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = class_of(byte as u8);
        byte += 1;
    }
    table
}

const fn class_of(byte: u8) -> u8 {
    let mut class = 0;
    if byte.is_ascii_alphanumeric() || one_of(byte, b"!#$%&'*+-.^_`|~") {
        class |= TOKEN;
    }
    // RFC 3986 knows fewer characters, but clients send `|`, `^`, `{` and their like unescaped and
    // every server takes them. `#` would start a fragment, which is never sent (RFC 9112 section 3.2).
    if byte.is_ascii_graphic() && byte != b'#' {
        class |= TARGET;
    }
    if byte == b'\t' || (0x20 <= byte && byte != 0x7f) {
        class |= VALUE;
    }
    if byte.is_ascii_alphanumeric() || one_of(byte, b"-._~!$&'()*+;=") {
        class |= HOST;
    }
    class
}

const fn one_of(byte: u8, set: &[u8]) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

#[inline]
fn has(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// Whether the byte is a `tchar`.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    has(byte, TOKEN)
}

/// Whether the byte may stand in a request target.
#[inline]
pub(crate) fn is_target(byte: u8) -> bool {
    has(byte, TARGET)
}

/// Whether the byte may stand in a field value.
#[inline]
pub(crate) fn is_value(byte: u8) -> bool {
    has(byte, VALUE)
}

/// Whether the byte may stand in a host name. `%` and `,` are left out: neither has a use in the
/// name of a host that serves HTTP, and both have been used to make two parsers disagree.
#[inline]
pub(crate) fn is_host(byte: u8) -> bool {
    has(byte, HOST)
}

/// Whether the byte is optional white space (RFC 9110 section 5.6.3).
#[inline]
pub(crate) fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The slice without optional white space at either end.
#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_ows(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_ows(*last)
    {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(of: fn(u8) -> bool) -> Vec<u8> {
        (0..=255).filter(|&byte| of(byte)).collect()
    }

    #[test]
    fn classes_have_the_members_of_the_grammar() {
        assert_eq!(members(is_token_byte).len(), 26 + 26 + 10 + 15);
        assert_eq!(members(is_target).len(), 94 - 1);
        assert_eq!(members(is_value).len(), 256 - 32 - 1 + 1);
        assert_eq!(members(is_host).len(), 26 + 26 + 10 + 14);
        assert_eq!(members(is_ows), b"\t ");
    }

    #[test]
    fn trim_takes_white_space_from_both_ends_only() {
        for (from, to) in [("", ""), (" \t ", ""), ("a", "a"), ("\t a b \t", "a b"), ("a\x0b", "a\x0b")] {
            assert_eq!(trim(from.as_bytes()), to.as_bytes());
        }
    }
}

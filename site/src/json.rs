//! Strings of JSON.

use std::fmt::Write as _;

/// Appends bytes as a string with its quotes; what is no UTF-8 becomes replacement characters. Beside what JSON has
/// to escape (RFC 8259 section 7) so is what could end a script that the text is put into.
pub(crate) fn string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '<' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
            _ if character.is_control() => {
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_stay_within_their_quotes() {
        for (bytes, wanted) in [
            (&b"plain"[..], "\"plain\""),
            (b"a\"b\\c", "\"a\\\"b\\\\c\""),
            (b"\x00\n\x7f", "\"\\u0000\\u000a\\u007f\""),
            (b"</script>", "\"\\u003c/script>\""),
            ("\u{2028}\u{e4}".as_bytes(), "\"\\u2028\u{e4}\""),
            (b"a\xffb", "\"a\u{fffd}b\""),
        ] {
            let mut out = String::new();
            string(&mut out, bytes);
            assert_eq!(out, wanted, "{}", bytes.escape_ascii());
        }
    }
}

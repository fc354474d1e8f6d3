//! Chunked content on its way out (RFC 9112 section 7.1).

/// What follows the data of a chunk.
pub const END: &[u8] = b"\r\n";

/// The last chunk, with an empty trailer section.
pub const LAST: &[u8] = b"0\r\n\r\n";

/// Appends the line before a chunk of `len` bytes; `len` is not zero, for that would be the last chunk.
pub fn write_size(out: &mut Vec<u8>, len: usize) {
    debug_assert!(len > 0, "an empty chunk ends the content");
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        out.push(DIGITS[len >> (4 * place) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_hexadecimal() {
        for (len, expected) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (65_536, "10000\r\n")] {
            let mut out = Vec::new();
            write_size(&mut out, len);
            assert_eq!(out, expected.as_bytes());
        }
    }
}

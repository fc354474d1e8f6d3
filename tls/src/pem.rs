//! PEM (RFC 7468): labelled base64 between lines of dashes. What is decoded here may be a private key, so every
//! buffer that saw it is wiped.

use zeroize::Zeroizing;

use crate::error::Error;
use crate::limits::PEM_BYTES_MAX;

/// One block.
pub(crate) struct Block {
    /// What stands behind `BEGIN`.
    pub(crate) label: String,
    /// Line of its `BEGIN`, from 1.
    pub(crate) line: usize,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// All blocks of a text. Lines outside of blocks are comments.
pub(crate) fn blocks(text: &[u8]) -> Result<Vec<Block>, Error> {
    if PEM_BYTES_MAX < text.len() {
        return Err(Error::TextTooLarge { bytes: text.len() });
    }
    let mut blocks = Vec::new();
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(label) = marker(line, BEGIN) else { continue };
        let line = index + 1;
        blocks.push(Block { label: label.to_owned(), line, der: block(&mut lines, label, line)? });
    }
    Ok(blocks)
}

fn block<'a>(
    lines: &mut impl Iterator<Item = (usize, &'a [u8])>,
    label: &str,
    begin: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut base64 = Base64::default();
    for (index, line) in lines {
        if let Some(end) = marker(line, END) {
            let whole = end == label && base64.is_whole();
            return if whole { Ok(base64.bytes) } else { Err(Error::Pem { line: index + 1 }) };
        }
        // Headers such as `Proc-Type: 4,ENCRYPTED` belong to keys that are locked with a passphrase.
        if line.contains(&b':') {
            return Err(Error::KeyEncrypted { line: begin });
        }
        if !line.iter().all(|&byte| base64.push(byte)) {
            return Err(Error::Pem { line: index + 1 });
        }
    }
    Err(Error::PemUnfinished { line: begin })
}

fn marker<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    str::from_utf8(line).ok()?.strip_prefix(start)?.strip_suffix(DASHES)
}

/// A decoder that is fed one character after the other.
#[derive(Default)]
struct Base64 {
    bytes: Zeroizing<Vec<u8>>,
    bits: Zeroizing<u32>,
    characters: usize,
    padding: usize,
}

const BITS_PER_CHARACTER: u32 = 6;
const CHARACTERS_PER_GROUP: usize = 4;

impl Base64 {
    /// Takes the next character; `false` when it cannot stand there.
    fn push(&mut self, character: u8) -> bool {
        if character == b'=' {
            self.padding += 1;
            return self.padding <= 2;
        }
        let Some(value) = value(character).filter(|_| self.padding == 0) else { return false };
        *self.bits = *self.bits << BITS_PER_CHARACTER | value;
        self.characters += 1;
        if !self.characters.is_multiple_of(CHARACTERS_PER_GROUP) || self.characters == 0 {
            return true;
        }
        self.append(3, 0);
        true
    }

    /// Moves the group's first `count` bytes out, `missing` bits below them thrown away.
    fn append(&mut self, count: usize, missing: u32) {
        let [_, group @ ..] = (*self.bits << missing).to_be_bytes();
        // A buffer that grows leaves its bytes behind unwiped: so it is replaced by hand.
        if self.bytes.capacity() < self.bytes.len() + count {
            let mut larger = Zeroizing::new(Vec::with_capacity((self.bytes.capacity() * 2).max(4096)));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(&group[..count]);
        *self.bits = 0;
    }

    /// Whether what was fed is a whole number of bytes; takes the last ones.
    fn is_whole(&mut self) -> bool {
        match (self.characters % CHARACTERS_PER_GROUP, self.padding) {
            (0, 0) => true,
            (2, 2) => {
                self.append(1, 2 * BITS_PER_CHARACTER);
                true
            }
            (3, 1) => {
                self.append(2, BITS_PER_CHARACTER);
                true
            }
            _ => false,
        }
    }
}

fn value(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> Result<Vec<u8>, Error> {
        let text = format!("a comment\n-----BEGIN X Y-----\r\n{body}\n-----END X Y-----\n");
        let mut all = blocks(text.as_bytes())?;
        let block = all.pop().expect("a block");
        assert_eq!((block.label.as_str(), block.line, all.len()), ("X Y", 2, 0));
        Ok(block.der.to_vec())
    }

    #[test]
    fn base64() {
        let good = [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v\nYm\r\nFy", "foobar")];
        for (text, bytes) in good {
            assert_eq!(one(text).expect(text), bytes.as_bytes(), "{text}");
        }
        let bad = ["Z", "Zg", "Zg=", "Zm8", "Z===", "Zg===", "Zg==Zg==", "Zm9!", "Zm 9v", "=", "===="];
        for text in bad {
            assert!(matches!(one(text), Err(Error::Pem { .. })), "{text}");
        }
        let long = "QUJD".repeat(10_000);
        assert_eq!(one(&long).expect("long"), "ABC".repeat(10_000).as_bytes());
    }

    #[test]
    fn broken_texts() {
        let cases: &[(&str, Error)] = &[
            ("-----BEGIN A-----\nZg==\n", Error::PemUnfinished { line: 1 }),
            ("\n-----BEGIN A-----\nZg==\n-----END B-----", Error::Pem { line: 4 }),
            (
                "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nZg==\n-----END A-----",
                Error::KeyEncrypted { line: 1 },
            ),
        ];
        for (text, error) in cases {
            assert_eq!(blocks(text.as_bytes()).err().as_ref(), Some(error), "{text}");
        }
        assert!(blocks(b"").expect("nothing is wrong with nothing").is_empty());
        assert!(blocks(&[0xff; 100]).expect("a comment").is_empty());
    }
}

//! A property that holds for every packet of lines, checked by fuzzers and tests. Not part of the interface.

use crate::forward::{HEADER, Parsed, parse};

/// A packet is whole lines for one sink, and nothing is left of it or added to it; or it is refused.
pub fn packet(input: &[u8]) {
    match parse(input) {
        Ok(Parsed { sink, number, lines }) => {
            let (sink, number) = (sink.to_le_bytes(), number.to_le_bytes());
            assert_eq!([&sink[..], &number, lines].concat(), input, "nothing is left out");
            assert!(lines.ends_with(b"\n"), "no line is cut short");
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
            assert!(input.len() <= HEADER || !input.ends_with(b"\n"), "whole lines are taken");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_every_shape() {
        for input in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\n\n\n\n\n\n\n\n\n\n",
            b"\x01\0\0\0\0\0\0\0\0\0\n",
            b"\x01\0\x01\0\0\0\0\0\0\0a\nb\n",
            b"\x01\0\x01\0\0\0\0\0\0\0a\nb",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n",
        ] {
            packet(input);
        }
    }
}

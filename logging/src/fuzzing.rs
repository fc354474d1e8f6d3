//! Properties that hold for every packet of lines and for all that a Gearman server may say, checked by fuzzers and tests. Not part of the interface.

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

/// What a Gearman server says is read without a panic, and each response takes some of it and no more than there is.
pub fn gearman(input: &[u8]) {
    crate::remote::gearman::read_all(input);
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
    #[test]
    fn responses_of_every_shape() {
        let created = b"\0RES\0\0\0\x08\0\0\0\x01H";
        for len in 0..=created.len() {
            gearman(&created[..len]);
            for byte in [0, 1, 0x7f, 0xff] {
                let mut other = [created, &created[..len]].concat();
                other[len.min(created.len() - 1)] = byte;
                gearman(&other);
            }
        }
    }
}

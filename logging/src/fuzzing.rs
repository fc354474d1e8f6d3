//! Properties that hold for every packet of lines and for all that a Gearman server may say, checked by fuzzers and tests. Not part of the interface.

use crate::forward::{FACTS_HEADER, HEADER, Parsed, parse};
use crate::tail::facts;

/// A packet is whole lines for one sink with their facts, and nothing is left of it or added to it; or it is refused.
/// Facts that do not fit their lines are refused, and no others show more or less than the lines.
pub fn packet(input: &[u8]) {
    match parse(input) {
        Ok(Parsed { facts, lines, .. }) => {
            let header = input.len() - facts.len() - lines.len();
            assert!(input.ends_with(&[facts, lines].concat()), "nothing is left out");
            assert!(header == HEADER || header == HEADER + FACTS_HEADER, "nothing else is in it");
            assert!(lines.ends_with(b"\n"), "no line is cut short");
            let told: Vec<_> = facts::lines(facts, lines).collect();
            if told.iter().all(Result::is_ok) {
                let shown: Vec<u8> = told.into_iter().flatten().flat_map(|(_, line)| line.to_vec()).collect();
                assert_eq!(shown, lines, "every line has its facts");
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
            let plain = input.get(1).is_some_and(|high| high & 0x80 == 0);
            assert!(!plain || input.len() <= HEADER || !input.ends_with(b"\n"), "whole lines are taken");
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
            b"\x01\x80\x01\0\0\0\0\0\0\0\0\0\0\0a\n",
            b"\x01\x80\x01\0\0\0\0\0\0\0\xff\0\0\0a\n",
            b"\x01\x80\x01\0\0\0\0\0\0\0\x07\0\0\0\x02\0\xc8\0\x01\0\0a\n",
            b"\x01\x80\x01\0\0\0\0\0\0\0\x07\0\0\0\x02\0\xc8\0\x01\0\0a\nb\n",
            b"\x01\x80\x01\0\0\0\0\0\0\0\x07\0\0\0\x03\0\xc8\0\x01\0\0a\n",
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

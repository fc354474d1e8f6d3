//! Properties that hold for every packet of lines and for all that a Gearman server may say, checked by fuzzers and tests. Not part of the interface.

use std::sync::atomic::Ordering::Relaxed;

use perf::tally::{LAYOUT, LAYOUT_AT, MARK, MARK_AT};
use sys::mem::Cells;

use crate::forward::{FACTS_HEADER, HEADER, Parsed, parse};
use crate::queue::{Packet, Queue, Storage, newlines};
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
                let shown: Vec<u8> = told.into_iter().flatten().flat_map(|told| told.line.to_vec()).collect();
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

/// Whatever lies in the memory of a queue, it can be used: all that waits is delivered, in pieces, and every line is
/// accounted for. The first byte says of which life it is, the rest lies at its beginning.
///
/// # Panics
/// When the property does not hold.
pub fn queue(input: &[u8]) {
    let Some((&life, bytes)) = input.split_first() else { return };
    let Ok(cells) = Cells::create("fuzz", crate::cells_for(0)) else { return };
    let (words, _) = bytes.as_chunks::<8>();
    cells.iter().zip(words).for_each(|(cell, word)| cell.store(u64::from_ne_bytes(*word), Relaxed));
    // Anything else is refused.
    cells[MARK_AT].store(MARK, Relaxed);
    cells[LAYOUT_AT].store(LAYOUT, Relaxed);
    let storage = Storage { epoch: u64::from(life), ..cells.into() };
    let Ok(queue) = Queue::open(storage) else { return };
    assert!(queue.tally().even(), "{:?}", queue.tally());
    queue.take(Packet { generation: 1, number: u64::MAX }, b"a line\n");
    let mut buffer = Vec::new();
    while let Some(portion) = queue.waiting(&mut buffer) {
        assert!(!buffer.is_empty() && buffer.len() <= crate::batch::BATCH_BYTES);
        let half = buffer.len().div_ceil(2);
        let piece = if buffer.len() % 3 == 0 { half } else { buffer.len() };
        queue.delivered(&portion, piece, newlines(&buffer[..piece]));
    }
    let tally = queue.tally();
    assert!(tally.left <= tally.taken, "{tally:?}");
}

/// What a Gearman server says is read without a panic, and each response takes some of it and no more than there is.
pub fn gearman(input: &[u8]) {
    crate::remote::gearman::read_all(input);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All inputs that fuzzing has begun with.
    #[test]
    fn queues_of_the_seeds() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/queue");
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(seeds.len() >= 3, "{seeds:?}");
        seeds.iter().for_each(|seed| queue(&std::fs::read(seed).unwrap()));
    }

    /// Seeds with one cell after the other become what a broken disk could make of it.
    #[test]
    fn queues_of_every_shape() {
        let seed =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/queue/two-blocks")).unwrap();
        for at in (1..seed.len() - 8).step_by(8) {
            for value in [0, 1, 2, 7, 1 << 16, (1 << 16) + 1, 1 << 60, u64::MAX - 1, u64::MAX] {
                let mut input = seed.clone();
                input[at..at + 8].copy_from_slice(&u64::to_ne_bytes(value));
                queue(&input);
            }
        }
    }

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

//! The most thorough encoder takes no more memory than it is said to take: servers bound only how many there are.

#![forbid(unsafe_code)]

use codings::Encoder;
use proto_http::Coding;

/// Encoders that are looked at together, so that what else the process takes does not matter.
const COUNT: u64 = 4;
/// As much as a server has compressed at a time. Tables are cleared, and so in memory, whatever comes.
const LEN: usize = 128 * 1024;
/// Bytes that docs/compression.md tells for one.
const MOST: u64 = 20_000_000;

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    let size = line.split_whitespace().nth(1).expect("a number");
    size.parse::<u64>().expect("a number") << 10
}

#[test]
fn zstd_at_its_highest_level_takes_no_more_than_is_said() {
    let mut state = 1_u64;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(LEN)
    .collect();
    // All of it is in memory before anything is measured.
    let mut out = vec![1; 2 * LEN];
    let before = resident();
    let encoders: Vec<Encoder> = (0..COUNT)
        .map(|_| {
            let mut encoder = Encoder::new(Coding::Zstd, 19).expect("an encoder");
            out.clear();
            encoder.push(&content, &mut out).expect("memory");
            encoder
        })
        .collect();
    let taken = resident().saturating_sub(before) / encoders.len() as u64;
    assert!(taken <= MOST, "{taken} bytes");
}

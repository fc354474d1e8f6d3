//! No encoder takes more memory than it is said to take: servers bound only how many there are.

#![forbid(unsafe_code)]

use codings::Encoder;
use proto_http::Coding;

/// As much as is compressed at a time.
const STEP: usize = 16 * 1024;

/// Megabytes that docs/compression.md tells for one encoder, at the level of its kind that takes most.
const ROWS: [(Coding, u32, u64); 8] = [
    (Coding::Gzip, 9, 1),
    (Coding::Zstd, 6, 5),
    (Coding::Zstd, 12, 13),
    (Coding::Zstd, 19, 20),
    (Coding::Brotli, 5, 5),
    (Coding::Brotli, 7, 13),
    (Coding::Brotli, 9, 40),
    (Coding::Brotli, 11, 24),
];

/// Bytes of a content: more than the window, which is in memory then.
fn len(coding: Coding) -> usize {
    match coding {
        Coding::Gzip => 64 * 1024,
        Coding::Zstd => 1200 * 1024,
        Coding::Brotli => 600 * 1024,
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    let size = line.split_whitespace().nth(1).expect("a number");
    size.parse::<u64>().expect("a number") << 10
}

/// A content that is hard to compress, so that tables fill.
fn content(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 59) as u8 + b'a'
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn no_encoder_takes_more_than_is_said() {
    // What is not the encoder's is in memory before it is made, and no encoder is let go of in between.
    let mut out = vec![1; 2 * len(Coding::Zstd)];
    let mut kept = Vec::new();
    for (coding, level, most) in ROWS {
        let content = content(len(coding));
        let before = resident();
        let mut encoder = Encoder::new(coding, level).expect("an encoder");
        for piece in content.chunks(STEP) {
            out.clear();
            encoder.push(piece, &mut out).expect("memory");
        }
        kept.push(encoder);
        let taken = resident().saturating_sub(before);
        assert!(taken <= most * 1_000_000, "{coding:?} at level {level}: {taken} bytes");
    }
}

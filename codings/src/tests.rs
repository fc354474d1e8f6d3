use std::io::Read;

use proptest::prelude::*;

use super::*;

const LEVELS: [(Coding, [u32; 3]); 3] =
    [(Coding::Gzip, [1, 6, 9]), (Coding::Zstd, [1, 3, 9]), (Coding::Brotli, [0, 4, 6])];

fn decode(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    match coding {
        Coding::Gzip => flate2::read::MultiGzDecoder::new(coded).read_to_end(&mut content),
        Coding::Zstd => ::zstd::stream::read::Decoder::new(coded)
            .and_then(|mut decoder| decoder.read_to_end(&mut content)),
        Coding::Brotli => ::brotli::Decompressor::new(coded, 4096).read_to_end(&mut content),
    }
    .unwrap_or_else(|error| panic!("{coding:?}: {error}"));
    content
}

/// What can be decoded of a content that has not come to its end.
fn decode_beginning(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read> = match coding {
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(coded)),
        Coding::Zstd => Box::new(::zstd::stream::read::Decoder::new(coded).expect("a decoder")),
        Coding::Brotli => Box::new(::brotli::Decompressor::new(coded, 4096)),
    };
    let (mut content, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        content.extend_from_slice(&buffer[..read]);
    }
    content
}

/// Words that repeat, and some that do not, as in pages.
fn text(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut content = Vec::with_capacity(len + 16);
    while content.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match state >> 61 {
            0 => content.extend_from_slice(&state.to_le_bytes()),
            at => content.extend_from_slice([&b"<p>"[..], b"class=", b"the ", b"and "][at as usize % 4]),
        }
    }
    content.truncate(len);
    content
}

fn encode(encoder: &mut Encoder, content: &[u8], piece: usize) -> Vec<u8> {
    let mut coded = Vec::new();
    for piece in content.chunks(piece.max(1)) {
        encoder.push(piece, &mut coded).expect("memory");
    }
    encoder.finish(&mut coded).expect("memory");
    coded
}

#[test]
fn contents_come_back_whatever_their_size() {
    for (coding, levels) in LEVELS {
        for level in levels {
            let mut encoder = Encoder::new(coding, level).expect("memory");
            let around = [STEP, 4 * STEP, 1 << 17].into_iter().flat_map(|size| [size - 1, size, size + 1]);
            for len in [0, 1, 2, 1000].into_iter().chain(around) {
                let content = text(len, len as u64);
                let coded = encode(&mut encoder, &content, 40_000);
                assert!(decode(coding, &coded) == content, "{coding:?} {level}: {len} bytes");
            }
        }
    }
}

#[test]
fn what_repeats_gets_small() {
    for (coding, levels) in LEVELS {
        let mut encoder = Encoder::new(coding, levels[1]).expect("memory");
        let coded = encode(&mut encoder, &b"0123456789abcdef\n".repeat(6000), 1 << 16);
        assert!(coded.len() < 1000, "{coding:?}: {}", coded.len());
    }
}

#[test]
fn what_was_flushed_can_be_decoded() {
    for (coding, levels) in LEVELS {
        let mut encoder = Encoder::new(coding, levels[1]).expect("memory");
        let (mut coded, mut content) = (Vec::new(), Vec::new());
        for number in 0..20 {
            let piece = text(10 + 3000 * number, number as u64);
            encoder.push(&piece, &mut coded).expect("memory");
            encoder.flush(&mut coded).expect("memory");
            content.extend_from_slice(&piece);
            assert!(decode_beginning(coding, &coded) == content, "{coding:?}: after {number}");
        }
        encoder.finish(&mut coded).expect("memory");
        assert!(decode(coding, &coded) == content, "{coding:?}");
    }
}

#[test]
fn flushing_nothing_ends() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, 3).expect("memory");
        let mut coded = Vec::new();
        for _ in 0..3 {
            encoder.flush(&mut coded).expect("memory");
        }
        encoder.finish(&mut coded).expect("memory");
        assert_eq!(decode(coding, &coded), b"", "{coding:?}");
    }
}

#[test]
fn an_encoder_forgets_what_was_not_finished() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, 3).expect("memory");
        encoder.push(&text(100_000, 1), &mut Vec::new()).expect("memory");
        encoder.reset().expect("memory");
        let coded = encode(&mut encoder, b"another", 3);
        assert_eq!(decode(coding, &coded), b"another", "{coding:?}");
        // The same content, the same bytes.
        let content = text(50_000, 2);
        assert!(encode(&mut encoder, &content, 7000) == encode(&mut encoder, &content, 7000), "{coding:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_in_any_pieces(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..5000), any::<bool>()), 0..8),
        coding in prop::sample::select(Coding::ALL.to_vec()),
        level in 0_u32..8,
    ) {
        let mut encoder = Encoder::new(coding, level).expect("memory");
        let (mut coded, mut content) = (Vec::new(), Vec::new());
        for (piece, flushes) in pieces {
            encoder.push(&piece, &mut coded).expect("memory");
            if flushes {
                encoder.flush(&mut coded).expect("memory");
            }
            content.extend_from_slice(&piece);
        }
        encoder.finish(&mut coded).expect("memory");
        prop_assert_eq!(decode(coding, &coded), content);
    }
}

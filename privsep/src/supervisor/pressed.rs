//! Whether what the logger hands back can be what a file was to be compressed to: looked at before it gets its name and the
//! original goes, as far as a few bytes tell.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::message::Method;

/// ID1, ID2 and CM of RFC 1952 2.3, and the magic number of RFC 8878 3.1.1.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Bytes at the end of gzip: the checksum, and the length of the content modulo 2^32 (RFC 1952 2.3.1).
const GZIP_END: u64 = 8;
/// Bytes by which a result can be longer than what it is made of, beside one for each of so many: what cannot be
/// compressed is stored, in blocks with heads of their own.
const LONGER: u64 = 1024;
const LONGER_BY_ONE_IN: u64 = 128;
/// How many times as long the content can be as the result: 258 bytes take two bits at least in RFC 1951, and a block of
/// 128 KiB four bytes in RFC 8878.
const GZIP_RATIO: u64 = 1032;
const ZSTD_RATIO: u64 = 32 * 1024;

/// Looks at a result.
///
/// # Errors
/// Why it cannot be one, for people.
pub(super) fn judge(method: Method, original: u64, result: &File) -> Result<(), String> {
    let sentence = |error: io::Error| error.to_string();
    let len = result.metadata().map_err(sentence)?.len();
    let (magic, ratio) = match method {
        Method::Gzip => (GZIP, GZIP_RATIO),
        Method::Zstd => (ZSTD, ZSTD_RATIO),
    };
    let most = original.saturating_add(original / LONGER_BY_ONE_IN).saturating_add(LONGER);
    if len < original / ratio || most < len {
        return Err(format!("the result cannot have {len} bytes when the original has {original}"));
    }
    let mut begin = [0; 4];
    let begin = &mut begin[..magic.len()];
    match result.read_exact_at(begin, 0) {
        Ok(()) if begin == magic => {}
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(sentence(error)),
        _ => return Err("the result is not of its form".to_owned()),
    }
    if method == Method::Gzip {
        let mut told = [0; 4];
        let end = len.checked_sub(GZIP_END).ok_or("the result is cut short")?;
        result.read_exact_at(&mut told, end + GZIP_END / 2).map_err(sentence)?;
        // By its definition, the lowest 32 bits.
        if u32::from_le_bytes(told) != original as u32 {
            return Err("the result is not of the original".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn check(method: Method, original: u64, bytes: &[u8], wanted: Result<(), &str>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let judged = judge(method, original, &file);
        assert_eq!(judged.err().as_deref(), wanted.err(), "{method:?} {bytes:?}");
    }

    fn gzip(len: u32) -> Vec<u8> {
        let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        [&head[..], &[3, 0], &[1, 2, 3, 4], &len.to_le_bytes()].concat()
    }

    #[test]
    fn what_can_be_a_result() {
        let zstd = [ZSTD, &[0; 12]].concat();
        for original in [0, 5, 200, 1032 * 18] {
            check(Method::Gzip, original, &gzip(original as u32), Ok(()));
            check(Method::Zstd, original, &zstd, Ok(()));
        }
        // The length wraps around.
        let huge = [&gzip(7)[..10], &vec![0; 5 << 20][..], &gzip(7)[10..]].concat();
        check(Method::Gzip, (1 << 32) + 7, &huge, Ok(()));
    }

    #[test]
    fn what_cannot() {
        check(Method::Gzip, 5, b"", Err("the result is not of its form"));
        check(Method::Gzip, 5, b"\x1f\x8b", Err("the result is not of its form"));
        check(Method::Gzip, 5, b"\x1f\x8b\x08", Err("the result is cut short"));
        check(Method::Gzip, 5, b"plain lines\n", Err("the result is not of its form"));
        check(Method::Gzip, 5, ZSTD, Err("the result is not of its form"));
        check(Method::Zstd, 5, &gzip(5), Err("the result is not of its form"));
        check(Method::Gzip, 5, &gzip(6), Err("the result is not of the original"));
        let long = [&gzip(5)[..], &[0; 2000]].concat();
        check(Method::Gzip, 5, &long, Err("the result cannot have 2020 bytes when the original has 5"));
        check(
            Method::Zstd,
            1 << 30,
            ZSTD,
            Err("the result cannot have 4 bytes when the original has 1073741824"),
        );
    }
}

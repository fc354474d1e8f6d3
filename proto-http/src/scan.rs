//! Finds the first byte that does not belong to a name, a target, a value or a host.
//!
//! Each search has a plain twin that looks at one byte after the other. On x86-64 blocks of sixteen
//! bytes are compared at once, and the rest of a long run thirty-two at once where the processor can.

use crate::token;

/// A class of bytes; its search ends at the first byte that is not a member.
trait Class {
    fn contains(byte: u8) -> bool;
}

/// What most field names consist of: letters, digits and `-`.
struct Name;
/// What request targets consist of.
struct Target;
/// The same up to a query.
struct Path;
/// What field values consist of; HTAB is left to the caller.
struct Value;
/// What most host names consist of: letters, digits, `-` and `.`.
struct Host;

impl Class for Name {
    fn contains(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'-'
    }
}

impl Class for Target {
    fn contains(byte: u8) -> bool {
        token::is_target(byte)
    }
}

impl Class for Path {
    fn contains(byte: u8) -> bool {
        token::is_target(byte) && byte != b'?'
    }
}

impl Class for Value {
    fn contains(byte: u8) -> bool {
        token::is_value(byte) && byte != b'\t'
    }
}

impl Class for Host {
    fn contains(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'
    }
}

/// Where the letters, digits and `-` end that nearly all field names consist of.
#[inline]
pub(crate) fn usual_name_end(buf: &[u8], at: usize) -> usize {
    block::find::<Name>(buf, at)
}

/// Where the token that goes on at `at` ends; the length of the buffer if its end is not there yet.
pub(crate) fn name_end(buf: &[u8], mut at: usize) -> usize {
    loop {
        at = usual_name_end(buf, at);
        match buf.get(at) {
            Some(&byte) if token::is_token_byte(byte) => at += 1,
            _ => return at,
        }
    }
}

/// Where the part of a target before the query ends: at `?` or at a byte that no target has.
#[inline]
pub(crate) fn path_end(buf: &[u8], at: usize) -> usize {
    block::find_long::<Path>(buf, at)
}

/// Where the target ends: at a byte that no target has.
#[inline]
pub(crate) fn target_end(buf: &[u8], at: usize) -> usize {
    block::find_long::<Target>(buf, at)
}

/// Where the value ends: at a control other than HTAB, or at DEL.
#[inline]
pub(crate) fn value_end(buf: &[u8], at: usize) -> usize {
    let end = block::find_long::<Value>(buf, at);
    if buf.get(end) == Some(&b'\t') { value_end_after_tab(buf, end) } else { end }
}

#[inline(never)]
fn value_end_after_tab(buf: &[u8], mut at: usize) -> usize {
    while buf.get(at) == Some(&b'\t') {
        at = block::find_long::<Value>(buf, at + 1);
    }
    at
}

/// Where the letters, digits, `-` and `.` of a host end.
#[inline]
pub(crate) fn host_end(buf: &[u8], at: usize) -> usize {
    block::find::<Host>(buf, at)
}

fn find_plain<C: Class>(buf: &[u8], at: usize) -> usize {
    buf[at..].iter().position(|&byte| !C::contains(byte)).map_or(buf.len(), |found| at + found)
}

#[cfg(not(target_arch = "x86_64"))]
mod block {
    pub(super) use super::find_plain as find;
    pub(super) use super::find_plain as find_long;
}

#[cfg(target_arch = "x86_64")]
mod block {
    use std::arch::x86_64::*;

    use super::{Class, Host, Name, Path, Target, Value};

    /// A class, sixteen bytes at once. A bit of the result stands for each byte that is no member, the
    /// lowest for the first.
    pub(super) trait Blocks: Class {
        /// # Safety
        /// The processor has SSE2.
        unsafe fn misses(block: __m128i) -> u32;
    }

    /// The same, thirty-two bytes at once.
    pub(super) trait WideBlocks: Blocks {
        /// # Safety
        /// The processor has AVX2.
        unsafe fn misses_wide(block: __m256i) -> u32;
    }

    /// The first byte from `at` on that is no member of the class, or the length. Most searches end in
    /// the first block.
    #[inline(always)]
    pub(super) fn find<C: Blocks>(buf: &[u8], at: usize) -> usize {
        let Some(block) = buf[at..].first_chunk() else { return find_in_tail::<C>(buf, at) };
        let misses = misses::<C>(block);
        if misses != 0 { at + misses.trailing_zeros() as usize } else { find_in_rest::<C>(buf, at + 16) }
    }

    /// The same, for classes of which long runs are usual.
    #[inline(always)]
    pub(super) fn find_long<C: WideBlocks>(buf: &[u8], at: usize) -> usize {
        let Some(block) = buf[at..].first_chunk() else { return find_in_tail::<C>(buf, at) };
        let misses = misses::<C>(block);
        if misses != 0 { at + misses.trailing_zeros() as usize } else { find_in_long_rest::<C>(buf, at + 16) }
    }

    #[inline(never)]
    fn find_in_rest<C: Blocks>(buf: &[u8], at: usize) -> usize {
        find_in_blocks::<C>(buf, &buf[at..])
    }

    /// Wide blocks gain nothing before the call to their search is made up for.
    #[inline(always)]
    fn find_in_long_rest<C: WideBlocks>(buf: &[u8], at: usize) -> usize {
        let Some(run) = buf[at..].first_chunk::<48>() else { return find_in_rest::<C>(buf, at) };
        for (index, block) in run.as_chunks().0.iter().enumerate() {
            let misses = misses::<C>(block);
            if misses != 0 {
                return at + 16 * index + misses.trailing_zeros() as usize;
            }
        }
        find_in_wide_rest::<C>(buf, at + 48)
    }

    #[inline(never)]
    fn find_in_wide_rest<C: WideBlocks>(buf: &[u8], at: usize) -> usize {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            unsafe { find_wide::<C>(buf, &buf[at..]) }
        } else {
            find_in_blocks::<C>(buf, &buf[at..])
        }
    }

    #[target_feature(enable = "avx2")]
    fn find_wide<C: WideBlocks>(buf: &[u8], mut rest: &[u8]) -> usize {
        while let Some((block, after)) = rest.split_first_chunk::<32>() {
            // SAFETY: thirty-two bytes are read and are there, the load needs no alignment, and the
            // processor has AVX2 where this function may be called.
            let misses = unsafe { C::misses_wide(_mm256_loadu_si256(block.as_ptr().cast())) };
            if misses != 0 {
                return buf.len() - rest.len() + misses.trailing_zeros() as usize;
            }
            rest = after;
        }
        find_in_blocks::<C>(buf, rest)
    }

    /// Searches `rest`, with which `buf` ends.
    #[inline]
    fn find_in_blocks<C: Blocks>(buf: &[u8], mut rest: &[u8]) -> usize {
        while let Some((block, after)) = rest.split_first_chunk() {
            let misses = misses::<C>(block);
            if misses != 0 {
                return buf.len() - rest.len() + misses.trailing_zeros() as usize;
            }
            rest = after;
        }
        find_in_tail::<C>(buf, buf.len() - rest.len())
    }

    /// Fewer than sixteen bytes are left: they are read together with those before them.
    #[inline(never)]
    fn find_in_tail<C: Blocks>(buf: &[u8], at: usize) -> usize {
        let rest = &buf[at..];
        // This is so at the end of a head.
        if rest.first().is_none_or(|&byte| !C::contains(byte)) {
            return at;
        }
        let Some(block) = buf.last_chunk() else { return super::find_plain::<C>(buf, at) };
        let misses = misses::<C>(block) >> (16 - rest.len());
        if misses == 0 { buf.len() } else { at + misses.trailing_zeros() as usize }
    }

    #[inline(always)]
    fn misses<C: Blocks>(block: &[u8; 16]) -> u32 {
        // SAFETY: sixteen bytes are read and are there, the load needs no alignment, and SSE2 is part of
        // x86-64.
        unsafe { C::misses(_mm_loadu_si128(block.as_ptr().cast())) }
    }

    impl Blocks for Name {
        #[inline]
        #[target_feature(enable = "sse2")]
        unsafe fn misses(block: __m128i) -> u32 {
            !_mm_movemask_epi8(_mm_or_si128(alphanumeric(block), is(block, b'-'))) as u32 & 0xffff
        }
    }

    impl Blocks for Host {
        #[inline]
        #[target_feature(enable = "sse2")]
        unsafe fn misses(block: __m128i) -> u32 {
            let other = _mm_or_si128(is(block, b'-'), is(block, b'.'));
            !_mm_movemask_epi8(_mm_or_si128(alphanumeric(block), other)) as u32 & 0xffff
        }
    }

    impl Blocks for Value {
        #[inline]
        #[target_feature(enable = "sse2")]
        unsafe fn misses(block: __m128i) -> u32 {
            let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
            _mm_movemask_epi8(_mm_or_si128(control, is(block, 0x7f))) as u32
        }
    }

    impl WideBlocks for Value {
        #[inline]
        #[target_feature(enable = "avx2")]
        unsafe fn misses_wide(block: __m256i) -> u32 {
            let control = _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block);
            _mm256_movemask_epi8(_mm256_or_si256(control, is_wide(block, 0x7f))) as u32
        }
    }

    macro_rules! visible_but {
        ($class:ty, $first:literal $(, $byte:literal)*) => {
            impl Blocks for $class {
                #[inline]
                #[target_feature(enable = "sse2")]
                unsafe fn misses(block: __m128i) -> u32 {
                    let except = _mm_or_si128(is(block, 0x7f), is(block, $first));
                    $(let except = _mm_or_si128(except, is(block, $byte));)*
                    // As signed numbers the bytes from 0x80 on are not above SP either.
                    let above = _mm_cmpgt_epi8(block, _mm_set1_epi8(0x20));
                    !_mm_movemask_epi8(_mm_andnot_si128(except, above)) as u32 & 0xffff
                }
            }

            impl WideBlocks for $class {
                #[inline]
                #[target_feature(enable = "avx2")]
                unsafe fn misses_wide(block: __m256i) -> u32 {
                    let except = _mm256_or_si256(is_wide(block, 0x7f), is_wide(block, $first));
                    $(let except = _mm256_or_si256(except, is_wide(block, $byte));)*
                    let above = _mm256_cmpgt_epi8(block, _mm256_set1_epi8(0x20));
                    !_mm256_movemask_epi8(_mm256_andnot_si256(except, above)) as u32
                }
            }
        };
    }

    visible_but!(Target, b'#');
    visible_but!(Path, b'#', b'?');

    /// All bits of each letter and digit.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn alphanumeric(block: __m128i) -> __m128i {
        let folded = _mm_or_si128(block, _mm_set1_epi8(0x20));
        _mm_or_si128(up_to::<26>(folded, b'z'), up_to::<10>(block, b'9'))
    }

    /// All bits of each byte that is one of the `COUNT` up to `last`: added to what moves `last` to 0x7f,
    /// they alone are above a bound as signed numbers.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn up_to<const COUNT: i8>(block: __m128i, last: u8) -> __m128i {
        let moved = _mm_add_epi8(block, _mm_set1_epi8(0x7f - last as i8));
        _mm_cmpgt_epi8(moved, _mm_set1_epi8(0x7f - COUNT))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn is(block: __m128i, byte: u8) -> __m128i {
        _mm_cmpeq_epi8(block, _mm_set1_epi8(byte as i8))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn is_wide(block: __m256i, byte: u8) -> __m256i {
        _mm256_cmpeq_epi8(block, _mm256_set1_epi8(byte as i8))
    }
}

//! Decimal numbers without the formatting machinery: a line has several, a busy shard writes many lines.

/// Ten to the eighth: below it, all digits of a number fit into one word.
const EIGHT_DIGITS: u64 = 100_000_000;
/// A one in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Appends `value` in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, value: u64) {
    let digit = |unit| b'0' + (value / unit % 10) as u8;
    // How many digits a status or a size has is foreseen by the processor, which need not wait for them then.
    match value {
        0..10 => out.push(digit(1)),
        10..100 => out.extend_from_slice(&[digit(10), digit(1)]),
        100..1000 => out.extend_from_slice(&[digit(100), digit(10), digit(1)]),
        1000..10_000 => out.extend_from_slice(&[digit(1000), digit(100), digit(10), digit(1)]),
        _ => long_decimal(out, value),
    }
}

fn long_decimal(out: &mut Vec<u8>, value: u64) {
    if value >= EIGHT_DIGITS {
        decimal(out, value / EIGHT_DIGITS);
        let rest = eight_digits((value % EIGHT_DIGITS) as u32);
        return out.extend_from_slice(&(rest + ONES * u64::from(b'0')).to_le_bytes());
    }
    let digits = eight_digits(value as u32);
    let zeros = digits.trailing_zeros() / 8;
    let text = (digits >> (8 * zeros)) + ONES * u64::from(b'0');
    // All eight, and then fewer: a copy whose size is known is one move, any other one is a call.
    out.extend_from_slice(&text.to_le_bytes());
    out.truncate(out.len() - zeros as usize);
}

/// The digits of a number below [`EIGHT_DIGITS`], each in a byte, the first one in the lowest: halves are divided at the
/// same time, by multiplications whose results do not touch each other.
fn eight_digits(value: u32) -> u64 {
    let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - 10 * tens) << 8
}

/// The hexadecimal digits of `value`, in lower case, with leading zeros.
pub(crate) fn hexadecimal(value: u128) -> [u8; 32] {
    let mut digits = [0_u8; 32];
    for (eight, part) in digits.as_chunks_mut().0.iter_mut().zip(words(value)) {
        *eight = hexadecimal_of_word(part);
    }
    digits
}

/// Appends [`hexadecimal`].
pub(crate) fn append_hexadecimal(out: &mut Vec<u8>, value: u128) {
    words(value).into_iter().for_each(|word| out.extend_from_slice(&hexadecimal_of_word(word)));
}

fn words(value: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|below| (value >> below) as u32)
}

/// Eight digits at a time, each in a byte of one word.
fn hexadecimal_of_word(value: u32) -> [u8; 8] {
    let mut spread = u64::from(value);
    spread = (spread << 16 | spread) & 0x0000_ffff_0000_ffff;
    spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff;
    spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f;
    // One in each byte that is a letter: six more than ten do not fit into four bits.
    let letters = (spread + 6 * ONES) >> 4 & ONES;
    let above_digits = u64::from(b'a' - b'0' - 10);
    (spread + ONES * u64::from(b'0') + letters * above_digits).to_be_bytes()
}

/// Appends milliseconds as seconds with three digits behind the point.
pub(crate) fn seconds(out: &mut Vec<u8>, milliseconds: u64) {
    let mut fraction = *b".000";
    zero_padded(&mut fraction[1..], (milliseconds % 1000) as u32);
    decimal(out, milliseconds / 1000);
    out.extend_from_slice(&fraction);
}

/// Appends hundredths as a number with two digits behind the point.
pub(crate) fn hundredths(out: &mut Vec<u8>, value: u64) {
    let mut fraction = *b".00";
    zero_padded(&mut fraction[1..], (value % 100) as u32);
    decimal(out, value / 100);
    out.extend_from_slice(&fraction);
}

/// Writes `value` over the whole of `field`, with leading zeros; digits that do not fit are cut off.
pub(crate) fn zero_padded(field: &mut [u8], mut value: u32) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_agrees_with_display() {
        let edges = (0..20).flat_map(|power| {
            let power = 10_u64.pow(power);
            [power - 1, power, power + 1, power / 4 * 7]
        });
        for value in edges.chain([65_535, u64::from(u32::MAX), u64::MAX - 1, u64::MAX]).chain(0..20_000) {
            let mut out = Vec::new();
            decimal(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
        }
    }

    #[test]
    fn other_forms() {
        for (value, hexadecimal_form, seconds_form) in [
            (0, "0".repeat(32), "0.000"),
            (42, format!("{:032x}", 42), "0.042"),
            (61_007, format!("{:032x}", 61_007), "61.007"),
        ] {
            let mut time = Vec::new();
            seconds(&mut time, value);
            assert_eq!(hexadecimal(value.into()).to_vec(), hexadecimal_form.into_bytes());
            assert_eq!(time, seconds_form.as_bytes());
        }
        let mut out = Vec::new();
        append_hexadecimal(&mut out, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);
        assert_eq!(out, b"0123456789abcdeffedcba9876543210");
        assert_eq!(hexadecimal(u128::MAX - 1).to_vec(), format!("{:x}", u128::MAX - 1).into_bytes());
    }

    #[test]
    fn padding_fills_the_field() {
        let mut field = *b"____";
        zero_padded(&mut field, 42);
        assert_eq!(&field, b"0042");
    }
}

//! Decimal numbers without the formatting machinery: a line has several, a busy shard writes many lines.

/// Appends `value` in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, mut value: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// The hexadecimal digits of `value`, in lower case, with leading zeros.
pub(crate) fn hexadecimal(value: u128) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0_u8; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    digits
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
        for value in [0, 1, 9, 10, 99, 100, 65_535, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
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
        assert_eq!(hexadecimal(u128::MAX - 1).to_vec(), format!("{:x}", u128::MAX - 1).into_bytes());
    }

    #[test]
    fn padding_fills_the_field() {
        let mut field = *b"____";
        zero_padded(&mut field, 42);
        assert_eq!(&field, b"0042");
    }
}

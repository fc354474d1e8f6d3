//! Rates: so many bytes or requests a second.

use std::time::Duration;

use super::Text;
use super::number::split_unit;
use crate::cause::Flaw;
use crate::model::Rate;
use crate::tree::quoted;

/// Bytes a second, such as `1MB/s`.
pub(crate) const BYTE_RATE: Text<Rate> = Text {
    noun: "a rate such as \"1MB/s\"",
    pattern: Some("^[0-9]+ ?([kMG]i?B|B|[kMG]bit)/s$"),
    parse: byte_rate,
};

/// Requests in a time, such as `10r/s`.
pub(crate) const REQUEST_RATE: Text<Rate> =
    Text { noun: "a rate such as \"10r/s\"", pattern: Some("^[0-9]+ ?r/[smh]$"), parse: request_rate };

/// Least bytes a second: a body that comes more slowly than 512 of them is given up.
const BYTES_MIN: u64 = 1_000;
/// Most bytes a second.
const BYTES_MAX: u64 = 100_000_000_000;
/// Most requests a second.
const REQUESTS_MAX: u64 = 10_000_000;

/// Units of bytes, as factors in bits: networks count by the thousand.
const BYTE_UNITS: [(&str, u64); 10] = [
    ("B", 8),
    ("kB", 8_000),
    ("MB", 8_000_000),
    ("GB", 8_000_000_000),
    ("KiB", 8 << 10),
    ("MiB", 8 << 20),
    ("GiB", 8 << 30),
    ("kbit", 1_000),
    ("Mbit", 1_000_000),
    ("Gbit", 1_000_000_000),
];

/// Times in seconds.
const TIMES: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3_600)];

/// Reads a rate of bytes.
fn byte_rate(text: &str) -> Result<Rate, Flaw> {
    let flaw = |cure: &str| Flaw::new(format!("{} is no rate of bytes", quoted(text)), cure);
    let (digits, unit) = split_unit(text);
    if digits.is_empty() {
        return Err(flaw("write a number with a unit, such as \"1MB/s\" or \"8Mbit/s\""));
    }
    if unit.starts_with(['.', ',']) {
        return Err(flaw("write a whole number of a smaller unit: \"1500kB/s\" for one and a half MB/s"));
    }
    let Some(unit) = unit.strip_suffix("/s") else {
        return Err(flaw("write bytes a second, such as \"1MB/s\""));
    };
    let Some((_, bits)) = BYTE_UNITS.iter().find(|(known, _)| *known == unit) else {
        let cure = "the units are B/s, kB/s, MB/s and GB/s (thousands), KiB/s, MiB/s and GiB/s, or kbit/s, Mbit/s \
                    and Gbit/s";
        return Err(flaw(cure));
    };
    let amount = digits.parse().ok().and_then(|number: u64| number.checked_mul(*bits)).map(|bits| bits / 8);
    match amount.filter(|amount| (BYTES_MIN..=BYTES_MAX).contains(amount)) {
        Some(amount) => Ok(Rate { amount, per: Duration::from_secs(1) }),
        None => Err(flaw("write a rate from 1kB/s to 100GB/s, or \"off\"")),
    }
}

/// Reads a rate of requests.
fn request_rate(text: &str) -> Result<Rate, Flaw> {
    let flaw = |cure: &str| Flaw::new(format!("{} is no rate of requests", quoted(text)), cure);
    let (digits, unit) = split_unit(text);
    if digits.is_empty() {
        return Err(flaw("write a number with a unit, such as \"10r/s\" or \"100r/m\""));
    }
    let per = unit.strip_prefix("r/").and_then(|per| TIMES.iter().find(|(known, _)| *known == per));
    let Some((_, seconds)) = per else {
        return Err(flaw(
            "the units are r/s, r/m (a minute) and r/h (an hour): \"30r/m\" is one in two seconds",
        ));
    };
    match digits.parse().ok().filter(|amount| (1..=REQUESTS_MAX).contains(amount)) {
        Some(amount) => Ok(Rate { amount, per: Duration::from_secs(*seconds) }),
        None => Err(flaw("write a rate from 1 to 10000000, or \"off\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parse: fn(&str) -> Result<Rate, Flaw>, text: &str, wanted: Option<(u64, u64)>) {
        let wanted = wanted.map(|(amount, seconds)| Rate { amount, per: Duration::from_secs(seconds) });
        assert_eq!(parse(text).ok(), wanted, "{text}");
    }

    #[test]
    fn rates() {
        for (text, wanted) in [
            ("1MB/s", Some(1_000_000)),
            ("1 MB/s", Some(1_000_000)),
            ("1MiB/s", Some(1 << 20)),
            ("64KiB/s", Some(64 << 10)),
            ("8Mbit/s", Some(1_000_000)),
            ("1000B/s", Some(1_000)),
            ("100GB/s", Some(100_000_000_000)),
            ("999B/s", None),
            ("101GB/s", None),
            ("99999999999999999999GB/s", None),
            ("1M/s", None),
            ("1mb/s", None),
            ("1MB", None),
            ("1MB/m", None),
            ("1.5MB/s", None),
            ("MB/s", None),
            ("-1MB/s", None),
            ("0kB/s", None),
        ] {
            check(byte_rate, text, wanted.map(|amount| (amount, 1)));
        }
        for (text, wanted) in [
            ("10r/s", Some((10, 1))),
            ("10 r/s", Some((10, 1))),
            ("100r/m", Some((100, 60))),
            ("1r/h", Some((1, 3_600))),
            ("0r/s", None),
            ("10000001r/s", None),
            ("10/s", None),
            ("10", None),
            ("r/s", None),
            ("10r/d", None),
        ] {
            check(request_rate, text, wanted);
        }
    }
}

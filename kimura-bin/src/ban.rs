//! What is said on the command line about a ban: whom, for how long, why.

use crate::usage::Usage;
use auth::Prefix;
use auth::limits::REASON_LEN_MAX;
use privsep::message::Network;

/// Units of a time, in seconds.
const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];

/// An address, or one with the length of its prefix.
pub(crate) fn network(text: &str) -> Result<Network, Usage> {
    text.parse::<Prefix>()
        .map(Network::from)
        .map_err(|bad| Usage::BadNetwork(text.to_owned(), bad.to_string()))
}

/// A time in seconds, such as `90s`, `10m`, `2h` or `7d`.
pub(crate) fn seconds(text: &str) -> Result<u64, Usage> {
    let bad = || Usage::BadTime(text.to_owned());
    let unit = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, seconds)));
    let (digits, seconds) = unit.ok_or_else(bad)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let count: u64 = digits.parse().map_err(|_| bad())?;
    count.checked_mul(*seconds).filter(|total| *total > 0).ok_or_else(bad)
}

/// A reason in one line.
pub(crate) fn reason(text: String) -> Result<String, Usage> {
    let fine = text.len() <= REASON_LEN_MAX && !text.chars().any(char::is_control);
    if fine { Ok(text) } else { Err(Usage::BadReason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, wanted) in [
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("2h", Some(7200)),
            ("7d", Some(604_800)),
            ("", None),
            ("s", None),
            ("90", None),
            ("0s", None),
            ("+1s", None),
            ("1 s", None),
            ("1w", None),
            ("99999999999999999999d", None),
            ("9999999999999999999d", None),
        ] {
            assert_eq!(seconds(text).ok(), wanted, "{text}");
        }
    }
}

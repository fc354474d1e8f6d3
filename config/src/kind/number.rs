//! Numbers, sizes in bytes, and times.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Kind, Spot, accept, reject};
use crate::cause::{Cause, Flaw};
use crate::model::Shards;
use crate::problem::{Problem, Problems};
use crate::tree::{Data, quoted};

/// A whole number, `min..=max`.
pub(crate) struct Integer {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Integer {
    fn parse(&self, at: &Spot<'_>, wanted: impl FnOnce() -> String) -> Result<u64, Problem> {
        let Data::Number(number) = &at.node.data else { return Err(at.wrong_type(wanted())) };
        match number.as_u64() {
            Some(value) if (self.min..=self.max).contains(&value) => Ok(value),
            None if number.is_f64() => Err(at.wrong_type(wanted())),
            _ => Err(at.out_of_range(number.to_string(), self.min.to_string(), self.max.to_string())),
        }
    }
}

impl Kind for Integer {
    type Out = u64;

    fn noun(&self) -> String {
        format!("a whole number from {} to {}", self.min, self.max)
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": self.min, "maximum": self.max})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<u64> {
        accept(problems, self.parse(at, || self.noun()))
    }
}

/// A whole number up to `max`, where 0 means unlimited.
pub(crate) struct Count {
    pub(crate) max: u32,
}

impl Kind for Count {
    type Out = Option<NonZeroU32>;

    fn noun(&self) -> String {
        format!("a whole number up to {}, 0 for unlimited", self.max)
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": self.max})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Self::Out> {
        let range = Integer { min: 0, max: self.max.into() };
        let value = accept(problems, range.parse(at, || self.noun()))?;
        Some(u32::try_from(value).ok().and_then(NonZeroU32::new))
    }
}

/// A whole number up to `max`, or `auto`.
pub(crate) struct AutoCount {
    pub(crate) max: u32,
}

impl Kind for AutoCount {
    type Out = Shards;

    fn noun(&self) -> String {
        format!("\"auto\" or a whole number from 1 to {}", self.max)
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": self.max}]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Shards> {
        if matches!(&at.node.data, Data::Text(word) if word == "auto") {
            return Some(Shards::Auto);
        }
        let range = Integer { min: 1, max: self.max.into() };
        let value = accept(problems, range.parse(at, || self.noun()))?;
        u32::try_from(value).ok().and_then(NonZeroU32::new).map(Shards::Count)
    }
}

/// A size in bytes, `min..=max`: a whole number, or a text such as `64k`.
pub(crate) struct Size {
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// Whether the word `unlimited` is allowed; it is read as `u64::MAX`.
    pub(crate) unlimited: bool,
}

/// Binary units of sizes; each also as `KiB` and so on, and in lower case.
const SIZE_UNITS: [(&str, u64); 4] = [("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1 << 40)];

impl Size {
    pub(crate) const fn between(min: u64, max: u64) -> Size {
        Size { min, max, unlimited: false }
    }

    fn parse(&self, at: &Spot<'_>) -> Result<u64, Problem> {
        let size = match &at.node.data {
            Data::Text(word) if word == "unlimited" && self.unlimited => return Ok(u64::MAX),
            Data::Text(text) => parse_size(text).map_err(|flaw| at.problem(Cause::Malformed(flaw)))?,
            Data::Number(number) if !number.is_f64() => {
                let found = number.to_string();
                number.as_u64().ok_or_else(|| self.out_of_range(at, found))?
            }
            _ => return Err(at.wrong_type(self.noun())),
        };
        if (self.min..=self.max).contains(&size) {
            Ok(size)
        } else {
            Err(self.out_of_range(at, size_in_words(size)))
        }
    }

    fn out_of_range(&self, at: &Spot<'_>, found: String) -> Problem {
        at.out_of_range(found, size_in_words(self.min), size_in_words(self.max))
    }
}

impl Kind for Size {
    type Out = u64;

    fn noun(&self) -> String {
        let word = if self.unlimited { ", or \"unlimited\"" } else { "" };
        format!("a size from {} to {}{word}", size_in_words(self.min), size_in_words(self.max))
    }

    fn schema(&self) -> Value {
        let unlimited = if self.unlimited { "|^unlimited$" } else { "" };
        json!({"anyOf": [
            {"type": "integer", "minimum": self.min, "maximum": self.max},
            {"type": "string", "pattern": format!("^[0-9]+ ?([Bb]|[KkMmGgTt](i[Bb])?)?${unlimited}")},
        ]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<u64> {
        accept(problems, self.parse(at))
    }
}

fn parse_size(text: &str) -> Result<u64, Flaw> {
    let (digits, unit) = split_unit(text);
    let flaw = |cure: &str| Flaw::new(format!("{} is no size", quoted(text)), cure);
    if digits.is_empty() {
        return Err(flaw("write a number with a unit, such as \"64k\" or \"1 MiB\""));
    }
    if unit.starts_with(['.', ',']) {
        return Err(flaw("write a whole number of a smaller unit: \"1536k\" for one and a half MiB"));
    }
    let unit = unit.to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" | "b" => 1,
        "kb" | "mb" | "gb" | "tb" => {
            return Err(flaw("write \"64k\" or \"64 KiB\": units are powers of 1024"));
        }
        unit => {
            let known = SIZE_UNITS
                .iter()
                .find(|(letter, _)| unit.strip_prefix(letter).is_some_and(|r| r.is_empty() || r == "ib"));
            known.ok_or_else(|| flaw("the units are B, k, M, G and T, or KiB, MiB, GiB and TiB"))?.1
        }
    };
    let number: Option<u64> = digits.parse().ok();
    number.and_then(|n| n.checked_mul(factor)).ok_or_else(|| flaw("write a smaller number"))
}

/// Digits at the start of `text`, and what follows them without one space.
pub(super) fn split_unit(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (digits, unit.strip_prefix(' ').unwrap_or(unit))
}

/// A size as a user would write it.
pub(crate) fn size_in_words(bytes: u64) -> String {
    for (unit, factor) in SIZE_UNITS.iter().rev() {
        if bytes >= *factor && bytes.is_multiple_of(*factor) {
            let letter = if *unit == "k" { "k".to_owned() } else { unit.to_ascii_uppercase() };
            return format!("{}{letter}", bytes / factor);
        }
    }
    bytes.to_string()
}

/// A length of time, `min..=max`: a text such as `500ms`.
pub(crate) struct Span {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

/// Units of time in milliseconds.
const TIME_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Kind for Span {
    type Out = Duration;

    fn noun(&self) -> String {
        format!("a time from {} to {}", time_in_words(self.min), time_in_words(self.max))
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h|d)$"})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Duration> {
        if let Data::Number(number) = &at.node.data {
            let flaw = Flaw::new(
                format!("the time {number} has no unit"),
                format!("write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"),
            );
            return reject(problems, at.problem(Cause::Malformed(flaw)));
        }
        let time = at.text(|| self.noun()).and_then(|text| {
            let time = parse_time(text).map_err(|flaw| at.problem(Cause::Malformed(flaw)))?;
            if (self.min..=self.max).contains(&time) {
                return Ok(time);
            }
            Err(at.out_of_range(text.to_owned(), time_in_words(self.min), time_in_words(self.max)))
        });
        accept(problems, time)
    }
}

/// `500ms`, `30 d`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, Flaw> {
    let (digits, unit) = split_unit(text);
    let flaw = |cure: &str| Flaw::new(format!("{} is no time", quoted(text)), cure);
    if digits.is_empty() {
        return Err(flaw("write a number with a unit, such as \"30s\" or \"500ms\""));
    }
    if unit.starts_with(['.', ',']) {
        return Err(flaw("write a whole number of a smaller unit: \"1500ms\" for one and a half seconds"));
    }
    let Some((_, factor)) = TIME_UNITS.iter().find(|(known, _)| *known == unit) else {
        return Err(flaw("the units are ms, s, m (minutes), h and d"));
    };
    let number: Option<u64> = digits.parse().ok();
    let millis = number.and_then(|n| n.checked_mul(*factor)).ok_or_else(|| flaw("write a smaller number"))?;
    Ok(Duration::from_millis(millis))
}

/// A time as a user would write it.
pub(crate) fn time_in_words(time: Duration) -> String {
    let millis = time.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let largest = TIME_UNITS.iter().rev().find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)));
    let (unit, factor) = largest.unwrap_or(&TIME_UNITS[0]);
    format!("{}{unit}", millis / u128::from(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("64k", Some(64 << 10)),
            ("64K", Some(64 << 10)),
            ("1M", Some(1 << 20)),
            ("1 MiB", Some(1 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1t", Some(1 << 40)),
            ("10B", Some(10)),
            ("", None),
            ("k", None),
            ("-1k", None),
            ("1.5M", None),
            ("1  M", None),
            ("64kb", None),
            ("64ki", None),
            ("99999999999999999999", None),
            ("18446744073709551615k", None),
        ] {
            assert_eq!(parse_size(text).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn sizes_in_words_can_be_read_again() {
        for size in [0, 1, 1000, 1024, 1536, 1 << 20, 3 << 30, 5 << 40, u64::MAX] {
            assert_eq!(parse_size(&size_in_words(size)), Ok(size));
        }
    }

    #[test]
    fn times() {
        for (text, wanted) in [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("5 s", Some(5_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("5", None),
            ("s", None),
            ("1.5s", None),
            ("5min", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(parse_time(text).ok(), wanted.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn times_in_words_can_be_read_again() {
        for millis in [0, 1, 100, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(parse_time(&time_in_words(time)), Ok(time));
        }
    }
}

//! The text exposition format of Prometheus, version 0.0.4.

use std::fmt::{self, Write};

use crate::Snapshot;
use crate::latency::Distribution;
use crate::table::{Counter, Kind};

/// What the text is to be served as.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const DURATION: &str = "kimura_request_duration_seconds";

/// All counters and the histogram of latencies; to be served as [`MEDIA_TYPE`].
pub fn prometheus(snapshot: &Snapshot) -> String {
    let mut text = String::with_capacity(64 * 1024);
    write(&mut text, snapshot).expect("writing to a String cannot fail");
    text
}

/// What the samples of a family have in common.
#[derive(Clone, Copy, Debug)]
pub struct Family<'f> {
    /// Without `kimura_`, and without the `_total` of a counter.
    pub name: &'f str,
    /// Whether it only grows.
    pub kind: Kind,
    /// For the operator.
    pub prose: &'f str,
}

/// One number of a family.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'s, V> {
    /// Name and value of the label that tells it from others; none for the only one.
    pub label: Option<(&'s str, &'s str)>,
    /// The number.
    pub value: V,
}

impl<V> Sample<'_, V> {
    /// The only one of its family.
    pub fn only(value: V) -> Self {
        Sample { label: None, value }
    }
}

impl Family<'_> {
    /// Appends the family with these samples.
    pub fn write<'s, V: fmt::Display>(
        &self,
        text: &mut String,
        samples: impl IntoIterator<Item = Sample<'s, V>>,
    ) {
        self.put(text, samples).expect("writing to a String cannot fail");
    }

    fn put<'s, V: fmt::Display>(
        &self,
        text: &mut String,
        samples: impl IntoIterator<Item = Sample<'s, V>>,
    ) -> fmt::Result {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
        };
        let name = format_args!("kimura_{}{suffix}", self.name);
        writeln!(text, "# HELP {name} {}", Help(self.prose))?;
        writeln!(text, "# TYPE {name} {}", self.kind.name())?;
        for Sample { label, value } in samples {
            match label {
                None => writeln!(text, "{name} {value}")?,
                Some((label, of)) => writeln!(text, "{name}{{{label}=\"{}\"}} {value}", Label(of))?,
            }
        }
        Ok(())
    }
}

/// Prose, in which a line never ends.
struct Help<'h>(&'h str);

impl fmt::Display for Help<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, f, |c| c == '\\' || c == '\n')
    }
}

/// The value of a label, which its quotes enclose.
struct Label<'l>(&'l str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, f, |c| c == '\\' || c == '\n' || c == '"')
    }
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>, special: fn(char) -> bool) -> fmt::Result {
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            c if special(c) => write!(f, "\\{c}")?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

fn write(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    for counter in Counter::ALL {
        let about = counter.descriptor();
        let family = Family { name: about.name, kind: about.kind, prose: about.prose };
        family.put(text, [Sample::only(snapshot.get(*counter))])?;
    }
    histogram(text, snapshot.latency())
}

/// One bucket for each power of two: a scraper keeps every one of them as a series of its own, and the finer
/// ones that we have would be hundreds.
fn histogram(text: &mut String, latency: &Distribution) -> fmt::Result {
    writeln!(text, "# HELP {DURATION} From the first octet of a request to the last one of its response.")?;
    writeln!(text, "# TYPE {DURATION} histogram")?;
    for (end, quicker) in latency.octaves() {
        writeln!(text, "{DURATION}_bucket{{le=\"{}\"}} {quicker}", seconds(end))?;
    }
    writeln!(text, "{DURATION}_bucket{{le=\"+Inf\"}} {}", latency.count())?;
    writeln!(text, "{DURATION}_sum {}", latency.sum().as_secs_f64())?;
    writeln!(text, "{DURATION}_count {}", latency.count())
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Block;
    use std::collections::HashSet;

    fn example() -> String {
        let block = Block::create(0).unwrap();
        block.add(Counter::BytesSent, 1 << 40);
        block.set(Counter::ConnectionsOpen, 12);
        block.record_latency(1_500);
        block.record_latency(70_000_000_000);
        prometheus(&Snapshot::read([&block]))
    }

    #[test]
    fn lines() {
        let text = example();
        let lines: HashSet<_> = text.lines().collect();
        for expected in [
            "# HELP kimura_connections_open Connections that are open now.",
            "# TYPE kimura_connections_open gauge",
            "kimura_connections_open 12",
            "# TYPE kimura_bytes_sent_total counter",
            "kimura_bytes_sent_total 1099511627776",
            "# TYPE kimura_request_duration_seconds histogram",
            "kimura_request_duration_seconds_bucket{le=\"0.000001024\"} 0",
            "kimura_request_duration_seconds_bucket{le=\"0.000002048\"} 1",
            "kimura_request_duration_seconds_bucket{le=\"68.719476736\"} 1",
            "kimura_request_duration_seconds_bucket{le=\"+Inf\"} 2",
            "kimura_request_duration_seconds_sum 70.0000015",
            "kimura_request_duration_seconds_count 2",
        ] {
            assert!(lines.contains(expected), "missing: {expected}");
        }
    }

    #[test]
    fn each_metric_has_help_type_and_value_once() {
        let text = example();
        let helps = text.lines().filter(|line| line.starts_with("# HELP ")).count();
        let types = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        let values = text.lines().filter(|line| !line.starts_with("# ")).collect::<Vec<_>>();
        assert_eq!((helps, types), (Counter::COUNT + 1, Counter::COUNT + 1));
        let series: HashSet<_> = values.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(series.len(), values.len());
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn labels_and_prose_stay_in_their_line() {
        let family = Family { name: "lines", kind: Kind::Counter, prose: "A \\ and\na \"break\"." };
        let mut text = String::new();
        let names = ["plain", "C:\\logs", "a\nb 1\n", "\"quoted\"", "\u{fc}\r"];
        family.write(&mut text, names.map(|name| Sample { label: Some(("log", name)), value: 7 }));
        assert_eq!(
            text.split('\n').collect::<Vec<_>>(),
            [
                r#"# HELP kimura_lines_total A \\ and\na "break"."#,
                "# TYPE kimura_lines_total counter",
                r#"kimura_lines_total{log="plain"} 7"#,
                r#"kimura_lines_total{log="C:\\logs"} 7"#,
                r#"kimura_lines_total{log="a\nb 1\n"} 7"#,
                r#"kimura_lines_total{log="\"quoted\""} 7"#,
                "kimura_lines_total{log=\"\u{fc}\r\"} 7",
                "",
            ]
        );
    }
}

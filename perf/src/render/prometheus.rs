//! The text exposition format of Prometheus, version 0.0.4.

use std::fmt::{self, Write};

use crate::Snapshot;
use crate::latency::Distribution;
use crate::table::{Counter, Kind};

const DURATION: &str = "kimura_request_duration_seconds";

/// All counters and the histogram of latencies; to be served as `text/plain; version=0.0.4`.
pub fn prometheus(snapshot: &Snapshot) -> String {
    let mut text = String::with_capacity(16 * 1024);
    write(&mut text, snapshot).expect("writing to a String cannot fail");
    text
}

fn write(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    for counter in Counter::ALL {
        metric(text, *counter, snapshot.get(*counter))?;
    }
    histogram(text, snapshot.latency())
}

fn metric(text: &mut String, counter: Counter, value: u64) -> fmt::Result {
    let about = counter.descriptor();
    let suffix = match about.kind {
        Kind::Counter => "_total",
        Kind::Gauge => "",
    };
    let name = format_args!("kimura_{}{suffix}", about.name);
    writeln!(text, "# HELP {name} {}", about.prose)?;
    writeln!(text, "# TYPE {name} {}", about.kind.name())?;
    writeln!(text, "{name} {value}")
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
}

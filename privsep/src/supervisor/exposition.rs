//! What a scraper reads: the counters of all workers, and what `status` tells in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use perf::Snapshot;
use perf::render::{Family, Sample, prometheus};
use perf::table::Kind;

use crate::message::{LedgerEntry, LogReport, StatusReport};

/// Most bytes of the lines of a family of logs. There can be thousands, which fit no record.
const FAMILY_LEN_MAX: usize = 64 * 1024;
/// Most bytes of such a line beside the name of its log.
const LINE_LEN_MAX: usize = 100;
/// What a worker does, as reports have it.
const STATES: [&str; 3] = ["starting", "serving", "draining"];

/// The text, of counters that were read at `made`, a time of the Unix clock.
pub(super) fn text(counters: &Snapshot, status: &StatusReport, made: Duration) -> String {
    let mut text = prometheus(counters);
    about_server(&mut text, status, made);
    about_lines(&mut text, status);
    text
}

/// A family that is a counter.
const fn counter<'f>(name: &'f str, prose: &'f str) -> Family<'f> {
    Family { name, kind: Kind::Counter, prose }
}

/// A family that is a gauge.
const fn gauge<'f>(name: &'f str, prose: &'f str) -> Family<'f> {
    Family { name, kind: Kind::Gauge, prose }
}

fn about_server(text: &mut String, status: &StatusReport, made: Duration) {
    let version = Sample { label: Some(("version", status.version.as_str())), value: 1 };
    gauge("build_info", "The version of the program that runs; always 1.").write(text, [version]);
    gauge("metrics_timestamp_seconds", "When all of these numbers were read, as Unix time.")
        .write(text, [Sample::only(made.as_secs_f64())]);
    gauge("uptime_seconds", "How long the server runs, upgrades included.")
        .write(text, [Sample::only(status.uptime_seconds)]);
    let workers = STATES.map(|state| Sample {
        label: Some(("state", state)),
        value: status.workers.iter().filter(|worker| worker.state == state).count(),
    });
    gauge("workers", "Worker processes, by what they do.").write(text, workers);
    let numbers = [
        ("reloads", "Changes of the configuration that are in force.", status.reloads.into()),
        ("upgrades", "Programs that have taken over from the one before.", status.upgrades.into()),
        ("worker_crashes", "Workers that ended without being told to.", status.crashes.into()),
        ("wrong_proofs", "Commands that were refused since their proof was wrong.", status.wrong_proofs),
        ("connections_lost", LOST_CONNECTIONS, count(&status.ledger, "connections_lost")),
        ("requests_lost", LOST_REQUESTS, count(&status.ledger, "requests_lost")),
    ];
    for (name, prose, number) in numbers {
        counter(name, prose).write(text, [Sample::only(number)]);
    }
}

const LOST_CONNECTIONS: &str = "Connections that ended with a worker that was not told to end.";
const LOST_REQUESTS: &str = "Requests that ended with a worker that was not told to end.";

fn about_lines(text: &mut String, status: &StatusReport) {
    gauge("log_lines_under_way", "Lines of access logs between a shard and the logger.")
        .write(text, [Sample::only(count(&status.lines, "lines_under_way"))]);
    counter("log_lines_lost", "Lines of access logs that ended with a worker.")
        .write(text, [Sample::only(count(&status.lines, "lines_lost"))]);
    let (logs, left_out) = by_name(&status.logs);
    let write = |text: &mut String, family: Family<'_>, number: fn(&Numbers) -> u64| {
        let samples =
            logs.iter().map(|(name, log)| Sample { label: Some(("log", *name)), value: number(log) });
        family.write(text, samples);
    };
    let written = "Lines that have come to an access log: delivered, dropped or queued.";
    write(text, counter("access_log_lines_written", written), |log| log.taken);
    let delivered = "Lines that an access log has delivered.";
    write(text, counter("access_log_lines_delivered", delivered), |log| log.delivered);
    let dropped = "Lines that an access log has given up.";
    write(text, counter("access_log_lines_dropped", dropped), |log| log.dropped);
    let queued = "Lines that wait to be delivered by an access log.";
    write(text, gauge("access_log_lines_queued", queued), |log| log.queued);
    let failing = "Whether an access log cannot deliver at present: 1 or 0.";
    write(text, gauge("access_log_failing", failing), |log| u64::from(log.failing));
    let aside = "Files of an access log that were put aside.";
    write(text, counter("access_log_files_put_aside", aside), |log| log.put_aside);
    let troubles = "How often a file of an access log could not be put aside, looked after or compressed.";
    write(text, counter("access_log_file_troubles", troubles), |log| log.troubles);
    gauge("access_logs_left_out", "Access logs of which nothing is told here, since there are too many.")
        .write(text, [Sample::only(left_out)]);
}

/// The number of that name.
fn count(entries: &[LedgerEntry], name: &str) -> u64 {
    entries.iter().find(|entry| entry.name == name).map_or(0, |entry| entry.count)
}

/// The numbers of all logs of one name.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    taken: u64,
    delivered: u64,
    dropped: u64,
    queued: u64,
    failing: bool,
    put_aside: u64,
    troubles: u64,
}

impl Numbers {
    fn add(&mut self, log: &LogReport) {
        self.taken = self.taken.saturating_add(log.taken);
        self.delivered = self.delivered.saturating_add(log.delivered);
        self.dropped = self.dropped.saturating_add(log.dropped);
        self.queued = self.queued.saturating_add(log.queued);
        self.failing |= log.failing;
        self.put_aside = self.put_aside.saturating_add(log.put_aside);
        self.troubles = self.troubles.saturating_add(log.troubles);
    }
}

/// Logs by their names, and how many are left out. A receiver that was changed goes on under its name, and a series must
/// not come twice.
fn by_name(reports: &[LogReport]) -> (BTreeMap<&str, Numbers>, usize) {
    let (mut logs, mut room, mut left_out) = (BTreeMap::<&str, Numbers>::new(), FAMILY_LEN_MAX, 0);
    for report in reports {
        let name = report.name.as_str();
        if !logs.contains_key(name) {
            // Escaped, every byte could be two.
            let Some(rest) = room.checked_sub(LINE_LEN_MAX + 2 * name.len()) else {
                left_out += 1;
                continue;
            };
            room = rest;
        }
        logs.entry(name).or_default().add(report);
    }
    (logs, left_out)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::message::WorkerReport;

    fn log(name: &str, taken: u64) -> LogReport {
        let (delivered, dropped, queued) = (taken / 2, taken / 4, taken - taken / 2 - taken / 4);
        let name = name.to_owned();
        LogReport { name, taken, delivered, dropped, queued, failing: taken > 5, put_aside: 2, troubles: 1 }
    }

    fn status(logs: Vec<LogReport>) -> StatusReport {
        let worker =
            |generation, state: &str| WorkerReport { generation, pid: 7, state: state.to_owned(), shards: 2 };
        let entry = |name: &str, count| LedgerEntry { name: name.to_owned(), count };
        StatusReport {
            version: "1.2.3".to_owned(),
            pid: 1,
            uptime_seconds: 99,
            origin: String::new(),
            addresses: Vec::new(),
            reloads: 3,
            upgrades: 1,
            workers: vec![worker(1, "draining"), worker(2, "draining"), worker(3, "serving")],
            crashes: 4,
            ledger: vec![entry("connections_lost", 5), entry("requests_lost", 6)],
            even: true,
            wrong_proofs: 8,
            logins: Vec::new(),
            lines: vec![entry("lines_under_way", 9), entry("lines_lost", 10)],
            logs,
        }
    }

    fn text_of(logs: Vec<LogReport>) -> String {
        text(&Snapshot::read([]), &status(logs), Duration::from_millis(1_800_000_000_250))
    }

    #[test]
    fn lines() {
        let text = text_of(vec![log("/var/log/a \"b\".log", 4), log("c", 8), log("c", 8)]);
        let lines: HashSet<_> = text.lines().collect();
        for wanted in [
            "kimura_connections_open 0",
            "kimura_build_info{version=\"1.2.3\"} 1",
            "# TYPE kimura_metrics_timestamp_seconds gauge",
            "kimura_metrics_timestamp_seconds 1800000000.25",
            "kimura_uptime_seconds 99",
            "kimura_reloads_total 3",
            "kimura_upgrades_total 1",
            "kimura_worker_crashes_total 4",
            "kimura_wrong_proofs_total 8",
            "kimura_workers{state=\"starting\"} 0",
            "kimura_workers{state=\"serving\"} 1",
            "kimura_workers{state=\"draining\"} 2",
            "kimura_connections_lost_total 5",
            "kimura_requests_lost_total 6",
            "kimura_log_lines_under_way 9",
            "kimura_log_lines_lost_total 10",
            r#"kimura_access_log_lines_written_total{log="/var/log/a \"b\".log"} 4"#,
            r#"kimura_access_log_lines_written_total{log="c"} 16"#,
            r#"kimura_access_log_lines_delivered_total{log="c"} 8"#,
            r#"kimura_access_log_lines_dropped_total{log="c"} 4"#,
            r#"kimura_access_log_lines_queued{log="c"} 4"#,
            r#"kimura_access_log_failing{log="c"} 1"#,
            r#"kimura_access_log_failing{log="/var/log/a \"b\".log"} 0"#,
            r#"kimura_access_log_files_put_aside_total{log="c"} 4"#,
            r#"kimura_access_log_file_troubles_total{log="c"} 2"#,
            "kimura_access_logs_left_out 0",
        ] {
            assert!(lines.contains(wanted), "missing: {wanted}\n{text}");
        }
    }

    #[test]
    fn no_family_and_no_series_comes_twice() {
        let text = text_of(vec![log("c", 8), log("d", 8), log("c", 8)]);
        for begin in ["# HELP ", "# TYPE ", "kimura_"] {
            let all = text.lines().filter_map(|line| line.strip_prefix(begin));
            let names: Vec<_> = match begin {
                "kimura_" => all.map(|line| line.rsplit_once(' ').expect("a value").0).collect(),
                _ => all.map(|line| line.split_once(' ').expect("more").0).collect(),
            };
            let different: HashSet<_> = names.iter().collect();
            assert_eq!(names.len(), different.len(), "{begin}");
        }
    }

    #[test]
    fn as_many_logs_as_there_can_be_fit_a_record() {
        let logs = 0..super::super::estate::SINKS_MAX;
        let long = |number: usize| log(&format!("{number:04}\"{}", "\\".repeat(number % 300)), u64::MAX);
        for logs in [
            logs.clone().map(|number| log(&number.to_string(), u64::MAX)).collect::<Vec<_>>(),
            logs.clone().map(long).collect(),
            vec![log(&"x".repeat(FAMILY_LEN_MAX), 1), log("y", 1)],
        ] {
            let text = text_of(logs);
            assert!(text.len() <= sys::broadcast::record_max(super::super::metrics::ROOM), "{}", text.len());
            assert!(!text.contains("kimura_access_logs_left_out 0\n"));
        }
    }
}

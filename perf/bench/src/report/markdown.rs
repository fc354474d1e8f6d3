//! The report as Markdown tables.

use std::fmt::Write;

use super::{short, time};
use crate::results::Results;
use crate::summary::{IdleRow, LoadRow, Rows, SigningRow, Spread, Summary};

/// The whole report.
pub(super) fn report(results: &Results, summaries: &[Summary]) -> String {
    let mut out = String::from("# Bench\n\n");
    facts(&mut out, results);
    overview(&mut out, results, summaries);
    for summary in summaries {
        // Writing to a String cannot fail, here and below.
        let _ = write!(out, "\n## {}: {}\n\n", summary.name, summary.title);
        match &summary.rows {
            Rows::Load(rows) => {
                loads(&mut out, rows, summary.bulk, &results.baseline);
                for row in rows.iter().filter(|_| summary.coded) {
                    let _ = writeln!(
                        out,
                        "\n{}: {} for each answer.",
                        row.label,
                        range(row.bytes_per_answer, bytes)
                    );
                }
            }
            Rows::Idle(rows) => idles(&mut out, rows, &results.baseline),
        }
        if let Some(row) = &summary.signing {
            signing(&mut out, row);
        }
    }
    out.push_str(HOW);
    out
}

const HOW: &str = "
## How to read this

Figures are medians over the rounds, with the least and the greatest in parentheses; ratios are those of
the medians, with the least and the greatest of one round. CPU time is that of the server's whole process tree, from schedstat. \"user time\" is its
part in user space, per request. \"load's time\" is the load generator's whole time per request: on loopback either
end may do the kernel's work for both, so a server that looks cheap while its load gets dear has only moved it.
\"busy\" is the server's CPU time over wall time: well below 100 % the load was the limit, and only figures per
CPU-second compare.

Latencies come from a closed loop at saturation: they show queueing as much as the server; those of requests by the
clock are counted from when each was due. wrk makes the load of kept
connections and corrects its latencies for requests that it could not send; the bench's own client makes that of
pipelined and short connections and of requests by the clock. Where an access log is written, its lines come to a file in the folder for temporary
files; what the kernel then does to bring them to a disk is in no figure. A round is \"disturbed\" when the hypervisor stole more than 1 % of it or the server
waited more than 5 % of it for its processor.
";

fn facts(out: &mut String, results: &Results) {
    let machine = &results.machine;
    let _ = writeln!(
        out,
        "{}, {} processors{}, {} MiB, Linux {}. Servers on processor {}, one worker each; load on processor {}{}. \
         {} rounds of {} s, servers taking turns; ratios to {}.\n",
        machine.processor,
        machine.processors,
        if machine.hypervisor { " (virtual machine)" } else { "" },
        machine.memory_mib,
        machine.kernel,
        machine.server_cpu,
        machine.client_cpu,
        if machine.shared_core { ", WHICH SHARE A CORE" } else { "" },
        results.rounds,
        results.seconds,
        results.baseline,
    );
    out.push_str("| server | version | bytes of head |\n|---|---|---:|\n");
    for one in &results.participants {
        let _ = writeln!(out, "| {} | {} | {} |", one.label, one.version, one.head_bytes);
    }
}

/// One line for each workload: the ratios of the headline figure.
fn overview(out: &mut String, results: &Results, summaries: &[Summary]) {
    let _ = write!(out, "\nTimes the {} figure (idle: less is better):\n\n| workload |", results.baseline);
    for one in &results.participants {
        let _ = write!(out, " {} |", one.label);
    }
    out.push_str("\n|---|");
    out.push_str(&"---:|".repeat(results.participants.len()));
    for summary in summaries {
        let _ = write!(out, "\n| {} |", summary.name);
        let ratios: Vec<(&String, Option<Spread>)> = match &summary.rows {
            Rows::Load(rows) => rows.iter().map(|row| (&row.label, row.ratio)).collect(),
            Rows::Idle(rows) => rows.iter().map(|row| (&row.label, row.ratio)).collect(),
        };
        // Not everybody takes part in every workload.
        for one in &results.participants {
            let own = ratios.iter().find(|(label, _)| **label == one.label);
            let _ = write!(out, " {} |", times(own.and_then(|(_, ratio)| *ratio)));
        }
    }
    out.push('\n');
}

fn loads(out: &mut String, rows: &[LoadRow], bulk: bool, baseline: &str) {
    let _ = writeln!(
        out,
        "| server | requests per CPU-second | times {baseline} |{} requests/s | p50 | p99 | p99 times {baseline} \
         | user time | load's time | syscalls per request | busy |",
        if bulk { " bytes per CPU-second |" } else { "" },
    );
    let _ = writeln!(
        out,
        "|---|---:|---:|{}---:|---:|---:|---:|---:|---:|---:|",
        if bulk { "---:|---:|" } else { "---:|" }
    );
    for row in rows {
        let bytes =
            if bulk { format!(" {} |", short(row.bytes_per_cpu_second.median)) } else { String::new() };
        let syscalls =
            row.syscalls_per_request.map_or("not counted".to_owned(), |count| format!("{count:.2}"));
        let _ = writeln!(
            out,
            "| {} | {} | {} |{bytes} {} | {} | {} | {} | {} | {} | {syscalls} | {:.0} % |",
            row.label,
            range(row.requests_per_cpu_second, short),
            times(row.ratio),
            short(row.requests_per_second.median),
            time(row.p50_us.median),
            range(row.p99_us, time),
            times(row.p99_ratio),
            time(row.user_us.median),
            time(row.load_us.median),
            row.busy_percent.median,
        );
    }
    for row in rows {
        log_cost(out, row);
        if row.errors > 0 {
            let _ = writeln!(out, "\n{}: {} failed requests.", row.label, row.errors);
        }
        if row.disturbed > 0 {
            let _ = writeln!(out, "\n{}: {} disturbed rounds.", row.label, row.disturbed);
        }
    }
}

/// What the access log costs, and whether all of it was written.
fn log_cost(out: &mut String, row: &LoadRow) {
    if row.unlogged_ratio.is_some() {
        let _ = writeln!(out, "\n{}: {} times itself without a log.", row.label, times(row.unlogged_ratio));
    }
    if let Some(lines) = row.lines_per_request {
        let _ = writeln!(
            out,
            "\n{}: {:.3} ({:.3} to {:.3}) lines logged for each request.",
            row.label, lines.median, lines.min, lines.max
        );
    }
}

/// What the signature in a handshake costs at least.
fn signing(out: &mut String, row: &SigningRow) {
    let _ = writeln!(
        out,
        "\nSigning alone with such a key, on the servers' processor: AWS-LC, which Kimura uses, {} a second; {}, which \
         nginx uses, {} a second; AWS-LC {} times OpenSSL.",
        range(row.ours, short),
        row.openssl_version,
        range(row.openssl, short),
        times(Some(row.ratio)),
    );
}

fn idles(out: &mut String, rows: &[IdleRow], baseline: &str) {
    let _ = writeln!(
        out,
        "| server | connections | user memory each | times {baseline} | server before | server with them \
         | kernel memory each, both ends |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    for row in rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.0} KiB | {:.0} KiB | {} |",
            row.label,
            row.connections,
            range(row.user_bytes, bytes),
            times(row.ratio),
            row.before_kib.median,
            row.after_kib.median,
            bytes(row.kernel_bytes.median),
        );
    }
    for row in rows.iter().filter(|row| row.lost > 0) {
        let _ = writeln!(out, "\n{}: closed {} of the connections.", row.label, row.lost);
    }
}

fn range(spread: Spread, write: fn(f64) -> String) -> String {
    format!("{} ({} to {})", write(spread.median), write(spread.min), write(spread.max))
}

fn bytes(value: f64) -> String {
    format!("{value:.0} B")
}

fn times(ratio: Option<Spread>) -> String {
    ratio.map_or("n/a".to_owned(), |ratio| {
        format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.min, ratio.max)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;
    use crate::summary::summaries;

    #[test]
    fn tables_have_all_cells() {
        let results = example();
        let text = report(&results, &summaries(&results));
        for part in [
            "| a<b | 500 (400 to 600) | 2.50 (2.00 to 3.00) | 250 | 100 µs |",
            "| idle | 0.20 (0.20 to 0.20) | 1.00 (1.00 to 1.00) |",
            "| a<b | 1024 | 100 B (100 B to 100 B) |",
            "a<b: 1 failed requests.",
            "a<b: 2 disturbed rounds.",
            "| small-log | n/a | n/a |",
            "AWS-LC, which Kimura uses, 90.0 (80.0 to 100) a second; OpenSSL 3.0.0, which nginx uses, 100 (100 to 100)",
            "AWS-LC 0.90 (0.80 to 1.00) times OpenSSL.",
            "a<b: 5 B (4 B to 6 B) for each answer.",
            "a<b: 0.93 (0.90 to 0.95) times itself without a log.",
            "a<b: 0.408 (0.316 to 0.500) lines logged for each request.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let mut columns = 0;
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let cells = line.matches('|').count();
            // A heading begins a table; its other lines have as many cells.
            let heading = line.starts_with("| server") || line.starts_with("| workload");
            columns = if heading { cells } else { columns };
            assert_eq!(cells, columns, "{line}");
        }
    }
}

//! Answers for people.

use super::Outcome;
use privsep::message::{
    BanReport, BansReport, LedgerEntry, LimitsReport, PlanReport, StatusReport, UpstreamReport,
    UpstreamState, UpstreamsReport,
};
use std::fmt::Write as _;

/// Lines that end with a line feed.
pub(super) fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(what) => format!("{what}\n"),
        Outcome::Status(report) => status(report),
        Outcome::Plan(report) => plan(report),
        Outcome::Bans(report) => bans(report),
        Outcome::Upstreams(report) => upstreams(report),
        Outcome::Limits(report) => limits(report),
    }
}

fn status(report: &StatusReport) -> String {
    let mut text = format!("kimura {}, {}\n", report.version, report.origin);
    line(&mut text, "up", &format!("{}, supervisor {}", duration(report.uptime_seconds), report.pid));
    for address in &report.addresses {
        line(&mut text, "address", address);
    }
    for worker in &report.workers {
        let shards = if worker.shards == 1 { "shard" } else { "shards" };
        let process = if worker.pid == 0 { String::new() } else { format!(", process {}", worker.pid) };
        let what = format!(
            "generation {}: {}, {} {shards}{process}",
            worker.generation, worker.state, worker.shards
        );
        line(&mut text, "worker", &what);
    }
    line(&mut text, "reloads", &report.reloads.to_string());
    line(&mut text, "upgrades", &report.upgrades.to_string());
    line(&mut text, "crashes", &report.crashes.to_string());
    line(&mut text, "wrong proofs", &report.wrong_proofs.to_string());
    let logins: Vec<String> =
        report.logins.iter().map(|entry| format!("{} {}", entry.count, entry.name)).collect();
    line(&mut text, "logins", &logins.join(", "));
    for kind in ["connections", "requests"] {
        line(&mut text, kind, &sum(&report.ledger, kind));
    }
    line(&mut text, "log lines", &sum(&report.lines, "lines"));
    for log in &report.logs {
        let state = if log.failing { ", FAILS at present" } else { "" };
        let files = match (log.put_aside, log.troubles) {
            (0, 0) => String::new(),
            (files, 0) => format!(", {files} files put aside"),
            (files, troubles) => format!(", {files} files put aside, {troubles} times trouble"),
        };
        let what = format!(
            "{}: {} delivered, {} dropped, {} queued{files}{state}",
            log.name, log.delivered, log.dropped, log.queued
        );
        line(&mut text, "log", &what);
    }
    line(&mut text, "ledger", if report.even { "even" } else { "NOT EVEN" });
    text
}

/// `13 accepted, 12 closed by us, ...`: what begins with `kind`.
fn sum(ledger: &[LedgerEntry], kind: &str) -> String {
    let entries = ledger.iter().filter_map(|entry| {
        let name = entry.name.strip_prefix(kind)?.strip_prefix('_')?;
        Some(format!("{} {}", entry.count, name.replace('_', " ")))
    });
    entries.collect::<Vec<_>>().join(", ")
}

fn bans(report: &BansReport) -> String {
    let number = report.bans.len();
    let mut text = format!("{number} {}\n", if number == 1 { "ban" } else { "bans" });
    for ban in &report.bans {
        writeln!(text, "  {}", banned(ban, report.now)).expect("writing to a String cannot fail");
    }
    text
}

fn limits(report: &LimitsReport) -> String {
    let clients = report.uses.iter().filter(|one| one.client.is_some()).count();
    let mut text = format!("{} places, {clients} clients\n", report.uses.len() - clients);
    let mut row = |cells: [&str; 8]| {
        let [scope, client, requests, running, delayed, refused, down, up] = cells;
        writeln!(
            text,
            "  {scope:<28} {client:<24} {requests:>10} {running:>8} {delayed:>8} {refused:>8} {down:>14} {up:>14}"
        )
        .expect("writing to a String cannot fail");
    };
    row(["place", "client", "requests", "running", "delayed", "refused", "bytes down", "bytes up"]);
    for one in &report.uses {
        // The name of a user comes from whoever has logged in by it.
        let client =
            one.client.as_ref().map_or_else(|| "all".to_owned(), |name| name.escape_debug().to_string());
        let [requests, running, delayed, refused, down, up] =
            [one.requests, one.running, one.delayed, one.refused, one.down, one.up]
                .map(|count| count.to_string());
        row([
            &one.scope.escape_debug().to_string(),
            &client,
            &requests,
            &running,
            &delayed,
            &refused,
            &down,
            &up,
        ]);
    }
    for setting in &report.settings {
        line(&mut text, "set", &setting.escape_debug().to_string());
    }
    text
}

/// `192.0.2.7/32, number 2, since 3 min 4 s, for another 16 min 56 s: failed logins`
fn banned(ban: &BanReport, now: u64) -> String {
    let prefix = ban.network.prefix().map_or_else(String::new, |prefix| prefix.to_string());
    // The name comes from whoever has tried it.
    let user = ban.user.as_ref().map_or_else(String::new, |user| format!(" as {user:?}"));
    let left = ban.until.map_or_else(
        || "without an end".to_owned(),
        |until| format!("for another {}", duration(until.saturating_sub(now))),
    );
    let since = duration(now.saturating_sub(ban.since));
    format!("{prefix}{user}, number {}, since {since}, {left}: {}", ban.count, ban.reason)
}

/// A table, with columns as wide as they have to be.
fn upstreams(report: &UpstreamsReport) -> String {
    let head = ["group", "server", "state", "weight", "open", "requests", "failures"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(report.servers.iter().map(upstream)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(text, "{}", line.trim_end()).expect("writing to a String cannot fail");
    }
    text
}

fn upstream(report: &UpstreamReport) -> [String; 7] {
    let place = if report.server == report.address {
        report.server.clone()
    } else {
        format!("{} ({})", report.server, report.address)
    };
    let state = match (report.state, report.ejected) {
        (UpstreamState::Up, 0) => "up".to_owned(),
        (UpstreamState::Up, 1) => "ejected by 1 shard".to_owned(),
        (UpstreamState::Up, shards) => format!("ejected by {shards} shards"),
        (UpstreamState::Down, _) => "down".to_owned(),
        (UpstreamState::Drained, _) => "drained".to_owned(),
    };
    let weight = if report.backup { format!("{} backup", report.weight) } else { report.weight.to_string() };
    let [open, requests, failures] =
        [report.open, report.requests, report.failures].map(|count| count.to_string());
    [report.group.clone(), place, state, weight, open, requests, failures]
}

fn plan(report: &PlanReport) -> String {
    let mut text = String::from(if report.done { "reloaded\n" } else { "would change, if reloaded now\n" });
    for (name, list) in lists(report) {
        if !list.is_empty() {
            line(&mut text, name, &list.join(", "));
        }
    }
    text
}

fn lists(report: &PlanReport) -> [(&'static str, &Vec<String>); 8] {
    [
        ("kept", &report.kept),
        ("replaced", &report.replaced),
        ("added", &report.added),
        ("removed", &report.removed),
        ("opened", &report.opened),
        ("closed", &report.closed),
        ("new worker for", &report.new_worker),
        ("needs restart", &report.restart),
    ]
}

fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name:<14} {value}").expect("writing to a String cannot fail");
}

/// `1 d 2 h`, `3 min 4 s`: the two largest units that are not nought.
fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (seconds, wanted) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_700, "1 h 1 min"), (90_061, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), wanted);
        }
    }
}

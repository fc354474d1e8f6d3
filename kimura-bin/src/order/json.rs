//! Answers for scripts: one JSON object on one line.

use super::Outcome;
use crate::error::Error;
use privsep::message::{BansReport, LimitsReport, PlanReport, StatusReport, UpstreamState, UpstreamsReport};
use serde_json::{Map, Value, json};

/// The line, with `"result"` as done, refused, denied or failed.
pub(super) fn text(outcome: Result<&Outcome, &Error>) -> String {
    let mut object = match outcome {
        Ok(Outcome::Done(what)) => json!({ "message": what }),
        Ok(Outcome::Status(report)) => status(report),
        Ok(Outcome::Plan(report)) => plan(report),
        Ok(Outcome::Bans(report)) => bans(report),
        Ok(Outcome::Upstreams(report)) => upstreams(report),
        Ok(Outcome::Limits(report)) => limits(report),
        Err(error) => json!({ "message": error.to_string() }),
    };
    object["result"] = match outcome {
        Ok(_) => "done",
        Err(Error::NotDone(_)) => "refused",
        Err(Error::Denied(_)) => "denied",
        Err(_) => "failed",
    }
    .into();
    format!("{object}\n")
}

fn status(report: &StatusReport) -> Value {
    let workers = report.workers.iter().map(|worker| {
        json!({
            "generation": worker.generation,
            "pid": worker.pid,
            "state": worker.state,
            "shards": worker.shards,
        })
    });
    let ledger: Map<String, Value> =
        report.ledger.iter().map(|entry| (entry.name.clone(), entry.count.into())).collect();
    let logins: Map<String, Value> =
        report.logins.iter().map(|entry| (entry.name.clone(), entry.count.into())).collect();
    let lines: Map<String, Value> =
        report.lines.iter().map(|entry| (entry.name.clone(), entry.count.into())).collect();
    let logs = report.logs.iter().map(|log| {
        json!({
            "name": log.name,
            "taken": log.taken,
            "delivered": log.delivered,
            "dropped": log.dropped,
            "queued": log.queued,
            "failing": log.failing,
            "put_aside": log.put_aside,
            "troubles": log.troubles,
        })
    });
    json!({
        "version": report.version,
        "pid": report.pid,
        "uptime_seconds": report.uptime_seconds,
        "origin": report.origin,
        "addresses": report.addresses,
        "reloads": report.reloads,
        "upgrades": report.upgrades,
        "workers": workers.collect::<Vec<_>>(),
        "crashes": report.crashes,
        "wrong_proofs": report.wrong_proofs,
        "logins": logins,
        "ledger": ledger,
        "ledger_even": report.even,
        "lines": lines,
        "logs": logs.collect::<Vec<_>>(),
    })
}

/// Times are seconds since 1970.
fn limits(report: &LimitsReport) -> Value {
    let uses = report.uses.iter().map(|one| {
        json!({
            "scope": one.scope,
            "client": one.client,
            "running": one.running,
            "connections": one.connections,
            "bytes_down": one.down,
            "bytes_up": one.up,
            "requests": one.requests,
            "delayed": one.delayed,
            "refused": one.refused,
        })
    });
    json!({ "uses": uses.collect::<Vec<_>>(), "settings": report.settings })
}

fn bans(report: &BansReport) -> Value {
    let bans = report.bans.iter().map(|ban| {
        json!({
            "prefix": ban.network.prefix().map(|prefix| prefix.to_string()),
            "user": ban.user,
            "reason": ban.reason,
            "count": ban.count,
            "since": ban.since,
            "until": ban.until,
        })
    });
    json!({ "now": report.now, "bans": bans.collect::<Vec<_>>() })
}

fn upstreams(report: &UpstreamsReport) -> Value {
    let servers = report.servers.iter().map(|server| {
        let state = match server.state {
            UpstreamState::Up => "up",
            UpstreamState::Down => "down",
            UpstreamState::Drained => "drained",
        };
        json!({
            "group": server.group,
            "server": server.server,
            "address": server.address,
            "weight": server.weight,
            "backup": server.backup,
            "state": state,
            "ejected_by_shards": server.ejected,
            "open": server.open,
            "requests": server.requests,
            "failures": server.failures,
        })
    });
    json!({ "servers": servers.collect::<Vec<_>>() })
}

fn plan(report: &PlanReport) -> Value {
    json!({
        "done": report.done,
        "hosts": {
            "kept": report.kept,
            "replaced": report.replaced,
            "added": report.added,
            "removed": report.removed,
        },
        "addresses": { "opened": report.opened, "closed": report.closed },
        "new_worker_for": report.new_worker,
        "needs_restart": report.restart,
    })
}

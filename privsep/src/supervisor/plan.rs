//! What changes between two configurations, and which way each change goes.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::message::{HostNeeds, ListenNeeds, LogNeeds, Needs, Output, PlanReport, ReadNeeds};

/// Compares what is in force with what is wanted. Takes time in proportion to their size: there may be many thousand
/// hosts, and nobody else is heard meanwhile.
pub(crate) fn plan(old: &Needs, new: &Needs) -> PlanReport {
    let (before, after) = (digests(old), digests(new));
    let kept = |host: &HostNeeds| before.get(host.name.as_str()).map(|digest| *digest == host.digest);
    PlanReport {
        done: false,
        kept: names(&new.hosts, |host| kept(host) == Some(true)),
        replaced: names(&new.hosts, |host| kept(host) == Some(false)),
        added: names(&new.hosts, |host| kept(host).is_none()),
        removed: names(&old.hosts, |host| !after.contains_key(host.name.as_str())),
        opened: addresses(new, old),
        closed: addresses(old, new),
        new_worker: changed(&[
            ("/server/shards", old.shards != new.shards),
            ("/server/user", old.user != new.user),
            ("/server/group", old.group != new.group),
            ("/server/sandbox", old.sandbox != new.sandbox),
        ])
        .into_iter()
        .chain(uncovered(old, new))
        .collect(),
        restart: changed(&[
            ("/server/daemon", old.daemon != new.daemon),
            ("/server/pid_file", old.pid_file != new.pid_file),
            ("/server/privsep", old.privsep != new.privsep),
        ])
        .into_iter()
        .chain(rooms(old, new))
        .collect(),
    }
}

fn by_output(needs: &Needs) -> HashMap<&Output, &LogNeeds> {
    needs.access_logs.iter().map(|log| (&log.output, log)).collect()
}

/// Where lines are to wait in another way than those of the same output do: the keys of their logs that say so.
fn rooms(old: &Needs, new: &Needs) -> Vec<String> {
    let known = by_output(old);
    let spill = |log: &LogNeeds| log.spill.as_ref().map(|spill| spill.path.clone());
    let keys = |log: &LogNeeds| {
        let Some(known) = known.get(&log.output) else { return Vec::new() };
        changed(&[
            ("queue", log.cells != known.cells),
            ("when_full", log.hold_at.is_some() != known.hold_at.is_some()),
            ("spill", spill(log) != spill(known)),
        ])
        .into_iter()
        .map(|key| format!("{}/{key}", section(&log.pointer)))
        .collect()
    };
    new.access_logs.iter().flat_map(keys).collect()
}

/// Where the keys of a log stand, which is named by the one that says where it goes.
fn section(pointer: &str) -> String {
    let name = pointer.strip_prefix("/logs/").and_then(|rest| rest.split('/').next());
    name.map_or_else(|| pointer.to_owned(), |name| format!("/logs/{name}"))
}

/// The digests of all hosts, by name.
fn digests(needs: &Needs) -> HashMap<&str, u64> {
    needs.hosts.iter().map(|host| (host.name.as_str(), host.digest)).collect()
}

fn names(hosts: &[HostNeeds], wanted: impl Fn(&HostNeeds) -> bool) -> Vec<String> {
    hosts.iter().filter(|host| wanted(host)).map(|host| host.name.clone()).collect()
}

/// The addresses of `from` that `without` does not have.
fn addresses(from: &Needs, without: &Needs) -> Vec<String> {
    let served = unknown(&from.listeners, &without.listeners).cloned();
    let doors = unknown(&from.control.remote, &without.control.remote);
    served.chain(doors.map(|address| format!("{address} commands"))).collect()
}

fn unknown<'n>(from: &'n [ListenNeeds], without: &'n [ListenNeeds]) -> impl Iterator<Item = &'n String> {
    let known: HashSet<&str> = without.iter().map(|listen| listen.address.as_str()).collect();
    from.iter().map(|listen| &listen.address).filter(move |address| !known.contains(address.as_str()))
}

fn changed(keys: &[(&str, bool)]) -> Vec<String> {
    keys.iter().filter(|(_, changed)| *changed).map(|(key, _)| (*key).to_owned()).collect()
}

/// Where `new` names what a worker that was started for `old` has closed to itself.
fn uncovered(old: &Needs, new: &Needs) -> Vec<String> {
    let known: HashSet<&Path> = old.readable.iter().map(|needs| needs.path.as_path()).collect();
    let open = |needs: &ReadNeeds| needs.path.ancestors().any(|folder| known.contains(folder));
    let closed = new.readable.iter().filter(|needs| old.sandbox && !open(needs));
    closed.map(|needs| needs.pointer.clone()).collect()
}

/// `new`, but with what only a restart can change as it was.
pub(crate) fn without_restart(old: &Needs, mut new: Needs) -> Needs {
    new.daemon = old.daemon;
    new.pid_file.clone_from(&old.pid_file);
    new.privsep = old.privsep;
    let logs = by_output(old);
    for log in &mut new.access_logs {
        if let Some(known) = logs.get(&log.output) {
            (log.cells, log.cells_per_shard) = (known.cells, known.cells_per_shard);
            (log.hold_at, log.spill) = (known.hold_at, known.spill.clone());
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::tests::needs;

    /// A server of so many hosts that whoever compares each with each does not come to an end.
    fn large(numbers: std::ops::Range<u64>, digest: u64) -> Needs {
        let host = |number: u64| HostNeeds {
            name: format!("host-{number}"),
            // Every third one differs.
            digest: if number.is_multiple_of(3) { digest } else { 0 },
            locations: 1,
        };
        let folder = |number| ReadNeeds {
            path: format!("/srv/{number}/www").into(),
            pointer: format!("/hosts/host-{number}/root"),
        };
        let listen = |number| ListenNeeds {
            address: format!("[::1]:{number}"),
            pointer: String::new(),
            secure: false,
        };
        Needs {
            hosts: numbers.clone().map(host).collect(),
            readable: numbers.clone().map(folder).collect(),
            listeners: numbers.map(listen).collect(),
            ..needs()
        }
    }

    #[test]
    fn many_hosts_are_compared_in_little_time() {
        const COUNT: u64 = 300_000;
        const NEW: u64 = 3;
        let (old, new) = (large(0..COUNT, 1), large(NEW..COUNT + NEW, 2));
        let report = plan(&old, &new);
        assert_eq!(report.replaced.len() as u64, COUNT / 3 - 1);
        assert_eq!(report.kept.len() as u64, COUNT / 3 * 2 - 2);
        assert_eq!(report.removed, ["host-0", "host-1", "host-2"]);
        assert_eq!(report.added, ["host-300000", "host-300001", "host-300002"]);
        assert_eq!(report.opened, ["[::1]:300000", "[::1]:300001", "[::1]:300002"]);
        assert_eq!(report.closed, ["[::1]:0", "[::1]:1", "[::1]:2"]);
        let uncovered = ["host-300000", "host-300001", "host-300002"];
        assert_eq!(report.new_worker, uncovered.map(|host| format!("/hosts/{host}/root")));
    }

    #[test]
    fn lines_wait_in_another_way_after_a_restart_only() {
        let with = |change: fn(&mut LogNeeds)| {
            let mut needs = needs();
            needs.access_logs.iter_mut().for_each(change);
            needs
        };
        let old = needs();
        let pointers = |key: &str| -> Vec<String> {
            old.access_logs.iter().map(|log| format!("{}/{key}", log.pointer)).collect()
        };
        for (change, wanted) in [
            ((|_| {}) as fn(&mut LogNeeds), Vec::new()),
            (|log| log.cells += 1, pointers("queue")),
            (|log| log.hold_at = None, pointers("when_full")),
            (|log| log.spill = None, pointers("spill")),
            (|log| log.output = Output::Stderr, Vec::new()),
        ] {
            let new = with(change);
            assert_eq!(plan(&old, &new).restart, wanted);
            assert!(plan(&old, &without_restart(&old, new)).restart.is_empty());
        }
    }

    #[test]
    fn keys_of_logs_stand_beside_where_they_go() {
        for (pointer, wanted) in [
            ("/logs/main/file", "/logs/main"),
            ("/logs/a~1b/syslog", "/logs/a~1b"),
            ("/logs/main", "/logs/main"),
            ("/hosts/a/access_log", "/hosts/a/access_log"),
        ] {
            assert_eq!(section(pointer), wanted);
        }
    }

    #[test]
    fn what_lies_beneath_a_known_folder_is_covered() {
        let folder = |path: &str| ReadNeeds { path: path.into(), pointer: path.to_owned() };
        let with = |path: &str, sandbox| Needs { readable: vec![folder(path)], sandbox, ..needs() };
        for (old, new, wanted) in [
            ("/srv/www", "/srv/www", true),
            ("/srv/www", "/srv/www/deep/er", true),
            ("/", "/srv", true),
            ("/srv/www", "/srv", false),
            ("/srv/www", "/srv/www2", false),
        ] {
            let covered = uncovered(&with(old, true), &with(new, true)).is_empty();
            assert_eq!(covered, wanted, "{new} with {old}");
            assert!(uncovered(&with(old, false), &with(new, true)).is_empty());
        }
    }
}

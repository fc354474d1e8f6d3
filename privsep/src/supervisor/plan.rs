//! What changes between two configurations, and which way each change goes.

use crate::message::{HostNeeds, Needs, PlanReport, ReadNeeds};

/// Compares what is in force with what is wanted.
pub(crate) fn plan(old: &Needs, new: &Needs) -> PlanReport {
    let names = |hosts: &[HostNeeds], keep: &dyn Fn(&HostNeeds) -> bool| -> Vec<String> {
        hosts.iter().filter(|host| keep(host)).map(|host| host.name.clone()).collect()
    };
    let before = |host: &HostNeeds| old.hosts.iter().find(|other| other.name == host.name);
    let addresses = |from: &Needs, without: &Needs| -> Vec<String> {
        let known = |address: &str| without.listeners.iter().any(|other| other.address == address);
        let unknown = from.listeners.iter().filter(|listen| !known(&listen.address));
        let known_door = |address: &str| without.control.remote.iter().any(|other| other.address == address);
        let doors = from.control.remote.iter().filter(|listen| !known_door(&listen.address));
        let doors = doors.map(|listen| format!("{} commands", listen.address));
        unknown.map(|listen| listen.address.clone()).chain(doors).collect()
    };
    PlanReport {
        done: false,
        kept: names(&new.hosts, &|host| before(host).is_some_and(|other| other.digest == host.digest)),
        replaced: names(&new.hosts, &|host| before(host).is_some_and(|other| other.digest != host.digest)),
        added: names(&new.hosts, &|host| before(host).is_none()),
        removed: names(&old.hosts, &|host| !new.hosts.iter().any(|other| other.name == host.name)),
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
        ]),
    }
}

fn changed(keys: &[(&str, bool)]) -> Vec<String> {
    keys.iter().filter(|(_, changed)| *changed).map(|(key, _)| (*key).to_owned()).collect()
}

/// Where `new` names what a worker that was started for `old` has closed to itself.
fn uncovered(old: &Needs, new: &Needs) -> Vec<String> {
    let open = |needs: &ReadNeeds| old.readable.iter().any(|known| needs.path.starts_with(&known.path));
    let closed = new.readable.iter().filter(|needs| old.sandbox && !open(needs));
    closed.map(|needs| needs.pointer.clone()).collect()
}

/// `new`, but with what only a restart can change as it was.
pub(crate) fn without_restart(old: &Needs, mut new: Needs) -> Needs {
    new.daemon = old.daemon;
    new.pid_file.clone_from(&old.pid_file);
    new.privsep = old.privsep;
    new
}

//! What the figures were measured on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::error::Error;

/// Facts that a reader needs to judge the figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    /// Number of processors online.
    pub(crate) processors: usize,
    pub(crate) hypervisor: bool,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// Where the server and the load generator are pinned.
    pub(crate) server_cpu: usize,
    pub(crate) client_cpu: usize,
    /// Whether both are threads of one core, as far as the kernel knows: then only times per request mean anything.
    pub(crate) shared_core: bool,
}

/// The processors this process may run on, ascending.
pub(crate) fn allowed() -> Result<Vec<usize>, Error> {
    let set = sched_getaffinity(Pid::from_raw(0))
        .map_err(|errno| Error::io("read the processors of", "this process")(errno.into()))?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

impl Machine {
    /// Reads the facts.
    pub(crate) fn read(server_cpu: usize, client_cpu: usize) -> Machine {
        let cpuinfo = text("/proc/cpuinfo");
        let memory = text("/proc/meminfo");
        let siblings = text(format!("/sys/devices/system/cpu/cpu{server_cpu}/topology/thread_siblings_list"));
        Machine {
            processor: value(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            processors: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            hypervisor: value(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory_mib: value(&memory, "MemTotal")
                .and_then(|value| value.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or(0)
                / 1024,
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            server_cpu,
            client_cpu,
            shared_core: cpu_list(siblings.trim()).contains(&client_cpu),
        }
    }
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line `key : value`.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// Reads a list such as `0,4-6`.
fn cpu_list(list: &str) -> BTreeSet<usize> {
    list.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_texts_are_read() {
        assert_eq!(cpu_list("0,4-6").into_iter().collect::<Vec<_>>(), [0, 4, 5, 6]);
        assert_eq!(cpu_list("3").into_iter().collect::<Vec<_>>(), [3]);
        assert!(cpu_list("").is_empty());
        assert_eq!(value("processor\t: 0\nmodel name\t: A: B\n", "model name"), Some("A: B"));
    }

    #[test]
    fn this_machine_has_a_processor() {
        assert!(!allowed().unwrap().is_empty());
        assert!(Machine::read(0, 0).processors > 0);
    }
}

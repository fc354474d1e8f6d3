//! The processes of a server, as procfs shows them.

use std::fs;
use std::time::Duration;

use crate::failure::{Failure, Outcome};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// What `ps` shows of it.
    pub title: String,
}

impl Process {
    /// The process `pid`; none when it has ended, or is about to be waited for.
    #[must_use]
    pub fn find(pid: u32) -> Option<Process> {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let title = String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned();
        (!title.is_empty()).then_some(Process { pid, title })
    }

    /// `pid` and all that descend from it, it first; those that have ended are left out.
    #[must_use]
    pub fn tree(pid: u32) -> Vec<Process> {
        let mut found: Vec<Process> = Process::find(pid).into_iter().collect();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|word| word.parse().ok());
        found.extend(children.flat_map(Process::tree));
        found
    }

    /// Its thread of that name.
    #[must_use]
    pub fn thread(&self, name: &str) -> Option<u32> {
        let path = format!("/proc/{}/task", self.pid);
        let ids =
            fs::read_dir(&path).ok()?.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
        let is_named = |id: &u32| {
            fs::read_to_string(format!("{path}/{id}/comm")).is_ok_and(|found| found.trim_end() == name)
        };
        ids.into_iter().find(is_named)
    }

    /// Private and shared memory in use, in bytes.
    pub fn resident(&self) -> Outcome<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).map_err(Failure::machine("read", &path))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        kilobytes
            .map(|kilobytes| kilobytes * 1024)
            .ok_or_else(|| Failure::mismatch("VmRSS", "a number", &status))
    }

    /// CPU time used so far, by user and system.
    pub fn cpu_time(&self) -> Outcome<Duration> {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = fs::read_to_string(&path).map_err(Failure::machine("read", &path))?;
        // Fields are counted behind the name, which may hold spaces; utime and stime are the 14th and 15th of
        // all, in hundredths of a second on every Linux (USER_HZ).
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        match ticks.as_slice() {
            [user, system] => Ok(Duration::from_millis((user + system) * 10)),
            _ => Err(Failure::mismatch("CPU time", "two numbers", &stat)),
        }
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> Outcome<u64> {
        let path = format!("/proc/{}/fd", self.pid);
        Ok(fs::read_dir(&path).map_err(Failure::machine("list", &path))?.count() as u64)
    }
}

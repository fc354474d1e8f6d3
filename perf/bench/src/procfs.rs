//! Processor time and memory of a whole process tree, as the kernel counts them.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// Length of one tick in `/proc/PID/stat`: USER_HZ is 100 in the Linux ABI of all 64-bit machines.
const TICK: Duration = Duration::from_millis(10);

/// What one thread has used, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Schedule {
    ran: u64,
    waited: u64,
}

/// What one process has used, in ticks, threads that have ended included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ticks {
    user: u64,
    system: u64,
}

/// Readings of a process tree at one moment.
pub(crate) struct Usage {
    threads: HashMap<u32, HashMap<u32, Schedule>>,
    ticks: HashMap<u32, Ticks>,
}

/// What a process tree used between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used {
    /// Time on a processor.
    pub(crate) ran: Duration,
    /// Time ready to run while something else had the processor: a sign of a disturbed measurement.
    pub(crate) waited: Duration,
    /// Part of `ran` spent in user space, 0 to 1, as sampled by the kernel's clock tick.
    pub(crate) user_share: f64,
}

/// `root` and all its descendants.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in numbers("/proc") {
        if let Some(parent) = stat(pid).and_then(|text| parent(&text)) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        if let Some(more) = children.remove(pid) {
            found.extend(more);
        }
        at += 1;
    }
    found
}

/// Reads what `pids` have used so far. A process that has ended meanwhile is left out.
pub(crate) fn usage(pids: &[u32]) -> Usage {
    let mut usage = Usage { threads: HashMap::new(), ticks: HashMap::new() };
    for &pid in pids {
        let threads = numbers(&format!("/proc/{pid}/task")).into_iter().filter_map(|thread| {
            let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
            Some((thread, schedule(&text)?))
        });
        usage.threads.insert(pid, threads.collect());
        if let Some(ticks) = stat(pid).and_then(|text| ticks(&text)) {
            usage.ticks.insert(pid, ticks);
        }
    }
    usage
}

impl Usage {
    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Usage) -> Used {
        let (mut ran, mut waited, mut all) = (0, 0, Ticks::default());
        for (pid, threads) in &self.threads {
            let old = before.threads.get(pid);
            let mut process = 0;
            for (thread, now) in threads {
                let old = old.and_then(|old| old.get(thread)).copied().unwrap_or_default();
                process += now.ran.saturating_sub(old.ran);
                waited += now.waited.saturating_sub(old.waited);
            }
            let old = before.ticks.get(pid).copied().unwrap_or_default();
            let new = self.ticks.get(pid).copied().unwrap_or(old);
            let spent = Ticks {
                user: new.user.saturating_sub(old.user),
                system: new.system.saturating_sub(old.system),
            };
            // schedstat is exact but forgets threads that have ended; the ticks remember them, one tick short at most.
            let floor = (spent.user + spent.system).saturating_sub(1) * TICK.as_nanos() as u64;
            ran += process.max(floor);
            all.user += spent.user;
            all.system += spent.system;
        }
        let ticks = (all.user + all.system).max(1);
        Used {
            ran: Duration::from_nanos(ran),
            waited: Duration::from_nanos(waited),
            user_share: all.user as f64 / ticks as f64,
        }
    }
}

/// Policy of threads that run only where nobody else wants to, as sched(7) has it.
pub(crate) const SCHED_IDLE: u32 = 5;

/// The scheduling policies of those threads of `pids` whose names begin so.
pub(crate) fn policies(pids: &[u32], name: &str) -> Vec<u32> {
    let threads = pids
        .iter()
        .flat_map(|&pid| numbers(&format!("/proc/{pid}/task")).into_iter().map(move |thread| (pid, thread)));
    let named = |(pid, thread)| {
        let stat = fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).ok()?;
        let (_, after) = stat.split_once('(')?;
        after.starts_with(name).then(|| policy(&stat)).flatten()
    };
    threads.filter_map(named).collect()
}

/// Proportional set size of `pids` in KiB: private memory plus a fair share of what is shared.
pub(crate) fn pss_kib(pids: &[u32]) -> u64 {
    pids.iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
        .filter_map(|text| kib(&text, "Pss:"))
        .sum()
}

/// Slab memory of the kernel that it cannot give back, in KiB, for the whole machine.
pub(crate) fn kernel_kib() -> u64 {
    fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "SUnreclaim:")).unwrap_or(0)
}

/// Ticks stolen by the hypervisor from `cpu` since boot.
pub(crate) fn stolen(cpu: usize) -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    TICK * steal(&text, cpu).unwrap_or(0)
}

fn numbers(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn stat(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// The fields of `/proc/PID/stat` after the name, which is in parentheses and may contain anything.
fn after_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_ascii_whitespace()
}

fn parent(stat: &str) -> Option<u32> {
    after_name(stat).nth(1)?.parse().ok()
}

fn policy(stat: &str) -> Option<u32> {
    after_name(stat).nth(38)?.parse().ok()
}

fn ticks(stat: &str) -> Option<Ticks> {
    let mut fields = after_name(stat).skip(11);
    Some(Ticks { user: fields.next()?.parse().ok()?, system: fields.next()?.parse().ok()? })
}

fn schedule(text: &str) -> Option<Schedule> {
    let mut fields = text.split_ascii_whitespace();
    Some(Schedule { ran: fields.next()?.parse().ok()?, waited: fields.next()?.parse().ok()? })
}

fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn steal(text: &str, cpu: usize) -> Option<u32> {
    let name = format!("cpu{cpu}");
    let line = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(&name))?;
    line.split_ascii_whitespace().nth(8)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "71 (a) b (c) S 12 71 71 0 -1 4194560 100 0 0 0 345 67 8 9 20 0 1 0 1 2 3 18446744073709551615";

    #[test]
    fn lines_of_proc_are_read() {
        assert_eq!(parent(STAT), Some(12));
        assert_eq!(ticks(STAT), Some(Ticks { user: 345, system: 67 }));
        assert_eq!(parent("71 (a"), None);
        assert_eq!(schedule("247534 1250115 3\n"), Some(Schedule { ran: 247_534, waited: 1_250_115 }));
        assert_eq!(schedule("x"), None);
        assert_eq!(kib("Rss: 9 kB\nPss:     321 kB\nPss_Dirty: 1 kB\n", "Pss:"), Some(321));
        let stat = "cpu  1 2 3 4 5 6 7 88 0 0\ncpu0 1 2 3 4 5 6 7 81 0 0\ncpu1 1 2 3 4 5 6 7 7 0 0\n";
        assert_eq!(steal(stat, 1), Some(7));
        assert_eq!(steal(stat, 2), None);
    }

    fn reading(threads: &[(u32, u64, u64)], user: u64, system: u64) -> Usage {
        let threads =
            threads.iter().map(|&(thread, ran, waited)| (thread, Schedule { ran, waited })).collect();
        Usage { threads: HashMap::from([(1, threads)]), ticks: HashMap::from([(1, Ticks { user, system })]) }
    }

    #[test]
    fn usage_counts_new_and_ended_threads() {
        let ms = 1_000_000;
        let check = |before: Usage, after: Usage, ran: u64, waited: u64| {
            let used = after.since(&before);
            assert_eq!((used.ran.as_millis(), used.waited.as_millis()), (ran.into(), waited.into()));
        };
        // One thread goes on, one is new.
        check(
            reading(&[(1, 10 * ms, ms)], 1, 0),
            reading(&[(1, 40 * ms, 3 * ms), (2, 5 * ms, ms)], 4, 0),
            35,
            3,
        );
        // A thread that ran for 100 ms has ended between the readings: only the ticks know.
        check(reading(&[(1, 0, 0), (2, 0, 0)], 0, 0), reading(&[(1, 50 * ms, 0)], 12, 4), 150, 0);
    }

    #[test]
    fn own_tree_is_found() {
        let own = std::process::id();
        let pids = tree(own);
        assert_eq!(pids.first(), Some(&own));
        assert!(pss_kib(&pids) > 0);
        let before = usage(&pids);
        assert!(usage(&pids).since(&before).ran < Duration::from_secs(60));
    }
}

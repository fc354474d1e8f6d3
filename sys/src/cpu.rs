//! How many processors there are for us: by affinity, and by the quota of our control group.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The numbers of the processors that the calling thread may run on, ascending.
///
/// # Errors
/// What sched_getaffinity(2) reports.
pub fn available() -> io::Result<Vec<usize>> {
    // The kernel refuses a mask shorter than its own, which has a bit for each processor it could ever have.
    let mut words = vec![0_u64; 16];
    loop {
        let bytes = words.len() * size_of::<u64>();
        // SAFETY: the mask is `bytes` long, the kernel writes no more than that, and it outlives the call. The
        // alignment of u64 is that of cpu_set_t.
        let result = unsafe { libc::sched_getaffinity(0, bytes, words.as_mut_ptr().cast()) };
        if result == 0 {
            return Ok(bits(&words));
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINVAL) || words.len() >= LONGEST_MASK {
            return Err(error);
        }
        words = vec![0; words.len() * 2];
    }
}

/// 65536 processors, eight times what Linux can be built for.
const LONGEST_MASK: usize = 1_024;

fn bits(words: &[u64]) -> Vec<usize> {
    let all = words.iter().enumerate();
    all.flat_map(|(index, word)| {
        (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
    })
    .collect()
}

/// How many processors' time our control group may use, such as 1.5. `None` when nothing limits it.
/// The tightest quota counts, our own group's or that of any group around it.
pub fn quota() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    quota_in(Path::new("/sys/fs/cgroup"), &groups)
}

/// The number of shards that suits this machine: one for each processor we may use, and no more than the quota
/// rounded up. Rounded down, part of what was granted could never be used; one shard too many is only throttled,
/// and only when all are busy.
pub fn shards_auto() -> usize {
    let processors = available().map_or(1, |processors| processors.len());
    shards_for(processors, quota())
}

fn shards_for(processors: usize, quota: Option<f64>) -> usize {
    // A float too big for usize becomes usize::MAX.
    quota.map_or(processors, |quota| processors.min(quota.ceil() as usize)).max(1)
}

/// `groups` is the text of `/proc/self/cgroup`: lines of `HIERARCHY:CONTROLLERS:PATH`.
fn quota_in(mount: &Path, groups: &str) -> Option<f64> {
    let quotas = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if controllers.is_empty() {
            tightest(mount, path, quota_v2)
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            // Mounted under the full list of controllers, and by most distributions linked as "cpu".
            [controllers, "cpu"].iter().find_map(|name| tightest(&mount.join(name), path, quota_v1))
        } else {
            None
        }
    });
    quotas.reduce(f64::min)
}

/// Looks at the group and all groups around it. In a container the path can be that of the machine outside, of
/// which only the mount itself is seen.
fn tightest(mount: &Path, path: &str, quota: fn(&Path) -> Option<f64>) -> Option<f64> {
    let inside: PathBuf =
        Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    inside.ancestors().filter_map(|group| quota(&mount.join(group))).reduce(f64::min)
}

fn quota_v2(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota, period)
}

fn quota_v1(group: &Path) -> Option<f64> {
    let quota = fs::read_to_string(group.join("cpu.cfs_quota_us")).ok()?;
    let period = fs::read_to_string(group.join("cpu.cfs_period_us")).ok()?;
    share(&quota, &period)
}

/// Microseconds of processor time for each period. No limit is `max` in v2 and -1 in v1.
fn share(quota: &str, period: &str) -> Option<f64> {
    let quota: u32 = quota.trim().parse().ok()?;
    let period: u32 = period.trim().parse().ok()?;
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn counts_as_the_standard_library_does() {
        let processors = available().unwrap();
        assert!(!processors.is_empty() && processors.is_sorted());
        assert!((1..=processors.len()).contains(&shards_auto()));
        let count = std::thread::available_parallelism().unwrap().get();
        assert!(processors.len() >= count, "the standard library takes the quota into account, too");
    }

    #[test]
    fn reads_masks() {
        assert_eq!(bits(&[0b1011, 0, 1 << 63]), [0, 1, 3, 191]);
        assert_eq!(bits(&[0]), [0; 0]);
    }

    #[test]
    fn shards_follow_the_tighter_of_the_two() {
        for (processors, quota, expected) in [
            (8, None, 8),
            (8, Some(2.0), 2),
            (8, Some(1.5), 2),
            (8, Some(0.1), 1),
            (8, Some(64.0), 8),
            (1, Some(4.0), 1),
            (0, None, 1),
            (4, Some(0.0), 1),
        ] {
            assert_eq!(shards_for(processors, quota), expected, "{processors} processors, {quota:?}");
        }
    }

    /// Files under the mount, and what is in them.
    type Files = &'static [(&'static str, &'static str)];

    #[test]
    fn reads_quotas_of_both_versions() {
        let cases: &[(Files, &str, Option<f64>)] = &[
            (&[], "0::/\n", None),
            (&[("cpu.max", "150000 100000\n")], "0::/\n", Some(1.5)),
            (&[("cpu.max", "max 100000\n")], "0::/\n", None),
            (&[("a/cpu.max", "400000 100000\n"), ("a/b/cpu.max", "max 100000\n")], "0::/a/b\n", Some(4.0)),
            (&[("a/cpu.max", "100000 100000\n"), ("a/b/cpu.max", "200000 100000\n")], "0::/a/b\n", Some(1.0)),
            (&[("cpu.max", "50000 100000\n")], "0::/../outside/c0ffee\n", Some(0.5)),
            (&[("cpu.max", "1 0\n")], "0::/\n", None),
            (&[("cpu.max", "nonsense\n")], "0::/\nnonsense\n", None),
            (
                &[
                    ("cpu,cpuacct/x/cpu.cfs_quota_us", "300000\n"),
                    ("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n"),
                ],
                "5:memory:/x\n4:cpu,cpuacct:/x\n0::/x\n",
                Some(3.0),
            ),
            (
                &[("cpu/cpu.cfs_quota_us", "-1\n"), ("cpu/cpu.cfs_period_us", "100000\n")],
                "4:cpu,cpuacct:/x\n",
                None,
            ),
            (
                &[("cpu/cpu.cfs_quota_us", "25000\n"), ("cpu/cpu.cfs_period_us", "100000\n")],
                "4:cpu,cpuacct:/docker/x\n",
                Some(0.25),
            ),
        ];
        for (files, groups, expected) in cases {
            let mount = Scratch::new();
            for (name, text) in *files {
                let path = mount.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            assert_eq!(quota_in(mount.path(), groups), *expected, "{groups:?} with {files:?}");
        }
    }
}

//! System calls, by seccomp: a list of what a process keeps. All others fail with `EPERM`, so that a library that
//! tries something new finds another way; those that no honest path makes end the process.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, apply_filter_all_threads,
};

use super::SandboxError;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// cachestat(2), which libc does not know everywhere.
const CACHESTAT: c_long = 451;

/// System calls that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Memory of its own, none of which can become code.
    Memory,
    /// What every thread does: locks, clocks, random bytes, signals of its own, its end.
    Life,
    /// What is done with descriptors that are open.
    Descriptors,
    /// What is done with the ends of links.
    Links,
    /// Memory that is handed to others.
    Sealing,
    /// Threads of its own, on cores of its choice. No processes.
    Threads,
    /// Going behind all others.
    Yielding,
    /// Files that are open are brought to the disk.
    Syncing,
    /// Files, as far as their user and Landlock let it: opened for reading, looked at, read.
    Files,
    /// Sockets that are open.
    Sockets,
    /// Connections to sockets that listen, and pairs of sockets of its own.
    Accepting,
    /// Sockets of its own that go to others.
    Connecting,
    /// What a name is looked up with, beside sockets and files.
    Resolving,
    /// Rings: made, used, registered with. What a ring does is not seen here.
    Rings,
}

/// When a call is allowed.
#[derive(Clone, Copy)]
enum When {
    Always,
    /// The argument has one of these values.
    OneOf(u8, &'static [u64]),
    /// Arguments 1 and 2 are one of these: the level and the name of a socket option.
    Options(&'static [(u64, u64)]),
    /// Under this mask, the argument has just these bits.
    Bits {
        argument: u8,
        mask: u64,
        value: u64,
    },
    /// The first argument is this process.
    Own,
}

use When::{Always, OneOf, Own};

const WRITING: u64 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u64;
const DATA: When = When::Bits { argument: 2, mask: libc::PROT_EXEC as u64, value: 0 };
const READING: When = When::Bits { argument: 2, mask: WRITING, value: 0 };
const THREAD: When =
    When::Bits { argument: 0, mask: libc::CLONE_THREAD as u64, value: libc::CLONE_THREAD as u64 };
/// Duplicates, flags that are looked at, seals. What has the kernel send signals is left out: it would send them to any
/// process of this user (`F_SETOWN`, `F_SETSIG`). So is what changes flags: a log that is written to somewhere else than
/// at its end loses lines (`F_SETFL`).
const HANDLING: When = OneOf(
    1,
    &[
        libc::F_DUPFD_CLOEXEC as u64,
        libc::F_GETFD as u64,
        libc::F_GETFL as u64,
        // fdopendir(3); nobody who is held by this list can become another program.
        libc::F_SETFD as u64,
        libc::F_GET_SEALS as u64,
        libc::F_ADD_SEALS as u64,
    ],
);
/// To end a connection by a reset, to send at once what is written, and to hear that nobody is there: the system's resolver
/// looks no name up at a name server without that.
const MANNERS: When = When::Options(&[
    (libc::SOL_SOCKET as u64, libc::SO_LINGER as u64),
    (libc::IPPROTO_TCP as u64, libc::TCP_NODELAY as u64),
    (libc::SOL_IP as u64, libc::IP_RECVERR as u64),
    (libc::SOL_IPV6 as u64, libc::IPV6_RECVERR as u64),
]);
/// Those of networks and of this machine: no raw packets, no talk with the kernel.
const FAMILIES: When = OneOf(0, &[libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64]);
const CONFINING: When = OneOf(0, &[libc::PR_SET_NAME as u64, libc::PR_SET_NO_NEW_PRIVS as u64]);

impl Group {
    /// All groups.
    pub const ALL: &'static [Group] = &[
        Group::Memory,
        Group::Life,
        Group::Descriptors,
        Group::Links,
        Group::Sealing,
        Group::Threads,
        Group::Yielding,
        Group::Syncing,
        Group::Files,
        Group::Sockets,
        Group::Accepting,
        Group::Connecting,
        Group::Resolving,
        Group::Rings,
    ];

    /// In a word, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Group::Memory => "memory",
            Group::Life => "life",
            Group::Descriptors => "descriptors",
            Group::Links => "links",
            Group::Sealing => "sealing",
            Group::Threads => "threads",
            Group::Yielding => "yielding",
            Group::Syncing => "syncing",
            Group::Files => "files",
            Group::Sockets => "sockets",
            Group::Accepting => "accepting",
            Group::Connecting => "connecting",
            Group::Resolving => "resolving",
            Group::Rings => "rings",
        }
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> usize {
        self.calls().len()
    }

    fn calls(self) -> &'static [(c_long, When)] {
        match self {
            Group::Memory => &[
                (libc::SYS_brk, Always),
                (libc::SYS_madvise, Always),
                (libc::SYS_mmap, DATA),
                (libc::SYS_mprotect, DATA),
                (libc::SYS_mremap, Always),
                (libc::SYS_munmap, Always),
            ],
            Group::Life => &[
                (libc::SYS_clock_gettime, Always),
                (libc::SYS_clock_nanosleep, Always),
                (libc::SYS_exit, Always),
                (libc::SYS_exit_group, Always),
                (libc::SYS_futex, Always),
                (libc::SYS_getpid, Always),
                (libc::SYS_getppid, Always),
                (libc::SYS_getrandom, Always),
                (libc::SYS_gettid, Always),
                (libc::SYS_membarrier, Always),
                // To name threads, and to confine itself further.
                (libc::SYS_prctl, CONFINING),
                // Limits are looked at, not changed.
                (libc::SYS_prlimit64, OneOf(2, &[0])),
                (libc::SYS_restart_syscall, Always),
                (libc::SYS_rseq, Always),
                (libc::SYS_rt_sigaction, Always),
                (libc::SYS_rt_sigprocmask, Always),
                (libc::SYS_rt_sigreturn, Always),
                (libc::SYS_sched_yield, Always),
                (libc::SYS_seccomp, Always),
                (libc::SYS_set_robust_list, Always),
                (libc::SYS_sigaltstack, Always),
                // abort(3)
                (libc::SYS_tgkill, Own),
                (libc::SYS_uname, Always),
            ],
            Group::Descriptors => &[
                (libc::SYS_close, Always),
                (libc::SYS_dup, Always),
                #[cfg(target_arch = "x86_64")]
                (libc::SYS_dup2, Always),
                (libc::SYS_dup3, Always),
                (libc::SYS_fcntl, HANDLING),
                (libc::SYS_fstat, Always),
                (libc::SYS_lseek, Always),
                (libc::SYS_newfstatat, Always),
                #[cfg(target_arch = "x86_64")]
                (libc::SYS_poll, Always),
                (libc::SYS_ppoll, Always),
                (libc::SYS_pread64, Always),
                (libc::SYS_read, Always),
                (libc::SYS_readv, Always),
                (libc::SYS_statx, Always),
                (libc::SYS_write, Always),
                (libc::SYS_writev, Always),
            ],
            Group::Links => &[
                (libc::SYS_getsockname, Always),
                (libc::SYS_getsockopt, Always),
                (libc::SYS_recvmsg, Always),
                (libc::SYS_sendmsg, Always),
                (libc::SYS_shutdown, Always),
            ],
            Group::Sealing => &[(libc::SYS_ftruncate, Always), (libc::SYS_memfd_create, Always)],
            Group::Threads => &[
                (libc::SYS_clone, THREAD),
                (libc::SYS_sched_getaffinity, Always),
                (libc::SYS_sched_setaffinity, Always),
            ],
            Group::Yielding => &[(libc::SYS_sched_setscheduler, OneOf(1, &[libc::SCHED_IDLE as u64]))],
            Group::Syncing => &[(libc::SYS_fsync, Always)],
            Group::Files => &[
                (CACHESTAT, Always),
                (libc::SYS_fadvise64, Always),
                (libc::SYS_getdents64, Always),
                (libc::SYS_openat, READING),
                // Its flags are in memory, which no filter reads: that is for Landlock.
                (libc::SYS_openat2, Always),
                (libc::SYS_preadv2, Always),
                (libc::SYS_readlinkat, Always),
            ],
            Group::Sockets => &[
                (libc::SYS_eventfd2, Always),
                (libc::SYS_getpeername, Always),
                // Whether it waits, what has come, and what the other side has not acknowledged.
                (libc::SYS_ioctl, OneOf(1, &[libc::FIONBIO, libc::FIONREAD, libc::TIOCOUTQ])),
                (libc::SYS_recvfrom, Always),
                (libc::SYS_sendfile, Always),
                (libc::SYS_sendto, Always),
                (libc::SYS_setsockopt, MANNERS),
            ],
            Group::Accepting => {
                &[(libc::SYS_accept4, Always), (libc::SYS_socketpair, OneOf(0, &[libc::AF_UNIX as u64]))]
            }
            Group::Connecting => &[(libc::SYS_connect, Always), (libc::SYS_socket, FAMILIES)],
            Group::Resolving => &[(libc::SYS_sendmmsg, Always)],
            Group::Rings => &[
                (libc::SYS_io_uring_enter, Always),
                (libc::SYS_io_uring_register, Always),
                (libc::SYS_io_uring_setup, Always),
            ],
        }
    }
}

/// Calls that tell of somebody else at work: they end the process.
const HOSTILE: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_request_key,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setns,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setuid,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// From now on this thread, and all that it starts, can make no other system calls than these. Sets
/// `PR_SET_NO_NEW_PRIVS`.
///
/// # Errors
/// [`SandboxError`]; the process may be confined in part then.
pub fn keep_calls(groups: &[Group]) -> Result<(), SandboxError> {
    let hostile = HOSTILE.iter().map(|&call| (call, Vec::new())).collect();
    apply_filter(&program(hostile, SeccompAction::Allow, SeccompAction::KillProcess)?)?;
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    apply_filter(&program(kept(groups)?, denied, SeccompAction::Allow)?)?;
    // Its arguments are in memory, which no filter reads. Libraries that are told there is none use clone(2), which has
    // them in registers. Of filters that deny, the one that came last tells why.
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    Ok(apply_filter(&program(clone3, SeccompAction::Allow, unknown)?)?)
}

/// From now on no thread of this process can make a ring, or register anything with one.
///
/// # Errors
/// [`SandboxError::Threads`] unless all threads were started by one that was confined.
pub fn give_up_rings() -> Result<(), SandboxError> {
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let making = [libc::SYS_io_uring_setup, libc::SYS_io_uring_register];
    let rules = making.into_iter().map(|call| (call, Vec::new())).collect();
    Ok(apply_filter_all_threads(&program(rules, SeccompAction::Allow, denied)?)?)
}

fn program(rules: Rules, others: SeccompAction, listed: SeccompAction) -> Result<BpfProgram, SandboxError> {
    Ok(SeccompFilter::new(rules, others, listed, ARCHITECTURE)?.try_into()?)
}

fn kept(groups: &[Group]) -> Result<Rules, SandboxError> {
    let calls = groups.iter().flat_map(|group| group.calls());
    calls.map(|&(call, when)| Ok((call, when.rules()?))).collect()
}

impl When {
    /// None for a call that is always allowed.
    fn rules(self) -> Result<Vec<SeccompRule>, SandboxError> {
        let condition =
            |argument, compare, value| SeccompCondition::new(argument, Width::Qword, compare, value);
        let rule = |argument, compare, value| SeccompRule::new(vec![condition(argument, compare, value)?]);
        Ok(match self {
            Always => Vec::new(),
            OneOf(argument, values) => {
                values.iter().map(|&value| rule(argument, Compare::Eq, value)).collect::<Result<_, _>>()?
            }
            When::Options(options) => {
                let both = |level, name| {
                    Ok(vec![condition(1, Compare::Eq, level)?, condition(2, Compare::Eq, name)?])
                };
                let option = |&(level, name): &(u64, u64)| {
                    both(level, name)
                        .and_then(|conditions: Vec<SeccompCondition>| SeccompRule::new(conditions))
                };
                options.iter().map(option).collect::<Result<_, _>>()?
            }
            When::Bits { argument, mask, value } => vec![rule(argument, Compare::MaskedEq(mask), value)?],
            Own => vec![rule(0, Compare::Eq, std::process::id().into())?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_kept_and_hostile_or_kept_twice() {
        let mut calls: Vec<c_long> =
            Group::ALL.iter().flat_map(|group| group.calls()).map(|&(call, _)| call).collect();
        calls.extend(HOSTILE);
        calls.push(libc::SYS_clone3);
        let count = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), count);
    }

    #[test]
    fn every_filter_can_be_built() {
        for group in Group::ALL {
            let rules = kept(&[*group]).unwrap();
            assert!(!rules.is_empty(), "{group:?}");
            program(rules, SeccompAction::Errno(1), SeccompAction::Allow).unwrap();
        }
    }
}

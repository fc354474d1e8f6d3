//! Whether this machine lets us have an io_uring, and if not, why.

use std::fmt;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Why there is no io_uring for us. Shown as one sentence with the cure.
#[derive(Debug)]
pub enum UringDenied {
    /// `kernel.io_uring_disabled` is 1 (only for privileged users and one group) or 2 (for nobody).
    Disabled {
        /// Its value.
        value: u8,
    },
    /// A filter on system calls stands in the way, as containers have by default, or a security module.
    Filtered,
    /// The kernel was built without it, or a filter says so.
    Missing,
    /// The kernel has it, but not what we need of it (Linux 6.1).
    TooOld {
        /// What `uname -r` shows.
        release: String,
    },
    /// No memory left for it, or the limit on locked memory is too low.
    NoMemory,
    /// File descriptors have run out.
    NoDescriptors,
    /// Anything else that the kernel answers.
    System(io::Error),
}

/// Sets up a small ring in the mode that the server uses, and takes it down again.
///
/// # Errors
/// [`UringDenied`], which tells cause and cure.
pub fn probe() -> Result<(), UringDenied> {
    const ENTRIES: libc::c_uint = 8;
    let mut parameters =
        Parameters { flags: SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN, ..Parameters::default() };
    // SAFETY: `parameters` has the size and layout of io_uring_params, and it outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, std::ptr::from_mut(&mut parameters)) };
    if fd < 0 {
        return Err(UringDenied::new(io::Error::last_os_error(), disabled()));
    }
    // SAFETY: io_uring_setup has just returned this descriptor (a c_int), and nobody else has it.
    drop(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
    Ok(())
}

const SETUP_SINGLE_ISSUER: u32 = 1 << 12;
const SETUP_DEFER_TASKRUN: u32 = 1 << 13;

/// `struct io_uring_params`, of which only the flags matter here.
#[repr(C)]
#[derive(Default)]
struct Parameters {
    entries: [u32; 2],
    flags: u32,
    rest: [u32; 27],
}

/// The value of `kernel.io_uring_disabled`; 0 before Linux 6.6, which has no such switch.
fn disabled() -> u8 {
    let value = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    value.ok().and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

impl UringDenied {
    fn new(error: io::Error, disabled: u8) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM) if disabled > 0 => Self::Disabled { value: disabled },
            Some(libc::EPERM | libc::EACCES) => Self::Filtered,
            Some(libc::ENOSYS) => Self::Missing,
            Some(libc::EINVAL) => Self::TooOld { release: release() },
            Some(libc::ENOMEM) => Self::NoMemory,
            Some(libc::EMFILE | libc::ENFILE) => Self::NoDescriptors,
            _ => Self::System(error),
        }
    }
}

fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or("unknown".to_owned(), |text| text.trim().to_owned())
}

impl fmt::Display for UringDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled { value: 1 } => f.write_str(
                "io_uring is reserved for privileged users here (kernel.io_uring_disabled is 1): \
                 run `sysctl kernel.io_uring_disabled=0`, or put a group of this user into kernel.io_uring_group",
            ),
            Self::Disabled { value } => write!(
                f,
                "io_uring is switched off here (kernel.io_uring_disabled is {value}): \
                 run `sysctl kernel.io_uring_disabled=0`"
            ),
            Self::Filtered => f.write_str(
                "io_uring is forbidden by a filter on system calls, as containers have by default: allow io_uring_setup, \
                 io_uring_enter and io_uring_register in the seccomp profile (for a test: `docker run --security-opt \
                 seccomp=unconfined`)",
            ),
            Self::Missing => f.write_str(
                "this kernel has no io_uring, or a filter on system calls hides it: use Linux 6.1 or later, and in a \
                 container allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile",
            ),
            Self::TooOld { release } => {
                write!(f, "the io_uring of this kernel ({release}) is too old: use Linux 6.1 or later")
            }
            Self::NoMemory => f.write_str(
                "no memory for an io_uring: raise the limit on locked memory (`ulimit -l`, LimitMEMLOCK= in a systemd \
                 unit), or use fewer shards",
            ),
            Self::NoDescriptors => {
                f.write_str("no file descriptors left for an io_uring: raise the limit on open files (`ulimit -n`)")
            }
            Self::System(error) => write!(f, "io_uring cannot be set up: {error}"),
        }
    }
}

impl std::error::Error for UringDenied {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_the_size_that_the_kernel_expects() {
        assert_eq!(size_of::<Parameters>(), 120);
        assert_eq!(std::mem::offset_of!(Parameters, flags), 8);
    }

    #[test]
    fn the_probe_answers() {
        match probe() {
            Ok(()) | Err(UringDenied::Disabled { .. } | UringDenied::Filtered | UringDenied::Missing) => {}
            Err(denied) => panic!("{denied}"),
        }
    }

    #[test]
    fn every_cause_is_told_with_its_cure() {
        for (errno, disabled, expected) in [
            (libc::EPERM, 1, "kernel.io_uring_group"),
            (libc::EPERM, 2, "is 2): run `sysctl kernel.io_uring_disabled=0`"),
            (libc::EPERM, 0, "seccomp profile"),
            (libc::ENOSYS, 0, "this kernel has no io_uring"),
            (libc::EINVAL, 0, "is too old: use Linux 6.1"),
            (libc::ENOMEM, 0, "`ulimit -l`"),
            (libc::EMFILE, 0, "`ulimit -n`"),
            (libc::EFAULT, 0, "cannot be set up: Bad address"),
        ] {
            let shown = UringDenied::new(io::Error::from_raw_os_error(errno), disabled).to_string();
            assert!(shown.contains(expected) && !shown.contains("  "), "{shown}");
        }
    }
}

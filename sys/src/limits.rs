//! Resource limits, raised as far as we may.

use std::io;

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// A limit as it stands after raising. It can be lower than what was asked for: compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// What counts now; `u64::MAX` is no limit.
    pub soft: u64,
    /// How far an unprivileged process could raise it; `u64::MAX` is no limit.
    pub hard: u64,
}

/// Raises the limit on open files to `want`, or as far as it goes. Never lowers it. Each connection takes one
/// descriptor, and each file that is being sent.
///
/// # Errors
/// Only what getrlimit(2) reports; not being allowed to go as far as `want` is no error.
pub fn raise_nofile(want: u64) -> io::Result<Raised> {
    // Above fs.nr_open not even root may go, and the kernel would refuse instead of coming halfway.
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    raise(Resource::RLIMIT_NOFILE, want.min(most.unwrap_or(want)))
}

/// Raises the limit on locked memory as far as it goes. Kernels before 5.12 count the memory of rings against it.
///
/// # Errors
/// As for [`raise_nofile`].
pub fn raise_memlock() -> io::Result<Raised> {
    raise(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY)
}

fn raise(resource: Resource, want: u64) -> io::Result<Raised> {
    let (soft, hard) = getrlimit(resource)?;
    if want <= soft {
        return Ok(Raised { soft, hard });
    }
    if want > hard {
        // Takes CAP_SYS_RESOURCE.
        match setrlimit(resource, want, want) {
            Ok(()) => return Ok(Raised { soft: want, hard: want }),
            Err(Errno::EPERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let soft = want.min(hard);
    setrlimit(resource, soft, hard)?;
    Ok(Raised { soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: it is the limits of the whole process that change.
    #[test]
    fn raises_as_far_as_it_goes_and_never_lowers() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(raise_nofile(1).unwrap(), Raised { soft, hard });
        assert_eq!(raise_nofile(hard).unwrap(), Raised { soft: hard, hard });
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
        let raised = raise_nofile(u64::MAX).unwrap();
        assert_eq!(raised.soft, raised.hard, "what is out of reach is no error");
        assert!(raised.hard >= hard);
        let raised = raise_memlock().unwrap();
        assert_eq!(raised.soft, raised.hard);
    }
}

//! The environment that another program is started with. Our own never changes, for that is not sound once there are
//! threads: what is not meant for the other program is left out of the list that it gets.

use std::ffi::CStr;

/// What a service manager tells the process that it has started, and none of its children.
const OURS: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];
/// Descriptors that it has passed. They are taken once: nobody may take the numbers for them later.
const ONCE: &[&str] = &["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// Who gets an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heir {
    /// A child, which has nothing to say to the service manager.
    Child,
    /// The program that this process becomes, which goes on talking to it.
    Successor,
}

impl Heir {
    /// Whether it gets a variable, written `NAME=VALUE`.
    fn gets(self, variable: &CStr) -> bool {
        let bytes = variable.to_bytes();
        let name = bytes.split(|&byte| byte == b'=').next().unwrap_or(bytes);
        let is_in = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        !is_in(ONCE) && (self == Self::Successor || !is_in(OURS))
    }
}

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// A list of variables as execve(2) takes it.
#[derive(Debug)]
pub(crate) struct Environment {
    /// C strings of the environment of this process, and a null pointer.
    variables: Vec<*const libc::c_char>,
}

impl Environment {
    /// What `heir` gets of ours.
    pub(crate) fn of(heir: Heir) -> Self {
        let mut variables = Vec::new();
        // SAFETY: `environ` is null or a list of C strings that ends with a null pointer. Nobody changes it, so that
        // the strings stay where they are: the project never sets a variable.
        unsafe {
            let mut at = environ;
            while !at.is_null() && !(*at).is_null() {
                if heir.gets(CStr::from_ptr(*at)) {
                    variables.push(*at);
                }
                at = at.add(1);
            }
        }
        variables.push(std::ptr::null());
        Self { variables }
    }

    /// C strings, and a null pointer behind them; for as long as this lives.
    pub(crate) fn as_ptr(&self) -> *const *const libc::c_char {
        self.variables.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_manager_tells_is_kept_back() {
        for (variable, child, successor) in [
            (c"PATH=/bin", true, true),
            (c"NOTIFY_SOCKET=@x", false, true),
            (c"WATCHDOG_USEC=1", false, true),
            (c"WATCHDOG_PID=1", false, true),
            (c"LISTEN_PID=1", false, false),
            (c"LISTEN_FDS=1", false, false),
            (c"LISTEN_FDNAMES=LISTEN_FDS=1", false, false),
            (c"LISTEN_FDS", false, false),
            (c"LISTEN_FDS_MAX=1", true, true),
            (c"X=LISTEN_FDS=1", true, true),
            (c"", true, true),
        ] {
            assert_eq!(Heir::Child.gets(variable), child, "{variable:?}");
            assert_eq!(Heir::Successor.gets(variable), successor, "{variable:?}");
        }
    }

    #[test]
    fn the_list_is_ours_and_ends() {
        let list = Environment::of(Heir::Successor).variables;
        let (end, variables) = list.split_last().unwrap();
        assert!(end.is_null());
        // A test has none of those that are left out.
        assert_eq!(variables.len(), std::env::vars_os().count());
    }
}

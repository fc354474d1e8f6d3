//! Why an address cannot be listened on, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::listen::Failed;
use super::{Address, Holder};

/// Why [`bind_group`](super::bind_group) has failed. Shown as one sentence with the cure.
#[derive(Debug)]
pub enum BindError {
    /// Somebody listens there already: another instance, another server, or another listener of this process.
    InUse {
        /// The address asked for.
        address: Address,
        /// Who it is, if procfs tells.
        holder: Option<Holder>,
    },
    /// We may not bind there: a low port without the right to it, or a folder we may not write to.
    Denied {
        /// The address asked for.
        address: Address,
    },
    /// No interface of this machine has the address.
    NotLocal {
        /// The address asked for.
        address: Address,
    },
    /// The kernel does not speak this kind of address: IPv6 is switched off.
    NoFamily {
        /// The address asked for.
        address: Address,
    },
    /// The path of the Unix socket is taken by something that is no socket.
    Occupied {
        /// That path.
        path: PathBuf,
    },
    /// The folder of the Unix socket does not exist.
    NoFolder {
        /// The path of the socket.
        path: PathBuf,
    },
    /// File descriptors have run out.
    NoDescriptors {
        /// The address asked for.
        address: Address,
    },
    /// Anything else that the kernel refuses.
    System {
        /// The address asked for.
        address: Address,
        /// What it was asked to do.
        step: &'static str,
        /// Why it did not.
        source: io::Error,
    },
}

impl BindError {
    /// Sorts what went wrong by its cause.
    pub(crate) fn new(address: &Address, Failed { step, source }: Failed) -> Self {
        let address = address.clone();
        match source.raw_os_error() {
            Some(libc::EADDRINUSE) => {
                let holder = match &address {
                    Address::V4(address) => Holder::of_port(address.port()),
                    Address::V6(address) => Holder::of_port(address.port()),
                    Address::Unix(_) => None,
                };
                Self::InUse { address, holder }
            }
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => Self::Denied { address },
            Some(libc::EADDRNOTAVAIL) => Self::NotLocal { address },
            Some(libc::EAFNOSUPPORT) => Self::NoFamily { address },
            Some(libc::EMFILE | libc::ENFILE) => Self::NoDescriptors { address },
            Some(errno) => match (errno, address) {
                (libc::ENOENT | libc::ENOTDIR, Address::Unix(path)) => Self::NoFolder { path },
                (libc::ENOTSOCK, Address::Unix(path)) => Self::Occupied { path },
                (_, address) => Self::System { address, step, source },
            },
            None => Self::System { address, step, source },
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { address, holder: None } => {
                write!(
                    f,
                    "{address} is in use: stop the server that listens there, or choose another address"
                )
            }
            Self::InUse { address, holder: Some(holder) } if holder.is_this_process() => {
                write!(
                    f,
                    "{address} overlaps with another address that this server listens on: remove one of the two"
                )
            }
            Self::InUse { address, holder: Some(holder) } => {
                write!(f, "{address} is in use by {holder}: stop it, or choose another address")
            }
            Self::Denied { address: address @ Address::Unix(path) } => {
                write!(
                    f,
                    "no right to create {address}: make {} writable for this user",
                    folder(path).display()
                )
            }
            Self::Denied { address } => write!(
                f,
                "no right to listen on {address}: start as root or with CAP_NET_BIND_SERVICE, choose a port from 1024 \
                 up, or lower net.ipv4.ip_unprivileged_port_start"
            ),
            Self::NotLocal { address } => {
                write!(f, "{address} is not an address of this machine: see `ip address`, or listen on *")
            }
            Self::NoFamily { address } => {
                write!(
                    f,
                    "cannot listen on {address}, IPv6 is switched off here: switch it on, or remove the address"
                )
            }
            Self::Occupied { path } => {
                write!(f, "{} exists and is not a socket: remove it, or choose another path", path.display())
            }
            Self::NoFolder { path } => {
                write!(
                    f,
                    "cannot create {}: make the folder {} first",
                    path.display(),
                    folder(path).display()
                )
            }
            Self::NoDescriptors { address } => {
                write!(
                    f,
                    "no file descriptors left for {address}: raise the limit on open files (`ulimit -n`)"
                )
            }
            Self::System { address, step, source } => {
                write!(f, "cannot listen on {address}: {step}: {source}")
            }
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_told_with_its_cure() {
        let cases = [
            (":80", libc::EACCES, "no right to listen on 0.0.0.0:80: start as root"),
            ("unix:/run/x/y", libc::EACCES, "no right to create unix:/run/x/y: make /run/x writable"),
            ("192.0.2.1:80", libc::EADDRNOTAVAIL, "192.0.2.1:80 is not an address of this machine"),
            ("[::1]:80", libc::EAFNOSUPPORT, "cannot listen on [::1]:80, IPv6 is switched off here"),
            ("unix:/run/x/y", libc::ENOENT, "cannot create /run/x/y: make the folder /run/x first"),
            ("unix:/run/x/y", libc::EADDRINUSE, "unix:/run/x/y is in use: stop the server"),
            ("unix:/run/x/y", libc::ENOTSOCK, "/run/x/y exists and is not a socket: remove it"),
            (":80", libc::EMFILE, "no file descriptors left for 0.0.0.0:80"),
            (":80", libc::ENOBUFS, "cannot listen on 0.0.0.0:80: bind: No buffer space"),
        ];
        for (address, errno, expected) in cases {
            let address = address.parse().unwrap();
            let shown = BindError::new(
                &address,
                Failed { step: "bind", source: io::Error::from_raw_os_error(errno) },
            );
            let shown = shown.to_string();
            assert!(shown.starts_with(expected), "{shown}");
        }
    }
}

//! Listening sockets that a service manager has opened and passed (sd_listen_fds(3)).

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::{SockType, getsockopt, setsockopt, sockopt};

use crate::net::{Address, local_address, set_nonblocking};

/// Number of the first descriptor that is passed.
const FIRST: RawFd = 3;
/// Most descriptors that are taken.
const DESCRIPTORS_MAX: usize = 1_024;

/// A listening socket that was passed, in blocking mode and closed on exec.
#[derive(Debug)]
pub struct Passed {
    /// Where it listens.
    pub address: Address,
    /// The socket.
    pub socket: OwnedFd,
}

/// Why what was passed cannot be used. Shown as one sentence with the cure.
#[derive(Debug)]
pub enum ActivationError {
    /// `LISTEN_FDS` is no number, or one that is too large.
    Count(String),
    /// One of the descriptors is of no use.
    Unfit {
        /// Its number.
        number: RawFd,
        /// What `LISTEN_FDNAMES` calls it; empty without a name.
        name: String,
        /// Why it is not.
        unfit: Unfit,
    },
}

/// Why a descriptor is of no use.
#[derive(Debug)]
pub enum Unfit {
    /// It is not open.
    Closed,
    /// It is no socket.
    NoSocket,
    /// It is one for datagrams or packets.
    NoStream,
    /// It is a connection, or not bound yet.
    NoListener,
    /// It listens where no address of the configuration could be.
    NoAddress,
    /// It takes IPv4 connections beside those for `[::]`, which here is IPv6 alone.
    BothFamilies(Address),
    /// The kernel refuses something else.
    System(io::Error),
}

/// Takes all sockets that were passed to this process; none when there are none, or when they were taken already. To
/// be called before anything else is opened.
///
/// # Errors
/// [`ActivationError`]; some sockets are closed then, and some not.
pub fn take() -> Result<Vec<Passed>, ActivationError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name| std::env::var(name).ok();
    let pid = variable("LISTEN_PID").and_then(|text| text.parse::<u32>().ok());
    if pid != Some(std::process::id()) || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let count = count(&variable("LISTEN_FDS").unwrap_or_default())?;
    let names = names.split(':').chain(std::iter::repeat(""));
    let numbers = (FIRST..).take(count);
    let adopt = |(number, name): (RawFd, &str)| {
        adopt(number).map_err(|unfit| ActivationError::Unfit { number, name: name.to_owned(), unfit })
    };
    numbers.zip(names).map(adopt).collect()
}

fn count(text: &str) -> Result<usize, ActivationError> {
    let count = text.parse().ok().filter(|&count| count <= DESCRIPTORS_MAX);
    count.ok_or_else(|| ActivationError::Count(text.to_owned()))
}

fn adopt(number: RawFd) -> Result<Passed, Unfit> {
    // SAFETY: F_SETFD takes an integer argument, and fails for a number that is not open.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(Unfit::Closed);
    }
    // SAFETY: it is open, and stays so for the call: nobody else in this program has it.
    let address = examine(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open, was passed to us, and is taken by nobody else: `take` gets here once. Should the number be
    // one that this program has opened, it would be no socket that listens.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    prepare(&socket, &address).map_err(Unfit::System)?;
    Ok(Passed { address, socket })
}

/// Where a socket listens, if it is one that we can use.
fn examine(fd: BorrowedFd<'_>) -> Result<Address, Unfit> {
    match getsockopt(&fd, sockopt::SockType) {
        Ok(SockType::Stream) => {}
        Ok(_) => return Err(Unfit::NoStream),
        Err(_) => return Err(Unfit::NoSocket),
    }
    if !getsockopt(&fd, sockopt::AcceptConn).map_err(|error| Unfit::System(error.into()))? {
        return Err(Unfit::NoListener);
    }
    let address = local_address(fd).map_err(|_| Unfit::NoAddress)?;
    if let Address::V6(v6) = &address
        && v6.ip().is_unspecified()
        && !getsockopt(&fd, sockopt::Ipv6V6Only).map_err(|error| Unfit::System(error.into()))?
    {
        return Err(Unfit::BothFamilies(address));
    }
    Ok(address)
}

/// Makes it what it would be had we opened it.
fn prepare(socket: &OwnedFd, address: &Address) -> io::Result<()> {
    if !matches!(address, Address::Unix(_)) {
        setsockopt(socket, sockopt::TcpNoDelay, &true)?;
    }
    set_nonblocking(socket.as_raw_fd(), false)
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(text) => write!(
                f,
                "LISTEN_FDS is {text:?} and not a number up to {DESCRIPTORS_MAX}: start by the .socket unit, or unset \
                 LISTEN_PID"
            ),
            Self::Unfit { number, name, unfit } => {
                write!(f, "descriptor {number}")?;
                if !name.is_empty() {
                    write!(f, " ({})", name.escape_default())?;
                }
                write!(f, ", passed by the service manager, {unfit}")
            }
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("is not open: start by the .socket unit, or unset LISTEN_PID"),
            Self::NoSocket => f.write_str("is no socket: leave only ListenStream= in the .socket unit"),
            Self::NoStream => f.write_str(
                "is a socket for datagrams or packets: write ListenStream= in the .socket unit, and nothing else",
            ),
            Self::NoListener => {
                f.write_str("is a socket that does not listen: write Accept=no in the .socket unit")
            }
            Self::NoAddress => f.write_str(
                "listens where no address can be configured: write ListenStream= with an IP address and port, or an \
                 absolute path",
            ),
            Self::BothFamilies(address) => write!(
                f,
                "takes IPv4 connections on {address}, too: write BindIPv6Only=ipv6-only in the .socket unit, and \
                 ListenStream=0.0.0.0:PORT for IPv4"
            ),
            Self::System(error) => write!(f, "cannot be prepared: {error}"),
        }
    }
}

impl std::error::Error for ActivationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unfit { unfit: Unfit::System(error), .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};

    use super::*;
    use crate::net::{ListenOptions, bind_group};
    use crate::testing::Scratch;

    #[test]
    fn nothing_was_passed_to_a_test() {
        assert!(take().unwrap().is_empty());
    }

    #[test]
    fn the_count_is_bounded() {
        for (text, wanted) in
            [("0", Some(0)), ("1024", Some(1_024)), ("1025", None), ("", None), ("-1", None), ("x", None)]
        {
            assert_eq!(count(text).ok(), wanted, "{text:?}");
        }
    }

    #[test]
    fn tells_where_a_listener_is() {
        let folder = Scratch::new();
        let path = folder.path().join("s");
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0", &format!("unix:{}", path.display())] {
            let address = address.parse().unwrap();
            let socket = bind_group(&address, 1, &ListenOptions::default()).unwrap().remove(0);
            set_nonblocking(socket.as_raw_fd(), true).unwrap();
            let found = examine(socket.as_fd()).unwrap();
            assert_eq!(found, local_address(socket.as_fd()).unwrap());
            prepare(&socket, &found).unwrap();
            let flags = nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_GETFL).unwrap();
            assert_eq!(flags & libc::O_NONBLOCK, 0);
        }
    }

    #[test]
    fn what_is_of_no_use_is_told_with_its_cure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let name = format!("kimura-activation-{}", std::process::id());
        let unnamed = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        // The standard library leaves IPv4 in.
        let both = TcpListener::bind("[::]:0").unwrap();
        let cases: [(OwnedFd, &str); 5] = [
            (File::open("/dev/null").unwrap().into(), "is no socket: leave only ListenStream="),
            (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "is a socket for datagrams or packets: "),
            (connection.into(), "is a socket that does not listen: write Accept=no"),
            (unnamed.into(), "listens where no address can be configured: "),
            (both.into(), "takes IPv4 connections on [::]:"),
        ];
        for (fd, wanted) in cases {
            let unfit = examine(fd.as_fd()).unwrap_err();
            let shown = ActivationError::Unfit { number: 3, name: "a\nb".to_owned(), unfit }.to_string();
            let wanted = format!("descriptor 3 (a\\nb), passed by the service manager, {wanted}");
            assert!(shown.starts_with(&wanted), "{shown}");
        }
        assert!(matches!(adopt(RawFd::MAX), Err(Unfit::Closed)));
    }
}

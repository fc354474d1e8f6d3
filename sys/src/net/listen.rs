//! Listening sockets: for each address a group, one socket for each shard.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, bind, getsockname, getsockopt,
    setsockopt, socket, sockopt,
};

use super::{Address, BindError, option, unix};

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// How many connections each socket may hold that nobody has accepted yet. The kernel caps it at
    /// `net.core.somaxconn`.
    pub backlog: u32,
    /// TCP: a connection is handed over only when its first bytes have come, or this time has passed
    /// (`TCP_DEFER_ACCEPT`; whole seconds, rounded up).
    pub defer_accept: Option<Duration>,
    /// Unix: who may connect, as the mode of the socket's file. Connecting takes the right to write.
    pub unix_mode: u32,
}

impl Default for ListenOptions {
    /// A backlog of 4096 (what `net.core.somaxconn` is unless changed), accept at once, and all users of the
    /// machine may connect, as they may to a TCP port.
    fn default() -> Self {
        Self { backlog: 4_096, defer_accept: None, unix_mode: 0o666 }
    }
}

/// Opens `n` listening sockets on one address (one, if `n` is 0), all in blocking mode and closed on exec.
///
/// For TCP they form an `SO_REUSEPORT` group: the kernel spreads new connections over them. All connections have
/// `TCP_NODELAY` set. With port 0 all sockets share the port that the kernel has picked for the first.
/// For a Unix path all descriptors are the same socket; the file of a server that died is replaced.
///
/// # Errors
/// [`BindError`], which tells cause and cure. An address that somebody listens on is refused even if they have
/// set `SO_REUSEPORT`.
pub fn bind_group(address: &Address, n: usize, options: &ListenOptions) -> Result<Vec<OwnedFd>, BindError> {
    let n = n.max(1);
    match address {
        Address::Unix(path) => unix::listen(path, n, options),
        Address::V4(v4) => tcp_group((*v4).into(), n, options),
        Address::V6(v6) => tcp_group((*v6).into(), n, options),
    }
    .map_err(|failed| BindError::new(address, failed))
}

/// A system call that failed, and which.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(super) step: &'static str,
    pub(super) source: io::Error,
}

impl Failed {
    /// To be given to `map_err`.
    pub(crate) fn at<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self { step, source: error.into() }
    }
}

/// How a socket stands to others on the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Group,
}

/// The first socket begins to listen alone: without `SO_REUSEPORT` that fails when anybody listens there, and of
/// two servers that start at the same moment only one gets through. Then it opens itself to its group.
fn tcp_group(name: SockaddrStorage, n: usize, options: &ListenOptions) -> Result<Vec<OwnedFd>, Failed> {
    let first = tcp_listener(&name, Sharing::Alone, options)?;
    setsockopt(&first, sockopt::ReusePort, &true).map_err(Failed::at("SO_REUSEPORT"))?;
    // Port 0 has become a real one, which the others must have, too.
    let name = getsockname(first.as_raw_fd()).map_err(Failed::at("getsockname"))?;
    let mut group = vec![first];
    while group.len() < n {
        group.push(tcp_listener(&name, Sharing::Group, options)?);
    }
    Ok(group)
}

fn tcp_listener(
    name: &SockaddrStorage,
    sharing: Sharing,
    options: &ListenOptions,
) -> Result<OwnedFd, Failed> {
    let family = name.family().unwrap_or(AddressFamily::Inet);
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(Failed::at("socket"))?;
    // Connections of a server that has just ended linger in TIME_WAIT; they must not keep the next one out.
    setsockopt(&fd, sockopt::ReuseAddr, &true).map_err(Failed::at("SO_REUSEADDR"))?;
    // Accepted sockets inherit it. Each response leaves in as few writes as it can: holding back a short last
    // segment until the client acknowledges gains nothing.
    setsockopt(&fd, sockopt::TcpNoDelay, &true).map_err(Failed::at("TCP_NODELAY"))?;
    if family == AddressFamily::Inet6 {
        // Not left to net.ipv6.bindv6only: [::]:80 and *:80 are two addresses, whatever the machine.
        setsockopt(&fd, sockopt::Ipv6V6Only, &true).map_err(Failed::at("IPV6_V6ONLY"))?;
    }
    if let Some(wait) = options.defer_accept {
        set_defer_accept(&fd, wait).map_err(Failed::at("TCP_DEFER_ACCEPT"))?;
    }
    if sharing == Sharing::Group {
        setsockopt(&fd, sockopt::ReusePort, &true).map_err(Failed::at("SO_REUSEPORT"))?;
    }
    bind(fd.as_raw_fd(), name).map_err(Failed::at("bind"))?;
    listen(&fd, options.backlog)?;
    Ok(fd)
}

/// Has a socket of [`bind_group`], which is bound to `address`, listen with this backlog. What waits in its queue stays
/// there. A TCP socket that somebody who shares it has shut down listens again; a Unix socket does not.
///
/// # Errors
/// `EADDRINUSE` when somebody else has taken the address of a socket that was shut down.
pub fn listen_again(fd: BorrowedFd<'_>, address: &Address, backlog: u32) -> io::Result<()> {
    let name: Option<SockaddrStorage> = match address {
        Address::V4(v4) => Some((*v4).into()),
        Address::V6(v6) => Some((*v6).into()),
        Address::Unix(_) => None,
    };
    if let Some(name) = name
        && !getsockopt(&fd, sockopt::AcceptConn)?
    {
        match bind(fd.as_raw_fd(), &name) {
            // A port that the kernel has chosen it takes back when the socket is shut down; one that was asked for stays.
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    begin(fd, backlog)
}

/// Has a listening TCP socket begin no more handshakes, for all who share it. Those that have begun come to their end, and
/// who waits in its queue can still be accepted: so it can be closed a little later without a reset for anybody. A client
/// that comes meanwhile asks again after a second, and is refused by then.
///
/// # Errors
/// `ENOMEM`; `EPERM` where somebody has locked the filter of the socket.
pub fn begin_no_handshakes(fd: BorrowedFd<'_>) -> io::Result<()> {
    /// Where the flags stand in the head of a segment, and the one that opens a connection (RFC 9293 3.1).
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 1 << 1;
    const ALL_BYTES: u32 = u32::MAX;
    const NO_BYTES: u32 = 0;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, FLAGS_AT),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 1, 0, SYN),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, ALL_BYTES),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, NO_BYTES),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the option is one `sock_fprog`, which points to as many steps as it says; both outlive the call, which
    // copies them.
    unsafe { option::set(fd.as_raw_fd(), (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER), &program) }
}

pub(crate) fn listen(fd: &OwnedFd, backlog: u32) -> Result<(), Failed> {
    begin(fd.as_fd(), backlog).map_err(Failed::at("listen"))
}

fn begin(fd: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    let backlog = libc::c_int::try_from(backlog).unwrap_or(libc::c_int::MAX);
    // SAFETY: listen takes no pointers.
    match unsafe { libc::listen(fd.as_raw_fd(), backlog) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_defer_accept(fd: &OwnedFd, wait: Duration) -> io::Result<()> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let seconds = libc::c_int::try_from(seconds).unwrap_or(libc::c_int::MAX);
    // SAFETY: the option is one int.
    unsafe { option::set(fd.as_raw_fd(), (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT), &seconds) }
}

#[cfg(test)]
mod tests;

//! Sockets of our own that go to others: how they are made, and what the kernel tells of what was sent.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, UnixAddr, connect, getsockopt,
    setsockopt, socket, sockopt,
};

use super::Address;
use super::socket::{retry, set_nonblocking};

/// A socket that connects to `address`, by TCP or to a Unix stream socket, and does not wait for that: when it can be
/// written to, [`connected`] tells what has come of it. TCP sends at once whatever is written.
///
/// # Errors
/// No descriptors left; `ENOENT`, `ECONNREFUSED`, `EACCES`, and `EAGAIN` where too many wait already, for a Unix socket;
/// `ENETUNREACH`, `EADDRNOTAVAIL` where no port is left.
pub fn connect_to(address: &Address) -> io::Result<OwnedFd> {
    match address {
        Address::V4(to) => begin(AddressFamily::Inet, &SockaddrIn::from(*to)),
        Address::V6(to) => begin(AddressFamily::Inet6, &SockaddrIn6::from(*to)),
        Address::Unix(path) => begin(AddressFamily::Unix, &UnixAddr::new(path)?),
    }
}

fn begin(family: AddressFamily, name: &dyn SockaddrLike) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    if family != AddressFamily::Unix {
        setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    }
    match connect(fd.as_raw_fd(), name) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(fd),
        Err(errno) => Err(errno.into()),
    }
}

/// What has come of [`connect_to`], once the socket can be written to. From then on it is a blocking one.
///
/// # Errors
/// `ConnectionRefused`, `TimedOut`, `EHOSTUNREACH` and others: there is no connection.
pub fn connected(fd: RawFd) -> io::Result<()> {
    // SAFETY: the caller's socket stays open during the call.
    let socket = unsafe { BorrowedFd::borrow_raw(fd) };
    match getsockopt(&socket, sockopt::SocketError)? {
        0 => set_nonblocking(fd, false),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A socket that sends datagrams to `address`: UDP, or a Unix socket. For UDP that says nothing about whether anybody is
/// there.
///
/// # Errors
/// `ENOENT`, `ECONNREFUSED` where no Unix socket is listened to, `EPROTOTYPE` where it is of another kind, `EACCES`;
/// `ENETUNREACH`; no descriptors left.
pub fn datagrams_to(address: &Address) -> io::Result<OwnedFd> {
    match address {
        Address::V4(to) => to_name(AddressFamily::Inet, &SockaddrIn::from(*to)),
        Address::V6(to) => to_name(AddressFamily::Inet6, &SockaddrIn6::from(*to)),
        Address::Unix(path) => to_name(AddressFamily::Unix, &UnixAddr::new(path)?),
    }
}

fn to_name(family: AddressFamily, name: &dyn SockaddrLike) -> io::Result<OwnedFd> {
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    connect(fd.as_raw_fd(), name)?;
    Ok(fd)
}

/// Bytes of a TCP connection that were sent, and that the other side's TCP has not acknowledged.
///
/// # Errors
/// `EINVAL` for a socket that listens.
pub fn unacknowledged(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: SIOCOUTQ, which has the number of TIOCOUTQ, writes one int, which `count` is and which outlives the call.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &mut count) } {
        0 => Ok(usize::try_from(count).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether a datagram was not sent for it is larger than the way or the receiver takes.
#[must_use]
pub fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// Whether a datagram was not sent for the kernel has no memory for it now. When it has some again nobody tells.
#[must_use]
pub fn is_out_of_buffers(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Takes what has come on a socket, without waiting, whether the socket is blocking or not. 0 when the other side
/// sends no more.
///
/// # Errors
/// `WouldBlock` when nothing has come; `ConnectionReset`; `ConnectionRefused` for datagrams that nobody has taken.
pub fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (start, len) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the kernel writes at most as many bytes as the slice has, which outlives the call.
    retry(|| unsafe { libc::recv(fd.as_raw_fd(), start, len, libc::MSG_DONTWAIT) })
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixDatagram, UnixListener};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::net::send;
    use crate::testing::Scratch;

    fn address(of: SocketAddr) -> Address {
        match of {
            SocketAddr::V4(address) => Address::V4(address),
            SocketAddr::V6(address) => Address::V6(address),
        }
    }

    #[test]
    fn datagrams_go_where_they_should() {
        let scratch = Scratch::new();
        let path = scratch.path().join("socket");
        let unix = UnixDatagram::bind(&path).unwrap();
        let sender = datagrams_to(&Address::Unix(path.clone())).unwrap();
        send(sender.as_raw_fd(), b"one").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(unix.recv(&mut buffer).unwrap(), 3);
        for any in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has no such address.
            let Ok(udp) = UdpSocket::bind(any) else { continue };
            let sender = datagrams_to(&address(udp.local_addr().unwrap())).unwrap();
            send(sender.as_raw_fd(), b"two").unwrap();
            assert_eq!(udp.recv(&mut buffer).unwrap(), 3);
        }
        let dead = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sender = datagrams_to(&address(dead)).unwrap();
        send(sender.as_raw_fd(), b"to nobody").unwrap();
        let error = receive(sender.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        drop(unix);
        let error = datagrams_to(&Address::Unix(path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = datagrams_to(&Address::Unix(scratch.path().join("none"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = send(sender.as_raw_fd(), &[0; 1 << 16]).unwrap_err();
        assert!(is_too_large(&error) && !is_out_of_buffers(&error), "{error}");
        assert!(is_out_of_buffers(&io::Error::from_raw_os_error(libc::ENOBUFS)));
    }

    #[test]
    fn connections_begin_without_waiting() {
        let scratch = Scratch::new();
        let path = scratch.path().join("socket");
        let unix = UnixListener::bind(&path).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for to in [address(tcp.local_addr().unwrap()), Address::Unix(path.clone())] {
            let socket = connect_to(&to).unwrap();
            crate::poll::writable(socket.as_fd(), None).unwrap();
            connected(socket.as_raw_fd()).unwrap();
            assert_eq!(send(socket.as_raw_fd(), b"one").unwrap(), 3);
        }
        let mut buffer = [0; 3];
        tcp.accept().unwrap().0.read_exact(&mut buffer).unwrap();
        unix.accept().unwrap().0.read_exact(&mut buffer).unwrap();
        let socket = connect_to(&address(dead)).unwrap();
        crate::poll::writable(socket.as_fd(), None).unwrap();
        assert_eq!(connected(socket.as_raw_fd()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(unix);
        assert_eq!(connect_to(&Address::Unix(path)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn what_was_sent_is_acknowledged_as_long_as_the_other_side_has_room() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"some").unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while unacknowledged(client.as_fd()).unwrap() > 0 {
            assert!(Instant::now() < deadline, "never acknowledged");
            std::thread::yield_now();
        }
        while send(client.as_raw_fd(), &[b'x'; 1 << 16]).is_ok() {}
        assert!(unacknowledged(client.as_fd()).unwrap() > 0, "nobody reads");
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).unwrap();
        assert_eq!(receive(client.as_fd(), &mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        server.write_all(b"abcdef").unwrap();
        crate::poll::readable(client.as_fd(), None).unwrap();
        assert_eq!(receive(client.as_fd(), &mut buffer).unwrap(), 4);
        assert_eq!(receive(client.as_fd(), &mut buffer).unwrap(), 2);
        drop(server);
        crate::poll::readable(client.as_fd(), None).unwrap();
        // With bytes that nobody has read, a close is a reset.
        assert_eq!(receive(client.as_fd(), &mut buffer).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

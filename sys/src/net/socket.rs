//! Calls on connected sockets.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::sys::socket::{SockaddrLike, SockaddrStorage, getpeername, getsockname};

use super::{Address, option};

/// The address that a socket is bound to, with the port that the kernel chose for port 0.
///
/// # Errors
/// `ENOTSOCK`; `Unsupported` for a socket that is neither TCP nor bound to a path.
pub fn local_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let name: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    if let Some(name) = name.as_sockaddr_in() {
        return Ok(Address::V4(SocketAddrV4::from(*name)));
    }
    if let Some(name) = name.as_sockaddr_in6() {
        return Ok(Address::V6(SocketAddrV6::from(*name)));
    }
    match name.as_unix_addr().and_then(|name| name.path()) {
        Some(path) => Ok(Address::Unix(path.to_owned())),
        None => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// This side of a TCP connection. `None` for a Unix socket, and for a connection that is gone already.
pub fn local_of(fd: RawFd) -> Option<SocketAddr> {
    inet(&getsockname(fd).ok()?)
}

/// The other side of a TCP connection. `None` for a Unix socket, which has no address to tell, and for a
/// connection that is gone already.
pub fn peer_of(fd: RawFd) -> Option<SocketAddr> {
    inet(&getpeername(fd).ok()?)
}

fn inet(name: &SockaddrStorage) -> Option<SocketAddr> {
    match name.family()? {
        nix::sys::socket::AddressFamily::Inet => Some(SocketAddrV4::from(*name.as_sockaddr_in()?).into()),
        nix::sys::socket::AddressFamily::Inet6 => Some(SocketAddrV6::from(*name.as_sockaddr_in6()?).into()),
        _ => None,
    }
}

/// Says that we send no more; the other side reads the end of the stream and can still send.
///
/// # Errors
/// `NotConnected` when the other side has reset the connection.
pub fn shutdown_write(fd: RawFd) -> io::Result<()> {
    // SAFETY: shutdown takes no pointers.
    match unsafe { libc::shutdown(fd, libc::SHUT_WR) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends both directions: whoever waits on the socket goes on at once, and the other side reads the end.
///
/// # Errors
/// `NotConnected` when the other side has reset the connection.
pub fn shutdown_both(fd: RawFd) -> io::Result<()> {
    // SAFETY: shutdown takes no pointers.
    match unsafe { libc::shutdown(fd, libc::SHUT_RDWR) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the last close of the socket reset the connection, which the other side sees at once.
///
/// # Errors
/// `InvalidInput` when the other side has reset it already.
pub fn reset_on_close(fd: RawFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option is one `linger`.
    unsafe { option::set(fd, (libc::SOL_SOCKET, libc::SO_LINGER), &linger) }
}

/// Switches `O_NONBLOCK`, for all who share the open file.
///
/// # Errors
/// `EBADF` for a descriptor that is not open.
pub fn set_nonblocking(fd: RawFd, nonblocking: bool) -> io::Result<()> {
    let mut on = libc::c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int, which `on` is and which outlives the call.
    match unsafe { libc::ioctl(fd, libc::FIONBIO, &mut on) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends up to `count` bytes of `file`, from `offset` on, without a copy in user space. Returns how many went
/// into the socket; 0 when the file ends at or before `offset`, as one does that has been cut short.
///
/// A blocking socket blocks: switch it with [`set_nonblocking`] first. There is no flag against `SIGPIPE` here;
/// the Rust runtime ignores that signal for the whole process.
///
/// # Errors
/// `WouldBlock` when the socket takes nothing now; `BrokenPipe`, `ConnectionReset`; `EIO` from storage.
pub fn sendfile(socket: RawFd, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize> {
    let Ok(mut offset) = libc::off_t::try_from(offset) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "offset beyond any file's end"));
    };
    // SAFETY: `offset` is an off_t to read and write, and it outlives the call.
    retry(|| unsafe { libc::sendfile(socket, file.as_raw_fd(), &mut offset, count) })
}

/// Sends what the socket takes now, without waiting, whether the socket is blocking or not.
///
/// # Errors
/// `WouldBlock` when the socket takes nothing now; `BrokenPipe`, `ConnectionReset`.
pub fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    send_with(fd, bytes, 0)
}

/// As [`send`], but more follows at once: the kernel may hold back a last part that does not fill a segment,
/// for 200 ms at most.
///
/// # Errors
/// As for [`send`].
pub fn send_more(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    send_with(fd, bytes, libc::MSG_MORE)
}

fn send_with(fd: RawFd, bytes: &[u8], flags: libc::c_int) -> io::Result<usize> {
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer and length are those of `bytes`, which outlives the call.
    retry(|| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// Takes what has come on a socket, `most` bytes at most, and appends it to `buffer`, without waiting, whether the socket
/// is blocking or not. 0 when the other side sends no more.
///
/// # Errors
/// `WouldBlock` when nothing has come; `ConnectionReset`.
pub fn receive_onto(fd: RawFd, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    buffer.reserve(most);
    let room = buffer.spare_capacity_mut();
    let (start, len) = (room.as_mut_ptr().cast(), room.len().min(most));
    // SAFETY: the kernel writes at most `len` bytes, which is not more than there is room for, and reads none of it.
    let got = retry(|| unsafe { libc::recv(fd, start, len, libc::MSG_DONTWAIT) })?;
    // SAFETY: so many bytes behind those that were there have just been written, within the capacity.
    unsafe { buffer.set_len(buffer.len() + got) };
    Ok(got)
}

/// Bytes that have come on a socket and were not received.
///
/// # Errors
/// `EINVAL` for a socket that listens.
pub fn queued(fd: RawFd) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, which `count` is and which outlives the call.
    match unsafe { libc::ioctl(fd, libc::FIONREAD, &mut count) } {
        0 => Ok(usize::try_from(count).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether nothing has come on a socket that was not received: no byte, no end and no failure.
#[must_use]
pub fn is_quiet(fd: RawFd) -> bool {
    let mut byte = 0_u8;
    // SAFETY: the kernel writes at most the one byte that `byte` is, which outlives the call.
    let seen =
        retry(|| unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, libc::MSG_DONTWAIT | libc::MSG_PEEK) });
    seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

pub(super) fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::testing::Scratch;

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    #[test]
    fn what_has_come_is_seen_without_taking_it() {
        let wait_for = |fd: &TcpStream| fd.peek(&mut [0]).map(drop);
        let (near, far) = connected();
        let fd = near.as_raw_fd();
        assert!(is_quiet(fd) && queued(fd).unwrap() == 0);
        send(far.as_raw_fd(), b"word").unwrap();
        wait_for(&near).unwrap();
        assert!(!is_quiet(fd) && queued(fd).unwrap() == 4);
        let (near, far) = connected();
        drop(far);
        wait_for(&near).unwrap();
        assert!(!is_quiet(near.as_raw_fd()) && queued(near.as_raw_fd()).unwrap() == 0, "an end");
        let (near, far) = connected();
        reset_on_close(far.as_raw_fd()).unwrap();
        drop(far);
        while is_quiet(near.as_raw_fd()) {
            std::thread::yield_now();
        }
        assert!(!is_quiet(near.as_raw_fd()), "a failure that somebody else was told of");
    }

    #[test]
    fn names_both_ends() {
        let (server, client) = connected();
        assert_eq!(peer_of(server.as_raw_fd()), Some(client.local_addr().unwrap()));
        assert_eq!(local_of(client.as_raw_fd()), peer_of(server.as_raw_fd()));
        let local = local_address(server.as_fd()).unwrap();
        assert_eq!(local.to_string(), server.local_addr().unwrap().to_string());
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer_of(one.as_raw_fd()), None);
        assert_eq!(local_of(one.as_raw_fd()), None);
        assert_eq!(local_address(one.as_fd()).unwrap_err().kind(), io::ErrorKind::Unsupported);
        let file = File::open("/proc/self/exe").unwrap();
        assert_eq!(peer_of(file.as_raw_fd()), None);
    }

    #[test]
    fn send_stops_where_it_would_wait() {
        let (server, mut client) = connected();
        let chunk = [b'x'; 1 << 16];
        let mut sent = 0;
        let full = loop {
            match send_more(server.as_raw_fd(), &chunk) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(sent > 0);
        shutdown_write(server.as_raw_fd()).unwrap();
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), sent);
        assert_eq!(send(server.as_raw_fd(), b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn sendfile_waits_only_on_blocking_sockets() {
        let (server, _client) = connected();
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        std::fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        let file = File::open(path).unwrap();
        set_nonblocking(server.as_raw_fd(), true).unwrap();
        let full = loop {
            if let Err(error) = sendfile(server.as_raw_fd(), file.as_fd(), 0, 1 << 20) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_file_cut_short_ends_the_sending() {
        let (server, mut client) = connected();
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        let socket = server.as_raw_fd();
        assert_eq!(sendfile(socket, file.as_fd(), 2, 3).unwrap(), 3);
        File::options().write(true).open(&path).unwrap().set_len(6).unwrap();
        assert_eq!(sendfile(socket, file.as_fd(), 5, 5).unwrap(), 1);
        assert_eq!(sendfile(socket, file.as_fd(), 6, 4).unwrap(), 0);
        assert_eq!(sendfile(socket, file.as_fd(), 9, 1).unwrap(), 0);
        assert_eq!(
            sendfile(socket, file.as_fd(), u64::MAX, 1).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        shutdown_write(socket).unwrap();
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        assert_eq!(received, "2345");
    }
}

//! Unix sockets that keep packets apart (`SOCK_SEQPACKET`): a packet is one frame, and its descriptors come with it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, accept4, bind, connect as connect_to, getsockopt, socket,
    socketpair, sockopt,
};
use nix::sys::stat::{Mode, fchmod};

use crate::net::{
    Address, BindError, Failed, is_out_of_buffers, listen_on, remove_dead_socket, set_socket_mode,
};
use crate::poll;

/// Whether a call waits until it can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For as long as it takes, also until the kernel has memory for the packet.
    Block,
    /// Not at all: it fails with `WouldBlock`.
    Never,
}

/// Most descriptors that one packet may come with; the kernel's own limit is a little higher.
pub const DESCRIPTORS_MAX: usize = 16;

/// Time after which it is tried again whether there is memory for a packet: when there is, nobody tells.
const MEMORY_PAUSE: Duration = Duration::from_millis(1);

/// Connections to a listener that may wait.
const BACKLOG: u32 = 64;

/// What came in one packet.
#[derive(Debug)]
pub struct Received {
    /// Bytes of the packet; 0 when the other end is closed.
    pub len: usize,
    /// The descriptors that came with it.
    pub fds: Vec<OwnedFd>,
}

/// Two connected sockets, closed on exec.
///
/// # Errors
/// `EMFILE` or `ENFILE` when descriptors have run out.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Room for the control message of [`DESCRIPTORS_MAX`] descriptors, aligned as it has to be.
#[repr(align(8))]
struct Control([MaybeUninit<u8>; 128]);

impl Control {
    const fn new() -> Self {
        Self([MaybeUninit::zeroed(); 128])
    }
}

// SAFETY: CMSG_SPACE computes, and touches no memory.
const SPACE_MAX: usize = unsafe { libc::CMSG_SPACE((DESCRIPTORS_MAX * size_of::<RawFd>()) as u32) } as usize;
const _: () = assert!(SPACE_MAX <= size_of::<Control>());

/// Sends one packet with duplicates of `fds`.
///
/// # Errors
/// `WouldBlock` when the other end has not read for long and `wait` is [`Wait::Never`]; `BrokenPipe` or
/// `ConnectionReset` when it is closed; `InvalidInput` for more than [`DESCRIPTORS_MAX`] descriptors; `EMSGSIZE`.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>], wait: Wait) -> io::Result<()> {
    send_with(socket, &[IoSlice::new(bytes)], fds, wait)
}

/// Sends one packet of these parts, one behind the other, without descriptors.
///
/// # Errors
/// Those of [`send`].
pub fn send_parts(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>], wait: Wait) -> io::Result<()> {
    send_with(socket, parts, &[], wait)
}

fn send_with(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    wait: Wait,
) -> io::Result<()> {
    if fds.len() > DESCRIPTORS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one packet"));
    }
    let mut control = Control::new();
    // SAFETY: msghdr consists of integers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // An `IoSlice` has the form of an iovec, as its documentation says.
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len();
    if !fds.is_empty() {
        let len = size_of_val(fds);
        // SAFETY: it computes, and touches no memory.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(len as u32) } as usize;
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: the control buffer is aligned, zeroed, and at least `msg_controllen` long, so that the first
        // header is in it with room for `len` bytes of data behind; a `BorrowedFd` is an int.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(len as u32) as usize;
            std::ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), len);
        }
    }
    let flags = libc::MSG_NOSIGNAL | flag(wait);
    // SAFETY: `message` points to `parts` and `control`, which outlive the call; `parts` to bytes, all of which are only read.
    let send = || retry(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) });
    match wait {
        Wait::Block => when_there_is_memory(send).map(drop),
        Wait::Never => send().map(drop),
    }
}

/// Tries again as long as the kernel has no memory for it, which a large packet on a busy machine meets.
fn when_there_is_memory<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if is_out_of_buffers(&error) => poll::any_readable(&[], Some(MEMORY_PAUSE))?,
            result => return result,
        };
    }
}

/// Takes one packet.
///
/// # Errors
/// `WouldBlock` when none is there and `wait` is [`Wait::Never`]; `InvalidData` when it is longer than `buffer` or
/// came with more than `fds_max` descriptors: it is lost then, and its descriptors are closed.
pub fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds_max: usize,
    wait: Wait,
) -> io::Result<Received> {
    receive_with(socket, buffer, fds_max, flag(wait))
}

fn receive_with(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds_max: usize,
    flags: i32,
) -> io::Result<Received> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = Control::new();
    // SAFETY: msghdr consists of integers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = SPACE_MAX;
    let flags = libc::MSG_CMSG_CLOEXEC | flags;
    // SAFETY: `message` points to `part` and `control`, which outlive the call; `part` to `buffer`, which is ours.
    let len = retry(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) })?;
    let fds = descriptors(&message);
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 || fds.len() > fds_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the packet is larger than allowed"));
    }
    Ok(Received { len, fds })
}

/// Copies the next packet, which stays where it is, and gives its length; 0 when the other end is closed.
///
/// # Errors
/// `WouldBlock` when none is there; `InvalidData` when it is longer than `buffer` or came with descriptors.
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    receive_with(socket, buffer, 0, libc::MSG_PEEK | libc::MSG_DONTWAIT).map(|received| received.len)
}

/// Throws the next packet away.
///
/// # Errors
/// `WouldBlock` when none is there.
pub fn discard(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: msghdr consists of integers and pointers, for which zero is a value: no buffer, whose rest is cut off.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // SAFETY: `message` outlives the call and has no room for anything.
    retry(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) }).map(drop)
}

/// Takes every descriptor out of what recvmsg has filled in.
fn descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel has filled the control buffer in and set its length; the macros stay within that.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: `header` is one that the macros gave, so it lies within the buffer and is aligned.
        let (level, kind, len) =
            unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: CMSG_LEN computes, and touches no memory.
            let count = (len - unsafe { libc::CMSG_LEN(0) } as usize) / size_of::<RawFd>();
            for index in 0..count {
                // SAFETY: the data of this header are `count` descriptors that the kernel has just made for us alone;
                // they need not be aligned.
                fds.push(unsafe {
                    let data = libc::CMSG_DATA(header).cast::<RawFd>().add(index);
                    OwnedFd::from_raw_fd(data.read_unaligned())
                });
            }
        }
        // SAFETY: as for the first one.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    fds
}

fn flag(wait: Wait) -> libc::c_int {
    match wait {
        Wait::Block => 0,
        Wait::Never => libc::MSG_DONTWAIT,
    }
}

fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// Waits until the other end has room for a packet; `false` when `patience` has passed first.
///
/// # Errors
/// What poll(2) reports.
pub fn wait_for_room(socket: BorrowedFd<'_>, patience: Duration) -> io::Result<bool> {
    poll::writable(socket, Some(patience))
}

/// A socket at `path` that takes connections; the file of a server that died is replaced.
///
/// # Errors
/// [`BindError`], which tells cause and cure.
pub fn listen(path: &Path, mode: u32) -> Result<OwnedFd, BindError> {
    bind_path(path, mode).map_err(|failed| BindError::new(&Address::Unix(path.to_owned()), failed))
}

fn bind_path(path: &Path, mode: u32) -> Result<OwnedFd, Failed> {
    let _lock = remove_dead_socket(path)?;
    let name = UnixAddr::new(path).map_err(Failed::at("path"))?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(Failed::at("socket"))?;
    // Never wider than asked for, not even for a moment.
    let mode = Mode::from_bits_truncate(mode);
    fchmod(&fd, mode).map_err(Failed::at("fchmod"))?;
    bind(fd.as_raw_fd(), &name).map_err(Failed::at("bind"))?;
    set_socket_mode(path, mode.bits()).map_err(Failed::at("chmod"))?;
    listen_on(&fd, BACKLOG)?;
    Ok(fd)
}

/// The next connection; none when nobody waits.
///
/// # Errors
/// `EMFILE` or `ENFILE` when descriptors have run out.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    use nix::errno::Errno;
    match accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
        // SAFETY: accept4 has just returned this descriptor, and nobody else has it.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Err(Errno::EAGAIN | Errno::ECONNABORTED | Errno::EINTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Connects to the socket at `path`.
///
/// # Errors
/// `NotFound` when there is none, `ConnectionRefused` when nobody listens, `PermissionDenied`.
pub fn connect(path: &Path) -> io::Result<OwnedFd> {
    let name = UnixAddr::new(path)?;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect_to(fd.as_raw_fd(), &name)?;
    Ok(fd)
}

/// Who is at the other end, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process id at the time of connecting.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Main group.
    pub gid: u32,
}

/// Who has connected.
///
/// # Errors
/// When `socket` is no Unix socket.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let credentials = getsockopt(&socket.as_fd(), sockopt::PeerCredentials)?;
    let pid = u32::try_from(credentials.pid()).unwrap_or(0);
    Ok(Peer { pid, uid: credentials.uid(), gid: credentials.gid() })
}

/// Whether `socket` is an end of a connection of this kind, and not something else that somebody has handed over.
pub fn is_end(socket: BorrowedFd<'_>) -> bool {
    let of_kind = getsockopt(&socket, sockopt::SockType).is_ok_and(|kind| kind == SockType::SeqPacket);
    let connected = nix::sys::socket::getpeername::<UnixAddr>(socket.as_raw_fd()).is_ok();
    of_kind && connected
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn packets_stay_apart_and_bring_their_descriptors() {
        let (a, b) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        send(a.as_fd(), b"one", &[], Wait::Never).unwrap();
        send(a.as_fd(), b"three", &[file.as_fd(), a.as_fd()], Wait::Never).unwrap();
        let mut buffer = [0; 16];
        let mut take = || receive(b.as_fd(), &mut buffer, 2, Wait::Never).map(|got| (got.len, got.fds.len()));
        assert_eq!(take().unwrap(), (3, 0));
        assert_eq!(take().unwrap(), (5, 2));
        assert_eq!(take().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(a);
        assert_eq!(take().unwrap(), (0, 0));
        assert!(send(b.as_fd(), b"x", &[], Wait::Block).is_err());
    }

    #[test]
    fn a_packet_waits_until_there_is_memory_for_it() {
        let mut answers = [libc::ENOBUFS, libc::ENOBUFS, 0, libc::EPIPE].into_iter();
        let mut call = || match answers.next() {
            None | Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(error)),
        };
        when_there_is_memory(&mut call).unwrap();
        assert_eq!(when_there_is_memory(&mut call).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_is_too_large_is_refused_and_its_descriptors_closed() {
        let (a, b) = pair().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        for (bytes, fds, fds_max) in [(&b"12345"[..], 0, 0), (b"1", 1, 0), (b"1", 16, 15)] {
            let fds = vec![reader.as_fd(); fds];
            send(a.as_fd(), bytes, &fds, Wait::Never).unwrap();
            let refused = receive(b.as_fd(), &mut [0; 4], fds_max, Wait::Never).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        }
        let too_many = vec![reader.as_fd(); DESCRIPTORS_MAX + 1];
        assert!(send(a.as_fd(), b"x", &too_many, Wait::Never).is_err());
        // Were a duplicate of the reading end left, the pipe would not break.
        drop(reader);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn ends_are_told_from_other_things() {
        let (end, _other) = pair().unwrap();
        let (stream, _end) = std::os::unix::net::UnixStream::pair().unwrap();
        let folder = Scratch::new();
        let listener = listen(&folder.path().join("s"), 0o600).unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let found =
            [is_end(end.as_fd()), is_end(stream.as_fd()), is_end(listener.as_fd()), is_end(file.as_fd())];
        assert_eq!(found, [true, false, false, false]);
    }

    #[test]
    fn connections_by_path() {
        let folder = Scratch::new();
        let path = folder.path().join("s");
        assert_eq!(connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = listen(&path, 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(accept(listener.as_fd()).unwrap().is_none());
        assert!(matches!(listen(&path, 0o600), Err(BindError::InUse { .. })));
        let client = connect(&path).unwrap();
        let server = accept(listener.as_fd()).unwrap().unwrap();
        let peer = peer(server.as_fd()).unwrap();
        assert_eq!((peer.pid, peer.uid), (std::process::id(), nix::unistd::Uid::effective().as_raw()));
        send(client.as_fd(), b"x", &[], Wait::Never).unwrap();
        assert_eq!(receive(server.as_fd(), &mut [0; 4], 0, Wait::Block).unwrap().len, 1);
        drop((listener, server));
        assert_eq!(connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(listen(&path, 0o600).is_ok(), "the file of a dead server is replaced");
    }
}

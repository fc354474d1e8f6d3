use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Barrier;

use nix::sys::socket::getsockopt;

use super::*;
use crate::net::{local_address, set_nonblocking};
use crate::testing::Scratch;

fn group(address: &str, n: usize) -> Result<Vec<OwnedFd>, BindError> {
    bind_group(&address.parse().unwrap(), n, &ListenOptions::default())
}

fn addresses(group: &[OwnedFd]) -> Vec<Address> {
    group.iter().map(|fd| local_address(fd.as_fd()).unwrap()).collect()
}

fn tcp(address: &Address) -> SocketAddr {
    match address {
        Address::V4(address) => (*address).into(),
        Address::V6(address) => (*address).into(),
        Address::Unix(path) => panic!("{path:?} is not TCP"),
    }
}

fn unix_group(path: &Path, n: usize) -> Result<Vec<OwnedFd>, BindError> {
    bind_group(&Address::Unix(path.to_owned()), n, &ListenOptions::default())
}

/// Accepts a connection that is on its way, and tells which listener had it.
fn accept_from_any(listeners: &[TcpListener]) -> (usize, TcpStream) {
    loop {
        for (index, listener) in listeners.iter().enumerate() {
            listener.set_nonblocking(true).unwrap();
            if let Ok((stream, _)) = listener.accept() {
                return (index, stream);
            }
        }
        std::thread::yield_now();
    }
}

#[test]
fn port_zero_is_one_port_for_the_whole_group() {
    let group = group("127.0.0.1:0", 4).unwrap();
    let addresses = addresses(&group);
    assert_eq!(addresses.len(), 4);
    assert_ne!(tcp(&addresses[0]).port(), 0);
    assert!(addresses.iter().all(|address| *address == addresses[0]), "{addresses:?}");
}

#[test]
fn connections_reach_every_socket_of_the_group() {
    let group = group("127.0.0.1:0", 3).unwrap();
    let address = tcp(&addresses(&group)[0]);
    let listeners: Vec<TcpListener> = group.into_iter().map(TcpListener::from).collect();
    let mut reached = [false; 3];
    // Which socket gets a connection is a hash of its ports: by chance one goes without for a while.
    for _ in 0..1_000 {
        let _client = TcpStream::connect(address).unwrap();
        let (hit, _server) = accept_from_any(&listeners);
        reached[hit] = true;
        if reached == [true; 3] {
            return;
        }
    }
    panic!("no connection for some socket in 1000: {reached:?}");
}

#[test]
fn sockets_are_set_up_for_serving() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(group) = group(address, 2) else { continue };
        for fd in &group {
            assert!(getsockopt(fd, sockopt::TcpNoDelay).unwrap());
            assert!(getsockopt(fd, sockopt::ReusePort).unwrap());
            let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL).unwrap();
            assert_eq!(flags & libc::O_NONBLOCK, 0, "the ring wants blocking sockets");
            let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
            assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        }
        let client = TcpStream::connect(tcp(&addresses(&group)[0])).unwrap();
        let listeners: Vec<TcpListener> = group.into_iter().map(TcpListener::from).collect();
        let (_, server) = accept_from_any(&listeners);
        assert!(server.nodelay().unwrap(), "inherited from the listener");
        drop(client);
    }
}

#[test]
fn an_address_in_use_is_refused() {
    // An address of its own: what is free again at the end is given to no other test.
    let ours = group("127.0.0.78:0", 2).unwrap();
    let taken = addresses(&ours)[0].to_string();
    let everywhere = format!("*:{}", tcp(&addresses(&ours)[0]).port());
    for address in [&taken, &everywhere] {
        let error = group(address, 2).unwrap_err();
        let BindError::InUse { holder: Some(holder), .. } = &error else { panic!("{error:?}") };
        assert!(holder.is_this_process());
        assert!(error.to_string().contains("overlaps"), "{error}");
    }
    drop(ours);
    group(&taken, 2).unwrap();
}

#[test]
fn a_foreign_listener_without_reuseport_is_refused() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = group(&theirs.local_addr().unwrap().to_string(), 1).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
}

#[test]
fn of_servers_that_start_together_one_gets_the_address() {
    for _ in 0..5 {
        // An address of its own, so that no other test is given the port meanwhile.
        let free = tcp(&addresses(&group("127.0.0.77:0", 1).unwrap())[0]).to_string();
        let start = Barrier::new(4);
        let groups: Vec<_> = std::thread::scope(|scope| {
            let racer = || {
                start.wait();
                group(&free, 2)
            };
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(racer)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(groups.iter().filter(|group| group.is_ok()).count() == 1, "{groups:?}");
    }
}

#[test]
fn lingering_connections_keep_nobody_out() {
    let ours = group("127.0.0.79:0", 1).unwrap();
    let address = addresses(&ours)[0].clone();
    let listener = TcpListener::from(ours.into_iter().next().unwrap());
    let mut client = TcpStream::connect(tcp(&address)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"bye").unwrap();
    // The side that closes first is the one that lingers.
    drop(server);
    drop(listener);
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    drop(client);
    group(&address.to_string(), 2).unwrap();
}

#[test]
fn ipv6_leaves_ipv4_alone() {
    let both_opened = || {
        let six = group("[::]:0", 2).ok()?;
        assert!(addresses(&six).iter().all(|address| matches!(address, Address::V6(_))));
        Some(group(&format!("*:{}", tcp(&addresses(&six)[0]).port()), 2).is_ok())
    };
    // A port that is free for IPv6 may by chance be taken for IPv4, but hardly ten times in a row.
    let opened = (0..10).map_while(|_| both_opened()).reduce(|any, now| any || now);
    assert!(opened.unwrap_or(true), "None where IPv6 is switched off");
}

#[test]
fn foreign_addresses_are_refused() {
    // Reserved for documentation (RFC 5737): no machine has it.
    let error = group("192.0.2.1:0", 1).unwrap_err();
    assert!(matches!(error, BindError::NotLocal { .. }), "{error:?}");
}

#[test]
fn deferred_accept_waits_for_the_first_bytes() {
    let options =
        ListenOptions { defer_accept: Some(Duration::from_millis(1_500)), ..ListenOptions::default() };
    let group = bind_group(&"127.0.0.1:0".parse().unwrap(), 1, &options).unwrap();
    let mut client = TcpStream::connect(tcp(&addresses(&group)[0])).unwrap();
    assert!(!crate::poll::readable(group[0].as_fd(), Some(Duration::ZERO)).unwrap());
    client.write_all(b"GET").unwrap();
    assert!(crate::poll::readable(group[0].as_fd(), Some(Duration::from_secs(5))).unwrap());
}

#[test]
fn unix_descriptors_share_one_socket() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let options = ListenOptions { unix_mode: 0o620, ..ListenOptions::default() };
    let group = bind_group(&Address::Unix(path.clone()), 3, &options).unwrap();
    assert_eq!(group.len(), 3);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o620);
    assert_eq!(addresses(&group), vec![Address::Unix(path.clone()); 3]);
    for fd in group {
        let client = UnixStream::connect(&path).unwrap();
        set_nonblocking(fd.as_raw_fd(), true).unwrap();
        UnixListener::from(fd).accept().unwrap();
        drop(client);
    }
}

#[test]
fn a_live_unix_socket_is_kept_and_a_dead_one_replaced() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let first = unix_group(&path, 1).unwrap();
    let error = unix_group(&path, 1).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    UnixStream::connect(&path).expect("the live one still works");
    drop(first);
    assert!(path.exists(), "a server that dies leaves its file");
    let _second = unix_group(&path, 1).unwrap();
    UnixStream::connect(&path).expect("the new one works");
}

#[test]
fn what_is_not_a_socket_is_never_removed() {
    let scratch = Scratch::new();
    let file = scratch.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let error = unix_group(path, 1).unwrap_err();
        assert!(matches!(error, BindError::Occupied { .. }), "{error:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let error = unix_group(&scratch.path().join("nowhere/socket"), 1).unwrap_err();
    assert!(matches!(error, BindError::NoFolder { .. }), "{error:?}");
}

/// The backlog of a socket that listens: TCP_INFO tells it in a field that means something else for connections.
fn backlog(fd: &OwnedFd) -> u32 {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `info` has room for `len` bytes, and both outlive the call.
    let got = unsafe {
        let place = info.as_mut_ptr().cast();
        libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, place, &mut len)
    };
    assert_eq!(got, 0);
    // SAFETY: it was zeroed, which is a value of each of its integers, before the kernel filled it in.
    unsafe { info.assume_init() }.tcpi_sacked
}

#[test]
fn a_backlog_can_be_changed_and_what_waits_stays() {
    let group = group("127.0.0.1:0", 1).unwrap();
    let mut client = TcpStream::connect(tcp(&addresses(&group)[0])).unwrap();
    client.write_all(b"x").unwrap();
    for wanted in [7, 3] {
        listen_again(group[0].as_fd(), &addresses(&group)[0], wanted).unwrap();
        assert_eq!(backlog(&group[0]), wanted);
    }
    let (_, mut server) = accept_from_any(&group.into_iter().map(TcpListener::from).collect::<Vec<_>>());
    let mut byte = [0];
    server.set_nonblocking(false).unwrap();
    server.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
}

#[test]
fn a_tcp_listener_that_was_shut_down_listens_again() {
    // Ports of the kernel's choice, and the last one again by its number.
    let free = addresses(&group("127.0.0.80:0", 1).unwrap())[0].to_string();
    for address in ["127.0.0.1:0", "[::1]:0", "*:0", &free] {
        let Ok(group) = group(address, 2) else { continue };
        let names = addresses(&group);
        let target = SocketAddr::new("127.0.0.1".parse().unwrap(), tcp(&names[0]).port());
        let target = if address.starts_with('*') { target } else { tcp(&names[0]) };
        for fd in &group {
            crate::net::shutdown_both(fd.as_raw_fd()).unwrap();
        }
        let refused = TcpStream::connect(target).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        for fd in &group {
            listen_again(fd.as_fd(), &names[0], 16).unwrap();
        }
        assert_eq!(addresses(&group), names, "it is the same address");
        let listeners: Vec<TcpListener> = group.into_iter().map(TcpListener::from).collect();
        let mut reached = [false; 2];
        for _ in 0..1_000 {
            let _client = TcpStream::connect(target).unwrap();
            let (hit, _server) = accept_from_any(&listeners);
            reached[hit] = true;
            if reached == [true; 2] {
                break;
            }
        }
        assert_eq!(reached, [true; 2], "{address}: both are of the group again");
    }
}

#[test]
fn who_waits_is_served_when_no_handshake_begins_any_more() {
    const PATIENCE: Duration = Duration::from_millis(100);
    for name in ["127.0.0.1:0", "[::1]:0"] {
        let listener = group(name, 1).unwrap().remove(0);
        let address = tcp(&addresses(std::slice::from_ref(&listener))[0]);
        let mut waiting = TcpStream::connect(address).unwrap();
        begin_no_handshakes(listener.as_fd()).unwrap();
        let late = TcpStream::connect_timeout(&address, PATIENCE).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut, "{name}: nobody answers");
        let (mut accepted, _) = TcpListener::from(listener).accept().unwrap();
        waiting.write_all(b"?").unwrap();
        accepted.read_exact(&mut [0]).unwrap();
        accepted.write_all(b"!").unwrap();
        waiting.read_exact(&mut [0]).unwrap();
        let late = TcpStream::connect(address).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::ConnectionRefused, "{name}: it is closed");
    }
}

#[test]
fn only_sockets_get_the_mode_of_a_socket() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path().join(name);
    let _group = unix_group(&at("socket"), 1).unwrap();
    std::fs::write(at("file"), "").unwrap();
    std::os::unix::fs::symlink(at("socket"), at("link")).unwrap();
    let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o777;
    let before = mode("file");
    crate::net::set_socket_mode(&at("socket"), 0o604).unwrap();
    assert_eq!(mode("socket"), 0o604);
    for name in ["file", "link"] {
        let refused = crate::net::set_socket_mode(&at(name), 0o666).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENOTSOCK), "{name}");
    }
    assert_eq!((mode("socket"), mode("file")), (0o604, before));
}

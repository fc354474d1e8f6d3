//! Many who do not read the long answers that are passed on to them: memory stays within what each may cost, and the servers
//! behind are held back.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::backend::{play, request};
use e2e::{Front, PATIENCE, Setup};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt};

/// The kernel keeps some megabytes for each. Many more would use up all that it has for TCP: then its timers for windows that
/// were closed go up to half a minute.
const READERS: usize = 200;
/// Bytes of each answer.
const LEN: usize = 10_000_000;
/// Those who read theirs after all.
const PATIENT: usize = 10;

/// What an answer on its way may cost in memory: the six buffers of 64 KiB that docs/proxy.md speaks of.
const EACH_MAX: usize = 6 * 64 * 1024;

/// Bytes that the kernel may keep for a server, and for a client.
const SEND_BUFFER: usize = 64 * 1024;
const RECEIVE_BUFFER: usize = 32 * 1024;

/// Descriptors that clients and servers of one test need, which all are in this process.
const OPEN_FILES: u64 = 4 * READERS as u64;

#[test]
fn many_who_do_not_read_cost_what_they_may_and_no_more() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES.min(hard), hard).expect("open files");
    let given = Arc::new(AtomicUsize::new(0));
    let gives = Arc::clone(&given);
    let backend = play(move |mut stream| {
        // All of them are on one machine, whose kernel has so much memory for TCP.
        setsockopt(&stream, sockopt::SndBuf, &SEND_BUFFER).expect("a small buffer");
        let part = [b'x'; 10_000];
        while request(&mut stream).is_some() {
            if write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n").is_err() {
                return;
            }
            for _ in 0..LEN / part.len() {
                // The other side may have lost its client.
                if stream.write_all(&part).is_err() {
                    return;
                }
                gives.fetch_add(part.len(), Ordering::Relaxed);
            }
        }
    });
    let mut setup = Setup::before(&[backend.expect("a backend")], "");
    // Whoever does not read has all the time of this test.
    setup.server.push_str(r#", "timeouts": { "write": "10m" }"#);
    let front = Front::start("readers", &setup).expect("the server starts");
    let worker = front.server.process("kimura: worker").expect("a worker");
    let before = worker.resident().expect("its memory");

    let buffer = |number| if number < PATIENT { None } else { Some(RECEIVE_BUFFER) };
    let mut readers: Vec<TcpStream> = (0..READERS).map(|number| reader(&front, buffer(number))).collect();
    front.server.counts("upstream_responses_2xx", READERS as u64).expect("all have an answer");
    let counter = |name: &str| {
        front.server.next_report().expect("a report");
        front.server.output().said().counters[name]
    };
    // Until nothing moves any more.
    let mut taken = 0;
    let mut most = 0;
    loop {
        let now = counter("upstream_bytes_received");
        most = most.max(worker.resident().expect("its memory"));
        if now == taken {
            break;
        }
        taken = now;
    }
    let each = (most.saturating_sub(before) / READERS as u64) as usize;
    assert!(each <= EACH_MAX, "{each} bytes for each");
    let all = READERS * LEN;
    assert!(given.load(Ordering::Relaxed) < all * 9 / 10, "{given:?} of {all} bytes were given");
    assert!((taken as usize) < all * 9 / 10, "{taken} of {all} bytes were taken");

    // What they hold of the kernel's memory for TCP would have the others wait for its timers.
    readers.truncate(PATIENT);
    for reader in &mut readers {
        let (mut count, mut part) = (0, vec![0; 64 * 1024]);
        while count < LEN {
            match reader.read(&mut part).expect("more of it") {
                0 => panic!("it ends after {count} bytes"),
                read => count += read,
            }
        }
    }
    drop(readers);
    front.stands_at("connections_open", 0).expect("all are gone");
    let ended = front.stop().expect("an end");
    ended.counted(
        "readers",
        &[
            ("requests_answered", PATIENT as u64),
            ("requests_aborted", (READERS - PATIENT) as u64),
            ("timeouts_write", 0),
            ("timeouts_upstream_response", 0),
        ],
    );
}

/// Asks, and takes nothing beyond what the kernel does, which has a buffer of so many bytes for it, or as many as it likes.
fn reader(front: &Front, buffer: Option<usize>) -> TcpStream {
    let Ok(SocketAddr::V4(address)) = front.address() else { panic!("an address of IPv4") };
    let socket =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    if let Some(buffer) = buffer {
        // Before it connects: a window that shrinks later makes senders wait for long.
        setsockopt(&socket, sockopt::RcvBuf, &buffer).expect("a small buffer");
    }
    connect(socket.as_raw_fd(), &SockaddrIn::from(address)).expect("it is listened");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    stream
}

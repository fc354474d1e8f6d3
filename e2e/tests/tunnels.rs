//! Tunnels of another protocol: how long they last, and what becomes of them when the server changes.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use e2e::backend::{play, request};
use e2e::{Front, PATIENCE, Setup, until};
use nix::sys::signal::Signal;

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than an idle tunnel lasts.
const PIECES: usize = 20;

/// What a server does in a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// It says what it hears.
    Echoes,
    /// It hears, and says nothing.
    Listens,
    /// It speaks for a while, and says no more then.
    Speaks,
}

fn backend(talk: Talk) -> SocketAddr {
    let serve = move |mut stream: TcpStream| -> std::io::Result<()> {
        let Some(head) = request(&mut stream) else { return Ok(()) };
        if !head.contains("Upgrade: websocket") {
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        stream.write_all(SWITCH)?;
        match talk {
            Talk::Echoes => std::io::copy(&mut stream.try_clone()?, &mut stream).map(drop),
            Talk::Listens => std::io::copy(&mut stream, &mut std::io::sink()).map(drop),
            Talk::Speaks => {
                speak(&mut stream)?;
                std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
            }
        }
    };
    // How a connection ends is for the client to see.
    play(move |stream| drop(serve(stream))).expect("a backend")
}

/// Says pieces with pauses between them: it is time that is tried here.
fn speak(stream: &mut TcpStream) -> std::io::Result<()> {
    for _ in 0..PIECES {
        let begun = Instant::now();
        while begun.elapsed() < PAUSE {
            thread::park_timeout(PAUSE.saturating_sub(begun.elapsed()));
        }
        stream.write_all(b"x")?;
    }
    Ok(())
}

/// Opens a tunnel.
fn tunnel(front: &Front) -> TcpStream {
    let mut stream = front.connect().expect("connect");
    let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(head).expect("sent");
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        said.push(byte[0]);
    }
    assert!(said.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&said));
    stream
}

fn echoes(stream: &mut TcpStream, word: &[u8]) {
    stream.write_all(word).expect("sent");
    let mut heard = vec![0; word.len()];
    stream.read_exact(&mut heard).expect("an echo");
    assert_eq!(heard, word);
}

/// What else is said up to the end, however that comes.
fn rest(stream: &mut TcpStream) -> usize {
    let (mut count, mut part) = (0, [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return count,
            Ok(read) => count += read,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "an end in time");
                return count;
            }
        }
    }
}

#[test]
fn a_tunnel_lasts_as_long_as_anybody_says_something() {
    let times = r#""timeouts": { "response": "300ms" }"#;
    for talk in [Talk::Echoes, Talk::Listens, Talk::Speaks] {
        let front = Front::start("tunnel", &Setup::before(&[backend(talk)], times));
        let front = front.expect("the server starts");
        let mut stream = tunnel(&front);
        if talk != Talk::Speaks {
            speak(&mut stream).expect("it is heard");
        }
        let heard = rest(&mut stream);
        assert_eq!(heard, if talk == Talk::Listens { 0 } else { PIECES }, "{talk:?}");
        front.stands_at("upstream_connections_open", 0).expect("the server's end is closed, too");
        drop(stream);
        let ended = front.stop().expect("an end");
        ended.counted(
            &format!("{talk:?}"),
            &[("upstream_tunnels", 1), ("timeouts_upstream_response", 1), ("requests_answered", 1)],
        );
        ended.logged(&format!("{talk:?}"), &["GET|101|101"]);
    }
}

#[test]
fn a_tunnel_outlives_reloads() {
    let [one, other] = [backend(Talk::Echoes), backend(Talk::Echoes)];
    let front = Front::start("tunnel", &Setup::before(&[one], "")).expect("the server starts");
    let mut stream = tunnel(&front);
    echoes(&mut stream, b"before");
    front.give("reload").expect("the same");
    echoes(&mut stream, b"after a reload");
    // Its server gets no more requests, and what it has goes on.
    front.configure(&Setup::before(&[other], "")).expect("written");
    front.give("reload").expect("another server");
    echoes(&mut stream, b"after a change");
    let mut second = tunnel(&front);
    echoes(&mut second, b"at another server");
    drop((stream, second));
    let ended = front.stop().expect("an end");
    ended.counted("reloads", &[("upstream_tunnels", 2), ("timeouts_drain", 0), ("requests_aborted", 0)]);
    ended.logged("reloads", &["GET|101|101"; 2]);
}

/// `upgrade` begins another generation, and the one before drains; so does the end of the server.
#[test]
fn a_tunnel_outlives_an_upgrade_up_to_the_deadline_of_the_drain() {
    const DRAIN: Duration = Duration::from_secs(12);
    let mut setup = Setup::before(&[backend(Talk::Echoes)], "");
    setup.server = format!("\"shards\": 1, \"timeouts\": {{ \"drain\": \"{}s\" }}", DRAIN.as_secs());
    let front = Front::start("tunnel", &setup).expect("the server starts");
    let mut stream = tunnel(&front);
    let before = front.server.process("kimura: worker").expect("a worker").pid;
    let begun = Instant::now();
    front.give("upgrade").expect("another program");
    echoes(&mut stream, b"after an upgrade");
    let mut second = tunnel(&front);
    echoes(&mut second, b"by the next generation");
    assert!(begun.elapsed() < DRAIN, "the machine is too slow for this test");
    echoes(&mut stream, b"still");
    assert_eq!(rest(&mut stream), 0);
    let lasted = begun.elapsed();
    assert!(DRAIN <= lasted && lasted < DRAIN + PATIENCE / 2, "it has lasted for {lasted:?}");
    let gone = || front.server.processes().iter().all(|process| process.pid != before);
    until("the generation before has ended", gone);
    echoes(&mut second, b"the other one goes on");

    let begun = Instant::now();
    front.server.signal(Signal::SIGTERM).expect("a signal");
    front.tells("accepting no more");
    echoes(&mut second, b"while the server ends");
    assert_eq!(rest(&mut second), 0);
    assert!(begun.elapsed() >= DRAIN, "{:?}", begun.elapsed());
    let ended = front.ended().expect("an end");
    ended.counted("drain", &[("upstream_tunnels", 2), ("timeouts_drain", 2)]);
    ended.logged("drain", &["GET|101|101"; 2]);
}

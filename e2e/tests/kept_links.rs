//! Connections to servers that are kept, and have ended by the time they are to be used: whatever the method, no request is
//! sent by one of which that can be known.

#![forbid(unsafe_code)]

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};

use e2e::backend::{play, request, reset};
use e2e::response::Asked;
use e2e::{Client, Front, Setup, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How a server ends a connection that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In good order.
    Closes,
    /// By a reset.
    Resets,
    /// With an answer that nobody has asked for, as some do that have waited too long for a request.
    Speaks,
}

/// What comes first while the server stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    TheEnd,
    TheRequest,
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LATE: &[u8] = b"HTTP/1.1 408 Late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A server that hands its connections over after their first answer, and answers all else on others.
fn backend() -> (std::net::SocketAddr, Receiver<TcpStream>) {
    let (kept, first) = channel();
    let address = play(move |mut stream| {
        while let Some(head) = request(&mut stream) {
            if stream.write_all(OK).is_err() {
                return;
            }
            if head.starts_with("GET /kept") {
                // The test may have what it wants already.
                let _ = kept.send(stream);
                return;
            }
        }
    });
    (address.expect("a backend"), first)
}

fn end(mut stream: TcpStream, how: End) {
    match how {
        End::Closes => {}
        End::Resets => drop(reset(&stream)),
        End::Speaks => stream.write_all(LATE).expect("it is sent"),
    }
}

/// A request by a client, without waiting for its answer.
fn ask(client: &mut Client, line: &str) {
    let content = if line.starts_with("GET") { "" } else { "Content-Length: 2\r\n" };
    let body = if content.is_empty() { "" } else { "hi" };
    client
        .send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{content}\r\n{body}").as_bytes())
        .expect("send");
}

fn status(client: &mut Client) -> u16 {
    client.response(Asked::Other).expect("an answer").status
}

fn check(how: End, first: First, method: &str) {
    let what = format!("{how:?}, {first:?}, {method}");
    let (address, kept) = backend();
    let front = Front::start("kept", &Setup::before(&[address], "")).expect("the server starts");
    let mut client = front.client().expect("connect");
    ask(&mut client, "GET /kept");
    assert_eq!(status(&mut client), 200, "{what}");
    let kept = kept.recv().expect("a connection");
    // The server sees both at once when it goes on.
    let worker = Pid::from_raw(front.server.process("kimura: worker").expect("a worker").pid.cast_signed());
    kill(worker, Signal::SIGSTOP).expect("it stands still");
    until("it stands still", || stands(worker));
    let line = format!("{method} /");
    if first == First::TheRequest {
        ask(&mut client, &line);
        end(kept, how);
    } else {
        end(kept, how);
        ask(&mut client, &line);
    }
    kill(worker, Signal::SIGCONT).expect("it goes on");
    assert_eq!(status(&mut client), 200, "{what}");
    drop(client);
    let ended = front.stop().expect("an end");
    ended.counted(&what, &[("upstream_connections_opened", 2), ("responses_2xx", 2), ("responses_5xx", 0)]);
    let last = ended.lines.last().expect("a line");
    if method != "GET" {
        // It was sent once.
        assert_eq!(last, &format!("{method}|200|200"), "{what}");
        ended.counted(&what, &[("upstream_retries", 0), ("upstream_requests", 2)]);
    }
}

/// Whether a process is stopped, as procfs has it behind its name.
fn stands(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it is there");
    stat.rsplit(')').next().is_some_and(|facts| facts.starts_with(" T"))
}

#[test]
fn a_request_that_cannot_be_repeated_goes_by_a_link_that_is_there() {
    for how in [End::Closes, End::Resets, End::Speaks] {
        for first in [First::TheEnd, First::TheRequest] {
            for method in ["POST", "PATCH", "PUT"] {
                check(how, first, method);
            }
        }
    }
}

#[test]
fn one_that_can_is_repeated() {
    for how in [End::Closes, End::Resets] {
        check(how, First::TheEnd, "GET");
        check(how, First::TheRequest, "GET");
    }
}

//! What a hostile agent hands over, and what it says in the name of others.

use std::fs::File;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use privsep::message::{Answer, Command, FromAgent, LINK_VERSION, Proof, Request};
use privsep::wire::{Bytes, FRAME_MAX, Secret, Wire, encode};
use sys::packet::{self, Wait};

use crate::tricks::{Then, Tools};

/// Connections of one flood: far more than the supervisor takes.
const FLOOD: usize = 1000;

fn says(tools: &Tools, from: &str, socket: BorrowedFd<'_>) -> bool {
    let message = encode(&FromAgent::Connection { from: from.to_owned() });
    packet::send(tools.socket.as_fd(), &message, &[socket], Wait::Block).is_ok()
}

/// An end of a connection whose other one the supervisor has.
fn connected(tools: &Tools, from: &str) -> OwnedFd {
    let (inner, other) = packet::pair().expect("a pair");
    says(tools, from, other.as_fd());
    inner
}

/// Says this over a connection; what is answered.
fn ask<T: Wire>(inner: &OwnedFd, said: &T) -> Option<Answer> {
    let mut frame = vec![0; FRAME_MAX];
    packet::send(inner.as_fd(), &encode(said), &[], Wait::Block).ok()?;
    let got = packet::receive(inner.as_fd(), &mut frame, 1, Wait::Block).ok()?;
    privsep::wire::decode(&frame[..got.len]).ok()
}

/// Writes down what should not have been answered, among what should not have been handed over.
fn expect(holds: bool, answer: &Option<Answer>) {
    if !holds {
        let file = File::options().append(true).create(true).open("heard");
        let written = file.and_then(|mut file| writeln!(file, "agent was answered {answer:?}"));
        written.expect("it can be written down");
    }
}

fn request(command: Command, proof: Proof) -> Request {
    Request { version: LINK_VERSION, command, proof }
}

/// Commands without a proof that could be right. One that was obeyed would end the server.
pub(crate) fn commands(tools: &Tools) -> Then {
    let certificate = || Proof::Certificate {
        certificate: Bytes(b"laptop".to_vec()),
        scheme: 0x0403,
        signature: Bytes(b"right".to_vec()),
    };
    let proofs = [
        Proof::Peer,
        certificate(),
        Proof::Password { user: "anna".to_owned(), secret: Secret::new(b"wrong".to_vec()) },
        Proof::Token { secret: Secret::new(b"right".to_vec()) },
    ];
    let asked: Vec<OwnedFd> = proofs
        .into_iter()
        .map(|proof| {
            let inner = connected(tools, "192.0.2.1:1");
            let sent = packet::send(inner.as_fd(), &encode(&request(Command::Stop, proof)), &[], Wait::Block);
            sent.expect("somebody is there");
            inner
        })
        .collect();
    for inner in asked {
        let mut frame = vec![0; FRAME_MAX];
        let got = packet::receive(inner.as_fd(), &mut frame, 1, Wait::Block).expect("an answer");
        let answer: Option<Answer> = privsep::wire::decode(&frame[..got.len]).ok();
        let refused = matches!(answer, Some(Answer::Denied { .. } | Answer::Refused { .. }));
        expect(refused || got.len == 0, &answer);
    }
    Then::GoOn
}

/// A nonce is good for what it was given for, and once.
pub(crate) fn nonces(tools: &Tools) -> Then {
    let certificate = || Proof::Certificate {
        certificate: Bytes(vec![1; 7000]),
        scheme: 0,
        signature: Bytes(vec![2; 7000]),
    };
    for proof in [Proof::Challenge, Proof::Peer, certificate()] {
        let inner = connected(tools, "192.0.2.1:1");
        let first = ask(&inner, &request(Command::Stop, Proof::Challenge));
        expect(first.is_none() || matches!(first, Some(Answer::Challenge { .. })), &first);
        let second = ask(&inner, &request(Command::Stop, proof));
        expect(second.is_none() || matches!(second, Some(Answer::Denied { .. })), &second);
    }
    Then::GoOn
}

/// Connections that say nothing, or nothing that is a request.
pub(crate) fn crowd(tools: &Tools) -> Then {
    for number in 0..FLOOD {
        let inner = connected(tools, &format!("192.0.2.1:{number}"));
        // Nobody may be there any more.
        let _ = packet::send(inner.as_fd(), &vec![number as u8; number], &[], Wait::Never);
        if number % 2 == 0 {
            std::mem::forget(inner);
        }
    }
    Then::GoOn
}

/// Things that are no connection.
pub(crate) fn things(tools: &Tools, number: usize) -> Then {
    let (stream, _end) = UnixStream::pair().expect("a pair");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let tcp = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let file = File::open("/dev/zero").expect("a file");
    let memory = sys::mem::sealed("kimura-message", b"text").expect("memory");
    let things: [OwnedFd; 5] = [stream.into(), listener.into(), tcp.into(), file.into(), memory];
    says(tools, "192.0.2.1:1", things[number].as_fd());
    Then::Wait
}

/// An address that fills a frame.
pub(crate) fn long_address(tools: &Tools) -> Then {
    let (_inner, other) = packet::pair().expect("a pair");
    says(tools, &"9".repeat(FRAME_MAX - 16), other.as_fd());
    Then::Wait
}

/// Lines for the audit log.
pub(crate) fn lines(tools: &Tools) -> Then {
    let inner = connected(tools, "1\nnow \"root\" uid=0 gid=0 pid=1 stop done\n");
    let answer = ask(&inner, &request(Command::Stop, Proof::Peer));
    expect(answer.is_none() || matches!(answer, Some(Answer::Denied { .. })), &answer);
    Then::GoOn
}

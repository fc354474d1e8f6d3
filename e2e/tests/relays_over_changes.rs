//! What is on its way through the server while it changes: a long answer, a long upload, and connections that nothing is
//! sent over.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use e2e::backend::{play, request};
use e2e::response::Asked;
use e2e::{Client, Front, PATIENCE, Setup, until};
use nix::sys::signal::Signal;

/// Bytes of a half, of the answer and of the upload alike: more than all buffers on the way take.
const HALF: usize = 20_000_000;

/// A server that gives half of a long answer, and the rest when it is told to.
#[derive(Default)]
struct Stage {
    gate: Mutex<bool>,
    opened: Condvar,
    /// Bytes of uploads that have come.
    uploaded: AtomicUsize,
    /// Connections that are open.
    open: AtomicUsize,
    /// Those that have ended after a request for `/spare`.
    spares_left: AtomicUsize,
}

impl Stage {
    fn start(self: &Arc<Stage>) -> SocketAddr {
        let stage = Arc::clone(self);
        // A connection that breaks is seen at the other end.
        let serve = move |stream| {
            stage.open.fetch_add(1, Ordering::SeqCst);
            let served = stage.serve(stream);
            stage.open.fetch_sub(1, Ordering::SeqCst);
            if served.is_ok_and(|last| last.starts_with("GET /spare")) {
                stage.spares_left.fetch_add(1, Ordering::SeqCst);
            }
        };
        play(serve).expect("a backend")
    }

    /// Serves until nothing more is asked; the last request.
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<String> {
        let mut last = String::new();
        while let Some(head) = request(&mut stream) {
            if head.starts_with("GET /long") {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * HALF)?;
                stream.write_all(&vec![b'a'; HALF])?;
                self.wait();
                stream.write_all(&vec![b'b'; HALF])?;
            } else if head.starts_with("POST") {
                let begun = head.len() - head.find("\r\n\r\n").map_or(head.len(), |end| end + 4);
                let count = self.take(&mut stream, begun)?;
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{count}")?;
            } else {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
            last = head;
        }
        Ok(last)
    }

    /// All of an upload.
    fn take(&self, stream: &mut TcpStream, begun: usize) -> std::io::Result<usize> {
        let (mut count, mut part) = (begun, vec![0; 64 * 1024]);
        while count < 2 * HALF {
            match stream.read(&mut part)? {
                0 => break,
                read => count += read,
            }
            self.uploaded.store(count, Ordering::SeqCst);
        }
        Ok(count)
    }

    fn wait(&self) {
        let mut gate = self.gate.lock().expect("a lock");
        while !*gate {
            let (waited, timeout) = self.opened.wait_timeout(gate, PATIENCE).expect("a lock");
            assert!(!timeout.timed_out(), "nobody opens the gate");
            gate = waited;
        }
    }

    fn open(&self) {
        *self.gate.lock().expect("a lock") = true;
        self.opened.notify_all();
    }
}

/// What happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The same configuration.
    Reload,
    /// One without the server that the requests are at.
    Removal,
    /// Another program.
    Upgrade,
    /// Its end.
    Stop,
}

/// Who relays while that happens: the halves have passed before, the rest passes after.
fn check(change: Change) {
    let (stage, next) = (Arc::new(Stage::default()), Arc::new(Stage::default()));
    let (address, elsewhere) = (stage.start(), next.start());
    let setup = Setup::before(&[address], "");
    let front = Front::start("relays", &setup).expect("the server starts");
    let mut spare = front.client().expect("connect");
    ask(&mut spare, "/");

    let mut download = front.client().expect("connect");
    download.send(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let mut upload = front.client().expect("connect");
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 2 * HALF);
    upload.send(head.as_bytes()).expect("send");
    upload.send(&vec![b'x'; HALF]).expect("send");
    until("half of the upload is there", || stage.uploaded.load(Ordering::SeqCst) == HALF);
    // Another one, since the download has taken that of the first.
    ask(&mut spare, "/spare");
    let spares_left = || stage.spares_left.load(Ordering::SeqCst);
    assert_eq!(spares_left(), 0);

    match change {
        Change::Reload => drop(front.give("reload").expect("a reload")),
        Change::Removal => {
            front.configure(&Setup::before(&[elsewhere], "")).expect("written");
            front.give("reload").expect("a reload");
        }
        Change::Upgrade => drop(front.give("upgrade").expect("an upgrade")),
        Change::Stop => {
            front.server.signal(Signal::SIGTERM).expect("a signal");
            front.tells("accepting no more");
        }
    }
    if change != Change::Reload {
        until("the spare connection is closed", || spares_left() == 1);
    }
    stage.open();
    let sending = thread::spawn(move || {
        upload.send(&vec![b'x'; HALF]).expect("send");
        let answer = upload.response(Asked::Other).expect("an answer");
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    });
    let answer = download.response(Asked::Other).expect("an answer");
    let halves = |body: &[u8]| body.len() == 2 * HALF && body[HALF - 1] == b'a' && body[HALF] == b'b';
    assert!(answer.status == 200 && halves(&answer.body), "{change:?}: {}", answer.body.len());
    assert_eq!(sending.join().expect("no panic"), (200, (2 * HALF).to_string()), "{change:?}");
    if change != Change::Stop {
        // What comes now is answered by whoever serves now.
        ask(&mut front.client().expect("connect"), "/");
    }
    drop((download, spare));
    let ended = if change == Change::Stop { front.ended() } else { front.stop() }.expect("an end");
    let asked = if change == Change::Stop { 4 } else { 5 };
    ended.counted(
        &format!("{change:?}"),
        &[
            ("requests_answered", asked),
            ("requests_aborted", 0),
            ("timeouts_drain", 0),
            ("upstream_requests", asked),
            ("upstream_responses_2xx", asked),
            ("upstream_responses_cut", 0),
        ],
    );
    assert!(ended.lines.iter().all(|line| line.ends_with("|200|200")), "{:?}", ended.lines);
    assert_eq!(ended.lines.len(), asked as usize);
    until("all connections have ended", || stage.open.load(Ordering::SeqCst) == 0);
}

fn ask(client: &mut Client, path: &str) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("send");
    assert_eq!(client.response(Asked::Other).expect("an answer").status, 200);
}

#[test]
fn nothing_is_cut_by_a_reload() {
    check(Change::Reload);
    check(Change::Removal);
}

#[test]
fn nothing_is_cut_by_an_upgrade() {
    check(Change::Upgrade);
}

#[test]
fn nothing_is_cut_by_the_end() {
    check(Change::Stop);
}

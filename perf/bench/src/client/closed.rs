//! Closed-loop load as wrk cannot make it: connections that the client closes after a few answers, and
//! pipelining with true latencies (wrk "corrects" them by an interval that is wrong for batches).
//!
//! The closing side keeps TIME_WAIT, so the ports used are the client's; Linux takes them again after one
//! second on loopback (`net.ipv4.tcp_tw_reuse` = 2, its default).

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::answer::{self, Head};
use super::request;
use crate::error::Error;
use crate::results::Delivered;

/// The task of one run.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) to: SocketAddr,
    pub(crate) path: String,
    pub(crate) connections: usize,
    /// Requests sent at once; all their answers are awaited before the next ones.
    pub(crate) depth: u32,
    /// Batches after which a connection is closed.
    pub(crate) batches: u32,
    pub(crate) duration: Duration,
}

/// One of the parallel clients: a connection and the answers that it waits for.
struct Client {
    stream: TcpStream,
    /// Batches still to be answered completely on this connection.
    batches: u32,
    /// Answers of the running batch still to come.
    answers: u32,
    /// Whether the batch has to be written as soon as the socket lets us.
    unsent: bool,
    /// When the running batch began; the first of a connection begins with the connect.
    began: Instant,
    /// Bytes received and not yet counted.
    input: Vec<u8>,
}

/// What all clients together have got.
struct Tally {
    requests: u64,
    bytes: u64,
    errors: u64,
    micros: Histogram<u64>,
    /// Head of the last answer.
    last: Option<Head>,
}

/// Runs `task` and counts.
pub(crate) fn run(task: &Task) -> Result<Delivered, Error> {
    drive(task).map_err(Error::io("make load on", task.to.to_string()))
}

fn drive(task: &Task) -> io::Result<Delivered> {
    let batch = request(&task.path).repeat(task.depth as usize);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(task.connections);
    let mut tally = Tally { requests: 0, bytes: 0, errors: 0, micros: histogram(), last: None };
    let start = Instant::now();
    let mut clients = Vec::with_capacity(task.connections);
    for token in 0..task.connections {
        clients.push(connect(task, &poll, token)?);
    }
    while start.elapsed() < task.duration {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let token = event.token().0;
            let Some(client) = clients.get_mut(token) else { continue };
            let outcome = client.advance(&batch, task, &mut tally);
            match outcome {
                Ok(State::Waiting) => {}
                Ok(State::Finished) => *client = connect(task, &poll, token)?,
                Err(_) => {
                    tally.errors += 1;
                    *client = connect(task, &poll, token)?;
                }
            }
        }
    }
    Ok(Delivered {
        requests: tally.requests as f64,
        bytes: tally.bytes,
        seconds: start.elapsed().as_secs_f64(),
        p50_us: tally.micros.value_at_quantile(0.50) as f64,
        p99_us: tally.micros.value_at_quantile(0.99) as f64,
        errors: tally.errors,
    })
}

fn connect(task: &Task, poll: &Poll, token: usize) -> io::Result<Client> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(task.to)?;
    stream.set_nodelay(true)?;
    // Edge-triggered; the first event is the established connection. A replaced stream leaves the poll by its close.
    poll.registry().register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE)?;
    Ok(Client {
        stream,
        batches: task.batches,
        answers: task.depth,
        unsent: true,
        began,
        input: Vec::with_capacity(16 << 10),
    })
}

/// How far a client has come.
#[derive(Debug, PartialEq)]
enum State {
    Waiting,
    Finished,
}

impl Client {
    /// Goes on until the socket has nothing more, or the last answer of the connection is there.
    fn advance(&mut self, batch: &[u8], task: &Task, tally: &mut Tally) -> io::Result<State> {
        loop {
            if self.unsent && !self.send(batch, task)? {
                return Ok(State::Waiting);
            }
            let mut part = [0; 16 << 10];
            let got = match self.stream.read(&mut part) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(State::Waiting),
                Err(error) => return Err(error),
            };
            self.input.extend_from_slice(&part[..got]);
            self.count(tally)?;
            if self.answers > 0 {
                continue;
            }
            self.batches -= 1;
            if self.batches == 0 {
                return Ok(State::Finished);
            }
            self.answers = task.depth;
            self.unsent = true;
        }
    }

    /// Writes the batch; `false` if the socket is not ready.
    fn send(&mut self, batch: &[u8], task: &Task) -> io::Result<bool> {
        if self.batches != task.batches {
            self.began = Instant::now();
        }
        match self.stream.write(batch) {
            Ok(n) if n == batch.len() => {
                self.unsent = false;
                Ok(true)
            }
            // A batch is far smaller than any send buffer, which is empty here.
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Counts the answers that are complete and forgets their bytes.
    fn count(&mut self, tally: &mut Tally) -> io::Result<()> {
        let mut at = 0;
        while self.answers > 0 {
            let rest = &self.input[at..];
            let like = tally.last.map(|head| (head, *b"HTTP/1.1 200"));
            let head = answer::head_like(rest, like)
                .map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem.to_string()))?;
            let Some(head) = head else { break };
            if head.status != 200 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let whole = head.len as u64 + head.body;
            if (rest.len() as u64) < whole {
                break;
            }
            // It fits the memory, for it is in `rest`.
            at += whole as usize;
            tally.last = Some(head);
            tally.requests += 1;
            tally.bytes += whole;
            let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            tally.micros.saturating_record(micros);
            self.answers -= 1;
        }
        if self.answers == 0 && at < self.input.len() {
            // More bytes than were asked for.
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.input.drain(..at);
        Ok(())
    }
}

/// 1 µs to 60 s in steps of 0.1 %.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constants within the allowed range")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// Answers every request until `stop`; gives back how many came on each connection.
    fn serve(listener: &TcpListener, answer: &[u8], stop: &AtomicBool) -> Vec<usize> {
        let mut counts = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let (mut stream, _) = listener.accept().unwrap();
            let mut count = 0;
            let mut buf = [0; 4096];
            while let Ok(got @ 1..) = stream.read(&mut buf) {
                let requests = buf[..got].windows(4).filter(|four| four == b"\r\n\r\n").count();
                if stream.write_all(&answer.repeat(requests)).is_err() {
                    break;
                }
                count += requests;
            }
            counts.push(count);
        }
        counts
    }

    fn check(answer: &'static [u8], depth: u32, verify: impl Fn(&Delivered, &[usize])) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let server = scope.spawn(|| serve(&listener, answer, &stop));
            let (path, duration) = ("small.txt".to_owned(), Duration::from_millis(50));
            let task = Task { to, path, connections: 1, depth, batches: 10, duration };
            let delivered = run(&task).unwrap();
            stop.store(true, Ordering::SeqCst);
            // Lets the server out of accept.
            drop(std::net::TcpStream::connect(to).unwrap());
            verify(&delivered, &server.join().unwrap());
        });
    }

    #[test]
    fn a_connection_is_closed_after_its_batches() {
        for depth in [1, 16] {
            check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", depth, |delivered, counts| {
                assert_eq!(delivered.errors, 0);
                assert!(delivered.requests > 20.0 && delivered.p50_us > 0.0, "{delivered:?}");
                let full = 10 * depth as usize;
                assert!(counts.len() > 2 && counts[..2] == [full, full], "{counts:?}");
            });
        }
    }

    #[test]
    fn wrong_answers_are_errors() {
        for answer in
            [&b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"[..], b"HTTP/1.1 200 OK\r\n\r\n"]
        {
            check(answer, 1, |delivered, _| {
                assert_eq!(delivered.requests, 0.0);
                assert!(delivered.errors > 0);
            });
        }
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmore", 1, |delivered, _| {
            assert!(delivered.errors > 0);
        });
    }
}

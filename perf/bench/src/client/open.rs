//! Open-loop load: requests leave by a clock, whether or not the ones before are answered.
//!
//! The latency of a request is counted from the moment at which it should have left. One that had to wait, for a
//! connection or for the client itself, has waited for the server or beside it, and its time is not left out.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use serde::{Deserialize, Serialize};

use super::answer;
use super::closed::histogram;
use super::visitors::Visitors;
use crate::error::Error;
use crate::results::{Answers, Flowed};

/// How long answers are awaited once the last request has left: longer than a server lets a login wait.
const DRAIN: Duration = Duration::from_secs(20);
/// How often the client looks around when nothing happens.
const LOOK: Duration = Duration::from_millis(100);
/// In a second.
const NANOS: u64 = 1_000_000_000;
/// Of the clock; connections have those from zero on.
const CLOCK: Token = Token(usize::MAX);

/// The task of one run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Task {
    pub(crate) to: SocketAddr,
    pub(crate) seconds: u64,
    /// Streams of requests, each by a clock of its own.
    pub(crate) flows: Vec<Flow>,
}

/// A stream of requests.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Flow {
    pub(crate) visitors: Visitors,
    /// Requests each second.
    pub(crate) rate: u64,
    /// Kept connections; a request that finds all of them busy waits for one.
    pub(crate) connections: usize,
}

/// Runs `task`; what became of each flow.
pub(crate) fn run(task: &Task) -> Result<Vec<Flowed>, Error> {
    let doing = || Error::io("make load on", task.to.to_string());
    let mut client = Client::new(task).map_err(doing())?;
    client.drive().map_err(doing())?;
    Ok(client.streams.into_iter().map(Stream::flowed).collect())
}

struct Client {
    to: SocketAddr,
    poll: Poll,
    clock: TimerFd,
    streams: Vec<Stream>,
    connections: Vec<Connection>,
    began: Instant,
}

/// What goes on of a flow.
struct Stream {
    flow: Flow,
    /// How many requests there are to be, and how many have left.
    planned: u64,
    sent: u64,
    answered: u64,
    /// Connections without a request, the longest idle first, so that none gets so old that the server closes it.
    idle: VecDeque<usize>,
    tally: Tally,
}

/// Latencies in microseconds.
struct Tally {
    all: Histogram<u64>,
    by_status: BTreeMap<u16, Histogram<u64>>,
    /// How long after their time requests have left.
    late: Histogram<u64>,
    /// Requests without an answer.
    failed: u64,
}

struct Connection {
    /// Its place among the streams.
    stream: usize,
    socket: TcpStream,
    /// When its request was due; none when it is idle.
    due: Option<Duration>,
    input: Vec<u8>,
}

impl Client {
    fn new(task: &Task) -> io::Result<Client> {
        let poll = Poll::new()?;
        let clock = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        let descriptor = clock.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), CLOCK, Interest::READABLE)?;
        let (mut streams, mut connections) = (Vec::new(), Vec::new());
        for (number, flow) in task.flows.iter().enumerate() {
            let first = connections.len();
            for place in first..first + flow.connections {
                let socket = connect(task.to, &poll, place)?;
                connections.push(Connection { stream: number, socket, due: None, input: Vec::new() });
            }
            streams.push(Stream {
                planned: flow.rate * task.seconds,
                sent: 0,
                answered: 0,
                idle: (first..connections.len()).collect(),
                tally: Tally::new(),
                flow: flow.clone(),
            });
        }
        Ok(Client { to: task.to, poll, clock, streams, connections, began: Instant::now() })
    }

    fn drive(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let over = self.streams.iter().map(Stream::end).max().unwrap_or_default() + DRAIN;
        while !self.streams.iter().all(Stream::is_done) && self.began.elapsed() < over {
            self.send_due()?;
            self.set_clock()?;
            self.poll.poll(&mut events, Some(LOOK))?;
            for event in events.iter().filter(|event| event.token() != CLOCK) {
                self.advance(event.token().0)?;
            }
        }
        self.give_up();
        Ok(())
    }

    /// Sends what is due and finds a connection.
    fn send_due(&mut self) -> io::Result<()> {
        for number in 0..self.streams.len() {
            while let Some((place, due)) = self.streams[number].take(self.began.elapsed()) {
                let stream = &mut self.streams[number];
                let request = stream.flow.visitors.request(stream.sent - 1);
                let late = self.began.elapsed().saturating_sub(due);
                stream.tally.late.saturating_record(micros(late));
                let connection = &mut self.connections[place];
                connection.due = Some(due);
                // It is far smaller than the send buffer, which is empty: a write that is not whole is a failure.
                if !matches!(connection.socket.write(&request), Ok(written) if written == request.len()) {
                    self.fail(place)?;
                }
            }
        }
        Ok(())
    }

    /// Wakes when the next request is due that has a connection; all others wait for an answer.
    fn set_clock(&self) -> io::Result<()> {
        let ready = self.streams.iter().filter(|stream| !stream.idle.is_empty());
        let Some(due) = ready.filter_map(Stream::next_due).min() else { return Ok(()) };
        // Zero would stop the clock.
        let wait = due.saturating_sub(self.began.elapsed()).max(Duration::from_nanos(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(wait));
        Ok(self.clock.set(once, TimerSetTimeFlags::empty())?)
    }

    /// Takes in what has come on a connection.
    fn advance(&mut self, place: usize) -> io::Result<()> {
        let connection = &mut self.connections[place];
        match connection.receive() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let latency = self.began.elapsed().saturating_sub(connection.due.take().unwrap_or_default());
                self.streams[connection.stream].answered(place, status, latency);
                // What has come with the answer, such as the end of the connection, makes no further event.
                self.advance(place)
            }
            Err(_) => self.fail(place),
        }
    }

    /// Counts the request of a broken connection, if it has one, and connects again.
    fn fail(&mut self, place: usize) -> io::Result<()> {
        let socket = connect(self.to, &self.poll, place)?;
        let connection = &mut self.connections[place];
        connection.socket = socket;
        connection.input.clear();
        if let Some(due) = connection.due.take() {
            let latency = self.began.elapsed().saturating_sub(due);
            self.streams[connection.stream].failed(place, latency);
        }
        Ok(())
    }

    /// Counts what was not answered at the end, and what did not even leave.
    fn give_up(&mut self) {
        let now = self.began.elapsed();
        for connection in &mut self.connections {
            if let Some(due) = connection.due.take() {
                self.streams[connection.stream].tally.fail(now.saturating_sub(due));
            }
        }
        for stream in &mut self.streams {
            while let Some(due) = stream.next_due() {
                stream.tally.fail(now.saturating_sub(due));
                stream.sent += 1;
            }
        }
    }
}

impl Stream {
    /// When the next request is due; none when all have left.
    fn next_due(&self) -> Option<Duration> {
        (self.sent < self.planned).then(|| self.due(self.sent))
    }

    fn due(&self, number: u64) -> Duration {
        Duration::from_nanos(number * NANOS / self.flow.rate)
    }

    /// When the last one is due.
    fn end(&self) -> Duration {
        self.due(self.planned)
    }

    fn is_done(&self) -> bool {
        self.answered == self.planned
    }

    /// A connection for the next request, and when that was due, if it is.
    fn take(&mut self, now: Duration) -> Option<(usize, Duration)> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let place = self.idle.pop_front()?;
        self.sent += 1;
        Some((place, due))
    }

    fn answered(&mut self, place: usize, status: u16, latency: Duration) {
        self.answered += 1;
        self.idle.push_back(place);
        self.tally.answer(status, latency);
    }

    fn failed(&mut self, place: usize, latency: Duration) {
        self.answered += 1;
        self.idle.push_back(place);
        self.tally.fail(latency);
    }

    fn flowed(self) -> Flowed {
        let Tally { all, by_status, late, failed } = self.tally;
        let answers = by_status.iter().map(|(status, latencies)| Answers::of(*status, latencies));
        Flowed {
            answers: answers.collect(),
            failed,
            p50_us: all.value_at_quantile(0.50) as f64,
            p99_us: all.value_at_quantile(0.99) as f64,
            late_p99_us: late.value_at_quantile(0.99) as f64,
        }
    }
}

impl Tally {
    fn new() -> Tally {
        Tally { all: histogram(), by_status: BTreeMap::new(), late: histogram(), failed: 0 }
    }

    fn answer(&mut self, status: u16, latency: Duration) {
        self.all.saturating_record(micros(latency));
        self.by_status.entry(status).or_insert_with(histogram).saturating_record(micros(latency));
    }

    /// A request without an answer has waited at least so long.
    fn fail(&mut self, latency: Duration) {
        self.all.saturating_record(micros(latency));
        self.failed += 1;
    }
}

impl Connection {
    /// Reads what has come: the status of an answer once all of it is there, none when nothing more comes for now.
    fn receive(&mut self) -> io::Result<Option<u16>> {
        loop {
            let mut part = [0; 4096];
            match self.socket.read(&mut part) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => self.input.extend_from_slice(&part[..got]),
                // Not connected: the connection is still being made.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
            let wrong = |problem: crate::error::AnswerProblem| io::Error::other(problem.to_string());
            let Some(head) = answer::head(&self.input).map_err(wrong)? else { continue };
            let whole = head.len as u64 + head.body;
            if (self.input.len() as u64) < whole {
                continue;
            }
            if self.input.len() as u64 > whole || self.due.is_none() {
                // More than was asked for.
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.input.clear();
            return Ok(Some(head.status));
        }
    }
}

fn connect(to: SocketAddr, poll: &Poll, place: usize) -> io::Result<TcpStream> {
    // Made before anything is due, and by the blocking call: only so is it there when its first request is.
    let socket = std::net::TcpStream::connect(to)?;
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    let mut socket = TcpStream::from_std(socket);
    poll.registry().register(&mut socket, Token(place), Interest::READABLE)?;
    Ok(socket)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers every request on one connection.
    fn serve(listener: &TcpListener, answer: &[u8]) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buf = [0; 4096];
        while let Ok(1..) = stream.read(&mut buf) {
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }

    fn check(answer: &'static [u8], verify: impl Fn(&Flowed)) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| serve(&listener, answer));
            let visitors = Visitors::Readers { path: "small.txt".into() };
            let flow = Flow { visitors, rate: 50, connections: 1 };
            let flowed = run(&Task { to, seconds: 1, flows: vec![flow] }).unwrap();
            verify(&flowed[0]);
        });
    }

    #[test]
    fn as_many_as_planned_leave() {
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", |flowed| {
            assert_eq!((flowed.count(200), flowed.failed), (50, 0), "{flowed:?}");
            assert!(flowed.p50_us > 0.0 && flowed.p99_us >= flowed.p50_us, "{flowed:?}");
        });
        check(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", |flowed| {
            assert_eq!((flowed.count(503), flowed.count(200)), (50, 0), "{flowed:?}");
        });
    }

    #[test]
    fn waiting_for_a_connection_is_part_of_the_latency() {
        let flow = Flow { visitors: Visitors::Readers { path: "x".into() }, rate: 10, connections: 1 };
        let mut stream =
            Stream { flow, planned: 3, sent: 0, answered: 0, idle: VecDeque::from([7]), tally: Tally::new() };
        let ms = Duration::from_millis;
        assert_eq!(stream.take(ms(0)), Some((7, ms(0))));
        // The second is due, and has no connection.
        assert_eq!(stream.take(ms(150)), None);
        stream.answered(7, 200, ms(400));
        assert_eq!(stream.take(ms(400)), Some((7, ms(100))));
        stream.answered(7, 200, ms(400));
        assert_eq!(stream.take(ms(199)), None);
    }
}

//! A constant load from several clients at once, each of which counts what it asked for and what it got.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::failure::{Failure, Outcome};
use crate::output::Place;
use crate::response::Asked;
use crate::{Client, Response};

/// How a client uses its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// One connection for as long as the server lets it live.
    Keeps,
    /// A connection for each request, which the client closes.
    Closes,
    /// A connection for each request, which the client asks the server to close.
    AsksToClose,
}

/// What clients have seen.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Connections opened.
    pub connections: u64,
    /// Requests answered as they should be.
    pub answered: u64,
    /// Everything that went otherwise.
    pub failures: Vec<String>,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    stopped: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// Starts one client of each habit for each place, which all ask for `path` of `host` and expect `body`.
    #[must_use]
    pub fn start(places: &[Place], host: &str, path: &str, body: &[u8]) -> Load {
        let ways: Vec<Way> = places.iter().cloned().map(Way::Plain).collect();
        Load::by(&ways, &Question::get(host, path), body)
    }

    /// The same with POST and this content.
    #[must_use]
    pub fn start_posting(places: &[Place], host: &str, content: &str, body: &[u8]) -> Load {
        let ways: Vec<Way> = places.iter().cloned().map(Way::Plain).collect();
        Load::by(&ways, &Question::post(host, content), body)
    }

    /// The same over TLS, with these arguments for openssl.
    #[must_use]
    pub fn start_secure(
        address: SocketAddr,
        arguments: &[&str],
        host: &str,
        path: &str,
        body: &[u8],
    ) -> Load {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Load::by(&[Way::Tls(address, arguments)], &Question::get(host, path), body)
    }

    fn by(ways: &[Way], question: &Question, body: &[u8]) -> Load {
        let stopped = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for way in ways {
            for habit in [Habit::Keeps, Habit::Closes, Habit::AsksToClose] {
                let user = User {
                    way: way.clone(),
                    habit,
                    request: question.bytes(habit),
                    body: body.to_vec(),
                    stopped: Arc::clone(&stopped),
                };
                clients.push(thread::spawn(move || user.work()));
            }
        }
        Load { stopped, clients }
    }

    /// Ends it; what all clients have seen.
    #[must_use]
    pub fn stop(self) -> Tally {
        self.stopped.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for client in self.clients {
            let tally = client.join().expect("no client panics");
            sum.connections += tally.connections;
            sum.answered += tally.answered;
            sum.failures.extend(tally.failures);
        }
        sum
    }
}

/// What all clients ask.
struct Question {
    /// The request line, and the fields that all have.
    head: String,
    content: String,
}

impl Question {
    fn get(host: &str, path: &str) -> Question {
        Question { head: format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"), content: String::new() }
    }

    fn post(host: &str, content: &str) -> Question {
        let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n", content.len());
        Question { head, content: content.to_owned() }
    }

    fn bytes(&self, habit: Habit) -> Vec<u8> {
        let close = if habit == Habit::AsksToClose { "Connection: close\r\n" } else { "" };
        format!("{}{close}\r\n{}", self.head, self.content).into_bytes()
    }
}

/// How a client connects.
#[derive(Debug, Clone)]
enum Way {
    Plain(Place),
    Tls(SocketAddr, Vec<String>),
}

/// One client.
struct User {
    way: Way,
    habit: Habit,
    request: Vec<u8>,
    body: Vec<u8>,
    stopped: Arc<AtomicBool>,
}

/// What a client does no more than: more of the same tells nothing.
const FAILURES_MAX: usize = 20;

impl User {
    fn work(&self) -> Tally {
        let mut tally = Tally::default();
        while self.goes_on() && tally.failures.len() < FAILURES_MAX {
            let answered = tally.answered;
            if let Err(failure) = self.connection(&mut tally) {
                let before = tally.answered - answered;
                tally.failures.push(format!(
                    "{:?} at {:?}, after {before} requests on the connection: {failure}",
                    self.habit, self.way
                ));
            }
        }
        tally
    }

    fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    /// One connection, from its begin to its end.
    fn connection(&self, tally: &mut Tally) -> Outcome<()> {
        let mut client = self.connect()?;
        tally.connections += 1;
        loop {
            client.send(&self.request)?;
            let response = client.response(Asked::Other)?;
            self.check(&response)?;
            tally.answered += 1;
            if response.says_close() {
                return client.closed().map(drop);
            }
            if self.habit != Habit::Keeps || !self.goes_on() {
                return Ok(());
            }
        }
    }

    fn connect(&self) -> Outcome<Client> {
        match &self.way {
            Way::Plain(place) => Client::connect(place),
            Way::Tls(address, arguments) => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                Client::secure(*address, &arguments)
            }
        }
    }

    fn check(&self, response: &Response) -> Outcome<()> {
        if response.status != 200 {
            return Err(Failure::mismatch("status", 200, response.status));
        }
        if response.body != self.body {
            return Err(Failure::mismatch("length of the body", self.body.len(), response.body.len()));
        }
        Ok(())
    }
}

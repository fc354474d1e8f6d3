//! What a running server prints: where it listens, and its counters once a second.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::Counters;

/// Lines kept for messages about failures; older ones are forgotten.
const LINES_KEPT: usize = 200;

/// An address the server listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// TCP.
    Ip(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Standard output and standard error of the server, read to their ends.
#[derive(Debug, Clone, Default)]
pub struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    said: Mutex<Said>,
    news: Condvar,
}

/// What was said so far.
#[derive(Debug, Default)]
pub struct Said {
    /// The latest lines.
    pub lines: Vec<String>,
    /// Each counter's latest value.
    pub counters: Counters,
    /// Addresses in the order they were printed.
    pub places: Vec<Place>,
    /// How many lines were heard in all.
    pub heard: u64,
    /// Pipes still open.
    open: usize,
}

impl Said {
    /// Whether both pipes have ended, that is, the server is gone.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.open == 0
    }

    /// The latest lines as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    fn hear(&mut self, line: &str) {
        for word in line.split_whitespace() {
            if let Some(place) = place(word) {
                self.places.push(place);
            } else if let Some((name, value)) = counter(word) {
                self.counters.insert(name, value);
            }
        }
        if self.lines.len() == LINES_KEPT {
            self.lines.remove(0);
        }
        self.lines.push(line.to_owned());
        self.heard += 1;
    }
}

impl Output {
    /// Reads a pipe in a thread of its own until it ends.
    pub fn follow(&self, pipe: impl Read + Send + 'static) {
        self.said().open += 1;
        let output = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                output.said().hear(&String::from_utf8_lossy(&line));
                output.shared.news.notify_all();
            }
            output.said().open -= 1;
            output.shared.news.notify_all();
        });
    }

    /// What was said so far.
    pub fn said(&self) -> MutexGuard<'_, Said> {
        self.shared.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done` holds; false when `patience` ran out first, or when the server ended without.
    pub fn wait(&self, patience: Duration, mut done: impl FnMut(&Said) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut said = self.said();
        loop {
            if done(&said) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || said.ended() {
                return false;
            }
            said = self.shared.news.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// `http://ADDRESS/`, `https://ADDRESS/` or `unix:PATH` in a line of the server.
fn place(word: &str) -> Option<Place> {
    if let Some(path) = word.strip_prefix("unix:") {
        return Some(Place::Unix(PathBuf::from(path)));
    }
    let address = word.strip_prefix("http://").or_else(|| word.strip_prefix("https://"))?;
    let address = address.trim_end_matches(['/', ',', '.']);
    address.parse().ok().map(Place::Ip)
}

/// `name=value` in a line of counters.
fn counter(word: &str) -> Option<(String, u64)> {
    let (name, value) = word.split_once('=')?;
    let named =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    named.then(|| value.parse().ok().map(|value| (name.to_owned(), value))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_places_and_counters() {
        let mut said = Said::default();
        said.hear("kimura: serving /srv on http://127.0.0.1:8080/ and http://[::1]:81, unix:/run/k.sock");
        said.hear("requests_begun=5 limit_head=0 p99=1.5 Shouting=1");
        said.hear("requests_begun=6");
        let addresses = ["127.0.0.1:8080", "[::1]:81"].map(|text| Place::Ip(text.parse().expect(text)));
        assert_eq!(said.places[..2], addresses);
        assert_eq!(said.places[2], Place::Unix("/run/k.sock".into()));
        let wanted = [("limit_head".to_owned(), 0), ("requests_begun".to_owned(), 6)];
        assert_eq!(said.counters, Counters::from(wanted));
    }
}

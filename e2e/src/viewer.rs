//! A viewer of live logs: server-sent events, taken apart as they come.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::PATIENCE;
use crate::failure::{Failure, Outcome};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its kind; `message` is that of a line.
    pub name: String,
    /// What a viewer that comes again says.
    pub id: String,
    /// What it says; empty when it only keeps the connection.
    pub data: String,
}

impl Event {
    /// A member of the object that it says, as text.
    #[must_use]
    pub fn text(&self, member: &str) -> String {
        let object: Value = serde_json::from_str(&self.data).unwrap_or_default();
        object[member].as_str().map_or_else(|| object[member].to_string(), str::to_owned)
    }
}

/// How a stream of events has gone on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// With this.
    Event(Event),
    /// It has ended as it should.
    End,
    /// Nothing has come in time.
    Silence,
}

/// A connection on which events come.
#[derive(Debug)]
pub struct Viewer {
    reader: BufReader<TcpStream>,
    /// Without the framing.
    text: String,
    /// The id of the last event.
    pub id: String,
}

impl Viewer {
    /// Asks for `target` with these further fields (whole lines); the error is the status when it is not 200.
    pub fn open(address: SocketAddr, target: &str, fields: &str) -> Outcome<Result<Viewer, u16>> {
        let mut stream = connect(address)?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).map_err(Failure::machine("send to", "the server"))?;
        let mut viewer = Viewer { reader: BufReader::new(stream), text: String::new(), id: String::new() };
        let status = viewer.line()?;
        while !viewer.line()?.is_empty() {}
        match status.split(' ').nth(1).and_then(|code| code.parse().ok()) {
            Some(200) => Ok(Ok(viewer)),
            code => Ok(Err(code.unwrap_or(0))),
        }
    }

    /// The next event that says something, or what comes in its place within `patience`.
    pub fn next(&mut self, patience: Duration) -> Outcome<Heard> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if !event.id.is_empty() {
                    self.id.clone_from(&event.id);
                }
                if !event.data.is_empty() {
                    return Ok(Heard::Event(event));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Heard::Silence);
            }
            let limited = self.reader.get_ref().set_read_timeout(Some(left));
            limited.map_err(Failure::machine("configure", "a connection"))?;
            match self.reader.fill_buf() {
                Ok([]) => return Err(Failure::Closed { got: self.text.len(), reset: false }),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(Failure::machine("receive from", "the server")(error)),
            }
            if !self.chunk()? {
                return Ok(Heard::End);
            }
        }
    }

    /// The next line of a log, whatever else comes before.
    pub fn line_with(&mut self, part: &str) -> Outcome<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next(deadline.saturating_duration_since(Instant::now()))? {
                Heard::Event(event) if event.name == "message" && event.text("line").contains(part) => {
                    return Ok(event);
                }
                Heard::Event(_) => {}
                Heard::End => return Err(Failure::mismatch("a line", part, "the end")),
                Heard::Silence => {
                    return Err(Failure::Late { what: format!("a line with {part:?}"), waited: PATIENCE });
                }
            }
        }
    }

    /// Waits for the orderly end of the stream.
    pub fn end(&mut self) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next(deadline.saturating_duration_since(Instant::now()))? {
                Heard::End => return Ok(()),
                Heard::Event(_) => {}
                Heard::Silence => {
                    return Err(Failure::Late { what: "the end of a stream".to_owned(), waited: PATIENCE });
                }
            }
        }
    }

    /// Takes one chunk; `false` when it was the last one.
    fn chunk(&mut self) -> Outcome<bool> {
        let limited = self.reader.get_ref().set_read_timeout(Some(PATIENCE));
        limited.map_err(Failure::machine("configure", "a connection"))?;
        let size = self.line()?;
        let size = usize::from_str_radix(&size, 16)
            .map_err(|_| Failure::mismatch("the size of a chunk", "digits", &size))?;
        let mut data = vec![0; size + 2];
        self.reader.read_exact(&mut data).map_err(Failure::machine("receive from", "the server"))?;
        data.truncate(size);
        let text = String::from_utf8(data).map_err(|_| Failure::mismatch("events", "UTF-8", "bytes"))?;
        self.text.push_str(&text);
        Ok(size > 0)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).map_err(Failure::machine("receive from", "the server"))?;
        Ok(line.trim_end_matches("\r\n").to_owned())
    }
}

fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let failed = || Failure::machine("connect to", address.to_string());
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed())?;
    Ok(stream)
}

fn parse(block: &str) -> Event {
    let mut event = Event { name: "message".to_owned(), id: String::new(), data: String::new() };
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", value)) => value.clone_into(&mut event.name),
            Some(("id", value)) => value.clone_into(&mut event.id),
            Some(("data", value)) => value.clone_into(&mut event.data),
            _ => {}
        }
    }
    event
}

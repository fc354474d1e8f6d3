//! Records from an application.

use std::fmt;
use std::ops::Range;

use super::record::{HEAD_LEN, REQUEST_ID, VERSION, kind};

/// What one call of [`Reply::next`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// What they are.
    pub part: Part,
}

/// A part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing of interest yet.
    Nothing,
    /// The response, whose next bytes stand there in the input.
    Output(Range<usize>),
    /// What the application has to say to the operator.
    Errors(Range<usize>),
    /// The request is done; nothing more comes for it.
    End,
}

/// Why a reply cannot be read. The connection cannot be used after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReply {
    /// A version other than 1: this is not FastCGI.
    Version,
    /// A record of a kind that no application sends unasked.
    Kind,
    /// A record for a request that is not there.
    RequestId,
    /// The record that ends a request is not of eight bytes.
    EndLength,
    /// The application refuses: it takes one request at a time on a connection, and thinks that there is another.
    Multiplexed,
    /// The application refuses: it has too much to do.
    Overloaded,
    /// The application refuses: it does not give responses.
    Role,
    /// The record that ends a request says something that is not known.
    EndStatus,
}

impl fmt::Display for BadReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "it does not speak FastCGI",
            Self::Kind => "it has sent a record of a kind that was not asked for",
            Self::RequestId => "it has sent a record for another request",
            Self::EndLength => "its record that ends the request is not of eight bytes",
            Self::Multiplexed => "it refuses a second request on a connection",
            Self::Overloaded => "it has too much to do",
            Self::Role => "it does not give responses to requests",
            Self::EndStatus => "its record that ends the request has an unknown status",
        })
    }
}

impl std::error::Error for BadReply {}

/// Takes the reply to one request apart, at whatever places its bytes are split. It keeps nothing but a head and the
/// eight bytes of the record that ends the request.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    state: State,
    kept: [u8; HEAD_LEN],
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the head, of which so many bytes are kept.
    Head(usize),
    Content {
        stream: Stream,
        left: usize,
        padding: usize,
    },
    /// In the content of the last record, of which so many bytes are kept.
    End {
        kept: usize,
        padding: usize,
    },
    Padding {
        left: usize,
        last: Last,
    },
    Done,
}

impl Default for State {
    fn default() -> State {
        State::Head(0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Output,
    Errors,
}

/// Whether the record is the one that ends the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

impl Reply {
    /// Before the first byte of a reply.
    #[must_use]
    pub fn new() -> Reply {
        Reply::default()
    }

    /// Whether the request is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes records from the front of `input`, up to and with the next run of output or errors, or to the end of the
    /// reply. Bytes after that are not looked at.
    ///
    /// # Errors
    /// When it is not a reply to our request.
    pub fn next(&mut self, input: &[u8]) -> Result<Step, BadReply> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            match self.state {
                State::Content { stream, left, padding } if 0 < left => {
                    let end = input.len().min(at + left);
                    self.state = State::Content { stream, left: left - (end - at), padding };
                    let part = match stream {
                        Stream::Output => Part::Output(at..end),
                        Stream::Errors => Part::Errors(at..end),
                    };
                    self.settle();
                    return Ok(Step { consumed: end, part });
                }
                State::Padding { left, last } => {
                    let skipped = left.min(input.len() - at);
                    self.state = State::Padding { left: left - skipped, last };
                    at += skipped;
                }
                _ => {
                    self.keep(input[at])?;
                    at += 1;
                }
            }
            self.settle();
        }
        Ok(Step { consumed: at, part: if self.is_done() { Part::End } else { Part::Nothing } })
    }

    /// Goes on from parts of which nothing is left.
    fn settle(&mut self) {
        if let State::Content { left: 0, padding, .. } = self.state {
            self.state = State::Padding { left: padding, last: Last::No };
        }
        match self.state {
            State::Padding { left: 0, last: Last::No } => self.state = State::Head(0),
            State::Padding { left: 0, last: Last::Yes } => self.state = State::Done,
            _ => {}
        }
    }

    /// One byte of a head, or of the record that ends the request.
    fn keep(&mut self, byte: u8) -> Result<(), BadReply> {
        let (State::Head(kept) | State::End { kept, .. }) = self.state else {
            unreachable!("other parts are passed over")
        };
        self.kept[kept] = byte;
        let whole = kept + 1 == HEAD_LEN;
        self.state = match self.state {
            State::Head(_) if whole => record(&self.kept)?,
            State::Head(_) => {
                // Another protocol is told from this one by its first byte.
                if kept == 0 && byte != VERSION {
                    return Err(BadReply::Version);
                }
                State::Head(kept + 1)
            }
            State::End { padding, .. } if whole => {
                end_status(&self.kept)?;
                State::Padding { left: padding, last: Last::Yes }
            }
            State::End { padding, .. } => State::End { kept: kept + 1, padding },
            other => other,
        };
        Ok(())
    }
}

/// What follows such a head.
fn record(head: &[u8; HEAD_LEN]) -> Result<State, BadReply> {
    let [_, kind, id_high, id_low, high, low, padding, _] = *head;
    if u16::from_be_bytes([id_high, id_low]) != REQUEST_ID {
        return Err(BadReply::RequestId);
    }
    let left = usize::from(u16::from_be_bytes([high, low]));
    let padding = usize::from(padding);
    match kind {
        kind::OUTPUT => Ok(State::Content { stream: Stream::Output, left, padding }),
        kind::ERRORS => Ok(State::Content { stream: Stream::Errors, left, padding }),
        kind::END if left == HEAD_LEN => Ok(State::End { kept: 0, padding }),
        kind::END => Err(BadReply::EndLength),
        _ => Err(BadReply::Kind),
    }
}

/// Section 5.5. The status of the program itself, in the first four bytes, is not for us: what a response says counts.
fn end_status(content: &[u8; HEAD_LEN]) -> Result<(), BadReply> {
    match content[4] {
        0 => Ok(()),
        1 => Err(BadReply::Multiplexed),
        2 => Err(BadReply::Overloaded),
        3 => Err(BadReply::Role),
        _ => Err(BadReply::EndStatus),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        let head = [VERSION, kind, 0, 1, len[0], len[1], padding, 0];
        [&head[..], content, &vec![b'P'; usize::from(padding)]].concat()
    }

    fn end(status: u8, padding: u8) -> Vec<u8> {
        record(kind::END, &[0, 0, 0, 7, status, 0, 0, 0], padding)
    }

    /// Output, errors, and what is left of the input.
    fn all(input: &[u8], step: usize) -> Result<(String, String, usize, bool), BadReply> {
        let (mut reply, mut output, mut errors, mut at) = (Reply::new(), Vec::new(), Vec::new(), 0);
        while at < input.len() && !reply.is_done() {
            let end = input.len().min(at + step);
            let found = reply.next(&input[at..end])?;
            match found.part {
                Part::Output(range) => output.extend_from_slice(&input[at..end][range]),
                Part::Errors(range) => errors.extend_from_slice(&input[at..end][range]),
                Part::Nothing | Part::End => {}
            }
            at += found.consumed;
        }
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ok((text(output), text(errors), input.len() - at, reply.is_done()))
    }

    fn check(records: &[Vec<u8>], expected: Result<(&str, &str, usize, bool), BadReply>) {
        let input = records.concat();
        crate::fuzzing::fastcgi_reply(&input);
        for step in [1, 3, 8, 1000] {
            let found = all(&input, step);
            let found = found
                .as_ref()
                .map(|(output, errors, left, done)| (output.as_str(), errors.as_str(), *left, *done));
            assert_eq!(found.map_err(|bad| *bad), expected, "{} by {step}", input.escape_ascii());
        }
    }

    #[test]
    fn replies_are_taken_apart() {
        let (output, errors) = (|text: &str, pad| record(kind::OUTPUT, text.as_bytes(), pad), kind::ERRORS);
        check(&[output("abc", 5), end(0, 0)], Ok(("abc", "", 0, true)));
        check(
            &[output("a", 0), record(errors, b"oh", 6), output("b", 255), end(0, 8)],
            Ok(("ab", "oh", 0, true)),
        );
        check(&[output("", 0), record(errors, b"", 0), end(0, 0), output("next", 0)], Ok(("", "", 12, true)));
        check(&[output("", 7), end(0, 0)], Ok(("", "", 0, true)));
        check(&[output("abc", 5)], Ok(("abc", "", 0, false)));
        check(&[end(0, 3)[..17].to_vec()], Ok(("", "", 0, false)));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let with = |at: usize, byte: u8| {
            let mut record = record(kind::OUTPUT, b"", 0);
            record[at] = byte;
            record
        };
        for (input, bad) in [
            (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), BadReply::Version),
            (with(0, 2), BadReply::Version),
            (with(1, kind::INPUT), BadReply::Kind),
            (with(1, 11), BadReply::Kind),
            (with(2, 1), BadReply::RequestId),
            (with(3, 0), BadReply::RequestId),
            (record(kind::END, b"1234567", 0), BadReply::EndLength),
            (end(1, 0), BadReply::Multiplexed),
            (end(2, 0), BadReply::Overloaded),
            (end(3, 0), BadReply::Role),
            (end(4, 0), BadReply::EndStatus),
        ] {
            check(&[input], Err(bad));
            assert!(!bad.to_string().is_empty());
        }
    }
}

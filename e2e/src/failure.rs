//! Why a test did not get what it wanted.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The result of a step of a test.
pub type Outcome<T> = Result<T, Failure>;

/// What went wrong, by whose fault.
#[derive(Debug)]
pub enum Failure {
    /// The machine refused something the test itself needs.
    Machine {
        /// What was tried.
        what: &'static str,
        /// The path or program it was tried on.
        subject: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A data file is wrong.
    Script {
        /// Line in the file, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The server ended, or said something unexpected, before it served.
    Start {
        /// What was awaited.
        what: String,
        /// Everything it printed.
        output: String,
    },
    /// Nothing came in time.
    Late {
        /// What was awaited.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// The peer closed before a response was complete.
    Closed {
        /// The bytes of the incomplete response.
        got: usize,
        /// True for a reset, false for an orderly end.
        reset: bool,
    },
    /// The bytes are no HTTP/1.1 response.
    Malformed(Malformed),
    /// A well-formed answer, but not the wanted one.
    Mismatch {
        /// What was compared.
        what: String,
        /// What the test wanted.
        wanted: String,
        /// What came.
        got: String,
    },
}

/// How a response breaks RFC 9112 or RFC 9110.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// Not `HTTP/1.1 SP 3DIGIT SP [reason]`.
    StatusLine(String),
    /// Not `token ":" OWS value OWS`, or a control character in it.
    FieldLine(String),
    /// Both framing fields, or one of them twice, or not a number.
    Framing(String),
    /// A chunk without its size line or its CRLF.
    Chunk(String),
    /// A final answer below 500 other than 400 and 408 without Date.
    NoDate(u16),
    /// Bytes after the last response that nothing asked for.
    Surplus(String),
    /// A head longer than any answer of ours may be.
    HeadTooLong(usize),
}

impl Failure {
    /// A [`Failure::Mismatch`] of two values.
    pub fn mismatch(what: impl Into<String>, wanted: impl fmt::Display, got: impl fmt::Display) -> Failure {
        Failure::Mismatch { what: what.into(), wanted: wanted.to_string(), got: got.to_string() }
    }

    /// Turns an I/O error into a [`Failure::Machine`].
    pub fn machine(what: &'static str, subject: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
        let subject = subject.into();
        move |error| Failure::Machine { what, subject, error }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Machine { what, subject, error } => {
                write!(f, "cannot {what} {}: {error}", subject.display())
            }
            Failure::Script { line, what } => write!(f, "line {line} of the data file: {what}"),
            Failure::Start { what, output } => write!(f, "the server: {what}; it printed:\n{output}"),
            Failure::Late { what, waited } => write!(f, "no {what} within {waited:?}"),
            Failure::Closed { got, reset: true } => {
                write!(f, "connection reset after {got} bytes of a response")
            }
            Failure::Closed { got, reset: false } => {
                write!(f, "connection closed after {got} bytes of a response")
            }
            Failure::Malformed(malformed) => write!(f, "malformed response: {malformed}"),
            Failure::Mismatch { what, wanted, got } => write!(f, "{what}: wanted {wanted}, got {got}"),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::StatusLine(line) => write!(f, "status line {line:?}"),
            Malformed::FieldLine(line) => write!(f, "field line {line:?}"),
            Malformed::Framing(what) => write!(f, "framing: {what}"),
            Malformed::Chunk(what) => write!(f, "chunked coding: {what}"),
            Malformed::NoDate(status) => write!(f, "{status} without Date"),
            Malformed::Surplus(bytes) => write!(f, "surplus bytes {bytes:?}"),
            Malformed::HeadTooLong(length) => write!(f, "head of more than {length} bytes"),
        }
    }
}

impl std::error::Error for Failure {}

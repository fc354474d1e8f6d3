//! The language of `cases/*.case`, told in `cases/README.md`.
//!
//! A file is one server: its configuration, the files it serves, and the cases, each a connection of its
//! own. Reading a file ([`parse`]) and playing it ([`play`]) are apart, so that a mistake in a data file is
//! found before anything is started.

mod disk;
mod expect;
mod parse;
mod play;

use std::path::PathBuf;

pub use disk::Change;
pub use expect::{BodyRule, Expectation, FieldRule};
pub use parse::parse;
pub use play::play;

/// One data file.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    /// Text of the configuration, variables not yet expanded.
    pub configuration: String,
    /// Further command line arguments, variables not yet expanded.
    pub arguments: Vec<String>,
    /// Limit of open files for the server.
    pub open_files: Option<u32>,
    /// What is on the disk before the server starts.
    pub disk: Vec<Change>,
    /// The cases, in order.
    pub cases: Vec<Case>,
    /// What the counters must say when the server has ended.
    pub finals: Vec<Final>,
}

/// One connection, or one more on the same server.
#[derive(Debug, Clone)]
pub struct Case {
    /// What holds if it passes.
    pub name: String,
    /// Where it begins in its file.
    pub line: usize,
    /// Which of the printed addresses it connects to, from 1.
    pub place: usize,
    /// Whether it is played again until it passes, for what takes effect after a while.
    pub eventually: bool,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens in a case.
#[derive(Debug, Clone)]
pub enum Step {
    /// Send these bytes, variables not yet expanded.
    Send(String),
    /// End the sending direction.
    HalfClose,
    /// Read a response and compare it.
    Expect(Box<Expectation>),
    /// Read a head and so many bytes of its content.
    Part {
        /// Bytes to read.
        bytes: u64,
        /// What the head must say.
        expectation: Box<Expectation>,
    },
    /// The rest of the content just begun never comes whole: the connection ends before.
    Cut,
    /// The rest of the content just begun comes whole.
    Whole,
    /// The server closes in order, with nothing more said.
    Closed,
    /// The connection serves another request.
    Open,
    /// The server closes: after a response with this status, or without a word.
    Gone {
        /// The status.
        status: u16,
    },
    /// Close this connection and begin another.
    Reconnect,
    /// Begin another connection and keep this one open to the end of the case.
    Hold,
    /// Change a file.
    Disk(Change),
    /// Keep a field of the last response as a variable.
    Save {
        /// Field name.
        field: String,
        /// Variable name.
        variable: String,
    },
    /// Wait until a counter, printed once a second, has grown by this much since the case began.
    Grown {
        /// Counter name.
        counter: String,
        /// By how much at least.
        by: u64,
    },
}

/// What a counter must say when the server has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final {
    /// Where it stands in its file.
    pub line: usize,
    /// Counter name.
    pub counter: String,
    /// How it is compared.
    pub relation: Relation,
    /// With what.
    pub value: u64,
}

/// How a counter is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
}

impl Relation {
    /// Whether `counted` stands in this relation to `value`.
    #[must_use]
    pub fn holds(self, counted: u64, value: u64) -> bool {
        match self {
            Relation::Equal => counted == value,
            Relation::AtLeast => counted >= value,
            Relation::AtMost => counted <= value,
        }
    }
}

/// What became of a data file.
#[derive(Debug)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Each case, and the file's start and end, with why it failed.
    pub verdicts: Vec<(String, Result<(), String>)>,
}

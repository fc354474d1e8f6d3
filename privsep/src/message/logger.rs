//! Supervisor and logger: descriptors in, totals out.

use super::{Hello, Message, Output};
use crate::wire::variants;

variants! {
    /// To the logger.
    pub enum ToLogger {
        /// The first frame.
        1 Hello {
            /// As every child is told.
            hello: Hello,
        },
        /// A destination, new or in place of the one with this number. Comes with its descriptor, and with the memory in
        /// which its lines wait.
        2 Sink {
            /// Its number in the batches of the workers.
            number: u16,
            /// Its name in messages.
            name: String,
            /// What it is: for the standard streams the logger uses its own.
            output: Output,
            /// Cells of the memory.
            cells: u64,
            /// Bytes of lines with which requests begin to wait; none when the oldest lines are given up instead.
            hold_at: Option<u64>,
            /// Names the life of the server, which numbers packets anew.
            epoch: u64,
            /// Whether the memory is a file.
            spilled: bool,
        },
        /// A worker's end, from which batches come. Comes with its descriptor.
        3 Producer {
            /// The worker's generation.
            generation: u32,
        },
        /// Where to show what comes. Comes with a ring of [`sys::broadcast`].
        40 Tail,
        /// A new error log. Comes with its descriptor.
        4 ErrorLog,
        /// Where it says which logs cannot keep up. Comes with a cell for each number.
        35 Pressure {
            /// How many cells they are.
            sinks: u32,
        },
        /// Write what is there and end.
        6 Finish,
    }

    /// From the logger.
    pub enum FromLogger {
        /// All is written that could be: the last word.
        1 Finished,
        /// Everything that a worker has sent before its end is taken.
        2 Read {
            /// The worker's generation.
            generation: u32,
            /// Lines that it has sent.
            lines: u64,
        },
    }
}

impl Message for ToLogger {
    fn descriptors(&self) -> usize {
        match self {
            Self::Sink { .. } => 2,
            Self::Producer { .. } | Self::ErrorLog | Self::Tail | Self::Pressure { .. } => 1,
            Self::Hello { .. } | Self::Finish => 0,
        }
    }
}

impl Message for FromLogger {}

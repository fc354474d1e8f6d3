//! Supervisor and logger: descriptors in, totals out.

use super::{Hello, Message, Method, Output, RotationNeeds};
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
            /// Counts the files of this destination.
            turn: u32,
            /// When its file is to be put aside; none when never.
            rotation: Option<RotationNeeds>,
            /// Whether the messages of the error log go there, too.
            messages: bool,
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
        /// A file that lines of a destination went to before; what a logger that was killed had begun there is ended
        /// there. Comes with its descriptor, before the destination itself.
        7 Before {
            /// The number of the destination.
            number: u16,
        },
        /// Compress a file that was put aside. Comes with its descriptor and that of an empty file for the result.
        8 Compress {
            /// Names the task.
            job: u32,
            /// How.
            method: Method,
        },
        /// Bring to the disk which files a folder has. Comes with its descriptor.
        9 Sync {
            /// The task that it belongs to.
            job: u32,
        },
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
        /// The file of a destination should be put aside.
        3 Rotate {
            /// The number of the destination.
            number: u16,
        },
        /// Nothing is written any more to any file that a destination had before this one.
        4 Switched {
            /// The number of the destination.
            number: u16,
            /// As it was told with the file.
            turn: u32,
        },
        /// The result is whole, and on the disk.
        5 Compressed {
            /// The task.
            job: u32,
        },
        /// The folder is on the disk.
        6 Synced {
            /// The task.
            job: u32,
        },
        /// A task cannot be carried out.
        7 Failed {
            /// The task.
            job: u32,
            /// What the system says, as errno(3) has it; 0 for anything else.
            error: u32,
        },
    }
}

impl Message for ToLogger {
    fn descriptors(&self) -> usize {
        match self {
            Self::Sink { .. } | Self::Compress { .. } => 2,
            Self::Producer { .. }
            | Self::ErrorLog
            | Self::Tail
            | Self::Pressure { .. }
            | Self::Before { .. }
            | Self::Sync { .. } => 1,
            Self::Hello { .. } | Self::Finish => 0,
        }
    }
}

impl Message for FromLogger {}

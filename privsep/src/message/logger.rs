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
        /// A destination, new or in place of the one with this number. Comes with its descriptor.
        2 Sink {
            /// Its number in the batches of the workers.
            number: u16,
            /// Its name in messages.
            name: String,
            /// What it is: for the standard streams the logger uses its own.
            output: Output,
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
        /// Write what is there and end.
        6 Finish,
    }

    /// From the logger.
    pub enum FromLogger {
        /// How much was written: the last word.
        1 Totals {
            /// Lines written.
            written: u64,
            /// Lines given up.
            lost: u64,
        },
    }
}

impl Message for ToLogger {
    fn descriptors(&self) -> usize {
        usize::from(matches!(self, Self::Sink { .. } | Self::Producer { .. } | Self::ErrorLog | Self::Tail))
    }
}

impl Message for FromLogger {}

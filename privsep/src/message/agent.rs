//! Supervisor and agent: listening sockets in, remote control connections out.

use super::{Hello, Message};
use crate::wire::variants;

variants! {
    /// To the agent.
    pub enum ToAgent {
        /// The first frame.
        1 Hello {
            /// As every child is told.
            hello: Hello,
        },
        /// What it proves itself by: its chain of certificates and the key of that. Comes with encoded
        /// [`super::Contents`] in sealed memory.
        2 Files,
        /// Where connections come. Comes with a socket that listens.
        3 Listen,
        /// A new error log. Comes with its descriptor.
        4 ErrorLog,
        /// Take no more connections, and end when those that are there are answered.
        5 Leave,
        /// Where its messages are shown to viewers of the logs. Comes with a way to the logger.
        6 Messages,
    }

    /// From the agent.
    pub enum FromAgent {
        /// Somebody has a request. Comes with an end of a connection of packets, at which the request waits.
        1 Connection {
            /// The address that it comes from.
            from: String,
        },
    }
}

impl Message for ToAgent {
    fn descriptors(&self) -> usize {
        usize::from(matches!(self, Self::Files | Self::Listen | Self::ErrorLog | Self::Messages))
    }
}

impl Message for FromAgent {
    fn descriptors(&self) -> usize {
        1
    }
}

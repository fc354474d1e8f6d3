//! Why a block of counters cannot be read.

use std::{error, fmt, io};

/// Why a descriptor could not be opened as a [`Block`](crate::Block).
#[derive(Debug)]
pub enum OpenError {
    /// The operating system did not let us see or map the memory.
    Map(io::Error),
    /// It is no block of counters: too small, or without the mark at its start.
    NotABlock,
    /// It is a block, but of a binary that lays it out in another way or counts other things.
    OtherLayout,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(error) => write!(f, "cannot map the counters of a shard: {error}"),
            Self::NotABlock => f.write_str("this descriptor holds no counters of Kimura"),
            Self::OtherLayout => f.write_str(
                "these counters were written by another version of Kimura; \
                 read them with the binary that is serving",
            ),
        }
    }
}

impl error::Error for OpenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Map(error) => Some(error),
            Self::NotABlock | Self::OtherLayout => None,
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Map(error)
    }
}

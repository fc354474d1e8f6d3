//! How the file of a log is put aside: what check says of it, and what the logger has to know.

use sys::calendar::{Period, Zone};

use crate::wire::{records, variants};

records! {
    /// When a file is put aside, and what becomes of those that were.
    #[derive(Copy, Eq)]
    pub struct RotationNeeds {
        /// When it has so many bytes.
        size: Option<u64>,
        /// When such a time is over.
        every: Option<Every>,
        /// By whose clocks.
        clocks: Clocks,
        /// How many are kept, at least 1.
        keep: u32,
        /// For how many seconds after their last line.
        keep_seconds: Option<u64>,
        /// How many bytes all of them may have.
        budget: Option<u64>,
        /// How they are compressed, if at all.
        method: Option<Method>,
        /// How they are called.
        naming: Naming,
    }
}

variants! {
    /// A span of time.
    #[derive(Copy, Eq)]
    pub enum Every {
        /// From a full hour.
        1 Hour,
        /// From midnight.
        2 Day,
        /// From the midnight before a Monday.
        3 Week,
    }

    /// Whose clocks are meant.
    #[derive(Copy, Eq)]
    pub enum Clocks {
        /// Those of the machine.
        1 Local,
        /// UTC.
        2 Utc,
    }

    /// How a file is compressed.
    #[derive(Copy, Eq)]
    pub enum Method {
        /// RFC 1952.
        1 Gzip,
        /// RFC 8878.
        2 Zstd,
    }

    /// How files that were put aside are called.
    #[derive(Copy, Eq)]
    pub enum Naming {
        /// By the time at which they were: `access.log-20261126-130000`.
        1 Date,
        /// By number: `access.log.1` is the newest.
        2 Number,
    }
}

impl From<Every> for Period {
    fn from(every: Every) -> Self {
        match every {
            Every::Hour => Self::Hour,
            Every::Day => Self::Day,
            Every::Week => Self::Week,
        }
    }
}

impl From<Clocks> for Zone {
    fn from(clocks: Clocks) -> Self {
        match clocks {
            Clocks::Local => Self::Local,
            Clocks::Utc => Self::Utc,
        }
    }
}

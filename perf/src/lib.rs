//! What a running Kimura counts, and how people and programs read it.
//!
//! Each shard owns one [`Block`]: cells in shared memory, one for each [`Counter`] of the [`table`] and one
//! for each bucket of the [`latency`] distribution. Only the shard writes to it, so that counting costs a
//! load and a store. Readers add blocks up to a [`Snapshot`], subtract an older one from it, and hand it to
//! [`render`].
//!
//! ```
//! use perf::{Block, Counter, Snapshot, render};
//!
//! # fn main() -> std::io::Result<()> {
//! let shards = [Block::create(0)?, Block::create(1)?];
//! let before = Snapshot::read(&shards);
//! shards[0].inc(Counter::RequestsAnswered);
//! shards[1].record_latency(250_000);
//!
//! let now = Snapshot::read(&shards);
//! assert_eq!(now.since(&before).get(Counter::RequestsAnswered), 1);
//! print!("{}", render::prometheus(&now));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod block;
mod error;
pub mod latency;
pub mod render;
mod snapshot;
pub mod table;
pub mod tally;

pub use block::Block;
pub use error::OpenError;
pub use latency::{Distribution, Latency};
pub use snapshot::Snapshot;
pub use table::Counter;
pub use tally::{TALLY_CELLS, Tally};

//! Files: opened beneath a root they cannot leave, looked at, and read without surprise waits.

mod open;
mod read;
mod stat;

pub use open::{Cached, Symlinks, open_beneath, open_file, open_root};
pub use read::{read_at, read_at_nowait, resident};
pub use stat::{Kind, Stat, stat};

//! Files: opened beneath a root they cannot leave, looked at, and read without surprise waits; and log files.

mod folder;
mod list;
mod log;
mod open;
mod read;
mod spill;
mod stat;

pub use folder::{FileId, Found, LogFolder, make_alike, take_time_of};
pub use list::{Listed, ListedKind, list};
pub use log::{LogError, open_log};
pub use open::{Cached, Symlinks, open_beneath, open_file, open_root};
pub use read::{read_at, read_at_nowait, resident};
pub use spill::{SpillError, allocate, open_spill};
pub use stat::{Kind, Stat, stat};

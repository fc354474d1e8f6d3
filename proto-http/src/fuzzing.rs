//! Properties that hold for every input, checked by fuzzers and tests. Not part of the interface.

mod body;
mod head;
mod upstream;

pub use body::*;
pub use head::{head, scan_twin};
pub use upstream::{relayed, response};

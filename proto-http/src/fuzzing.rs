//! Properties that hold for every input, checked by fuzzers and tests. Not part of the interface.

mod body;
mod head;

pub use body::*;
pub use head::{head, scan_twin};

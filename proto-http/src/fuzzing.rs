//! Properties that hold for every input, checked by fuzzers and tests. Not part of the interface.

mod body;
mod fastcgi;
mod head;
mod upstream;

pub use body::*;
pub use fastcgi::{environment, fastcgi_reply, script_answer, variables};
pub use head::{head, scan_twin};
pub use upstream::{relayed, response};

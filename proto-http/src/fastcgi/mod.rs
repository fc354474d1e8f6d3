//! FastCGI, the side of the web server: records to an application and from it. Sections are those of the "FastCGI
//! Specification", version 1.0, of Open Market.
//!
//! One request at a time is on a connection, so there is one request id. What an application sends is parsed as
//! strictly as the answer of any other upstream.

mod answer;
mod environment;
mod record;
mod reply;
mod script;

pub use answer::CgiParser;
pub use environment::{Environment, Variables};
pub use record::{CONTENT_MAX, Lifetime, write_abort, write_begin, write_end_of_input, write_input_head};
pub use reply::{BadReply, Part, Reply, Step};
pub use script::{Script, ScriptRule};

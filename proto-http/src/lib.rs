//! HTTP/1.1 as pure functions and states: no socket, no clock, no waiting.
#![deny(unsafe_code)]

pub mod body;
pub mod chunk;
pub mod coding;
pub mod condition;
pub mod date;
mod error;
pub mod fastcgi;
mod field;
pub mod forwarded;
mod framing;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod host;
mod method;
mod parser;
pub mod path;
pub mod proxy;
pub mod range;
mod request;
pub mod response;
#[allow(unsafe_code)] // SIMD over bytes; tested and fuzzed against its plain twin.
mod scan;
mod status;
mod target;
mod token;
pub mod upstream;

pub use coding::Coding;
pub use error::{BadRequest, ErrorKind};
pub use field::Known;
pub use head::{Body, Head, Limits, Progress, Span};
pub use host::{Authority, HostKind};
pub use method::{Method, Version};
pub use parser::HeadParser;
pub use request::Request;
pub use status::Status;

//! The other side of a proxy: what is sent to an upstream, and what comes back from it.
//!
//! ```text
//! client -> Request -> RequestHead::write -> upstream -> ResponseParser -> Response -> AnswerHead::write -> client
//! ```
//!
//! An upstream is believed no more than a client: what it sends is parsed as strictly, and what is wrong with it
//! becomes 502, never something that a client could read as another response.

mod answer;
mod error;
mod forwarding;
mod framing;
mod hop_by_hop;
pub(crate) mod lines;
mod max_forwards;
mod name;
mod passage;
mod recoding;
mod request;
mod response;
mod rules;
mod run;
mod trailers;
mod upgrade;
mod via;

pub use answer::{AnswerHead, Delivery, ServerField, write_interim};
pub use error::BadResponse;
pub use forwarding::{Announce, Forwarding, Scheme, Trust};
pub use framing::{Asked, Framing};
pub use hop_by_hop::{Named, OPTIONS_MAX};
pub use max_forwards::MaxForwards;
pub use name::Name;
pub(crate) use passage::Passage;
pub use recoding::{Recoding, forbids_transformation};
pub use request::{Content, Expectation, HostField, Lifetime, RequestHead};
pub use response::{FIELDS_MAX, Response, ResponseHead, ResponseLimits, ResponseParser};
pub use rules::{BadName, FieldNames, Rules};
pub use trailers::{takes_trailers, write_last_chunk};
pub use upgrade::{may_pass, wanted};
pub use via::passages;

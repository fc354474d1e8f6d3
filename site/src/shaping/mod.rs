//! Limits on what clients use: token buckets for bytes and requests, and counts of what is under way.
//!
//! A request is held to the limits of the server and to those of its place (a host or a location), each on three levels:
//! for all clients together, for its client, and for its connection. All of it is arithmetic: time is handed in, in
//! nanoseconds, and no socket is known.
//!
//! Bytes pass their limits from the inside to the outside ([`Shaper::step`]): what the limit of a client holds back is not
//! charged to those for all, and of what is for all each client has one piece at a time, so that they share it evenly.
//!
//! Each shard has a [`Shaper`]. A few times a second it [reports](Shaper::report) what was used, and
//! [hears](Shaper::hear) what others report: that is charged to its own buckets as if it had been used here. So all
//! shards hold one rate together, whichever of them a client is on, and one where it is not takes nothing away. Between
//! two reports each may let a burst through that another one lets through as well; since both are charged, it is paid
//! back right after.

mod account;
mod bucket;
mod clients;
mod limits;
mod shaper;
mod table;
mod turn;

pub use account::{Delta, Seen, Use};
pub use bucket::{Bucket, Meter};
pub use clients::{CLIENTS_MAX, Slot, Who};
pub use limits::{Limits, Scope, ScopeId, Shaping};
pub use shaper::{
    Acted, Admission, Chain, Customer, Direction, Doubt, Entering, Entry, Item, Level, Piece, Refusal,
    Shaper, Step, Tally, merge,
};

//! Servers that requests are passed on to, and which of them gets one.
//!
//! A [`Group`] is a part of the site and never changes. What a shard knows of its servers at the moment are its
//! [`Balancers`]: they choose, and are told how it went. They know no socket, and the time by what they are told.

mod balancers;
mod group;
mod rotation;
mod seats;

pub use balancers::{Balancers, Outcome, Visit};
pub use group::{Group, GroupId, Relay, Server};
pub use seats::Seat;

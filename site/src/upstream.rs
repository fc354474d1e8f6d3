//! Servers that requests are passed on to, and which of them gets one.
//!
//! A [`Group`] is a part of the site and never changes. What has become of its servers since, is said by [`Changes`],
//! which are the same for all shards. What one shard knows are its [`Balancers`]: they choose, and are told how it went.
//! They know no socket, and the time by what they are told.

mod balancers;
mod chance;
mod changes;
mod ejection;
mod group;
mod health;
mod key;
mod rendezvous;
mod rotation;
mod scripts;
mod seats;
mod sticky;

use std::time::Duration;

pub use balancers::{Balancers, Ejected, Outcome, SeatReport, Visit};
pub use changes::{Changes, GroupChanges, Member, Order, State};
pub use group::{Group, GroupId, Named, Relay, RequestChanges, Server};
pub use health::{Checked, Health, judge, judge_status};
pub use scripts::Scripts;
pub use seats::Seat;

/// A length of time in nanoseconds; what is longer than centuries is cut.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

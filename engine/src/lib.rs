//! The engine: one pinned shard per core, each with its own io_uring, listeners, connections, timers and cache.
//!
//! - [`Server`] starts the shards, has them go over to another site ([`Change`]), and ends them.
//! - `shard` is all that a core owns; `lane` drives it, pass by pass; `lane/ring` alone speaks to io_uring.
//! - `serve` is the way of a request; `content` carries out what the site decides; `finish` is the one exit.
//!
//! This is the only crate that names the executor or io_uring. `unsafe` stands in `lane/ring` and
//! `lane/buffers` alone.

#![deny(unsafe_code)]

mod access_log;
mod activity;
mod banned;
mod change;
mod clock;
mod coded_forms;
mod connection;
mod content;
mod details;
mod encoders;
mod entering;
mod error;
mod file_cache;
mod file_lookup;
mod finding;
mod finish;
mod holding;
mod inbox;
mod jobs;
mod kept;
mod lane;
mod limits;
mod listeners;
mod logins;
mod logs;
mod offenders;
mod port;
mod request_body;
mod request_ids;
mod scopes;
mod secure;
mod serve;
mod served;
mod server;
mod shaping;
mod shard;
mod stream;
mod upstream;
mod viewers;
mod wheel;

pub use banned::Banned;
pub use change::{Change, Listening};
pub use error::Error;
pub use logins::{Login, Verdict};
pub use secure::{Secured, Toward};
pub use server::{Farewell, Outcome, Plan, Server, ShardPlan, prepare};

//! What is served: hosts and locations, compiled from the configuration to an immutable [`Site`].
//!
//! - [`compile`] turns a typed configuration into a [`Site`], or into problems with their place.
//! - [`Site::locate`] finds the host and the location for a request.
//! - A [`Walk`] follows the rules that change where a request leads.
//! - [`shaping`] has the limits on what clients use.
//! - [`decide`] runs the location's flat chain of phases over an [`Exchange`] and yields the [`Action`].
//!
//! Phases decide, the engine does: nothing here awaits, holds a socket or reads a file while serving. So a
//! site can be shared by all shards and tested without any of them.

#![forbid(unsafe_code)]

mod accept;
mod action;
mod carrier;
mod clients;
mod comet;
mod compile;
mod compression;
mod cookie;
mod error_pages;
mod exchange;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod indexes;
mod json;
pub mod listing;
mod location;
mod media;
mod names;
mod own_address;
mod page;
mod phase;
mod rewrite;
mod security;
pub mod shaping;
pub mod upstream;

pub use action::{Action, Answer, file_for};
pub use clients::Clients;
pub use comet::{Comet, Part};
pub use compile::{compile, shaping};
pub use compression::Compression;
pub use error_pages::{ErrorPages, Told};
pub use exchange::{Exchange, Inquiry};
pub use fields::{About, Asker, Fields, Source};
pub use host::{Host, Place, Site};
pub use indexes::Indexes;
pub use location::{Accel, Files, Location};
pub use media::MediaTypes;
pub use page::Page;
pub use phase::{Gate, decide, decide_admitted, decide_untried};
pub use rewrite::{Arrival, Attempts, Event, Kind, Knowledge, LOOKUPS_MAX, Miss, QUESTIONS_MAX, Trail, Walk};
pub use security::{Client, Identity, Security};
pub use upstream::Relay;

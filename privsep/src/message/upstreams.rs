//! Servers that requests are passed on to: what commands order of them, and what is told about them.

use crate::wire::{records, variants};

variants! {
    /// What becomes of a server by order.
    #[derive(Copy, Eq)]
    pub enum UpstreamChange {
        /// The group gets it, beside those of the configuration.
        1 Add {
            /// Its share of the requests; never 0.
            weight: u32,
            /// Whether it gets requests only while the others cannot.
            backup: bool,
        },
        /// It gets no more requests.
        2 Drain,
        /// The group does not have it any more.
        3 Remove,
    }

    /// Whether a server gets requests.
    #[derive(Copy, Eq)]
    pub enum UpstreamState {
        /// It does.
        1 Up,
        /// It does not pass its health checks.
        2 Down,
        /// It was ordered to get none.
        3 Drained,
    }
}

records! {
    /// An order that holds until the server ends or the configuration has no such group.
    pub struct UpstreamOrder {
        /// Name of the group.
        group: String,
        /// The server as the group names it; an address where it is added.
        server: String,
        /// What becomes of it.
        change: UpstreamChange,
    }

    /// A group, as far as orders have to know it.
    pub struct UpstreamNeeds {
        /// Its name.
        name: String,
        /// Its servers, as the configuration names them.
        servers: Vec<String>,
    }

    /// All servers, as the worker that serves knows them.
    pub struct UpstreamsReport {
        /// Group by group, in the order of the configuration.
        servers: Vec<UpstreamReport>,
    }

    /// One of them.
    pub struct UpstreamReport {
        /// Its group.
        group: String,
        /// What it is called there.
        server: String,
        /// Where it is.
        address: String,
        /// Its share of the requests.
        weight: u32,
        /// Whether it gets requests only while the others cannot.
        backup: bool,
        /// Whether it gets any.
        state: UpstreamState,
        /// Shards that give it none for a while, because it has failed.
        ejected: u64,
        /// Requests that it has now.
        open: u64,
        /// Requests that it has got.
        requests: u64,
        /// How many of them have failed.
        failures: u64,
    }
}

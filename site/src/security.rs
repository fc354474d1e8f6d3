//! What carries a request, as far as rules need to know.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What carries a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// The connection itself: whoever is between can read and change everything.
    #[default]
    Plain,
    /// TLS.
    Tls {
        /// The host by whose rules the client was judged.
        host: Identity,
        /// The client's own certificate.
        client: Client,
    },
}

/// A host by its name, whatever its place in the configuration: connections outlive reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64);

impl Identity {
    /// Of the host with this name.
    #[must_use]
    pub fn of(name: &config::HostName) -> Identity {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Identity(hasher.finish())
    }
}

/// A client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// It has shown none.
    Unknown,
    /// It has shown one that holds.
    Proven,
    /// It has shown one that does not hold.
    Refused,
}

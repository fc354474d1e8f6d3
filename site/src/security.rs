//! What carries a request, as far as rules need to know.

/// What carries a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// The connection itself: whoever is between can read and change everything.
    #[default]
    Plain,
    /// TLS.
    Tls {
        /// The host whose certificate the client has seen: its place in the configuration.
        host: u32,
        /// The client's own certificate.
        client: Client,
    },
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

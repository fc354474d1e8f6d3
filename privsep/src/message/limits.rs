//! Limits on what clients use: what is told about them.

use crate::wire::records;

records! {
    /// Who has used how much.
    pub struct LimitsReport {
        /// Places first, then the clients for whom limits have done most.
        uses: Vec<LimitUse>,
        /// What was set by command, as `POINTER=VALUE`.
        settings: Vec<String>,
    }

    /// What one user of limits has had.
    pub struct LimitUse {
        /// Whose limits: JSON Pointer of `/server`, a host or a location.
        scope: String,
        /// Which client; none for all of them together.
        client: Option<String>,
        /// Requests under way.
        running: u64,
        /// Connections, where they are limited.
        connections: u64,
        /// Bytes of responses.
        down: u64,
        /// Bytes of requests.
        up: u64,
        /// Requests that were let through.
        requests: u64,
        /// How often something had to wait.
        delayed: u64,
        /// Requests and connections that were refused.
        refused: u64,
    }
}

//! What concerns the process as a whole: `/server`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Bans, Control, Listen, Log, Output, Shaping};

/// `/server`: shards, addresses, identity, limits, times.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// How many shards (threads, each pinned to a core) serve.
    pub shards: Shards,
    /// Addresses for every host that names none of its own; never empty.
    pub listen: Vec<Listen>,
    /// How many finished handshakes may wait for `accept`, for each listener; 1..=65535.
    pub backlog: u32,
    /// User to change to after the listeners are bound.
    pub user: Option<String>,
    /// Group to change to; the user's own one when absent.
    pub group: Option<String>,
    /// Whether to run in the background.
    pub daemon: bool,
    /// File that gets the process id.
    pub pid_file: Option<PathBuf>,
    /// Where the server's own messages go.
    pub error_log: Output,
    /// Logs that get them, too.
    pub error_log_also: Vec<Arc<Log>>,
    /// The least severe message that is still written.
    pub error_log_level: Level,
    /// Whether responses carry `Server: kimura`.
    pub server_header: bool,
    /// Bounds on what a client may use.
    pub limits: Limits,
    /// Bounds on how long a client may take.
    pub timeouts: Timeouts,
    /// The cache of open files that every shard keeps.
    pub file_cache: FileCache,
    /// Whether each role is a process of its own.
    pub privsep: bool,
    /// Whether each process gives up what it does not need.
    pub sandbox: bool,
    /// Commands to the running server.
    pub control: Control,
    /// Networks of proxies that are believed for whom they speak, as they are written; a later stage reads them.
    pub trusted: Vec<String>,
    /// Where the address of a client is found.
    pub client_address: ClientAddress,
    /// Who is banned when; `None` bans nobody.
    pub bans: Option<Bans>,
    /// What clients of the whole server may use; `None` is everything.
    pub shaping: Option<Arc<Shaping>>,
}

/// Where the address of a client is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// At the other end of the connection, or in the PROXY header before it.
    Socket,
    /// In `X-Forwarded-For`, if the other end is trusted.
    XForwardedFor,
    /// In `Forwarded`, if the other end is trusted.
    Forwarded,
}

/// Number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// One for each core that affinity and the cgroup's quota leave to this process.
    Auto,
    /// Exactly this many, 1..=1024.
    Count(NonZeroU32),
}

/// Severity of the server's own messages, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is wrong, but serving goes on.
    Warn,
    /// Milestones: start, reload, stop.
    Info,
    /// What a person who looks for a fault wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// `/server/limits`: bounds on what a client may use. Request bodies are bounded for each host and
/// location by [`super::Settings::body_size`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head: request line, fields, final empty line.
    pub head_size: usize,
    /// Bytes of a request's target; never more than `head_size`.
    pub target_size: usize,
    /// Number of fields in a head, and in a trailer section.
    pub fields: usize,
    /// Open connections of one shard.
    pub connections_per_shard: usize,
    /// Open connections of one client address on one shard; `None` is unlimited.
    pub connections_per_client: Option<NonZeroU32>,
    /// Requests served on one connection before it is closed; `None` is unlimited.
    pub requests_per_connection: Option<NonZeroU32>,
    /// Viewers of live logs on one shard.
    pub viewers_per_shard: usize,
    /// Contents that one shard compresses at the same time; 0 compresses none.
    pub compressions_per_shard: usize,
}

/// `/server/timeouts`: bounds on how long a client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a head to its last.
    pub header: Duration,
    /// Between two reads of a body.
    pub body: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// From the end of a response, or from the handshake, to the first byte of a request.
    pub idle: Duration,
    /// Between two moments at which the client took bytes of a response.
    pub write: Duration,
    /// For running requests after the server was told to stop.
    pub drain: Duration,
}

/// `/server/file_cache`: the cache of open files that every shard keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCache {
    /// Open files; 0 turns the cache off.
    pub entries: usize,
    /// Files up to this many bytes are kept in memory whole; 0 keeps none.
    pub small_body: usize,
    /// Files up to this many bytes are kept in memory as they are compressed; 0 keeps none.
    pub compressed_body: usize,
    /// Bytes of memory for such files.
    pub memory: usize,
    /// For how long an entry is used before the file is looked at again.
    pub valid: Duration,
}

//! All bounds of the engine in one place: those that are configured, and those that are not.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::connection::Wait;

/// Output that one request may gather before it is handed to the kernel, in bytes.
pub(crate) const OUTPUT_MAX: usize = 64 * 1024;

/// Room that a send buffer begins with, in bytes: enough for the answers of one turn as a rule.
pub(crate) const OUTPUT_CAPACITY: usize = 16 * 1024;

/// Room that a receive buffer begins with, in bytes: enough for nearly every head.
pub(crate) const INPUT_CAPACITY: usize = 2048;

/// Largest send that is left to the ring's next entry, in bytes: above, the copy outweighs the system call saved.
pub(crate) const RING_SEND_MAX: usize = 16 * 1024;

/// Servers like this one that a request has been to, from which on it is taken to go round in circles: chains of several are
/// legitimate, and each turn of a circle holds a connection.
pub(crate) const PASSAGES_MAX: usize = 8;

/// Events that passes bring on average from which on sends are left to the ring, and more events are waited for a moment.
pub(crate) const DENSE_MIN: usize = 8;

/// Received bytes that may wait for the future that serves the connection; beyond this nothing is received.
pub(crate) const BACKLOG_MAX: usize = 64 * 1024;

/// Content of an answer from which on a relay takes it from the socket by itself, in bytes: below, the ring has brought
/// most of it before that begins.
pub(crate) const PULLED_MIN: u64 = 32 * 1024;

/// Bytes that it takes at a time: so few that the caches still have them when they leave.
pub(crate) const PULLED_AT_ONCE: usize = 64 * 1024;

/// Room of a buffer for them, behind what the ring has brought before.
pub(crate) const LARGE_CAPACITY: usize = PULLED_AT_ONCE + crate::lane::BUFFER_SIZE;

/// Content of an answer from which on the next one of the same server is taken from the socket as soon as it begins.
pub(crate) const LONG_MIN: u64 = 128 * 1024;

/// Content behind a head from which on both are sent one after the other, in place of copying the one behind the other.
pub(crate) const AHEAD_MIN: usize = 16 * 1024;

/// Bytes that it takes before others have their turn.
pub(crate) const PULLED_PER_TURN: u64 = 1024 * 1024;

/// Requests that a pipelining client gets answered before others have their turn.
pub(crate) const REQUESTS_PER_TURN: u32 = 32;

/// Bytes of a large file that one connection gets sent before others have their turn.
pub(crate) const FILE_CHUNK: u64 = 2 * 1024 * 1024;

/// Bytes of a large file that are looked for in memory at a time, when all of them are there.
pub(crate) const WARM_AHEAD: u64 = 16 * 1024 * 1024;

/// Bytes of a file that are encrypted at a time.
pub(crate) const SEALED_CHUNK: usize = 64 * 1024;

/// Time of a pass that handshakes may take, one of them at least: each costs a signature, which others wait for.
pub(crate) const HANDSHAKES_TIME: Duration = Duration::from_millis(1);

/// Bytes of a record of TLS at most, of which a part may have come (RFC 8446 section 5.2).
pub(crate) const RECORD_MAX: u64 = 5 + (1 << 14) + 256;

/// Bytes of a file that are compressed at a time: some milliseconds of work.
pub(crate) const CODING_STEP: u64 = 128 * 1024;

/// Bytes of a page or another answer of our own that the shard compresses at once; larger ones are sent as they are.
pub(crate) const CODED_AT_ONCE_MAX: usize = 64 * 1024;

/// Bytes of an answer that the shard compresses at a time, as it passes.
pub(crate) const CODED_PER_TURN: usize = 16 * 1024;

/// Such pieces of one content that are compressed before those of others have their turn.
pub(crate) const CODED_TOGETHER: u32 = 8;

/// Time of a pass that compressing what passes may take; the last piece may exceed it.
pub(crate) const CODING_TIME: Duration = Duration::from_millis(1);

/// How hard each coding tries at most where the shard itself compresses: harder, a piece takes longer than others should
/// wait.
pub(crate) const GZIP_LEVEL_PASSING_MAX: u32 = 6;
pub(crate) const ZSTD_LEVEL_PASSING_MAX: u32 = 6;
pub(crate) const BROTLI_LEVEL_PASSING_MAX: u32 = 5;

/// Body bytes that are read and thrown away so that a connection can be kept after a refused request.
pub(crate) const DISCARD_MAX: u64 = 256 * 1024;

/// Bytes that the diagnostic handler sends back at most; it keeps them in memory.
pub(crate) const ECHO_MAX: usize = 1024 * 1024;

/// Entries that the listing of a folder shows.
pub(crate) const LISTED_MAX: usize = 5000;

/// Listings that a shard makes and sends at a time; more are answered with 503.
pub(crate) const LISTINGS_MAX: usize = 64;

/// Requests of a shard that wait for the verdict on a login; more are answered with 503.
pub(crate) const LOGINS_WAITING_MAX: usize = 64;

/// How long a request waits for that.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);

/// How long a request waits for room in its log.
const LOG_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of contents that a shard takes at a time before it chooses servers for them.
pub(crate) const GATHERED_MAX: usize = 256 * 1024 * 1024;

/// Bytes that the framing of such a content may take beside as many as it may have.
pub(crate) const GATHERED_FRAMING: usize = 64 * 1024;

/// Servers of an upstream that a request is tried at.
pub(crate) const TRIES_MAX: usize = 3;

/// Interim responses of a server to one request; whoever sends more sends them without end.
pub(crate) const INTERIM_MAX: usize = 256;

/// Bytes a second that a body has to come with on the whole. Without this a client could make a small body last
/// for ever, a byte at a time, and never miss the deadline between two reads.
pub(crate) const BODY_RATE_MIN: u64 = 512;

/// Bad requests that a shard gathers until it hands over from whom they came.
pub(crate) const OFFENDERS_MAX: usize = 256;

/// Bytes of fields of an answer that are kept for its lines in the access log, of which each is no longer than this.
pub(crate) const FIELDS_KEPT_MAX: usize = logging::LINE_MAX;

/// How long a line of the access log waits for more until it is handed over, and viewers of live logs for a look.
pub(crate) const BEAT: Duration = Duration::from_millis(50);

/// Beats in which those are still accepted who had come before the server was told to end: their handshakes may take a round
/// trip more.
pub(crate) const STRAGGLER_BEATS: u32 = 2;

/// How long they may take to ask, and those who had just been accepted.
pub(crate) const FIRST_REQUEST_PATIENCE: Duration = Duration::from_secs(1);

/// How long those who wait for their limits wait for a look: at least, so that many of them are looked at together, and at
/// most, since others can come whose time is up earlier.
pub(crate) const PACE_MIN: Duration = Duration::from_millis(1);
pub(crate) const PACE_MAX: Duration = Duration::from_millis(10);

/// Connections that wait at a time until other shards have told whether there is room for them. More are refused at once.
pub(crate) const KNOCKING_MAX: usize = 256;

/// How long bytes or a request may wait for limits: much longer than they should, even where many share little.
const PACE_PATIENCE: Duration = Duration::from_secs(3600);

/// Clients that are shown to people.
pub(crate) const SHOWN_MAX: usize = 100;

/// Clients of whom a shard tells the others at a time.
pub(crate) const REPORT_MAX: usize = 4096;

/// Bytes that are thrown away after a last response, so that the client can read it before a reset.
pub(crate) const LINGER_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// How long a client may take to close after a last response.
const LINGER: Duration = Duration::from_secs(2);

const _: () = assert!(crate::lane::BUFFER_SIZE < BACKLOG_MAX, "one receive always fits the backlog");

/// The configured bounds, as the engine uses them.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) head: proto_http::Limits,
    pub(crate) connections: usize,
    pub(crate) connections_per_client: Option<NonZeroU32>,
    pub(crate) requests_per_connection: Option<NonZeroU32>,
    pub(crate) viewers: usize,
    /// Contents that a shard compresses at the same time.
    pub(crate) compressions: usize,
    pub(crate) idle: Duration,
    pub(crate) handshake: Duration,
    pub(crate) header: Duration,
    pub(crate) body: Duration,
    pub(crate) write: Duration,
    pub(crate) linger: Duration,
    pub(crate) server_header: bool,
    /// Whether somebody counts bad requests.
    pub(crate) counts_bad_requests: bool,
}

impl Limits {
    pub(crate) fn new(server: &config::Server) -> Limits {
        let config::Server { limits, timeouts, .. } = server;
        Limits {
            head: proto_http::Limits {
                head_bytes: limits.head_size,
                target_bytes: limits.target_size,
                fields: limits.fields,
            },
            connections: limits.connections_per_shard,
            connections_per_client: limits.connections_per_client,
            requests_per_connection: limits.requests_per_connection,
            viewers: limits.viewers_per_shard,
            compressions: limits.compressions_per_shard,
            idle: timeouts.idle,
            handshake: timeouts.handshake,
            header: timeouts.header,
            body: timeouts.body,
            write: timeouts.write,
            linger: LINGER,
            server_header: server.server_header,
            counts_bad_requests: server.bans.as_ref().is_some_and(|bans| bans.bad_requests.is_some()),
        }
    }

    /// How long is waited for what.
    pub(crate) fn patience(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Idle => self.idle,
            Wait::Handshake => self.handshake,
            Wait::Header => self.header,
            Wait::Body => self.body,
            Wait::Login => LOGIN_PATIENCE,
            Wait::Log => LOG_PATIENCE,
            Wait::Pace => PACE_PATIENCE,
            Wait::Write => self.write,
            Wait::Linger => self.linger,
            // Links have a patience of their own.
            Wait::Connect | Wait::Request | Wait::Response | Wait::Spare => self.idle,
        }
    }
}

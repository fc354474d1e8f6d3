//! The one list of what Kimura counts. Everything else about a counter is derived from its entry here: the
//! variant that the engine names, its cell in a [`Block`](crate::Block), its line in every rendering and its
//! row in the documentation.
//!
//! A new counter goes to the end of its group; [`Block::open`](crate::Block::open)
//! refuses the block of a binary with another list, so that the order need not be kept.

use std::fmt;

/// How a counter moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the shard.
    Counter,
    /// A level that rises and falls.
    Gauge,
}

impl Kind {
    /// The word for it, as Prometheus spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Octets.
    Bytes,
    /// Connections.
    Connections,
    /// Entries of a ring, of a cache, or turns of a loop.
    Events,
    /// Pieces of work done off the shard.
    Jobs,
    /// Lines of a log.
    Lines,
    /// Requests of clients.
    Requests,
    /// Responses to clients.
    Responses,
    /// Calls of the kernel.
    Syscalls,
    /// Bans of prefixes, and of users from prefixes.
    Bans,
}

impl Unit {
    /// The word for it, in the plural.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Bytes => "bytes",
            Unit::Connections => "connections",
            Unit::Events => "events",
            Unit::Jobs => "jobs",
            Unit::Lines => "lines",
            Unit::Requests => "requests",
            Unit::Responses => "responses",
            Unit::Syscalls => "syscalls",
            Unit::Bans => "bans",
        }
    }
}

/// What is known about a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The public name, in snake case, without prefix.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// One or two sentences for the operator.
    pub prose: &'static str,
}

macro_rules! counters {
    ($($variant:ident $name:literal $kind:ident $unit:ident $prose:literal;)+) => {
        /// One thing that is counted. Shards count for themselves; readers add them up.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Counter {
            $(#[doc = $prose] $variant,)+
        }

        impl Counter {
            /// All counters, in the order of their cells.
            pub const ALL: &[Counter] = &[$(Counter::$variant,)+];
        }

        static DESCRIPTORS: [Descriptor; Counter::COUNT] = [
            $(Descriptor { name: $name, kind: Kind::$kind, unit: Unit::$unit, prose: $prose },)+
        ];

        /// Distinguishes this list from every other one: a hash of names and kinds in their order.
        pub(crate) const FINGERPRINT: u64 = {
            let mut hash = FNV_OFFSET;
            $(
                hash = fnv1a(hash, $name.as_bytes());
                hash = fnv1a(hash, Kind::$kind.name().as_bytes());
            )+
            hash
        };
    };
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = Self::ALL.len();

    /// What is known about it.
    pub fn descriptor(self) -> &'static Descriptor {
        &DESCRIPTORS[self as usize]
    }

    /// The public name, in snake case, without prefix.
    pub fn name(self) -> &'static str {
        self.descriptor().name
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a over `bytes` and a zero octet, which keeps neighbouring words apart.
const fn fnv1a(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    hash.wrapping_mul(FNV_PRIME)
}

counters! {
    ConnectionsAccepted "connections_accepted" Counter Connections
        "Connections accepted from a listener, those that were refused at once included.";
    ConnectionsClosedByUs "connections_closed_by_us" Counter Connections
        "Connections that Kimura ended: after a last response, a timeout, a refusal or a drain.";
    ConnectionsClosedByClient "connections_closed_by_client" Counter Connections
        "Connections that the client ended, in good order or by a reset.";
    ConnectionsOpen "connections_open" Gauge Connections
        "Connections that are open now.";
    ConnectionsRefusedLimit "connections_refused_limit" Counter Connections
        "Connections closed unserved because the shard had as many as it may.";
    ConnectionsRefusedClientLimit "connections_refused_client_limit" Counter Connections
        "Connections closed unserved because their client's address had as many as it may.";
    ConnectionsDelayedLimit "connections_delayed_limit" Counter Connections
        "Connections that waited for a moment until other shards had told whether their client has too many.";
    ConnectionsRefusedBan "connections_refused_ban" Counter Connections
        "Connections closed unserved because their client is banned.";
    ConnectionsRefusedProxy "connections_refused_proxy" Counter Connections
        "Connections to an address for proxies that were closed unserved: from somebody who is not trusted, or without a right PROXY header.";
    ConnectionsClosedBan "connections_closed_ban" Counter Connections
        "Connections that were open when their client was banned, and closed for that.";
    AcceptErrors "accept_errors" Counter Events
        "Accepts that failed for another reason than a lack of descriptors or memory.";
    AcceptPausedNoFds "accept_paused_no_fds" Counter Events
        "Times that accepting paused for lack of file descriptors or kernel memory; new clients wait in the backlog meanwhile. A growing value calls for a higher limit of open files.";

    BansActive "bans_active" Gauge Bans
        "Bans of prefixes, and of users from prefixes, that are in force now.";
    BansMade "bans_made" Counter Bans
        "Bans that were given, by failures or by hand.";

    OffencesLost "offences_lost" Counter Requests
        "Bad requests that were not counted against their clients, because there were too many at once.";

    RequestsBegun "requests_begun" Counter Requests
        "Requests of which the head was read, or refused as malformed.";
    RequestsAnswered "requests_answered" Counter Requests
        "Requests whose final response was sent whole.";
    RequestsAborted "requests_aborted" Counter Requests
        "Requests that ended before their response was sent whole: the client left, a timeout passed or the content failed half-way.";
    RequestsRefusedBan "requests_refused_ban" Counter Requests
        "Requests answered with 403 because a trusted proxy has passed them on for a client that is banned.";
    RequestsUnanswered "requests_unanswered" Counter Requests
        "Requests whose connection was closed without an answer, since \"return\" is 444. They are among responses_4xx.";
    RequestsHeldLog "requests_held_log" Counter Requests
        "Requests that had to wait because a log of theirs with \"when_full\": \"block\" could not keep up.";
    RequestsRefusedLog "requests_refused_log" Counter Requests
        "Of these, requests answered with 503 because it could not for half a minute. They are not in that log.";
    RequestsRefusedLimit "requests_refused_limit" Counter Requests
        "Requests answered with 429 or 503 because of limits (\"shaping\").";
    RequestsDelayedLimit "requests_delayed_limit" Counter Requests
        "Requests held back until the rate of a limit allowed them.";
    SendsDelayedLimit "sends_delayed_limit" Counter Events
        "Pieces of responses held back until the rate of a limit allowed them.";
    ReceivesDelayedLimit "receives_delayed_limit" Counter Events
        "Times at which nothing was received from a client until the rate of a limit allowed it.";
    BytesSentShaped "bytes_sent_shaped" Counter Bytes
        "Bytes of responses that were held to limits.";
    BytesReceivedShaped "bytes_received_shaped" Counter Bytes
        "Bytes of requests that were held to limits.";
    LimitsDryRun "limits_dry_run" Counter Events
        "What limits with \"dry_run\" would have refused or held back.";
    LimitClients "limit_clients" Gauge Events
        "Clients of whom is known what they have used of their limits.";
    LimitClientsForgotten "limit_clients_forgotten" Counter Events
        "Clients whose use was forgotten before its time, to make room for others.";
    LimitClientsTurnedAway "limit_clients_turned_away" Counter Events
        "Requests and connections held to no limit for each client, because those whom the table has are all busy.";
    Responses1xx "responses_1xx" Counter Responses
        "Interim responses, such as 100 Continue.";
    Responses2xx "responses_2xx" Counter Responses
        "Responses of success.";
    Responses3xx "responses_3xx" Counter Responses
        "Redirects, and 304 Not Modified.";
    Responses4xx "responses_4xx" Counter Responses
        "Responses that put the fault with the client.";
    Responses5xx "responses_5xx" Counter Responses
        "Responses that put the fault with the server.";

    BytesReceived "bytes_received" Counter Bytes
        "Octets received from clients, heads and bodies alike.";
    BytesSent "bytes_sent" Counter Bytes
        "Octets that the kernel took for clients, heads and bodies alike.";

    ParseErrorsRequestLine "parse_errors_request_line" Counter Requests
        "Requests refused for a malformed method or request line.";
    ParseErrorsTarget "parse_errors_target" Counter Requests
        "Requests refused for a malformed target.";
    ParseErrorsVersion "parse_errors_version" Counter Requests
        "Requests refused for a missing, malformed or unsupported version of HTTP.";
    ParseErrorsField "parse_errors_field" Counter Requests
        "Requests refused for a malformed field.";
    ParseErrorsHost "parse_errors_host" Counter Requests
        "Requests refused for a missing, repeated or malformed Host.";
    ParseErrorsFraming "parse_errors_framing" Counter Requests
        "Requests refused because the length of their body is ambiguous or malformed. Attempts at request smuggling show here.";
    ParseErrorsChunk "parse_errors_chunk" Counter Requests
        "Requests refused for a malformed chunk or trailer.";
    ParseErrorsTooLarge "parse_errors_too_large" Counter Requests
        "Requests refused because a part of them exceeds a limit of the parser; for heads the limit_ counters tell which.";

    LimitHead "limit_head" Counter Requests
        "Requests refused for a head larger than the limit.";
    LimitTarget "limit_target" Counter Requests
        "Requests refused for a target longer than the limit.";
    LimitFields "limit_fields" Counter Requests
        "Requests refused for more fields than the limit.";
    LimitBody "limit_body" Counter Requests
        "Requests refused for a body larger than the limit of their location.";
    LimitRequestsPerConnection "limit_requests_per_connection" Counter Connections
        "Connections ended because they have carried as many requests as they may.";

    RewriteCircles "rewrite_circles" Counter Requests
        "Requests answered with 500 because rules of rewrite lead them in circles; the error log names one of them.";

    LoginsGranted "logins_granted" Counter Requests
        "Requests let in by a name and a password, judged just now or remembered.";
    LoginsDenied "logins_denied" Counter Requests
        "Requests refused for a wrong password, or for a user who may not enter.";
    LoginsUnavailable "logins_unavailable" Counter Requests
        "Requests answered with 503 because nobody could tell whether their password is right: too many waited, or auth was away.";

    TimeoutsHeader "timeouts_header" Counter Connections
        "Connections ended because a head took too long to arrive.";
    TimeoutsBody "timeouts_body" Counter Connections
        "Connections ended because a body took too long to arrive.";
    TimeoutsHandshake "timeouts_handshake" Counter Connections
        "Connections ended because their TLS handshake took too long.";
    TimeoutsIdle "timeouts_idle" Counter Connections
        "Connections ended because no further request came in time, or because the client did not close after the last response.";
    TimeoutsWrite "timeouts_write" Counter Connections
        "Connections ended because the client did not take its response in time.";
    TimeoutsDrain "timeouts_drain" Counter Connections
        "Connections still open when the deadline of a graceful stop passed.";

    TlsHandshakes "tls_handshakes" Counter Connections
        "TLS handshakes in full, each with a signature.";
    TlsResumed "tls_resumed" Counter Connections
        "TLS handshakes that took a former session up again.";
    TlsFailures "tls_failures" Counter Connections
        "Connections ended because TLS could not begin or go on: no version or name in common, a certificate that does not hold, broken records, or something else than TLS.";

    UpstreamConnectionsOpened "upstream_connections_opened" Counter Connections
        "Connections to upstream servers that were begun.";
    UpstreamConnectionsReused "upstream_connections_reused" Counter Connections
        "Times that a request went out by a connection that an earlier one had left open.";
    UpstreamConnectionsFailed "upstream_connections_failed" Counter Connections
        "Connections to upstream servers that did not come about: refused, not taken in time, or without the right TLS.";
    UpstreamConnectionsOpen "upstream_connections_open" Gauge Connections
        "Connections to upstream servers that are open now, with and without a request.";
    UpstreamBytesReceived "upstream_bytes_received" Counter Bytes
        "Octets received from upstream servers, heads and bodies alike.";
    UpstreamBytesSent "upstream_bytes_sent" Counter Bytes
        "Octets that the kernel took for upstream servers, heads and bodies alike.";
    UpstreamRequests "upstream_requests" Counter Requests
        "Requests that were passed to an upstream server, each time it was tried counted.";
    UpstreamRetries "upstream_retries" Counter Requests
        "Times that a request was tried again, with another connection or server, because it could not have been answered.";
    UpstreamResponses1xx "upstream_responses_1xx" Counter Responses
        "Interim responses of upstream servers.";
    UpstreamResponses2xx "upstream_responses_2xx" Counter Responses
        "Upstream servers' responses of success.";
    UpstreamResponses3xx "upstream_responses_3xx" Counter Responses
        "Upstream servers' redirects, and 304 Not Modified.";
    UpstreamResponses4xx "upstream_responses_4xx" Counter Responses
        "Upstream servers' responses that put the fault with the client.";
    UpstreamResponses5xx "upstream_responses_5xx" Counter Responses
        "Upstream servers' responses that put the fault with themselves.";
    UpstreamResponsesBad "upstream_responses_bad" Counter Responses
        "Responses of upstream servers that break the protocol or a limit. They are answered with 502, or cut off.";
    UpstreamResponsesCut "upstream_responses_cut" Counter Responses
        "Responses of upstream servers that ended before they were whole, or never began.";
    UpstreamTunnels "upstream_tunnels" Counter Connections
        "Connections that went on in another protocol, such as WebSocket, with an upstream server.";
    UpstreamEjections "upstream_ejections" Counter Events
        "Times that a server of an upstream got no more requests for a while because it had failed.";
    UpstreamsDown "upstreams_down" Counter Events
        "Times that a server of an upstream failed its health checks, and got no more requests.";
    UpstreamsUp "upstreams_up" Counter Events
        "Times that such a server passed its health checks again.";
    UpstreamsUnavailable "upstreams_unavailable" Counter Requests
        "Requests answered with 503 because no server of their upstream could be tried.";
    UpstreamLoops "upstream_loops" Counter Requests
        "Requests answered with 508 because they have passed through servers like this one too often: they go round in circles.";
    TimeoutsUpstreamConnect "timeouts_upstream_connect" Counter Connections
        "Connections to upstream servers given up because they were not taken in time.";
    TimeoutsUpstreamSend "timeouts_upstream_send" Counter Connections
        "Connections to upstream servers given up because these did not take a request in time.";
    TimeoutsUpstreamResponse "timeouts_upstream_response" Counter Connections
        "Connections to upstream servers given up because an answer, or more of it, did not come in time.";

    RingEnters "ring_enters" Counter Syscalls
        "Calls of io_uring_enter.";
    RingSubmissions "ring_submissions" Counter Events
        "Operations handed to the ring.";
    RingCompletions "ring_completions" Counter Events
        "Completions taken from the ring.";
    ReceiveBuffersExhausted "receive_buffers_exhausted" Counter Events
        "Receives that found no free buffer and had to wait for one.";
    Sends "sends" Counter Syscalls
        "Calls of send, made without waiting.";
    Sendfiles "sendfiles" Counter Syscalls
        "Calls of sendfile.";

    FileCacheHits "file_cache_hits" Counter Events
        "Look-ups of a file that the cache answered.";
    FileCacheMisses "file_cache_misses" Counter Events
        "Look-ups of a file that the cache could not answer.";
    FileCacheStale "file_cache_stale" Counter Events
        "Entries of the file cache dropped because the file has changed.";
    FileCacheEvicted "file_cache_evicted" Counter Events
        "Entries of the file cache dropped to make room. A value that grows as fast as the misses calls for a larger cache.";

    PrecompressedHits "precompressed_hits" Counter Responses
        "Responses with a compressed file that lay beside the one asked for.";
    CompressedHits "compressed_hits" Counter Responses
        "Responses with a file that had been compressed for an earlier request.";
    CompressionsRunning "compressions_running" Gauge Responses
        "Contents that are being compressed now.";
    CompressionsRefused "compressions_refused" Counter Responses
        "Contents sent as they are because as many were being compressed as may be.";
    GzipBytesIn "gzip_bytes_in" Counter Bytes
        "Bytes that were compressed with gzip.";
    GzipBytesOut "gzip_bytes_out" Counter Bytes
        "Bytes that these have become.";
    ZstdBytesIn "zstd_bytes_in" Counter Bytes
        "Bytes that were compressed with zstd.";
    ZstdBytesOut "zstd_bytes_out" Counter Bytes
        "Bytes that these have become.";
    BrotliBytesIn "brotli_bytes_in" Counter Bytes
        "Bytes that were compressed with Brotli.";
    BrotliBytesOut "brotli_bytes_out" Counter Bytes
        "Bytes that these have become.";

    JobsStarted "jobs_started" Counter Jobs
        "Pieces of work that could block, begun off the shard.";
    JobsQueued "jobs_queued" Gauge Jobs
        "Pieces of work that wait for a thread now.";
    JobsRefused "jobs_refused" Counter Jobs
        "Pieces of work refused because their queue was full.";

    LogLines "log_lines" Counter Lines
        "Lines of the access logs made, those that were dropped included.";
    LogLinesDropped "log_lines_dropped" Counter Lines
        "Lines dropped because the logger did not keep up.";

    Listings "listings" Counter Responses
        "Listings of folders that were made.";
    LimitRequestBuffers "limit_request_buffers" Counter Requests
        "Requests refused with 503: as much of contents was being taken for upstreams (request_buffering) as a shard may have.";
    LimitListings "limit_listings" Counter Requests
        "Listings refused with 503: as many were being made and sent as a shard may have.";
    CometViewers "comet_viewers" Gauge Connections
        "Viewers of live logs now.";
    CometRefused "comet_refused" Counter Requests
        "Requests for live logs answered with 503: there were as many viewers as there may be.";
    CometLinesMissed "comet_lines_missed" Counter Lines
        "Lines that were gone before a viewer of live logs had read them.";

    Passes "passes" Counter Events
        "Turns of the shard's loop.";
    Parks "parks" Counter Events
        "Times that the shard had nothing to do and slept. Few parks to many passes mean a busy shard.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// `Responses1xx` becomes `responses_1xx`.
    fn snake_case(variant: &str) -> String {
        let mut name = String::new();
        let mut before = '_';
        for c in variant.chars() {
            let begins = c.is_ascii_uppercase() || c.is_ascii_digit() && !before.is_ascii_digit();
            if begins && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
            before = c;
        }
        name
    }

    #[test]
    fn name_follows_variant() {
        for counter in Counter::ALL {
            assert_eq!(counter.name(), snake_case(&format!("{counter:?}")));
        }
    }

    #[test]
    fn cells_are_in_the_order_of_the_list() {
        for (cell, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, cell);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = Counter::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Counter::COUNT);
    }

    #[test]
    fn prose_is_sentences_that_need_no_escaping() {
        for counter in Counter::ALL {
            let prose = counter.descriptor().prose;
            assert!(prose.ends_with('.'), "{counter}: no full stop");
            assert!(!prose.contains(['\\', '\n', '|']), "{counter}: would need escaping in a rendering");
        }
    }
}

//! `/server`.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::logs::Logs;
use super::shaping;

use crate::cause::{Cause, Flaw};
use crate::kind::{List, Text};
use crate::model::{
    Bans, Control, FileCache, Limits, Listen, Log, LogFormat, Output, Remote, Server, Timeouts,
};
use crate::pointer;
use crate::problem::Problems;
use crate::reader::Reader;
use crate::syntax::Listening;
use crate::table::{Key, bans, control, file_cache, limits, remote, server, timeouts};

pub(super) fn read(reader: &Reader<'_>, logs: &Logs, problems: &mut Problems) -> Server {
    let error_log = reader.or_default(&server::ERROR_LOG, problems);
    Server {
        shards: reader.or_default(&server::SHARDS, problems),
        listen: listen(reader, &server::LISTEN, problems).unwrap_or_else(|| {
            let pointer = pointer::join(reader.pointer(), server::LISTEN.name);
            addresses(server::LISTEN.default(&pointer))
        }),
        backlog: u32::try_from(reader.or_default(&server::BACKLOG, problems)).unwrap_or(u32::MAX),
        user: reader.get(&server::USER, problems),
        group: reader.get(&server::GROUP, problems),
        daemon: reader.or_default(&server::DAEMON, problems),
        pid_file: reader.get(&server::PID_FILE, problems),
        error_log_also: read_also(reader, logs, &error_log, problems),
        error_log,
        error_log_level: reader.or_default(&server::ERROR_LOG_LEVEL, problems),
        server_header: reader.or_default(&server::SERVER_HEADER, problems),
        limits: read_limits(&reader.section(&server::LIMITS, problems), problems),
        timeouts: read_timeouts(&reader.section(&server::TIMEOUTS, problems), problems),
        file_cache: read_file_cache(&reader.section(&server::FILE_CACHE, problems), problems),
        privsep: reader.or_default(&server::PRIVSEP, problems),
        sandbox: reader.or_default(&server::SANDBOX, problems),
        control: read_control(&reader.section(&server::CONTROL, problems), problems),
        trusted: texts(reader.or_default(&server::TRUSTED, problems)),
        client_address: reader.or_default(&server::CLIENT_ADDRESS, problems),
        bans: reader
            .has(&server::BANS)
            .then(|| read_bans(&reader.section(&server::BANS, problems), problems)),
        shaping: reader
            .has(&server::SHAPING)
            .then(|| shaping::read(&reader.section(&server::SHAPING, problems), reader.pointer(), problems))
            .map(Arc::new),
    }
}

/// The logs that get messages, too. How a line of theirs looks is about requests alone.
fn read_also(reader: &Reader<'_>, logs: &Logs, error_log: &Output, problems: &mut Problems) -> Vec<Arc<Log>> {
    let also = logs.chosen(reader, &server::ERROR_LOG_ALSO, problems).unwrap_or_default();
    let also: Vec<Arc<Log>> = also.iter().map(|log| log.log(&LogFormat::Json)).collect();
    for (index, _) in also.iter().enumerate().filter(|(_, log)| log.output == *error_log) {
        let what = "the error log goes there anyway, and each message would be there twice";
        let flaw = Flaw::new(what, "leave it out, or write another \"error_log\"");
        problems.extend(reader.at_item(&server::ERROR_LOG_ALSO, index, Cause::Conflict(flaw)));
    }
    also
}

/// Its section, if it is there and right.
fn read_remote(control: &Reader<'_>, problems: &mut Problems) -> Option<Remote> {
    if !control.has(&control::REMOTE) {
        return None;
    }
    let reader = control.section(&control::REMOTE, problems);
    let listen = listen(&reader, &remote::LISTEN, problems);
    let (chain, key) = (reader.get(&remote::CHAIN, problems), reader.get(&remote::KEY, problems));
    let certificates = reader.or_default(&remote::CERTIFICATES, problems).into_iter();
    for (there, name, example) in [
        (reader.has(&remote::LISTEN), "listen", remote::LISTEN.example),
        (reader.has(&remote::CHAIN), "chain", remote::CHAIN.example),
        (reader.has(&remote::KEY), "key", remote::KEY.example),
    ] {
        if !there {
            let what = format!("commands from elsewhere have no \"{name}\"");
            let cure = format!("write \"{name}\": {example} here");
            problems.extend(reader.at_itself(Cause::Conflict(Flaw::new(what, cure))));
        }
    }
    Some(Remote {
        listen: listen?,
        chain: chain?,
        key: key?,
        certificates: certificates
            .filter_map(|(name, value)| value.map(|(rank, digest)| (name, rank, digest)))
            .collect(),
        pointer: reader.pointer().to_owned(),
    })
}

fn read_bans(reader: &Reader<'_>, problems: &mut Problems) -> Bans {
    let few = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let bits = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
    let duration = reader.or_default(&bans::DURATION, problems);
    let mut duration_max = reader.or_default(&bans::DURATION_MAX, problems);
    if duration_max < duration {
        // A default gives way, what somebody wrote does not.
        let flaw =
            Flaw::new("\"duration_max\" is shorter than \"duration\"", "raise it, or lower \"duration\"");
        problems.extend(reader.at_value(&bans::DURATION_MAX, Cause::Conflict(flaw)));
        duration_max = duration;
    }
    Bans {
        failures: few(reader.or_default(&bans::FAILURES, problems)),
        user_failures: few(reader.or_default(&bans::USER_FAILURES, problems)),
        bad_requests: reader.or_default(&bans::BAD_REQUESTS, problems).map(NonZeroU32::get),
        window: reader.or_default(&bans::WINDOW, problems),
        duration,
        duration_max,
        ipv4_bits: bits(reader.or_default(&bans::IPV4_BITS, problems)),
        ipv6_bits: bits(reader.or_default(&bans::IPV6_BITS, problems)),
        allow: texts(reader.or_default(&bans::ALLOW, problems)),
        file: reader.get(&bans::FILE, problems),
    }
}

fn texts(items: Vec<(String, String)>) -> Vec<String> {
    items.into_iter().map(|(_, text)| text).collect()
}

fn read_control(reader: &Reader<'_>, problems: &mut Problems) -> Control {
    let users = reader.or_default(&control::USERS, problems).into_iter();
    let tokens = reader.or_default(&control::TOKENS, problems).into_iter();
    let peers = reader.or_default(&control::PEERS, problems).into_iter();
    Control {
        socket: reader.get(&control::SOCKET, problems),
        mode: reader.or_default(&control::MODE, problems),
        audit_log: reader.get(&control::AUDIT_LOG, problems),
        peers: peers.filter_map(|(peer, rank)| Some((peer, rank?))).collect(),
        users: users.filter_map(|(name, value)| value.map(|(rank, hash)| (name, rank, hash))).collect(),
        remote: read_remote(reader, problems),
        tokens: tokens.filter_map(|(name, value)| value.map(|(rank, digest)| (name, rank, digest))).collect(),
    }
}

/// The addresses of `key`, if they are there and right.
pub(super) fn listen(
    reader: &Reader<'_>,
    key: &'static Key<List<Text<Listening>>>,
    problems: &mut Problems,
) -> Option<Vec<Listen>> {
    let listen = addresses(reader.get(key, problems)?);
    for (index, item) in listen.iter().enumerate() {
        if listen[..index].iter().any(|known| known.address == item.address) {
            problems.extend(reader.at_item(key, index, Cause::DuplicateAddress));
        }
    }
    Some(listen)
}

fn addresses(items: Vec<(String, Listening)>) -> Vec<Listen> {
    let listen = |(pointer, (address, transport, arrival))| Listen { address, transport, arrival, pointer };
    items.into_iter().map(listen).collect()
}

fn read_limits(reader: &Reader<'_>, problems: &mut Problems) -> Limits {
    let head_size = size(reader.or_default(&limits::HEAD_SIZE, problems));
    let mut target_size = size(reader.or_default(&limits::TARGET_SIZE, problems));
    if target_size > head_size {
        // The target is part of the head. A default gives way, what somebody wrote does not.
        let flaw =
            Flaw::new("\"target_size\" is larger than \"head_size\"", "lower it, or raise \"head_size\"");
        problems.extend(reader.at_value(&limits::TARGET_SIZE, Cause::Conflict(flaw)));
        target_size = head_size;
    }
    Limits {
        head_size,
        target_size,
        fields: size(reader.or_default(&limits::FIELDS, problems)),
        connections_per_shard: size(reader.or_default(&limits::CONNECTIONS_PER_SHARD, problems)),
        connections_per_client: reader.or_default(&limits::CONNECTIONS_PER_CLIENT, problems),
        requests_per_connection: reader.or_default(&limits::REQUESTS_PER_CONNECTION, problems),
        compressions_per_shard: size(reader.or_default(&limits::COMPRESSIONS_PER_SHARD, problems)),
        viewers_per_shard: size(reader.or_default(&limits::VIEWERS_PER_SHARD, problems)),
    }
}

fn read_timeouts(reader: &Reader<'_>, problems: &mut Problems) -> Timeouts {
    Timeouts {
        header: reader.or_default(&timeouts::HEADER, problems),
        body: reader.or_default(&timeouts::BODY, problems),
        handshake: reader.or_default(&timeouts::HANDSHAKE, problems),
        idle: reader.or_default(&timeouts::IDLE, problems),
        write: reader.or_default(&timeouts::WRITE, problems),
        drain: reader.or_default(&timeouts::DRAIN, problems),
    }
}

fn read_file_cache(reader: &Reader<'_>, problems: &mut Problems) -> FileCache {
    FileCache {
        entries: size(reader.or_default(&file_cache::ENTRIES, problems)),
        compressed_body: size(reader.or_default(&file_cache::COMPRESSED_BODY, problems)),
        small_body: size(reader.or_default(&file_cache::SMALL_BODY, problems)),
        memory: size(reader.or_default(&file_cache::MEMORY, problems)),
        valid: reader.or_default(&file_cache::VALID, problems),
    }
}

/// A number of the table as a size in memory: the server is for 64-bit systems, where nothing is lost.
fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

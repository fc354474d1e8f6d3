//! What a configuration needs of the supervisor.

use super::lookout;
use crate::receivers::{Found, has_names};
use crate::{certificates, logins, remote};
use config::{
    Compress, Config, Every, Handler, Level, Listen, Loaded, Log, Origin, Output, Peer, Rank, Rotate,
    RotatedNames, Server, Settings, Shards, TimeZone, Transport, WhenFull,
};
use privsep::message::{self, ControlNeeds, HostNeeds, ListenNeeds, LogNeeds, Needs, PeerEntry, RankEntry};
use privsep::message::{
    Audience, BanNeeds, CertificateEntry, FileNeeds, Network, ReadNeeds, Secrets, SpillNeeds, UpstreamNeeds,
};
use privsep::message::{Clocks, Method, Naming, RotationNeeds, TokenEntry, UserEntry};
use privsep::wire::{Bytes, encode};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// All of it.
pub(super) fn of(loaded: &Loaded, found: &Found) -> Needs {
    let Loaded { config, registry } = loaded;
    let server = &config.server;
    let promised = registry.get("/server/limits/connections_per_shard");
    Needs {
        listeners: listeners(config),
        backlog: server.backlog,
        access_logs: crate::logs::access_logs(config)
            .into_iter()
            .map(|log| log_needs(log, found, server))
            .collect(),
        error_log: LogNeeds {
            output: output(&server.error_log, found),
            cells: 0,
            cells_per_shard: 0,
            hold_at: None,
            spill: None,
            rotation: None,
            named: false,
            messages: false,
            pointer: "/server/error_log".to_owned(),
        },
        error_level: level(server.error_log_level),
        user: server.user.clone(),
        group: server.group.clone(),
        shards: match server.shards {
            Shards::Auto => None,
            Shards::Count(count) => Some(count.get()),
        },
        pid_file: server.pid_file.clone(),
        daemon: server.daemon,
        privsep: server.privsep,
        sandbox: server.sandbox,
        readable: readable(config),
        files: files(config),
        drain_millis: millis(server.timeouts.drain),
        connections_per_shard: u32::try_from(server.limits.connections_per_shard).unwrap_or(u32::MAX),
        connections_by_default: promised.is_some_and(|entry| entry.origin == Origin::Default),
        hosts: hosts(config),
        control: control(&server.control),
        realms: Bytes(encode(&logins::realms(config))),
        bans: server.bans.as_ref().map(|bans| ban_needs(bans, &server.trusted)),
        pam: logins::pam(config),
        upstreams: upstreams(config),
        limits: limit_sections(config),
        metrics: settings(config).any(|settings| settings.handler == Handler::Metrics),
    }
}

/// Those of all hosts and locations.
fn settings(config: &Config) -> impl Iterator<Item = &Settings> {
    config.hosts.iter().flat_map(|host| {
        let parts = host.locations.iter().map(|location| &location.settings);
        std::iter::once(&host.settings).chain(parts)
    })
}

/// Where there are limits on what clients use: the pointer of each section once.
pub(super) fn limit_sections(config: &Config) -> Vec<String> {
    let places = settings(config).filter_map(|settings| settings.shaping.as_ref());
    let sections = config.server.shaping.iter().chain(places).map(|section| section.pointer.clone());
    sections.collect::<BTreeSet<_>>().into_iter().collect()
}

fn log_needs(log: &Log, found: &Found, server: &Server) -> LogNeeds {
    let size = usize::try_from(log.queue.size).unwrap_or(usize::MAX);
    let blocks = log.queue.when_full == WhenFull::Block;
    let under_way = if blocks { logging::under_way(server.limits.connections_per_shard) } else { 0 };
    LogNeeds {
        output: output(&log.output, found),
        cells: logging::cells_for(size) as u64,
        cells_per_shard: logging::cells_of_lines(under_way) as u64,
        hold_at: blocks.then_some(log.queue.size),
        spill: log
            .queue
            .spill
            .as_ref()
            .map(|path| SpillNeeds { path: path.clone(), pointer: crate::logs::spill_pointer(log) }),
        rotation: log.rotate.as_ref().map(rotation),
        named: matches!(&log.output, Output::Receiver(receiver) if has_names(receiver)),
        messages: server.error_log_also.iter().any(|other| other.output == log.output),
        pointer: log.pointer.clone(),
    }
}

/// When the file of a log is put aside, and what becomes of it.
fn rotation(rotate: &Rotate) -> RotationNeeds {
    RotationNeeds {
        size: rotate.size,
        every: rotate.every.map(|every| match every {
            Every::Hour => message::Every::Hour,
            Every::Day => message::Every::Day,
            Every::Week => message::Every::Week,
        }),
        clocks: match rotate.zone {
            TimeZone::Local => Clocks::Local,
            TimeZone::Utc => Clocks::Utc,
        },
        keep: rotate.keep,
        keep_seconds: rotate.keep_for.map(|time| time.as_secs()),
        budget: rotate.budget,
        method: match rotate.compress {
            Compress::Off => None,
            Compress::Gzip => Some(Method::Gzip),
            Compress::Zstd => Some(Method::Zstd),
        },
        naming: match rotate.names {
            RotatedNames::Date => Naming::Date,
            RotatedNames::Number => Naming::Number,
        },
    }
}

fn ban_needs(bans: &config::Bans, trusted: &[String]) -> BanNeeds {
    // What is no network was found before; one word of those that are trusted names whoever has no address.
    let networks = bans.allow.iter().chain(trusted).filter_map(|text| text.parse::<auth::Prefix>().ok());
    BanNeeds {
        failures: bans.failures,
        user_failures: bans.user_failures,
        bad_requests: bans.bad_requests,
        window_seconds: bans.window.as_secs(),
        duration_seconds: bans.duration.as_secs(),
        duration_max_seconds: bans.duration_max.as_secs(),
        v4_len: bans.ipv4_bits.into(),
        v6_len: bans.ipv6_bits.into(),
        exempt: networks.map(Network::from).collect(),
        file: bans.file.clone(),
    }
}

fn listeners(config: &Config) -> Vec<ListenNeeds> {
    config.listeners().into_iter().map(listener).collect()
}

fn listener(listen: &Listen) -> ListenNeeds {
    ListenNeeds {
        address: listen.address.to_string(),
        secure: listen.transport == Transport::Tls,
        pointer: listen.pointer.clone(),
    }
}

/// What is handed over as what it holds.
fn files(config: &Config) -> Vec<FileNeeds> {
    let of = |audience, files: Vec<certificates::Needed<'_>>| {
        let needs = files.into_iter().map(|file| FileNeeds {
            path: file.path.to_owned(),
            pointer: file.pointer(),
            secret: file.secret,
            audience,
        });
        needs.collect()
    };
    let files: [Vec<FileNeeds>; 4] = [
        of(Audience::Workers, certificates::files(config)),
        logins::files(config),
        of(Audience::Agent, remote::files(config)),
        name_files(config),
    ];
    files.concat()
}

/// By which names of servers are looked up. A worker may read those that were there when it began: where another one has
/// come in place of one, it takes another worker.
fn name_files(config: &Config) -> Vec<FileNeeds> {
    if !lookout::has_names(config) {
        return Vec::new();
    }
    let needs = |path: &&str| FileNeeds {
        path: path.into(),
        pointer: "/upstreams".to_owned(),
        secret: false,
        audience: Audience::Nobody,
    };
    lookout::FILES.iter().map(needs).collect()
}

/// Groups of servers, and the servers that a place names itself.
fn upstreams(config: &Config) -> Vec<UpstreamNeeds> {
    let mut seen = std::collections::HashSet::new();
    let of = |upstream: &config::Upstream| UpstreamNeeds {
        name: upstream.name.clone(),
        servers: upstream.servers.iter().map(|server| server.address.to_string()).collect(),
    };
    let all = config.all_upstreams().into_iter();
    all.filter(|upstream| seen.insert(upstream.name.clone())).map(of).collect()
}

/// Where the hosts have their files.
fn readable(config: &Config) -> Vec<ReadNeeds> {
    let folders = crate::folders::served(config).into_iter();
    folders.map(|(path, pointer)| ReadNeeds { path: path.to_owned(), pointer }).collect()
}

/// Each host with a number that changes when anything of it does, or of what all hosts share.
fn hosts(config: &Config) -> Vec<HostNeeds> {
    let server = &config.server;
    let clients = format!("{:?} {:?}", server.trusted, server.client_address);
    let shared = format!(
        "{:?} {:?} {:?} {} {clients}",
        server.limits, server.timeouts, server.file_cache, server.server_header
    );
    let digest = |host: &config::Host| {
        let mut hasher = DefaultHasher::new();
        (format!("{host:?}"), &shared).hash(&mut hasher);
        hasher.finish()
    };
    let needs = config.hosts.iter().map(|host| HostNeeds {
        name: host.name.to_string(),
        digest: digest(host),
        locations: host.locations.len() as u32,
    });
    needs.collect()
}

fn control(control: &config::Control) -> ControlNeeds {
    let entry = |name: &String, rank: Rank| RankEntry { name: name.clone(), rank: message_rank(rank) };
    let users = control.users.iter();
    let tokens = control.tokens.iter();
    let remote = control.remote.as_ref();
    let certificates = remote.map(|remote| remote.certificates.as_slice()).unwrap_or_default().iter();
    let secrets = Secrets {
        users: users
            .clone()
            .map(|(name, _, hash)| UserEntry { name: name.clone(), hash: hash.clone() })
            .collect(),
        tokens: tokens
            .clone()
            .map(|(name, _, digest)| TokenEntry { name: name.clone(), sha256: Bytes(digest.to_vec()) })
            .collect(),
        certificates: certificates
            .clone()
            .map(|(name, _, digest)| CertificateEntry { name: name.clone(), sha256: Bytes(digest.to_vec()) })
            .collect(),
    };
    ControlNeeds {
        socket: control.socket.clone(),
        mode: control.mode,
        audit_log: control.audit_log.clone(),
        peers: control.peers.iter().map(|(peer, rank)| peer_entry(peer, *rank)).collect(),
        users: users.map(|(name, rank, _)| entry(name, *rank)).collect(),
        tokens: tokens.map(|(name, rank, _)| entry(name, *rank)).collect(),
        certificates: certificates.map(|(name, rank, _)| entry(name, *rank)).collect(),
        remote: remote.map(|remote| remote.listen.iter().map(listener).collect()).unwrap_or_default(),
        secrets: Bytes(encode(&secrets)),
    }
}

fn peer_entry(peer: &Peer, rank: Rank) -> PeerEntry {
    let (kind, name, group) = match peer {
        Peer::User(name) => ("user", name, false),
        Peer::Group(name) => ("group", name, true),
    };
    let pointer = format!("/server/control/peers/{kind}:{name}");
    PeerEntry { name: name.clone(), group, rank: message_rank(rank), pointer }
}

fn message_rank(rank: Rank) -> message::Rank {
    match rank {
        Rank::Viewer => message::Rank::Viewer,
        Rank::Operator => message::Rank::Operator,
        Rank::Admin => message::Rank::Admin,
    }
}

fn output(output: &Output, found: &Found) -> message::Output {
    match output {
        Output::Stdout => message::Output::Stdout,
        Output::Stderr => message::Output::Stderr,
        Output::File(path) => message::Output::File { path: path.clone() },
        Output::Receiver(receiver) => found.output(receiver),
    }
}

fn level(level: Level) -> u32 {
    match level {
        Level::Error => 1,
        Level::Warn => 2,
        Level::Info => 3,
        Level::Debug => 4,
        Level::Trace => 5,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

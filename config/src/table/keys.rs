//! The rows of the table.

use std::time::Duration;

use super::sections::{
    AUTH, BANS, COMPRESSION, CONTROL, CORS, DEFAULTS, FILE_CACHE, HOST, LIMITS, LOCATION, LOG, REMOTE,
    SECURITY, SERVER, SHAPING as SHAPING_SECTION, TIMEOUTS, TLS, UPSTREAM,
};
use super::{AnyKey, Key};
use crate::fields::RequestFieldName;
use crate::kind::{
    AutoCount, Choice, Count, ErrorPageValue, FieldRuleValue, FilePath, Flag, Integer, LineFormat, List,
    ListOrOff, LogList, MapOf, Named, Object, ObjectOrOff, OrOff, OutputTo, Size, Span, Text, WordOrObject,
};
use crate::model::{
    CacheFor, ClientAddress, ClientCertificate, Comet, Dotfiles, ErrorFormat, ErrorStatus, ForwardedBefore,
    ForwardedFields, Handler, Level, Listing, Peer, ProxyHost, Rank, Symlinks,
};
use crate::name::HostName;
use crate::read::Preset;
use crate::syntax::{self, DefaultName, FieldName, Listening, ProxyTo};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR: u64 = 3600;

/// Declares the keys of a section, and `KEYS` with all of them and those of other modules that it has, too.
macro_rules! keys {
    ($(#[$doc:meta])* $module:ident { $($id:ident: $kind:ty = $name:literal, $value:expr,
        default $default:expr, example $example:literal, $prose:literal;)* } $(also $($more:path),+)?) => {
        $(#[$doc])*
        pub(crate) mod $module {
            use super::*;

            $(pub(crate) static $id: Key<$kind> = Key {
                name: $name, kind: $value, default: $default, example: $example, prose: $prose,
            };)*

            pub(in crate::table) static KEYS: &[&dyn AnyKey] = &[$(&$id,)* $($(&$more,)+)?];
        }
    };
}

mod coding;
mod fields;
mod logs;
mod rewriting;
mod secure;
mod upstreams;

pub(crate) use coding::compression;
pub(crate) use fields::{cors, security};
pub(crate) use logs::{log, rotate};
pub(crate) use rewriting::{answer, conditions, map, place, rule};
pub(crate) use secure::{auth, certificate, tls};
pub(crate) use upstreams::{
    upstream, upstream_eject, upstream_fastcgi, upstream_health, upstream_timeouts, upstream_tls,
};
mod shapes;
pub(crate) use shapes::{quota, shaping};

/// Written down here, read by a later stage.
const NETWORK: Text<String> =
    Text { noun: "a network such as 10.0.0.0/8", pattern: None, parse: syntax::any };

const LISTENING: Text<Listening> = Text {
    noun: "an address with a port",
    pattern: Some("^(unix:/.+|.*:[0-9]+( +tls)?( +proxy)?)$"),
    parse: syntax::listening,
};

keys! {
    /// Keys of the top level.
    top {
        SCHEMA: Text<String> = "$schema", Text { noun: "a text", pattern: None, parse: syntax::any },
            default None, example r#""kimura.schema.json""#,
            "Where editors find the JSON Schema; the server ignores it.";
        SERVER: Object = "server", Object(&super::SERVER),
            default None, example r#"{"listen": [":80"]}"#,
            "What concerns the process as a whole.";
        DEFAULTS: Object = "defaults", Object(&super::DEFAULTS),
            default None, example r#"{"etag": false}"#,
            "What holds in every host that does not say otherwise.";
        LOGS: Named = "logs", Named { section: &LOG, noun: "an object with an object for each log" },
            default None, example r#"{"main": {"file": "/var/log/kimura/access.log"}}"#,
            "The logs that an access_log can name.";
        UPSTREAMS: Named = "upstreams", Named { section: &UPSTREAM, noun: "an object with an object for each group" },
            default None, example r#"{"app": {"servers": ["127.0.0.1:9000", "127.0.0.1:9001"]}}"#,
            "The groups of servers that a proxy can name.";
        MAPS: Named = "maps", Named { section: &super::super::sections::MAP, noun: "an object with an object for each map" },
            default None, example r#"{"moved": {"values": {"/old": "/new"}}}"#,
            "Tables of texts, each with a variable of its name for \"rewrite\", \"return\" and \"try\".";
        HOSTS: Named = "hosts", Named { section: &HOST, noun: "an object with an object for each host" },
            default None, example r#"{"example.org": {"root": "www"}}"#,
            "The virtual hosts, by name; at least one.";
        DEFAULT_HOST: Text<DefaultName> = "default_host",
            Text { noun: "\"first\", \"refuse\" or the name of a host", pattern: None, parse: syntax::default_host },
            default Some(r#""first""#), example r#""refuse""#,
            "The host that answers requests for unknown names: the first of the file, none (421), or this one, on \
             addresses where it listens.";
    }
}

keys! {
    /// Keys of `/server`.
    server {
        SHARDS: AutoCount = "shards", AutoCount { max: 1024 },
            default Some(r#""auto""#), example "4",
            "Number of serving threads, each pinned to a core; \"auto\" is one for each core at hand.";
        LISTEN: List<Text<Listening>> = "listen", List { item: LISTENING, min: 1 },
            default Some(r#"["127.0.0.1:8080"]"#), example r#"["127.0.0.1:8080", "[::1]:8443 tls"]"#,
            "Addresses of all hosts that name none of their own. \":80\" is all IPv4 addresses, \"[::]:80\" all IPv6 \
             ones, \"unix:/run/kimura.sock\" a Unix socket, and port 0 any free port. \"tls\" behind an address, as in \
             \":443 tls\", has TLS spoken there. \"proxy\" behind that, as in \":80 proxy\" and \":443 tls proxy\", is for \
             proxies of /server/trusted that say first, by the PROXY protocol (version 1 or 2), for whom they speak; \
             all others are closed.";
        BACKLOG: Integer = "backlog", Integer { min: 1, max: 65_535 },
            default Some("4096"), example "1024",
            "Connections that may wait to be accepted, for each listening socket.";
        USER: Text<String> = "user", Text { noun: "the name of a user", pattern: None, parse: syntax::account },
            default None, example r#""www-data""#,
            "User to change to once the addresses are bound; only root can.";
        GROUP: Text<String> = "group", Text { noun: "the name of a group", pattern: None, parse: syntax::account },
            default None, example r#""www-data""#,
            "Group to change to; without it, the group of the user.";
        DAEMON: Flag = "daemon", Flag,
            default Some("false"), example "true",
            "Whether the server runs in the background.";
        PID_FILE: FilePath = "pid_file", FilePath,
            default None, example r#""/run/kimura.pid""#,
            "File that gets the process id.";
        ERROR_LOG: OutputTo = "error_log", OutputTo,
            default Some(r#""stderr""#), example r#""/var/log/kimura/error.log""#,
            "Where the server's own messages go.";
        ERROR_LOG_ALSO: LogList = "error_log_also", LogList,
            default Some(r#""off""#), example r#""central""#,
            "Logs of /logs, or files, that get each of the server's own messages as a line, too: with their rotation, by syslog, \
             journald or Gearman, and with their way to wait. format, status, slower_than, sample and anonymize are about \
             requests alone.";
        ERROR_LOG_LEVEL: Choice<Level> = "error_log_level",
            Choice { words: &[
                ("error", Level::Error), ("warn", Level::Warn), ("info", Level::Info), ("debug", Level::Debug),
                ("trace", Level::Trace),
            ] },
            default Some(r#""info""#), example r#""debug""#,
            "The least severe messages that are written.";
        SERVER_HEADER: Flag = "server_header", Flag,
            default Some("true"), example "false",
            "Whether responses carry the field \"Server: kimura\".";
        LIMITS: Object = "limits", Object(&super::LIMITS),
            default None, example r#"{"head_size": "16k"}"#,
            "Bounds on what a client may use.";
        TIMEOUTS: Object = "timeouts", Object(&super::TIMEOUTS),
            default None, example r#"{"idle": "30s"}"#,
            "Bounds on how long a client may take.";
        FILE_CACHE: Object = "file_cache", Object(&super::FILE_CACHE),
            default None, example r#"{"entries": 1000}"#,
            "The cache of open files that every shard keeps.";
        PRIVSEP: Flag = "privsep", Flag,
            default Some("true"), example "false",
            "Whether each role of the server is a process of its own with only the rights that it needs; \
             without it, all are threads of one process.";
        SANDBOX: Flag = "sandbox", Flag,
            default Some("true"), example "false",
            "Whether the processes give up everything that they do not need, beside their user: files (Landlock) and \
             system calls (seccomp). Turn it off only to find out whether it stands in the way of something.";
        CONTROL: Object = "control", Object(&super::CONTROL),
            default None, example r#"{"socket": "/run/kimura/control.sock"}"#,
            "Commands to the running server.";
        TRUSTED: List<Text<String>> = "trusted", List { item: NETWORK, min: 0 },
            default Some("[]"), example r#"["10.0.0.0/8", "2001:db8::/32", "unix"]"#,
            "Networks of proxies that are believed for whom they speak; \"unix\" is whoever connects to a Unix socket. \
             Their own addresses are never banned, and connections_per_client does not count their connections.";
        CLIENT_ADDRESS: Choice<ClientAddress> = "client_address",
            Choice { words: &[
                ("socket", ClientAddress::Socket), ("x-forwarded-for", ClientAddress::XForwardedFor),
                ("forwarded", ClientAddress::Forwarded),
            ] },
            default Some(r#""socket""#), example r#""x-forwarded-for""#,
            "Where the address of a client is found, for access rules, bans and logs: at the other end of the connection \
             (or in its PROXY header), or in the field X-Forwarded-For or Forwarded (RFC 7239) of a request that a \
             trusted proxy has passed on: there it is the last address that is not trusted itself.";
        BANS: Object = "bans", Object(&super::BANS),
            default None, example r#"{"file": "/var/lib/kimura/bans"}"#,
            "Who is banned, and for how long.";
        SHAPING: Object = "shaping", Object(&SHAPING_SECTION),
            default None, example r#"{"client": {"requests": "50r/s"}}"#,
            "What clients of the whole server may use.";
    }
}

keys! {
    /// Keys of `/server/bans`.
    bans {
        FAILURES: Integer = "failures", Integer { min: 1, max: 100 },
            default Some("20"), example "10",
            "The failed login from a prefix, within the window, that bans the prefix.";
        USER_FAILURES: Integer = "user_failures", Integer { min: 1, max: 100 },
            default Some("5"), example "3",
            "The failed login for one user from a prefix, within the window, that bans this user from there. It does \
             something where it is lower than failures.";
        BAD_REQUESTS: Count = "bad_requests", Count { max: 100 },
            default Some("0"), example "50",
            "The bad request from a prefix, within the window, that bans the prefix: one that is malformed, or is answered \
             with 400, 403, 404, 405 or 421. 0 does not count them.";
        WINDOW: Span = "window", BANISHMENT,
            default Some(r#""10m""#), example r#""1h""#,
            "How long a failure counts.";
        DURATION: Span = "duration", BANISHMENT,
            default Some(r#""10m""#), example r#""1h""#,
            "How long the first ban of a prefix lasts. Each further one lasts twice as long.";
        DURATION_MAX: Span = "duration_max", BANISHMENT,
            default Some(r#""1d""#), example r#""7d""#,
            "How long a ban lasts at most. How many there were is forgotten the same time after the end of the last one.";
        IPV4_BITS: Integer = "ipv4_bits", Integer { min: 0, max: 32 },
            default Some("32"), example "24",
            "Bits of an IPv4 address that are watched together: the length of the prefix.";
        IPV6_BITS: Integer = "ipv6_bits", Integer { min: 0, max: 128 },
            default Some("64"), example "56",
            "The same of IPv6.";
        ALLOW: List<Text<String>> = "allow", List { item: NETWORK, min: 0 },
            default Some("[]"), example r#"["192.0.2.0/24"]"#,
            "Networks that are never banned, beside those of /server/trusted.";
        FILE: FilePath = "file", FilePath,
            default None, example r#""/var/lib/kimura/bans""#,
            "File in which bans survive a restart; its folder has to be there. One that cannot be read is put aside, with \
             \".broken\" behind its name. Without it they survive a reload and an upgrade alone.";
    }
}

const RANK: Choice<Rank> =
    Choice { words: &[("viewer", Rank::Viewer), ("operator", Rank::Operator), ("admin", Rank::Admin)] };

keys! {
    /// Keys of `/server/control`.
    control {
        SOCKET: FilePath = "socket", FilePath,
            default None, example r#""/run/kimura/control.sock""#,
            "Path of the socket; without it there are no commands.";
        MODE: Text<u32> = "mode",
            Text { noun: "an octal number in quotes", pattern: Some("^0?[0-7]{3}$"), parse: syntax::mode },
            default Some(r#""0600""#), example r#""0666""#,
            "Mode of the socket's file: connecting takes the right to write.";
        AUDIT_LOG: FilePath = "audit_log", FilePath,
            default None, example r#""/var/log/kimura/audit.log""#,
            "File to which every command is appended, with who gave it, from where and its result; without it, the error \
             log has them.";
        PEERS: MapOf<Peer, Choice<Rank>> = "peers",
            MapOf {
                key: Text { noun: "\"user:NAME\" or \"group:NAME\"", pattern: Some("^(user|group):"), parse: syntax::peer },
                value: RANK,
            },
            default Some("{}"), example r#"{"group:adm": "operator"}"#,
            "What users and groups of the machine may do.";
        USERS: MapOf<String, Text<(Rank, String)>> = "users",
            MapOf {
                key: Text { noun: "a name", pattern: None, parse: syntax::short_name },
                value: Text {
                    noun: "a rank and the hash of a password, such as \"operator $6$...\"",
                    pattern: Some("^(viewer|operator|admin) [$]"),
                    parse: syntax::ranked_hash,
                },
            },
            default Some("{}"), example r#"{"anna": "operator $6$salt$hash"}"#,
            "Users with a password: `kimura passwd` makes the hash.";
        TOKENS: MapOf<String, Text<(Rank, [u8; 32])>> = "tokens",
            MapOf {
                key: Text { noun: "a name", pattern: None, parse: syntax::short_name },
                value: Text {
                    noun: "a rank and the SHA-256 of a token, such as \"operator 9f86...\"",
                    pattern: Some("^(viewer|operator|admin) [0-9a-fA-F]{64}$"),
                    parse: syntax::ranked_digest,
                },
            },
            default Some("{}"),
            example r#"{"deploy": "operator 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}"#,
            "Tokens, which need no user: `printf %s TOKEN | sha256sum` makes the digest.";
        REMOTE: Object = "remote", Object(&super::REMOTE),
            default None,
            example r#"{"listen": ["127.0.0.1:8440"], "chain": "chain.pem", "key": "key.pem"}"#,
            "Commands from elsewhere.";
    }
}

keys! {
    /// Keys of `/server/control/remote`.
    remote {
        LISTEN: List<Text<Listening>> = "listen",
            List {
                item: Text {
                    noun: "an IP address with a port",
                    pattern: Some("^[^/]*:[0-9]+$"),
                    parse: syntax::remote_address,
                },
                min: 1,
            },
            default None, example r#"["192.0.2.1:8440", "[::1]:8440"]"#,
            "Addresses to listen on; 8440 is the port that `--control` takes by itself.";
        CHAIN: FilePath = "chain", FilePath,
            default None, example r#""tls/control-chain.pem""#,
            "The certificate of the server and those that lead to its authority, in PEM.";
        KEY: FilePath = "key", FilePath,
            default None, example r#""tls/control-key.pem""#,
            "The private key of the certificate, in PEM; root alone needs to be able to read it.";
        CERTIFICATES: MapOf<String, Text<(Rank, [u8; 32])>> = "certificates",
            MapOf {
                key: Text { noun: "a name", pattern: None, parse: syntax::short_name },
                value: Text {
                    noun: "a rank and the SHA-256 of a certificate, such as \"operator 9f86...\"",
                    pattern: Some("^(viewer|operator|admin) [0-9a-fA-F]{64}$"),
                    parse: syntax::ranked_fingerprint,
                },
            },
            default Some("{}"),
            example r#"{"laptop": "operator 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}"#,
            "Certificates of those who command: `openssl x509 -in FILE -outform DER | sha256sum` makes the digest.";
    }
}

keys! {
    /// Keys of `/server/limits`.
    limits {
        HEAD_SIZE: Size = "head_size", Size::between(KIB, MIB),
            default Some(r#""32k""#), example r#""16k""#,
            "Bytes of a request's head: request line and header fields. More is answered with 431.";
        TARGET_SIZE: Size = "target_size", Size::between(256, MIB),
            default Some(r#""16k""#), example r#""8k""#,
            "Bytes of a request's target (the URL without its host); at most head_size. More is answered with 414.";
        FIELDS: Integer = "fields", Integer { min: 8, max: 4096 },
            default Some("128"), example "64",
            "Number of header fields of a request. More are answered with 431.";
        CONNECTIONS_PER_SHARD: Integer = "connections_per_shard", Integer { min: 1, max: 1_000_000 },
            default Some("50000"), example "10000",
            "Open connections of one shard. More are closed at once.";
        CONNECTIONS_PER_CLIENT: Count = "connections_per_client", Count { max: 1_000_000 },
            default Some("0"), example "256",
            "Open connections of one client address on one shard. More are closed at once; 0 is unlimited.";
        REQUESTS_PER_CONNECTION: Count = "requests_per_connection", Count { max: u32::MAX },
            default Some("0"), example "10000",
            "Requests on one connection before it is closed; 0 is unlimited, 1 turns keep-alive off.";
        VIEWERS_PER_SHARD: Integer = "viewers_per_shard", Integer { min: 1, max: 10_000 },
            default Some("64"), example "8",
            "Viewers of live logs (comet) on one shard. More are answered with 503.";
        COMPRESSIONS_PER_SHARD: Integer = "compressions_per_shard", Integer { min: 0, max: 10_000 },
            default Some("32"), example "8",
            "Contents that one shard compresses at the same time; further ones are sent as they are. Each takes 5 MB \
             at most with the levels that are the default, and up to 40 MB with others (docs/compression.md); 0 compresses none.";
    }
}

/// No window or ban is shorter than the second that they are counted in, or longer than a year.
const BANISHMENT: Span = Span { min: Duration::from_secs(1), max: Duration::from_secs(365 * 24 * HOUR) };

/// No timeout is shorter than what the engine's timer tells apart, or longer than an hour.
const PATIENCE: Span = Span { min: Duration::from_millis(100), max: Duration::from_secs(HOUR) };

keys! {
    /// Keys of `/server/timeouts`.
    timeouts {
        HEADER: Span = "header", PATIENCE,
            default Some(r#""10s""#), example r#""5s""#,
            "From the first byte of a request's head to its last. Later is answered with 408.";
        BODY: Span = "body", PATIENCE,
            default Some(r#""30s""#), example r#""10s""#,
            "Between two reads of a request's body. It also has to come with 512 bytes a second on the whole.";
        HANDSHAKE: Span = "handshake", PATIENCE,
            default Some(r#""10s""#), example r#""5s""#,
            "How long a TLS handshake may take.";
        IDLE: Span = "idle", PATIENCE,
            default Some(r#""75s""#), example r#""15s""#,
            "How long a connection waits for a request, the first one or the next.";
        WRITE: Span = "write", PATIENCE,
            default Some(r#""30s""#), example r#""10s""#,
            "How long a client may take no byte of a response.";
        DRAIN: Span = "drain", Span { min: Duration::ZERO, max: Duration::from_secs(HOUR) },
            default Some(r#""30s""#), example r#""5s""#,
            "How long running requests may take after the server was told to stop.";
    }
}

keys! {
    /// Keys of `/server/file_cache`.
    file_cache {
        ENTRIES: Integer = "entries", Integer { min: 0, max: 1_000_000 },
            default Some("4096"), example "20000",
            "Files that a shard keeps open; 0 turns the cache off.";
        SMALL_BODY: Size = "small_body", Size::between(0, 16 * MIB),
            default Some(r#""64k""#), example r#""16k""#,
            "Files up to this size are kept in memory whole; 0 keeps none.";
        COMPRESSED_BODY: Size = "compressed_body", Size::between(0, 16 * MIB),
            default Some(r#""1M""#), example r#""256k""#,
            "Files up to this size are compressed once, where \"compression\" is on, and kept so. Larger ones are compressed \
             for each request.";
        MEMORY: Size = "memory", Size::between(0, 64 * GIB),
            default Some(r#""64M""#), example r#""256M""#,
            "Memory of a shard for such files.";
        VALID: Span = "valid", Span { min: Duration::ZERO, max: Duration::from_secs(HOUR) },
            default Some(r#""1s""#), example r#""10s""#,
            "How long a file is served from the cache before it is looked at again.";
    }
}

keys! {
    /// Keys of a host that are not inherited.
    host {
        NAMES: List<Text<HostName>> = "names",
            List { item: Text { noun: "a host name", pattern: None, parse: syntax::host_name }, min: 0 },
            default Some("[]"), example r#"["www.example.org", "*.example.net"]"#,
            "Further names of the host. Case, port and a final dot do not count.";
        LISTEN: List<Text<Listening>> = "listen", List { item: LISTENING, min: 1 },
            default None, example r#"["127.0.0.1:8081", "127.0.0.1:8443 tls"]"#,
            "The only addresses on which the host answers; without it, all of /server/listen.";
        TLS: Object = "tls", Object(&super::TLS),
            default None, example r#"{"certificates": {"own": {"chain": "tls/chain.pem", "key": "tls/key.pem"}}}"#,
            "Certificates of the host, and rules for those of clients.";
        LOCATIONS: Named = "locations",
            Named { section: &LOCATION, noun: "an object with an object for each location" },
            default None, example r#"{"/private/": {"methods": ["GET"]}}"#,
            "Parts of the host that differ, by path.";
    } also place::REWRITE, place::RETURN, place::TRY
}

keys! {
    /// Keys of `/defaults`, of hosts and of locations.
    settings {
        ROOT: FilePath = "root", FilePath,
            default None, example r#""www""#,
            "Folder that is served. The path of the request is looked for below it.";
        INDEX: List<Text<String>> = "index",
            List { item: Text { noun: "a file name", pattern: Some("^[^/]+$"), parse: syntax::file_name }, min: 0 },
            default Some(r#"["index.html"]"#), example r#"["index.html", "index.htm"]"#,
            "Files tried, in this order, when a folder is asked for; the rules of the folder's location hold for \
             them.";
        HANDLER: Choice<Handler> = "handler",
            Choice { words: &[
                ("files", Handler::Files), ("echo", Handler::Echo), ("metrics", Handler::Metrics),
            ] },
            default Some(r#""files""#), example r#""echo""#,
            "Who makes the response: \"files\" serves root, \"echo\" sends the request back for diagnosis, \"metrics\" shows the \
             numbers of the server as Prometheus reads them; it takes a login (auth), or access rules that deny somebody.";
        COMET: OrOff<Choice<Comet>> = "comet",
            OrOff(Choice { words: &[
                ("host", Comet::Host), ("access", Comet::Access), ("errors", Comet::Errors), ("all", Comet::All),
            ] }),
            default Some(r#""off""#), example r#""all""#,
            "Shows what is logged, as it comes, in place of the handler: the lines of this host's requests (\"host\"), of all \
             requests (\"access\"), messages of the error log (\"errors\"), or requests and messages (\"all\"). The name of the \
             location has to end with a slash: a page is served there, and events and poll below it are for programs. \
             It takes a login (auth), or access rules that deny somebody. Requests that no access log takes do not show, \
             nor do those to live logs.";
        PROXY: OrOff<Text<ProxyTo>> = "proxy",
            OrOff(Text {
                noun: "a group of /upstreams, http://HOST:PORT or unix:PATH",
                pattern: None,
                parse: syntax::proxy,
            }),
            default Some(r#""off""#), example r#""http://127.0.0.1:9000""#,
            "Passes requests on, in place of the handler: to a group of /upstreams by its name, or to one server \
             (http://HOST:PORT, unix:PATH). The target is sent as the client sent it; all methods are passed on but CONNECT \
             and TRACE.";
        PROXY_HOST: Text<ProxyHost> = "proxy_host",
            Text { noun: "\"keep\", \"upstream\" or a name", pattern: None, parse: syntax::proxy_host },
            default Some(r#""keep""#), example r#""app.example.org""#,
            "The Host of requests that are passed on: the one that the client has named (\"keep\"), the address of the server \
             as the configuration has it (\"upstream\"), or this name, with a port where one is needed.";
        PROXY_FORWARDED: Choice<ForwardedFields> = "proxy_forwarded",
            Choice { words: &[
                ("x-forwarded", ForwardedFields::XForwarded), ("forwarded", ForwardedFields::Forwarded),
                ("both", ForwardedFields::Both), ("off", ForwardedFields::None),
            ] },
            default Some(r#""x-forwarded""#), example r#""forwarded""#,
            "Which fields tell a server who asks: X-Forwarded-For, -Proto and -Host (\"x-forwarded\"), Forwarded of RFC 7239 \
             (\"forwarded\"), \"both\", or none (\"off\"). Those that clients send never pass, and those of trusted proxies as \
             proxy_forwarded_before has it.";
        PROXY_FORWARDED_BEFORE: Choice<ForwardedBefore> = "proxy_forwarded_before",
            Choice { words: &[("keep", ForwardedBefore::Kept), ("replace", ForwardedBefore::Replaced)] },
            default Some(r#""keep""#), example r#""replace""#,
            "What becomes of such fields of a proxy of /server/trusted: the address of its connection is appended (\"keep\"), or \
             nothing of them passes and the server is told the address of the client alone (\"replace\").";
        REQUEST_BUFFERING: Size = "request_buffering", Size { min: 0, max: 64 * MIB, unlimited: false },
            default Some(r#""0""#), example r#""1M""#,
            "Bytes of a request's content that are taken, into memory, before a server is chosen, so that slow uploads keep no \
             server waiting and a request that may be repeated can be sent to another one. More is answered with 413. 0 \
             passes contents on as they come.";
        PROXY_UPGRADE: ListOrOff<Text<String>> = "proxy_upgrade",
            ListOrOff(List {
                item: Text { noun: "a protocol such as \"websocket\"", pattern: None, parse: syntax::upgrade },
                min: 1,
            }),
            default Some(r#"["websocket"]"#), example r#"["websocket", "tcp"]"#,
            "Protocols that a client may ask to go on in (Upgrade), if the server agrees; \"off\" has none. Never HTTP and TLS: \
             requests would pass in them that nobody has looked at.";
        ACCESS: List<Text<String>> = "access",
            List {
                item: Text {
                    noun: "a rule such as \"allow from 10.0.0.0/8\"", pattern: Some("^(allow|deny) "),
                    parse: syntax::any,
                },
                min: 0,
            },
            default Some("[]"), example r#"["allow from 10.0.0.0/8,::1", "allow certificate", "deny all"]"#,
            "Who is let in: rules in their order, of which the first that fits decides; whoever is denied gets 403. A rule \
             is allow or deny and all, or one or more of: from and networks, method and methods, certificate (a client \
             certificate that holds), and of what such a certificate says: subject or issuer and a name as RFC 4514 writes \
             it ('CN=Anna Lee,O=Example'), san and names (DNS:, email:, URI:, IP:), fingerprint and SHA-256. Users who log \
             in are named in \"require\" of \"auth\". Lists have commas and no spaces; what has spaces stands between \
             apostrophes. The last rule has to fit everybody.";
        CLIENT_CERTIFICATE: Choice<ClientCertificate> = "client_certificate",
            Choice { words: &[
                ("off", ClientCertificate::Off), ("optional", ClientCertificate::Optional),
                ("required", ClientCertificate::Required),
            ] },
            default None, example r#""required""#,
            "Whether a request needs a client certificate, at a host whose \"tls\" asks for one: \"off\" looks at none, \
             \"optional\" takes those that hold and requests without, \"required\" only those that hold; others get 403, \
             or 421 where another host has judged. Without it, as \"clients\" of \"tls\" says. Who has signed it is for \
             \"access\".";
        METHODS: List<Text<String>> = "methods",
            List { item: Text { noun: "a method in upper case", pattern: Some("^[^a-z ]+$"), parse: syntax::method }, min: 1 },
            default None, example r#"["GET", "HEAD"]"#,
            "Methods that are allowed; others are answered with 405. Without it, all that the handler knows.";
        CHARSET: OrOff<Text<String>> = "charset",
            OrOff(Text { noun: "a charset", pattern: None, parse: syntax::charset }),
            default Some(r#""utf-8""#), example r#""iso-8859-1""#,
            "Charset that responses with a text type announce; \"off\" announces none.";
        TYPES: MapOf<String, Text<String>> = "types",
            MapOf {
                key: Text { noun: "a file name extension", pattern: Some("^[^./]+$"), parse: syntax::extension },
                value: Text { noun: "a media type", pattern: Some("^[^/]+/[^/]+"), parse: syntax::media_type },
            },
            default Some("{}"), example r#"{"md": "text/markdown"}"#,
            "Media types by file name extension, before the built-in ones. null removes an inherited one.";
        DEFAULT_TYPE: Text<String> = "default_type",
            Text { noun: "a media type", pattern: Some("^[^/]+/[^/]+"), parse: syntax::media_type },
            default Some(r#""application/octet-stream""#), example r#""text/plain""#,
            "Media type of files with an unknown extension.";
        DOTFILES: Choice<Dotfiles> = "dotfiles",
            Choice { words: &[("hide", Dotfiles::Hide), ("serve", Dotfiles::Serve)] },
            default Some(r#""hide""#), example r#""serve""#,
            "Whether files and folders whose names begin with a dot are served, or hidden behind 404.";
        SYMLINKS: Choice<Symlinks> = "symlinks",
            Choice { words: &[
                ("inside", Symlinks::Inside), ("follow", Symlinks::Follow), ("never", Symlinks::Never),
            ] },
            default Some(r#""inside""#), example r#""never""#,
            "Which symbolic links are followed: those that stay below root, all, or none.";
        LISTING: OrOff<Choice<Listing>> = "listing",
            OrOff(Choice { words: &[("html", Listing::Html), ("json", Listing::Json), ("auto", Listing::Auto)] }),
            default Some(r#""off""#), example r#""auto""#,
            "What a folder without an index file is answered with: a page for people, JSON, or (\"auto\") whichever the client \
             would rather have; \"off\" is 403. At most 5000 entries are listed, those that the location would serve.";
        ETAG: Flag = "etag", Flag,
            default Some("true"), example "false",
            "Whether responses carry an entity tag.";
        HEADERS: MapOf<FieldName, FieldRuleValue> = "headers",
            MapOf {
                key: Text { noun: "a field name", pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), parse: syntax::field_name },
                value: FieldRuleValue,
            },
            default Some("{}"), example r#"{"X-Content-Type-Options": "nosniff"}"#,
            "What becomes of fields of responses, of whatever status and from whom they come: a text sets the field, false \
             removes it, {\"add\": ...} adds one or a list beside what is there, {\"default\": ...} sets it where it is \
             missing; \"on\": [\"2xx\", \"404\"] beside \"set\", \"add\" or \"default\" does so for these statuses alone. null \
             drops an inherited rule. Values may have variables (docs/proxy.md); $$ is a dollar.";
        SECURITY: WordOrObject<Preset> = "security",
            WordOrObject { words: fields::PRESETS, section: &super::SECURITY },
            default Some(r#""off""#), example r#""strict""#,
            "Fields by which browsers keep pages from harm, where a response does not have them already: \"basic\" suits nearly \
             every site, \"strict\" lets pages use what comes from the same origin alone; an object says more.";
        CORS: ObjectOrOff = "cors", ObjectOrOff(&super::CORS),
            default Some(r#""off""#), example r#"{"origins": ["https://app.example.org"]}"#,
            "What scripts of other origins may do. Their preflight requests are answered here (204).";
        CACHE: MapOf<CacheFor, Text<Option<String>>> = "cache",
            MapOf {
                key: Text { noun: "a media type, \"image/*\" or \"*\"", pattern: None, parse: crate::fields::cache_for },
                value: Text {
                    noun: "a time and words such as \"30d immutable\"", pattern: None,
                    parse: crate::fields::cache_control,
                },
            },
            default Some("{}"), example r#"{"text/html": "no-cache", "image/*": "30d"}"#,
            "What caches are told (Cache-Control), by media type, with answers 200, 203, 206 and 304 that do not say it \
             themselves: a time, no-cache, no-store, public, private, immutable, must-revalidate, or several of these; \
             \"off\" is nothing. The most precise type counts. null drops an inherited entry.";
        ERROR_PAGES: MapOf<ErrorStatus, ErrorPageValue> = "error_pages",
            MapOf {
                key: Text { noun: "a status", pattern: Some("^([45][0-9][0-9]|[45]xx)$"), parse: syntax::error_status },
                value: ErrorPageValue,
            },
            default Some("{}"), example r#"{"404": "errors/404.html", "5xx": {"html": "<h1>Broken</h1>"}}"#,
            "What is sent with error responses, by status or class: the path of a file, {\"html\": ...}, {\"text\": ...} or \
             {\"json\": ...} with what to send, or {\"to\": \"/path\"} for a file that the host has at this path. null removes \
             an inherited one.";
        ERROR_FORMAT: Choice<ErrorFormat> = "error_format",
            Choice { words: &[("html", ErrorFormat::Html), ("json", ErrorFormat::Json), ("auto", ErrorFormat::Auto)] },
            default Some(r#""html""#), example r#""auto""#,
            "What errors are told in: pages, JSON for programs (application/problem+json, RFC 9457), or (\"auto\") whichever the \
             client would rather have.";
        INTERCEPT: Flag = "intercept", Flag,
            default Some("false"), example "true",
            "Whether an error of an upstream gets the answer that an error of our own would get, where error_pages has one for \
             its status or error_format has the client get JSON.";
        INTERNAL: Flag = "internal", Flag,
            default Some("false"), example "true",
            "Whether clients cannot ask for what is here (404): only rules (rewrite), errors (error_pages) and upstreams (accel) \
             lead here.";
        ACCEL: Flag = "accel", Flag,
            default Some("false"), example "true",
            "Whether an upstream may answer with the field X-Accel-Redirect, which names a path of this host: the file there is \
             sent in place of its answer, from a location with internal or without. The field never reaches a client.";
        PROXY_HEADERS: MapOf<RequestFieldName, FieldRuleValue> = "proxy_headers",
            MapOf {
                key: Text {
                    noun: "a field name", pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), parse: crate::fields::request_field,
                },
                value: FieldRuleValue,
            },
            default Some("{}"), example r#"{"X-Real-IP": "$remote_addr", "X-Debug": false}"#,
            "What becomes of fields of requests on their way to an upstream: a text sets the field, false removes it, \
             {\"add\": ...} adds one or a list. null drops an inherited rule. Variables such as $remote_addr and $request_id stand for \
             what the request is (docs/proxy.md), $$ for a dollar; a field without a value is not sent.";
        ACCESS_LOG: LogList = "access_log", LogList,
            default Some(r#""off""#), example r#""/var/log/kimura/access.log""#,
            "Where requests are logged. What has a slash or a dot in it is the path of a file, everything else but stdout and \
             stderr the name of a log of /logs.";
        ACCESS_LOG_FORMAT: LineFormat = "access_log_format", LineFormat,
            default Some(r#""combined""#), example r#""json""#,
            "How a line looks where access_log is a path, stdout or stderr; a log of /logs has a format of its own.";
        REQUEST_ID: Flag = "request_id", Flag,
            default Some("false"), example "true",
            "Whether responses carry the field X-Request-Id, by which a line of a log can be found. The server makes the id; \
             one that a proxy of /server/trusted sends in this field is kept.";
        AUTH: ObjectOrOff = "auth", ObjectOrOff(&super::AUTH),
            default Some(r#""off""#), example r#"{"realm": "Members", "htpasswd": "auth/members.htpasswd"}"#,
            "Who has to log in, and how that is checked.";
        COMPRESSION: ObjectOrOff = "compression", ObjectOrOff(&super::COMPRESSION),
            default Some(r#""off""#), example r#"{"codings": ["gzip"]}"#,
            "How contents are compressed for clients that take it.";
        SHAPING: ObjectOrOff = "shaping", ObjectOrOff(&SHAPING_SECTION),
            default Some(r#""off""#), example r#"{"client": {"down": "1MB/s"}}"#,
            "What clients of this host or location may use, beside the limits of /server/shaping. It is inherited as a whole: \
             locations without one share that of their host; what stands in /defaults holds for each host by itself.";
        BODY_SIZE: Size = "body_size", Size { min: 0, max: i64::MAX as u64, unlimited: true },
            default Some(r#""1M""#), example r#""16M""#,
            "Bytes of a request's body. More is answered with 413.";
    }
}

//! The objects that have keys.

use super::Section;
use super::keys::{
    answer, auth, bans, certificate, compression, conditions, control, cors, file_cache, host, limits, log,
    map, place, quota, remote, rotate, rule, security, server, settings, shaping, timeouts, tls, top,
    upstream, upstream_eject, upstream_fastcgi, upstream_health, upstream_timeouts, upstream_tls,
};

/// The whole file.
pub(crate) static TOP: Section = Section {
    name: "configuration",
    place: "the outermost object",
    prose: "The whole file.",
    inherited: &[],
    own: top::KEYS,
};

/// `/server`.
pub(crate) static SERVER: Section = Section {
    name: "server",
    place: "/server",
    prose: "What concerns the process as a whole.",
    inherited: &[],
    own: server::KEYS,
};

/// `/server/limits`.
pub(crate) static LIMITS: Section = Section {
    name: "limits",
    place: "/server/limits",
    prose: "Bounds on what a client may use.",
    inherited: &[],
    own: limits::KEYS,
};

/// `/server/timeouts`.
pub(crate) static TIMEOUTS: Section = Section {
    name: "timeouts",
    place: "/server/timeouts",
    prose: "Bounds on how long a client may take.",
    inherited: &[],
    own: timeouts::KEYS,
};

/// `/server/file_cache`.
pub(crate) static FILE_CACHE: Section = Section {
    name: "file_cache",
    place: "/server/file_cache",
    prose: "The cache of open files that every shard keeps.",
    inherited: &[],
    own: file_cache::KEYS,
};

/// `/server/control`.
pub(crate) static CONTROL: Section = Section {
    name: "control",
    place: "/server/control",
    prose: "Commands to the running server (kimura status, kimura reload and so on), over a Unix socket. \
            Root and the user that started the server may give all of them; a viewer may look, an operator may \
            also reload and see to the logs, an admin may also end the server.",
    inherited: &[],
    own: control::KEYS,
};

/// `/server/control/remote`.
pub(crate) static REMOTE: Section = Section {
    name: "remote",
    place: "/server/control/remote",
    prose: "Commands from elsewhere (kimura --control HOST status), over TLS. A process of its own ends TLS there; it is \
            never enough to be connected: each command takes a password, a token or a certificate.",
    inherited: &[],
    own: remote::KEYS,
};

/// `/server/bans`.
pub(crate) static BANS: Section = Section {
    name: "bans",
    place: "/server/bans",
    prose: "Who is banned, and for how long. Without this section nobody is, and nothing is counted. Failures are \
            counted for an address prefix, and for a user from a prefix; never for the user alone, so that nobody can \
            lock others out. New connections from a banned prefix are closed at once and those that are there, too; \
            requests that a trusted proxy passes on for one are answered with 403. kimura bans, ban and unban show and \
            change who is banned.",
    inherited: &[],
    own: bans::KEYS,
};

/// `/defaults`.
pub(crate) static DEFAULTS: Section = Section {
    name: "defaults",
    place: "/defaults",
    prose: "What holds in every host that does not say otherwise.",
    inherited: &[],
    own: settings::KEYS,
};

/// `/logs/NAME`.
pub(crate) static LOG: Section = Section {
    name: "log",
    place: "a log (/logs/NAME)",
    prose: "A log of requests, which the access_log of a host or location names. NAME has letters, digits, - and _. One \
            of file, stream, syslog, journald and gearman says where its lines go.",
    inherited: &[],
    own: log::KEYS,
};

/// `/logs/NAME/rotate`.
pub(crate) static ROTATE: Section = Section {
    name: "rotate",
    place: "rotation of a log (/logs/NAME/rotate)",
    prose: "When the file of a log is put aside, and what becomes of those that were. Nothing but files whose names this \
            rotation makes is ever renamed or removed.",
    inherited: &[],
    own: rotate::KEYS,
};

/// `/upstreams/NAME`.
pub(crate) static UPSTREAM: Section = Section {
    name: "upstream",
    place: "a group of servers (/upstreams/NAME)",
    prose: "Servers that a host or location passes its requests on to, each of which gives the same answers. NAME has \
            letters, digits, -, _ and dots.",
    inherited: &[],
    own: upstream::KEYS,
};

/// `/upstreams/NAME/eject`.
pub(crate) static UPSTREAM_EJECT: Section = Section {
    name: "upstream_eject",
    place: "ejection of servers (/upstreams/NAME/eject)",
    prose: "When a server that fails gets no requests for a while. Each shard finds out by itself.",
    inherited: &[],
    own: upstream_eject::KEYS,
};

/// `/upstreams/NAME/fastcgi`.
pub(crate) static UPSTREAM_FASTCGI: Section = Section {
    name: "upstream_fastcgi",
    place: "scripts of a group (/upstreams/NAME/fastcgi)",
    prose: "Which scripts requests are for, where the servers of the group speak FastCGI.",
    inherited: &[],
    own: upstream_fastcgi::KEYS,
};

/// `/upstreams/NAME/health`.
pub(crate) static UPSTREAM_HEALTH: Section = Section {
    name: "upstream_health",
    place: "health checks of a group (/upstreams/NAME/health)",
    prose: "How each worker finds out whether a server is well. One that is not gets no requests; where none is, they are \
            answered with 503.",
    inherited: &[],
    own: upstream_health::KEYS,
};

/// `/upstreams/NAME/tls`.
pub(crate) static UPSTREAM_TLS: Section = Section {
    name: "upstream_tls",
    place: "TLS with servers (/upstreams/NAME/tls)",
    prose: "How the servers of the group are spoken to, and who they have to be.",
    inherited: &[],
    own: upstream_tls::KEYS,
};

/// `/upstreams/NAME/timeouts`.
pub(crate) static UPSTREAM_TIMEOUTS: Section = Section {
    name: "upstream_timeouts",
    place: "timeouts of a group (/upstreams/NAME/timeouts)",
    prose: "Bounds on how long a server of the group may take.",
    inherited: &[],
    own: upstream_timeouts::KEYS,
};

/// `/hosts/NAME`.
pub(crate) static HOST: Section = Section {
    name: "host",
    place: "a host (/hosts/NAME)",
    prose: "A virtual host. NAME is a host name (\"example.org\"), a wildcard for all names below one \
            (\"*.example.org\") or an IP address (\"192.0.2.1\", \"[::1]\"). Keys that it does not set are \
            inherited from /defaults.",
    inherited: settings::KEYS,
    own: host::KEYS,
};

/// `/hosts/NAME/locations/KEY`.
pub(crate) static LOCATION: Section = Section {
    name: "location",
    place: "a location (/hosts/NAME/locations/KEY)",
    prose: "A part of a host. KEY is \"/img/\" for all paths that begin so, \"= /path\" for this path alone, \
            or \"~ regex\" for all paths that the regular expression matches. An exact match wins, then the \
            first pattern in the order of the file, then the longest prefix. Keys that it does not set are \
            inherited from the host.",
    inherited: settings::KEYS,
    own: place::KEYS,
};

/// `/hosts/NAME/tls`.
pub(crate) static TLS: Section = Section {
    name: "tls",
    place: "TLS of a host (/hosts/NAME/tls)",
    prose: "What the host is served with on addresses that have \"tls\" behind them.",
    inherited: &[],
    own: tls::KEYS,
};

/// `/hosts/NAME/tls/certificates/LABEL`.
pub(crate) static CERTIFICATE: Section = Section {
    name: "certificate",
    place: "a certificate (/hosts/NAME/tls/certificates/LABEL)",
    prose: "A certificate of the host. LABEL is any name; with several certificates each has a key of another kind, \
            and the client decides. The files are opened by the process with the rights, so that root alone needs to \
            be able to read them.",
    inherited: &[],
    own: certificate::KEYS,
};

/// `auth` of `/defaults`, a host or a location.
pub(crate) static AUTH: Section = Section {
    name: "auth",
    place: "logins (\"auth\" of /defaults, a host or a location)",
    prose: "Who has to log in, with a name and a password (HTTP Basic, RFC 7617). It is inherited as a whole, and \"off\" \
            ends it. Passwords are compared by a process of their own, which alone knows the hashes; where that \
            cannot tell, the answer is 503. Without TLS everybody between can read the password.",
    inherited: &[],
    own: auth::KEYS,
};

/// An item of `rewrite` of a host or location.
pub(crate) static RULE: Section = Section {
    name: "rule",
    place: "a rule (an item of \"rewrite\" of a host or location)",
    prose: "A rule that changes where a request leads, or answers it. Rules are looked at in their order: those of the host \
            before a location is looked for, those of a location once it is found, before anything else of it. A rule of a \
            host is looked at once; a rule of a location again whenever another rule leads there, at most 10 times for a \
            request. See docs/rewriting.md.",
    inherited: &[],
    own: rule::KEYS,
};

/// `return` of a host, a location or a rule.
pub(crate) static ANSWER: Section = Section {
    name: "return",
    place: "an answer (\"return\" of a host, a location or a rule)",
    prose: "An answer that is complete in itself: a status, with a body or with the place that the client is sent to.",
    inherited: &[],
    own: answer::KEYS,
};

/// `security` of `/defaults`, a host or a location.
pub(crate) static SECURITY: Section = Section {
    name: "security",
    place: "fields for security (\"security\" of /defaults, a host or a location)",
    prose: "Fields by which browsers keep pages from harm. Those of the preset are added where a response does not have \
            them; those that are named here are set, whatever an upstream says. It is inherited as a whole.",
    inherited: &[],
    own: security::KEYS,
};

/// `cors` of `/defaults`, a host or a location.
pub(crate) static CORS: Section = Section {
    name: "cors",
    place: "rules for other origins (\"cors\" of /defaults, a host or a location)",
    prose: "What scripts of pages from other origins may do (the CORS protocol of browsers). It is no protection of the \
            server: it loosens what browsers forbid. It is inherited as a whole, and \"off\" ends it.",
    inherited: &[],
    own: cors::KEYS,
};

/// `compression` of `/defaults`, a host or a location.
pub(crate) static COMPRESSION: Section = Section {
    name: "compression",
    place: "compression (\"compression\" of /defaults, a host or a location)",
    prose: "How contents are compressed for clients that say, with Accept-Encoding, that they take it; {} is enough. It is \
            inherited as a whole, and \"off\" ends it. Where an answer has secrets beside what a client has sent, as pages \
            with forms may have, its length tells about them (BREACH): see docs/compression.md.",
    inherited: &[],
    own: compression::KEYS,
};

/// `shaping` of `/server`, `/defaults`, a host or a location.
pub(crate) static SHAPING: Section = Section {
    name: "shaping",
    place: "limits (\"shaping\" of /server, /defaults, a host or a location)",
    prose: "Limits on bytes, requests and connections. A request is held to those of /server and to those of its host or \
            location, each for all clients together, for its client and for its connection. Shards tell each other \
            what is used about twenty times a second, so that a client has its rate once, wherever its connections are. \
            kimura limits shows who uses how much, and kimura limit changes a limit while the server runs.",
    inherited: &[],
    own: shaping::KEYS,
};

/// `total` of `shaping`.
pub(crate) static SHAPING_TOTAL: Section = Section {
    name: "shaping_total",
    place: "limits for all clients together (\"total\" of \"shaping\")",
    prose: "What all clients together may use.",
    inherited: &[],
    own: &[
        &quota::DOWN,
        &quota::DOWN_BURST,
        &quota::UP,
        &quota::UP_BURST,
        &quota::REQUESTS,
        &quota::REQUESTS_BURST,
        &quota::DELAY,
        &quota::CONCURRENT,
    ],
};

/// `client` of `shaping`.
pub(crate) static SHAPING_CLIENT: Section = Section {
    name: "shaping_client",
    place: "limits for each client (\"client\" of \"shaping\")",
    prose: "What each client may use. A shard remembers 16384 of them; beyond that, those are forgotten who have used the \
            least of late.",
    inherited: &[],
    own: quota::KEYS,
};

/// `connection` of `shaping`.
pub(crate) static SHAPING_CONNECTION: Section = Section {
    name: "shaping_connection",
    place: "limits for each connection (\"connection\" of \"shaping\")",
    prose: "What each connection may use. After a pause a connection begins anew.",
    inherited: &[],
    own: &[&quota::DOWN, &quota::DOWN_BURST, &quota::UP, &quota::UP_BURST],
};

/// `if` of a rule, and what it is made of.
pub(crate) static CONDITIONS: Section = Section {
    name: "conditions",
    place: "conditions (\"if\" of a rule)",
    prose: "What has to hold of a request, all of it. What \"host\", \"header\", \"query\", \"cookie\" and \"match\" have is a regular \
            expression, and what (?<name>...) in it has matched is $name in the rule.",
    inherited: &[],
    own: conditions::KEYS,
};

/// `/maps/NAME`.
pub(crate) static MAP: Section = Section {
    name: "map",
    place: "a map (/maps/NAME)",
    prose: "A table of texts. $NAME is what it has for what it looks up. NAME has lower-case letters, digits and _.",
    inherited: &[],
    own: map::KEYS,
};

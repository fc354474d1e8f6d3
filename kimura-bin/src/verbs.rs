//! The one table of commands, to a running server and others: the parser, `--help`, the man page and the completions are made of
//! it.

use crate::options::{Kind, Value};
use crate::upstream;

/// Names a command in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Status,
    Reload,
    Stop,
    Drain,
    RotateLogs,
    Verbosity,
    Upgrade,
    Logs,
    Bans,
    Ban,
    Unban,
    Upstreams,
    Upstream,
    Limits,
    Limit,
    Passwd,
    Explain,
}

/// One command.
#[derive(Debug, PartialEq)]
pub(crate) struct Verb {
    pub(crate) id: Id,
    pub(crate) name: &'static str,
    pub(crate) operand: Operand,
    /// What one has to be at least; none for one that goes to no server.
    pub(crate) rank: Option<&'static str>,
    /// As of an option.
    pub(crate) summary: &'static str,
    /// As of an option.
    pub(crate) detail: &'static str,
}

/// What stands behind the name of a command.
#[derive(Debug, PartialEq)]
pub(crate) enum Operand {
    None,
    Optional(Value),
    Required(Value),
    /// All of them.
    Several(&'static [Value]),
}

impl Operand {
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::None => None,
            Self::Optional(value) | Self::Required(value) => Some(value),
            Self::Several(values) => values.first(),
        }
    }
}

/// Levels of the error log, the fewest messages first.
pub(crate) const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Every command, in the order in which they are shown.
pub(crate) const VERBS: &[Verb] = &[
    Verb {
        id: Id::Status,
        name: "status",
        operand: Operand::None,
        rank: Some("viewer"),
        summary: "Tell how the server runs",
        detail: "Shows its processes, its addresses, and what became of all connections and requests.",
    },
    Verb {
        id: Id::Reload,
        name: "reload",
        operand: Operand::None,
        rank: Some("operator"),
        summary: "Read the configuration again and serve it",
        detail: "Returns when it is served, and prints what has changed. A configuration that is wrong changes nothing. \
                 With --plan it only prints what would change, for which a viewer suffices.",
    },
    Verb {
        id: Id::RotateLogs,
        name: "rotate-logs",
        operand: Operand::None,
        rank: Some("operator"),
        summary: "Put log files aside now, or open them again",
        detail: "Files of logs with rotate are put aside, unless they are empty; all others, and that of the error log, are \
                 opened again, for whoever has moved them away.",
    },
    Verb {
        id: Id::Verbosity,
        name: "verbosity",
        operand: Operand::Required(Value { name: "LEVEL", kind: Kind::Words(LEVELS) }),
        rank: Some("operator"),
        summary: "Set the level of the error log until the next change",
        detail: "LEVEL is one of error, warn, info, debug and trace.",
    },
    Verb {
        id: Id::Logs,
        name: "logs",
        operand: Operand::None,
        rank: Some("viewer"),
        summary: "Print what was logged last, and with --follow what comes",
        detail: "Lines of the access logs and messages of the error log, the last 20 without --last. The server keeps \
                 some megabytes of them in memory for this; who cannot keep up is told how many were missed. It works on \
                 the machine of the server only.",
    },
    Verb {
        id: Id::Bans,
        name: "bans",
        operand: Operand::None,
        rank: Some("viewer"),
        summary: "List who is banned",
        detail: "Each prefix, and each user from a prefix, with the reason, how many bans there were, since when and how \
                 long the ban still lasts.",
    },
    Verb {
        id: Id::Ban,
        name: "ban",
        operand: Operand::Required(Value { name: "ADDRESS[/LEN]", kind: Kind::Free }),
        rank: Some("operator"),
        summary: "Ban an address or a network, now",
        detail: "Within a tenth of a second no shard takes a connection from there any more, and whoever is connected is \
                 closed, whatever is under way. The ban survives a restart if there is a file of bans.",
    },
    Verb {
        id: Id::Unban,
        name: "unban",
        operand: Operand::Required(Value { name: "ADDRESS[/LEN]", kind: Kind::Free }),
        rank: Some("operator"),
        summary: "Let in again who is banned",
        detail: "The prefix has to be one that bans lists. Bans of users from just this prefix end as well, and all that was \
                 counted is forgotten.",
    },
    Verb {
        id: Id::Upstreams,
        name: "upstreams",
        operand: Operand::None,
        rank: Some("viewer"),
        summary: "List the servers that requests are passed on to",
        detail: "Each with its group, its weight, whether it gets requests, how many it has now, and how many it has got and \
                 failed since the worker began.",
    },
    Verb {
        id: Id::Upstream,
        name: "upstream",
        operand: Operand::Several(&[
            Value { name: "add|drain|remove", kind: Kind::Words(upstream::WORDS) },
            Value { name: "GROUP", kind: Kind::Free },
            Value { name: "ADDRESS", kind: Kind::Free },
        ]),
        rank: Some("operator"),
        summary: "Add, drain or remove a server that requests are passed on to",
        detail: "GROUP is one of /upstreams, ADDRESS a server of it as upstreams lists it. A server that is drained gets no \
                 more requests and ends those it has; one that is removed is not checked any more, either. Adding one that \
                 was drained or removed brings it back; any other one is added with --weight and --backup, by an IP address \
                 and a port or unix:PATH. What is ordered holds over reloads and upgrades, until the server ends.",
    },
    Verb {
        id: Id::Limits,
        name: "limits",
        operand: Operand::None,
        rank: Some("viewer"),
        summary: "Show who uses how much of the limits",
        detail: "Each place with limits (shaping), and the 100 clients for whom limits have done most: bytes, requests, how \
                 often they had to wait and were refused, since they were remembered; and what was set by command.",
    },
    Verb {
        id: Id::Limit,
        name: "limit",
        operand: Operand::Required(Value { name: "POINTER=VALUE", kind: Kind::Free }),
        rank: Some("operator"),
        summary: "Change a limit, now",
        detail: "POINTER is the JSON Pointer of a limit in a section that the configuration has, such as \
                 /server/shaping/client/down, and VALUE what could stand there, such as 2MB/s, or default for what the \
                 configuration says. It holds for all shards at once, also after a reload and an upgrade, until the next \
                 change or the end of the server.",
    },
    Verb {
        id: Id::Upgrade,
        name: "upgrade",
        operand: Operand::Optional(Value { name: "PATH", kind: Kind::File }),
        rank: Some("admin"),
        summary: "Go on with another program, without losing a request",
        detail: "PATH is the program; without it, what is now where this one was started from. The new program first \
                 shows beside the old one that it can serve the configuration; then the process becomes it, with the \
                 same process id and the same sockets, and the old workers end when all is answered. A program that \
                 does not come to serve is given up, and the old one goes on.",
    },
    Verb {
        id: Id::Drain,
        name: "drain",
        operand: Operand::None,
        rank: Some("admin"),
        summary: "Accept nothing new and end when all is answered",
        detail: "What is not answered within /server/timeouts/drain is given up.",
    },
    Verb {
        id: Id::Stop,
        name: "stop",
        operand: Operand::None,
        rank: Some("admin"),
        summary: "End at once",
        detail: "",
    },
    Verb {
        id: Id::Passwd,
        name: "passwd",
        operand: Operand::Optional(Value { name: "USER", kind: Kind::Free }),
        rank: None,
        summary: "Print the hash of a password",
        detail: "The line of USER for an htpasswd file, or the hash alone for the configuration. The password is asked \
                 for twice on the terminal; without a terminal it is the first line of standard input or of \
                 --password-file. The hash is one of bcrypt with cost 11, which every web server reads.",
    },
    Verb {
        id: Id::Explain,
        name: "explain",
        operand: Operand::Required(Value { name: "URL", kind: Kind::Free }),
        rank: None,
        summary: "Print the way of a URL through the configuration, without a server",
        detail: "Host, rules that were looked at and what came of them, location, phases and outcome. URL is one such as \
                 https://example.org/a?b=c, or a path of the first host. What decides is what serves; the configuration is \
                 found as by a server, and files are looked for with the rights of who asks.",
    },
];

/// The command of that name.
pub(crate) fn by_name(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

impl Verb {
    /// `verbosity LEVEL`.
    pub(crate) fn usage(&self) -> String {
        match &self.operand {
            Operand::None => self.name.to_owned(),
            Operand::Optional(value) => format!("{} [{}]", self.name, value.name),
            Operand::Required(value) => format!("{} {}", self.name, value.name),
            Operand::Several(values) => {
                let names: Vec<&str> = values.iter().map(|value| value.name).collect();
                format!("{} {}", self.name, names.join(" "))
            }
        }
    }
}

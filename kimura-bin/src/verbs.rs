//! The one table of commands to a running server: the parser, `--help`, the man page and the completions are made of
//! it.

use crate::options::{Kind, Value};

/// Names a command in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Status,
    Reload,
    Stop,
    Drain,
    RotateLogs,
    Verbosity,
}

/// One command.
#[derive(Debug, PartialEq)]
pub(crate) struct Verb {
    pub(crate) id: Id,
    pub(crate) name: &'static str,
    /// The operand that it takes.
    pub(crate) operand: Option<Value>,
    /// What one has to be at least.
    pub(crate) rank: &'static str,
    /// As of an option.
    pub(crate) summary: &'static str,
    /// As of an option.
    pub(crate) detail: &'static str,
}

/// Levels of the error log, the fewest messages first.
pub(crate) const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Every command, in the order in which they are shown.
pub(crate) const VERBS: &[Verb] = &[
    Verb {
        id: Id::Status,
        name: "status",
        operand: None,
        rank: "viewer",
        summary: "Tell how the server runs",
        detail: "Shows its processes, its addresses, and what became of all connections and requests.",
    },
    Verb {
        id: Id::Reload,
        name: "reload",
        operand: None,
        rank: "operator",
        summary: "Read the configuration again and serve it",
        detail: "Returns when it is served, and prints what has changed. A configuration that is wrong changes nothing. \
                 With --plan it only prints what would change, for which a viewer suffices.",
    },
    Verb {
        id: Id::RotateLogs,
        name: "rotate-logs",
        operand: None,
        rank: "operator",
        summary: "Open the log files again, after they were moved away",
        detail: "",
    },
    Verb {
        id: Id::Verbosity,
        name: "verbosity",
        operand: Some(Value { name: "LEVEL", kind: Kind::Words(LEVELS) }),
        rank: "operator",
        summary: "Set the level of the error log until the next change",
        detail: "LEVEL is one of error, warn, info, debug and trace.",
    },
    Verb {
        id: Id::Drain,
        name: "drain",
        operand: None,
        rank: "admin",
        summary: "Accept nothing new and end when all is answered",
        detail: "What is not answered within /server/timeouts/drain is given up.",
    },
    Verb { id: Id::Stop, name: "stop", operand: None, rank: "admin", summary: "End at once", detail: "" },
];

/// The command of that name.
pub(crate) fn by_name(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

impl Verb {
    /// `verbosity LEVEL`.
    pub(crate) fn usage(&self) -> String {
        let operand = self.operand.as_ref().map_or_else(String::new, |operand| format!(" {}", operand.name));
        format!("{}{operand}", self.name)
    }
}

//! Why a command line is refused. It is always the fault of whoever typed it, so each message has the cure.

use crate::options::{self, OPTIONS, Opt, Scope};
use crate::url::BadUrl;
use crate::verbs::{self, Verb};
use logging::tail::BadFilter;
use std::fmt;

/// Why a command line is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Usage {
    /// No such option; the nearest known one.
    Unknown { typed: String, near: Option<&'static str> },
    /// The option with this long name needs a value.
    MissingValue(&'static str),
    /// The option takes no value and got one.
    UnexpectedValue(String),
    /// The value is not UTF-8.
    NotText(&'static str),
    /// The operand of this command is not UTF-8.
    OperandNotText(&'static str),
    /// The option stands there twice.
    Twice(&'static str),
    /// The two cannot be had together.
    Contradiction(&'static str, &'static str),
    /// Nothing that can be generated.
    BadArtefact(String),
    /// A list of managers with a gap.
    BadManagers(String),
    /// There are no managers yet.
    NoManagers,
    /// More than one folder.
    TwoFolders,
    /// The option goes with a server to be started, and not with a command to a running one; or the other way round.
    OutOfScope(&'static Opt),
    /// The option does not go with this command.
    NotWith(&'static Opt, &'static str),
    /// The first option goes only with the second one.
    NeedsOther(&'static str, &'static str),
    /// No server that is somewhere else.
    BadPlace(String),
    /// Nobody vouches for a server that is somewhere else.
    NoAuthority,
    /// A server that is somewhere else is shown nothing.
    NoProof,
    /// The command lacks its operand.
    MissingOperand(&'static Verb),
    /// The command does not take this operand.
    FurtherOperand(&'static str, String),
    /// No level of the error log.
    BadLevel(String),
    /// No weight of a server.
    BadWeight(String),
    /// Nothing that can be ordered for a server.
    BadUpstreamOrder(String),
    /// No name of a group or server.
    BadUpstreamName,
    /// No network, and why.
    BadNetwork(String, String),
    /// No limit, and why.
    BadLimit(String, String),
    /// No time.
    BadTime(String),
    /// No number of lines.
    BadCount(String),
    /// Nothing that lines could fit.
    BadFilter(BadFilter),
    /// Logs of a server that is somewhere else.
    LogsFar,
    /// No URL.
    BadUrl(BadUrl),
    /// No address of a client.
    BadAddress(String),
    /// No field of a request.
    BadField(String),
    /// A reason that is too long or has control characters.
    BadReason,
    /// Anything else that the parser of options finds.
    Malformed(String),
}

impl Usage {
    /// An unknown `-x`: somebody may have typed a long name with one dash, or the wrong case.
    pub(crate) fn unknown_short(name: char) -> Self {
        let other_case = |option: &&Opt| option.short.is_some_and(|short| short.eq_ignore_ascii_case(&name));
        let near = OPTIONS.iter().find(other_case).map(|option| option.long);
        Self::Unknown { typed: format!("-{name}"), near }
    }

    /// An unknown `--name`.
    pub(crate) fn unknown_long(name: &str) -> Self {
        let near = config::nearest(name, OPTIONS.iter().map(|option| option.long));
        Self::Unknown { typed: format!("--{name}"), near }
    }
}

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        match error {
            lexopt::Error::UnexpectedValue { option, .. } => Self::UnexpectedValue(option),
            other => Self::Malformed(other.to_string()),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { typed, near: Some(near) } => {
                write!(f, "unknown option '{typed}'; did you mean '--{near}'?")
            }
            Self::Unknown { typed, near: None } => {
                write!(f, "unknown option '{typed}'; 'kimura --help' lists all")
            }
            Self::MissingValue(long) => {
                let value = options::by_long(long).and_then(|option| option.value.as_ref());
                write!(
                    f,
                    "option '--{long}' needs a value: --{long} {}",
                    value.map_or("", |value| value.name)
                )
            }
            Self::UnexpectedValue(option) => write!(f, "option '{option}' takes no value; leave it out"),
            Self::NotText(long) => write!(f, "the value of '--{long}' is not UTF-8; type it as text"),
            Self::OperandNotText(verb) => write!(f, "the operand of '{verb}' is not UTF-8; type it as text"),
            Self::Twice(long) => write!(f, "option '--{long}' is given twice; give it once"),
            Self::Contradiction(one, other) => {
                write!(f, "{one} and {other} exclude each other; give one of them")
            }
            Self::BadArtefact(name) => {
                write!(f, "'{name}' cannot be generated; these can: {}", options::ARTEFACTS.join(", "))
            }
            Self::BadManagers(list) => {
                write!(f, "the list of managers '{list}' has an empty name; separate names by single commas")
            }
            Self::BadPlace(text) => {
                write!(f, "'{text}' is no server; write HOST, HOST:PORT, or [IPV6]:PORT")
            }
            Self::NoAuthority => f.write_str(
                "--control needs --authority FILE, the certificate of the server's authority or its own, in PEM",
            ),
            Self::NoProof => f.write_str(
                "--control needs a proof; give --login, --token-file, or --certificate and --key",
            ),
            Self::NoManagers => write!(f, "this version cannot connect to managers; leave '--manager' out"),
            Self::TwoFolders => write!(f, "only one folder can be served; use a configuration file for more"),
            Self::OutOfScope(option) if option.scope == Scope::Verb => {
                let long = option.long;
                write!(f, "'--{long}' goes with a command to a running server, such as 'kimura status'")
            }
            Self::OutOfScope(option) => {
                let long = option.long;
                write!(f, "'--{long}' does not go with a command to a running server; leave it out")
            }
            Self::NotWith(option, verb) => {
                write!(f, "'--{}' does not go with '{verb}'; leave it out", option.long)
            }
            Self::NeedsOther(one, other) => write!(f, "{one} goes with {other}; give both"),
            Self::MissingOperand(verb) => {
                write!(f, "'{}' needs an operand: kimura {}", verb.name, verb.usage())
            }
            Self::FurtherOperand(verb, operand) => {
                write!(f, "'{verb}' takes no further operand; leave '{operand}' out")
            }
            Self::BadLevel(name) => {
                write!(f, "'{name}' is no level; these are: {}", verbs::LEVELS.join(", "))
            }
            Self::BadWeight(text) => write!(f, "'{text}' is no weight; write a number from 1 to 1000"),
            Self::BadUpstreamOrder(word) => {
                write!(f, "'{word}' is no order for a server; these are: {}", crate::upstream::WORDS.join(", "))
            }
            Self::BadUpstreamName => {
                f.write_str("the name of a group or server is empty, too long or has control characters; correct it")
            }
            Self::BadLimit(text, why) => write!(f, "'{text}' is no limit, {why}"),
            Self::BadNetwork(text, why) => write!(f, "'{text}' cannot be banned, {why}"),
            Self::BadTime(text) => write!(f, "'{text}' is no time; write one such as 90s, 10m, 2h or 7d"),
            Self::BadCount(text) => {
                write!(f, "'{text}' is no number of lines; write one of 1000000 at most")
            }
            Self::BadFilter(bad) => bad.fmt(f),
            Self::LogsFar => f.write_str(
                "'logs' reads memory of the server's machine; run it there, or open a location with \"comet\"",
            ),
            Self::BadUrl(bad) => bad.fmt(f),
            Self::BadAddress(text) => write!(f, "'{text}' is no address; write one such as 192.0.2.1"),
            Self::BadField(text) => write!(f, "'{text}' is no field; write a name, a colon and a value"),
            Self::BadReason => {
                write!(f, "the reason is too long or has control characters; write one short line")
            }
            Self::Malformed(what) => write!(f, "{what}; 'kimura --help' lists all options"),
        }
    }
}

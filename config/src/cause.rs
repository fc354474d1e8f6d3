//! What can be wrong with a configuration. Everything here is the fault of whoever wrote it.

use std::fmt;

use crate::name::BadHostName;
use crate::tree::quoted;

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The text is not JSON with comments.
    Syntax(Flaw),
    /// The text holds no value at all.
    Empty,
    /// The text is larger than [`crate::TEXT_MAX`] bytes.
    TooLarge,
    /// An object has the same key twice.
    DuplicateKey(String),
    /// A key that does not exist there.
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands: "a host", "/server".
        place: &'static str,
        /// The key that was meant, if one is near.
        near: Option<String>,
        /// Where a key of just this name exists, if anywhere.
        elsewhere: Option<String>,
    },
    /// A value of another type than the key takes.
    WrongType {
        /// What is wrong: `"listen"`, `an item of "listen"`.
        label: String,
        /// The value in words.
        found: String,
        /// What it should be, in words.
        wanted: String,
        /// The key that it belongs to.
        key: &'static str,
        /// A right value of that key, as JSON.
        example: &'static str,
    },
    /// A number, size or time that is too small or too large.
    OutOfRange {
        /// What is wrong: `"fields"`.
        label: String,
        /// The value as written.
        found: String,
        /// Smallest value.
        min: String,
        /// Largest value.
        max: String,
    },
    /// A text that does not have the form that its key wants.
    Malformed(Flaw),
    /// Two values that contradict each other.
    Conflict(Flaw),
    /// Two hosts answer to the same name, or one does twice.
    DuplicateName(String),
    /// Two locations of a host match the same paths.
    DuplicateLocation,
    /// The same address twice in one list.
    DuplicateAddress,
    /// `default_host` names no host.
    UnknownHost {
        /// The name.
        name: String,
        /// The host that was meant, if one is near.
        near: Option<String>,
    },
    /// An `access_log` names no log of `/logs`.
    UnknownLog {
        /// The name.
        name: String,
        /// The log that was meant, if one is near.
        near: Option<String>,
    },
    /// A `proxy` names no group of `/upstreams`.
    UnknownUpstream {
        /// The name.
        name: String,
        /// The group that was meant, if one is near.
        near: Option<String>,
    },
    /// The configuration has no host.
    NoHosts,
    /// Files are to be served, but from nowhere.
    NoRoot,
    /// `--set` without a JSON Pointer, or one that leads nowhere.
    Override(Flaw),
    /// Found by a later stage, which looks at more than the text.
    Stage(Flaw),
}

/// A fault in words, with its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub cure: String,
}

impl Flaw {
    pub(crate) fn new(what: impl Into<String>, cure: impl Into<String>) -> Flaw {
        Flaw { what: what.into(), cure: cure.into() }
    }
}

impl From<BadHostName> for Flaw {
    fn from(bad: BadHostName) -> Flaw {
        Flaw::new(bad.to_string(), bad.cure())
    }
}

impl Cause {
    /// What to do about it.
    #[must_use]
    pub fn cure(&self) -> String {
        match self {
            Cause::Syntax(flaw)
            | Cause::Malformed(flaw)
            | Cause::Conflict(flaw)
            | Cause::Override(flaw)
            | Cause::Stage(flaw) => flaw.cure.clone(),
            Cause::Empty => "write an object with at least one host: \
                {\"hosts\": {\"example.org\": {\"root\": \"www\"}}}"
                .to_owned(),
            Cause::TooLarge => "split the hosts over several servers".to_owned(),
            Cause::DuplicateKey(_) => "keep one of the two".to_owned(),
            Cause::UnknownKey { near, elsewhere, .. } => match (near, elsewhere) {
                (Some(near), Some(elsewhere)) => {
                    format!("did you mean {near:?}? The key of this name belongs into {elsewhere}")
                }
                (None, Some(elsewhere)) => format!("it belongs into {elsewhere}"),
                (Some(near), None) => format!("did you mean {near:?}?"),
                (None, None) => "remove it; the keys are listed in the reference".to_owned(),
            },
            Cause::WrongType { key, example, .. } => format!("write for example {key:?}: {example}"),
            Cause::OutOfRange { min, max, .. } => format!("choose from {min} to {max}"),
            Cause::DuplicateName(_) => "let only one host have the name".to_owned(),
            Cause::DuplicateLocation => "merge the two".to_owned(),
            Cause::DuplicateAddress => "list each address once".to_owned(),
            Cause::UnknownHost { near: Some(near), .. } => format!("did you mean {near:?}?"),
            Cause::UnknownHost { near: None, .. } => {
                "write the name of a host, \"first\" or \"refuse\"".to_owned()
            }
            Cause::UnknownLog { name, near } => {
                let file = quoted(&format!("./{name}"));
                match near {
                    Some(near) => format!("did you mean {near:?}? A file of this name is {file}"),
                    None => format!("write the name of a log of /logs, or {file} for a file of this name"),
                }
            }
            Cause::UnknownUpstream { near: Some(near), .. } => format!("did you mean {near:?}?"),
            Cause::UnknownUpstream { near: None, .. } => {
                "write the name of a group of /upstreams, or a server as in \"http://127.0.0.1:9000\""
                    .to_owned()
            }
            Cause::NoHosts => "write \"hosts\": {\"example.org\": {\"root\": \"www\"}}".to_owned(),
            Cause::NoRoot => "write \"root\": \"www\" here or in /defaults".to_owned(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Syntax(flaw)
            | Cause::Malformed(flaw)
            | Cause::Conflict(flaw)
            | Cause::Override(flaw)
            | Cause::Stage(flaw) => f.write_str(&flaw.what),
            Cause::Empty => f.write_str("the configuration is empty"),
            Cause::TooLarge => write!(f, "the configuration is larger than {} bytes", crate::TEXT_MAX),
            Cause::DuplicateKey(key) => write!(f, "the key {} is there twice", quoted(key)),
            Cause::UnknownKey { key, place, .. } => write!(f, "unknown key {} in {place}", quoted(key)),
            Cause::WrongType { label, found, wanted, .. } => {
                write!(f, "{label} is {found}, but has to be {wanted}")
            }
            Cause::OutOfRange { label, found, .. } => write!(f, "{label} is out of range: {found}"),
            Cause::DuplicateName(name) => write!(f, "the host name {} is there twice", quoted(name)),
            Cause::DuplicateLocation => f.write_str("another location is for the same paths"),
            Cause::DuplicateAddress => f.write_str("the address is in the list twice"),
            Cause::UnknownHost { name, .. } => write!(f, "there is no host {}", quoted(name)),
            Cause::UnknownLog { name, .. } => write!(f, "there is no log {} in /logs", quoted(name)),
            Cause::UnknownUpstream { name, .. } => {
                write!(f, "there is no group {} in /upstreams", quoted(name))
            }
            Cause::NoHosts => f.write_str("there is no host"),
            Cause::NoRoot => f.write_str("nothing says which folder to serve: there is no \"root\""),
        }
    }
}

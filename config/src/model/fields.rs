//! Rules about the fields of responses.

use std::time::Duration;

use super::LogStatus;

/// A rule about one field of responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// Its name, as it is written: a valid one, and none that the server writes itself.
    pub name: String,
    /// What is done.
    pub action: FieldAction,
    /// The statuses of responses that it is done to; all when it is empty.
    pub on: Vec<LogStatus>,
}

/// What is done about a field. Values are valid ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldAction {
    /// It has this value, whatever it had before.
    Set(String),
    /// Each of these is added to what is there.
    Add(Vec<String>),
    /// It has this value, unless it has one already.
    Default(String),
    /// It goes.
    Remove,
}

/// Which responses of a place may be kept, and how long, by their media type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheFor {
    /// `text/html`: this type, lower case.
    Type(String),
    /// `image/*`: all that begin so, lower case without the slash.
    Main(String),
    /// `*`: every other.
    Any,
}

/// What scripts of other origins may do (Fetch, CORS protocol).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose scripts; never empty. [`Origins::Any`] never comes with `credentials`.
    pub origins: Origins,
    /// Methods of theirs, upper case.
    pub methods: Vec<String>,
    /// Request fields that they may set.
    pub headers: Vec<String>,
    /// Response fields that they may read.
    pub expose: Vec<String>,
    /// Whether cookies and logins go with their requests.
    pub credentials: bool,
    /// How long browsers keep what they were told.
    pub max_age: Duration,
}

/// Origins whose scripts may read responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// Those that match one of these.
    Listed(Vec<OriginPattern>),
}

/// One origin, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// `https`, lower case.
    pub scheme: String,
    /// `a.example`, lower case; with `below`, what follows the star: `.example.org`.
    pub host: String,
    /// Whether it is for all hosts that end so, and have at least one character before.
    pub below: bool,
    /// Which port.
    pub port: OriginPort,
}

/// The port of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPort {
    /// The usual one of the scheme, which is not written.
    Usual,
    /// This one.
    Number(u16),
    /// Any.
    Any,
}

//! Rules that change where a request leads: `rewrite`, `return`, `try` and `/maps`.

use std::path::PathBuf;

/// A status that no client sees: the connection is closed without an answer.
pub const NO_ANSWER: u16 = 444;

/// What a host or a location says of its requests before anything else; nothing of it is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewriting {
    /// Rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// What all requests are answered with, in place of the handler.
    pub answer: Option<Return>,
    /// What is looked for among the files before the handler; nothing when it is empty.
    pub attempts: Vec<Attempt>,
}

/// One of the things that are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What it is.
    pub way: Way,
    /// JSON Pointer of the text.
    pub pointer: String,
}

/// What to do when nothing before was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To look whether there is a file, or a folder if it ends with a slash; as the last one to go there, whatever is
    /// there. A template.
    To(String),
    /// To answer with this status: `=404`. The last one.
    Status(u16),
    /// To leave it to who makes the responses here: `handler`. The last one.
    Handler,
}

/// A table of texts: `/maps/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Its name, which is also that of its variable.
    pub name: String,
    /// What is looked up, as a template.
    pub from: String,
    /// From text, or `~ ` and a regular expression, to text; in the order of the file.
    pub values: Vec<(String, String)>,
    /// A file with more of them, a pair on each line.
    pub file: Option<PathBuf>,
    /// What all others have.
    pub default: String,
    /// JSON Pointer of the map.
    pub pointer: String,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Text of a regular expression for the path, not yet compiled; `None` is every path.
    pub path: Option<String>,
    /// What else has to hold; `None` is nothing.
    pub condition: Option<Condition>,
    /// What it does.
    pub effect: Effect,
    /// JSON Pointer of the rule.
    pub pointer: String,
}

/// What a rule does once it has matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Gives the request another path, if there is a template, and goes on.
    Rewrite(Option<String>, Then),
    /// Answers it.
    Return(Return),
    /// Has these rules looked at, and then those behind it.
    Group(Vec<Rule>),
}

/// What has to hold of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All of these.
    All(Vec<Condition>),
    /// One of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// A part of it matches a regular expression.
    Match {
        /// The part.
        subject: Subject,
        /// Text of the expression; `None` has nothing there.
        pattern: Option<String>,
        /// JSON Pointer of the expression.
        pointer: String,
    },
    /// It has one of these methods.
    Method(Vec<String>),
    /// It comes over TLS, or does not.
    Scheme(Scheme),
    /// Its client is in one of these networks, each with its JSON Pointer.
    Address(Vec<(String, String)>),
    /// There is a file.
    File(FileAt),
    /// There is a folder.
    Folder(FileAt),
}

/// Where a file is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAt {
    /// Its path, as a template.
    pub path: String,
    /// JSON Pointer of the template.
    pub pointer: String,
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The name of the host that it asks for; case does not count.
    Host,
    /// A field, by its name.
    Field(String),
    /// A part of the query, by its name.
    Argument(String),
    /// A cookie, by its name.
    Cookie(String),
    /// A template.
    Text(String),
}

/// What carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The connection itself.
    Http,
    /// TLS.
    Https,
}

/// How it goes on after a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The location of the path is looked for, and its rules are looked at.
    Again,
    /// The next rule is looked at.
    Next,
    /// No further rule is looked at, and the location stays.
    Stop,
}

/// An answer that is complete in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// 200..=599, but not 304.
    pub status: u16,
    /// What goes with it.
    pub content: Content,
    /// JSON Pointer of what holds the templates.
    pub pointer: String,
}

/// What goes with the status of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing; an error has its page.
    None,
    /// The place that the client is sent to, as a template.
    To(String),
    /// A body.
    Body {
        /// A template.
        body: String,
        /// Its media type.
        media_type: String,
    },
}

//! Rules that change where a request leads: `rewrite` and `return`.

/// What a host or a location says of its requests before anything else; nothing of it is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewriting {
    /// Rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// What all requests are answered with, in place of the handler.
    pub answer: Option<Return>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Text of a regular expression for the path, not yet compiled; `None` is every path.
    pub path: Option<String>,
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

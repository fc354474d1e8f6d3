//! What a case wants of a response.

use crate::failure::{Failure, Outcome};
use crate::response::{Asked, Response};
use crate::text::{Variables, expand, matches, show};

/// The wanted response.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The line of the status in the data file.
    pub line: usize,
    /// Any of these.
    pub statuses: Vec<u16>,
    /// Whether it answers HEAD.
    pub asked: Asked,
    /// Rules about fields.
    pub fields: Vec<FieldRule>,
    /// Rules about the content.
    pub body: Vec<BodyRule>,
}

/// A rule about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRule {
    /// Some line of this name has a value that matches the pattern.
    Matches {
        /// Field name.
        name: String,
        /// Pattern, not yet expanded.
        pattern: String,
    },
    /// No line has this name.
    Absent {
        /// Field name.
        name: String,
    },
}

/// A rule about the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyRule {
    /// It matches the pattern, not yet expanded.
    Matches(String),
    /// It holds nothing that matches the pattern.
    Lacks(String),
    /// It has so many bytes.
    Size(u64),
}

impl Expectation {
    /// Compares a response.
    pub fn check(&self, response: &Response, variables: &Variables) -> Outcome<()> {
        if !self.statuses.contains(&response.status) {
            let wanted = format!("{:?} (line {})", self.statuses, self.line);
            return Err(Failure::mismatch("status", wanted, response.status));
        }
        no_line_twice(response)?;
        self.fields.iter().try_for_each(|rule| rule.check(response, variables))?;
        self.body.iter().try_for_each(|rule| rule.check(&response.body, variables))
    }
}

/// Whatever is wanted: a line that says what another has said is a defect.
fn no_line_twice(response: &Response) -> Outcome<()> {
    let fields = &response.fields;
    let says = |(name, value): &(String, String), (other, same): &(String, String)| {
        name.eq_ignore_ascii_case(other) && value == same
    };
    match fields.iter().enumerate().find(|(at, line)| fields[..*at].iter().any(|before| says(line, before))) {
        None => Ok(()),
        Some((_, (name, value))) => Err(Failure::mismatch(name, "one line", format!("two of {value:?}"))),
    }
}

impl FieldRule {
    fn check(&self, response: &Response, variables: &Variables) -> Outcome<()> {
        let values = |wanted: &str| {
            let named = response.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        match self {
            FieldRule::Absent { name } => {
                let found = values(name);
                if found.is_empty() {
                    return Ok(());
                }
                Err(Failure::mismatch(name, "no such field", format!("{found:?}")))
            }
            FieldRule::Matches { name, pattern } => {
                let wanted = pattern_bytes(pattern, variables)?;
                let found = values(name);
                if found.iter().any(|value| matches(&wanted, value.as_bytes())) {
                    return Ok(());
                }
                Err(Failure::mismatch(name, show(&wanted), format!("{found:?}")))
            }
        }
    }
}

impl BodyRule {
    fn check(&self, body: &[u8], variables: &Variables) -> Outcome<()> {
        let (held, wanted) = match self {
            BodyRule::Matches(pattern) => {
                let pattern = pattern_bytes(pattern, variables)?;
                (matches(&pattern, body), show(&pattern))
            }
            BodyRule::Lacks(pattern) => {
                let pattern = pattern_bytes(pattern, variables)?;
                let anywhere = [b"*", pattern.as_slice(), b"*"].concat();
                (!matches(&anywhere, body), format!("nothing like {}", show(&pattern)))
            }
            BodyRule::Size(size) => (body.len() as u64 == *size, format!("{size} bytes")),
        };
        if held {
            return Ok(());
        }
        Err(Failure::mismatch("content", wanted, format!("{} ({} bytes)", show(body), body.len())))
    }
}

fn pattern_bytes(pattern: &str, variables: &Variables) -> Outcome<Vec<u8>> {
    expand(pattern, variables).map_err(|what| Failure::Script { line: 0, what })
}

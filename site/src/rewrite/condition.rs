//! What else has to hold of a request.

use auth::Prefix;
use config::Scheme;
use proto_http::path;

use super::pattern::{Captured, Pattern};
use super::target::{Made, Target};
use super::template::{Escape, Part, write};
use super::variable::{Variable, View};
use crate::{Files, Security};

/// A compiled condition.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// A text matches; without a pattern it is empty.
    Match(Vec<Part>, Option<Pattern>),
    Method(Vec<String>),
    Scheme(Scheme),
    Address(Vec<Prefix>),
    There(Kind, Target),
}

/// What is looked for below a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// What only a look at files can tell, and has been told. A rule that has asked is looked at anew, and comes to the
/// same questions in the same order.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// So many of the answers are used.
    used: usize,
    answers: Vec<bool>,
    kind: Option<Kind>,
    path: Vec<u8>,
}

/// Something has to be asked first.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Questions {
    /// Forgets everything, for another rule.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.answers.clear();
    }

    /// Begins the same rule anew.
    pub(crate) fn again(&mut self) {
        self.used = 0;
    }

    /// The answer to the question that was asked last.
    pub(crate) fn answer(&mut self, answer: bool) {
        self.answers.push(answer);
    }

    /// The question that is to be answered.
    pub(crate) fn asked(&self) -> (Kind, &[u8]) {
        (self.kind.unwrap_or(Kind::File), &self.path)
    }

    /// Whether there is such a thing.
    pub(crate) fn ask(&mut self, kind: Kind, path: &[u8], files: &Files) -> Result<bool, Unknown> {
        // What is hidden is not there for rules either: nobody can find out by them.
        if files.dotfiles == config::Dotfiles::Hide && path::has_hidden_segment(path) {
            return Ok(false);
        }
        if let Some(&answer) = self.answers.get(self.used) {
            self.used += 1;
            return Ok(answer);
        }
        self.kind = Some(kind);
        self.path.clear();
        self.path.extend_from_slice(path);
        Err(Unknown)
    }
}

/// What a condition writes to while it is looked at.
pub(crate) struct Bench<'b> {
    pub(crate) captured: &'b mut Captured,
    pub(crate) made: &'b mut Made,
    pub(crate) questions: &'b mut Questions,
    /// Where files are looked for.
    pub(crate) files: Option<&'b Files>,
}

impl Condition {
    /// Whether it holds.
    pub(crate) fn holds(&self, view: &View<'_>, bench: &mut Bench<'_>) -> Result<bool, Unknown> {
        Ok(match self {
            Condition::All(conditions) => {
                for condition in conditions {
                    if !condition.holds(view, bench)? {
                        return Ok(false);
                    }
                }
                true
            }
            Condition::Any(conditions) => {
                for condition in conditions {
                    if condition.holds(view, bench)? {
                        return Ok(true);
                    }
                }
                false
            }
            Condition::Not(condition) => !condition.holds(view, bench)?,
            Condition::Match(subject, pattern) => {
                let mut text = Vec::new();
                let view = View { captured: bench.captured, ..*view };
                write(subject, &view, Escape::Plain, &mut text);
                match pattern {
                    Some(pattern) => pattern.matches(&text, bench.captured),
                    None => text.is_empty(),
                }
            }
            Condition::Method(methods) => {
                methods.iter().any(|method| method.as_bytes() == view.request.method_bytes())
            }
            Condition::Scheme(scheme) => match view.security {
                Security::Plain => *scheme == Scheme::Http,
                Security::Tls { .. } => *scheme == Scheme::Https,
            },
            Condition::Address(prefixes) => {
                view.client.is_some_and(|client| prefixes.iter().any(|prefix| prefix.contains(client)))
            }
            Condition::There(kind, target) => {
                let view = View { captured: bench.captured, ..*view };
                // What is no path leads to no file.
                if target.resolve(&view, bench.made).is_err() {
                    return Ok(false);
                }
                match bench.files {
                    Some(files) => bench.questions.ask(*kind, &bench.made.path, files)?,
                    None => false,
                }
            }
        })
    }

    /// Its expressions.
    pub(crate) fn patterns(&mut self) -> Vec<&mut Pattern> {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter_mut().flat_map(Condition::patterns).collect()
            }
            Condition::Not(condition) => condition.patterns(),
            Condition::Match(_, pattern) => pattern.iter_mut().collect(),
            _ => Vec::new(),
        }
    }

    /// The slots that it refers to.
    pub(crate) fn slots(&self) -> Vec<usize> {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().flat_map(Condition::slots).collect()
            }
            Condition::Not(condition) => condition.slots(),
            Condition::Match(parts, _) => parts.iter().filter_map(slot).collect(),
            Condition::There(_, target) => target.parts().filter_map(slot).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it is the same wherever the request has been led to.
    pub(crate) fn is_settled(&self) -> bool {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().all(Condition::is_settled)
            }
            Condition::Not(condition) => condition.is_settled(),
            Condition::Match(parts, _) => parts.iter().all(is_settled),
            Condition::Method(_) | Condition::Scheme(_) | Condition::Address(_) => true,
            Condition::There(_, target) => target.parts().all(is_settled),
        }
    }
}

/// Whether a part stands for the same wherever the request has been led to.
pub(crate) fn is_settled(part: &Part) -> bool {
    match part {
        Part::Text(_) => true,
        Part::Value(variable) => variable.is_settled(),
    }
}

/// The slot that a part refers to.
pub(crate) fn slot(part: &Part) -> Option<usize> {
    match part {
        Part::Value(Variable::Captured { slot, .. }) => Some(*slot),
        _ => None,
    }
}

//! A rule about one field.

use config::{FieldAction, FieldRule, LogStatus};
use proto_http::Status;

use super::head;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) deed: Deed,
    /// What is added, whole lines.
    pub(super) lines: Vec<u8>,
    /// Statuses; all when it is empty.
    on: Vec<LogStatus>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Set,
    Add,
    Default,
    Remove,
}

impl Rule {
    pub(super) fn new(rule: &FieldRule) -> Rule {
        let one = std::slice::from_ref;
        let (deed, values) = match &rule.action {
            FieldAction::Set(value) => (Deed::Set, one(value)),
            FieldAction::Add(values) => (Deed::Add, values.as_slice()),
            FieldAction::Default(value) => (Deed::Default, one(value)),
            FieldAction::Remove => (Deed::Remove, &[][..]),
        };
        let mut lines = Vec::new();
        for value in values {
            head::push(&mut lines, &rule.name, value);
        }
        Rule { name: rule.name.clone(), deed, lines, on: rule.on.clone() }
    }

    pub(super) fn holds_always(&self) -> bool {
        self.on.is_empty()
    }

    fn holds(&self, status: Status) -> bool {
        let is_it = |on: &LogStatus| match on {
            LogStatus::Code(code) => *code == status.code(),
            LogStatus::Class(class) => u16::from(*class) == status.class(),
        };
        self.on.is_empty() || self.on.iter().any(is_it)
    }

    pub(super) fn apply(&self, out: &mut Vec<u8>, head_at: usize, status: Status) {
        if !self.holds(status) {
            return;
        }
        match self.deed {
            Deed::Set | Deed::Remove => head::remove(out, head_at, &self.name),
            Deed::Default if head::find(&out[head_at..], &self.name).is_some() => return,
            Deed::Default | Deed::Add => {}
        }
        out.extend_from_slice(&self.lines);
    }
}

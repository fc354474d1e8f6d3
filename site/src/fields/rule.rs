//! A rule about one field.

use config::{FieldAction, FieldRule, LogStatus};
use proto_http::Status;

use super::head;
use crate::rewrite::{Fault, FieldTemplate, Maps, View};

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) deed: Deed,
    /// What is added.
    pub(super) lines: Lines,
    /// Statuses; all when it is empty.
    on: Vec<LogStatus>,
}

/// Whole lines.
#[derive(Clone, Debug)]
pub(super) enum Lines {
    /// The same for all requests.
    Fixed(Vec<u8>),
    /// Those whose values depend on the request.
    Varying(Vec<FieldTemplate>),
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
    /// Reads a rule; what is wrong comes with the name of its field.
    pub(super) fn new(rule: &FieldRule, maps: &Maps) -> Result<Rule, (String, Fault)> {
        let one = std::slice::from_ref;
        let (deed, values) = match &rule.action {
            FieldAction::Set(value) => (Deed::Set, one(value)),
            FieldAction::Add(values) => (Deed::Add, values.as_slice()),
            FieldAction::Default(value) => (Deed::Default, one(value)),
            FieldAction::Remove => (Deed::Remove, &[][..]),
        };
        let parsed = values.iter().map(|value| FieldTemplate::parse(value, maps));
        let parsed = parsed.collect::<Result<Vec<_>, _>>().map_err(|fault| (rule.name.clone(), fault))?;
        let fixed: Option<Vec<&[u8]>> = parsed.iter().map(FieldTemplate::fixed).collect();
        let lines = match fixed {
            Some(values) => Lines::Fixed(values.iter().fold(Vec::new(), |mut lines, value| {
                head::push(&mut lines, &rule.name, value);
                lines
            })),
            None => Lines::Varying(parsed),
        };
        Ok(Rule { name: rule.name.clone(), deed, lines, on: rule.on.clone() })
    }

    /// All of it, unless it depends on the request.
    pub(super) fn prepared(&self) -> Option<(&str, Deed, &[u8], &[LogStatus])> {
        match &self.lines {
            Lines::Fixed(lines) => Some((&self.name, self.deed, lines, &self.on)),
            Lines::Varying(_) => None,
        }
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

    /// Does it, unless it depends on the request.
    pub(super) fn apply(&self, out: &mut Vec<u8>, head_at: usize, status: Status) {
        if let Lines::Fixed(lines) = &self.lines
            && self.begins(out, head_at, status)
        {
            out.extend_from_slice(lines);
        }
    }

    /// Does it, if it depends on the request.
    pub(super) fn apply_for(&self, view: &View<'_>, out: &mut Vec<u8>, head_at: usize, status: Status) {
        if let Lines::Varying(values) = &self.lines
            && self.begins(out, head_at, status)
        {
            values.iter().for_each(|value| value.write_line(&self.name, view, out));
        }
    }

    /// Whether lines are to be added, now that those that they replace are gone.
    fn begins(&self, out: &mut Vec<u8>, head_at: usize, status: Status) -> bool {
        if !self.holds(status) {
            return false;
        }
        match self.deed {
            Deed::Set | Deed::Remove => head::remove(out, head_at, &self.name),
            Deed::Default => return head::find(&out[head_at..], &self.name).is_none(),
            Deed::Add => {}
        }
        true
    }
}

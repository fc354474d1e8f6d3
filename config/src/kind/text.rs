//! Words and texts with a form of their own.

use serde_json::{Value, json};

use super::{Kind, Spot, accept};
use crate::cause::{Cause, Flaw};
use crate::near::nearest;
use crate::problem::Problems;
use crate::tree::quoted;

/// One of a few words.
pub(crate) struct Choice<T: 'static> {
    pub(crate) words: &'static [(&'static str, T)],
}

impl<T> Choice<T> {
    fn list(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        }
    }
}

impl<T: Clone + Sync> Kind for Choice<T> {
    type Out = T;

    fn noun(&self) -> String {
        self.list()
    }

    fn schema(&self) -> Value {
        json!({"enum": self.words.iter().map(|(word, _)| *word).collect::<Vec<_>>()})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<T> {
        let choice = at.text(|| self.noun()).and_then(|text| {
            let found = self.words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| value.clone()).ok_or_else(|| {
                let cure = match nearest(text, self.words.iter().map(|(word, _)| *word)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("write {}", self.list()),
                };
                let what = format!("{} cannot be {}", at.label, quoted(text));
                at.problem(Cause::Malformed(Flaw::new(what, cure)))
            })
        });
        accept(problems, choice)
    }
}

/// A text that `parse` understands.
pub(crate) struct Text<T: 'static> {
    pub(crate) noun: &'static str,
    /// Regular expression for the schema, where one helps.
    pub(crate) pattern: Option<&'static str>,
    pub(crate) parse: fn(&str) -> Result<T, Flaw>,
}

impl<T> Kind for Text<T> {
    type Out = T;

    fn noun(&self) -> String {
        self.noun.to_owned()
    }

    fn schema(&self) -> Value {
        match self.pattern {
            Some(pattern) => json!({"type": "string", "pattern": pattern}),
            None => json!({"type": "string"}),
        }
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<T> {
        let value = at
            .text(|| self.noun())
            .and_then(|text| (self.parse)(text).map_err(|flaw| at.problem(Cause::Malformed(flaw))));
        accept(problems, value)
    }
}

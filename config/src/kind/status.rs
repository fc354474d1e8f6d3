//! Status codes that a rule answers with, and lists of rules.

use serde_json::{Value, json};

use super::{Kind, Nest, Spot, reject};
use crate::cause::{Cause, Flaw};
use crate::problem::Problems;
use crate::table::Section;
use crate::tree::Data;

/// Those that send a client elsewhere with a `Location` (RFC 9110 section 15.4).
pub(crate) const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// The status of a redirect.
pub(crate) struct RedirectStatus;

impl Kind for RedirectStatus {
    type Out = u16;

    fn noun(&self) -> String {
        "301, 302, 303, 307 or 308".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"enum": REDIRECTS})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<u16> {
        match code(at).filter(|code| REDIRECTS.contains(code)) {
            Some(code) => Some(code),
            None => reject(problems, at.wrong_type(self.noun())),
        }
    }
}

/// The status of an answer that is final.
pub(crate) struct AnswerStatus;

/// No 1xx: these are not final. No 304: it would need the fields of the answer that it stands for.
const ANSWERS: std::ops::RangeInclusive<u16> = 200..=599;
const NOT_MODIFIED: u16 = 304;

impl Kind for AnswerStatus {
    type Out = u16;

    fn noun(&self) -> String {
        "a status from 200 to 599".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": ANSWERS.start(), "maximum": ANSWERS.end()})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<u16> {
        match code(at) {
            Some(NOT_MODIFIED) => {
                let what =
                    "304 is for files and upstreams alone: it says that what the client has is current";
                let flaw = Flaw::new(what, "write another status");
                reject(problems, at.problem(Cause::Malformed(flaw)))
            }
            Some(code) if ANSWERS.contains(&code) => Some(code),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }
}

fn code(at: &Spot<'_>) -> Option<u16> {
    match &at.node.data {
        Data::Number(number) => number.as_u64().and_then(|code| u16::try_from(code).ok()),
        _ => None,
    }
}

/// A status, or an object with keys of its own.
pub(crate) struct StatusOrObject(pub(crate) &'static Section);

impl Kind for StatusOrObject {
    /// The status; `None` for an object, which is read by whoever reads the section.
    type Out = Option<u16>;

    fn noun(&self) -> String {
        format!("{}, or an object", AnswerStatus.noun())
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [AnswerStatus.schema(), crate::schema::reference_to(self.0)]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Option<u16>> {
        match &at.node.data {
            Data::Object(_) => Some(None),
            Data::Number(_) => AnswerStatus.read(at, problems).map(Some),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }

    fn nest(&self) -> Nest {
        Nest::Optional(self.0)
    }
}

/// A list of objects with keys of their own; they are read by whoever reads the section.
pub(crate) struct Items {
    pub(crate) section: &'static Section,
    pub(crate) noun: &'static str,
    pub(crate) max: usize,
}

impl Kind for Items {
    type Out = ();

    fn noun(&self) -> String {
        format!("a list of at most {}, each {}", self.max, self.noun)
    }

    fn schema(&self) -> Value {
        json!({"type": "array", "items": crate::schema::reference_to(self.section), "maxItems": self.max})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<()> {
        match &at.node.data {
            Data::List(items) if items.len() <= self.max => Some(()),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }

    fn nest(&self) -> Nest {
        Nest::Items(self.section)
    }
}

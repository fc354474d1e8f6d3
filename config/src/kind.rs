//! Kinds of values: how each is read, described and put into the schema.

mod error_page;
mod field;
mod list;
mod number;
mod output;
mod rate;
mod status;
mod text;
mod upstream;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cause::Cause;
use crate::problem::{Problem, Problems};
use crate::source::{Origin, Source};
use crate::table::Section;
use crate::tree::{Data, Node};

pub(crate) use error_page::ErrorPageValue;
pub(crate) use field::{FieldRuleValue, Ruled};
pub(crate) use list::{List, ListOrOff, MapOf};
pub(crate) use number::{AutoCount, Count, Integer, Size, Span, parse_time};
pub(crate) use output::{LineFormat, LogChoice, LogList, OutputTo};
pub(crate) use rate::{BYTE_RATE, REQUEST_RATE};
pub(crate) use status::{AnswerStatus, Items, REDIRECTS, RedirectStatus, StatusOrObject};
pub(crate) use text::{Choice, Text};
pub(crate) use upstream::ServerItem;

/// How one kind of value is read.
pub(crate) trait Kind: Sync {
    /// What a right value becomes.
    type Out;

    /// What a right value is, in words: "a size".
    fn noun(&self) -> String;

    /// JSON Schema of right values.
    fn schema(&self) -> Value;

    /// Reads the value at `at`; a wrong one is put into `problems` and gives `None`.
    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Self::Out>;

    /// What stands below values of this kind.
    fn nest(&self) -> Nest {
        Nest::Leaf
    }

    /// Whether two keys of a map mean the same entry.
    fn is_same_entry(&self, a: &str, b: &str) -> bool {
        a == b
    }
}

/// What stands below a key.
#[derive(Clone, Copy)]
pub(crate) enum Nest {
    /// A value that is taken as a whole.
    Leaf,
    /// An object of free keys that is inherited key by key.
    Map,
    /// Further keys of the table.
    Section(&'static Section),
    /// The same, inherited and switched off as a whole.
    Optional(&'static Section),
    /// An object of free keys, each with further keys of the table below.
    Named(&'static Section),
    /// A list of objects, each with further keys of the table.
    Items(&'static Section),
}

/// A value that is being read, with what a problem has to say about it.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    pub(crate) node: &'a Node,
    pub(crate) pointer: &'a str,
    /// The value, as messages name it: `"listen"`, `an item of "listen"`.
    pub(crate) label: &'a str,
    /// The key of the table that the value belongs to.
    pub(crate) key: &'static str,
    /// A right value of that key, as JSON.
    pub(crate) example: &'static str,
    pub(crate) source: Option<&'a Source>,
}

impl Spot<'_> {
    pub(crate) fn problem(&self, cause: Cause) -> Problem {
        Problem::new(self.source, &self.node.origin, self.pointer, cause)
    }

    pub(crate) fn wrong_type(&self, wanted: String) -> Problem {
        self.problem(Cause::WrongType {
            label: self.label.to_owned(),
            found: self.node.in_words(),
            wanted,
            key: self.key,
            example: self.example,
        })
    }

    pub(crate) fn out_of_range(&self, found: String, min: String, max: String) -> Problem {
        self.problem(Cause::OutOfRange { label: self.label.to_owned(), found, min, max })
    }

    /// The text there, or the problem that it is none.
    pub(crate) fn text(&self, wanted: impl FnOnce() -> String) -> Result<&str, Problem> {
        match &self.node.data {
            Data::Text(text) => Ok(text),
            _ => Err(self.wrong_type(wanted())),
        }
    }

    /// `path`, relative to the folder of the file when it comes from there, to the current one otherwise.
    fn resolve(&self, path: &str) -> PathBuf {
        let base = match (&self.node.origin, self.source) {
            (Origin::File(_), Some(source)) => source.folder(),
            _ => PathBuf::new(),
        };
        let joined = base.join(path);
        // Made absolute here because a daemon leaves the current folder. It fails only when there is
        // none, and then opening the relative path gives the better message.
        std::path::absolute(&joined).unwrap_or(joined)
    }
}

/// `true` or `false`.
pub(crate) struct Flag;

impl Kind for Flag {
    type Out = bool;

    fn noun(&self) -> String {
        "true or false".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "boolean"})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<bool> {
        match at.node.data {
            Data::Bool(flag) => Some(flag),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }
}

/// The path of a file or folder.
pub(crate) struct FilePath;

impl Kind for FilePath {
    type Out = PathBuf;

    fn noun(&self) -> String {
        "a path".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "minLength": 1})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<PathBuf> {
        accept(problems, at.text(|| self.noun()).and_then(|text| read_path(at, text)))
    }
}

fn read_path(at: &Spot<'_>, text: &str) -> Result<PathBuf, Problem> {
    let flaw = match text {
        "" => crate::Flaw::new("the path is empty", "write a path; \".\" is the folder of this file"),
        _ if text.contains('\0') => crate::Flaw::new("the path has a NUL character", "remove it"),
        _ if text.starts_with("~/") => {
            crate::Flaw::new("~ does not stand for a home folder here", "write the path in full")
        }
        _ => return Ok(at.resolve(text)),
    };
    Err(at.problem(Cause::Malformed(flaw)))
}

/// A value that can be switched off with the word `off`.
pub(crate) struct OrOff<K>(pub(crate) K);

impl<K: Kind> Kind for OrOff<K> {
    type Out = Option<K::Out>;

    fn noun(&self) -> String {
        format!("{}, or \"off\"", self.0.noun())
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [{"const": "off"}, self.0.schema()]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Option<K::Out>> {
        match &at.node.data {
            Data::Text(text) if text == "off" => Some(None),
            Data::Text(_) => self.0.read(at, problems).map(Some),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }
}

/// An object with keys of its own; its values are read by whoever reads the section.
pub(crate) struct Object(pub(crate) &'static Section);

impl Kind for Object {
    type Out = ();

    fn noun(&self) -> String {
        "an object".to_owned()
    }

    fn schema(&self) -> Value {
        crate::schema::reference_to(self.0)
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<()> {
        match at.node.data {
            Data::Object(_) => Some(()),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }

    fn nest(&self) -> Nest {
        Nest::Section(self.0)
    }
}

/// An object with keys of its own, or the word `off`.
pub(crate) struct ObjectOrOff(pub(crate) &'static Section);

impl Kind for ObjectOrOff {
    /// Whether there is an object.
    type Out = bool;

    fn noun(&self) -> String {
        "an object, or \"off\"".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [{"const": "off"}, crate::schema::reference_to(self.0)]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<bool> {
        match &at.node.data {
            Data::Object(_) => Some(true),
            Data::Text(text) if text == "off" => Some(false),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }

    fn nest(&self) -> Nest {
        Nest::Optional(self.0)
    }
}

/// One of a few words, or an object with keys of its own that says more.
pub(crate) struct WordOrObject<T: 'static> {
    pub(crate) words: Choice<T>,
    pub(crate) section: &'static Section,
}

impl<T: Clone + Sync> Kind for WordOrObject<T> {
    /// The word; `None` where there is an object.
    type Out = Option<T>;

    fn noun(&self) -> String {
        format!("{}, or an object", self.words.noun())
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [self.words.schema(), crate::schema::reference_to(self.section)]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Option<T>> {
        match &at.node.data {
            Data::Object(_) => Some(None),
            Data::Text(_) => self.words.read(at, problems).map(Some),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }

    fn nest(&self) -> Nest {
        Nest::Optional(self.section)
    }
}

/// An object whose keys are names that the user chooses, each with an object of the section as its value.
pub(crate) struct Named {
    pub(crate) section: &'static Section,
    pub(crate) noun: &'static str,
}

impl Kind for Named {
    type Out = ();

    fn noun(&self) -> String {
        self.noun.to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "object", "additionalProperties": crate::schema::reference_to(self.section)})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<()> {
        match at.node.data {
            Data::Object(_) => Some(()),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }

    fn nest(&self) -> Nest {
        Nest::Named(self.section)
    }
}

/// The value, or its problem put to the others.
fn accept<T>(problems: &mut Problems, result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// Puts a problem to the others.
fn reject<T>(problems: &mut Problems, problem: Problem) -> Option<T> {
    problems.push(problem);
    None
}

//! Where log lines go.

use serde_json::{Value, json};

use super::{Kind, Spot, accept, read_path, reject};
use crate::cause::{Cause, Flaw};
use crate::model::{LogFormat, Output};
use crate::near::nearest;
use crate::problem::Problems;
use crate::tree::{Data, Node, quoted};

/// Where log lines go: a path, `stdout` or `stderr`.
pub(crate) struct OutputTo;

impl Kind for OutputTo {
    type Out = Output;

    fn noun(&self) -> String {
        "a path, or \"stdout\" or \"stderr\"".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "minLength": 1})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Output> {
        let output = at.text(|| self.noun()).and_then(|text| match text {
            "stdout" => Ok(Output::Stdout),
            "stderr" => Ok(Output::Stderr),
            path => read_path(at, path).map(Output::File),
        });
        accept(problems, output)
    }
}

/// What an `access_log` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogChoice {
    /// A path or a stream.
    Output(Output),
    /// A log of `/logs`.
    Name(String),
}

/// Which logs get the lines: none (`off`), one, or a list of some, each another one.
pub(crate) struct LogList;

/// Logs of one place.
const LOGS_MAX: usize = 8;

impl LogList {
    /// One of them. A path has a slash or a dot in it, which a name has not.
    fn choice(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<LogChoice> {
        match &at.node.data {
            Data::Text(text) if text == "off" => {
                let what = "\"off\" cannot be one of several logs";
                let flaw = Flaw::new(what, "write \"off\" alone, without a list, or leave it out");
                reject(problems, at.problem(Cause::Malformed(flaw)))
            }
            Data::Text(text) if is_name(text) => Some(LogChoice::Name(text.clone())),
            Data::Text(_) => OutputTo.read(at, problems).map(LogChoice::Output),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }

    fn choices(
        &self,
        at: &Spot<'_>,
        items: &[Node],
        problems: &mut Problems,
    ) -> Option<Vec<(String, LogChoice)>> {
        let before = problems.len();
        let label = format!("an item of {}", at.label);
        let mut choices: Vec<(String, LogChoice)> = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let pointer = format!("{}/{index}", at.pointer);
            let spot = Spot { node, pointer: &pointer, label: &label, ..*at };
            let Some(choice) = self.choice(&spot, problems) else { continue };
            if choices.iter().any(|(_, known)| *known == choice) {
                let what = format!("{} is in the list twice", node.in_words());
                let flaw = Flaw::new(what, "list each log once; every line would be written twice");
                problems.push(spot.problem(Cause::Malformed(flaw)));
            }
            choices.push((pointer, choice));
        }
        (problems.len() == before).then_some(choices)
    }
}

impl Kind for LogList {
    /// Each with its JSON Pointer.
    type Out = Vec<(String, LogChoice)>;

    fn noun(&self) -> String {
        format!(
            "a log of /logs, a path, \"stdout\", \"stderr\" or a list of 1 to {LOGS_MAX} of these, or \"off\""
        )
    }

    fn schema(&self) -> Value {
        let one = json!({"type": "string", "minLength": 1});
        json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": LOGS_MAX}]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Self::Out> {
        match &at.node.data {
            Data::Text(text) if text == "off" => Some(Vec::new()),
            Data::List(items) if (1..=LOGS_MAX).contains(&items.len()) => self.choices(at, items, problems),
            Data::Text(_) => self.choice(at, problems).map(|choice| vec![(at.pointer.to_owned(), choice)]),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !matches!(text, "stdout" | "stderr") && !text.contains(['/', '.'])
}

/// How lines look: a word, or a template.
pub(crate) struct LineFormat;

const FORMATS: [(&str, LogFormat); 3] =
    [("common", LogFormat::Common), ("combined", LogFormat::Combined), ("json", LogFormat::Json)];

impl Kind for LineFormat {
    type Out = LogFormat;

    fn noun(&self) -> String {
        "\"common\", \"combined\", \"json\" or a template with $variables".to_owned()
    }

    fn schema(&self) -> Value {
        let words = FORMATS.map(|(word, _)| word);
        json!({"anyOf": [{"enum": words}, {"type": "string", "pattern": "[$]"}]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<LogFormat> {
        let format = at.text(|| self.noun()).and_then(|text| {
            if text.contains('$') {
                return Ok(LogFormat::Template(text.to_owned()));
            }
            let found = FORMATS.into_iter().find(|(word, _)| *word == text);
            found.map(|(_, format)| format).ok_or_else(|| {
                let cure = match nearest(text, FORMATS.iter().map(|(word, _)| *word)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("write {}", self.noun()),
                };
                let what = format!("{} cannot be {}", at.label, quoted(text));
                at.problem(Cause::Malformed(Flaw::new(what, cure)))
            })
        });
        accept(problems, format)
    }
}

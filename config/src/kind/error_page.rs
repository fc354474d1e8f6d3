//! What is sent with an error.

use serde_json::{Value, json};

use super::{FilePath, Kind, Spot, reject};
use crate::cause::{Cause, Flaw};
use crate::model::ErrorPage;
use crate::pointer;
use crate::problem::Problems;
use crate::tree::{Data, quoted};

/// The path of a file, or an object with one of `html`, `text`, `json` and `to`.
pub(crate) struct ErrorPageValue;

const KEYS: [&str; 4] = ["html", "text", "json", "to"];

impl Kind for ErrorPageValue {
    type Out = ErrorPage;

    fn noun(&self) -> String {
        "the path of a file, or an object with one of \"html\", \"text\", \"json\" and \"to\"".to_owned()
    }

    fn schema(&self) -> Value {
        let text = json!({"type": "string"});
        let path = json!({"type": "string", "pattern": "^/"});
        let properties = json!({"html": text, "text": text, "json": {}, "to": path});
        json!({"anyOf": [FilePath.schema(), {
            "type": "object", "properties": properties, "additionalProperties": false,
            "minProperties": 1, "maxProperties": 1,
        }]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<ErrorPage> {
        if let Data::Text(_) = at.node.data {
            return FilePath.read(at, problems).map(ErrorPage::File);
        }
        let [member] = at.node.members().collect::<Vec<_>>()[..] else {
            return reject(problems, at.wrong_type(self.noun()));
        };
        if !KEYS.contains(&member.name.as_str()) {
            return reject(problems, at.wrong_type(self.noun()));
        }
        let pointer = pointer::join(at.pointer, &member.name);
        let label = quoted(&member.name);
        let spot = Spot { node: &member.node, pointer: &pointer, label: &label, ..*at };
        let inline = |media_type: &str, body: &str| {
            Some(ErrorPage::Inline { media_type: media_type.to_owned(), body: body.to_owned() })
        };
        match (member.name.as_str(), &member.node.data) {
            ("json", _) => inline("application/json", &member.node.value().to_string()),
            ("html", Data::Text(text)) => inline("text/html; charset=utf-8", text),
            ("text", Data::Text(text)) => inline("text/plain; charset=utf-8", text),
            ("to", Data::Text(path)) if path.starts_with('/') && !path.contains(['?', '#']) => {
                Some(ErrorPage::To(path.clone()))
            }
            ("to", Data::Text(path)) => {
                let what = format!("{} is no path of this host", quoted(path));
                let flaw = Flaw::new(what, "write one such as \"/errors/404.html\", without a query");
                reject(problems, spot.problem(Cause::Malformed(flaw)))
            }
            _ => reject(problems, spot.wrong_type("a text".to_owned())),
        }
    }
}

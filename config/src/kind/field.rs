//! What becomes of one field of responses.

use serde_json::{Value, json};

use super::{Kind, List, Spot, Text, accept, reject};
use crate::cause::Cause;
use crate::model::{FieldAction, LogStatus};
use crate::near::nearest;
use crate::pointer;
use crate::problem::{Problem, Problems};
use crate::syntax;
use crate::tree::{Data, Member, quoted};

/// A text, which the field is set to; `false`, which removes it; or an object with one of `set`, `add` and
/// `default`, and `on`.
pub(crate) struct FieldRuleValue;

/// What is done, and to responses with which statuses.
pub(crate) type Ruled = (FieldAction, Vec<LogStatus>);

const VALUE: Text<String> = Text { noun: "a text", pattern: None, parse: syntax::field_value };
const VALUES: List<Text<String>> = List { item: VALUE, min: 1 };
const STATUSES: List<Text<LogStatus>> = List {
    item: Text {
        noun: "a status such as \"404\" or \"5xx\"",
        pattern: Some("^([1-5][0-9][0-9]|[1-5]xx)$"),
        parse: syntax::log_status,
    },
    min: 1,
};

const ACTIONS: [&str; 3] = ["set", "add", "default"];
const ON: &str = "on";

impl FieldRuleValue {
    fn action(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<FieldAction> {
        let actions = at.node.members().filter(|member| ACTIONS.contains(&member.name.as_str()));
        let [member] = actions.collect::<Vec<_>>()[..] else {
            return reject(problems, at.wrong_type(self.noun()));
        };
        below(at, member, |spot| match (member.name.as_str(), &member.node.data) {
            ("set", _) => VALUE.read(spot, problems).map(FieldAction::Set),
            ("default", _) => VALUE.read(spot, problems).map(FieldAction::Default),
            (_, Data::List(_)) => {
                let values = VALUES.read(spot, problems)?;
                Some(FieldAction::Add(values.into_iter().map(|(_, value)| value).collect()))
            }
            _ => VALUE.read(spot, problems).map(|value| FieldAction::Add(vec![value])),
        })
    }

    fn statuses(at: &Spot<'_>, problems: &mut Problems) -> Option<Vec<LogStatus>> {
        let Some(member) = at.node.member(ON) else { return Some(Vec::new()) };
        let statuses = below(at, member, |spot| STATUSES.read(spot, problems));
        statuses.map(|statuses| statuses.into_iter().map(|(_, status)| status).collect())
    }

    fn unknown(at: &Spot<'_>, member: &Member) -> Problem {
        let cause = Cause::UnknownKey {
            key: member.name.clone(),
            place: "a rule about a field",
            near: nearest(&member.name, ACTIONS.into_iter().chain([ON])).map(str::to_owned),
            elsewhere: None,
        };
        Problem::new(at.source, &member.origin, &pointer::join(at.pointer, &member.name), cause)
    }
}

impl Kind for FieldRuleValue {
    type Out = Ruled;

    fn noun(&self) -> String {
        "a text, false, or an object with \"set\", \"add\" or \"default\"".to_owned()
    }

    fn schema(&self) -> Value {
        let text = VALUE.schema();
        let properties = json!({
            "set": text, "add": {"anyOf": [text, VALUES.schema()]}, "default": text, "on": STATUSES.schema(),
        });
        json!({"anyOf": [
            text, {"const": false}, {"type": "object", "properties": properties, "additionalProperties": false},
        ]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Ruled> {
        match at.node.data {
            Data::Text(_) => VALUE.read(at, problems).map(|value| (FieldAction::Set(value), Vec::new())),
            Data::Bool(false) => Some((FieldAction::Remove, Vec::new())),
            Data::Object(_) => {
                let before = problems.len();
                let known = |name: &str| name == ON || ACTIONS.contains(&name);
                for member in at.node.members().filter(|member| !known(&member.name)) {
                    problems.push(Self::unknown(at, member));
                }
                let ruled = (self.action(at, problems)?, Self::statuses(at, problems)?);
                (problems.len() == before).then_some(ruled)
            }
            _ => accept(problems, Err(at.wrong_type(self.noun()))),
        }
    }
}

/// Reads the value of a member of an object.
fn below<T>(at: &Spot<'_>, member: &Member, read: impl FnOnce(&Spot<'_>) -> T) -> T {
    let pointer = pointer::join(at.pointer, &member.name);
    let label = quoted(&member.name);
    read(&Spot { node: &member.node, pointer: &pointer, label: &label, ..*at })
}

//! Lists, and objects whose keys the user chooses.

use std::collections::HashMap;
use std::hash::Hash;

use serde_json::{Value, json};

use super::{Kind, Nest, Spot, Text, reject};
use crate::cause::Cause;
use crate::pointer;
use crate::problem::{Problem, Problems};
use crate::source::Origin;
use crate::tree::{Data, quoted};

/// A list of at least `min` values, each with its JSON Pointer.
pub(crate) struct List<K> {
    pub(crate) item: K,
    pub(crate) min: usize,
}

impl<K: Kind> Kind for List<K> {
    type Out = Vec<(String, K::Out)>;

    fn noun(&self) -> String {
        let some = match self.min {
            0 => "a list".to_owned(),
            1 => "a list with at least one item".to_owned(),
            min => format!("a list with at least {min} items"),
        };
        format!("{some}, each {}", self.item.noun())
    }

    fn schema(&self) -> Value {
        json!({"type": "array", "items": self.item.schema(), "minItems": self.min})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Self::Out> {
        let items = match &at.node.data {
            Data::List(items) if items.len() >= self.min => items,
            _ => return reject(problems, at.wrong_type(self.noun())),
        };
        let before = problems.len();
        let label = format!("an item of {}", at.label);
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let pointer = format!("{}/{index}", at.pointer);
            if let Some(value) =
                self.item.read(&Spot { node, pointer: &pointer, label: &label, ..*at }, problems)
            {
                values.push((pointer, value));
            }
        }
        (problems.len() == before).then_some(values)
    }
}

/// A list, or the word `off` for none.
pub(crate) struct ListOrOff<K>(pub(crate) List<K>);

impl<K: Kind> Kind for ListOrOff<K> {
    type Out = Option<Vec<(String, K::Out)>>;

    fn noun(&self) -> String {
        format!("{}, or \"off\"", self.0.noun())
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [{"const": "off"}, self.0.schema()]})
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Self::Out> {
        match &at.node.data {
            Data::Text(text) if text == "off" => Some(None),
            Data::List(items) if items.len() >= self.0.min => self.0.read(at, problems).map(Some),
            _ => reject(problems, at.wrong_type(self.noun())),
        }
    }
}

/// An object whose keys the user chooses; a null stands for "remove what is inherited".
pub(crate) struct MapOf<K: 'static, V> {
    pub(crate) key: Text<K>,
    pub(crate) value: V,
}

impl<K: Clone + Eq + Hash, V: Kind> Kind for MapOf<K, V> {
    type Out = Vec<(K, Option<V::Out>)>;

    fn noun(&self) -> String {
        format!("an object, each key {}, each value {} or null", self.key.noun, self.value.noun())
    }

    fn schema(&self) -> Value {
        let value = json!({"anyOf": [self.value.schema(), {"type": "null"}]});
        match self.key.pattern {
            Some(pattern) => {
                json!({"type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": value})
            }
            None => json!({"type": "object", "additionalProperties": value}),
        }
    }

    fn read(&self, at: &Spot<'_>, problems: &mut Problems) -> Option<Self::Out> {
        let Data::Object(members) = &at.node.data else {
            return reject(problems, at.wrong_type(self.noun()));
        };
        let before = problems.len();
        let mut seen: HashMap<K, &Origin> = HashMap::new();
        let mut entries = Vec::with_capacity(members.len());
        for member in members.values() {
            let pointer = pointer::join(at.pointer, &member.name);
            let at_key = |cause| Problem::new(at.source, &member.origin, &pointer, cause);
            let key = match (self.key.parse)(&member.name) {
                Ok(key) => key,
                Err(flaw) => {
                    problems.push(at_key(Cause::Malformed(flaw)));
                    continue;
                }
            };
            // Keys that differ as texts can still mean the same: field names know no case.
            if let Some(first) = seen.get(&key) {
                let problem = at_key(Cause::DuplicateKey(member.name.clone()));
                problems.push(problem.note("first", at.source, first));
                continue;
            }
            seen.insert(key.clone(), &member.origin);
            let label = quoted(&member.name);
            let spot = Spot { node: &member.node, pointer: &pointer, label: &label, ..*at };
            match member.node.data {
                Data::Null => entries.push((key, None)),
                _ => entries.extend(self.value.read(&spot, problems).map(|value| (key, Some(value)))),
            }
        }
        (problems.len() == before).then_some(entries)
    }

    fn nest(&self) -> Nest {
        Nest::Map
    }

    fn is_same_entry(&self, a: &str, b: &str) -> bool {
        match ((self.key.parse)(a), (self.key.parse)(b)) {
            (Ok(a), Ok(b)) => a == b,
            _ => a == b,
        }
    }
}

//! A configuration as a tree in which every value and every key knows where it comes from.

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use crate::source::Origin;

/// A value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) origin: Origin,
}

/// What a value holds.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Members),
}

/// The members of an object by their names, in the order of the file. A configuration may have many
/// thousand hosts, so they are found by hash.
pub(crate) type Members = IndexMap<String, Member>;

/// A key of an object with its value.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where the key stands.
    pub(crate) origin: Origin,
    pub(crate) node: Node,
}

impl Node {
    /// A tree in which everything has the same origin.
    pub(crate) fn of(value: Value, origin: &Origin) -> Node {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(flag) => Data::Bool(flag),
            Value::Number(number) => Data::Number(number),
            Value::String(text) => Data::Text(text),
            Value::Array(items) => Data::List(items.into_iter().map(|item| Node::of(item, origin)).collect()),
            Value::Object(members) => Data::Object(
                members
                    .into_iter()
                    .map(|(name, value)| {
                        let node = Node::of(value, origin);
                        (name.clone(), Member { name, origin: origin.clone(), node })
                    })
                    .collect(),
            ),
        };
        Node { data, origin: origin.clone() }
    }

    /// The plain value, without origins.
    pub(crate) fn value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(flag) => Value::Bool(*flag),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::value).collect()),
            Data::Object(members) => {
                let pairs = members.values().map(|member| (member.name.clone(), member.node.value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The members of an object; none of anything else.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        let members = match &self.data {
            Data::Object(members) => Some(members),
            _ => None,
        };
        members.into_iter().flat_map(IndexMap::values)
    }

    /// The member `name` of an object.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        match &self.data {
            Data::Object(members) => members.get(name),
            _ => None,
        }
    }

    /// The value that the tokens of a JSON Pointer lead to.
    pub(crate) fn find<S: AsRef<str>>(&self, tokens: &[S]) -> Option<&Node> {
        tokens.iter().try_fold(self, |node, token| match &node.data {
            Data::List(items) => token.as_ref().parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => node.member(token.as_ref()).map(|member| &member.node),
        })
    }

    /// The value in words, for a message that says what was found.
    pub(crate) fn in_words(&self) -> String {
        match &self.data {
            Data::Null => "null".to_owned(),
            Data::Bool(flag) => flag.to_string(),
            Data::Number(number) => format!("the number {number}"),
            Data::Text(text) => format!("the text {}", quoted(text)),
            Data::List(items) if items.is_empty() => "an empty list".to_owned(),
            Data::List(_) => "a list".to_owned(),
            Data::Object(_) => "an object".to_owned(),
        }
    }
}

/// Longest stretch of a user's text that a message repeats, in characters.
const QUOTE_MAX: usize = 60;

/// `text` in quotes, shortened, with control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().count() <= QUOTE_MAX {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(QUOTE_MAX).collect();
    format!("{:?}", format!("{start}…"))
}

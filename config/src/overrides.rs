//! Values from the command line, which win over the file.

use std::sync::Arc;

use serde_json::Value;

use crate::cause::{Cause, Flaw};
use crate::kind::Nest;
use crate::pointer;
use crate::problem::Problem;
use crate::source::Origin;
use crate::table::{self, Target};
use crate::tree::{Data, Member, Members, Node, quoted};

/// One value from the command line.
#[derive(Clone, Debug)]
pub struct Override {
    flag: Arc<str>,
    pointer: String,
    tokens: Vec<String>,
    value: Value,
}

impl Override {
    /// The argument of `--set`: `/path=value`. The value is read as JSON; what is no JSON is a text.
    ///
    /// # Errors
    /// When there is no `=`, or what stands before it is no JSON Pointer.
    pub fn set(argument: &str) -> Result<Override, Problem> {
        let flag = format!("--set {argument}");
        let split = argument.split_once('=').filter(|(pointer, _)| pointer.len() > 1);
        let tokens = split.and_then(|(pointer, _)| pointer::tokens(pointer));
        let (Some((pointer, text)), Some(tokens)) = (split, tokens) else {
            let flaw = Flaw::new(
                format!("{} is no path with a value", quoted(argument)),
                "write a path and a value, such as /server/shards=2; inside of a key, / is written ~1 and ~ is ~0",
            );
            return Err(Problem::new(None, &Origin::CommandLine(flag.into()), "", Cause::Override(flaw)));
        };
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        Ok(Override { flag: flag.into(), pointer: pointer.to_owned(), tokens, value })
    }

    /// A flag with a place of its own in the configuration: `Override::flag("-u www", &["server", "user"],
    /// "www")`. The path is given as the keys that lead to the value.
    #[must_use]
    pub fn flag(flag: &str, path: &[&str], value: impl Into<Value>) -> Override {
        Override {
            flag: flag.into(),
            pointer: pointer::of(path),
            tokens: path.iter().map(|&token| token.to_owned()).collect(),
            value: value.into(),
        }
    }

    /// Where it goes, and what.
    pub(crate) fn into_parts(self) -> (Vec<String>, Value) {
        (self.tokens, self.value)
    }

    /// Puts the value into the tree; objects on the way that are missing are made.
    pub(crate) fn apply(&self, root: &mut Node) -> Result<(), Problem> {
        let origin = Origin::CommandLine(self.flag.clone());
        let node = Node::of(self.value.clone(), &origin);
        let mut place = root;
        for (index, token) in self.tokens.iter().enumerate() {
            let parents = &self.tokens[..index];
            let next = match unset_list(place, parents) {
                Some(flaw) => Err(flaw),
                None => step(place, token, &origin),
            };
            place = next.map_err(|flaw| Problem::new(None, &origin, &self.pointer, Cause::Override(flaw)))?;
        }
        *place = node;
        Ok(())
    }
}

/// Why nothing can be put below the key at `tokens`: it wants a list or a plain value, and has none yet.
fn unset_list(node: &Node, tokens: &[String]) -> Option<Flaw> {
    match table::lookup(tokens) {
        Ok(Target::Key(key))
            if matches!(key.nest(), Nest::Leaf | Nest::Items(_)) && matches!(node.data, Data::Object(_)) =>
        {
            let what = format!("{:?} is not set, so nothing can be put into it", key.name());
            let cure = format!("set it whole: --set {}={}", pointer::of(tokens), key.example());
            Some(Flaw::new(what, cure))
        }
        _ => None,
    }
}

/// The value below `node` that `token` leads to; in an object and at the end of a list it is made.
fn step<'n>(node: &'n mut Node, token: &str, origin: &Origin) -> Result<&'n mut Node, Flaw> {
    let new = || Node { data: Data::Object(Members::new()), origin: origin.clone() };
    let found = node.in_words();
    match &mut node.data {
        Data::Object(members) => {
            let new = || Member { name: token.to_owned(), origin: origin.clone(), node: new() };
            Ok(&mut members.entry(token.to_owned()).or_insert_with(new).node)
        }
        Data::List(items) => {
            let index = match token.parse::<usize>() {
                // RFC 6901 section 4: "-" is the item behind the last.
                _ if token == "-" => items.len(),
                Ok(index) if index <= items.len() => index,
                _ => {
                    let cure = format!("write an index from 0 to {}, or - to add an item", items.len());
                    return Err(Flaw::new(format!("the list has no item {}", quoted(token)), cure));
                }
            };
            if index == items.len() {
                items.push(new());
            }
            Ok(&mut items[index])
        }
        _ => Err(Flaw::new(
            format!("the path goes on with {} below {found}", quoted(token)),
            "end the path at a value, or go through objects and lists only",
        )),
    }
}

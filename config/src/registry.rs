//! The registry: every value by its JSON Pointer, with where it comes from.

use serde_json::Value;

use crate::cause::{Cause, Flaw};
use crate::explain::Explanation;
use crate::kind::Nest;
use crate::near::nearest;
use crate::pointer;
use crate::problem::Problem;
use crate::source::{Origin, Source};
use crate::table::{self, AnyKey, Section, Target};
use crate::tree::{Data, Member, Node};

/// Every value by its JSON Pointer (RFC 6901), with where it comes from.
///
/// In the names of hosts and locations `/` is written `~1` and `~` is written `~0`:
/// `/hosts/example.org/locations/~1img~1/root`.
#[derive(Clone, Debug)]
pub struct Registry {
    source: Option<Source>,
    root: Node,
}

/// A value in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// JSON Pointer under which it is in force.
    pub pointer: String,
    /// JSON Pointer under which it was set: another one when it is inherited.
    pub set_at: String,
    /// The value. That of a map is merged with what is inherited.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

impl Registry {
    pub(crate) fn new(source: Option<Source>, root: Node) -> Registry {
        Registry { source, root }
    }

    /// Name of the configuration file; `None` for the built-in configuration.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.source.as_ref().map(|source| source.name.as_str())
    }

    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The value in force at `pointer`: set there, inherited, or default. `None` when there is none.
    #[must_use]
    pub fn get(&self, pointer: &str) -> Option<Entry> {
        let tokens = pointer::tokens(pointer)?;
        match table::lookup(&tokens).ok()? {
            Target::Key(key) => self.in_force(&tokens, key),
            Target::Group => self.root.find(&tokens).map(|node| entry(&tokens, &tokens, node)),
            Target::Inside(key) => match self.inside(&tokens, key) {
                Some((place, node)) => Some(entry(&tokens, &place, node)),
                None => self.inside_default(&tokens),
            },
        }
    }

    /// All values in force outside of hosts, and all that hosts and locations set themselves, in the order
    /// of the reference.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut entries = Vec::new();
        self.collect(&table::TOP, Some(&self.root), &mut Vec::new(), &mut entries);
        entries.into_iter()
    }

    /// Everything there is to know of `pointer`.
    ///
    /// # Errors
    /// When no such key exists.
    pub fn explain(&self, pointer: &str) -> Result<Explanation, Problem> {
        let unknown = |what: String, cure: String| {
            Problem::new(
                None,
                &Origin::CommandLine(pointer.into()),
                "",
                Cause::Override(Flaw::new(what, cure)),
            )
        };
        let Some(tokens) = pointer::tokens(pointer) else {
            let cure = "write a path such as /server/shards; inside of a key, / is written ~1 and ~ is ~0";
            return Err(unknown("this is no path of a key".to_owned(), cure.to_owned()));
        };
        match table::lookup(&tokens) {
            Ok(target) => Ok(Explanation::new(pointer, &target, self.get(pointer), self.file())),
            Err((section, key)) => {
                let cure = match nearest(&key, section.keys().map(AnyKey::name)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "the keys are listed in the reference".to_owned(),
                };
                Err(unknown(format!("there is no key {key:?} in {}", section.place), cure))
            }
        }
    }

    /// A problem with the value in force at `pointer` that only a later stage could find, shown at the
    /// place where the value was set. A pointer to a host or location shows its name.
    #[must_use]
    pub fn problem(&self, pointer: &str, cause: impl Into<String>, cure: impl Into<String>) -> Problem {
        let origin = self.origin(pointer);
        Problem::new(self.source.as_ref(), &origin, pointer, Cause::Stage(Flaw::new(cause, cure)))
    }

    fn origin(&self, pointer: &str) -> Origin {
        let tokens = pointer::tokens(pointer).unwrap_or_default();
        let target = table::lookup(&tokens);
        if let Ok(Target::Inside(key)) = target
            && let Some((_, node)) = self.inside(&tokens, key)
        {
            return node.origin.clone();
        }
        if let Some(origin) = self.places(&tokens).iter().find_map(|place| self.shown_at(place)) {
            return origin;
        }
        if let Ok(Target::Key(key) | Target::Inside(key)) = target
            && key.default_text().is_some()
        {
            return Origin::Default;
        }
        // Nobody set it: the innermost thing around it that somebody wrote is the place to look at.
        let around = (1..tokens.len()).rev().find_map(|len| self.shown_at(&tokens[..len]));
        around.unwrap_or(Origin::Default)
    }

    /// Where to point for what the tokens lead to: at a value, but at the key of an object.
    fn shown_at<S: AsRef<str>>(&self, tokens: &[S]) -> Option<Origin> {
        let node = self.root.find(tokens)?;
        match (&node.data, tokens.split_last()) {
            (Data::Object(_), Some((last, parents))) => {
                let parent = self.root.find(parents)?;
                parent.member(last.as_ref()).map(|member| member.origin.clone())
            }
            _ => Some(node.origin.clone()),
        }
    }

    fn in_force(&self, tokens: &[String], key: &'static dyn AnyKey) -> Option<Entry> {
        let chain = self.places(tokens);
        let set = chain.iter().find_map(|place| Some((place, self.root.find(place)?)));
        let Some((place, node)) = set else {
            let value = default_of(&chain, key)?;
            return Some(default_entry(tokens, value));
        };
        let mut entry = entry(tokens, place, node);
        if matches!(key.nest(), Nest::Map) {
            let members = self.merged(tokens, key).into_iter();
            entry.value = members.map(|(_, member)| (member.name.clone(), member.node.value())).collect();
        }
        Some(entry)
    }

    /// The entries of the map at `tokens` with what it inherits, each with the place of its map.
    fn merged(&self, tokens: &[String], key: &dyn AnyKey) -> Vec<(Vec<String>, &Member)> {
        let mut merged: Vec<(Vec<String>, &Member)> = Vec::new();
        for place in self.places(tokens).into_iter().rev() {
            for member in self.root.find(&place).into_iter().flat_map(Node::members) {
                let known = merged.iter().position(|(_, other)| key.is_same_entry(&other.name, &member.name));
                match (known, &member.node.data) {
                    (Some(at), Data::Null) => drop(merged.remove(at)),
                    (Some(at), _) => merged[at] = (place.clone(), member),
                    (None, Data::Null) => {}
                    (None, _) => merged.push((place.clone(), member)),
                }
            }
        }
        merged
    }

    /// The entry of a map or the item of a list that is in force, and where it stands.
    fn inside(&self, tokens: &[String], key: &dyn AnyKey) -> Option<(Vec<String>, &Node)> {
        let (last, parents) = tokens.split_last()?;
        if !matches!(table::lookup(parents), Ok(Target::Key(_))) {
            return None;
        }
        if matches!(key.nest(), Nest::Map) {
            let mut entries = self.merged(parents, key).into_iter();
            let (mut place, member) = entries.find(|(_, member)| key.is_same_entry(&member.name, last))?;
            place.push(member.name.clone());
            return Some((place, &member.node));
        }
        let list = self.places(parents).into_iter().find(|place| self.root.find(place).is_some())?;
        let place = [list.as_slice(), &tokens[parents.len()..]].concat();
        let node = self.root.find(&place)?;
        Some((place, node))
    }

    /// The entry or item of a default map or list.
    fn inside_default(&self, tokens: &[String]) -> Option<Entry> {
        let (last, parents) = tokens.split_last()?;
        let parent = self.get(&pointer::of(parents)).filter(|parent| parent.origin == Origin::Default)?;
        let value = parent.value.get(last).or_else(|| parent.value.get(last.parse::<usize>().ok()?))?.clone();
        Some(default_entry(tokens, value))
    }

    /// Where a value can stand, from the innermost place to the outermost: not further out than a section that is
    /// inherited as a whole and is there.
    fn places(&self, tokens: &[String]) -> Vec<Vec<String>> {
        let mut places = chain(tokens);
        let whole = (1..tokens.len()).rev().find(|&len| table::is_whole(&tokens[..len]));
        if let Some(len) = whole {
            let below = tokens.len() - len;
            let there = |place: &Vec<String>| self.root.find(&place[..place.len() - below]).is_some();
            if let Some(at) = places.iter().position(there) {
                places.truncate(at + 1);
            }
        }
        places
    }

    fn collect(
        &self,
        section: &'static Section,
        node: Option<&Node>,
        tokens: &mut Vec<String>,
        entries: &mut Vec<Entry>,
    ) {
        for key in section.keys() {
            let value = node.and_then(|node| node.member(key.name())).map(|member| &member.node);
            tokens.push(key.name().to_owned());
            match key.nest() {
                Nest::Section(below) => self.collect(below, value, tokens, entries),
                Nest::Optional(below) if value.is_some_and(|node| matches!(node.data, Data::Object(_))) => {
                    self.collect(below, value, tokens, entries);
                }
                Nest::Named(below) => {
                    for member in value.into_iter().flat_map(Node::members) {
                        tokens.push(member.name.clone());
                        self.collect(below, Some(&member.node), tokens, entries);
                        tokens.pop();
                    }
                }
                Nest::Leaf | Nest::Map | Nest::Optional(_) | Nest::Items(_) => {
                    let in_host = tokens.first().is_some_and(|token| token == table::top::HOSTS.name);
                    if value.is_some() || !in_host {
                        entries.extend(self.in_force(tokens, key));
                    }
                }
            }
            tokens.pop();
        }
    }
}

/// Where a value can stand, from the innermost place to the outermost.
fn chain(tokens: &[String]) -> Vec<Vec<String>> {
    let outer = |from: &[&str], rest: &[String]| {
        from.iter().map(|&token| token.to_owned()).chain(rest.iter().cloned()).collect::<Vec<_>>()
    };
    let mut chain = vec![tokens.to_vec()];
    match tokens {
        [hosts, host, locations, _, rest @ ..]
            if hosts == "hosts"
                && locations == "locations"
                && rest.first().is_some_and(|key| table::LOCATION.inherits(key)) =>
        {
            chain.push(outer(&["hosts", host], rest));
            chain.push(outer(&["defaults"], rest));
        }
        [hosts, _, rest @ ..] if hosts == "hosts" => match rest.first() {
            Some(key) if table::HOST.inherits(key) => chain.push(outer(&["defaults"], rest)),
            Some(key) if key == table::host::LISTEN.name => chain.push(outer(&["server"], rest)),
            _ => {}
        },
        _ => {}
    }
    chain
}

fn entry(tokens: &[String], place: &[String], node: &Node) -> Entry {
    Entry {
        pointer: pointer::of(tokens),
        set_at: pointer::of(place),
        value: node.value(),
        origin: node.origin.clone(),
    }
}

/// The default of the outermost place where a value can stand.
fn default_of(chain: &[Vec<String>], key: &'static dyn AnyKey) -> Option<Value> {
    match chain.last().map(|place| table::lookup(place)) {
        Some(Ok(Target::Key(outermost))) => outermost.default(),
        _ => key.default(),
    }
}

fn default_entry(tokens: &[String], value: Value) -> Entry {
    Entry { pointer: pointer::of(tokens), set_at: pointer::of(tokens), value, origin: Origin::Default }
}

//! Reading the values of one section of the tree, by the keys of the table.

use crate::cause::Cause;
use crate::kind::{Items, Kind, Named, Object, ObjectOrOff, Spot, StatusOrObject, WordOrObject};
use crate::near::nearest;
use crate::pointer;
use crate::problem::{Problem, Problems};
use crate::source::{Origin, Source};
use crate::table::{self, AnyKey, Key, Section};
use crate::tree::{Data, Member, Node, quoted};

/// One section of the tree; a section that is missing reads like an empty one.
pub(crate) struct Reader<'a> {
    section: &'static Section,
    node: Option<&'a Node>,
    pointer: String,
    source: Option<&'a Source>,
}

impl<'a> Reader<'a> {
    /// A reader of the whole tree.
    pub(crate) fn of_root(node: &'a Node, source: Option<&'a Source>, problems: &mut Problems) -> Reader<'a> {
        let hosts = &table::top::HOSTS;
        let spot = Spot {
            node,
            pointer: "",
            label: "the configuration",
            key: hosts.name,
            example: hosts.example,
            source,
        };
        let top = Reader { section: &table::TOP, node: Some(node), pointer: String::new(), source };
        top.checked(&spot, problems)
    }

    /// A reader of a section that is not there.
    pub(crate) fn of_nothing(section: &'static Section, pointer: String) -> Reader<'static> {
        Reader { section, node: None, pointer, source: None }
    }

    /// This reader, if its node is an object, and an empty one otherwise. Reports keys that do not exist.
    fn checked(self, spot: &Spot<'_>, problems: &mut Problems) -> Reader<'a> {
        let section = self.section;
        let object = self.node.filter(|_| Object(section).read(spot, problems).is_some());
        let reader = Reader { node: object, ..self };
        for member in object.into_iter().flat_map(Node::members) {
            if section.key(&member.name).is_none() {
                problems.push(reader.at_key(member, unknown(section, &member.name)));
            }
        }
        reader
    }

    /// JSON Pointer of the section.
    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Whether the section is there and an object.
    pub(crate) fn exists(&self) -> bool {
        self.node.is_some()
    }

    /// Whether the key called `name` is there, right or wrong.
    pub(crate) fn has_named(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// Whether any key is there, right or wrong.
    pub(crate) fn has_any(&self) -> bool {
        self.node.is_some_and(|node| node.members().next().is_some())
    }

    /// Whether the key is there, right or wrong.
    pub(crate) fn has<K>(&self, key: &Key<K>) -> bool {
        self.member(key.name).is_some()
    }

    /// The value of `key`, if it is there and right.
    pub(crate) fn get<K: Kind>(&self, key: &'static Key<K>, problems: &mut Problems) -> Option<K::Out> {
        let member = self.member(key.name)?;
        let pointer = pointer::join(&self.pointer, key.name);
        key.kind.read(&self.spot(member, key, &pointer, &quoted(key.name)), problems)
    }

    /// The value of `key`, or its default.
    pub(crate) fn or_default<K: Kind>(&self, key: &'static Key<K>, problems: &mut Problems) -> K::Out {
        self.get(key, problems).unwrap_or_else(|| key.default(&pointer::join(&self.pointer, key.name)))
    }

    /// A section below this one.
    pub(crate) fn section(&self, key: &'static Key<Object>, problems: &mut Problems) -> Reader<'a> {
        let pointer = pointer::join(&self.pointer, key.name);
        let member = self.member(key.name);
        let node = member.map(|member| &member.node);
        let below = Reader { section: key.kind.0, node, pointer: pointer.clone(), source: self.source };
        match member {
            Some(member) => below.checked(&self.spot(member, key, &pointer, &quoted(key.name)), problems),
            None => below,
        }
    }

    /// A section below this one that can be switched off: none when it is.
    pub(crate) fn section_unless_off(
        &self,
        key: &'static Key<ObjectOrOff>,
        problems: &mut Problems,
    ) -> Option<Reader<'a>> {
        let member = self.member(key.name)?;
        if !self.get(key, problems)? {
            return None;
        }
        let pointer = pointer::join(&self.pointer, key.name);
        let node = Some(&member.node);
        let below = Reader { section: key.kind.0, node, pointer: pointer.clone(), source: self.source };
        Some(below.checked(&self.spot(member, key, &pointer, &quoted(key.name)), problems))
    }

    /// A section below this one in place of which a word can stand: that word, or the section.
    pub(crate) fn word_or_section<T: Clone + Sync>(
        &self,
        key: &'static Key<WordOrObject<T>>,
        problems: &mut Problems,
    ) -> Option<Result<T, Reader<'a>>> {
        if let Some(word) = self.get(key, problems)? {
            return Some(Ok(word));
        }
        let member = self.member(key.name)?;
        let pointer = pointer::join(&self.pointer, key.name);
        let node = Some(&member.node);
        let below = Reader { section: key.kind.section, node, pointer: pointer.clone(), source: self.source };
        Some(Err(below.checked(&self.spot(member, key, &pointer, &quoted(key.name)), problems)))
    }

    /// The sections below a key whose own keys the user chooses.
    pub(crate) fn named(
        &self,
        key: &'static Key<Named>,
        problems: &mut Problems,
    ) -> Vec<(&'a Member, Reader<'a>)> {
        let base = pointer::join(&self.pointer, key.name);
        let Some(member) = self.member(key.name) else { return Vec::new() };
        if key.kind.read(&self.spot(member, key, &base, &quoted(key.name)), problems).is_none() {
            return Vec::new();
        }
        let section = key.kind.section;
        let readers = member.node.members().map(|member| {
            let pointer = pointer::join(&base, &member.name);
            let below =
                Reader { section, node: Some(&member.node), pointer: pointer.clone(), source: self.source };
            (member, below.checked(&self.spot(member, key, &pointer, &quoted(&member.name)), problems))
        });
        readers.collect()
    }

    /// The sections that are the items of a list.
    pub(crate) fn items(&self, key: &'static Key<Items>, problems: &mut Problems) -> Vec<Reader<'a>> {
        let base = pointer::join(&self.pointer, key.name);
        let (Some(member), Some(())) = (self.member(key.name), self.get(key, problems)) else {
            return Vec::new();
        };
        let Data::List(items) = &member.node.data else { return Vec::new() };
        let readers = items.iter().enumerate().map(|(index, node)| {
            let pointer = format!("{base}/{index}");
            let below = Reader {
                section: key.kind.section,
                node: Some(node),
                pointer: pointer.clone(),
                source: self.source,
            };
            let label = format!("an item of {}", quoted(key.name));
            let spot = self.spot(member, key, &pointer, &label);
            below.checked(&Spot { node, ..spot }, problems)
        });
        readers.collect()
    }

    /// The section below a key that can have a status instead, which gives `Some(None)`.
    pub(crate) fn status_or_section(
        &self,
        key: &'static Key<StatusOrObject>,
        problems: &mut Problems,
    ) -> Option<Option<Reader<'a>>> {
        let member = self.member(key.name)?;
        if !matches!(member.node.data, Data::Object(_)) {
            return Some(None);
        }
        let pointer = pointer::join(&self.pointer, key.name);
        let node = Some(&member.node);
        let below = Reader { section: key.kind.0, node, pointer: pointer.clone(), source: self.source };
        Some(Some(below.checked(&self.spot(member, key, &pointer, &quoted(key.name)), problems)))
    }

    /// A problem with the value of `key`.
    pub(crate) fn at_value<K>(&self, key: &Key<K>, cause: Cause) -> Option<Problem> {
        self.at_named(key.name, cause)
    }

    /// A problem with the value of the key called `name`.
    pub(crate) fn at_named(&self, name: &str, cause: Cause) -> Option<Problem> {
        let member = self.member(name)?;
        let pointer = pointer::join(&self.pointer, name);
        Some(Problem::new(self.source, &member.node.origin, &pointer, cause))
    }

    /// Where the value of `key` comes from.
    pub(crate) fn origin_of<K>(&self, key: &Key<K>) -> Option<&'a Origin> {
        self.member(key.name).map(|member| &member.node.origin)
    }

    /// A problem with the section as a whole, if it is there.
    pub(crate) fn at_itself(&self, cause: Cause) -> Option<Problem> {
        let origin = &self.node?.origin;
        Some(Problem::new(self.source, origin, &self.pointer, cause))
    }

    /// A problem with an item of the list that `key` holds, or with the one value that stands for a list.
    pub(crate) fn at_item<K>(&self, key: &Key<K>, index: usize, cause: Cause) -> Option<Problem> {
        let Some(item) = self.member(key.name)?.node.find(&[index.to_string()]) else {
            return self.at_value(key, cause);
        };
        let pointer = format!("{}/{index}", pointer::join(&self.pointer, key.name));
        Some(Problem::new(self.source, &item.origin, &pointer, cause))
    }

    /// A problem with the value of a member of the object that `key` holds.
    pub(crate) fn at_member<K>(&self, key: &Key<K>, name: &str, cause: Cause) -> Option<Problem> {
        let member = self.member(key.name)?.node.member(name)?;
        let pointer = pointer::join(&pointer::join(&self.pointer, key.name), name);
        Some(Problem::new(self.source, &member.node.origin, &pointer, cause))
    }

    /// A problem with a key of this section.
    pub(crate) fn at_key(&self, member: &Member, cause: Cause) -> Problem {
        Problem::new(self.source, &member.origin, &pointer::join(&self.pointer, &member.name), cause)
    }

    fn member(&self, name: &str) -> Option<&'a Member> {
        self.node.and_then(|node| node.member(name))
    }

    fn spot<'s, K>(&'s self, member: &'s Member, key: &Key<K>, pointer: &'s str, label: &'s str) -> Spot<'s> {
        Spot { node: &member.node, pointer, label, key: key.name, example: key.example, source: self.source }
    }
}

/// What is wrong with a key that the section does not have.
fn unknown(section: &'static Section, key: &str) -> Cause {
    Cause::UnknownKey {
        key: key.to_owned(),
        place: section.place,
        near: nearest(key, section.keys().map(AnyKey::name)).map(str::to_owned),
        elsewhere: table::elsewhere(key, section),
    }
}

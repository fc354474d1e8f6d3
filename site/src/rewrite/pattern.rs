//! Regular expressions: in time that is linear in the text, of bounded size, and what they have captured.

use regex::bytes::{Regex, RegexBuilder};

use super::Fault;

/// Most bytes of a compiled expression: what repeats something huge is refused, and not compiled.
const SIZE_MAX: usize = 1 << 20;
/// Most bytes of what it remembers while it searches, for each thread.
const CACHE_MAX: usize = 1 << 20;
/// Most groups of one expression; each costs memory for every request.
const GROUPS_MAX: usize = 32;

/// An expression with the slots where it puts what it captures.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    /// The slot of the whole match; those of its groups follow.
    first: usize,
    /// Whether anything refers to them.
    wanted: bool,
}

impl Pattern {
    pub(crate) fn new(text: &str, first: usize) -> Result<Pattern, Fault> {
        Ok(Pattern { regex: compile(text)?, first, wanted: false })
    }

    /// The expression itself.
    pub(crate) fn regex(&self) -> &Regex {
        &self.regex
    }

    /// The whole match, and its groups.
    pub(crate) fn slots(&self) -> usize {
        self.regex.captures_len()
    }

    /// The names of its groups, each with its slot.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        let named = self.regex.capture_names().enumerate();
        named.filter_map(|(group, name)| Some((name?, self.first + group)))
    }

    /// Notes that something refers to a slot of some expression, maybe of this one.
    pub(crate) fn want(&mut self, slot: usize) {
        self.wanted |= (self.first..self.first + self.slots()).contains(&slot);
    }

    /// Whether `text` matches; what is captured goes to its slots, if anything refers to them.
    pub(crate) fn matches(&self, text: &[u8], captured: &mut Captured) -> bool {
        if !self.wanted {
            return self.regex.is_match(text);
        }
        let Some(found) = self.regex.captures(text) else { return false };
        for (group, part) in found.iter().enumerate() {
            captured.set(self.first + group, part.map(|part| part.as_bytes()).unwrap_or_default());
        }
        true
    }
}

/// Compiles an expression.
pub(crate) fn compile(text: &str) -> Result<Regex, Fault> {
    // Of bytes, not of characters: a dot that takes no byte outside of UTF-8 would let /admin/%ff pass by ^/admin/.*$.
    let compiled =
        RegexBuilder::new(text).unicode(false).size_limit(SIZE_MAX).dfa_size_limit(CACHE_MAX).build();
    match compiled {
        Ok(regex) if GROUPS_MAX < regex.captures_len() => Err(Fault::new(
            format!("the pattern has more than {} groups", GROUPS_MAX - 1),
            "write (?:...) for groups that nothing refers to",
        )),
        Ok(regex) => Ok(regex),
        Err(regex::Error::CompiledTooBig(_)) => Err(Fault::new(
            format!("the pattern takes more than {} KiB of memory", SIZE_MAX >> 10),
            "repeat less: a{1,1000} is as large as its a a thousand times",
        )),
        Err(error) => {
            // The crate draws the pattern over several lines; its last line is the reason.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Err(Fault::new(
                format!("the pattern is no valid regular expression: {reason}"),
                "write a pattern such as \"\\\\.(png|jpg)$\"; look-around and back-references are not supported",
            ))
        }
    }
}

/// What the expressions of one rule have captured.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    text: Vec<u8>,
    /// Where each slot begins and ends in the text.
    spans: Vec<(usize, usize)>,
}

impl Captured {
    /// Where no expression was.
    pub(crate) const NOTHING: &Captured = &Captured { text: Vec::new(), spans: Vec::new() };

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    /// Largest number of bytes that it has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    fn set(&mut self, slot: usize, text: &[u8]) {
        if self.spans.len() <= slot {
            self.spans.resize(slot + 1, (0, 0));
        }
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.spans[slot] = (start, self.text.len());
    }

    /// What a slot holds; nothing where nothing was captured.
    pub(crate) fn get(&self, slot: usize) -> &[u8] {
        self.spans.get(slot).map_or(&[], |&(start, end)| &self.text[start..end])
    }
}

//! Problems: a cause with the place where it stands, as a person reads it.

use std::fmt;
use std::sync::Arc;

use crate::cause::Cause;
use crate::source::{Origin, Position, Source};

/// One thing that is wrong with a configuration. `Display` shows place, cause, source line with a caret,
/// and cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    place: Place,
    pointer: String,
    cause: Cause,
    notes: Vec<(&'static str, Place)>,
}

/// Where a problem stands. Holds all that is shown, so that a problem outlives the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File { name: String, position: Position, excerpt: Excerpt },
    CommandLine(Arc<str>),
    Default,
}

/// A piece of a source line and what of it is underlined, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    caret: usize,
    width: usize,
}

impl Problem {
    pub(crate) fn new(source: Option<&Source>, origin: &Origin, pointer: &str, cause: Cause) -> Problem {
        let place = Place::of(source, origin);
        Problem(Box::new(Parts { place, pointer: pointer.to_owned(), cause, notes: Vec::new() }))
    }

    /// Adds a second place that belongs to the problem, with a word on what it is.
    pub(crate) fn note(mut self, word: &'static str, source: Option<&Source>, origin: &Origin) -> Problem {
        self.0.notes.push((word, Place::of(source, origin)));
        self
    }

    /// Whether this is the same, wrong at the same place of the text, about another key that has it from there.
    fn repeats(&self, other: &Problem) -> bool {
        let own_name = |pointer: &str| pointer.rfind('/').map(|at| pointer[at..].to_owned());
        matches!(self.0.place, Place::File { .. } | Place::CommandLine(_))
            && self.0.place == other.0.place
            && self.0.cause == other.0.cause
            && own_name(&self.0.pointer) == own_name(&other.0.pointer)
    }

    /// What is wrong.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// JSON Pointer of the value or key that is wrong; empty when it is the text as a whole.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.0.pointer
    }

    /// Line and column in the configuration file, from 1; `None` when the value does not stand there.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        match &self.0.place {
            Place::File { position, .. } => Some((position.line, position.column)),
            Place::CommandLine(_) | Place::Default => None,
        }
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.0.place, self.0.cause)?;
        self.0.place.show_line(f)?;
        for (word, place) in &self.0.notes {
            writeln!(f, "  {word}: {place}")?;
            place.show_line(f)?;
        }
        if !self.0.pointer.is_empty() {
            writeln!(f, "  key:  {}", harmless(&self.0.pointer))?;
        }
        write!(f, "  cure: {}", self.0.cause.cure())
    }
}

impl Place {
    fn of(source: Option<&Source>, origin: &Origin) -> Place {
        match (origin, source) {
            (Origin::File(position), Some(source)) => Place::File {
                name: source.name.clone(),
                position: *position,
                excerpt: Excerpt::of(source, *position),
            },
            (Origin::CommandLine(flag), _) => Place::CommandLine(flag.clone()),
            (Origin::File(_) | Origin::Default, _) => Place::Default,
        }
    }

    fn show_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place::File { position, excerpt, .. } = self else { return Ok(()) };
        let margin: String =
            excerpt.text.chars().take(excerpt.caret).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{:>6} | {}", position.line, excerpt.text.trim_end())?;
        writeln!(f, "       | {margin}{}", "^".repeat(excerpt.width))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { name, position, .. } => {
                write!(f, "{}:{}:{}", harmless(name), position.line, position.column)
            }
            Place::CommandLine(flag) => f.write_str(&harmless(flag)),
            Place::Default => f.write_str("(default)"),
        }
    }
}

/// Longest piece of a source line that is shown, in characters.
const EXCERPT_MAX: usize = 100;
/// How much of the line stays visible before the caret when the line is longer, in characters.
const EXCERPT_LEAD: usize = 40;

impl Excerpt {
    fn of(source: &Source, position: Position) -> Excerpt {
        let (start, line) = source.line_at(position.start);
        let column = position.column - 1;
        let skipped =
            if line.chars().count() <= EXCERPT_MAX { 0 } else { column.saturating_sub(EXCERPT_LEAD) };
        let text: String = line.chars().skip(skipped).take(EXCERPT_MAX).collect();
        let caret = column - skipped;
        // A value of several lines is underlined up to the end of its first.
        let line_end = (start + line.len()).max(position.start);
        let marked =
            source.text[position.start..position.end.min(line_end).max(position.start)].chars().count();
        let width = marked.min(EXCERPT_MAX.saturating_sub(caret)).max(1);
        Excerpt { text: harmless(&text), caret, width }
    }
}

/// `text` without control characters, which a hostile file could use to write over the terminal. Has as
/// many characters as before.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// How many problems are kept; the rest is only counted.
pub(crate) const PROBLEMS_MAX: usize = 20;

/// All problems found, in the order in which they stand in the file; at most 20, the rest is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// No problems.
    #[must_use]
    pub fn new() -> Problems {
        Problems::default()
    }

    /// Adds a problem, if it is not there: what a host says wrongly is wrong in all of its locations.
    pub fn push(&mut self, problem: Problem) {
        let key = |problem: &Problem| match &problem.0.place {
            Place::File { position, .. } => (0, position.start),
            Place::CommandLine(_) => (1, 0),
            Place::Default => (2, 0),
        };
        let at = self.list.partition_point(|known| key(known) <= key(&problem));
        let mut near = self.list[..at].iter().rev().take_while(|known| key(known) == key(&problem));
        if near.any(|known| known.repeats(&problem)) {
            return;
        }
        self.list.insert(at, problem);
        if self.list.len() > PROBLEMS_MAX {
            self.list.pop();
            self.more += 1;
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many problems were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// The problems that were kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// `value`, if nothing is wrong.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Problems> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        for problem in problems {
            self.push(problem);
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems { list: vec![problem], more: 0 }
    }
}

impl<'p> IntoIterator for &'p Problems {
    type Item = &'p Problem;
    type IntoIter = std::slice::Iter<'p, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n\n... and {more} more"),
        }
    }
}

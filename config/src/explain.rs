//! Everything there is to know of one key.

use std::fmt;

use crate::registry::Entry;
use crate::source::Origin;
use crate::table::{AnyKey, Target};

/// Everything there is to know of one key: value, where it comes from, kind, default, meaning.
pub struct Explanation {
    pointer: String,
    entry: Option<Entry>,
    key: Option<&'static dyn AnyKey>,
    file: Option<String>,
}

impl Explanation {
    pub(crate) fn new(
        pointer: &str,
        target: &Target,
        entry: Option<Entry>,
        file: Option<&str>,
    ) -> Explanation {
        let key = match target {
            Target::Key(key) | Target::Inside(key) => Some(*key),
            Target::Group => None,
        };
        Explanation { pointer: pointer.to_owned(), entry, key, file: file.map(str::to_owned) }
    }

    /// The value in force, if there is one.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation").field("pointer", &self.pointer).field("entry", &self.entry).finish()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pointer)?;
        match &self.entry {
            None => f.write_str(": not set")?,
            Some(entry) => {
                write!(f, ": {}\n  from     ", entry.value)?;
                match &entry.origin {
                    Origin::File(position) => {
                        let file = self.file.as_deref().unwrap_or_default();
                        write!(f, "{file}:{}:{}", position.line, position.column)?;
                    }
                    Origin::CommandLine(flag) => write!(f, "the command line: {flag}")?,
                    Origin::Default => f.write_str("the built-in default")?,
                }
                if entry.set_at != self.pointer {
                    write!(f, ", inherited from {}", entry.set_at)?;
                }
            }
        }
        let Some(key) = self.key else { return Ok(()) };
        write!(f, "\n  kind     {}", key.noun())?;
        write!(f, "\n  default  {}", key.default_text().unwrap_or("none"))?;
        write!(f, "\n  meaning  {}", key.prose())
    }
}

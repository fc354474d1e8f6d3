//! The text of a configuration and places in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The text of a configuration file, and the name under which messages speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path of the file as the user gave it. Relative paths inside of the file are relative to its folder.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// The folder that relative paths in the file are relative to; empty for the current one.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(&self.name).parent().map(Path::to_owned).unwrap_or_default()
    }

    /// The position of the bytes `start..end` of the text.
    pub(crate) fn position(&self, start: usize, end: usize) -> Position {
        Cursor::new(&self.text).position(start, end)
    }

    /// The line that holds byte `at`, without its end, and the offset of its first byte.
    pub(crate) fn line_at(&self, at: usize) -> (usize, &str) {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
        (start, self.text[start..end].trim_end_matches('\r'))
    }
}

/// Counts lines and columns. It remembers where it is, so that positions asked for in rising order cost
/// one walk through the text together.
pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(text: &'t str) -> Cursor<'t> {
        Cursor { text, at: 0, line: 1, column: 1 }
    }

    /// The position of the bytes `start..end` of the text.
    pub(crate) fn position(&mut self, start: usize, end: usize) -> Position {
        if start < self.at {
            *self = Cursor::new(self.text);
        }
        for c in self.text[self.at..start].chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at = start;
        Position { line: self.line, column: self.column, start, end }
    }
}

/// A stretch of the configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Offset of the first byte.
    pub(crate) start: usize,
    /// Offset behind the last byte.
    pub(crate) end: usize,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File(Position),
    /// The command line: the flag as it was typed, with its value.
    CommandLine(Arc<str>),
    /// Nobody set it.
    Default,
}

//! What the operator wants to be other in the fields that pass.

use std::fmt;

use crate::token;

/// Names of fields, compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames {
    names: Vec<Box<[u8]>>,
}

/// A name that no field can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// The name.
    pub name: String,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not the name of a field: write letters, digits and \"-\"", self.name)
    }
}

impl std::error::Error for BadName {}

impl FieldNames {
    /// No name, for where there is no rule.
    pub const NONE: &FieldNames = &FieldNames { names: Vec::new() };

    /// Adds a name.
    ///
    /// # Errors
    /// If it is empty or no token.
    pub fn insert(&mut self, name: &str) -> Result<(), BadName> {
        if name.is_empty() || !name.bytes().all(token::is_token_byte) {
            return Err(BadName { name: name.to_owned() });
        }
        if !self.contains(name.as_bytes()) {
            self.names.push(name.as_bytes().into());
        }
        Ok(())
    }

    /// Whether the name is one of them.
    #[must_use]
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.names.iter().any(|other| other.eq_ignore_ascii_case(name))
    }
}

/// Changes to the fields of a message on its way through.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// These do not pass, nor are they added where the proxy would: to be removed, or set by `lines` instead.
    pub dropped: &'a FieldNames,
    /// Whole lines that are added, each with its CRLF; checked by who has made them.
    pub lines: &'a [u8],
}

impl Rules<'_> {
    /// Everything passes as it is.
    pub const NONE: Rules<'static> = Rules { dropped: FieldNames::NONE, lines: b"" };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_in_any_case() {
        let mut names = FieldNames::default();
        assert!(!names.contains(b"x-a"));
        for name in ["X-A", "x-a", "Cookie"] {
            names.insert(name).expect("a token");
        }
        assert_eq!(names.names.len(), 2);
        assert!(names.contains(b"x-a") && names.contains(b"COOKIE") && !names.contains(b"x"));
        for name in ["", "a b", "a:", "a\r\n", "\u{e9}"] {
            let bad = names.insert(name).expect_err(name);
            assert!(bad.to_string().contains(": write "), "{bad}");
        }
    }
}

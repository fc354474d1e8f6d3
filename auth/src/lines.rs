//! Files of lines: users, groups and bans.
//!
//! One line that is wrong refuses the whole file. Whoever reads it keeps what was read before, or lets nobody in:
//! what a line with a slip was meant to say is not guessed.

use std::fmt;

use crate::hash::BadHash;
use crate::limits::{COMPLAINTS_MAX, GROUPS_MAX, MEMBERS_MAX, NAME_LEN_MAX, USERS_MAX};
use crate::prefix::BadPrefix;

/// A line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number; the first is 1.
    pub line: usize,
    /// What is wrong with it. As text: the cause, a colon and the cure.
    pub fault: LineFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// The file is longer than this many bytes; no line was looked at.
    FileLong(usize),
    /// The line is longer than this many bytes.
    LineLong(usize),
    /// There is something before the first letter that editors of other systems put there.
    ByteOrderMark,
    /// It is not UTF-8.
    Text,
    /// It has a NUL, a carriage return amidst, or another control character.
    Control,
    /// It has no colon.
    Colon,
    /// The name is empty, too long, or begins or ends with a space.
    Name,
    /// A member of a group has a colon, or too long a name.
    Member,
    /// The name stands in an earlier line, which has this number.
    Twice(usize),
    /// There are more users than a file may have.
    Users,
    /// There are more groups than a file may have, or more members.
    Groups,
    /// A file of bans does not begin as one of this version does.
    Header,
    /// A line of a file of bans is not as it is written.
    Ban,
    /// A ban stands there twice.
    SubjectTwice,
    /// A ban has no address prefix.
    Prefix(BadPrefix),
    /// What follows the colon is no hash.
    Hash(BadHash),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileLong(len) => write!(f, "the file has more than {len} bytes: is it the right one?"),
            Self::LineLong(len) => write!(f, "the line has more than {len} bytes: is a line end missing?"),
            Self::ByteOrderMark => {
                f.write_str("a byte order mark stands before the first name: save without it")
            }
            Self::Text => f.write_str("the line is not UTF-8: save the file as UTF-8"),
            Self::Control => f.write_str("the line has a NUL or another control character: write it anew"),
            Self::Colon => f.write_str("no colon follows the name: write `name:hash`, or `group: user user`"),
            Self::Name => write!(
                f,
                "the name before the colon is empty, longer than {NAME_LEN_MAX} bytes, or begins or ends with a \
                 space: correct it, or put # before the line"
            ),
            Self::Member => write!(
                f,
                "a member of the group has a colon or more than {NAME_LEN_MAX} bytes: begin each group on a line of \
                 its own, as `group: user user`"
            ),
            Self::Twice(line) => write!(f, "the name stands in line {line} already: delete one of the two"),
            Self::Users => {
                write!(f, "there are more than {USERS_MAX} users: use another file for the others")
            }
            Self::Groups => {
                write!(f, "there are more than {GROUPS_MAX} groups or {MEMBERS_MAX} members: leave some out")
            }
            Self::Header => f.write_str(
                "this is no file of bans, or one of another version: go back to that version, or move the file away",
            ),
            Self::Ban => f.write_str(
                "the line is not `prefix user count since until reason` as it is written: delete it, or move the file \
                 away",
            ),
            Self::SubjectTwice => f.write_str("the same is banned by an earlier line: delete one of the two"),
            Self::Prefix(bad) => bad.fmt(f),
            Self::Hash(bad) => bad.fmt(f),
        }
    }
}

/// Takes the lines of `text` one after another.
///
/// Lines end with a newline, or with a carriage return and one; the last need not. Empty ones, and those that begin
/// with `#`, say nothing.
///
/// # Errors
/// What `take` finds wrong and what is wrong with the lines themselves, at most [`COMPLAINTS_MAX`] of them.
pub(crate) fn each<'t>(
    text: &'t [u8],
    file_len_max: usize,
    len_max: usize,
    mut take: impl FnMut(usize, &'t str) -> Result<(), LineFault>,
) -> Result<(), Vec<BadLine>> {
    if text.len() > file_len_max {
        return Err(vec![BadLine { line: 1, fault: LineFault::FileLong(file_len_max) }]);
    }
    let mut complaints = Vec::new();
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let Err(fault) = read(line, bytes, len_max, &mut take) else { continue };
        let last = matches!(fault, LineFault::Users | LineFault::Groups | LineFault::Header);
        complaints.push(BadLine { line, fault });
        if last || complaints.len() == COMPLAINTS_MAX {
            break;
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn read<'t>(
    line: usize,
    bytes: &'t [u8],
    len_max: usize,
    take: &mut impl FnMut(usize, &'t str) -> Result<(), LineFault>,
) -> Result<(), LineFault> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() > len_max {
        return Err(LineFault::LineLong(len_max));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| LineFault::Text)?;
    if line == 1 && text.starts_with('\u{feff}') {
        return Err(LineFault::ByteOrderMark);
    }
    if text.chars().any(|letter| letter.is_control() && letter != '\t') {
        return Err(LineFault::Control);
    }
    if text.starts_with('#') || text.trim_matches([' ', '\t']).is_empty() {
        return Ok(());
    }
    take(line, text)
}

/// The name before the first colon of a line, and what follows it.
pub(crate) fn named(text: &str) -> Result<(&str, &str), LineFault> {
    let (name, rest) = text.split_once(':').ok_or(LineFault::Colon)?;
    let whole = !name.is_empty() && name.len() <= NAME_LEN_MAX && !name.contains('\t') && name == name.trim();
    if whole { Ok((name, rest)) } else { Err(LineFault::Name) }
}

//! Logins: `auth` of `/defaults`, hosts and locations.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

/// `auth`.
#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    /// What the browser shows: ASCII without quotes and backslashes.
    pub realm: String,
    /// File of users.
    pub htpasswd: Option<PathBuf>,
    /// File of groups. Always there when a group is required.
    pub groups: Option<PathBuf>,
    /// Names with the hashes of their passwords, as crypt(5) writes them. `None` where there is only the file; empty for
    /// those who serve, who are not to know them.
    pub users: Option<Vec<(String, String)>>,
    /// Service of PAM that knows users, as `/etc/pam.d` names it.
    pub pam: Option<String>,
    /// How the three are combined. One of them is always there.
    pub satisfy: Satisfy,
    /// Who may enter; empty for everybody whose password is right.
    pub require: Vec<Requirement>,
    /// Addresses or networks that need no login, as written, each with its JSON Pointer.
    pub exempt: Vec<(String, String)>,
    /// How long a shard remembers that a password was right.
    pub remember: Duration,
    /// JSON Pointer of the section.
    pub pointer: String,
}

/// How several ways to check a password are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Satisfy {
    /// One that grants suffices.
    Any,
    /// All have to grant.
    All,
}

/// Who may enter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// `user:NAME`
    User(String),
    /// `group:NAME`
    Group(String),
}

impl Auth {
    /// A number for the section and what it asks for: the same for those who know the hashes and those who do not. It
    /// changes with everything that could make it let in somebody else, but for the users and the contents of files.
    #[must_use]
    pub fn id(&self) -> u64 {
        // Without a key of its own the hasher gives the same in every process of this program.
        let mut hasher = DefaultHasher::new();
        let Self { htpasswd, groups, users, pam, satisfy, require, pointer, .. } = self;
        (htpasswd, groups, users.is_some(), pam, satisfy, require, pointer).hash(&mut hasher);
        hasher.finish()
    }
}

//! What a child does first.

use sys::creds::{CredsError, Identity, drop_to};

use crate::message::{Hello, IdentityEntry, LINK_VERSION};

/// Why a child cannot go on.
#[derive(Debug)]
pub enum EnterError {
    /// The supervisor is another version.
    Version(u32),
    /// The rights cannot be given up.
    Identity(CredsError),
    /// The system denies something else.
    System(std::io::Error),
}

impl std::fmt::Display for EnterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(other) => {
                write!(f, "the supervisor speaks version {other} of the links, this program {LINK_VERSION}")
            }
            Self::Identity(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl From<&Identity> for IdentityEntry {
    fn from(identity: &Identity) -> Self {
        Self { uid: identity.uid, gid: identity.gid, groups: identity.groups.clone() }
    }
}

impl From<&IdentityEntry> for Identity {
    fn from(entry: &IdentityEntry) -> Self {
        Self { uid: entry.uid, gid: entry.gid, groups: entry.groups.clone() }
    }
}

/// Gives up what the child will not need: its user, the way back, and dumps of its memory.
///
/// # Errors
/// [`EnterError`]; end the process then, for some rights may be gone and others not.
pub fn enter(hello: &Hello) -> Result<(), EnterError> {
    same_version(hello)?;
    let parent = std::os::unix::process::parent_id();
    // Before the rights go: the folder may be open to few.
    std::env::set_current_dir(&hello.folder).map_err(EnterError::System)?;
    if let Some(entry) = &hello.identity {
        drop_to(&entry.into()).map_err(EnterError::Identity)?;
    }
    sys::process::no_new_privileges()
        .and_then(|()| sys::process::forbid_dumps())
        .and_then(|()| sys::process::ignore_orders())
        // A change of user forgets it.
        .and_then(|()| sys::process::die_with_parent(parent))
        .map_err(EnterError::System)
}

/// For a role that runs as a thread of the supervisor, and gives nothing up on its own.
///
/// # Errors
/// [`EnterError::Version`].
pub fn same_version(hello: &Hello) -> Result<(), EnterError> {
    if hello.version == LINK_VERSION { Ok(()) } else { Err(EnterError::Version(hello.version)) }
}

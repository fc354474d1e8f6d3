//! What a child does first.

use std::path::PathBuf;

use sys::creds::{CredsError, Identity, drop_to};
use sys::sandbox::{Enforcement, Reach, SandboxError, keep_calls, keep_files};

use crate::message::{Hello, IdentityEntry, LINK_VERSION};
use crate::role::{Files, PROCESSORS, Role};

/// Why a child cannot go on.
#[derive(Debug)]
pub enum EnterError {
    /// The supervisor is another version.
    Version(u32),
    /// The rights cannot be given up.
    Identity(CredsError),
    /// The rest cannot be given up.
    Sandbox(SandboxError),
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
            Self::Sandbox(error) => error.fmt(f),
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
    enter_with_helpers(hello)?;
    sys::process::no_new_privileges().map_err(EnterError::System)
}

/// As [`enter`], for who may start programs that have more rights: without unix_chkpwd(8) nobody but root could have PAM
/// compare the password of another user.
///
/// # Errors
/// As [`enter`].
pub fn enter_with_helpers(hello: &Hello) -> Result<(), EnterError> {
    same_version(hello)?;
    let parent = std::os::unix::process::parent_id();
    // Before the rights go: the folder may be open to few.
    std::env::set_current_dir(&hello.folder).map_err(EnterError::System)?;
    if let Some(entry) = &hello.identity {
        drop_to(&entry.into()).map_err(EnterError::Identity)?;
    }
    sys::process::forbid_dumps()
        .and_then(|()| sys::process::ignore_orders())
        // A change of user forgets it.
        .and_then(|()| sys::process::die_with_parent(parent))
        .map_err(EnterError::System)
}

/// Whether a process passes requests on to other servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaying {
    /// It does.
    On,
    /// It does not, and cannot.
    Off,
}

/// Gives up everything that the role does not keep ([`crate::role::Keep`]). To be called once [`enter`] is done, before
/// there is a second thread. `served` is what the configuration has to have read.
///
/// # Errors
/// [`EnterError::Sandbox`]; end the process then.
pub fn confine(role: Role, served: Vec<PathBuf>, relaying: Relaying) -> Result<(), EnterError> {
    let Some(keep) = role.row().keep else { return Ok(()) };
    let readable = match keep.files {
        Files::None => Vec::new(),
        Files::All => vec!["/".into()],
        Files::Served => served.into_iter().chain([PROCESSORS.into()]).collect(),
    };
    let more = if relaying == Relaying::On { keep.relaying } else { &[] };
    let reach = if more.is_empty() { keep.reach } else { Reach::Everybody };
    // The filter on system calls comes last: it denies what Landlock is told by.
    let enforced = keep_files(&readable, reach).map_err(EnterError::Sandbox)?;
    if enforced == Enforcement::None {
        log::warn!(
            "this kernel has no Landlock, so that only the user of {role} decides what it can open; \
             use Linux 5.13 or later with landlock among its lsm="
        );
    }
    keep_calls(&[keep.calls, more].concat()).map_err(EnterError::Sandbox)
}

/// For a role that runs as a thread of the supervisor, and gives nothing up on its own.
///
/// # Errors
/// [`EnterError::Version`].
pub fn same_version(hello: &Hello) -> Result<(), EnterError> {
    if hello.version == LINK_VERSION { Ok(()) } else { Err(EnterError::Version(hello.version)) }
}

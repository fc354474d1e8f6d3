//! Who the server runs as.

use crate::problem::refused;
use config::{Problem, Registry, Server};
use sys::creds::{CredsError, Identity};

/// The identity to change to once the addresses are bound; `None` when the process has it already.
///
/// # Errors
/// A user or group that does not exist, or that only root could change to.
pub(crate) fn resolve(server: &Server, registry: &Registry) -> Result<Option<Identity>, Problem> {
    let (user, group) = (server.user.as_deref(), server.group.as_deref());
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let at = |error: CredsError| refused(registry, place(server, &error), &error);
    let wanted = Identity::lookup(user, group).map_err(at)?;
    let current = Identity::current().map_err(at)?;
    if current.uid == 0 {
        return Ok(Some(wanted));
    }
    if (current.uid, current.gid) == (wanted.uid, wanted.gid) {
        return Ok(None);
    }
    Err(at(CredsError::NotRoot))
}

/// Which of the two values an error is about.
fn place(server: &Server, error: &CredsError) -> &'static str {
    match error {
        CredsError::NoGroup(_) => "/server/group",
        CredsError::NoUser(_) => "/server/user",
        _ if server.user.is_none() => "/server/group",
        _ => "/server/user",
    }
}

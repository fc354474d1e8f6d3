//! Who the children become.

use sys::creds::{CredsError, Identity};

use crate::message::{Needs, Trouble};

/// The user and group that a configuration wants; none when that is who we are.
///
/// # Errors
/// When they do not exist, or we may not become them.
pub(crate) fn resolve(needs: &Needs) -> Result<Option<Identity>, Trouble> {
    let (user, group) = (needs.user.as_deref(), needs.group.as_deref());
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    wanted(user, group).map_err(|error| {
        let message = error.to_string();
        let (cause, cure) = message.split_once(": ").unwrap_or((&message, "name another"));
        let pointer = place(needs, &error).to_owned();
        Trouble { pointer, cause: cause.to_owned(), cure: cure.to_owned() }
    })
}

fn wanted(user: Option<&str>, group: Option<&str>) -> Result<Option<Identity>, CredsError> {
    let wanted = Identity::lookup(user, group)?;
    let current = Identity::current()?;
    if current.uid == 0 {
        Ok(Some(wanted))
    } else if (current.uid, current.gid) == (wanted.uid, wanted.gid) {
        Ok(None)
    } else {
        Err(CredsError::NotRoot)
    }
}

/// Which of the two values an error is about.
fn place(needs: &Needs, error: &CredsError) -> &'static str {
    match error {
        CredsError::NoGroup(_) => "/server/group",
        CredsError::NoUser(_) => "/server/user",
        _ if needs.user.is_none() => "/server/group",
        _ => "/server/user",
    }
}

//! Who we run as: looking users and groups up, and giving up the rights of root for good.

use std::ffi::CString;
use std::fmt;
use std::io;

use nix::errno::Errno;
use nix::unistd::{
    Gid, Group, Uid, User, getgrouplist, getresgid, getresuid, setgroups, setresgid, setresuid,
};

/// A user and groups to run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The number of the main group.
    pub gid: u32,
    /// All other groups; the main one may be among them.
    pub groups: Vec<u32>,
}

/// Why we cannot run as somebody. Shown as one sentence with the cure.
#[derive(Debug)]
pub enum CredsError {
    /// The machine has no such user.
    NoUser(String),
    /// The machine has no such group.
    NoGroup(String),
    /// Only root can become somebody else.
    NotRoot,
    /// The rights are given up, and yet they can be had back.
    Regained,
    /// The kernel or the database of users failed.
    System {
        /// What was to be done.
        step: &'static str,
        /// Why it was not.
        source: io::Error,
    },
}

impl Identity {
    /// Looks up a user and a group, each by name or by number. Without a group it is the user's main one, and
    /// without a user the current one. A number need not be in the database, but then a group must be given.
    ///
    /// # Errors
    /// [`CredsError::NoUser`], [`CredsError::NoGroup`], or [`CredsError::System`] when the database fails.
    pub fn lookup(user: Option<&str>, group: Option<&str>) -> Result<Self, CredsError> {
        let gid = group.map(find_group).transpose()?;
        let Some(user) = user else {
            let current = Self::current()?;
            return Ok(Self { gid: gid.unwrap_or(current.gid), ..current });
        };
        match (find_user(user)?, user.parse(), gid) {
            (Some(found), _, gid) => Self::of(&found, gid.unwrap_or(found.gid.as_raw())),
            (None, Ok(uid), Some(gid)) => Ok(Self { uid, gid, groups: vec![gid] }),
            _ => Err(CredsError::NoUser(user.to_owned())),
        }
    }

    /// Who we are now.
    ///
    /// # Errors
    /// [`CredsError::System`] when the kernel does not tell our groups.
    pub fn current() -> Result<Self, CredsError> {
        let (uid, gid) = (Uid::effective().as_raw(), Gid::effective().as_raw());
        let groups = nix::unistd::getgroups().map_err(CredsError::at("getgroups"))?;
        Ok(Self { uid, gid, groups: groups.into_iter().map(Gid::as_raw).collect() })
    }

    /// With `gid` in place of the user's main group.
    fn of(user: &User, gid: u32) -> Result<Self, CredsError> {
        let name = CString::new(user.name.as_str()).map_err(|_| CredsError::NoUser(user.name.clone()))?;
        let groups = getgrouplist(&name, Gid::from_raw(gid)).map_err(CredsError::at("getgrouplist"))?;
        Ok(Self { uid: user.uid.as_raw(), gid, groups: groups.into_iter().map(Gid::as_raw).collect() })
    }
}

/// The number of a user, given by name or by number.
///
/// # Errors
/// [`CredsError::NoUser`], or [`CredsError::System`] when the database fails.
pub fn find_uid(text: &str) -> Result<u32, CredsError> {
    match (find_user(text)?, text.parse()) {
        (Some(user), _) => Ok(user.uid.as_raw()),
        (None, Ok(uid)) => Ok(uid),
        (None, Err(_)) => Err(CredsError::NoUser(text.to_owned())),
    }
}

/// The number of a group, given by name or by number.
///
/// # Errors
/// As [`find_uid`], with [`CredsError::NoGroup`].
pub fn find_gid(text: &str) -> Result<u32, CredsError> {
    find_group(text)
}

fn find_user(text: &str) -> Result<Option<User>, CredsError> {
    let by_name = User::from_name(text).map_err(CredsError::at("looking up the user"))?;
    match (by_name, text.parse()) {
        (None, Ok(uid)) => User::from_uid(Uid::from_raw(uid)).map_err(CredsError::at("looking up the user")),
        (found, _) => Ok(found),
    }
}

fn find_group(text: &str) -> Result<u32, CredsError> {
    let by_name = Group::from_name(text).map_err(CredsError::at("looking up the group"))?;
    match by_name {
        Some(group) => Ok(group.gid.as_raw()),
        None => text.parse().map_err(|_| CredsError::NoGroup(text.to_owned())),
    }
}

/// Becomes `identity` in all threads, with its groups and no others, and makes sure that there is no way back.
/// For uid 0 there is nothing to give up; groups are still set. Nothing is done for anybody else who has this user
/// and main group already: other groups they could not change anyway.
///
/// After an error some rights may be gone and others not: end the process.
///
/// # Errors
/// [`CredsError::NotRoot`] without the right to change, [`CredsError::Regained`] when root's rights could be had
/// back afterwards.
pub fn drop_to(identity: &Identity) -> Result<(), CredsError> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    if !Uid::effective().is_root() && (Uid::effective(), Gid::effective()) == (uid, gid) {
        return Ok(());
    }
    // Groups first: without root's rights they can no longer be changed.
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(CredsError::at("setgroups"))?;
    // Real, effective and saved: a saved id that stays is a way back.
    setresgid(gid, gid, gid).map_err(CredsError::at("setresgid"))?;
    setresuid(uid, uid, uid).map_err(CredsError::at("setresuid"))?;
    if uid.is_root() { Ok(()) } else { verify(uid, gid) }
}

fn verify(uid: Uid, gid: Gid) -> Result<(), CredsError> {
    let users = getresuid().map_err(CredsError::at("getresuid"))?;
    let groups = getresgid().map_err(CredsError::at("getresgid"))?;
    let settled = [users.real, users.effective, users.saved] == [uid; 3]
        && [groups.real, groups.effective, groups.saved] == [gid; 3];
    let root = Uid::from_raw(0);
    // A capability that has survived would let it succeed.
    if !settled || setresuid(root, root, root) != Err(Errno::EPERM) {
        return Err(CredsError::Regained);
    }
    Ok(())
}

impl CredsError {
    fn at(step: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| match errno {
            Errno::EPERM => Self::NotRoot,
            errno => Self::System { step, source: errno.into() },
        }
    }
}

impl fmt::Display for CredsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUser(name) => {
                write!(f, "there is no user {name:?}: create it (`useradd --system NAME`), or name another")
            }
            Self::NoGroup(name) => {
                write!(f, "there is no group {name:?}: create it (`groupadd --system NAME`), or name another")
            }
            Self::NotRoot => f.write_str(
                "only root can change to another user or group: start as root, or leave user and group out",
            ),
            Self::Regained => f.write_str(
                "root's rights could be had back after giving them up: start without extra capabilities and securebits",
            ),
            Self::System { step, source } => write!(f, "cannot change user or group: {step}: {source}"),
        }
    }
}

impl std::error::Error for CredsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of user and group, or how the message begins.
    type Found = Result<(u32, u32), &'static str>;

    #[test]
    fn finds_users_and_groups_by_name_and_number() {
        let cases: [(Option<&str>, Option<&str>, Found); 8] = [
            (Some("root"), None, Ok((0, 0))),
            (Some("0"), None, Ok((0, 0))),
            (Some("root"), Some("0"), Ok((0, 0))),
            (Some("root"), Some("4242"), Ok((0, 4_242))),
            (Some("424242"), Some("4242"), Ok((424_242, 4_242))),
            (Some("424242"), None, Err("there is no user \"424242\"")),
            (Some("no such user"), Some("root"), Err("there is no user \"no such user\"")),
            (Some("root"), Some("no such group"), Err("there is no group \"no such group\"")),
        ];
        for (user, group, expected) in cases {
            match (Identity::lookup(user, group), expected) {
                (Ok(found), Ok(numbers)) => assert_eq!((found.uid, found.gid), numbers, "{user:?} {group:?}"),
                (Err(error), Err(message)) => assert!(error.to_string().starts_with(message), "{error}"),
                (found, _) => panic!("{user:?} {group:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn without_names_it_is_who_we_are() {
        assert_eq!(Identity::lookup(None, None).unwrap(), Identity::current().unwrap());
        assert_eq!(Identity::lookup(None, Some("4242")).unwrap().gid, 4_242);
    }
}

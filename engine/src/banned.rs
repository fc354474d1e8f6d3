//! What bans have to do with a request, for its lines in the log.

use auth::bans::Cause;
use std::net::IpAddr;

use crate::shard::Shard;

/// Who is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Banned {
    /// Everybody at an address.
    Client,
    /// One user from there.
    User,
}

/// A ban and a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BanMark {
    /// The ban has refused the request.
    Refused(Banned, Cause),
    /// The ban has come of it: the login was one failure too many.
    Begun(Banned),
}

impl BanMark {
    /// Who, and why; `new:` before it where the ban begins.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Refused(Banned::Client, Cause::Logins) => "client/logins",
            Self::Refused(Banned::Client, Cause::Requests) => "client/requests",
            Self::Refused(Banned::Client, Cause::Hand) => "client/hand",
            Self::Refused(Banned::User, Cause::Logins) => "user/logins",
            Self::Refused(Banned::User, Cause::Requests) => "user/requests",
            Self::Refused(Banned::User, Cause::Hand) => "user/hand",
            Self::Begun(Banned::Client) => "new:client/logins",
            Self::Begun(Banned::User) => "new:user/logins",
        }
    }
}

impl Shard {
    /// The ban by which nothing is served to a client, if there is one. An address that is not known is not banned.
    pub(crate) fn ban_of(&self, client: Option<IpAddr>) -> Option<BanMark> {
        let banned = self.banned.borrow();
        let cause = banned.as_deref()?.cause(client?)?;
        Some(BanMark::Refused(Banned::Client, cause))
    }

    /// The ban by which nobody is to log in as `user` from where a client is, if there is one.
    pub(crate) fn ban_of_user(&self, client: Option<IpAddr>, user: &str) -> Option<BanMark> {
        let of_user = || {
            let banned = self.banned.borrow();
            let cause = banned.as_deref()?.cause_of_user(client?, user)?;
            Some(BanMark::Refused(Banned::User, cause))
        };
        self.ban_of(client).or_else(of_user)
    }
}

//! What becomes of a login: the verdicts of several back ends, and what the place asks of a user.

use crate::{Groups, Verdict};

/// How the verdicts of several back ends (htpasswd file, users of the configuration, PAM) become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// One that grants suffices.
    Any,
    /// All have to grant.
    All,
}

impl Combine {
    /// The one verdict. Of no back end at all nobody is granted anything.
    #[must_use]
    pub fn of(self, verdicts: &[Verdict]) -> Verdict {
        let has = |wanted| verdicts.contains(&wanted);
        // What decides against the others comes first. With `all`, a denial is one even while another back end is
        // gone: whoever is denied is so whatever that one would have said.
        let (first, second) = match self {
            Self::Any => (Verdict::Granted, Verdict::Unavailable),
            Self::All => (Verdict::Denied, Verdict::Unavailable),
        };
        let rest = match self {
            Self::Any => Verdict::Denied,
            Self::All => Verdict::Granted,
        };
        if verdicts.is_empty() {
            Verdict::Denied
        } else if has(first) {
            first
        } else if has(second) {
            second
        } else {
            rest
        }
    }
}

/// What a place asks of a user whose password is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Require {
    /// Nothing more.
    ValidUser,
    /// To be one of these, or in one of the groups.
    OneOf {
        /// Names of users.
        users: Vec<String>,
        /// Names of groups.
        groups: Vec<String>,
    },
}

/// A place that asks for a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// How its back ends are combined.
    pub combine: Combine,
    /// Who may enter.
    pub require: Require,
}

/// What becomes of a request with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Admit,
    /// 401 with WWW-Authenticate: other credentials may be right, RFC 9110 15.5.2. This one counts for a ban.
    Challenge,
    /// 403: the user is who they say and may not enter, RFC 9110 15.5.4.
    Forbid,
    /// 503 with Retry-After: nobody can tell now.
    Unavailable,
}

impl Realm {
    /// What becomes of a request by `user`, on whom the back ends gave `verdicts`. `groups` are those of the file; none
    /// when it could not be read, which lets nobody in who needs one.
    #[must_use]
    pub fn judge(&self, user: &str, verdicts: &[Verdict], groups: Option<&Groups>) -> Outcome {
        match self.combine.of(verdicts) {
            Verdict::Granted => self.require.judge(user, groups),
            Verdict::Denied => Outcome::Challenge,
            Verdict::Unavailable => Outcome::Unavailable,
        }
    }
}

impl Require {
    fn judge(&self, user: &str, known: Option<&Groups>) -> Outcome {
        let Self::OneOf { users, groups } = self else { return Outcome::Admit };
        if users.iter().any(|name| name == user) {
            return Outcome::Admit;
        }
        match known {
            _ if groups.is_empty() => Outcome::Forbid,
            Some(known) if groups.iter().any(|group| known.has(group, user)) => Outcome::Admit,
            Some(_) => Outcome::Forbid,
            None => Outcome::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Denied, Granted, Unavailable};
    use super::*;

    #[test]
    fn combinations() {
        for (verdicts, any, all) in [
            (&[][..], Denied, Denied),
            (&[Granted], Granted, Granted),
            (&[Denied], Denied, Denied),
            (&[Unavailable], Unavailable, Unavailable),
            (&[Granted, Denied], Granted, Denied),
            (&[Denied, Granted], Granted, Denied),
            (&[Granted, Unavailable], Granted, Unavailable),
            (&[Denied, Unavailable], Unavailable, Denied),
            (&[Unavailable, Denied], Unavailable, Denied),
            (&[Granted, Granted], Granted, Granted),
            (&[Granted, Denied, Unavailable], Granted, Denied),
        ] {
            assert_eq!(Combine::Any.of(verdicts), any, "any {verdicts:?}");
            assert_eq!(Combine::All.of(verdicts), all, "all {verdicts:?}");
        }
    }

    #[test]
    fn requirements() {
        let groups = Groups::parse(b"staff: anna\n").unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let one_of =
            |users: &[&str], groups: &[&str]| Require::OneOf { users: names(users), groups: names(groups) };
        for (require, verdict, known, wanted) in [
            (Require::ValidUser, Granted, None, Outcome::Admit),
            (Require::ValidUser, Denied, None, Outcome::Challenge),
            (Require::ValidUser, Unavailable, None, Outcome::Unavailable),
            (one_of(&["anna"], &[]), Granted, None, Outcome::Admit),
            (one_of(&["anna"], &["staff"]), Denied, Some(&groups), Outcome::Challenge),
            (one_of(&["otto"], &[]), Granted, Some(&groups), Outcome::Forbid),
            (one_of(&["otto"], &["staff"]), Granted, Some(&groups), Outcome::Admit),
            (one_of(&[], &["staff"]), Granted, None, Outcome::Unavailable),
            (one_of(&[], &["admins"]), Granted, Some(&groups), Outcome::Forbid),
            (one_of(&[], &[]), Granted, Some(&groups), Outcome::Forbid),
        ] {
            let realm = Realm { combine: Combine::Any, require };
            assert_eq!(realm.judge("anna", &[verdict], known), wanted, "{realm:?} {verdict:?}");
        }
    }
}

//! Files of groups, as Apache's AuthGroupFile has them: `group: user user`.

use std::collections::{HashMap, HashSet};

use crate::limits::{FILE_LEN_MAX, GROUP_LINE_LEN_MAX, GROUPS_MAX, MEMBERS_MAX, NAME_LEN_MAX};
use crate::lines::{self, BadLine, LineFault};

/// Who belongs to which group.
#[derive(Default)]
pub struct Groups {
    members: HashMap<Box<str>, HashSet<Box<str>>>,
}

impl Groups {
    /// The groups of a file with this content.
    ///
    /// A group may go on in a further line of its name, as Apache has it: a long one could not be written otherwise.
    /// Names of users stand between spaces, so that one with a space belongs to no group.
    ///
    /// # Errors
    /// The lines that are wrong, the first ones of many; then none of it counts.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<BadLine>> {
        let mut groups = Self::default();
        let mut count = 0;
        lines::each(text, FILE_LEN_MAX, GROUP_LINE_LEN_MAX, |_, text| {
            let (name, rest) = lines::named(text)?;
            if groups.members.len() == GROUPS_MAX && !groups.members.contains_key(name) {
                return Err(LineFault::Groups);
            }
            let members = groups.members.entry(name.into()).or_default();
            for user in rest.split([' ', '\t']).filter(|user| !user.is_empty()) {
                // A colon is in no name: here a line end is missing, or the file is one of users.
                if user.len() > NAME_LEN_MAX || user.contains(':') {
                    return Err(LineFault::Member);
                }
                count += usize::from(members.insert(user.into()));
                if count > MEMBERS_MAX {
                    return Err(LineFault::Groups);
                }
            }
            Ok(())
        })?;
        Ok(groups)
    }

    /// Whether `user` is a member of `group`.
    #[must_use]
    pub fn has(&self, group: &str, user: &str) -> bool {
        self.members.get(group).is_some_and(|members| members.contains(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let text = "# groups\nadmins: anna  otto\t\r\n\nempty:\nall:eva\nall: anna\n";
        let groups = Groups::parse(text.as_bytes()).unwrap();
        for (group, user, wanted) in [
            ("admins", "anna", true),
            ("admins", "otto", true),
            ("admins", "eva", false),
            ("admins", "", false),
            ("all", "eva", true),
            ("all", "anna", true),
            ("empty", "anna", false),
            ("none", "anna", false),
        ] {
            assert_eq!(groups.has(group, user), wanted, "{group} {user}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, line, fault) in [
            ("a: b\nadmins anna\n", 2, LineFault::Colon),
            (": anna", 1, LineFault::Name),
            ("a: b c: d", 1, LineFault::Member),
            ("anna:{SHA}x:y", 1, LineFault::Member),
            ("a: b\0", 1, LineFault::Control),
            (&format!("a: {}", "n".repeat(NAME_LEN_MAX + 1)), 1, LineFault::Member),
            (&"n".repeat(GROUP_LINE_LEN_MAX + 1), 1, LineFault::LineLong(GROUP_LINE_LEN_MAX)),
            (&(0..=GROUPS_MAX).map(|n| format!("{n}:\n")).collect::<String>(), 10_001, LineFault::Groups),
        ] {
            let bad = Groups::parse(text.as_bytes()).err().unwrap_or_default();
            assert_eq!(bad, [BadLine { line, fault }]);
        }
    }
}

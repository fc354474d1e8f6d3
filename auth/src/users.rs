//! Users with the hashes of their passwords, from the configuration or an htpasswd file.

use std::collections::HashMap;
use std::fmt;

use crate::Verdict;
use crate::hash::{BadHash, Cost, Hash};

/// Names with hashes of passwords.
pub struct Users {
    known: HashMap<Box<str>, Hash>,
    /// Compared with for a name that is not known, so that the time tells nothing: it is one that costs what most of
    /// the others cost. Its verdict is thrown away. A user whose hash is of another cost can be told by the time from
    /// one who is not known; for a file whose hashes are all alike, nobody can.
    nobody: Hash,
}

/// That passwords are hardly protected: a warning for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// How many users have such a hash.
    pub users: usize,
    /// The first of them, by name.
    pub first: String,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = match self.users {
            0 | 1 => String::new(),
            2 => " and one other".to_owned(),
            users => format!(" and {} others", users - 1),
        };
        write!(
            f,
            "the password of {}{others} is hashed by {{SHA}} alone, which is guessed within minutes: make another \
             with `htpasswd -B`",
            self.first
        )
    }
}

impl Users {
    /// All of `entries`: names and hashes.
    ///
    /// # Errors
    /// The first hash that is none.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadHash> {
        let parsed = entries.into_iter().map(|(name, text)| Ok((name.into(), Hash::parse(&text)?)));
        Ok(Self::of(parsed.collect::<Result<_, BadHash>>()?))
    }

    pub(crate) fn of(known: HashMap<Box<str>, Hash>) -> Self {
        let nobody = most_common(known.values()).cloned().unwrap_or_else(Hash::of_nobody);
        Self { known, nobody }
    }

    /// Whether `secret` is the password of `user`. Takes as long for a user who is not known.
    #[must_use]
    pub fn ask(&self, user: &str, secret: &[u8]) -> Verdict {
        let known = self.known.get(user);
        let right = known.unwrap_or(&self.nobody).is_of(secret);
        if right && known.is_some() { Verdict::Granted } else { Verdict::Denied }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Who has a hash that the operator should replace.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        let weak = self.known.iter().filter(|(_, hash)| hash.is_weak()).map(|(name, _)| name);
        let first = weak.clone().min()?.to_string();
        Some(Weakness { users: weak.count(), first })
    }
}

/// One of those that cost what most of them cost; with a tie, the dearer.
fn most_common<'h>(hashes: impl Iterator<Item = &'h Hash>) -> Option<&'h Hash> {
    let mut counts: HashMap<Cost, (usize, &Hash)> = HashMap::new();
    for hash in hashes {
        counts.entry(hash.cost()).or_insert((0, hash)).0 += 1;
    }
    let most = counts.into_iter().max_by_key(|(cost, (count, _))| (*count, *cost));
    most.map(|(_, (_, hash))| hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: &str = "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.";
    const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

    fn users(entries: &[(&str, &str)]) -> Users {
        let entries = entries.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned()));
        Users::new(entries).unwrap()
    }

    #[test]
    fn verdicts() {
        let users = users(&[("anna", FIVE)]);
        for (user, secret, wanted) in [
            ("anna", "secret", Verdict::Granted),
            ("anna", "wrong", Verdict::Denied),
            // The password of the one whose hash stands for the unknown.
            ("otto", "secret", Verdict::Denied),
            ("", "", Verdict::Denied),
        ] {
            assert_eq!(users.ask(user, secret.as_bytes()), wanted, "{user}");
        }
        assert!(Users::new([("anna".to_owned(), "secret".to_owned())]).is_err());
        assert_eq!(self::users(&[]).ask("anna", b"secret"), Verdict::Denied);
    }

    #[test]
    fn the_unknown_costs_what_most_cost() {
        let of = |text: &str| Hash::parse(text).unwrap().cost();
        for (entries, wanted) in [
            (&[("a", FIVE), ("b", SHA), ("c", FIVE)][..], FIVE),
            (&[("a", FIVE), ("b", SHA), ("c", SHA)], SHA),
        ] {
            assert_eq!(users(entries).nobody.cost(), of(wanted), "{entries:?}");
        }
    }

    #[test]
    fn weak_hashes_are_told() {
        assert_eq!(users(&[("a", FIVE)]).weakness(), None);
        let weakness = users(&[("c", SHA), ("a", FIVE), ("b", SHA)]).weakness().unwrap();
        assert_eq!(weakness, Weakness { users: 2, first: "b".to_owned() });
        assert!(weakness.to_string().starts_with("the password of b and one other is"), "{weakness}");
    }
}

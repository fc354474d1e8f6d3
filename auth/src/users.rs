//! Users that the configuration names.

use std::collections::HashMap;

use crate::Verdict;
use crate::hash::{BadHash, Hash};

/// Names with hashes of passwords.
pub struct Users {
    known: HashMap<String, Hash>,
    /// Compared with for a name that is not known: the time tells nothing.
    nobody: Hash,
}

impl Users {
    /// All of `entries`: names and hashes.
    ///
    /// # Errors
    /// The first hash that is none.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadHash> {
        let known: HashMap<String, Hash> = entries
            .into_iter()
            .map(|(name, text)| Ok((name, Hash::parse(&text)?)))
            .collect::<Result<_, BadHash>>()?;
        let rounds = known.values().map(|hash| hash.rounds).max().unwrap_or(1000);
        Ok(Self { known, nobody: Hash::of_nobody(rounds) })
    }

    /// Whether `secret` is the password of `user`.
    #[must_use]
    pub fn ask(&self, user: &str, secret: &[u8]) -> Verdict {
        let known = self.known.get(user);
        let right = known.unwrap_or(&self.nobody).is_of(secret);
        if right && known.is_some() { Verdict::Granted } else { Verdict::Denied }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let hash = "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.";
        let users = Users::new([("anna".to_owned(), hash.to_owned())]).unwrap();
        for (user, secret, wanted) in [
            ("anna", "secret", Verdict::Granted),
            ("anna", "wrong", Verdict::Denied),
            ("otto", "secret", Verdict::Denied),
            ("", "", Verdict::Denied),
        ] {
            assert_eq!(users.ask(user, secret.as_bytes()), wanted, "{user}");
        }
        assert!(Users::new([("anna".to_owned(), "secret".to_owned())]).is_err());
    }
}

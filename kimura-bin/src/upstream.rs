//! What is said on the command line about a server that requests are passed on to.

use crate::usage::Usage;
use privsep::message::{Command, UpstreamChange};

/// What can be ordered.
pub(crate) const WORDS: &[&str] = &["add", "drain", "remove"];

/// Most bytes of a group's or a server's name.
const NAME_MAX: usize = 256;
/// Heaviest server.
const WEIGHT_MAX: u32 = 1000;

/// What options say of a server that is added.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Addition {
    pub(crate) weight: Option<u32>,
    pub(crate) backup: bool,
}

/// A weight.
pub(crate) fn weight(text: &str) -> Result<u32, Usage> {
    let weight = text.parse().ok().filter(|weight| (1..=WEIGHT_MAX).contains(weight));
    weight.filter(|_| !text.starts_with('+')).ok_or_else(|| Usage::BadWeight(text.to_owned()))
}

/// The command that three operands mean.
pub(crate) fn command([word, group, server]: [String; 3], addition: &Addition) -> Result<Command, Usage> {
    let change = match word.as_str() {
        "add" => UpstreamChange::Add { weight: addition.weight.unwrap_or(1), backup: addition.backup },
        "drain" => UpstreamChange::Drain,
        "remove" => UpstreamChange::Remove,
        _ => return Err(Usage::BadUpstreamOrder(word)),
    };
    for name in [&group, &server] {
        if name.is_empty() || NAME_MAX < name.len() || name.chars().any(char::is_control) {
            return Err(Usage::BadUpstreamName);
        }
    }
    Ok(Command::Upstream { group, server, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let of = |word: &str, group: &str, server: &str| {
            let addition = Addition { weight: Some(3), backup: true };
            command([word, group, server].map(str::to_owned), &addition).ok()
        };
        let wanted = |change| {
            let (group, server) = ("app".to_owned(), "127.0.0.1:1".to_owned());
            Some(Command::Upstream { group, server, change })
        };
        let add = UpstreamChange::Add { weight: 3, backup: true };
        assert_eq!(of("add", "app", "127.0.0.1:1"), wanted(add));
        assert_eq!(of("drain", "app", "127.0.0.1:1"), wanted(UpstreamChange::Drain));
        assert_eq!(of("remove", "app", "127.0.0.1:1"), wanted(UpstreamChange::Remove));
        for (word, group, server) in [("ad", "a", "b"), ("add", "", "b"), ("add", "a", "b\n")] {
            assert_eq!(of(word, group, server), None, "{word} {group} {server}");
        }
    }

    #[test]
    fn weights() {
        for (text, wanted) in
            [("1", Some(1)), ("1000", Some(1000)), ("0", None), ("1001", None), ("+1", None)]
        {
            assert_eq!(weight(text).ok(), wanted, "{text}");
        }
    }
}

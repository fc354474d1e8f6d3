//! Rules that allow and deny by address, user, method and certificate: the first that fits decides.
//!
//! ```text
//! deny from 192.0.2.0/24,2001:db8::/32
//! allow method GET,HEAD
//! allow user anna,otto from 10.0.0.0/8
//! allow certificate
//! allow issuer 'CN=Staff CA,O=Example' san email:anna@example.org
//! deny all
//! ```
//!
//! `certificate` fits whoever has proven by a certificate who they are; `subject`, `issuer`, `san` and `fingerprint` fit
//! only them, too. The words of a rule all have to fit. What has a space in it stands between apostrophes. The last rule
//! says `all`, so that what becomes of everybody else is written down and not a convention that one operator knows from
//! one server and another from another.

mod certificate;

pub use certificate::{Certificate, Holder};

use std::fmt;
use std::net::IpAddr;

use crate::limits::RULES_MAX;
use crate::prefix::{BadPrefix, Prefix};
use certificate::Named;

/// The rules of a place, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    effect: Effect,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// One of them has to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    From(Vec<Prefix>),
    User(Vec<String>),
    Method(Vec<String>),
    Certificate(Named),
}

/// What a rule about users or certificates has to know before it makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The name of a user: somebody has to log in.
    User,
    /// A certificate of the client: somebody has to ask for it.
    Certificate,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'r> {
    /// The real address of the client; none for one that has none, such as at a Unix socket: no prefix has it.
    pub address: Option<IpAddr>,
    /// The user, once a login has succeeded.
    pub user: Option<&'r str>,
    /// The method of the request, as sent.
    pub method: &'r [u8],
    /// What it has proven by a certificate.
    pub certificate: Certificate<'r>,
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request goes on.
    Allow,
    /// 403.
    Deny,
    /// It depends on the user, and nobody has logged in: 401, or 403 where there is no login.
    Login,
}

/// A rule that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRule {
    /// Which of them; the first is 0.
    pub index: usize,
    /// What is wrong. As text: the cause, a colon and the cure.
    pub fault: RuleFault,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleFault {
    /// It begins with neither `allow` nor `deny`.
    Effect,
    /// Nothing follows, or a word without its list.
    Incomplete,
    /// A word that is none of the conditions.
    Word(String),
    /// The same condition comes twice.
    Twice(&'static str),
    /// Something that is no address prefix.
    Prefix(String, BadPrefix),
    /// Something that is no method.
    Method(String),
    /// Something that is no SHA-256.
    Fingerprint(String),
    /// Something that is no alternative name.
    Name(String),
    /// An apostrophe that no other one follows.
    Quote,
    /// An empty place in a list.
    Gap,
    /// Rules follow one that fits everybody.
    Unreachable,
    /// The last rule does not fit everybody.
    Open,
    /// There are more than anybody can survey.
    Many,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Effect => f.write_str("the rule begins with neither `allow` nor `deny`: begin it with one of them"),
            Self::Incomplete => f.write_str("the rule is not complete: write `all`, `certificate`, or another condition with what it is about"),
            Self::Word(word) => {
                write!(f, "\"{word}\" is no condition of a rule: write all, certificate, or from, user, method, subject, issuer, san or fingerprint before what it is about")
            }
            Self::Twice(word) => write!(f, "\"{word}\" comes twice: put both into one list, separated by commas"),
            Self::Prefix(text, bad) => write!(f, "\"{text}\" cannot be used, {bad}"),
            Self::Method(text) => write!(f, "\"{text}\" is no method: write it in capitals, such as GET"),
            Self::Fingerprint(text) => {
                write!(f, "\"{text}\" is no SHA-256: write the 64 digits of `openssl x509 -noout -fingerprint -sha256`")
            }
            Self::Name(text) => write!(
                f,
                "\"{text}\" is no alternative name: write one as DNS:a.example, email:a@b.example, URI:... or IP:192.0.2.7"
            ),
            Self::Quote => f.write_str("an apostrophe is not closed: put both ends of the name between apostrophes"),
            Self::Gap => f.write_str("the list has an empty place: separate its parts by single commas, without spaces"),
            Self::Unreachable => f.write_str("the rule fits everybody, so that the following ones do nothing: put it last"),
            Self::Open => {
                f.write_str("the rules do not say what becomes of everybody else: end them with `allow all` or `deny all`")
            }
            Self::Many => write!(f, "there are more than {RULES_MAX} rules: put addresses together in one rule"),
        }
    }
}

impl Rules {
    /// The rules that `texts` say, in their order. No rule at all allows everybody.
    ///
    /// # Errors
    /// The first rule that makes no sense.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, BadRule> {
        let mut rules: Vec<Rule> = Vec::new();
        for (index, text) in texts.into_iter().enumerate() {
            let bad = |fault| BadRule { index, fault };
            if index == RULES_MAX {
                return Err(bad(RuleFault::Many));
            }
            if rules.last().is_some_and(Rule::fits_all) {
                return Err(BadRule { index: index - 1, fault: RuleFault::Unreachable });
            }
            rules.push(Rule::parse(text).map_err(bad)?);
        }
        match rules.last() {
            Some(last) if !last.fits_all() => Err(BadRule { index: rules.len() - 1, fault: RuleFault::Open }),
            _ => Ok(Self { rules }),
        }
    }

    /// Each rule that has to know something, by its number, and what that is.
    pub fn asks(&self) -> impl Iterator<Item = (usize, Asked)> {
        let asked = |condition: &Condition| match condition {
            Condition::User(_) => Some(Asked::User),
            Condition::Certificate(_) => Some(Asked::Certificate),
            Condition::From(_) | Condition::Method(_) => None,
        };
        let rules = self.rules.iter().enumerate();
        rules.flat_map(move |(index, rule)| {
            rule.conditions.iter().filter_map(asked).map(move |asked| (index, asked))
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What becomes of `asker`.
    #[must_use]
    pub fn decide(&self, asker: &Asker<'_>) -> Decision {
        for rule in &self.rules {
            match (rule.fits(asker), rule.effect) {
                (Fit::No, _) => {}
                (Fit::Login, _) => return Decision::Login,
                (Fit::Yes, Effect::Allow) => return Decision::Allow,
                (Fit::Yes, Effect::Deny) => return Decision::Deny,
            }
        }
        // Only without any rule: otherwise the last one fits everybody.
        Decision::Allow
    }
}

/// Whether something fits somebody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    /// That depends on the user.
    Login,
    Yes,
}

impl Rule {
    fn parse(text: &str) -> Result<Self, RuleFault> {
        let mut words = words(text)?.into_iter();
        let effect = match words.next() {
            Some("allow") => Effect::Allow,
            Some("deny") => Effect::Deny,
            _ => return Err(RuleFault::Effect),
        };
        let mut conditions: Vec<Condition> = Vec::new();
        let mut everybody = 0;
        while let Some(word) = words.next() {
            if word == "all" {
                everybody += 1;
                continue;
            }
            let condition = match word {
                "certificate" => Condition::Certificate(Named::Anybody),
                word => Condition::parse(word, words.next())?,
            };
            if conditions.iter().any(|other| other.word() == condition.word()) {
                return Err(RuleFault::Twice(condition.word()));
            }
            conditions.push(condition);
        }
        match (everybody, conditions.len()) {
            (0, 0) => Err(RuleFault::Incomplete),
            (0, _) | (1, 0) => Ok(Self { effect, conditions }),
            _ => Err(RuleFault::Word("all".to_owned())),
        }
    }

    fn fits_all(&self) -> bool {
        self.conditions.is_empty()
    }

    /// A login is asked for only where all else fits.
    fn fits(&self, asker: &Asker<'_>) -> Fit {
        let mut all = Fit::Yes;
        for condition in &self.conditions {
            match condition.fits(asker) {
                Fit::No => return Fit::No,
                Fit::Login => all = Fit::Login,
                Fit::Yes => {}
            }
        }
        all
    }
}

impl Condition {
    fn parse(word: &str, list: Option<&str>) -> Result<Self, RuleFault> {
        if let Some(named) = Named::parse(word, list) {
            return named.map(Self::Certificate);
        }
        if !["from", "user", "method"].contains(&word) {
            return Err(RuleFault::Word(word.to_owned()));
        }
        let list = list.ok_or(RuleFault::Incomplete)?.split(',');
        if list.clone().any(str::is_empty) {
            return Err(RuleFault::Gap);
        }
        Ok(match word {
            "from" => {
                let prefix = |text: &str| text.parse().map_err(|bad| RuleFault::Prefix(text.to_owned(), bad));
                Self::From(list.map(prefix).collect::<Result<_, _>>()?)
            }
            "user" => Self::User(list.map(str::to_owned).collect()),
            _ => Self::Method(list.map(method).collect::<Result<_, _>>()?),
        })
    }

    fn word(&self) -> &'static str {
        match self {
            Self::From(_) => "from",
            Self::User(_) => "user",
            Self::Method(_) => "method",
            Self::Certificate(named) => named.word(),
        }
    }

    fn fits(&self, asker: &Asker<'_>) -> Fit {
        let has = match self {
            Self::From(prefixes) => {
                asker.address.is_some_and(|address| prefixes.iter().any(|prefix| prefix.contains(address)))
            }
            Self::User(users) => match asker.user {
                Some(user) => users.iter().any(|name| name == user),
                None => return Fit::Login,
            },
            // RFC 9110 9.1: methods are case-sensitive. GET does not say HEAD.
            Self::Method(methods) => methods.iter().any(|method| method.as_bytes() == asker.method),
            Self::Certificate(named) => named.fits(asker.certificate),
        };
        if has { Fit::Yes } else { Fit::No }
    }
}

/// The words of a rule. What stands between apostrophes is one, with its spaces.
fn words(text: &str) -> Result<Vec<&str>, RuleFault> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').ok_or(RuleFault::Quote)?,
            None => rest.split_at(rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len())),
        };
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Ok(words)
}

fn method(text: &str) -> Result<String, RuleFault> {
    let fine = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if fine { Ok(text.to_owned()) } else { Err(RuleFault::Method(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_decides() {
        let rules = Rules::parse([
            "deny from 192.0.2.0/24,2001:db8::/32",
            "allow method GET,HEAD",
            "deny user eva",
            "allow user anna,otto from 10.0.0.0/8",
            "deny all",
        ])
        .unwrap();
        for (address, user, method, wanted) in [
            ("192.0.2.1", Some("anna"), "GET", Decision::Deny),
            ("::ffff:192.0.2.1", None, "GET", Decision::Deny),
            ("2001:db8::1", None, "GET", Decision::Deny),
            ("10.0.0.1", None, "GET", Decision::Allow),
            ("10.0.0.1", None, "HEAD", Decision::Allow),
            ("10.0.0.1", Some("anna"), "POST", Decision::Allow),
            ("::ffff:10.0.0.1", Some("otto"), "POST", Decision::Allow),
            ("10.0.0.1", Some("eva"), "POST", Decision::Deny),
            ("10.0.0.1", Some("max"), "POST", Decision::Deny),
            ("11.0.0.1", Some("anna"), "POST", Decision::Deny),
            ("10.0.0.1", None, "POST", Decision::Login),
            ("10.0.0.1", Some("max"), "get", Decision::Deny),
        ] {
            let address = Some(address.parse().unwrap());
            let asker = Asker { address, user, method: method.as_bytes(), certificate: Certificate::None };
            assert_eq!(rules.decide(&asker), wanted, "{asker:?}");
        }
        let from_elsewhere = Asker {
            address: "11.0.0.1".parse().ok(),
            user: None,
            method: b"POST",
            certificate: Certificate::None,
        };
        let rules = Rules::parse(["allow user anna from 10.0.0.0/8", "deny all"]).unwrap();
        assert_eq!(rules.decide(&from_elsewhere), Decision::Deny, "no login can help");
        assert_eq!(Rules::parse([]).unwrap().decide(&from_elsewhere), Decision::Allow);
        let rules = Rules::parse(["allow certificate", "allow from 0.0.0.0/0,::/0", "deny all"]).unwrap();
        assert_eq!(rules.asks().collect::<Vec<_>>(), [(0, Asked::Certificate)]);
        let nowhere = Asker { address: None, ..from_elsewhere };
        let holder = certificate::tests::holder();
        let proven = Asker { certificate: Certificate::Proven(&holder), ..nowhere };
        assert_eq!(rules.decide(&from_elsewhere), Decision::Allow);
        assert_eq!(rules.decide(&nowhere), Decision::Deny, "no prefix has it");
        assert_eq!(rules.decide(&proven), Decision::Allow);
    }

    #[test]
    fn what_makes_no_sense() {
        let text = str::to_owned;
        for (texts, index, fault) in [
            (&["permit all"][..], 0, RuleFault::Effect),
            (&[""], 0, RuleFault::Effect),
            (&["allow"], 0, RuleFault::Incomplete),
            (&["allow from"], 0, RuleFault::Incomplete),
            (&["allow form 10.0.0.0/8"], 0, RuleFault::Word(text("form"))),
            (&["allow all from 10.0.0.0/8"], 0, RuleFault::Word(text("all"))),
            (&["allow all all"], 0, RuleFault::Word(text("all"))),
            (&["allow certificate certificate", "deny all"], 0, RuleFault::Twice("certificate")),
            (&["allow all certificate", "deny all"], 0, RuleFault::Word(text("all"))),
            (&["allow user a user b"], 0, RuleFault::Twice("user")),
            (&["allow from 10.0.0.0/99"], 0, RuleFault::Prefix(text("10.0.0.0/99"), BadPrefix::Length)),
            (&["allow from 10.0.0.1,x"], 0, RuleFault::Prefix(text("x"), BadPrefix::Address)),
            (&["allow user a,,b"], 0, RuleFault::Gap),
            (&["allow user a, b"], 0, RuleFault::Gap),
            (&["allow method get"], 0, RuleFault::Method(text("get"))),
            (&["allow subject"], 0, RuleFault::Incomplete),
            (&["allow subject CN=a subject CN=b", "deny all"], 0, RuleFault::Twice("subject")),
            (&["allow subject 'CN=a", "deny all"], 0, RuleFault::Quote),
            (&["allow issuer CN=a b", "deny all"], 0, RuleFault::Word(text("b"))),
            (&["allow issuer ''", "deny all"], 0, RuleFault::Gap),
            (&["allow fingerprint 12:34", "deny all"], 0, RuleFault::Fingerprint(text("12:34"))),
            (&["allow san a.example", "deny all"], 0, RuleFault::Name(text("a.example"))),
            (&["allow san DNS:a,,DNS:b", "deny all"], 0, RuleFault::Gap),
            (&["allow san IP:a", "deny all"], 0, RuleFault::Name(text("IP:a"))),
            (&["deny all", "allow all"], 0, RuleFault::Unreachable),
            (&["deny user a", "allow user b"], 1, RuleFault::Open),
            (&["deny user a"; RULES_MAX + 1], RULES_MAX, RuleFault::Many),
        ] {
            assert!(fault.to_string().contains(": "), "{fault}");
            assert_eq!(Rules::parse(texts.iter().copied()), Err(BadRule { index, fault }));
        }
    }
}

//! Conditions about the certificate of a client.

use std::net::IpAddr;

use super::RuleFault;

/// Who a certificate is about, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The holder, as RFC 4514 writes it: `CN=Jane,O=Example`. May be empty.
    pub subject: String,
    /// Who signed it, in the same form.
    pub issuer: String,
    /// Alternative names with their kinds: `DNS:a.example`, in lower case, `email:a@b.example`, `URI:...`, `IP:192.0.2.7`.
    pub names: Vec<String>,
    /// SHA-256 of the whole certificate in lower-case hexadecimal digits.
    pub fingerprint: String,
}

/// The certificate of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate<'r> {
    /// It holds.
    Proven(&'r Holder),
    /// There is none, or none that holds.
    None,
}

/// Whose certificate fits, if it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Anybody,
    /// Names with commas are the rule here: there is one, and no list.
    Subject(String),
    Issuer(String),
    /// One of these.
    Names(Vec<String>),
    Fingerprints(Vec<String>),
}

/// Digits of a SHA-256.
const FINGERPRINT_LEN: usize = 64;

impl Named {
    /// The condition of a word with what follows it; none when the word is about something else.
    pub(super) fn parse(word: &str, about: Option<&str>) -> Option<Result<Self, RuleFault>> {
        let parse = match word {
            "subject" => |text: &str| Ok(Self::Subject(text.to_owned())),
            "issuer" => |text: &str| Ok(Self::Issuer(text.to_owned())),
            "san" => |text: &str| list(text, name).map(Self::Names),
            "fingerprint" => |text: &str| list(text, fingerprint).map(Self::Fingerprints),
            _ => return None,
        };
        Some(match about {
            None => Err(RuleFault::Incomplete),
            Some("") => Err(RuleFault::Gap),
            Some(text) => parse(text),
        })
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Anybody => "certificate",
            Self::Subject(_) => "subject",
            Self::Issuer(_) => "issuer",
            Self::Names(_) => "san",
            Self::Fingerprints(_) => "fingerprint",
        }
    }

    pub(super) fn fits(&self, certificate: Certificate<'_>) -> bool {
        let Certificate::Proven(holder) = certificate else { return false };
        match self {
            Self::Anybody => true,
            Self::Subject(subject) => *subject == holder.subject,
            Self::Issuer(issuer) => *issuer == holder.issuer,
            Self::Names(names) => names.iter().any(|name| holder.names.contains(name)),
            Self::Fingerprints(all) => all.contains(&holder.fingerprint),
        }
    }
}

fn list(text: &str, parse: fn(&str) -> Result<String, RuleFault>) -> Result<Vec<String>, RuleFault> {
    text.split(',').map(|part| if part.is_empty() { Err(RuleFault::Gap) } else { parse(part) }).collect()
}

/// An alternative name in the one form in which it is compared.
fn name(text: &str) -> Result<String, RuleFault> {
    let bad = || RuleFault::Name(text.to_owned());
    match text.split_once(':') {
        // RFC 4343 2: names are the same in capitals.
        Some(("DNS", name)) if !name.is_empty() => Ok(format!("DNS:{}", name.to_ascii_lowercase())),
        Some(("email" | "URI", name)) if !name.is_empty() => Ok(text.to_owned()),
        Some(("IP", address)) => {
            address.parse().map(|address: IpAddr| format!("IP:{address}")).map_err(|_| bad())
        }
        _ => Err(bad()),
    }
}

/// A fingerprint as tools print it, with or without colons, in the one form in which it is compared.
fn fingerprint(text: &str) -> Result<String, RuleFault> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let fine = digits.len() == FINGERPRINT_LEN && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fine { Ok(digits) } else { Err(RuleFault::Fingerprint(text.to_owned())) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::access::{Asker, Decision, Rules};

    pub(in super::super) fn holder() -> Holder {
        Holder {
            subject: "CN=Anna Lee,O=Example".to_owned(),
            issuer: "CN=Staff CA".to_owned(),
            names: ["DNS:a.example", "email:anna@example.org", "IP:2001:db8::1"].map(str::to_owned).into(),
            fingerprint: "ab".repeat(32),
        }
    }

    #[test]
    fn a_rule_names_a_certificate() {
        let holder = holder();
        let colons = "AB:".repeat(31) + "AB";
        for (condition, fits) in [
            ("certificate", true),
            ("subject 'CN=Anna Lee,O=Example'", true),
            ("subject 'CN=Anna Lee'", false),
            ("subject 'cn=anna lee,o=example'", false),
            ("issuer 'CN=Staff CA'", true),
            ("issuer CN=Staff", false),
            ("issuer 'CN=Staff CA' subject 'CN=Anna Lee,O=Example'", true),
            ("issuer 'CN=Guest CA' subject 'CN=Anna Lee,O=Example'", false),
            ("san DNS:A.Example", true),
            ("san DNS:b.example,email:anna@example.org", true),
            ("san email:a.example", false),
            ("san IP:2001:DB8:0::1", true),
            ("san URI:a.example", false),
            (&format!("fingerprint {}", "ab".repeat(32)), true),
            (&format!("fingerprint {},{colons}", "0".repeat(64)), true),
            (&format!("fingerprint {}", "0".repeat(64)), false),
        ] {
            let rules = Rules::parse([&*format!("allow {condition}"), "deny all"]).expect(condition);
            let decide =
                |certificate| rules.decide(&Asker { address: None, user: None, method: b"GET", certificate });
            let wanted = if fits { Decision::Allow } else { Decision::Deny };
            assert_eq!(decide(Certificate::Proven(&holder)), wanted, "{condition}");
            assert_eq!(decide(Certificate::None), Decision::Deny, "{condition}");
            assert!(rules.asks().count() > 0, "{condition}");
        }
    }
}

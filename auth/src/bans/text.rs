//! The file of bans: what survives a restart.
//!
//! ```text
//! kimura-bans 1
//! 192.0.2.7/32 - 3 1700000000 1700003600 logins
//! 2001:db8::/64 otto 1 1700000000 never by hand, since he asked for it
//! ```
//!
//! Prefix, user (or a dash), number, since, until, and why. In the name of a user a space, a percent sign, a leading
//! dash and what is not ASCII stand as `%20`.

use std::fmt::Write;

use super::{Ban, Bans, Policy, Reason, Subject};
use crate::limits::{BAN_LINE_LEN_MAX, BANNED_NAME_LEN_MAX, BANS_FILE_LEN_MAX, REASON_LEN_MAX};
use crate::lines::{self, BadLine, LineFault};

/// The first line. Another form gets another number.
const HEADER: &str = "kimura-bans 1";

impl Bans {
    /// All bans, with those that are over and still remembered.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for ban in self.bans.values() {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{}", line(ban));
        }
        text
    }

    /// The bans of a file with this content. An empty one has none.
    ///
    /// # Errors
    /// The lines that are wrong, the first ones of many; then none of it counts.
    pub fn from_text(policy: Policy, text: &[u8]) -> Result<Self, Vec<BadLine>> {
        let mut bans = Self::new(policy);
        let mut begun = false;
        lines::each(text, BANS_FILE_LEN_MAX, BAN_LINE_LEN_MAX, |number, text| {
            if !begun {
                begun = number == 1 && text == HEADER;
                return if begun { Ok(()) } else { Err(LineFault::Header) };
            }
            let ban = parse(text)?;
            if bans.bans.contains_key(&ban.subject) {
                return Err(LineFault::SubjectTwice);
            }
            // One that finds no room is one too many of those without an end.
            bans.insert(ban).map(drop).map_err(|_| LineFault::Ban)
        })?;
        Ok(bans)
    }
}

fn line(ban: &Ban) -> String {
    let user = ban.subject.user.as_deref().map_or_else(|| "-".to_owned(), encoded);
    let until = ban.until.map_or_else(|| "never".to_owned(), |until| until.to_string());
    let reason = match &ban.reason {
        Reason::Logins => "logins".to_owned(),
        Reason::Requests => "requests".to_owned(),
        Reason::Hand(text) => format!("by hand{}{text}", if text.is_empty() { "" } else { ", " }),
    };
    format!("{} {user} {} {} {until} {reason}", ban.subject.prefix, ban.count, ban.since)
}

fn parse(text: &str) -> Result<Ban, LineFault> {
    let mut fields = text.splitn(6, ' ');
    let mut next = || fields.next().ok_or(LineFault::Ban);
    let (prefix, user, count, since, until, reason) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let prefix = prefix.parse().map_err(LineFault::Prefix)?;
    let user = match user {
        "-" => None,
        name => Some(decoded(name).ok_or(LineFault::Ban)?.into()),
    };
    let ban = Ban {
        subject: Subject { prefix, user },
        count: u32::try_from(number(count)?).ok().filter(|count| *count > 0).ok_or(LineFault::Ban)?,
        since: number(since)?,
        until: if until == "never" { None } else { Some(number(until)?) },
        reason: match (reason, reason.strip_prefix("by hand, ")) {
            ("logins", _) => Reason::Logins,
            ("requests", _) => Reason::Requests,
            ("by hand", _) => Reason::Hand(String::new()),
            (_, Some(text)) if text.len() <= REASON_LEN_MAX && !text.is_empty() => {
                Reason::Hand(text.to_owned())
            }
            _ => return Err(LineFault::Ban),
        },
    };
    // Only the one form is taken that is written.
    if line(&ban) == text { Ok(ban) } else { Err(LineFault::Ban) }
}

fn number(digits: &str) -> Result<u64, LineFault> {
    digits.parse().map_err(|_| LineFault::Ban)
}

fn encoded(name: &str) -> String {
    let mut text = String::new();
    for (index, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_graphic() && byte != b'%' && (byte != b'-' || index > 0);
        if plain {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn decoded(text: &str) -> Option<String> {
    let mut name = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    let name = String::from_utf8(name).ok()?;
    (1..=BANNED_NAME_LEN_MAX).contains(&name.len()).then_some(name)
}

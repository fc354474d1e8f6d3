//! What a viewer wants to see.

use std::fmt;
use std::net::IpAddr;

use super::{Entry, Kind};
use crate::record::Client;
use auth::Prefix;

/// Most bytes of a text that is looked for.
pub const TEXT_MAX: usize = 256;
/// Most values of one kind.
pub const VALUES_MAX: usize = 16;

/// A status or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatusFilter {
    /// This one; 0 for requests without an answer.
    Code(u16),
    /// Those that begin with this digit.
    Class(u16),
}

/// What a viewer wants to see: lines that fit all that is given, and one value of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    hosts: Vec<String>,
    statuses: Vec<StatusFilter>,
    clients: Vec<Prefix>,
    /// In lower case.
    text: Vec<u8>,
}

/// Why something is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadFilter {
    /// No status or class.
    Status(String),
    /// No address or network.
    Client(String),
    /// Longer than [`TEXT_MAX`].
    Text,
    /// More than [`VALUES_MAX`] of a kind.
    TooMany,
}

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(text) => {
                write!(f, "{text:?} is no status: write one such as 404, or a class such as 4xx")
            }
            Self::Client(text) => {
                write!(f, "{text:?} is no client: write an address or a network such as 192.0.2.0/24")
            }
            Self::Text => write!(f, "the text to look for is too long: shorten it to {TEXT_MAX} bytes"),
            Self::TooMany => write!(f, "too many values: name {VALUES_MAX} of a kind at most"),
        }
    }
}

impl std::error::Error for BadFilter {}

impl Filter {
    /// Also takes requests to these hosts: their names as the configuration lists them, separated by commas.
    ///
    /// # Errors
    /// [`BadFilter::TooMany`].
    pub fn host(&mut self, text: &str) -> Result<(), BadFilter> {
        for name in values(text) {
            push(&mut self.hosts, name.to_ascii_lowercase())?;
        }
        Ok(())
    }

    /// Also takes requests with these statuses (`404`) or classes (`4xx`), separated by commas.
    ///
    /// # Errors
    /// [`BadFilter::Status`], [`BadFilter::TooMany`].
    pub fn status(&mut self, text: &str) -> Result<(), BadFilter> {
        for value in values(text) {
            let class = value.strip_suffix("xx").filter(|digit| digit.len() == 1);
            let number = |text: &str| text.parse().map_err(|_| BadFilter::Status(value.to_owned()));
            let status = match class {
                Some(digit) => StatusFilter::Class(number(digit)?),
                None => StatusFilter::Code(number(value)?),
            };
            push(&mut self.statuses, status)?;
        }
        Ok(())
    }

    /// Also takes requests of these addresses or networks, separated by commas.
    ///
    /// # Errors
    /// [`BadFilter::Client`], [`BadFilter::TooMany`].
    pub fn client(&mut self, text: &str) -> Result<(), BadFilter> {
        for value in values(text) {
            push(&mut self.clients, value.parse().map_err(|_| BadFilter::Client(value.to_owned()))?)?;
        }
        Ok(())
    }

    /// Takes only lines with this text, whatever its case.
    ///
    /// # Errors
    /// [`BadFilter::Text`].
    pub fn text(&mut self, text: &str) -> Result<(), BadFilter> {
        if TEXT_MAX < text.len() {
            return Err(BadFilter::Text);
        }
        self.text = text.as_bytes().to_ascii_lowercase();
        Ok(())
    }

    /// Whether a line is wanted. A message of the error log has no host, status or client: whoever asks for one of
    /// these does not want it.
    #[must_use]
    pub fn takes(&self, entry: &Entry<'_>) -> bool {
        self.takes_facts(entry) && contains(entry.line, &self.text)
    }

    fn takes_facts(&self, Entry { facts, .. }: &Entry<'_>) -> bool {
        if facts.kind == Kind::Message {
            return self.hosts.is_empty() && self.statuses.is_empty() && self.clients.is_empty();
        }
        let host = |name: &String| facts.host.eq_ignore_ascii_case(name.as_bytes());
        let status = |wanted: &StatusFilter| match *wanted {
            StatusFilter::Code(code) => facts.status == code,
            StatusFilter::Class(class) => facts.status / 100 == class,
        };
        let client = |prefix: &Prefix| match facts.client {
            Client::Ip(address) => contains_address(prefix, address),
            Client::Local => false,
        };
        (self.hosts.is_empty() || self.hosts.iter().any(host))
            && (self.statuses.is_empty() || self.statuses.iter().any(status))
            && (self.clients.is_empty() || self.clients.iter().any(client))
    }
}

fn contains_address(prefix: &Prefix, address: IpAddr) -> bool {
    prefix.contains(address.to_canonical())
}

fn values(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|value| !value.is_empty())
}

fn push<T>(list: &mut Vec<T>, value: T) -> Result<(), BadFilter> {
    if list.len() == VALUES_MAX {
        return Err(BadFilter::TooMany);
    }
    list.push(value);
    Ok(())
}

/// Whether `text` has `wanted` in it, which is in lower case.
fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::*;

    type Give = fn(&mut Filter, &str) -> Result<(), BadFilter>;

    fn filter(given: &[(Give, &str)]) -> Result<Filter, BadFilter> {
        let mut filter = Filter::default();
        given.iter().try_for_each(|(give, text)| give(&mut filter, text))?;
        Ok(filter)
    }

    /// Whether a filter takes a request, another one, and a message.
    fn check(given: &[(Give, &str)], wanted: [bool; 3]) {
        let request = |host, status, client: &str, line| {
            let client = Client::Ip(client.parse().unwrap());
            Entry { log: 0, facts: Facts { kind: Kind::Request, status, client, host }, line }
        };
        let message =
            Entry { log: 0, facts: Facts { kind: Kind::Message, ..Facts::default() }, line: b"WARN /a" };
        let entries = [
            request(b"a.example", 200, "192.0.2.1", b"GET /A"),
            request(b"b.example", 404, "2001:db8::1", b"GET /b"),
            message,
        ];
        let filter = filter(given).unwrap();
        assert_eq!(entries.map(|entry| filter.takes(&entry)), wanted, "{filter:?}");
    }

    #[test]
    fn lines_that_fit_are_taken() {
        check(&[], [true; 3]);
        check(&[(Filter::host, "A.example")], [true, false, false]);
        check(&[(Filter::host, "a.example, b.example")], [true, true, false]);
        check(&[(Filter::host, "a.example"), (Filter::host, "b.example")], [true, true, false]);
        check(&[(Filter::status, "4xx")], [false, true, false]);
        check(&[(Filter::status, "200,201")], [true, false, false]);
        check(&[(Filter::status, "0")], [false; 3]);
        check(&[(Filter::client, "192.0.2.0/24")], [true, false, false]);
        check(&[(Filter::client, "2001:db8::1")], [false, true, false]);
        check(&[(Filter::text, "/a")], [true, false, true]);
        check(&[(Filter::text, "GET"), (Filter::status, "404")], [false, true, false]);
        check(&[(Filter::host, "a.example"), (Filter::status, "404")], [false; 3]);
        check(&[(Filter::host, ""), (Filter::status, ","), (Filter::text, "")], [true; 3]);
    }

    #[test]
    fn what_is_no_filter_is_told() {
        let many = "200,".repeat(VALUES_MAX + 1);
        let long = "x".repeat(TEXT_MAX + 1);
        let bad: [(Give, &str, BadFilter); 6] = [
            (Filter::status, "ok", BadFilter::Status("ok".to_owned())),
            (Filter::status, "44xx", BadFilter::Status("44xx".to_owned())),
            (Filter::status, "-1", BadFilter::Status("-1".to_owned())),
            (Filter::client, "here", BadFilter::Client("here".to_owned())),
            (Filter::status, &many, BadFilter::TooMany),
            (Filter::text, &long, BadFilter::Text),
        ];
        for (give, text, wanted) in bad {
            assert_eq!(filter(&[(give, text)]), Err(wanted));
        }
    }
}

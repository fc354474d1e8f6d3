//! From the authority of a request to a host, for one listening address.

use std::collections::{HashMap, HashSet};

use config::{Config, DefaultHost, HostName};
use foldhash::quality::RandomState;
use proto_http::{Authority, HostKind};

/// Longest name that is looked up: the longest there can be (RFC 1035 section 2.3.4), and a final dot.
const NAME_MAX: usize = 254;

/// The names that one listening address knows, and the host that answers to all others.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Lower case, without final dot; addresses in their canonical text. Who asks chooses no names that are here, so
    /// that the hash may be one that is made for speed.
    exact: HashMap<Box<[u8]>, usize, RandomState>,
    /// What follows `*.`.
    wildcard: HashMap<Box<[u8]>, usize, RandomState>,
    /// Names that other addresses know: they get 421 here, and not a host that happens to be the default.
    elsewhere: Vec<HostName>,
    default: Option<usize>,
}

/// One table of names for each listening address, in the order of [`Config::listeners`].
pub(crate) fn by_listener(config: &Config) -> Vec<Names> {
    let tables = config.listeners().into_iter().map(|listener| {
        let mut names = Names::default();
        let mut listening = HashSet::new();
        for (index, host) in config.hosts.iter().enumerate() {
            let listens = host.listen.as_ref().unwrap_or(&config.server.listen);
            let here = listens.iter().any(|listen| listen.address == listener.address);
            for name in std::iter::once(&host.name).chain(&host.aliases) {
                if here {
                    names.add(name, index);
                } else {
                    names.add_elsewhere(name);
                }
            }
            if here {
                listening.insert(index);
            }
        }
        let default = match config.default_host {
            DefaultHost::First => listening.iter().min().copied(),
            // Where it does not listen it is not served, whatever name is asked for.
            DefaultHost::Named(index) => listening.get(&index).copied(),
            DefaultHost::Refuse => None,
        };
        if let Some(index) = default {
            names.set_default(index);
        }
        names
    });
    tables.collect()
}

impl Names {
    pub(crate) fn add(&mut self, name: &HostName, host: usize) {
        match name {
            HostName::Wildcard(below) => self.wildcard.insert(below.as_bytes().into(), host),
            _ => self.exact.insert(name.to_string().into_bytes().into(), host),
        };
    }

    pub(crate) fn add_elsewhere(&mut self, name: &HostName) {
        self.elsewhere.push(name.clone());
    }

    pub(crate) fn set_default(&mut self, host: usize) {
        self.default = Some(host);
    }

    /// The host for an authority; without one (HTTP/1.0 alone may omit it) the default.
    pub(crate) fn find(&self, authority: Option<&Authority<'_>>) -> Option<usize> {
        let Some(authority) = authority else { return self.default };
        if authority.kind == HostKind::V6 {
            return self.find_v6(authority.host);
        }
        let name = authority.host.strip_suffix(b".").unwrap_or(authority.host);
        let mut buffer = [0; NAME_MAX];
        let Some(lower) = buffer.get_mut(..name.len()) else { return self.default };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.find_lower(lower)
    }

    /// The host for an authority as a configuration writes it.
    pub(crate) fn find_text(&self, authority: &str) -> Option<usize> {
        match authority.split_once(']') {
            Some((inner, _)) => self.find_v6(format!("{inner}]").as_bytes()),
            None => {
                let name = authority.split_once(':').map_or(authority, |(name, _)| name);
                self.find_lower(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().as_bytes())
            }
        }
    }

    fn find_lower(&self, name: &[u8]) -> Option<usize> {
        if let Some(&host) = self.exact.get(name) {
            return Some(host);
        }
        if !self.wildcard.is_empty() {
            // The longest wildcard wins: cut labels off from the left.
            let mut rest = name;
            while let Some(dot) = rest.iter().position(|&b| b == b'.') {
                rest = &rest[dot + 1..];
                if let Some(&host) = self.wildcard.get(rest) {
                    return Some(host);
                }
            }
        }
        let text = std::str::from_utf8(name).ok();
        let elsewhere = text.is_some_and(|text| self.elsewhere.iter().any(|known| matches(known, text)));
        if elsewhere { None } else { self.default }
    }

    /// IPv6 literals have many spellings (RFC 5952): compared as addresses.
    fn find_v6(&self, host: &[u8]) -> Option<usize> {
        let inner = host.strip_prefix(b"[").unwrap_or(host);
        let inner = inner.strip_suffix(b"]").unwrap_or(inner);
        let parsed = std::str::from_utf8(inner).ok().and_then(|text| text.parse().ok());
        match parsed {
            Some(address) => self.find_lower(HostName::V6(address).to_string().as_bytes()),
            None => self.default,
        }
    }
}

fn matches(known: &HostName, name: &str) -> bool {
    match known {
        HostName::Wildcard(below) => {
            name.strip_suffix(below.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        exact => exact.to_string() == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        for (name, host) in
            [("example.org", 0), ("*.example.org", 1), ("*.b.example.org", 2), ("[::1]", 3), ("192.0.2.1", 4)]
        {
            names.add(&name.parse().expect(name), host);
        }
        names.add_elsewhere(&"inner.test".parse().expect("a name"));
        names.add_elsewhere(&"*.inner.test".parse().expect("a name"));
        names.set_default(9);
        names
    }

    #[test]
    fn names_are_found() {
        let names = names();
        let cases: &[(&[u8], HostKind, Option<usize>)] = &[
            (b"example.org", HostKind::Name, Some(0)),
            (b"EXAMPLE.org.", HostKind::Name, Some(0)),
            (b"a.example.org", HostKind::Name, Some(1)),
            (b"x.a.example.org", HostKind::Name, Some(1)),
            (b"x.b.example.org", HostKind::Name, Some(2)),
            (b"b.example.org", HostKind::Name, Some(1)),
            (b"badexample.org", HostKind::Name, Some(9)),
            (b"[::1]", HostKind::V6, Some(3)),
            (b"[0:0:0:0:0:0:0:1]", HostKind::V6, Some(3)),
            (b"[::2]", HostKind::V6, Some(9)),
            (b"192.0.2.1", HostKind::V4, Some(4)),
            (b"inner.test", HostKind::Name, None),
            (b"a.inner.test", HostKind::Name, None),
            (b"ainner.test", HostKind::Name, Some(9)),
            (b"other.test", HostKind::Name, Some(9)),
            (&[b'a'; 300], HostKind::Name, Some(9)),
        ];
        for (host, kind, expected) in cases {
            let authority = Authority { host, port: None, kind: *kind };
            assert_eq!(names.find(Some(&authority)), *expected, "{}", String::from_utf8_lossy(host));
        }
        assert_eq!(names.find(None), Some(9));
    }
}

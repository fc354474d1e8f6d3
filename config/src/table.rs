//! THE table of keys: what can be written, where, of which kind, with which default and meaning.
//!
//! Reading, checks for unknown keys, the JSON Schema, the reference and `explain` all come from it.

mod keys;
mod sections;

use serde_json::Value;

use crate::kind::{Kind, Nest, Spot};
use crate::problem::Problems;
use crate::source::Origin;
use crate::tree::Node;

pub(crate) use keys::{
    answer, auth, bans, certificate, compression, conditions, control, cors, file_cache, host, limits, log,
    map, place, quota, remote, rotate, rule, security, server, settings, shaping, timeouts, tls, top,
    upstream, upstream_eject, upstream_fastcgi, upstream_health, upstream_timeouts, upstream_tls,
};
pub(crate) use sections::{
    ANSWER, AUTH, BANS, CERTIFICATE, COMPRESSION, CONDITIONS, CONTROL, CORS, DEFAULTS, FILE_CACHE, HOST,
    LIMITS, LOCATION, LOG, MAP, REMOTE, ROTATE, RULE, SECURITY, SERVER, SHAPING, SHAPING_CLIENT,
    SHAPING_CONNECTION, SHAPING_TOTAL, TIMEOUTS, TLS, TOP, UPSTREAM, UPSTREAM_EJECT, UPSTREAM_FASTCGI,
    UPSTREAM_HEALTH, UPSTREAM_TIMEOUTS, UPSTREAM_TLS,
};

/// One key.
pub(crate) struct Key<K> {
    pub(crate) name: &'static str,
    pub(crate) kind: K,
    /// What holds when nobody sets it, as JSON; `None` when the key has no value then.
    pub(crate) default: Option<&'static str>,
    /// A right value that is not the default, as JSON.
    pub(crate) example: &'static str,
    /// What it does, in one line.
    pub(crate) prose: &'static str,
}

/// An object with keys.
pub(crate) struct Section {
    /// Name in the schema.
    pub(crate) name: &'static str,
    /// Where it stands, as messages and the reference name it.
    pub(crate) place: &'static str,
    /// What it is for, in one line.
    pub(crate) prose: &'static str,
    /// The keys that have no value of their own when they are missing, but inherit one.
    pub(crate) inherited: &'static [&'static dyn AnyKey],
    /// All others.
    pub(crate) own: &'static [&'static dyn AnyKey],
}

impl Section {
    /// All keys, in the order of the reference.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static dyn AnyKey> {
        self.own.iter().chain(self.inherited).copied()
    }

    /// The key called `name`.
    pub(crate) fn key(&self, name: &str) -> Option<&'static dyn AnyKey> {
        self.keys().find(|key| key.name() == name)
    }

    /// Whether a missing `name` is inherited.
    pub(crate) fn inherits(&self, name: &str) -> bool {
        self.inherited.iter().any(|key| key.name() == name)
    }
}

/// What can be known of a key without knowing its type.
pub(crate) trait AnyKey: Sync {
    fn name(&self) -> &'static str;
    fn prose(&self) -> &'static str;
    fn example(&self) -> &'static str;
    fn noun(&self) -> String;
    fn schema(&self) -> Value;
    fn nest(&self) -> Nest;
    fn is_same_entry(&self, a: &str, b: &str) -> bool;
    /// The default as JSON text.
    fn default_text(&self) -> Option<&'static str>;
}

impl<K: Kind> AnyKey for Key<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prose(&self) -> &'static str {
        self.prose
    }

    fn example(&self) -> &'static str {
        self.example
    }

    fn noun(&self) -> String {
        self.kind.noun()
    }

    fn schema(&self) -> Value {
        self.kind.schema()
    }

    fn nest(&self) -> Nest {
        self.kind.nest()
    }

    fn is_same_entry(&self, a: &str, b: &str) -> bool {
        self.kind.is_same_entry(a, b)
    }

    fn default_text(&self) -> Option<&'static str> {
        self.default
    }
}

impl dyn AnyKey {
    /// The default as a value.
    pub(crate) fn default(&self) -> Option<Value> {
        self.default_text().map(parse)
    }

    /// The example as a value.
    pub(crate) fn example_value(&self) -> Value {
        parse(self.example())
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("defaults and examples in the table of keys are JSON")
}

impl<K: Kind> Key<K> {
    /// The default, read like a value of the file.
    ///
    /// # Panics
    /// When the table gives none or a wrong one, which every test of this crate would notice.
    pub(crate) fn default(&self, pointer: &str) -> K::Out {
        let text = self.default.expect("a key that is always needed has a default in the table");
        let node = Node::of(parse(text), &Origin::Default);
        let spot = Spot {
            node: &node,
            pointer,
            label: self.name,
            key: self.name,
            example: self.example,
            source: None,
        };
        self.kind.read(&spot, &mut Problems::new()).expect("a default in the table of keys is right")
    }
}

/// What a JSON Pointer leads to in the table.
pub(crate) enum Target {
    /// A section, or an object whose keys the user chooses.
    Group,
    /// A key with a value.
    Key(&'static dyn AnyKey),
    /// An entry of a map or an item of a list below such a key.
    Inside(&'static dyn AnyKey),
}

/// The key that the tokens of a JSON Pointer lead to, or the section and token at which they fail.
pub(crate) fn lookup<S: AsRef<str>>(tokens: &[S]) -> Result<Target, (&'static Section, String)> {
    let mut section = &TOP;
    let mut tokens = tokens.iter().map(AsRef::as_ref).peekable();
    while let Some(token) = tokens.next() {
        let key = section.key(token).ok_or_else(|| (section, token.to_owned()))?;
        section = match key.nest() {
            Nest::Section(section) => section,
            Nest::Optional(_) if tokens.peek().is_none() => return Ok(Target::Key(key)),
            Nest::Optional(section) => section,
            Nest::Named(section) => match tokens.next() {
                Some(_) => section,
                None => return Ok(Target::Group),
            },
            Nest::Items(_) if tokens.peek().is_none() => return Ok(Target::Key(key)),
            Nest::Items(section) => match tokens.next().map(str::parse::<usize>) {
                Some(Ok(_)) => section,
                _ => return Ok(Target::Inside(key)),
            },
            Nest::Leaf | Nest::Map => {
                return Ok(if tokens.next().is_none() { Target::Key(key) } else { Target::Inside(key) });
            }
        };
    }
    Ok(Target::Group)
}

/// Whether the tokens lead to a section that is inherited as a whole.
pub(crate) fn is_whole<S: AsRef<str>>(tokens: &[S]) -> bool {
    matches!(lookup(tokens), Ok(Target::Key(key)) if matches!(key.nest(), Nest::Optional(_)))
}

/// The sections in the order of the reference.
pub(crate) const SECTIONS: &[&Section] = &[
    &TOP,
    &SERVER,
    &LIMITS,
    &TIMEOUTS,
    &FILE_CACHE,
    &CONTROL,
    &REMOTE,
    &LOG,
    &ROTATE,
    &UPSTREAM,
    &UPSTREAM_EJECT,
    &UPSTREAM_FASTCGI,
    &UPSTREAM_HEALTH,
    &UPSTREAM_TIMEOUTS,
    &UPSTREAM_TLS,
    &DEFAULTS,
    &HOST,
    &BANS,
    &TLS,
    &CERTIFICATE,
    &LOCATION,
    &AUTH,
    &RULE,
    &ANSWER,
    &CONDITIONS,
    &MAP,
    &SECURITY,
    &CORS,
    &COMPRESSION,
    &SHAPING,
    &SHAPING_TOTAL,
    &SHAPING_CLIENT,
    &SHAPING_CONNECTION,
];

/// Where else a key of this name exists: "/server", "/defaults or a host".
pub(crate) fn elsewhere(name: &str, not: &Section) -> Option<String> {
    let others = SECTIONS.iter().filter(|section| section.name != not.name && section.key(name).is_some());
    let places: Vec<&str> = others.map(|section| section.place).collect();
    match places.split_last() {
        Some((last, rest)) if !rest.is_empty() => Some(format!("{} or {last}", rest.join(", "))),
        _ => places.first().map(|&place| place.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Loaded, Override, Source, load};

    /// Lets every key make a difference: nothing that it needs is missing, nothing hides it.
    const BASE: &str = r#"{
        "server": {
            "control": {"remote": {"listen": ["127.0.0.1:1"], "chain": "chain.pem", "key": "key.pem"}},
            "bans": {},
            "shaping": {"total": {}, "client": {}, "connection": {}}
        },
        "logs": {
            "file": {"file": "base.log", "rotate": {}},
            "stream": {"stream": "stdout"},
            "syslog": {"syslog": "tls://base.example"},
            "central": {"journald": "/central"},
            "journald": {"journald": "/base"},
            "gearman": {"gearman": ["base.example"]}
        },
        "upstreams": {
            "app": {"servers": ["127.0.0.1:1"], "tls": {"chain": "chain.pem", "key": "key.pem"}},
            "scripts": {"protocol": "fastcgi", "servers": ["127.0.0.1:2"]},
            "checked": {"servers": ["127.0.0.1:1"], "health": {"path": "/base"}}
        },
        "defaults": {"root": "base", "access_log": "stdout"},
        "maps": {"base": {}},
        "hosts": {"example.org": {
            "listen": ["127.0.0.1:9443 tls"],
            "tls": {"certificates": {"main": {"chain": "chain.pem", "key": "key.pem"}}, "authorities": "ca.pem"},
            "locations": {
                "/a/": {"root": "own"},
                "/p/": {"proxy": "http://127.0.0.1:3", "comet": "off"},
                "/c/": {
                    "root": "base",
                    "rewrite": [{"path": "^/c", "to": "/d", "if": {"host": "^base$"}}, {"path": "^/d", "return": {"status": 301, "to": "/e"}}, {"path": "^/c", "rules": []}],
                    "return": {"body": "base"}
                },
                "/b/": {
                    "root": "base",
                    "auth": {"realm": "Base", "htpasswd": "base.htpasswd", "groups": "base.groups"},
                    "security": {},
                    "shaping": {
                        "total": {"down": "9MB/s", "up": "9MB/s", "requests": "9r/s"},
                        "client": {"down": "9MB/s", "up": "9MB/s", "requests": "9r/s"},
                        "connection": {"down": "9MB/s", "up": "9MB/s"}
                    },
                    "cors": {"origins": ["https://base.example"]},
                    "compression": {}
                }
            }
        }}
    }"#;

    const OF_RATES: [&str; 4] = ["down_burst", "up_burst", "requests_burst", "delay"];

    fn load_base(overrides: &[Override]) -> Loaded {
        let source = Source { name: "base.conf".to_owned(), text: BASE.to_owned() };
        load(Some(source), overrides).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn pointer_of(section: &Section, key: &str) -> &'static str {
        match section.name {
            // A log has one key of those that say where to.
            "log" => match key {
                "file" | "format" | "rotate" => "/logs/file",
                "stream" => "/logs/stream",
                "journald" => "/logs/journald",
                "gearman" | "function" | "batch" => "/logs/gearman",
                _ => "/logs/syslog",
            },
            "rotate" => "/logs/file/rotate",
            "upstream" if key == "fastcgi" => "/upstreams/scripts",
            "upstream" => "/upstreams/app",
            "upstream_fastcgi" => "/upstreams/scripts/fastcgi",
            "upstream_eject" => "/upstreams/app/eject",
            "upstream_health" => "/upstreams/checked/health",
            "upstream_timeouts" => "/upstreams/app/timeouts",
            "upstream_tls" => "/upstreams/app/tls",
            "host" => "/hosts/example.org",
            "tls" => "/hosts/example.org/tls",
            "certificate" => "/hosts/example.org/tls/certificates/main",
            "auth" => "/hosts/example.org/locations/~1b~1/auth",
            "map" => "/maps/base",
            "conditions" => "/hosts/example.org/locations/~1c~1/rewrite/0/if",
            "rule" if key == "rules" => "/hosts/example.org/locations/~1c~1/rewrite/2",
            "rule" if key == "return" => "/hosts/example.org/locations/~1c~1/rewrite/1",
            "rule" => "/hosts/example.org/locations/~1c~1/rewrite/0",
            "return" if key == "to" => "/hosts/example.org/locations/~1c~1/rewrite/1/return",
            "return" => "/hosts/example.org/locations/~1c~1/return",
            "security" => "/hosts/example.org/locations/~1b~1/security",
            "cors" => "/hosts/example.org/locations/~1b~1/cors",
            "compression" => "/hosts/example.org/locations/~1b~1/compression",
            "location" if matches!(key, "proxy_host" | "intercept" | "accel") => {
                "/hosts/example.org/locations/~1p~1"
            }
            "location" => "/hosts/example.org/locations/~1a~1",
            // What belongs to a rate does nothing without it.
            "shaping_total" if OF_RATES.contains(&key) => "/hosts/example.org/locations/~1b~1/shaping/total",
            "shaping_client" if OF_RATES.contains(&key) => {
                "/hosts/example.org/locations/~1b~1/shaping/client"
            }
            "shaping_connection" if OF_RATES.contains(&key) => {
                "/hosts/example.org/locations/~1b~1/shaping/connection"
            }
            "shaping" => "/server/shaping",
            "shaping_total" => "/server/shaping/total",
            "shaping_client" => "/server/shaping/client",
            "shaping_connection" => "/server/shaping/connection",
            "configuration" => "",
            _ => section.place,
        }
    }

    #[test]
    fn every_key_has_an_example_that_changes_something() {
        let base = load_base(&[]).config;
        for section in SECTIONS {
            for key in section.keys() {
                let argument =
                    format!("{}/{}={}", pointer_of(section, key.name()), key.name(), key.example());
                let set = Override::set(&argument).expect("an argument of --set");
                let changed = load_base(&[set]).config != base;
                assert_eq!(changed, key.name() != "$schema", "--set {argument}");
            }
        }
    }

    #[test]
    fn every_default_is_what_holds_without_it() {
        let base = load_base(&[]);
        for section in SECTIONS {
            for (key, default) in section.keys().filter_map(|key| Some((key, key.default_text()?))) {
                // Set by the base itself.
                if key.name() == "access_log" {
                    continue;
                }
                let pointer = format!("{}/{}", pointer_of(section, key.name()), key.name());
                let set = Override::set(&format!("{pointer}={default}")).expect("an argument of --set");
                assert_eq!(load_base(&[set]).config, base.config, "--set {pointer}={default}");
                let entry = base.registry.get(&pointer).expect("a key with a default has a value");
                assert_eq!((entry.origin, Some(entry.value)), (Origin::Default, key.default()), "{pointer}");
            }
        }
    }

    #[test]
    fn no_section_has_a_key_twice() {
        for section in SECTIONS {
            let mut names: Vec<&str> = section.keys().map(AnyKey::name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", section.place);
        }
    }

    #[test]
    fn pointers_lead_to_keys() {
        for (pointer, wanted) in [
            ("/server/limits/fields", "fields"),
            ("/hosts/a/locations/~1/root", "root"),
            ("/hosts/a/headers/X-A", "inside headers"),
            ("/server/listen/0", "inside listen"),
            ("", "group"),
            ("/server", "group"),
            ("/hosts", "group"),
            ("/hosts/a/locations/~1", "group"),
            ("/server/root", "no root"),
            ("/hosts/a/locations/~1/names", "no names"),
        ] {
            let tokens = crate::pointer::tokens(pointer).expect("a pointer");
            let found = match lookup(&tokens) {
                Ok(Target::Key(key)) => key.name().to_owned(),
                Ok(Target::Inside(key)) => format!("inside {}", key.name()),
                Ok(Target::Group) => "group".to_owned(),
                Err((_, token)) => format!("no {token}"),
            };
            assert_eq!(found, wanted, "{pointer}");
        }
    }
}

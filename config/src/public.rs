//! A configuration without its secrets, for those who serve it.

use serde_json::Value;

use crate::Loaded;
use crate::overrides::Override;
use crate::pointer;
use crate::registry::Registry;
use crate::source::{Origin, Source};
use crate::tree::Node;

/// Everything at or below is secret: who may command, and what proves it; and the hashes of passwords.
const SECRETS: [&[&str]; 4] = [
    &["server", "control"],
    &["defaults", "auth", "users"],
    &["hosts", ANY, "auth", "users"],
    &["hosts", ANY, "locations", ANY, "auth", "users"],
];
/// Stands for the name of any host or location: no key is empty.
const ANY: &str = "";

impl Loaded {
    /// The source with an empty object in place of all that is secret, and all else at its place; none when there is no
    /// file. It loads to the same configuration, but for the secrets.
    #[must_use]
    pub fn public_source(&self) -> Option<Source> {
        self.registry.public_source()
    }
}

impl Registry {
    fn public_source(&self) -> Option<Source> {
        let mut source = self.source()?.clone();
        // What the file says, even where the command line says otherwise.
        let mut scratch = crate::Problems::new();
        let tree = crate::parse::parse(&source, &mut scratch)?;
        for node in SECRETS.iter().flat_map(|secret| found(&tree, secret)) {
            let Origin::File(place) = &node.origin else { continue };
            // An object, or nothing would have loaded: its brackets stay.
            let inside = place.start + 1..place.end - 1;
            let blank: String = source.text[inside.clone()].chars().fold(String::new(), blank_out);
            source.text.replace_range(inside, &blank);
        }
        Some(source)
    }
}

/// All that `path` leads to.
fn found<'n>(node: &'n Node, path: &[&str]) -> Vec<&'n Node> {
    match path {
        [] => vec![node],
        [key, rest @ ..] => {
            let members = node.members().filter(|member| fits(&member.name, key));
            members.flat_map(|member| found(&member.node, rest)).collect()
        }
    }
}

fn fits(name: &str, key: &str) -> bool {
    key == ANY || name == key
}

/// Spaces as long as what was there, with the ends of lines kept.
fn blank_out(mut blank: String, c: char) -> String {
    match c {
        '\n' => blank.push('\n'),
        c => blank.extend(std::iter::repeat_n(' ', c.len_utf8())),
    }
    blank
}

impl Override {
    /// The argument of `--set` with an empty object in place of what is secret in it.
    ///
    /// # Errors
    /// As [`Override::set`].
    pub fn public(argument: &str) -> Result<String, crate::Problem> {
        let (tokens, mut value) = Override::set(argument)?.into_parts();
        let leads = |path: &[&str]| tokens.iter().zip(path).all(|(token, key)| fits(token, key));
        let mut changed = false;
        for secret in SECRETS.iter().filter(|secret| leads(secret)) {
            if let Some(inner) = tokens.get(..secret.len()) {
                return Ok(format!("{}={{}}", pointer::of(inner)));
            }
            changed |= empty(&mut value, &secret[tokens.len()..]);
        }
        Ok(if changed { format!("{}={value}", pointer::of(&tokens)) } else { argument.to_owned() })
    }
}

/// Puts an empty object in place of all that `path` leads to; answers whether there was any.
fn empty(value: &mut Value, path: &[&str]) -> bool {
    let [key, rest @ ..] = path else {
        *value = Value::Object(serde_json::Map::new());
        return true;
    };
    let Value::Object(members) = value else { return false };
    let inner = members.iter_mut().filter(|(name, _)| fits(name, key));
    inner.fold(false, |changed, (_, value)| empty(value, rest) | changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    #[test]
    fn the_secret_part_is_blank_and_all_else_at_its_place() {
        let text = "{\n \"server\": {\"shards\": 2, \"control\": {\n  // \u{fc}ber\n  \"users\": {\"a\": \"viewer $6$x$y\"}\n }},\n                     \"hosts\": {\"example.org\": {\"root\": \"www\"}}}";
        let source = Source { name: "a.conf".to_owned(), text: text.to_owned() };
        let loaded = load(Some(source), &[]).unwrap();
        let public = loaded.public_source().unwrap();
        assert_eq!(public.text.len(), text.len());
        assert_eq!(public.text.find("\"hosts\""), text.find("\"hosts\""));
        assert_eq!(public.text.lines().count(), text.lines().count());
        assert!(!public.text.contains("$6$") && !public.text.contains("users"), "{}", public.text);
        let again = load(Some(public), &[]).unwrap();
        assert!(again.config.server.control.users.is_empty());
        assert_eq!(again.config.hosts, loaded.config.hosts);
        assert_eq!(again.config.server.shards, loaded.config.server.shards);
    }

    #[test]
    fn hashes_are_blank_wherever_they_stand() {
        let text = r#"{
            "defaults": {"auth": {"realm": "A", "users": {"a": "$6$x$y"}}},
            "hosts": {"b": {"root": "www", "auth": {"realm": "B", "users": {"b": "$6$x$y", "c": "{SHA}x"}},
                "locations": {"/c/": {"auth": {"realm": "C", "users": {"c": "$6$x$y"}}}}}}
        }"#;
        let source = Source { name: "a.conf".to_owned(), text: text.to_owned() };
        let loaded = load(Some(source), &[]).unwrap();
        let public = loaded.public_source().unwrap();
        assert!(!public.text.contains('$') && !public.text.contains("SHA"), "{}", public.text);
        let again = load(Some(public), &[]).unwrap();
        let ids = |loaded: &Loaded| loaded.config.logins().iter().map(|auth| auth.id()).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&loaded));
        assert_eq!(ids(&loaded).len(), 2);
        assert!(again.config.logins().iter().all(|auth| auth.users.as_ref().is_some_and(Vec::is_empty)));
    }

    #[test]
    fn overrides_lose_their_secrets() {
        for (argument, wanted) in [
            ("/server/shards=2", "/server/shards=2"),
            ("/hosts/a/root=x", "/hosts/a/root=x"),
            ("/server/control={\"socket\":\"/s\"}", "/server/control={}"),
            ("/server/control/users/a=x", "/server/control={}"),
            ("/server={\"shards\":2,\"control\":{\"users\":{}}}", "/server={\"shards\":2,\"control\":{}}"),
            ("/server=3", "/server=3"),
            ("/defaults/auth/users/anna=$5$x", "/defaults/auth/users={}"),
            (
                "/hosts/a/auth={\"users\":{\"b\":\"$5$x\"},\"realm\":\"R\"}",
                "/hosts/a/auth={\"users\":{},\"realm\":\"R\"}",
            ),
            (
                "/hosts/a/locations/~1b~1/auth/users={\"b\":\"$5$x\"}",
                "/hosts/a/locations/~1b~1/auth/users={}",
            ),
            (
                "/hosts={\"a\":{\"auth\":{\"users\":{\"b\":\"$5$x\"}},\"locations\":{\"/\":{\"auth\":{\"users\":{\"b\":\"$5$x\"}}}}}}",
                "/hosts={\"a\":{\"auth\":{\"users\":{}},\"locations\":{\"/\":{\"auth\":{\"users\":{}}}}}}",
            ),
        ] {
            let public = Override::public(argument).unwrap_or_else(|problem| panic!("{problem}"));
            assert_eq!(public, wanted, "{argument}");
        }
    }
}

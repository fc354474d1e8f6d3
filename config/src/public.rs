//! A configuration without its secrets, for those who serve it.

use serde_json::Value;

use crate::Loaded;
use crate::overrides::Override;
use crate::registry::Registry;
use crate::source::{Origin, Source};

/// Everything at or below is secret: who may command, and what proves it.
const SECRET: [&str; 2] = ["server", "control"];

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
        if let Some(node) = tree.find(&SECRET)
            && let Origin::File(place) = node.origin
        {
            // An object, or nothing would have loaded: its brackets stay.
            let inside = place.start + 1..place.end - 1;
            let blank: String = source.text[inside.clone()].chars().fold(String::new(), blank_out);
            source.text.replace_range(inside, &blank);
        }
        Some(source)
    }
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
    /// The argument of `--set` without what is secret in it; none when nothing is left.
    ///
    /// # Errors
    /// As [`Override::set`].
    pub fn public(argument: &str) -> Result<Option<String>, crate::Problem> {
        let parsed = Override::set(argument)?;
        let (tokens, mut value) = parsed.into_parts();
        if tokens.len() >= SECRET.len() {
            let secret = tokens.iter().zip(SECRET).all(|(token, key)| token == key);
            return Ok((!secret).then(|| argument.to_owned()));
        }
        if tokens.iter().zip(SECRET).any(|(token, key)| token != key) {
            return Ok(Some(argument.to_owned()));
        }
        remove(&mut value, &SECRET[tokens.len()..]);
        let pointer = argument.split_once('=').map_or("", |(pointer, _)| pointer);
        Ok(Some(format!("{pointer}={value}")))
    }
}

/// Takes what `keys` lead to out of `value`.
fn remove(value: &mut Value, keys: &[&str]) {
    let Value::Object(members) = value else { return };
    match keys {
        [] => {}
        [last] => drop(members.remove(*last)),
        [first, rest @ ..] => {
            if let Some(inner) = members.get_mut(*first) {
                remove(inner, rest);
            }
        }
    }
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
    fn overrides_lose_their_secrets() {
        for (argument, wanted) in [
            ("/server/shards=2", Some("/server/shards=2")),
            ("/hosts/a/root=x", Some("/hosts/a/root=x")),
            ("/server/control={\"socket\":\"/s\"}", None),
            ("/server/control/users/a=x", None),
            ("/server={\"shards\":2,\"control\":{\"users\":{}}}", Some("/server={\"shards\":2}")),
            ("/server=3", Some("/server=3")),
        ] {
            let public = Override::public(argument).unwrap_or_else(|problem| panic!("{problem}"));
            assert_eq!(public.as_deref(), wanted, "{argument}");
        }
    }
}

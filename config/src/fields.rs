//! The forms of texts in rules about fields: origins, and what caches are told.

use std::time::Duration;

use crate::cause::Flaw;
use crate::kind::parse_time;
use crate::model::{CacheFor, OriginPattern, OriginPort};
use crate::name::HostName;
use crate::syntax::{self, FieldName};
use crate::tree::quoted;

/// Longest time that caches are told, in days: what HTTP calls a year.
const AGE_DAYS_MAX: u64 = 365;

/// An item of the origins: the star for all, or a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginItem {
    Any,
    Pattern(OriginPattern),
}

/// `*`, `https://a.example`, `https://*.example.org`, `http://localhost:*`.
pub(crate) fn origin(text: &str) -> Result<OriginItem, Flaw> {
    if text == "*" {
        return Ok(OriginItem::Any);
    }
    let flaw = |cure: &str| Err(Flaw::new(format!("{} is no origin", quoted(text)), cure));
    if text == "null" {
        return flaw("leave it out: every page can have its requests come from \"null\"");
    }
    let lower = text.to_ascii_lowercase();
    let Some((scheme, rest)) = lower.split_once("://") else {
        return flaw("begin with the scheme, as in \"https://a.example\"");
    };
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return flaw("begin with a scheme such as https");
    }
    if rest.contains(['/', '?', '#', '@']) {
        return flaw("write scheme, host and port alone, without a path or a slash at the end");
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, "*")) => (host, OriginPort::Any),
        Some((host, digits)) if !digits.ends_with(']') => match digits.parse() {
            // Browsers leave it out, so that a pattern with it would never match.
            Ok(number) if usual_port(scheme) == Some(number) => (host, OriginPort::Usual),
            Ok(number) if digits.bytes().all(|b| b.is_ascii_digit()) => (host, OriginPort::Number(number)),
            _ => return flaw("write a port from 0 to 65535 behind the colon, or * for any"),
        },
        _ => (rest, OriginPort::Usual),
    };
    let (host, below) = match host.strip_prefix('*') {
        Some(suffix) if suffix.starts_with('.') => (suffix, true),
        Some(_) => return flaw("write a dot behind the star, as in \"https://*.example.org\""),
        None => (host, false),
    };
    if host.trim_start_matches('.').parse::<HostName>().is_err() || host.contains('*') {
        return flaw("write a host name behind the scheme, as in \"https://a.example\"");
    }
    Ok(OriginItem::Pattern(OriginPattern { scheme: scheme.to_owned(), host: host.to_owned(), below, port }))
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// The name of a field of requests to an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestFieldName(pub(crate) FieldName);

/// One that says nothing about the connection or the length of the content, which is for the server to say.
pub(crate) fn request_field(text: &str) -> Result<RequestFieldName, Flaw> {
    const OWN: [&str; 9] = [
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let cure = match text.to_ascii_lowercase().as_str() {
        "host" => "use the key \"proxy_host\" instead",
        lower if OWN.contains(&lower) => "remove it",
        _ => return syntax::token(text).map(|name| RequestFieldName(FieldName(name))),
    };
    Err(Flaw::new(format!("the server writes the field {} itself", quoted(text)), cure))
}

/// `text/html`, `image/*`, `*`.
pub(crate) fn cache_for(text: &str) -> Result<CacheFor, Flaw> {
    if matches!(text, "*" | "*/*") {
        return Ok(CacheFor::Any);
    }
    if let Some(main) = text.strip_suffix("/*") {
        syntax::media_type(&format!("{main}/x"))?;
        return Ok(CacheFor::Main(main.to_ascii_lowercase()));
    }
    if text.contains(';') {
        let what = format!("{} has parameters, which are not compared", quoted(text));
        return Err(Flaw::new(what, "write type and subtype alone, such as \"text/html\""));
    }
    syntax::media_type(text).map(|media| CacheFor::Type(media.to_ascii_lowercase()))
}

/// `30d`, `1h private`, `365d immutable`, `no-cache`, `off`: the value of `Cache-Control`.
pub(crate) fn cache_control(text: &str) -> Result<Option<String>, Flaw> {
    const WORDS: [&str; 8] = [
        "no-cache",
        "no-store",
        "private",
        "public",
        "immutable",
        "must-revalidate",
        "no-transform",
        "proxy-revalidate",
    ];
    if text == "off" {
        return Ok(None);
    }
    let flaw = |cure: &str| Err(Flaw::new(format!("{} is nothing to tell caches", quoted(text)), cure));
    let mut directives: Vec<String> = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let directive = match parse_time(word) {
            _ if WORDS.contains(&word) => word.to_owned(),
            Ok(age) if age <= Duration::from_secs(AGE_DAYS_MAX * 86_400) => {
                format!("max-age={}", age.as_secs())
            }
            Ok(_) => return flaw("write at most 365d, which is what caches take for \"always\""),
            Err(_) => {
                return flaw(
                    "write a time such as \"30d\", words such as \"no-cache\", \"private\" and \"immutable\", or \"off\"",
                );
            }
        };
        let name = |directive: &str| directive.split('=').next().unwrap_or_default().to_owned();
        if directives.iter().any(|known| name(known) == name(&directive)) {
            return flaw("say each thing once");
        }
        directives.push(directive);
    }
    let said = |word: &str| directives.iter().any(|directive| directive.starts_with(word));
    if directives.is_empty() {
        return flaw("write a time such as \"30d\", a word such as \"no-cache\", or \"off\"");
    }
    if said("max-age") && (said("no-store") || said("no-cache")) {
        return flaw("say a time, or that nothing may be used without asking, but not both");
    }
    if said("public") && said("private") {
        return flaw("keep one of public and private");
    }
    if said("immutable") && !said("max-age") {
        return flaw("say for how long it never changes, as in \"365d immutable\"");
    }
    Ok(Some(directives.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let pattern = |scheme: &str, host: &str, below, port| {
            let (scheme, host) = (scheme.to_owned(), host.to_owned());
            Some(OriginItem::Pattern(OriginPattern { scheme, host, below, port }))
        };
        for (text, wanted) in [
            ("*", Some(OriginItem::Any)),
            ("https://a.example", pattern("https", "a.example", false, OriginPort::Usual)),
            ("HTTPS://A.example:443", pattern("https", "a.example", false, OriginPort::Usual)),
            ("http://a.example:8080", pattern("http", "a.example", false, OriginPort::Number(8080))),
            ("http://localhost:*", pattern("http", "localhost", false, OriginPort::Any)),
            ("https://*.example.org", pattern("https", ".example.org", true, OriginPort::Usual)),
            ("https://[::1]", pattern("https", "[::1]", false, OriginPort::Usual)),
            ("https://[::1]:8443", pattern("https", "[::1]", false, OriginPort::Number(8443))),
            ("", None),
            ("null", None),
            ("a.example", None),
            ("://a.example", None),
            ("https://", None),
            ("https://a.example/", None),
            ("https://a.example:x", None),
            ("https://a.example:+1", None),
            ("https://*", None),
            ("https://*example.org", None),
            ("https://a.*.example.org", None),
            ("https://user@a.example", None),
        ] {
            assert_eq!(origin(text).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn what_caches_are_told() {
        for (text, wanted) in [
            ("off", Some(None)),
            ("no-cache", Some(Some("no-cache"))),
            ("no-store private", Some(Some("no-store, private"))),
            ("30d", Some(Some("max-age=2592000"))),
            ("365d immutable", Some(Some("max-age=31536000, immutable"))),
            ("public, 1h", Some(Some("public, max-age=3600"))),
            ("", None),
            ("366d", None),
            ("max-age=5", None),
            ("5", None),
            ("1h 2h", None),
            ("1h no-store", None),
            ("public private", None),
            ("immutable", None),
            ("forever", None),
        ] {
            let found = cache_control(text).ok();
            assert_eq!(found.as_ref().map(Option::as_deref), wanted, "{text}");
        }
    }

    #[test]
    fn media_ranges() {
        for (text, wanted) in [
            ("*", Some(CacheFor::Any)),
            ("*/*", Some(CacheFor::Any)),
            ("Image/*", Some(CacheFor::Main("image".to_owned()))),
            ("text/HTML", Some(CacheFor::Type("text/html".to_owned()))),
            ("text", None),
            ("/*", None),
            ("text/html; charset=utf-8", None),
        ] {
            assert_eq!(cache_for(text).ok(), wanted, "{text}");
        }
    }
}

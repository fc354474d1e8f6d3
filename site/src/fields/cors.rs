//! What scripts of other origins may do: the CORS protocol of the Fetch standard.

use config::{OriginPattern, OriginPort, Origins};
use proto_http::{Known, Method, Request};

use super::head;

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";
const ALLOW_METHODS: &str = "Access-Control-Allow-Methods";
const ALLOW_HEADERS: &str = "Access-Control-Allow-Headers";
const MAX_AGE: &str = "Access-Control-Max-Age";
const REQUEST_METHOD: &[u8] = b"Access-Control-Request-Method";

/// Fields that an upstream may have written: who is let in is decided here.
const OURS: [&str; 6] =
    [ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE_HEADERS, ALLOW_METHODS, ALLOW_HEADERS, MAX_AGE];

/// The rules, with what is said to those who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cors {
    origins: Origins,
    /// Lines of every answer.
    always: Vec<u8>,
    /// Further lines of the answer to a preflight request.
    preflight: Vec<u8>,
}

impl Cors {
    pub(super) fn new(cors: &config::Cors) -> Cors {
        let mut always = Vec::new();
        if cors.credentials {
            head::push(&mut always, ALLOW_CREDENTIALS, "true");
        }
        if !cors.expose.is_empty() {
            head::push(&mut always, EXPOSE_HEADERS, cors.expose.join(", "));
        }
        let mut preflight = Vec::new();
        head::push(&mut preflight, ALLOW_METHODS, cors.methods.join(", "));
        if !cors.headers.is_empty() {
            head::push(&mut preflight, ALLOW_HEADERS, cors.headers.join(", "));
        }
        head::push(&mut preflight, MAX_AGE, cors.max_age.as_secs().to_string());
        Cors { origins: cors.origins.clone(), always, preflight }
    }

    /// Takes away what an upstream says, and tells caches what the answer depends on: with every answer, for one
    /// without an origin would otherwise be kept for those with one.
    pub(super) fn fix(&self, out: &mut Vec<u8>, head_at: usize) {
        OURS.iter().for_each(|name| head::remove(out, head_at, name));
        if self.origins != Origins::Any {
            head::push(out, "Vary", "Origin");
        }
    }

    pub(super) fn add_for(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let Some(origin) = request.field(Known::Origin) else { return };
        match &self.origins {
            Origins::Any => head::push(out, ALLOW_ORIGIN, "*"),
            Origins::Listed(patterns) => {
                let Some(origin) = std::str::from_utf8(origin).ok() else { return };
                if !patterns.iter().any(|pattern| matches(pattern, origin)) {
                    return;
                }
                head::push(out, ALLOW_ORIGIN, origin);
            }
        }
        out.extend_from_slice(&self.always);
        if is_preflight(request) {
            out.extend_from_slice(&self.preflight);
        }
    }
}

/// Whether a browser asks what a script may do.
pub(crate) fn is_preflight(request: &Request<'_>) -> bool {
    request.method() == Method::Options
        && request.field(Known::Origin).is_some()
        && request.fields().any(|(name, ..)| name.eq_ignore_ascii_case(REQUEST_METHOD))
}

/// Whether an origin, as browsers write them (lower case, no usual port), matches.
fn matches(pattern: &OriginPattern, origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix(pattern.scheme.as_str()).and_then(|rest| rest.strip_prefix("://"))
    else {
        return false;
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let host_fits = match host.strip_suffix(pattern.host.as_str()) {
        Some(before) if pattern.below => !before.is_empty() && before.bytes().all(is_of_name),
        Some(before) => before.is_empty(),
        None => false,
    };
    let port_fits = match (&pattern.port, port) {
        (OriginPort::Usual, port) => port.is_none(),
        (OriginPort::Number(number), Some(port)) => number.to_string() == port,
        (OriginPort::Number(_), None) => false,
        (OriginPort::Any, port) => {
            port.is_none_or(|port| port.parse::<u16>().is_ok_and(|n| n.to_string() == port))
        }
    };
    host_fits && port_fits
}

/// A byte of a host name: what is sent back is nothing else.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_match_whole() {
        let pattern = |host: &str, below, port| OriginPattern {
            scheme: "https".to_owned(),
            host: host.to_owned(),
            below,
            port,
        };
        let exact = pattern("a.example", false, OriginPort::Usual);
        let below = pattern(".example.org", true, OriginPort::Usual);
        let numbered = pattern("a.example", false, OriginPort::Number(8443));
        let any = pattern("a.example", false, OriginPort::Any);
        for (pattern, origin, wanted) in [
            (&exact, "https://a.example", true),
            (&exact, "http://a.example", false),
            (&exact, "https://a.example:8443", false),
            (&exact, "https://a.example.evil.example", false),
            (&exact, "https://evil-a.example", false),
            (&exact, "https://a.example/", false),
            (&exact, "null", false),
            (&exact, "", false),
            (&below, "https://a.example.org", true),
            (&below, "https://a.b.example.org", true),
            (&below, "https://example.org", false),
            (&below, "https://.example.org", false),
            (&below, "https://evilexample.org", false),
            (&below, "https://evil.example/.example.org", false),
            (&below, "https://evil.example?.example.org", false),
            (&below, "https://user@x.example.org", false),
            (&below, "https://a.example.org:1", false),
            (&numbered, "https://a.example:8443", true),
            (&numbered, "https://a.example", false),
            (&numbered, "https://a.example:08443", false),
            (&any, "https://a.example", true),
            (&any, "https://a.example:1", true),
            (&any, "https://a.example:01", false),
            (&any, "https://a.example:x", false),
        ] {
            assert_eq!(matches(pattern, origin), wanted, "{pattern:?} {origin}");
        }
    }
}

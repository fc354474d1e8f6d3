//! URLs that somebody types or pastes, to have them explained.

use std::fmt::{self, Write as _};

use proto_http::{BadRequest, Head, HeadParser, Limits};

/// A URL, or a path of the first host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) secure: Secure,
    /// None is the first host of the configuration.
    pub(crate) authority: Option<String>,
    /// Path and query, or `*`.
    pub(crate) target: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secure {
    No,
    Yes,
}

/// Why a text is no URL that a client could ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadUrl {
    /// Neither a path nor anything with a scheme.
    Form(String),
    /// The scheme is another one than those of HTTP.
    Scheme(String),
    /// No host stands behind the scheme.
    NoHost(String),
    /// Something that a client has to write in another way, at this place, in characters from 1.
    Character { at: usize, found: char },
    /// The same in the name of the host, where there is no other way.
    HostCharacter { at: usize, found: char },
    /// A user stands before the host.
    Credentials,
    /// What stands behind the scheme is no host.
    Host(String),
    /// `*` with another method than OPTIONS.
    Asterisk,
}

impl Url {
    /// Reads what a client would ask for with this method. A fragment is not sent by any, and is left out.
    pub(crate) fn parse(text: &str, method: &str) -> Result<Url, BadUrl> {
        if text == "*" {
            return if method == "OPTIONS" { Ok(Url::of_first(text)) } else { Err(BadUrl::Asterisk) };
        }
        let whole = text.split('#').next().unwrap_or_default();
        // Before anything else: a path may have a whole URL in it.
        if whole.starts_with('/') {
            check_target(whole, 0)?;
            return Ok(Url::of_first(whole));
        }
        let Some((scheme, rest)) = whole.split_once("://") else {
            return Err(BadUrl::Form(text.to_owned()));
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => Secure::No,
            "https" => Secure::Yes,
            _ => return Err(BadUrl::Scheme(scheme.to_owned())),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let before = scheme.chars().count() + "://".len();
        check_authority(authority, text, before)?;
        check_target(target, before + authority.chars().count())?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { secure, authority: Some(authority.to_owned()), target })
    }

    fn of_first(target: &str) -> Url {
        Url { secure: Secure::No, authority: None, target: target.to_owned() }
    }

    pub(crate) fn port(&self) -> Option<u16> {
        let (_, port) = self.authority.as_ref()?.rsplit_once(':')?;
        port.parse().ok()
    }
}

/// Looks for what no request line has (RFC 9112 section 3.2); so many characters stand before it.
fn check_target(target: &str, before: usize) -> Result<(), BadUrl> {
    let bad = target.chars().enumerate().find(|(_, found)| !found.is_ascii_graphic());
    bad.map_or(Ok(()), |(index, found)| Err(BadUrl::Character { at: before + index + 1, found }))
}

fn check_authority(authority: &str, text: &str, before: usize) -> Result<(), BadUrl> {
    if authority.contains('@') {
        return Err(BadUrl::Credentials);
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(BadUrl::NoHost(text.to_owned()));
    }
    let bad = authority.chars().enumerate().find(|(_, found)| !found.is_ascii_graphic());
    if let Some((index, found)) = bad {
        return Err(BadUrl::HostCharacter { at: before + index + 1, found });
    }
    // What a host may be is for those to say who serve it.
    let head = format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    match HeadParser::default().parse(head.as_bytes(), &Limits::default(), &mut Head::default()) {
        Err(BadRequest::HostInvalid) => Err(BadUrl::Host(authority.to_owned())),
        _ => Ok(()),
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) => {
                write!(
                    f,
                    "'{}' is no URL; write one such as https://example.org/a?b=c, or a path",
                    shown(text)
                )
            }
            Self::Scheme(scheme) => {
                write!(f, "'{}' is no scheme of a web server; write http:// or https://", shown(scheme))
            }
            Self::NoHost(text) => write!(
                f,
                "'{}' names no host; write one behind ://, or only the path for the first host",
                shown(text)
            ),
            Self::Character { at, found } => {
                write!(f, "character {at} of the URL is {}, which has to be encoded; write ", Noun(*found))?;
                let mut bytes = [0; 4];
                found.encode_utf8(&mut bytes).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
                f.write_str(" in its place")
            }
            Self::HostCharacter { at, found } => {
                let cure = if found.is_alphanumeric() {
                    "write the name as DNS has it, beginning with xn--"
                } else {
                    "leave it out"
                };
                write!(
                    f,
                    "character {at} of the URL is {}, which no name of a host has; {cure}",
                    Noun(*found)
                )
            }
            // A password is not repeated.
            Self::Credentials => f.write_str(
                "there is a user before the host, which clients send as a field; leave out all up to the @, \
                 and write --header 'Authorization: ...'",
            ),
            Self::Host(authority) => {
                write!(
                    f,
                    "'{authority}' is no host; write one such as example.org, 192.0.2.1:8080 or [::1]:8080"
                )
            }
            Self::Asterisk => {
                f.write_str("'*' is asked for by OPTIONS alone; write --method OPTIONS, or a path")
            }
        }
    }
}

/// What a character is called in a sentence.
struct Noun(char);

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ' ' => f.write_str("a space"),
            c if c.is_control() || c.is_whitespace() => write!(f, "U+{:04X}", u32::from(c)),
            c => write!(f, "'{c}'"),
        }
    }
}

/// A text with nothing in it that a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        match c {
            c if c.is_control() => drop(write!(shown, "\\u{{{:x}}}", u32::from(c))),
            c => shown.push(c),
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_would_ask_for_is_taken() {
        for (text, authority, target) in [
            ("/", None, "/"),
            ("/a?b=c", None, "/a?b=c"),
            ("//a/b", None, "//a/b"),
            ("/to/http://b/", None, "/to/http://b/"),
            ("/a#b c", None, "/a"),
            ("http://a", Some("a"), "/"),
            ("HTTP://a.example:80/b", Some("a.example:80"), "/b"),
            ("http://a?b", Some("a"), "/?b"),
            ("http://a/b?c=@:/#d", Some("a"), "/b?c=@:/"),
            ("http://a#/b", Some("a"), "/"),
            ("http://[::1]:8080/%zz", Some("[::1]:8080"), "/%zz"),
        ] {
            let wanted =
                Url { secure: Secure::No, authority: authority.map(Into::into), target: target.into() };
            assert_eq!(Url::parse(text, "GET"), Ok(wanted), "{text}");
        }
        assert_eq!(Url::parse("https://a", "GET").map(|url| url.secure), Ok(Secure::Yes));
        assert_eq!(Url::parse("*", "OPTIONS").map(|url| url.target), Ok("*".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_the_cure() {
        let encoded = |at, what, cure| {
            format!("character {at} of the URL is {what}, which has to be encoded; write {cure} in its place")
        };
        let in_host = |at, what, cure| {
            format!("character {at} of the URL is {what}, which no name of a host has; {cure}")
        };
        let no_host = |text| {
            format!("'{text}' names no host; write one behind ://, or only the path for the first host")
        };
        let no_host_of = |text| {
            format!("'{text}' is no host; write one such as example.org, 192.0.2.1:8080 or [::1]:8080")
        };
        let credentials = "there is a user before the host, which clients send as a field; leave out all up to the @, \
                           and write --header 'Authorization: ...'";
        for (text, wanted) in [
            ("", "'' is no URL; write one such as https://example.org/a?b=c, or a path".to_owned()),
            (
                "a\x1b/",
                "'a\\u{1b}/' is no URL; write one such as https://example.org/a?b=c, or a path".to_owned(),
            ),
            ("#/a", "'#/a' is no URL; write one such as https://example.org/a?b=c, or a path".to_owned()),
            ("ftp://a/", "'ftp' is no scheme of a web server; write http:// or https://".to_owned()),
            ("http:///a", no_host("http:///a")),
            ("http://", no_host("http://")),
            ("http://:80/", no_host("http://:80/")),
            ("http://host/a b", encoded(14, "a space", "%20")),
            ("/a?b c", encoded(5, "a space", "%20")),
            ("/a\r\nX: y", encoded(3, "U+000D", "%0D")),
            ("/\u{7f}", encoded(2, "U+007F", "%7F")),
            ("/\u{e9}t\u{e9}", encoded(2, "'\u{e9}'", "%C3%A9")),
            ("http://a/\u{20ac}", encoded(10, "'\u{20ac}'", "%E2%82%AC")),
            ("http://a b/", in_host(9, "a space", "leave it out")),
            (
                "http://b\u{fc}cher.example/",
                in_host(9, "'\u{fc}'", "write the name as DNS has it, beginning with xn--"),
            ),
            ("http://anna:secret@a/b", credentials.to_owned()),
            ("http://a:99999/", no_host_of("a:99999")),
            ("http://[::1/", no_host_of("[::1")),
            ("http://a^/", no_host_of("a^")),
            ("*", "'*' is asked for by OPTIONS alone; write --method OPTIONS, or a path".to_owned()),
        ] {
            assert_eq!(Url::parse(text, "GET").map_err(|bad| bad.to_string()), Err(wanted), "{text}");
        }
    }
}

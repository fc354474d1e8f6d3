//! The forms of texts: addresses, names, field lines, media types. Each function takes the text of one
//! value and gives what it means.

use std::str::FromStr;

use sys::net::{Address, BadAddress};

use crate::cause::Flaw;
use crate::model::{
    Arrival, Balance, ErrorStatus, HashBy, LogStatus, Peer, ProxyHost, Rank, Requirement, Transport,
    UpstreamAddress, Way,
};
use crate::name::HostName;
use crate::near::nearest;
use crate::place;
use crate::tree::quoted;

/// `127.0.0.1:8080`, `[::1]:8080`, `*:80`, `:80`, `unix:/run/kimura.sock`.
pub(crate) fn address(text: &str) -> Result<Address, Flaw> {
    text.parse().map_err(|bad| {
        let cure = match bad {
            _ if text.contains("://") => "leave the scheme out: \"127.0.0.1:8080\"".to_owned(),
            BadAddress::NoPort if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                format!("write \":{text}\" for the port on all IPv4 addresses, or \"127.0.0.1:{text}\"")
            }
            BadAddress::NoPort => "add a port, as in \"127.0.0.1:8080\"".to_owned(),
            BadAddress::BadPort => "write a port from 0 to 65535, where 0 is any free one".to_owned(),
            BadAddress::NoBrackets => "put an IPv6 address in brackets: \"[::1]:8080\"".to_owned(),
            BadAddress::BadHost => {
                "write an IP address, such as \"127.0.0.1:8080\"; names are not looked up".to_owned()
            }
            BadAddress::RelativePath => "write the path in full: \"unix:/run/kimura.sock\"".to_owned(),
            BadAddress::BadPath => "write a path of at most 107 bytes".to_owned(),
        };
        Flaw::new(format!("{} is no address to listen on", quoted(text)), cure)
    })
}

/// An address, what is spoken there, and who connects.
pub(crate) type Listening = (Address, Transport, Arrival);

/// `:80`, `:443 tls`, `:80 proxy`, `:443 tls proxy`.
pub(crate) fn listening(text: &str) -> Result<Listening, Flaw> {
    let (text, arrival) = without(text, " proxy", Arrival::Direct, Arrival::Proxied);
    let (text, transport) = without(text, " tls", Transport::Plain, Transport::Tls);
    match text.rsplit_once(' ') {
        // The path of a Unix socket may have a space.
        Some((before, word)) if address(before).is_ok() && !text.starts_with("unix:") => Err(Flaw::new(
            format!("{} cannot stand behind an address", quoted(word)),
            "write \"tls\", \"proxy\" or \"tls proxy\" there, or nothing",
        )),
        _ => address(text).map(|address| (address, transport, arrival)),
    }
}

/// `text` without that word at its end, and what its absence or presence means.
fn without<'t, W>(text: &'t str, word: &str, absent: W, present: W) -> (&'t str, W) {
    match text.strip_suffix(word) {
        Some(before) => (before.trim_end(), present),
        None => (text, absent),
    }
}

/// An IP address with a port, where TLS is spoken without saying so.
pub(crate) fn remote_address(text: &str) -> Result<Listening, Flaw> {
    match address(text)? {
        Address::Unix(_) => Err(Flaw::new(
            format!("{} is nowhere else", quoted(text)),
            "write an IP address with a port; /server/control/socket is for this machine",
        )),
        address => Ok((address, Transport::Tls, Arrival::Direct)),
    }
}

/// A host name, wildcard or IP literal.
pub(crate) fn host_name(text: &str) -> Result<HostName, Flaw> {
    HostName::from_str(text).map_err(Flaw::from)
}

/// What `default_host` can say.
#[derive(Clone, Debug)]
pub(crate) enum DefaultName {
    First,
    Refuse,
    Named(HostName),
}

pub(crate) fn default_host(text: &str) -> Result<DefaultName, Flaw> {
    match text {
        "first" => Ok(DefaultName::First),
        "refuse" => Ok(DefaultName::Refuse),
        name => host_name(name).map(DefaultName::Named),
    }
}

/// A name of a user or group, or a number.
pub(crate) fn account(text: &str) -> Result<String, Flaw> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    if text.is_empty() || text.starts_with('-') || !text.chars().all(fine) {
        let what = format!("{} is no name of a user or group", quoted(text));
        return Err(Flaw::new(what, "write a name such as \"www-data\", or a number in quotes"));
    }
    Ok(text.to_owned())
}

/// The mode of a file: `0660` or `660`.
pub(crate) fn mode(text: &str) -> Result<u32, Flaw> {
    let digits = text.strip_prefix('0').filter(|rest| !rest.is_empty()).unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if digits.len() == 3 && !digits.starts_with('+') => Ok(mode),
        _ => {
            let what = format!("{} is no mode of a file", quoted(text));
            Err(Flaw::new(what, "write three octal digits, such as \"0600\""))
        }
    }
}

/// `user:NAME` or `group:NAME`.
pub(crate) fn peer(text: &str) -> Result<Peer, Flaw> {
    match text.split_once(':') {
        Some(("user", name)) => account(name).map(Peer::User),
        Some(("group", name)) => account(name).map(Peer::Group),
        _ => {
            let what = format!("{} is neither a user nor a group", quoted(text));
            Err(Flaw::new(what, "write \"user:NAME\" or \"group:NAME\""))
        }
    }
}

/// A name of something that only the configuration knows.
pub(crate) fn short_name(text: &str) -> Result<String, Flaw> {
    const MAX: usize = 64;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.len() > MAX || !text.chars().all(fine) {
        let what = format!("{} is no name", quoted(text));
        return Err(Flaw::new(what, "write at most 64 letters, digits, and . - _"));
    }
    Ok(text.to_owned())
}

/// `404` or `5xx`.
pub(crate) fn log_status(text: &str) -> Result<LogStatus, Flaw> {
    let class = text.strip_suffix("xx").and_then(|class| class.parse::<u8>().ok());
    let code = text.parse::<u16>().ok().filter(|code| (100..600).contains(code) && text.len() == 3);
    match (code, class.filter(|class| (1..=5).contains(class) && text.len() == 3)) {
        (Some(code), _) => Ok(LogStatus::Code(code)),
        (None, Some(class)) => Ok(LogStatus::Class(class)),
        (None, None) => Err(Flaw::new(
            format!("{} is no status", quoted(text)),
            "write one from 100 to 599, such as \"404\", or a class such as \"5xx\"",
        )),
    }
}

/// A status by which a server is well.
pub(crate) fn health_status(text: &str) -> Result<LogStatus, Flaw> {
    let status = log_status(text)?;
    // RFC 9110 section 15.2: these come before the answer, and checks wait for that.
    if matches!(status, LogStatus::Class(1) | LogStatus::Code(..200)) {
        let what = format!("no answer to a check is {}: those with 1xx come before the answer", quoted(text));
        return Err(Flaw::new(what, "write a status from 200 to 599, or a class such as \"2xx\""));
    }
    Ok(status)
}

/// The name of a log: none that could be the path of a file or a word of its own where logs are named.
pub(crate) fn log_name(text: &str) -> Result<(), Flaw> {
    const MAX: usize = 64;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if matches!(text, "off" | "stdout" | "stderr") {
        let what = format!("{} cannot be the name of a log: it has a meaning of its own", quoted(text));
        return Err(Flaw::new(what, "write another name, such as \"main\""));
    }
    if text.is_empty() || text.len() > MAX || !text.chars().all(fine) {
        let what = format!("{} is no name of a log", quoted(text));
        return Err(Flaw::new(what, "write at most 64 letters, digits, - and _"));
    }
    Ok(())
}

/// The name of a group of servers: none that could be an address or a word of its own where groups are named.
pub(crate) fn upstream_name(text: &str) -> Result<(), Flaw> {
    if text == "off" {
        let what = "\"off\" cannot be the name of a group: it has a meaning of its own";
        return Err(Flaw::new(what, "write another name, such as \"app\""));
    }
    short_name(text).map(drop)
}

/// `round_robin`, `least_connections`, `random_two`, `hash address`, `hash header NAME` or `hash cookie NAME`.
pub(crate) fn balance(text: &str) -> Result<Balance, Flaw> {
    const WORDS: [&str; 6] = [
        "round_robin",
        "least_connections",
        "random_two",
        "hash address",
        "hash header NAME",
        "hash cookie NAME",
    ];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["round_robin"] => Ok(Balance::RoundRobin),
        ["least_connections"] => Ok(Balance::LeastConnections),
        ["random_two"] => Ok(Balance::RandomTwo),
        ["hash", "address"] => Ok(Balance::Hash(HashBy::Address)),
        ["hash", "header", name] => token(name).map(HashBy::Header).map(Balance::Hash),
        ["hash", "cookie", name] => token(name).map(HashBy::Cookie).map(Balance::Hash),
        _ => {
            let what = format!("servers cannot be chosen by {}", quoted(text));
            let cure = match nearest(text, WORDS) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("write {}", WORDS.join(", ")),
            };
            Err(Flaw::new(what, cure))
        }
    }
}

/// A name as fields and cookies have it (RFC 9110 section 5.6.2, RFC 6265 section 4.1.1).
pub(crate) fn token(text: &str) -> Result<String, Flaw> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(fine) {
        return Ok(text.to_owned());
    }
    let what = format!("{} is no name of a field or cookie", quoted(text));
    Err(Flaw::new(what, "write letters, digits and signs without spaces, such as \"X-User\""))
}

/// What a `proxy` can say.
#[derive(Clone, Debug)]
pub(crate) enum ProxyTo {
    /// A group of `/upstreams`.
    Group(String),
    /// A server, the text that names it, and what stands in place of its host where no port follows: a group has none
    /// either.
    Server(String, UpstreamAddress, ProxyScheme, Option<String>),
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyScheme {
    /// As it is.
    Http,
    /// With TLS.
    Https,
}

/// The name of a group, `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`.
pub(crate) fn proxy(text: &str) -> Result<ProxyTo, Flaw> {
    if let Some(socket) = text.strip_prefix("unix:") {
        // Elsewhere a path of requests follows behind a second colon.
        if let Some((socket, _)) =
            socket.split_once(":/").or(socket.strip_suffix(':').map(|socket| (socket, "")))
        {
            return Err(more_than_a_server(text, &format!("unix:{socket}")));
        }
        return place::upstream(text)
            .map(|address| ProxyTo::Server(text.to_owned(), address, ProxyScheme::Http, None));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return match text.contains([':', '/']) {
            false => short_name(text).map(ProxyTo::Group),
            true => {
                let what = format!("{} is neither a group nor a server", quoted(text));
                Err(Flaw::new(what, "write the name of a group of /upstreams, http://HOST:PORT or unix:PATH"))
            }
        };
    };
    let (speaks, port) = match scheme {
        "http" => (ProxyScheme::Http, place::HTTP),
        "https" => (ProxyScheme::Https, place::HTTPS),
        _ => {
            let what = format!("requests cannot be passed on by {}", quoted(scheme));
            return Err(Flaw::new(what, "write http://HOST:PORT, https://HOST:PORT or unix:PATH"));
        }
    };
    if rest.starts_with("unix:") {
        let what = format!("{} is neither a group nor a server", quoted(text));
        return Err(Flaw::new(what, "write the socket without http://, as in \"unix:/run/app.sock\""));
    }
    // Elsewhere even one slash at the end takes the prefix of its location from each path.
    if let Some(end) = rest.find(['/', '?', '#']).filter(|end| *end != 0) {
        return Err(more_than_a_server(text, &format!("{scheme}://{}", &rest[..end])));
    }
    let alone = (!rest.contains(':')).then(|| rest.to_owned());
    let server =
        |place| ProxyTo::Server(format!("{scheme}://{place}"), UpstreamAddress::Tcp(place), speaks, alone);
    place::web(rest, port).map(server)
}

fn more_than_a_server(text: &str, server: &str) -> Flaw {
    let what = format!("{} has more than a server, and requests keep their path", quoted(text));
    let strip = r#"{ "path": "^/app/(.*)$", "to": "/$1", "then": "stop" }"#;
    Flaw::new(what, format!("write \"{server}\"; to strip the prefix /app/, add \"rewrite\": [{strip}]"))
}

/// `keep`, `upstream`, or what a field Host can say (RFC 9110 section 7.2).
pub(crate) fn proxy_host(text: &str) -> Result<ProxyHost, Flaw> {
    match text {
        "keep" => Ok(ProxyHost::Keep),
        "upstream" => Ok(ProxyHost::Upstream),
        name => place::web(name, place::HTTP).map(|_| ProxyHost::Name(name.to_owned())).map_err(|_| {
            let what = format!("{} can be no Host of a request", quoted(text));
            Flaw::new(what, "write \"keep\", \"upstream\" or a name such as \"app.example.org\"")
        }),
    }
}

/// A protocol, with a version or for all of them (RFC 9110 section 7.8).
pub(crate) fn upgrade(text: &str) -> Result<String, Flaw> {
    const NEVER: [&str; 4] = ["h2c", "h2", "http", "tls"];
    let name = text.split('/').next().unwrap_or_default();
    if NEVER.iter().any(|never| name.eq_ignore_ascii_case(never)) {
        let what = format!("in {} requests would pass that nobody has looked at", quoted(text));
        return Err(Flaw::new(what, "remove it"));
    }
    let parts = text.split('/');
    if parts.clone().count() > 2 || parts.clone().any(|part| token(part).is_err()) {
        return Err(Flaw::new(
            format!("{} is no protocol", quoted(text)),
            "write a name such as \"websocket\"",
        ));
    }
    Ok(text.to_owned())
}

/// What a field Host can say (RFC 9110 section 7.2).
pub(crate) fn request_host(text: &str) -> Result<String, Flaw> {
    place::web(text, place::HTTP).map(|_| text.to_owned()).map_err(|_| {
        let what = format!("{} can be no Host of a request", quoted(text));
        Flaw::new(what, "write a name such as \"app.example.org\"")
    })
}

/// A path, perhaps with a query, as it can stand in a request (RFC 9112 section 3.2.1).
pub(crate) fn request_path(text: &str) -> Result<String, Flaw> {
    const MAX: usize = 2048;
    let fine = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if fine && text.len() <= MAX {
        return Ok(text.to_owned());
    }
    let what = format!("{} is no path of a request", quoted(text));
    Err(Flaw::new(what, "write a path that begins with a slash, without spaces: \"/health\""))
}

/// What a browser shows when it asks for a password.
pub(crate) fn realm(text: &str) -> Result<String, Flaw> {
    const MAX: usize = 128;
    // RFC 9110 5.6.4: what may stand between quotes as it is. Browsers differ about all beyond ASCII.
    let fine = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    if text.is_empty() || text.len() > MAX || !text.chars().all(fine) {
        let what = format!("{} cannot be shown by browsers", quoted(text));
        let cure =
            "write at most 128 ASCII letters, digits, spaces and signs, without quotes and backslashes";
        return Err(Flaw::new(what, cure));
    }
    Ok(text.to_owned())
}

/// The name of a user or group, as it can stand in an htpasswd file.
pub(crate) fn login_name(text: &str) -> Result<String, Flaw> {
    const MAX: usize = 255;
    if text.is_empty() || text.len() > MAX || text.contains(':') || text.chars().any(char::is_control) {
        let what = format!("{} is no name that can log in", quoted(text));
        return Err(Flaw::new(what, "write at most 255 bytes, without colons and control characters"));
    }
    Ok(text.to_owned())
}

/// The name of a PAM service: a file of `/etc/pam.d`, and never a path.
pub(crate) fn pam_service(text: &str) -> Result<String, Flaw> {
    const MAX: usize = 64;
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > MAX || text.starts_with('.') || !text.bytes().all(fine) {
        let what = format!("{} is no name of a PAM service", quoted(text));
        // libpam makes capitals small before it looks for the file.
        let cure = "write the name of a file of /etc/pam.d: at most 64 small letters, digits, -, _ and .";
        return Err(Flaw::new(what, cure));
    }
    Ok(text.to_owned())
}

/// The hash of a password. Whether the scheme is known and the hash whole is for others to say.
pub(crate) fn hash(text: &str) -> Result<String, Flaw> {
    if text.starts_with('$') || text.starts_with("{SHA}") {
        return Ok(text.to_owned());
    }
    // Not repeated: it may be the password itself.
    let what = "this is no hash of a password, which begins with $";
    Err(Flaw::new(what, "make one with `kimura passwd` and write what it prints"))
}

/// `user:NAME` or `group:NAME`, of those that log in.
pub(crate) fn requirement(text: &str) -> Result<Requirement, Flaw> {
    match text.split_once(':') {
        Some(("user", name)) => login_name(name).map(Requirement::User),
        Some(("group", name)) => login_name(name).map(Requirement::Group),
        _ => {
            let what = format!("{} is neither a user nor a group", quoted(text));
            Err(Flaw::new(what, "write \"user:NAME\" or \"group:NAME\""))
        }
    }
}

/// A rank, a space, and the hash of a password.
pub(crate) fn ranked_hash(text: &str) -> Result<(Rank, String), Flaw> {
    const CURE: &str =
        "make the hash with `kimura passwd`, and write the rank before it: \"operator $2y$...\"";
    let (rank, hash) = ranked(text, CURE)?;
    // Whether the scheme is known and the hash whole is for others to say.
    if hash.starts_with('$') {
        return Ok((rank, hash.to_owned()));
    }
    // Not repeated: it may be the password itself.
    Err(Flaw::new("what follows the rank is no hash of a password, which begins with $", CURE))
}

/// A rank, a space, and the SHA-256 of a token in hexadecimal digits.
pub(crate) fn ranked_digest(text: &str) -> Result<(Rank, [u8; 32]), Flaw> {
    const CURE: &str = "make the digest with `printf %s TOKEN | sha256sum`, and write the rank before it: \"operator 9f86...\"";
    ranked_sha256(text, CURE)
}

/// A rank, a space, and the SHA-256 of a certificate in hexadecimal digits.
pub(crate) fn ranked_fingerprint(text: &str) -> Result<(Rank, [u8; 32]), Flaw> {
    const CURE: &str = "make the digest with `openssl x509 -in FILE -outform DER | sha256sum`, and write the rank before it: \
                        \"operator 9f86...\"";
    ranked_sha256(text, CURE)
}

fn ranked_sha256(text: &str, cure: &str) -> Result<(Rank, [u8; 32]), Flaw> {
    let (rank, digits) = ranked(text, cure)?;
    let mut digest = [0; 32];
    let fine = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)).filter(|_| fine) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    // Not repeated: it may be the token itself.
    if fine {
        Ok((rank, digest))
    } else {
        Err(Flaw::new("what follows the rank are no 64 hexadecimal digits", cure))
    }
}

fn ranked<'t>(text: &'t str, cure: &str) -> Result<(Rank, &'t str), Flaw> {
    let split = text.split_once(' ').and_then(|(word, rest)| match word {
        "viewer" => Some((Rank::Viewer, rest)),
        "operator" => Some((Rank::Operator, rest)),
        "admin" => Some((Rank::Admin, rest)),
        _ => None,
    });
    split.ok_or_else(|| Flaw::new("it does not begin with viewer, operator or admin and a space", cure))
}

/// Any text.
pub(crate) fn any(text: &str) -> Result<String, Flaw> {
    Ok(text.to_owned())
}

/// An item of `try`.
pub(crate) fn way(text: &str) -> Result<Way, Flaw> {
    let Some(status) = text.strip_prefix('=') else {
        return match text {
            "handler" => Ok(Way::Handler),
            _ if text.starts_with(['/', '$']) => Ok(Way::To(text.to_owned())),
            _ => {
                let what = format!("{} is no path", quoted(text));
                Err(Flaw::new(what, "write a path such as \"$path.html\", \"=404\" or \"handler\""))
            }
        };
    };
    let code = status.parse().ok().filter(|code| (400..=599).contains(code));
    code.map(Way::Status).ok_or_else(|| {
        let what = format!("{} is no status of an error", quoted(text));
        Flaw::new(what, "write \"=404\", or another from \"=400\" to \"=599\"")
    })
}

/// The name of a file in the folder that is asked for.
pub(crate) fn file_name(text: &str) -> Result<String, Flaw> {
    if text.is_empty() || text.contains(['/', '\0']) || text == "." || text == ".." {
        let what = format!("{} is no file name", quoted(text));
        return Err(Flaw::new(what, "write a name without slashes, such as \"index.html\""));
    }
    Ok(text.to_owned())
}

/// What names of scripts end in.
pub(crate) fn script_ending(text: &str) -> Result<String, Flaw> {
    match text.strip_prefix('.') {
        Some(rest) if !rest.is_empty() && !rest.contains(['/', '\0']) => Ok(text.to_owned()),
        Some(_) => {
            let what = format!("{} is no ending of a file name", quoted(text));
            Err(Flaw::new(what, "write a dot and what follows it, such as \".php\""))
        }
        // "/wp-graphphp" would be a script.
        None => {
            let what =
                format!("{} would be the ending of names that have no dot before it, too", quoted(text));
            Err(Flaw::new(what, "write the dot as well, as in \".php\""))
        }
    }
}

/// A path of a script or of their folder; the folder has no slash at its end.
pub(crate) fn script_path(text: &str) -> Result<String, Flaw> {
    if !text.starts_with('/') || text.contains('\0') || text.split('/').any(|part| part == "..") {
        let what = format!("{} is no absolute path", quoted(text));
        return Err(Flaw::new(what, "write a path from the root on, such as \"/srv/app\""));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The name of a variable of a script.
pub(crate) fn variable_name(text: &str) -> Result<String, Flaw> {
    let is_name =
        |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !text.starts_with(|first: char| first.is_ascii_uppercase()) || !is_name(text) {
        let what = format!("{} is no name of a variable", quoted(text));
        return Err(Flaw::new(what, "write upper-case letters, digits and \"_\", such as \"APP_ENV\""));
    }
    if text == "HTTP_PROXY" {
        let what =
            "\"HTTP_PROXY\" is taken by some libraries for the proxy that they are to use (CVE-2016-5385)";
        return Err(Flaw::new(what, "give the variable another name"));
    }
    Ok(text.to_owned())
}

/// RFC 9110 section 5.6.2: token.
fn is_token(text: &str) -> bool {
    let tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(tchar)
}

/// A request method. They know case (RFC 9110 section 9.1), and all registered ones are upper case.
pub(crate) fn method(text: &str) -> Result<String, Flaw> {
    if !is_token(text) || text.bytes().any(|b| b.is_ascii_lowercase()) {
        let what = format!("{} is no method", quoted(text));
        return Err(Flaw::new(what, "write methods in upper case, such as \"GET\""));
    }
    Ok(text.to_owned())
}

/// A charset parameter.
pub(crate) fn charset(text: &str) -> Result<String, Flaw> {
    if !is_token(text) {
        let what = format!("{} is no charset", quoted(text));
        return Err(Flaw::new(what, "write a name such as \"utf-8\", or \"off\""));
    }
    Ok(text.to_owned())
}

/// A media type with or without parameters (RFC 9110 section 8.3.1).
pub(crate) fn media_type(text: &str) -> Result<String, Flaw> {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let valid = essence.trim_end().split_once('/').is_some_and(|(main, sub)| is_token(main) && is_token(sub));
    if !valid || !is_field_value(parameters.trim()) {
        let what = format!("{} is no media type", quoted(text));
        return Err(Flaw::new(what, "write type and subtype, such as \"text/plain\""));
    }
    Ok(text.to_owned())
}

/// A media type without parameters, in which `*` may stand for the type, the subtype, or its part before a `+`.
pub(crate) fn media_range(text: &str) -> Result<String, Flaw> {
    let is_part = |part: &str| is_token(part) && (!part.contains('*') || part == "*");
    let is_subtype = |sub: &str| is_part(sub.strip_prefix("*+").unwrap_or(sub));
    let valid = text.split_once('/').is_some_and(|(main, sub)| is_part(main) && is_subtype(sub));
    if !valid {
        let what = format!("{} is no media type", quoted(text));
        return Err(Flaw::new(
            what,
            "write one without parameters, such as \"text/html\", \"text/*\" or \"*/*+json\"",
        ));
    }
    Ok(text.to_ascii_lowercase())
}

/// A file name extension, without its dot; compared without case.
pub(crate) fn extension(text: &str) -> Result<String, Flaw> {
    let flaw = |cure: &str| Err(Flaw::new(format!("{} is no file name extension", quoted(text)), cure));
    match text.strip_prefix('.') {
        Some(rest) => flaw(&format!("leave the dot out: \"{rest}\"")),
        None if text.is_empty() || text.contains(['/', '.', '\0']) => {
            flaw("write the part behind the last dot of the name, such as \"html\"")
        }
        None => Ok(text.to_ascii_lowercase()),
    }
}

/// Fields that the server writes itself, with the key that changes them, if there is one.
const OWN_FIELDS: [(&str, Option<&str>); 16] = [
    ("accept-ranges", None),
    ("allow", Some("methods")),
    ("connection", None),
    ("content-length", None),
    ("content-range", None),
    ("content-type", Some("types")),
    ("date", None),
    ("etag", Some("etag")),
    ("keep-alive", None),
    ("last-modified", None),
    ("location", None),
    ("server", Some("/server/server_header")),
    ("te", None),
    ("trailer", None),
    ("transfer-encoding", None),
    ("upgrade", None),
];

/// The name of a field that is added to responses. Names know no case (RFC 9110 section 5.1).
#[derive(Clone, Debug)]
pub(crate) struct FieldName(pub(crate) String);

impl PartialEq for FieldName {
    fn eq(&self, other: &FieldName) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for FieldName {}

impl std::hash::Hash for FieldName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

pub(crate) fn field_name(text: &str) -> Result<FieldName, Flaw> {
    if !is_token(text) {
        let what = format!("{} is no name of a header field", quoted(text));
        return Err(Flaw::new(what, "use letters, digits and hyphens, and no colon"));
    }
    match OWN_FIELDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        None => Ok(FieldName(text.to_owned())),
        Some((_, key)) => {
            let cure =
                key.map_or_else(|| "remove it".to_owned(), |key| format!("use the key \"{key}\" instead"));
            Err(Flaw::new(format!("the server writes the field {} itself", quoted(text)), cure))
        }
    }
}

/// RFC 9110 section 5.5: what a field value may hold. A line break would end the field.
fn is_field_value(text: &str) -> bool {
    text.trim_matches([' ', '\t']) == text && !text.chars().any(|c| c.is_control() && c != '\t')
}

pub(crate) fn field_value(text: &str) -> Result<String, Flaw> {
    if !is_field_value(text) {
        let what = format!("{} cannot be the value of a header field", quoted(text));
        return Err(Flaw::new(what, "remove line breaks, control characters and spaces at both ends"));
    }
    Ok(text.to_owned())
}

/// `404`, `4xx`.
pub(crate) fn error_status(text: &str) -> Result<ErrorStatus, Flaw> {
    match text {
        "4xx" => return Ok(ErrorStatus::Class(4)),
        "5xx" => return Ok(ErrorStatus::Class(5)),
        _ => {}
    }
    let code = (text.len() == 3).then(|| text.parse::<u16>().ok()).flatten();
    code.filter(|code| (400..=599).contains(code)).map(ErrorStatus::Code).ok_or_else(|| {
        let cure = match nearest(text, ["4xx", "5xx"]) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write a status from \"400\" to \"599\", or \"4xx\" or \"5xx\"".to_owned(),
        };
        Flaw::new(format!("{} is no status of an error", quoted(text)), cure)
    })
}

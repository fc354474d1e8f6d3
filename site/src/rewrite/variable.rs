//! What a template can ask of a request.

use std::net::IpAddr;
use std::sync::Arc;

use config::nearest;
use proto_http::{Known, Request};

use super::Fault;
use super::map::Map;
use super::pattern::Captured;
use crate::{Client, Exchange, Security};

/// What stands in a text in place of a `$name`.
#[derive(Clone, Debug)]
pub(crate) enum Variable {
    /// The path as it is by now, decoded.
    Path,
    /// The query as it is by now, as it was written; without `?`.
    Query,
    /// `?`, if there is a query.
    QuestionMark,
    /// Path and query that the client has asked for.
    Asked,
    /// The name that the client has asked for, in lower case, without port; that of the host if it named none.
    Host,
    /// The name under which the configuration lists the host.
    ServerName,
    Scheme,
    Method,
    Protocol,
    Client,
    /// A field of the request, by its name in lower case.
    Field(Box<[u8]>),
    Cookie(Box<[u8]>),
    /// A part of the query, decoded.
    Argument(Box<[u8]>),
    /// What an expression of the rule has captured.
    Captured {
        /// Where it is.
        slot: usize,
        /// Whether the text was the name of a host.
        of_host: bool,
    },
    /// What a map has.
    Mapped(Arc<Map>),
    /// What is known once the request has been let in.
    Told(Fact),
}

/// What the rules that lead a request somewhere cannot know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    RequestId,
    User,
    /// Whom the client's certificate is about, as logs write it; nobody, unless it holds.
    Subject,
    /// The server that the request is passed on to.
    Upstream,
}

/// The names of these facts, which are those that logs have.
pub(crate) const FACTS: &[(&str, Fact)] = &[
    ("request_id", Fact::RequestId),
    ("remote_user", Fact::User),
    ("ssl_client_s_dn", Fact::Subject),
    ("upstream_addr", Fact::Upstream),
];

/// These facts about one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Knowledge<'v> {
    /// Its id, as logs and responses have it.
    pub request_id: &'v [u8],
    /// Who has logged in.
    pub user: Option<&'v str>,
    /// The server that it is passed on to, as the configuration has it.
    pub upstream: Option<&'v str>,
}

/// Every variable with a name of its own.
const NAMED: &[(&str, Variable)] = &[
    ("path", Variable::Path),
    ("uri", Variable::Path),
    ("document_uri", Variable::Path),
    ("query", Variable::Query),
    ("args", Variable::Query),
    ("query_string", Variable::Query),
    ("is_args", Variable::QuestionMark),
    ("request_uri", Variable::Asked),
    ("host", Variable::Host),
    ("server_name", Variable::ServerName),
    ("scheme", Variable::Scheme),
    ("method", Variable::Method),
    ("request_method", Variable::Method),
    ("server_protocol", Variable::Protocol),
    ("remote_addr", Variable::Client),
];

/// Whether a name is that of a variable which is always there.
pub(crate) fn is_built_in(name: &str) -> bool {
    NAMED.iter().any(|(known, _)| *known == name)
}

/// A variable by what follows the name of its family.
type Member = fn(&str) -> Variable;

/// Variables with a part that the writer of the template chooses.
const FAMILIES: &[(&str, Member)] = &[
    ("http_", |rest| Variable::Field(rest.replace('_', "-").to_ascii_lowercase().into_bytes().into())),
    ("cookie_", |rest| Variable::Cookie(rest.as_bytes().into())),
    ("arg_", |rest| Variable::Argument(rest.as_bytes().into())),
    ("query_", |rest| Variable::Argument(rest.as_bytes().into())),
];

/// The names that templates of one rule can use.
#[derive(Default)]
pub(crate) struct Scope<'n> {
    pub(crate) maps: &'n [(String, Arc<Map>)],
    /// [`FACTS`], where they are known.
    pub(crate) facts: &'static [(&'static str, Fact)],
    /// Names of groups, each with its slot and whether it is of the name of a host.
    pub(crate) named: Vec<(Box<str>, usize, bool)>,
    /// So many slots, beginning with the first, are of the expression for the path; none without one.
    pub(crate) numbered: usize,
}

impl Scope<'_> {
    /// The variable of this name.
    pub(crate) fn find(&self, name: &str) -> Result<Variable, Fault> {
        if let Ok(group) = name.parse::<usize>() {
            return self.numbered(group);
        }
        if let Some(&(_, slot, of_host)) = self.named.iter().find(|(known, ..)| &**known == name) {
            return Ok(Variable::Captured { slot, of_host });
        }
        if let Some((_, variable)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(variable.clone());
        }
        if let Some((_, fact)) = self.facts.iter().find(|(known, _)| *known == name) {
            return Ok(Variable::Told(*fact));
        }
        if let Some((_, map)) = self.maps.iter().find(|(known, _)| known == name) {
            return Ok(Variable::Mapped(Arc::clone(map)));
        }
        let family = |(prefix, make): &(&str, Member)| {
            name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(make)
        };
        FAMILIES.iter().find_map(family).ok_or_else(|| self.unknown(name))
    }

    fn numbered(&self, group: usize) -> Result<Variable, Fault> {
        if group < self.numbered {
            return Ok(Variable::Captured { slot: group, of_host: false });
        }
        let cause = match self.numbered {
            0 => format!("there is no ${group}: the rule has no \"path\""),
            slots => format!("there is no ${group}: \"path\" has {} groups", slots - 1),
        };
        Err(Fault::new(cause, "put what it is to be into parentheses in \"path\", or write $$ for a dollar"))
    }

    fn unknown(&self, name: &str) -> Fault {
        let known =
            NAMED.iter().map(|(known, _)| *known).chain(self.named.iter().map(|(known, ..)| &**known));
        let known = known.chain(self.facts.iter().map(|(known, _)| *known));
        let known = known.chain(self.maps.iter().map(|(known, _)| known.as_str()));
        let cure = match nearest(name, known) {
            Some(near) => format!("did you mean ${near}?"),
            None => "docs/rewriting.md lists all variables; write $$ for a dollar".to_owned(),
        };
        Fault::new(format!("there is no variable ${name}"), cure)
    }
}

/// What a variable looks at.
#[derive(Clone, Copy)]
pub(crate) struct View<'v> {
    pub(crate) request: Request<'v>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) security: Security,
    /// The name under which the configuration lists the host.
    pub(crate) host: &'v str,
    /// The path that the client has asked for, normalised.
    pub(crate) asked: &'v [u8],
    /// The path as it is by now.
    pub(crate) path: &'v [u8],
    pub(crate) query: Option<&'v [u8]>,
    pub(crate) captured: &'v Captured,
    /// Whom the client's certificate is about, if that holds.
    pub(crate) subject: Option<&'v str>,
    pub(crate) facts: Knowledge<'v>,
}

impl<'v> View<'v> {
    /// Of an exchange whose place is found.
    pub(crate) fn of(exchange: &Exchange<'v>, captured: &'v Captured) -> View<'v> {
        View {
            request: exchange.request,
            client: exchange.client,
            security: exchange.security,
            host: &exchange.place.host.name,
            asked: exchange.asked,
            path: exchange.path,
            query: exchange.query,
            captured,
            subject: exchange.holder.filter(|_| is_proven(exchange)).map(|holder| holder.subject.as_str()),
            facts: Knowledge::default(),
        }
    }
}

impl Variable {
    /// Whether its value is written as it goes into a query, and not to be escaped again.
    pub(crate) fn is_escaped(&self) -> bool {
        matches!(self, Variable::Query)
    }

    /// Whether it names no place that the client is free to choose: the host that was asked for leads back to where the
    /// client is.
    pub(crate) fn names_a_place(&self) -> bool {
        matches!(
            self,
            Variable::Host
                | Variable::ServerName
                | Variable::Scheme
                | Variable::Captured { of_host: true, .. }
                | Variable::Mapped(_)
        )
    }

    /// Whether it is the same wherever the request has been led to, and whatever a rule has captured.
    pub(crate) fn is_settled(&self) -> bool {
        match self {
            Variable::Asked
            | Variable::Host
            | Variable::ServerName
            | Variable::Scheme
            | Variable::Method
            | Variable::Protocol
            | Variable::Client
            | Variable::Field(_)
            | Variable::Cookie(_)
            | Variable::Told(_) => true,
            Variable::Path
            | Variable::Query
            | Variable::QuestionMark
            | Variable::Argument(_)
            | Variable::Captured { .. }
            | Variable::Mapped(_) => false,
        }
    }

    /// Appends its value.
    pub(crate) fn write(&self, view: &View<'_>, out: &mut Vec<u8>) {
        match self {
            Variable::Path => out.extend_from_slice(view.path),
            Variable::Query => out.extend_from_slice(view.query.unwrap_or_default()),
            Variable::QuestionMark => out.extend_from_slice(view.query.map_or(b"", |_| b"?")),
            Variable::Asked => {
                out.extend_from_slice(view.request.path());
                if let Some(query) = view.request.query() {
                    out.push(b'?');
                    out.extend_from_slice(query);
                }
            }
            Variable::Host => write_host(view, out),
            Variable::ServerName => out.extend_from_slice(view.host.as_bytes()),
            Variable::Scheme => out.extend_from_slice(match view.security {
                Security::Plain => b"http",
                Security::Tls { .. } => b"https",
            }),
            Variable::Method => out.extend_from_slice(view.request.method_bytes()),
            Variable::Protocol => out.extend_from_slice(match view.request.version() {
                proto_http::Version::Http10 => b"HTTP/1.0",
                proto_http::Version::Http11 => b"HTTP/1.1",
            }),
            Variable::Client => match view.client {
                Some(address) => out.extend_from_slice(address.to_string().as_bytes()),
                None => out.extend_from_slice(b"unix:"),
            },
            Variable::Field(name) => {
                let mut fields = view.request.fields();
                let found = fields.find(|(known, ..)| known.eq_ignore_ascii_case(name));
                out.extend_from_slice(found.map_or(b"", |(_, value, _)| value));
            }
            Variable::Cookie(name) => {
                let cookies = view.request.field(Known::Cookie).unwrap_or_default();
                out.extend_from_slice(pair(cookies, b';', name).unwrap_or_default());
            }
            Variable::Argument(name) => {
                let value = pair(view.query.unwrap_or_default(), b'&', name);
                decode_argument(value.unwrap_or_default(), out);
            }
            Variable::Mapped(map) => map.write(view, out),
            Variable::Told(fact) => out.extend_from_slice(match fact {
                Fact::RequestId => view.facts.request_id,
                Fact::User => view.facts.user.unwrap_or_default().as_bytes(),
                Fact::Subject => view.subject.unwrap_or_default().as_bytes(),
                Fact::Upstream => view.facts.upstream.unwrap_or_default().as_bytes(),
            }),
            Variable::Captured { slot, .. } => out.extend_from_slice(view.captured.get(*slot)),
        }
    }
}

/// Whether the client's certificate holds. Whoever is told a name takes it for the client's.
fn is_proven(exchange: &Exchange<'_>) -> bool {
    matches!(exchange.security, Security::Tls { client: Client::Proven, .. })
}

fn write_host(view: &View<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    match view.request.authority() {
        Some(authority) => out.extend_from_slice(authority.host),
        None => out.extend_from_slice(view.host.as_bytes()),
    }
    out[start..].make_ascii_lowercase();
    if out.len() > start + 1 && out.ends_with(b".") {
        out.pop();
    }
}

/// The value of `name` among pairs that `separator` separates.
fn pair<'t>(text: &'t [u8], separator: u8, name: &[u8]) -> Option<&'t [u8]> {
    text.split(|&byte| byte == separator).find_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|&byte| byte == b'=');
        let (known, value) = equals.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        (known == name).then_some(value)
    })
}

/// Appends a value of a query as forms mean it; a percent sign that escapes nothing stands for itself.
fn decode_argument(value: &[u8], out: &mut Vec<u8>) {
    let digit = |at: usize| value.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let escaped = (byte == b'%').then(|| digit(at + 1).zip(digit(at + 2))).flatten();
        match (byte, escaped) {
            (_, Some((high, low))) => {
                out.push((high << 4 | low) as u8);
                at += 3;
            }
            (b'+', None) => {
                out.push(b' ');
                at += 1;
            }
            (byte, None) => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

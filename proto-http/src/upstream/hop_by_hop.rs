//! What belongs to one connection and goes no further (RFC 9110 section 7.6.1).

use super::name::Name;
use super::response::Response;
use crate::{BadRequest, Known, Request, Version, token};

/// Most fields that the `Connection` fields of a message may name.
pub const OPTIONS_MAX: usize = 16;

/// The connection options of a message that may be names of fields: such fields are not passed on.
///
/// They are read anew for each question: nearly no message has any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    by: By<'a>,
}

/// Who names them.
#[derive(Clone, Copy, Debug, Default)]
enum By<'a> {
    /// Nobody.
    #[default]
    None,
    Request(Request<'a>),
    Response(Response<'a>),
}

impl<'a> Named<'a> {
    /// What the `Connection` fields of a request name.
    ///
    /// # Errors
    /// If they name more than [`OPTIONS_MAX`].
    pub fn of(request: &Request<'a>) -> Result<Named<'a>, BadRequest> {
        match options(request.all(Known::Connection)).take(OPTIONS_MAX + 1).count() {
            0 => Ok(Named::default()),
            count if count <= OPTIONS_MAX => Ok(Named { by: By::Request(*request) }),
            _ => Err(BadRequest::ConnectionOptions),
        }
    }

    /// What those of a response name.
    pub(super) fn by(response: Response<'a>, said: &Options) -> Named<'a> {
        Named { by: if said.names == 0 { By::None } else { By::Response(response) } }
    }

    /// Whether a field of this name stays here.
    #[must_use]
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        match &self.by {
            By::None => false,
            By::Request(request) => has(request.all(Known::Connection), name),
            By::Response(response) => has(response.all(Name::Connection), name),
        }
    }
}

/// What the `Connection` fields of a response say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    close: bool,
    keep_alive: bool,
    /// So many members may be names of fields.
    names: usize,
}

impl Options {
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Options {
        let mut said = Options::default();
        for value in values {
            // As a rule there is one member.
            if !said.add(value) {
                for option in members(std::iter::once(value)) {
                    said.names += usize::from(!said.add(option) && !option.is_empty());
                }
            }
        }
        said
    }

    /// Adds an option about the connection itself; `false` if it is something else.
    fn add(&mut self, option: &[u8]) -> bool {
        let (close, keep_alive) = (is(option, "close"), is(option, "keep-alive"));
        self.close |= close;
        self.keep_alive |= keep_alive;
        close || keep_alive
    }

    /// Whether they name more fields than anybody has use for.
    pub(super) fn is_too_much(&self) -> bool {
        OPTIONS_MAX < self.names
    }

    /// Whether the connection can be used again (RFC 9112 section 9.3): `close` beats `keep-alive` wherever it stands.
    pub(super) fn keeps(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

#[cold]
fn has<'a>(values: impl Iterator<Item = &'a [u8]>, name: &[u8]) -> bool {
    options(values).any(|option| option.eq_ignore_ascii_case(name))
}

/// What may name a field. What is said about the connection itself does not; nor do empty members.
fn options<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    let own = |option: &[u8]| option.is_empty() || ["close", "keep-alive"].iter().any(|own| is(option, own));
    members(values).filter(move |option| !own(option))
}

/// The members of lists (RFC 9110 section 5.6.1).
pub(crate) fn members<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    values.flat_map(|value| value.split(|&byte| byte == b',')).map(token::trim)
}

/// Whether a member is this, in any case.
pub(crate) fn is(member: &[u8], text: &str) -> bool {
    member.eq_ignore_ascii_case(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{Head, HeadParser, Limits};

    /// Whether each name is named by the `Connection` fields of a request.
    fn named(connection: &[&str], names: &[&str]) -> Result<Vec<bool>, BadRequest> {
        let lines: String = connection.iter().map(|value| format!("Connection: {value}\r\n")).collect();
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut head = Head::new();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a good head");
        let named = Named::of(&head.view(text.as_bytes()))?;
        Ok(names.iter().map(|name| named.contains(name.as_bytes())).collect())
    }

    #[test]
    fn options_are_names_of_fields_but_for_those_of_the_connection() {
        let connection = ["close, X-A,,keep-alive", " x-b\t"];
        for (name, contained) in
            [("x-a", true), ("X-B", true), ("close", false), ("Keep-Alive", false), ("", false), ("x", false)]
        {
            assert_eq!(named(&connection, &[name]), Ok(vec![contained]), "{name}");
        }
        assert_eq!(named(&["keep-alive"], &["x"]), Ok(vec![false]));
    }

    #[test]
    fn more_than_the_bound_are_refused() {
        let most = vec!["x"; OPTIONS_MAX].join(",");
        assert_eq!(named(&[&most], &["x"]), Ok(vec![true]));
        let more = format!("{most},close,x");
        assert_eq!(named(&[&more], &[]), Err(BadRequest::ConnectionOptions));
    }
}

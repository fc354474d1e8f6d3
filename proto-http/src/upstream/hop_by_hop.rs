//! What belongs to one connection and goes no further (RFC 9110 section 7.6.1).

use arrayvec::ArrayVec;

use crate::{BadRequest, Known, Request, token};

/// Most fields that the `Connection` fields of a message may name.
pub const OPTIONS_MAX: usize = 16;

/// The connection options of a message that may be names of fields: such fields are not passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    options: ArrayVec<&'a [u8], OPTIONS_MAX>,
}

impl<'a> Named<'a> {
    /// What the `Connection` fields of a request name.
    ///
    /// # Errors
    /// If they name more than [`OPTIONS_MAX`].
    pub fn of(request: &Request<'a>) -> Result<Named<'a>, BadRequest> {
        Named::collect(request.all(Known::Connection)).ok_or(BadRequest::ConnectionOptions)
    }

    /// What such values name; none if it is too much.
    pub(crate) fn collect(values: impl Iterator<Item = &'a [u8]>) -> Option<Named<'a>> {
        let mut named = Named::default();
        for option in members(values) {
            // What is said about the connection itself names no field; nor do empty members.
            if option.is_empty() || ["close", "keep-alive"].iter().any(|own| is(option, own)) {
                continue;
            }
            named.options.try_push(option).ok()?;
        }
        Some(named)
    }

    /// Whether a field of this name stays here.
    #[must_use]
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.options.iter().any(|option| option.eq_ignore_ascii_case(name))
    }
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

    #[test]
    fn options_are_names_of_fields_but_for_those_of_the_connection() {
        let values: [&[u8]; 2] = [b"close, X-A,,keep-alive", b" x-b\t"];
        let named = Named::collect(values.into_iter()).expect("few");
        for (name, contained) in
            [("x-a", true), ("X-B", true), ("close", false), ("Keep-Alive", false), ("", false), ("x", false)]
        {
            assert_eq!(named.contains(name.as_bytes()), contained, "{name}");
        }
    }

    #[test]
    fn more_than_the_bound_are_refused() {
        let most = vec!["x"; OPTIONS_MAX].join(",");
        assert!(Named::collect([most.as_bytes()].into_iter()).is_some());
        let more = format!("{most},close,x");
        assert!(Named::collect([more.as_bytes()].into_iter()).is_none());
    }
}

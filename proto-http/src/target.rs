//! The four forms of a request target (RFC 9112 section 3.2).

use crate::head::{Head, Span};
use crate::host::Located;
use crate::{BadRequest, Method};

/// The form that a target has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// A path, as sent to the server that is the origin.
    #[default]
    Origin,
    /// A whole URI, as sent to a proxy.
    Absolute,
    /// Host and port, for CONNECT alone.
    Authority,
    /// `*`, for OPTIONS alone.
    Asterisk,
}

/// A target as offsets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target {
    pub(crate) raw: Span,
    /// Without the query; at the end of `raw` and empty if the form has none.
    pub(crate) path: Span,
    pub(crate) form: Form,
}

impl Target {
    /// What follows the `?` after the path.
    #[inline]
    pub(crate) fn query(&self) -> Option<Span> {
        (self.path.end() < self.raw.end()).then(|| Span::new(self.path.end() + 1, self.raw.end()))
    }
}

/// Finds the parts of a target whose bytes are all allowed. `path_end` is where its first `?` is, or its
/// end.
#[inline]
pub(crate) fn locate(head: &mut Head, buf: &[u8], raw: Span, path_end: usize) -> Result<(), BadRequest> {
    head.target = Target { raw, path: Span::new(raw.start(), path_end), form: Form::Origin };
    if buf[raw.start()] == b'/' && head.method != Method::Connect {
        return Ok(());
    }
    let (target, authority) = other_form(buf, head.method, head.target)?;
    head.target = target;
    head.authority = authority;
    Ok(())
}

#[cold]
fn other_form(buf: &[u8], method: Method, target: Target) -> Result<(Target, Option<Located>), BadRequest> {
    let Target { raw, path, .. } = target;
    let nowhere = Span::new(raw.end(), raw.end());
    if method == Method::Connect {
        let authority = authority(buf, raw)?;
        // The client has to send the port, even the default one (RFC 9110 section 9.3.6).
        if !authority.has_port() {
            return Err(BadRequest::TargetAuthority);
        }
        return Ok((Target { raw, path: nowhere, form: Form::Authority }, Some(authority)));
    }
    if raw.of(buf) == b"*" {
        return if method == Method::Options {
            Ok((Target { raw, path: nowhere, form: Form::Asterisk }, None))
        } else {
            Err(BadRequest::TargetForm)
        };
    }
    // The scheme is sought in front of the query: `http:/?/` has none.
    let start = raw.start() + scheme(path.of(buf)).ok_or(BadRequest::TargetForm)?;
    let slash = buf[start..path.end()].iter().position(|&byte| byte == b'/');
    let path = Span::new(slash.map_or(path.end(), |at| start + at), path.end());
    let authority = authority(buf, Span::new(start, path.start()))?;
    Ok((Target { raw, path, form: Form::Absolute }, Some(authority)))
}

/// The length of the scheme with `://` after it (RFC 9110 section 4.2).
fn scheme(target: &[u8]) -> Option<usize> {
    [b"http://".as_slice(), b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .map(<[u8]>::len)
}

fn authority(buf: &[u8], span: Span) -> Result<Located, BadRequest> {
    // User information makes a host look like another one (RFC 9110 section 4.2.4).
    if span.of(buf).contains(&b'@') {
        return Err(BadRequest::TargetUserInfo);
    }
    Located::parse(buf, span).ok_or(BadRequest::TargetAuthority)
}

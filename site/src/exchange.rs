//! One request on its way to an action.

use std::net::IpAddr;

use auth::access::Holder;
use proto_http::{Request, path};

use crate::{Place, Security};

/// What rules look at, besides where the request leads by now.
#[derive(Clone, Copy)]
pub struct Inquiry<'r> {
    /// The request's head.
    pub request: Request<'r>,
    /// The path that the client has asked for, after percent-decoding and removal of dot segments.
    pub asked: &'r [u8],
    /// The client; none when it has no IP address.
    pub client: Option<IpAddr>,
    /// What carries it.
    pub security: Security,
}

/// What phases look at: the request and where it belongs.
#[derive(Clone, Copy)]
pub struct Exchange<'r> {
    /// The request's head.
    pub request: Request<'r>,
    /// The path after percent-decoding and removal of dot segments; begins with `/`.
    /// Rules may have given it another one than the client has asked for.
    pub path: &'r [u8],
    /// The query without its `?`, as rules have left it.
    pub query: Option<&'r [u8]>,
    /// The path that the client has asked for, in the same form.
    pub asked: &'r [u8],
    /// Host and location.
    pub place: Place<'r>,
    /// The client; none when it has no IP address.
    pub client: Option<IpAddr>,
    /// What carries it.
    pub security: Security,
    /// Whom the client's certificate is about, if it has shown one; that it holds is what `security` tells.
    pub holder: Option<&'r Holder>,
}

impl Exchange<'_> {
    /// Whether the path has an encoded slash in it that the client has sent: only another server knows what it means.
    pub(crate) fn keeps_slash(&self) -> bool {
        keeps_slash(self.path, &self.request)
    }
}

/// Whether a path that a request leads to has an encoded slash of the request in it.
pub(crate) fn keeps_slash(path: &[u8], request: &Request<'_>) -> bool {
    path::has_encoded_slash(path) && path::has_encoded_slash(request.path())
}

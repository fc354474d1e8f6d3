//! One request on its way to an action.

use std::net::IpAddr;

use auth::access::Holder;
use proto_http::Request;

use crate::{Place, Security};

/// What phases look at: the request and where it belongs.
#[derive(Clone, Copy)]
pub struct Exchange<'r> {
    /// The request's head.
    pub request: Request<'r>,
    /// The path after percent-decoding and removal of dot segments; begins with `/`.
    pub path: &'r [u8],
    /// Host and location.
    pub place: Place<'r>,
    /// The client; none when it has no IP address.
    pub client: Option<IpAddr>,
    /// What carries it.
    pub security: Security,
    /// Whom the client's certificate is about, if it has shown one; that it holds is what `security` tells.
    pub holder: Option<&'r Holder>,
}

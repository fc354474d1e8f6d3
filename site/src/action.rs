//! What a chain of phases decides.

use std::borrow::Cow;

use proto_http::{Method, Status};

use crate::{Attempts, Comet, Files, Gate, Part, Relay};

/// What the engine shall do for a request.
#[derive(Debug)]
pub enum Action<'s> {
    /// Send an answer that is complete in itself.
    Respond(Answer<'s>),
    /// Send the file that the path names, or what its absence means.
    File(&'s Files),
    /// Send the client elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: Status,
        /// Value of `Location`, fit to be sent.
        location: Vec<u8>,
    },
    /// Send a body that a rule has made.
    Reply {
        /// The status.
        status: Status,
        /// Value of `Content-Type`.
        media_type: &'s str,
        /// The content.
        body: Cow<'s, [u8]>,
    },
    /// Look which of these files is there; [`Walk::go`](crate::Walk::go) says how it goes on.
    Try(&'s Attempts),
    /// Send the client to the same place with TLS, on this port; none for the usual one.
    ToTls(Option<u16>),
    /// Have the client log in; what it may do then, [`decide_admitted`](crate::decide_admitted) says.
    NeedLogin(&'s Gate),
    /// Show what is logged, as it comes.
    Comet(&'s Comet, Part),
    /// Pass the request on, and its answer back.
    Relay(&'s Relay),
    /// Send the request's own body back.
    Echo,
    /// Send the numbers of the server.
    Metrics,
    /// Close the connection without a word.
    HangUp,
}

/// An answer without content of its own: errors get a page, others an empty body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'s> {
    /// The status.
    pub status: Status,
    /// Value of `Allow`: due on 405 (RFC 9110 section 15.5.6) and on an answer to OPTIONS.
    pub allow: Option<&'s str>,
    /// Value of `WWW-Authenticate`: due on 401 (RFC 9110 section 15.5.2).
    pub challenge: Option<&'s str>,
    /// Value of `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// Whether the connection must not be used again, whatever the client wishes.
    pub close: bool,
}

/// Value of `Allow` for a file.
const OF_FILES: &str = "GET, HEAD, OPTIONS";

/// What is to be done with a file that is there, for a request with this method.
#[must_use]
pub fn file_for(files: &Files, method: Method) -> Action<'_> {
    match method {
        Method::Get | Method::Head => Action::File(files),
        _ => Action::Respond(Answer { allow: Some(OF_FILES), ..Answer::with(Status::METHOD_NOT_ALLOWED) }),
    }
}

impl Answer<'_> {
    /// An answer with this status alone.
    #[must_use]
    pub fn with(status: Status) -> Answer<'static> {
        Answer { status, allow: None, challenge: None, retry_after: None, close: false }
    }
}

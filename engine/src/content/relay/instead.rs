//! Answers of a server that a client does not get: it has named a file, or its error has a page here.

use std::sync::LazyLock;

use proto_http::upstream::{FieldNames, Response};
use proto_http::{Request, Status, path};
use site::{Accel, ErrorPages, Place};

use super::super::{Onward, Responder, Sent, answer as own};

const REDIRECT: &str = "X-Accel-Redirect";
const SENDFILE: &str = "X-Sendfile";

/// Fields for us, which reach no client, whether they mean anything here or not.
pub(super) static FOR_US: LazyLock<FieldNames> = LazyLock::new(|| {
    let mut names = FieldNames::default();
    for name in [REDIRECT, SENDFILE] {
        names.insert(name).expect("it is the name of a field");
    }
    names
});

/// Fields of an answer that go with the file that it names.
const WITH_FILES: [&str; 5] =
    ["Cache-Control", "Content-Disposition", "Content-Language", "Expires", "Set-Cookie"];
/// Fields that go with the page of an error.
const WITH_ERRORS: [&str; 3] = ["Allow", "Retry-After", "WWW-Authenticate"];

/// What is sent in place of an answer.
#[derive(Debug)]
pub(super) struct Replacement {
    what: What,
    /// Lines that go with it.
    lines: Vec<u8>,
    /// The media type of the answer that it replaces.
    media_type: Option<String>,
}

#[derive(Debug)]
enum What {
    /// What the host has at this path, with this query.
    Path(Vec<u8>, Option<Vec<u8>>),
    /// A file of the machine.
    File(Vec<u8>),
    /// What an error of our own gets.
    Error(Status),
}

/// What the place of a request does to answers.
#[derive(Clone, Copy)]
pub(super) struct Replacing<'x> {
    pages: Option<&'x ErrorPages>,
    accel: Option<&'x Accel>,
}

impl<'x> Replacing<'x> {
    pub(super) fn at(place: Option<Place<'x>>) -> Replacing<'x> {
        let location = place.map(|place| place.location);
        Replacing {
            pages: location.filter(|location| location.intercept).map(|location| &location.error_pages),
            accel: location.and_then(|location| location.accel.as_ref()),
        }
    }

    /// What is sent in place of this answer, if it is not what the client gets.
    pub(super) fn of(&self, response: &Response<'_>, request: &Request<'_>) -> Option<Replacement> {
        if self.accel.is_some() {
            if let Some(value) = response.field_named(REDIRECT) {
                return Some(Replacement::path(value, response));
            }
            if let Some(value) = response.field_named(SENDFILE) {
                let what = What::File(value.to_vec());
                return Some(Replacement::file(what, response));
            }
        }
        let status = response.status();
        let is_replaced = self.pages.is_some_and(|pages| pages.replaces(status, Some(request)));
        is_replaced.then(|| Replacement {
            what: What::Error(status),
            lines: copied(response, &WITH_ERRORS),
            media_type: None,
        })
    }
}

impl Replacement {
    fn path(value: &[u8], response: &Response<'_>) -> Replacement {
        let mut scratch = Vec::new();
        let mut parts = value.splitn(2, |&byte| byte == b'?');
        let (raw, query) = (parts.next().unwrap_or_default(), parts.next());
        match path::normalize(raw, &mut scratch) {
            Ok(path) => Replacement::file(What::Path(path.to_vec(), query.map(<[u8]>::to_vec)), response),
            Err(bad) => {
                log::warn!("an upstream server names a path in {REDIRECT} that is none: {bad}");
                Replacement { what: What::Error(Status::BAD_GATEWAY), lines: Vec::new(), media_type: None }
            }
        }
    }

    fn file(what: What, response: &Response<'_>) -> Replacement {
        let media_type = response.field_named("Content-Type");
        let media_type = media_type.and_then(|value| String::from_utf8(value.to_vec()).ok());
        Replacement { what, lines: copied(response, &WITH_FILES), media_type }
    }

    /// Has it sent.
    pub(super) fn send(self, responder: &mut Responder<'_>) -> Sent {
        let Replacement { what, lines, media_type } = self;
        match what {
            What::Error(status) => own::respond(responder, status, |own| own.extend_from_slice(&lines)),
            What::Path(path, query) => responder.lead_on(Onward { path, query, lines, media_type }),
            What::File(path) => {
                responder.media_type = media_type;
                responder.send_named(path, lines)
            }
        }
    }
}

/// These fields of an answer, as lines.
fn copied(response: &Response<'_>, names: &[&str]) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value, _) in response.fields() {
        if names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes())) {
            lines.extend_from_slice(name);
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value);
            lines.extend_from_slice(b"\r\n");
        }
    }
    lines
}

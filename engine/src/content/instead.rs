//! A file that is sent in place of something else: of an error that has a path for its page, or of the answer of an
//! upstream that has named one.
//!
//! Only files: so no answer leads to another request, and nothing can go in circles. An error that has a path, an answer
//! with one, and an error on the way there, is the longest way.

use proto_http::{Status, path};
use site::{Location, Place};

use super::{Responder, Sent, answer, file};
use crate::stream::Gone;

/// Most files that are sent in place of one another.
const TURNS_MAX: usize = 2;

/// What is sent instead.
#[derive(Debug)]
pub(crate) struct Instead<'x> {
    path: &'x [u8],
    below: Below,
    /// The status of the error; none where the answer is an ordinary one.
    status: Option<Status>,
    /// Lines that go with it.
    lines: Vec<u8>,
}

/// What a path is looked for below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// The host: it is one that a client could ask for, normalised.
    Host,
    /// What the upstream of the location may have sent: it is one of the machine.
    Accel,
}

impl<'x> Instead<'x> {
    /// What the host has at a path, for an error.
    pub(super) fn for_error(status: Status, path: &'x [u8], lines: Vec<u8>) -> Instead<'x> {
        Instead { path, below: Below::Host, status: Some(status), lines }
    }
}

impl Responder<'_> {
    /// Has a file sent that an upstream has named, with these lines of its answer; once for a request.
    pub(super) fn send_named(&mut self, path: Vec<u8>, below: Below, lines: Vec<u8>) -> Sent {
        if self.named_path.set(path).is_err() {
            return answer::respond(self, Status::BAD_GATEWAY, |_| {});
        }
        let path = self.named_path.get().expect("it has just been set");
        self.instead = Some(Instead { path, below, status: None, lines });
        Sent { status: Status::OK, content: 0 }
    }
}

/// Sends it.
pub(super) async fn send(responder: &mut Responder<'_>) -> Result<Sent, Gone> {
    for _ in 0..TURNS_MAX {
        let Some(Instead { path, below, status, lines }) = responder.instead.take() else { break };
        responder.stands_for = status;
        responder.lines = lines;
        let sent = turn(responder, path, below).await?;
        if responder.instead.is_none() {
            return Ok(sent);
        }
    }
    responder.instead = None;
    // Nothing leads on from the page of an error.
    responder.stands_for = Some(Status::INTERNAL_SERVER_ERROR);
    Ok(answer::respond(responder, Status::INTERNAL_SERVER_ERROR, |_| {}))
}

async fn turn<'x>(responder: &mut Responder<'x>, path: &'x [u8], below: Below) -> Result<Sent, Gone> {
    let found = responder.place.and_then(|place| match below {
        Below::Host => {
            let location = place.host.location(path);
            responder.place = Some(Place { location, ..place });
            responder.fields = &location.fields;
            responder.compression = location.compression.as_deref();
            location.files().map(|files| (&**files, path, location))
        }
        Below::Accel => {
            let (files, path) = place.location.accel.as_ref()?.below(path)?;
            // What a name hides is not meant for anybody, whatever the location says of its own paths.
            (!path::has_hidden_segment(path)).then_some((files, path, place.location))
        }
    });
    let hides = |location: &Location| !location.shows_dotfiles() && path::has_hidden_segment(path);
    match found {
        Some((files, path, location)) if !hides(location) => {
            responder.path = path;
            file::send(responder, files).await
        }
        _ => Ok(answer::respond(responder, Status::NOT_FOUND, |_| {})),
    }
}

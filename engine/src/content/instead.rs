//! A file that is sent in place of something else: of an error that has a path for its page, or of the answer of an
//! upstream that has named one.
//!
//! Only files: so no answer leads to another request, and nothing can go in circles. An error that has a path, an answer
//! with one, and an error on the way there, is the longest way.

use proto_http::{Status, path};

use super::{Responder, Sent, answer, file};
use crate::stream::Gone;

/// Most files that are sent in place of one another.
const TURNS_MAX: usize = 2;

/// What is sent instead.
#[derive(Debug)]
pub(crate) struct Instead<'x> {
    /// Normalised.
    path: &'x [u8],
    /// The status of the error; none where the answer is an ordinary one.
    status: Option<Status>,
    /// Lines that go with it.
    lines: Vec<u8>,
}

impl<'x> Instead<'x> {
    /// What the host has at a path, for an error.
    pub(super) fn for_error(status: Status, path: &'x [u8], lines: Vec<u8>) -> Instead<'x> {
        Instead { path, status: Some(status), lines }
    }

    /// What the host has at a path that an upstream has named, with these lines of its answer.
    pub(super) fn named(path: &'x [u8], lines: Vec<u8>) -> Instead<'x> {
        Instead { path, status: None, lines }
    }
}

/// Sends it.
pub(super) async fn send(responder: &mut Responder<'_>) -> Result<Sent, Gone> {
    for _ in 0..TURNS_MAX {
        let Some(Instead { path, status, lines }) = responder.instead.take() else { break };
        responder.path = path;
        responder.stands_for = status;
        responder.lines = lines;
        let sent = turn(responder, path).await?;
        if responder.instead.is_none() {
            return Ok(sent);
        }
    }
    responder.instead = None;
    // Nothing leads on from the page of an error.
    responder.stands_for = Some(Status::INTERNAL_SERVER_ERROR);
    Ok(answer::respond(responder, Status::INTERNAL_SERVER_ERROR, |_| {}))
}

async fn turn(responder: &mut Responder<'_>, path: &[u8]) -> Result<Sent, Gone> {
    let found = responder.place.map(|place| (place, place.host.location(path)));
    let Some((place, location)) = found else {
        return Ok(answer::respond(responder, Status::NOT_FOUND, |_| {}));
    };
    let Some(files) =
        location.files().filter(|_| location.shows_dotfiles() || !path::has_hidden_segment(path))
    else {
        return Ok(answer::respond(responder, Status::NOT_FOUND, |_| {}));
    };
    responder.place = Some(site::Place { location, ..place });
    responder.fields = &location.fields;
    file::send(responder, files).await
}

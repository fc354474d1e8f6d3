//! What is sent in place of something else: the file that stands for an error, or what an upstream has named in place of its
//! answer.
//!
//! A path of the host that an upstream has named is gone to by the way that all requests take; all else are files. In the
//! end there are only files: so no answer leads to another upstream, and nothing can go in circles. An error that has a
//! path, an answer with one, and an error on the way there, is the longest way.

use proto_http::{Status, path};
use site::{Action, Answer, Location, Place};

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
enum Below {
    /// The host: it is one that a client could ask for, normalised.
    Host,
    /// What the upstream of the location may have sent: it is one of the machine.
    Accel,
}

/// A path of the host that an upstream has named in place of its answer.
#[derive(Debug)]
pub(crate) struct Onward {
    /// Normalised.
    pub(crate) path: Vec<u8>,
    pub(crate) query: Option<Vec<u8>>,
    /// Lines of the answer that go with what is there.
    pub(crate) lines: Vec<u8>,
    /// The media type of the answer.
    pub(crate) media_type: Option<String>,
}

impl Onward {
    /// What is done of what its location would do: nothing that makes another request of this one.
    pub(crate) fn permit<'a>(action: Action<'a>) -> Action<'a> {
        match action {
            Action::Relay(_) | Action::Comet(..) | Action::Echo | Action::Metrics => {
                Action::Respond(Answer::with(Status::NOT_FOUND))
            }
            action => action,
        }
    }
}

impl<'x> Instead<'x> {
    /// What the host has at a path, for an error.
    pub(super) fn for_error(status: Status, path: &'x [u8], lines: Vec<u8>) -> Instead<'x> {
        Instead { path, below: Below::Host, status: Some(status), lines }
    }
}

impl Responder<'_> {
    /// Has a file of the machine sent that an upstream has named, with these lines of its answer; once for a request.
    pub(super) fn send_named(&mut self, path: Vec<u8>, lines: Vec<u8>) -> Sent {
        if self.named_path.set(path).is_err() {
            return answer::respond(self, Status::BAD_GATEWAY, |_| {});
        }
        let path = self.named_path.get().expect("it has just been set");
        self.instead = Some(Instead { path, below: Below::Accel, status: None, lines });
        Sent { status: Status::OK, content: 0 }
    }

    /// Has the request go on at a path of the host.
    pub(super) fn lead_on(&mut self, onward: Onward) -> Sent {
        self.onward = Some(onward);
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
            location.served_files().map(|files| (&**files, path, location))
        }
        Below::Accel => {
            let Some((files, path)) = place.location.accel.as_ref()?.below(path) else {
                log::warn!(
                    "an upstream server names a file that is not below the folder for such files: {}",
                    path.escape_ascii()
                );
                return None;
            };
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

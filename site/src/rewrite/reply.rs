//! Answers that are complete in themselves: a status, a body, or the place that the client is sent to.

use std::borrow::Cow;

use proto_http::Status;

use super::target::Target;
use super::template::{Escape, Part, write};
use super::variable::View;
use crate::{Action, Answer};

/// What a rule, a host or a location answers.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A status; an error has its page.
    Status(Status),
    /// The client is sent elsewhere.
    Redirect {
        status: Status,
        target: Target,
        /// JSON Pointer of the answer.
        pointer: String,
    },
    /// A body.
    Body { status: Status, media_type: String, escape: Escape, parts: Vec<Part> },
}

/// What is done where a status is all that is told.
pub(super) fn with(status: Status) -> Action<'static> {
    if status.code() == config::NO_ANSWER { Action::HangUp } else { Action::Respond(Answer::with(status)) }
}

impl Reply {
    /// What is to be done. A client that puts something into it that cannot be there is told so.
    pub(crate) fn action(&self, view: &View<'_>) -> Action<'_> {
        match self {
            Reply::Status(status) => with(*status),
            Reply::Redirect { status, target, .. } => match target.location(view) {
                Ok(location) => Action::Redirect { status: *status, location },
                Err(refused) => Action::Respond(Answer::with(refused)),
            },
            Reply::Body { status, media_type, escape, parts } => {
                let body = match parts.as_slice() {
                    [] => Cow::Borrowed(&[][..]),
                    [Part::Text(text)] => Cow::Borrowed(text.as_slice()),
                    parts => {
                        let mut body = Vec::new();
                        write(parts, view, *escape, &mut body);
                        Cow::Owned(body)
                    }
                };
                Action::Reply { status: *status, media_type, body }
            }
        }
    }
}

//! Refuses a body that is announced larger than allowed, before any of it is read.

use proto_http::{Body, Status};

use super::Flow;
use crate::{Action, Answer, Exchange};

/// Largest body in bytes. One that comes in chunks is counted while it is read, by the engine.
#[derive(Debug)]
pub(crate) struct BodyLimit(pub(crate) u64);

impl BodyLimit {
    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'static> {
        match exchange.request.body() {
            Body::Length(length) if self.0 < length => {
                // RFC 9110 section 15.5.14: closing spares both sides the rest of the body.
                let answer = Answer { close: true, ..Answer::with(Status::CONTENT_TOO_LARGE) };
                Flow::Done(Action::Respond(answer))
            }
            _ => Flow::Next,
        }
    }
}

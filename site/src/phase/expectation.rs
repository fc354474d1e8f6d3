//! Refuses expectations that nobody here can meet.

use proto_http::{Known, Status};

use super::Flow;
use crate::{Action, Answer, Exchange};

/// Answers 417 to an `Expect` other than `100-continue` (RFC 9110 section 10.1.1).
#[derive(Debug)]
pub(crate) struct Expectation;

impl Expectation {
    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'static> {
        let request = &exchange.request;
        if request.field(Known::Expect).is_some_and(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
            let answer = Answer { close: true, ..Answer::with(Status::EXPECTATION_FAILED) };
            return Flow::Done(Action::Respond(answer));
        }
        Flow::Next
    }
}

//! Hides names that begin with a dot: `.git`, `.env` and their like are published by mistake only.

use proto_http::{Status, path};

use super::Flow;
use crate::{Action, Answer, Exchange};

/// Answers 404 to a path with a hidden segment.
#[derive(Debug)]
pub(crate) struct Dotfiles;

impl Dotfiles {
    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'static> {
        if path::has_hidden_segment(exchange.path) {
            return Flow::Done(Action::Respond(Answer::with(Status::NOT_FOUND)));
        }
        Flow::Next
    }
}

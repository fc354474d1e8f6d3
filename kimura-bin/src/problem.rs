//! Refusals of the system, shown where the configuration asked for what is refused.

use config::{Problem, Registry};
use std::fmt::Display;

/// A refusal at the value that `pointer` leads to. The messages of `sys` have the form `cause: cure`.
pub(crate) fn refused(registry: &Registry, pointer: &str, refusal: &impl Display) -> Problem {
    let sentence = refusal.to_string();
    match sentence.rsplit_once(": ") {
        Some((cause, cure)) => registry.problem(pointer, cause, cure),
        None => registry.problem(pointer, sentence, "write another value"),
    }
}

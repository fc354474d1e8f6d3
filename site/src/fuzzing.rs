//! Properties that hold for every input, checked by fuzzers and tests. Not part of the interface.

pub use crate::rewrite::fuzzing::rules;

//! RuleList that change where a request leads, or answer it.
//!
//! - `pattern`: regular expressions, and what they have captured;
//! - `template`, `variable`: texts with `$variables`;
//! - `target`: from a template to a path and a query, or to a `Location`, with all that is substituted escaped by where
//!   it goes;
//! - `condition`: what else has to hold, and what only a look at files can tell;
//! - `map`: tables of texts;
//! - `rule`: one rule, and whether it matches;
//! - `attempts`: files that are tried one after the other;
//! - `reply`: answers that are complete in themselves;
//! - `compile`: all of these from the configuration;
//! - `rings`, `known`: rules that always lead back to themselves, found without a request;
//! - `closed`: clients that are sent to what is internal, found on the same way;
//! - `walk`: the way of a request through the rules of its host and of its locations.
//!
//! Nothing here waits: a walk that has to know more than the request tells asks whoever drives it.

mod attempts;
mod closed;
mod compile;
mod condition;
pub(crate) mod fuzzing;
mod known;
mod map;
mod pattern;
mod reply;
mod rings;
mod rule;
mod target;
mod template;
mod variable;
mod walk;

pub use attempts::Attempts;
pub(crate) use compile::{Fault, HasFiles, Maps, RuleCompiler};
pub use condition::Kind;
pub(crate) use map::Map;
pub(crate) use pattern::{Captured, compile as compile_pattern};
pub(crate) use reply::Reply;
pub(crate) use rings::find as find_rings;
pub use rule::Miss;
pub(crate) use rule::RuleList;
pub(crate) use template::FieldTemplate;
pub use variable::Knowledge;
pub(crate) use variable::{View, is_built_in};
pub use walk::{Arrival, Event, LOOKUPS_MAX, QUESTIONS_MAX, Trail, Walk};

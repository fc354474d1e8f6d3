//! Files that are tried one after the other, and what becomes of a request for which none is there.

use std::sync::Arc;

use proto_http::Status;

use super::target::Target;
use crate::Files;

/// What a location tries.
#[derive(Debug)]
pub struct Attempts {
    /// Where it is looked for.
    pub(crate) files: Arc<Files>,
    pub(crate) candidates: Vec<Target>,
    pub(crate) last: Last,
    /// JSON Pointer of the list.
    pub(crate) pointer: String,
}

impl Attempts {
    /// Whether what is not there leads elsewhere, where more methods may be taken than here.
    pub(crate) fn leads_on(&self) -> bool {
        matches!(self.last, Last::To(_))
    }
}

/// What becomes of all others.
#[derive(Debug)]
pub(crate) enum Last {
    /// The request leads elsewhere.
    To(Target),
    Status(Status),
    /// The phases behind go on.
    Handler,
}

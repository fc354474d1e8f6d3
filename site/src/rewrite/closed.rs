//! A redirect to a location that is internal: whoever obeys it is answered with 404.

use super::Fault;
use super::known::Known;
use crate::Location;

/// Where clients are sent in vain.
pub(super) struct Closed<'s> {
    /// JSON Pointer of the answer that sends them.
    pub(super) pointer: &'s str,
    pub(super) to: Known,
    pub(super) location: &'s Location,
}

impl Closed<'_> {
    /// JSON Pointer of what leads there.
    pub(super) fn place(&self) -> String {
        format!("{}/to", self.pointer)
    }

    pub(super) fn fault(&self) -> Fault {
        let (to, key) = (&self.to, &self.location.key);
        let whose = if key.is_empty() { "the host" } else { "the location" };
        let named = if key.is_empty() { String::new() } else { format!(" {key:?}") };
        Fault::new(
            format!(
                "clients are sent to {to}, where they always get 404, since {whose}{named} is \"internal\""
            ),
            "send them to a path that clients may ask for, or go there within the server: in \"rewrite\", \"to\" without \
             \"redirect\"",
        )
    }
}

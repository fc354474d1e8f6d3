//! Which fields of a request go on to an upstream as they came.

use arrayvec::ArrayVec;

use super::forwarding::{Forwarding, is_forwarding, reads_as};
use super::hop_by_hop::Named;
use super::max_forwards::MaxForwards;
use super::rules::Rules;
use crate::{Known, Request};

/// What decides about the fields of a request.
pub(crate) struct Passage<'a> {
    named: &'a Named<'a>,
    forwarding: &'a Forwarding,
    rules: &'a Rules<'a>,
    max_forwards: MaxForwards,
}

impl<'a> Passage<'a> {
    pub(crate) fn of(
        request: &Request<'a>,
        named: &'a Named<'a>,
        forwarding: &'a Forwarding,
        rules: &'a Rules<'a>,
    ) -> Passage<'a> {
        Passage { named, forwarding, rules, max_forwards: MaxForwards::of(request) }
    }

    pub(crate) fn allows(&self, name: &[u8], known: Known) -> bool {
        let passes = match known {
            Known::MaxForwards => self.max_forwards == MaxForwards::Unbounded,
            Known::Other => self.allows_other(name),
            Known::Forwarded | Known::XForwardedFor => self.forwarding.passes(name, known),
            known => !is_own(known),
        };
        passes && !self.named.contains(name) && !self.rules.dropped.contains(name)
    }

    fn allows_other(&self, name: &[u8]) -> bool {
        if is_forwarding(name) {
            return self.forwarding.passes(name, Known::Other);
        }
        !STAYING.iter().any(|staying| reads_as(name, staying)) && !seems_own(name)
    }
}

/// Fields that belong to a connection, or are written again.
fn is_own(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::ContentLength
            | Known::Expect
            | Known::Host
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::Te
            | Known::TransferEncoding
            | Known::Upgrade
    )
}

/// What is for us alone, or must never reach an application: `Proxy` is taken by some for the proxy that they are to
/// use themselves (CVE-2016-5385).
const STAYING: [&[u8]; 3] = [b"proxy", b"proxy-authorization", b"http2-settings"];

/// Longest name among those that are ours.
const OWN_NAME_MAX: usize = 20;

/// Whether an application that takes `_` for `-` would read a name as one that is written here.
fn seems_own(name: &[u8]) -> bool {
    if !name.contains(&b'_') || OWN_NAME_MAX < name.len() {
        return false;
    }
    let name: ArrayVec<u8, OWN_NAME_MAX> =
        name.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect();
    is_own(Known::of(&name))
}

//! Shows that this program could take over from the one that runs.

use super::Fault;
use crate::takeover;
use privsep::link::Link;
use privsep::message::{FromRehearsal, State, ToRehearsal};
use privsep::sealed::unseal;
use privsep::supervisor;
use std::os::fd::OwnedFd;

/// Says whether it could, once.
pub(super) fn run(link: OwnedFd) -> Result<(), Fault> {
    let link: Link<FromRehearsal, ToRehearsal> = Link::new(link);
    let (ToRehearsal::Rehearse, state) = link.receive_waiting()?;
    let state: State = unseal(state.first().ok_or(Fault::Order)?)?;
    // It reads the configuration with its secrets, as the supervisor does.
    sys::process::forbid_dumps()
        .and_then(|()| sys::process::ignore_orders())
        .map_err(|error| Fault::Link(error.into()))?;
    let house = takeover::home(&state).map_err(|error| error.to_string());
    let rehearsed =
        house.and_then(|house| supervisor::rehearse(&house, &state).map_err(|error| error.to_string()));
    let verdict = match rehearsed {
        Ok(()) => FromRehearsal::Fit { version: env!("CARGO_PKG_VERSION").to_owned() },
        Err(why) => FromRehearsal::Unfit { why },
    };
    Ok(link.send_waiting(&verdict, &[])?)
}

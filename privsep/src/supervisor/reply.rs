//! What a command is answered, before it becomes a message.

use std::io;
use std::os::fd::OwnedFd;

use crate::message::{Answer, BansReport, LimitsReport, PlanReport, StatusReport, UpstreamsReport};
use crate::sealed::seal;

/// An answer.
#[derive(Debug)]
pub(crate) enum Reply {
    /// It is done: in one line.
    Done(String),
    /// How the server runs.
    Status(Box<StatusReport>),
    /// What a reload changed, or would change.
    Plan(Box<PlanReport>),
    /// Who is banned.
    Bans(Box<BansReport>),
    /// How servers are that requests are passed on to.
    Upstreams(Box<UpstreamsReport>),
    /// Who uses how much of the limits.
    Limits(Box<LimitsReport>),
    /// The logs as they come: a ring of [`sys::broadcast`], for reading.
    Logs(OwnedFd),
    /// The proof is wrong, or does not suffice.
    Denied,
    /// It cannot be done now: why.
    Refused(String),
    /// The configuration is wrong: how many problems, and their sealed text.
    Problems(u32, OwnedFd),
}

/// Says the same whatever was wrong with a proof.
const WRONG: &str = "the proof is wrong, or may not do this";

/// Most characters of a reason. Children and other programs may have given it.
const WHY_MAX: usize = 4096;

/// A text that fits a frame and does nothing to a terminal.
fn harmless(why: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { '?' } else { c };
    why.chars().take(WHY_MAX).map(plain).collect()
}

impl Reply {
    /// What the audit log says of the command.
    pub(crate) fn result(&self) -> &'static str {
        match self {
            Self::Done(_)
            | Self::Status(_)
            | Self::Plan(_)
            | Self::Bans(_)
            | Self::Upstreams(_)
            | Self::Limits(_)
            | Self::Logs(_) => "done",
            Self::Denied => "denied",
            Self::Refused(_) | Self::Problems(..) => "refused",
        }
    }

    /// The message, and what it comes with.
    pub(crate) fn message(self) -> io::Result<(Answer, Option<OwnedFd>)> {
        Ok(match self {
            Self::Done(what) => (Answer::Done { what }, None),
            Self::Status(report) => (Answer::Status, Some(seal(&*report)?)),
            Self::Plan(report) => (Answer::Plan, Some(seal(&*report)?)),
            Self::Bans(report) => (Answer::Bans, Some(seal(&*report)?)),
            Self::Upstreams(report) => (Answer::Upstreams, Some(seal(&*report)?)),
            Self::Limits(report) => (Answer::Limits, Some(seal(&*report)?)),
            Self::Logs(ring) => (Answer::Logs, Some(ring)),
            Self::Denied => (Answer::Denied { why: WRONG.to_owned() }, None),
            Self::Refused(why) => (Answer::Refused { why: harmless(&why) }, None),
            Self::Problems(count, text) => (Answer::Problems { count }, Some(text)),
        })
    }
}

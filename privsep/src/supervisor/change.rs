//! A change of what is served, step by step. Until the last one, what is in force stays in force.

use std::time::{Duration, Instant};

use super::Deployment;
use super::control::{self, Prepared};
use super::estate::Opened;
use super::examination::Examination;
use super::rehearsal::Rehearsal;
use super::worker::START_PATIENCE;
use crate::message::PlanReport;

/// How long a worker may take to go over. Its own patience with its shards ends first, and says more.
const SWAP_PATIENCE: Duration = Duration::from_secs(25);

/// Who wants a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A signal: the log is told.
    Signal,
    /// We ourselves, for new keys of TLS tickets: nobody is told.
    Tickets,
    /// We ourselves, since files have changed: the log is told.
    Files,
    /// We ourselves, since names may lead elsewhere: only what has changed is told, to the log.
    Names,
    /// A command: the connection is told.
    Control(control::Id),
}

/// A change under way.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) asker: Asker,
    /// Only tell what would change.
    pub(crate) plan_only: bool,
    pub(crate) step: Step,
    /// When it is given up.
    pub(crate) deadline: Instant,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Step {
    /// The program that is to take over shows that it could.
    Rehearsing(Rehearsal),
    /// The text is being read, or what could not be done is being explained in its terms.
    Examining(Examination),
    /// The text is right, what it needs is there, and its files are being looked at.
    Judging(Examination, Box<Next>),
    /// The worker that serves goes over to it.
    Swapping(Box<Next>, Swap),
    /// A new generation of workers begins.
    Starting(Box<Next>),
}

/// What is to be in force.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) deployment: Deployment,
    pub(crate) opened: Opened,
    pub(crate) control: Prepared,
    pub(crate) plan: PlanReport,
    /// Who is to serve it.
    pub(crate) identity: Option<sys::creds::Identity>,
    /// The generation that has to serve it.
    pub(crate) generation: u32,
}

/// How far a worker is on its way from one configuration to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    /// Its shards take it, aside.
    Preparing,
    /// All of them have it, and are told to serve it.
    Committing,
}

impl Change {
    pub(crate) fn new(asker: Asker, plan_only: bool, examination: Examination) -> Self {
        let deadline = examination.deadline;
        Self { asker, plan_only, step: Step::Examining(examination), deadline }
    }

    /// The files are being looked at.
    pub(crate) fn judging(asker: Asker, examination: Examination, next: Next) -> Self {
        let deadline = examination.deadline;
        Self { asker, plan_only: false, step: Step::Judging(examination, Box::new(next)), deadline }
    }

    /// An upgrade.
    pub(crate) fn rehearsing(asker: Asker, rehearsal: Rehearsal) -> Self {
        let deadline = rehearsal.deadline;
        Self { asker, plan_only: false, step: Step::Rehearsing(rehearsal), deadline }
    }

    /// The generation that it waits for.
    pub(crate) fn generation(&self) -> Option<u32> {
        match &self.step {
            Step::Starting(next) | Step::Swapping(next, _) => Some(next.generation),
            Step::Examining(_) | Step::Judging(..) | Step::Rehearsing(_) => None,
        }
    }

    /// The worker that serves goes over.
    pub(crate) fn swapping(asker: Asker, next: Next) -> Self {
        let step = Step::Swapping(Box::new(next), Swap::Preparing);
        Self { asker, plan_only: false, step, deadline: Instant::now() + SWAP_PATIENCE }
    }

    /// A new generation begins.
    pub(crate) fn starting(asker: Asker, next: Next) -> Self {
        // Its worker has a deadline of its own, which comes first and says more.
        let deadline = Instant::now() + START_PATIENCE + Duration::from_secs(1);
        Self { asker, plan_only: false, step: Step::Starting(Box::new(next)), deadline }
    }
}

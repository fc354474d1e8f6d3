//! Commands as an operator gives them.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use privsep::link::Link;
use privsep::message::{Answer, Command, LINK_VERSION, Proof, Request, StatusReport};
use privsep::sealed::unseal;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A connection to the supervisor.
pub(crate) struct Client(Link<Request, Answer>);

/// An answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) report: Option<StatusReport>,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Option<Self> {
        sys::packet::connect(socket).ok().map(|socket| Self(Link::new(socket)))
    }

    /// What a command is answered.
    pub(crate) fn ask(&self, command: Command, proof: Proof) -> Result<Told, &'static str> {
        let request = Request { version: LINK_VERSION, command, proof };
        self.0.send(&request, &[]).map_err(|_| "the supervisor takes no command")?;
        if !sys::poll::readable(self.0.fd(), Some(PATIENCE)).map_err(|_| "no wait")? {
            return Err("the supervisor does not answer");
        }
        let (answer, descriptors) = self.0.receive_waiting().map_err(|_| "the supervisor hangs up")?;
        let report = match answer {
            Answer::Status => descriptors.first().and_then(|memory: &OwnedFd| unseal(memory).ok()),
            _ => None,
        };
        Ok(Told { answer, report })
    }

    /// Whether nothing was answered. That the connection was closed says that nobody waited for a command any more.
    pub(crate) fn is_silent(&self) -> bool {
        !matches!(self.0.receive(), Ok(Some(_)))
    }
}

impl Told {
    pub(crate) fn is_serving(&self) -> bool {
        let workers = self.report.iter().flat_map(|report| &report.workers);
        workers.filter(|worker| worker.state == "serving").count() == 1
    }

    pub(crate) fn workers(&self) -> usize {
        self.report.as_ref().map_or(0, |report| report.workers.len())
    }

    pub(crate) fn crashes(&self) -> u32 {
        self.report.as_ref().map_or(0, |report| report.crashes)
    }
}

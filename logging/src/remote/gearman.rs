//! Gearman: lines as background jobs. A line counts as delivered once a server has said that it has the job; each job has
//! an id, by which a server that has it still waiting takes it once, and workers can tell one that came twice.

mod job;
mod packet;
mod server;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Offer, Outlet, Patience, Undelivered, error};
use job::Jobs;
use server::Server;

/// Which servers, and what the jobs are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers, the first one first: each by what it is called in messages and its addresses.
    pub servers: Vec<(String, Vec<SocketAddr>)>,
    /// The function that workers have: 1 to [`FUNCTION_MAX`] visible characters.
    pub function: String,
    /// Lines are gathered to jobs of up to so many bytes, at most [`BATCH_MAX`]; 0 for one job a line, without its
    /// newline.
    pub batch: usize,
    /// How long a server is waited for.
    pub patience: Patience,
}

/// Most bytes of a function's name.
pub const FUNCTION_MAX: usize = 128;
/// Most bytes of a job. As much is offered at a time.
pub const BATCH_MAX: usize = 64 * 1024;
/// How long a server that failed is left alone while another one works.
const REST: Duration = Duration::from_secs(10);

/// For [`crate::fuzzing`].
pub(crate) fn read_all(heard: &[u8]) {
    let mut rest = heard;
    while let Ok(Some((_, len))) = packet::response(rest) {
        assert!(0 < len && len <= rest.len(), "a response takes some of what is there");
        rest = &rest[len..];
    }
}

/// The outlet.
pub(super) struct Gearman {
    servers: Vec<Server>,
    /// The one in use.
    current: usize,
    /// When those before it are tried again.
    look_back: Instant,
    jobs: Jobs,
}

impl Gearman {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { servers, function, batch, patience } = settings;
        let servers = servers.into_iter().map(|(name, addresses)| Server::new(name, addresses, patience));
        Self {
            servers: servers.collect(),
            current: 0,
            look_back: Instant::now(),
            jobs: Jobs::new(&function, batch),
        }
    }

    /// Back to a server that stands before the one in use, if one is there again.
    fn return_to_the_first(&mut self) {
        if self.current == 0 || Instant::now() < self.look_back {
            return;
        }
        let back = self.servers[..self.current].iter_mut().position(|server| server.connect().is_ok());
        match back {
            Some(better) => {
                self.servers[self.current].leave();
                self.current = better;
            }
            None => self.look_back = Instant::now() + REST,
        }
    }

    /// Hands all jobs over, to each server in turn from the current one on.
    fn submit(&mut self) -> io::Result<()> {
        let mut last = error(ErrorKind::NotFound, "no server is named");
        for _ in 0..self.servers.len() {
            let server = &mut self.servers[self.current];
            match server.submit(&mut self.jobs) {
                Ok(()) => return Ok(()),
                Err(cause) => last = error(cause.kind(), format!("{}: {cause}", server.name())),
            }
            self.current = (self.current + 1) % self.servers.len();
            self.look_back = Instant::now() + REST;
        }
        Err(last)
    }
}

impl Outlet for Gearman {
    fn deliver(&mut self, offer: Offer<'_>) -> Result<(), Undelivered> {
        self.jobs.gather(offer);
        self.return_to_the_first();
        let submitted = self.submit();
        let done = self.jobs.delivered();
        submitted.map_err(|cause| Undelivered { done, cause })
    }
}

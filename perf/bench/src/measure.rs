//! One measurement of one server.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::client::handshakes;
use crate::client::idle::Idle;
use crate::docroot::RunFolder;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::load::{Generators, Order};
use crate::procfs;
use crate::results::{IdleSample, LoadSample};
use crate::server::{Contender, Server};
use crate::template::Part;
use crate::workload::{Carrier, Key, Load, Sessions, Workload};

/// Time for a server to give back what it needs no longer, before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// Everything that measurements need.
pub(crate) struct Lab {
    /// Where files come from that are passed on; before the folder, for it ends first.
    pub(crate) behind: Option<Server>,
    pub(crate) folder: RunFolder,
    pub(crate) generators: Generators,
    /// Counts system calls, where that is possible.
    pub(crate) perf: Option<PathBuf>,
    /// Processor of the servers.
    pub(crate) cpu: usize,
    pub(crate) interrupt: Interrupt,
}

/// A load on a file, for so many seconds.
#[derive(Clone, Copy)]
pub(crate) struct Speed {
    pub(crate) load: Load,
    pub(crate) workload: &'static Workload,
    pub(crate) seconds: u64,
}

impl Speed {
    fn order(self, server: &Server) -> Order {
        let Workload { file, carrier, .. } = *self.workload;
        let accepted = self.workload.is_coded().then_some("gzip");
        Order { load: self.load, file, carrier, accepted, to: server.address(carrier), seconds: self.seconds }
    }
}

impl Lab {
    /// Starts a server with `parts` on its processor.
    pub(crate) fn start(&self, contender: &Contender, parts: &[Part]) -> Result<Server, Error> {
        let behind = self.behind.as_ref().map(|server| server.address);
        contender.start((&self.folder, behind), &[self.cpu], parts, &self.interrupt)
    }

    /// Makes load that is not measured.
    pub(crate) fn warm_up(&self, speed: Speed, server: &Server) -> Result<(), Error> {
        self.generators.run(&speed.order(server), &self.interrupt)?;
        self.take_log(server).map(drop)
    }

    /// Waits until the access log is complete, empties it, and tells its lines.
    fn take_log(&self, server: &Server) -> Result<Option<u64>, Error> {
        server.access_log.as_ref().map(|log| log.take(&self.interrupt)).transpose()
    }

    /// Makes load and reads what the server used for it.
    pub(crate) fn load(&self, speed: Speed, server: &mut Server, head: usize) -> Result<LoadSample, Error> {
        let before = procfs::usage(&procfs::tree(server.id()));
        let stolen = procfs::stolen(self.cpu);
        let load_before = ended_children();
        let mut delivered = self.generators.run(&speed.order(server), &self.interrupt)?;
        let load_cpu = ended_children().saturating_sub(load_before);
        let stolen = procfs::stolen(self.cpu).saturating_sub(stolen);
        // Lines that are still on their way are part of the work.
        let lines = self.take_log(server)?;
        let used = procfs::usage(&procfs::tree(server.id())).since(&before);
        server.check_alive()?;
        if speed.workload.bulk() {
            // The answers cut off at the end have cost the server their part.
            delivered.requests = delivered.bytes as f64 / (speed.workload.file.len + head as u64) as f64;
        }
        Ok(LoadSample {
            delivered,
            cpu_seconds: used.ran.as_secs_f64(),
            user_share: used.user_share,
            load_cpu_seconds: load_cpu.as_secs_f64(),
            waited_seconds: used.waited.as_secs_f64(),
            stolen_seconds: stolen.as_secs_f64(),
            lines_logged: lines,
        })
    }

    /// A client that trusts the servers.
    fn client(&self) -> Result<handshakes::Client, Error> {
        handshakes::Client::new(self.folder.path(), Key::Ecdsa, Sessions::New)
            .map_err(Error::io("read certificates in", self.folder.path()))
    }

    /// System calls per request, from a short pass of its own because counting costs time.
    pub(crate) fn syscalls(&self, speed: Speed, server: &Server) -> Result<Option<f64>, Error> {
        let Some(perf) = &self.perf else { return Ok(None) };
        let pids = procfs::tree(server.id());
        let (delivered, count) =
            self.generators.run_counting(&speed.order(server), perf, &pids, &self.interrupt)?;
        self.take_log(server)?;
        Ok(count.map(|count| count as f64 / delivered.requests.max(1.0)))
    }

    /// Starts a fresh server and reads its memory without and with `count` idle connections: memory that an
    /// earlier burst has left behind would hide the growth.
    pub(crate) fn idle(
        &self,
        contender: &Contender,
        workload: &Workload,
        count: usize,
    ) -> Result<IdleSample, Error> {
        let mut server = self.start(contender, workload.parts)?;
        thread::sleep(SETTLE);
        let (before_kib, kernel) = (procfs::pss_kib(&procfs::tree(server.id())), procfs::kernel_kib());
        let to = server.address(workload.carrier);
        let client = match workload.carrier {
            Carrier::Plain => None,
            Carrier::Tls => Some(self.client()?),
        };
        let idle = Idle::open(to, workload.file.name, client, count, &contender.label, &self.interrupt)?;
        thread::sleep(SETTLE);
        let after_kib = procfs::pss_kib(&procfs::tree(server.id()));
        let kernel_kib = procfs::kernel_kib().saturating_sub(kernel);
        server.check_alive()?;
        Ok(IdleSample { connections: count, before_kib, after_kib, kernel_kib, lost: idle.lost() })
    }
}

/// Processor time of all children that have ended: between two readings that is the load generator's.
fn ended_children() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Duration::ZERO };
    [usage.user_time(), usage.system_time()].iter().map(|time| duration(*time)).sum()
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

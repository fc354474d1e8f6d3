//! Runs a load generator on the client's processor: wrk, or the bench's own client in a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::client::closed::Task;
use crate::client::open::Flow;
use crate::client::visitors::Visitors;
use crate::client::{handshakes, open};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::options;
use crate::process::{self, pinned};
use crate::results::{Delivered, Flowed};
use crate::signing;
use crate::workload::{Carrier, DocFile, Key, Load, Sessions};

/// How much longer than asked a generator may take.
const SLACK: Duration = Duration::from_secs(30);
/// In messages.
pub(crate) const GENERATOR: &str = "the load generator";
/// What begins the line that a generator is read from.
pub(crate) const MARK: &str = "bench: ";
/// The event that counts every system call of every thread.
const EVENT: &str = "raw_syscalls:sys_enter";

/// One run of a generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) load: Load,
    pub(crate) file: &'static DocFile,
    pub(crate) carrier: Carrier,
    /// The content coding that clients take.
    pub(crate) accepted: Option<&'static str>,
    pub(crate) to: SocketAddr,
    pub(crate) seconds: u64,
}

/// Where generators run.
pub(crate) struct Generators {
    /// Processor of the load.
    pub(crate) cpu: usize,
    /// Path of wrk.
    pub(crate) wrk: PathBuf,
    /// Folder for scripts and logs.
    pub(crate) folder: PathBuf,
}

impl Generators {
    /// Carries out `order`.
    pub(crate) fn run(&self, order: &Order, interrupt: &Interrupt) -> Result<Delivered, Error> {
        self.finish(self.command(order)?, order, interrupt)
    }

    /// As [`Generators::run`], and counts the system calls of the processes `pids` meanwhile.
    pub(crate) fn run_counting(
        &self,
        order: &Order,
        perf: &Path,
        pids: &[u32],
        interrupt: &Interrupt,
    ) -> Result<(Delivered, Option<u64>), Error> {
        let counts = self.folder.join("syscalls.csv");
        let load = self.command(order)?;
        let mut command = Command::new(perf);
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        command.args(["stat", "-x,", "-e", EVENT, "-o"]).arg(&counts);
        command.arg("-p").arg(pids.join(",")).arg("--").arg(load.get_program()).args(load.get_args());
        let delivered = self.finish(command, order, interrupt)?;
        let text = fs::read_to_string(&counts).map_err(Error::io("read", &counts))?;
        Ok((delivered, counted(&text)))
    }

    /// Makes requests by the clock; what became of each flow.
    pub(crate) fn offer(&self, task: &open::Task, interrupt: &Interrupt) -> Result<Vec<Flowed>, Error> {
        let own = std::env::current_exe().map_err(Error::io("find", "the bench itself"))?;
        let mut command = pinned(&[self.cpu], &own);
        command.args(options::offer_arguments(task));
        let output = self.output(&mut command, task.seconds, interrupt)?;
        delivered(&output).ok_or(Error::Output { program: GENERATOR.to_owned(), output })
    }

    /// Signs on the processor `cpu`; signatures a second.
    pub(crate) fn sign(&self, task: &signing::Task, cpu: usize, interrupt: &Interrupt) -> Result<f64, Error> {
        let own = std::env::current_exe().map_err(Error::io("find", "the bench itself"))?;
        let mut command = pinned(&[cpu], &own);
        command.args(options::sign_arguments(task));
        let output = self.output(&mut command, task.seconds, interrupt)?;
        delivered(&output).ok_or(Error::Output { program: GENERATOR.to_owned(), output })
    }

    /// Whether `perf` may count system calls here.
    pub(crate) fn can_count(&self, perf: &Path, interrupt: &Interrupt) -> bool {
        let counts = self.folder.join("syscalls.csv");
        let mut command = Command::new(perf);
        command.args(["stat", "-x,", "-e", EVENT, "-o"]).arg(&counts).args(["--", "true"]);
        let log = self.folder.join("perf.log");
        process::output(&mut command, "perf", &log, SLACK, interrupt).is_ok()
            && fs::read_to_string(&counts).is_ok_and(|text| counted(&text).is_some())
    }

    fn finish(&self, mut command: Command, order: &Order, interrupt: &Interrupt) -> Result<Delivered, Error> {
        let output = self.output(&mut command, order.seconds, interrupt)?;
        let result = match order.load {
            Load::Paced { .. } => delivered::<Vec<Flowed>>(&output)
                .and_then(|flows| flows.first().map(|flow| flow.delivered(order.seconds))),
            _ => delivered(&output),
        };
        result.ok_or(Error::Output { program: GENERATOR.to_owned(), output })
    }

    fn output(&self, command: &mut Command, seconds: u64, interrupt: &Interrupt) -> Result<String, Error> {
        let log = self.folder.join(format!("load-{}.log", self.cpu));
        let limit = Duration::from_secs(seconds) + SLACK;
        process::output(command, GENERATOR, &log, limit, interrupt)
    }

    fn command(&self, order: &Order) -> Result<Command, Error> {
        match order.load {
            Load::KeepAlive { connections } => self.wrk(order, connections),
            Load::Pipelined { connections, depth } => self.own(order, connections, depth, u32::MAX),
            Load::Short { connections, requests } => self.own(order, connections, 1, requests),
            Load::Handshakes { key, sessions } => self.handshakes(order, key, sessions),
            Load::Paced { connections, rate } => self.paced(order, connections, rate),
        }
    }

    fn own(&self, order: &Order, connections: usize, depth: u32, batches: u32) -> Result<Command, Error> {
        let task = Task {
            to: order.to,
            path: order.file.name.to_owned(),
            connections,
            depth,
            batches,
            duration: Duration::from_secs(order.seconds),
        };
        let own = std::env::current_exe().map_err(Error::io("find", "the bench itself"))?;
        let mut command = pinned(&[self.cpu], &own);
        command.args(options::generate_arguments(&task));
        Ok(command)
    }

    fn paced(&self, order: &Order, connections: usize, rate: u64) -> Result<Command, Error> {
        let visitors = Visitors::Readers { path: order.file.name.to_owned() };
        let flows = vec![Flow { visitors, rate, connections }];
        let task = open::Task { to: order.to, seconds: order.seconds, flows };
        let own = std::env::current_exe().map_err(Error::io("find", "the bench itself"))?;
        let mut command = pinned(&[self.cpu], &own);
        command.args(options::offer_arguments(&task));
        Ok(command)
    }

    fn handshakes(&self, order: &Order, key: Key, sessions: Sessions) -> Result<Command, Error> {
        let task = handshakes::Task {
            to: order.to,
            path: order.file.name.to_owned(),
            certificates: self.folder.clone(),
            key,
            sessions,
            duration: Duration::from_secs(order.seconds),
        };
        let own = std::env::current_exe().map_err(Error::io("find", "the bench itself"))?;
        let mut command = pinned(&[self.cpu], &own);
        command.args(options::handshake_arguments(&task));
        Ok(command)
    }

    fn wrk(&self, order: &Order, connections: usize) -> Result<Command, Error> {
        let script = self.folder.join("report.lua");
        fs::write(&script, include_str!("../wrk/report.lua")).map_err(Error::io("write", &script))?;
        let mut command = pinned(&[self.cpu], &self.wrk);
        command.args(["-t1", "--timeout", "10s", "-c"]).arg(connections.to_string());
        command.arg("-d").arg(format!("{}s", order.seconds)).arg("-s").arg(script);
        if let Some(coding) = order.accepted {
            command.arg("-H").arg(format!("Accept-Encoding: {coding}"));
        }
        let scheme = match order.carrier {
            Carrier::Plain => "http",
            Carrier::Tls => "https",
        };
        command.arg(format!("{scheme}://{}/{}", order.to, order.file.name));
        Ok(command)
    }
}

fn delivered<T: DeserializeOwned>(output: &str) -> Option<T> {
    let line = output.lines().find_map(|line| line.strip_prefix(MARK))?;
    serde_json::from_str(line).ok()
}

/// The count in the output of `perf stat -x,`; `None` if perf did not count.
fn counted(text: &str) -> Option<u64> {
    text.lines().find(|line| line.contains(EVENT))?.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_generators_is_read() {
        let line = r#"bench: {"requests":7,"bytes":9,"seconds":1.5,"p50_us":1.0,"p99_us":2.0,"errors":0}"#;
        let check = |output: &str, requests: Option<f64>| {
            assert_eq!(
                delivered(output).map(|delivered: Delivered| delivered.requests),
                requests,
                "{output}"
            );
        };
        check(&format!("Running 1s test\n\n{line}\n"), Some(7.0));
        check("Running 1s test\n", None);
        check("bench: {\"requests\":7}\n", None);
    }

    #[test]
    fn output_of_perf_is_read() {
        assert_eq!(counted("# started\n\n144,,raw_syscalls:sys_enter,1739571,100.00,,\n"), Some(144));
        assert_eq!(counted("<not counted>,,raw_syscalls:sys_enter,0,0.00,,\n"), None);
        assert_eq!(counted(""), None);
    }
}

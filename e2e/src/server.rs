//! Starting and ending the server under test.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::binary;
use crate::failure::{Failure, Outcome};
use crate::ledger::{self, Counters};
use crate::output::{Output, Place};
use crate::processes::Process;
use crate::{Client, PATIENCE};

/// What the server says when it has read files again that have changed.
pub const REREAD: &str = "files have changed and were read again";
/// And when what they hold now is wrong, above the reasons.
pub const KEPT: &str = "files have changed, and what they held before stays in force";

/// How the server is started, beside its configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further arguments.
    pub arguments: Vec<OsString>,
    /// Limit of open files, soft and hard.
    pub open_files: Option<u32>,
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    output: Output,
}

impl Server {
    /// Starts `kimura -V -c CONF` and waits until it has printed where it listens.
    pub fn start(configuration: &Path, options: &Options) -> Outcome<Server> {
        let mut arguments: Vec<OsString> = vec!["-V".into(), "-c".into(), configuration.into()];
        arguments.extend(options.arguments.iter().cloned());
        Server::run(&arguments, options.open_files, Path::new("/"))
    }

    /// Starts `kimura` with these arguments in this folder and waits until it has printed where it listens.
    pub fn run(arguments: &[OsString], open_files: Option<u32>, folder: &Path) -> Outcome<Server> {
        let mut command = command(arguments, open_files);
        command.current_dir(folder);
        Server::become_of(command)
    }

    /// Runs a command whose process becomes the server, and waits until that has printed where it listens.
    pub fn become_of(mut command: Command) -> Outcome<Server> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Failure::machine("start", binary::path()))?;
        let output = Output::default();
        output.follow(child.stdout.take().expect("stdout is a pipe"));
        output.follow(child.stderr.take().expect("stderr is a pipe"));
        let server = Server { child, output };
        if !server.output.wait(PATIENCE, |said| !said.places.is_empty()) {
            return Err(server.not_started());
        }
        Ok(server)
    }

    fn not_started(mut self) -> Failure {
        let what = match self.child.try_wait() {
            Ok(Some(status)) => format!("ended with {status} instead of serving"),
            _ => "did not say where it listens".to_owned(),
        };
        Failure::Start { what, output: self.output.said().text() }
    }

    /// The `number`th address printed, from 1.
    pub fn place(&self, number: usize) -> Outcome<Place> {
        // All are printed at start, but not in one write.
        self.output.wait(PATIENCE, |said| said.places.len() >= number);
        let said = self.output.said();
        said.places.get(number - 1).cloned().ok_or_else(|| Failure::Start {
            what: format!("printed {} addresses, {number} wanted", said.places.len()),
            output: said.text(),
        })
    }

    /// Connects to the first address.
    pub fn connect(&self) -> Outcome<Client> {
        Client::connect(&self.place(1)?)
    }

    /// What the server prints.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// How many of the latest lines have that in them.
    #[must_use]
    pub fn heard(&self, part: &str) -> usize {
        self.output.said().lines.iter().filter(|line| line.contains(part)).count()
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the counters, printed once a second, satisfy `done`.
    pub fn wait_counters(&self, what: &str, mut done: impl FnMut(&Counters) -> bool) -> Outcome<Counters> {
        if self.output.wait(PATIENCE, |said| done(&said.counters)) {
            return Ok(self.output.said().counters.clone());
        }
        let what = format!("{what}; last counters: {:?}", self.output.said().counters);
        Err(Failure::Late { what, waited: PATIENCE })
    }

    /// Waits until a counter, which only grows, has come to a value.
    pub fn counts(&self, name: &str, value: u64) -> Outcome<()> {
        // They are printed once a second: any single value may never be seen.
        let reached = |counters: &Counters| counters.get(name) >= Some(&value);
        self.wait_counters(&format!("{name} >= {value}"), reached).map(drop)
    }

    /// Waits for the next line that the server prints: at most a second while it is well.
    pub fn next_report(&self) -> Outcome<()> {
        let heard = self.output.said().heard;
        if self.output.wait(PATIENCE, |said| heard < said.heard) {
            return Ok(());
        }
        Err(Failure::Late { what: "report of the server".to_owned(), waited: PATIENCE })
    }

    /// All processes of the server that run now, the supervisor first.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        Process::tree(self.pid())
    }

    /// The process of that title, waited for.
    pub fn process(&self, title: &str) -> Outcome<Process> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(found) = self.processes().into_iter().find(|process| process.title == title) {
                return Ok(found);
            }
            std::thread::yield_now();
        }
        Err(Failure::Late { what: format!("process {title:?}"), waited: PATIENCE })
    }

    /// Ends the worker by force, once no connection is open: one that is would be lost with it, and missing in the
    /// ledger of [`Server::stop`].
    pub fn kill_worker(&self) -> Outcome<Process> {
        let worker = self.process("kimura: worker")?;
        // The first report may have been read before the last connection came.
        self.next_report()?;
        self.next_report()?;
        self.wait_counters("no connection is open", |now| now.get("connections_open") == Some(&0))?;
        let pid = Pid::from_raw(worker.pid as i32);
        kill(pid, Signal::SIGKILL).map_err(|errno| Failure::machine("end", "the worker")(errno.into()))?;
        Ok(worker)
    }

    /// Private and shared memory of all processes, in bytes.
    pub fn resident(&self) -> Outcome<u64> {
        self.processes().iter().map(Process::resident).sum()
    }

    /// CPU time that all processes have used so far.
    pub fn cpu_time(&self) -> Outcome<Duration> {
        self.processes().iter().map(Process::cpu_time).sum()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Outcome<()> {
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, signal).map_err(|errno| Failure::machine("signal", "the server")(errno.into()))
    }

    /// Ends the server with SIGTERM; checks exit status 0 and the ledger; returns the final counters.
    pub fn stop(self) -> Outcome<Counters> {
        self.signal(Signal::SIGTERM)?;
        let output = self.output.clone();
        let status = self.ended()?;
        let said = output.said();
        if !status.success() {
            let what = format!("ended with {status} after SIGTERM");
            return Err(Failure::Start { what, output: said.text() });
        }
        ledger::check(&said.counters)?;
        Ok(said.counters.clone())
    }

    /// Waits for the end of the server.
    pub fn ended(mut self) -> Outcome<ExitStatus> {
        // The pipes end with the process, and all it said is then known.
        if !self.output.wait(PATIENCE, crate::output::Said::ended) {
            let what = format!("end of the server; it printed:\n{}", self.output.said().text());
            return Err(Failure::Late { what, waited: PATIENCE });
        }
        self.child.wait().map_err(Failure::machine("wait for", "the server"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The command line; a limit of open files is set by the shell before it becomes the server.
fn command(arguments: &[OsString], open_files: Option<u32>) -> Command {
    let Some(limit) = open_files else {
        let mut command = Command::new(binary::path());
        command.args(arguments);
        return command;
    };
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\""))
        .arg(binary::path())
        .args(arguments);
    command
}

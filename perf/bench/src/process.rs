//! Child processes that cannot outlive the bench: their own process group, a deadline, and a guard.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::Error;
use crate::interrupt::Interrupt;

/// How often a waiting bench looks at its child and at the interrupt flag.
const LOOK: Duration = Duration::from_millis(5);
/// How long a child may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// `program`, pinned to `cpus`, and sent SIGTERM by the kernel should the bench itself be killed. (A program that
/// changes its user loses the latter; the guard still stops it on all other ways out.)
pub(crate) fn pinned(cpus: &[usize], program: &Path) -> Command {
    let list: Vec<String> = cpus.iter().map(usize::to_string).collect();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "taskset", "-c"]).arg(list.join(",")).arg(program);
    command
}

/// A running child; dropping it stops its whole process group.
pub(crate) struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts `command` in a process group of its own, so that Ctrl-C reaches only the bench.
    pub(crate) fn start(command: &mut Command, name: &str) -> Result<Running, Error> {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("start", command.get_program()))?;
        Ok(Running { child, name: name.to_owned() })
    }

    /// Process id of the child, which is also its process group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, once the child has ended.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for the end, at most until `limit` has passed or a signal arrives.
    fn wait(&mut self, limit: Duration, interrupt: &Interrupt) -> Result<ExitStatus, Error> {
        let start = Instant::now();
        loop {
            interrupt.check()?;
            if let Some(status) = self.ended().map_err(Error::io("wait for", &self.name))? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                return Err(Error::Deadline { program: self.name.clone(), seconds: limit.as_secs() });
            }
            thread::sleep(LOOK);
        }
    }

    fn signal(&self, signal: Signal) {
        // A process id is positive and fits. ESRCH only means that the group has gone already.
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        let _ = killpg(group, signal);
    }

    /// Ends the group: SIGTERM, then SIGKILL for what is left.
    fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let start = Instant::now();
        while start.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(LOOK);
        }
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs `command` to its end, its output going to the file `log`; gives back the output.
pub(crate) fn output(
    command: &mut Command,
    name: &str,
    log: &Path,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<String, Error> {
    // A file instead of a pipe: nobody has to read while the child runs on a core of its own.
    let file = File::create(log).map_err(Error::io("create", log))?;
    let errors = file.try_clone().map_err(Error::io("use", log))?;
    let mut running = Running::start(command.stdout(file).stderr(errors), name)?;
    let status = running.wait(limit, interrupt)?;
    let output = std::fs::read_to_string(log).map_err(Error::io("read", log))?;
    if status.success() {
        Ok(output)
    } else {
        Err(Error::Program { program: name.to_owned(), status, output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("bench-process-{name}-{}", std::process::id()))
    }

    #[test]
    fn output_is_given_back() {
        let log = log("echo");
        let text = output(
            Command::new("echo").arg("seven"),
            "echo",
            &log,
            Duration::from_secs(10),
            &Interrupt::default(),
        );
        std::fs::remove_file(&log).unwrap();
        assert_eq!(text.unwrap(), "seven\n");
    }

    #[test]
    fn a_child_that_does_not_end_is_ended() {
        let log = log("sleep");
        let start = Instant::now();
        let result = output(
            Command::new("sleep").arg("1000"),
            "sleep",
            &log,
            Duration::from_millis(20),
            &Interrupt::default(),
        );
        std::fs::remove_file(&log).unwrap();
        assert!(matches!(result, Err(Error::Deadline { .. })), "{result:?}");
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

//! Finds the programs that the bench starts, and installs the missing ones from Debian's packages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::unistd::Uid;

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::process;

/// A program and the Debian package that brings it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

/// Load generator for keep-alive connections.
pub(crate) const WRK: Tool = Tool { program: "wrk", package: "wrk" };
/// Pins processes; Debian has it always.
pub(crate) const TASKSET: Tool = Tool { program: "taskset", package: "util-linux" };
/// Ties the life of a child to ours; Debian has it always.
pub(crate) const SETPRIV: Tool = Tool { program: "setpriv", package: "util-linux" };
/// Makes certificates, and signs for comparison.
pub(crate) const OPENSSL: Tool = Tool { program: "openssl", package: "openssl" };
/// Counts system calls; the bench works without it.
pub(crate) const PERF: Tool = Tool { program: "perf", package: "linux-perf" };

/// A package index and a handful of packages.
const LIMIT: Duration = Duration::from_secs(600);

impl Tool {
    /// Where the program is. Servers are in `/usr/sbin`, which is not in everybody's PATH.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/usr/bin".into()])
            .map(|folder| folder.join(self.program))
            .find(|program| program.is_file())
    }

    /// Where the program is, or an error that names its package.
    pub(crate) fn require(self) -> Result<PathBuf, Error> {
        self.find().ok_or(Error::MissingProgram { program: self.program, package: self.package })
    }
}

/// Installs the packages of those `tools` that are missing; does nothing if there are none.
pub(crate) fn install(tools: &[Tool], log: &Path, interrupt: &Interrupt) -> Result<(), Error> {
    let mut packages: Vec<&str> =
        tools.iter().filter(|tool| tool.find().is_none()).map(|tool| tool.package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("bench: installing {}", packages.join(" "));
    apt_get(&["update", "-q"], log, interrupt)?;
    let arguments = [&["install", "-q", "-y", "--no-install-recommends"], packages.as_slice()].concat();
    apt_get(&arguments, log, interrupt)
}

fn apt_get(arguments: &[&str], log: &Path, interrupt: &Interrupt) -> Result<(), Error> {
    // In runlevel 1 Debian's packages do not start their services.
    let settings = ["RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let mut command = Command::new(if Uid::effective().is_root() { "env" } else { "sudo" });
    if !Uid::effective().is_root() {
        command.args(["-n", "env"]);
    }
    command.args(settings).args(arguments);
    process::output(&mut command, "apt-get", log, LIMIT, interrupt).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found() {
        assert!(Tool { program: "sh", package: "dash" }.require().is_ok());
        let error = Tool { program: "no-such-program", package: "no-package" }.require().unwrap_err();
        assert!(error.to_string().contains("apt-get install no-package"), "{error}");
    }
}

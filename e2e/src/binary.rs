//! Which `kimura` is tested.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::Folder;
use crate::failure::{Failure, Outcome};

/// Seconds that [`output`] lets the binary run.
const SECONDS_MAX: &str = "10";

/// Path of the binary under test.
///
/// `KIMURA_BIN` names it; `cargo xtask test` sets that. Without it the binary is built here, once for
/// each test program, with the profile `e2e`.
///
/// # Panics
/// When the binary cannot be built.
pub fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| env::var_os("KIMURA_BIN").map_or_else(build, PathBuf::from))
}

/// Runs the binary to its end, for what it prints and for its exit status.
///
/// One that serves where it should have ended is stopped by `timeout`, which has an exit status of its own.
pub fn output<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome<Output> {
    let mut command = Command::new("timeout");
    command.arg(SECONDS_MAX).arg(path()).args(arguments).stdin(Stdio::null());
    command.output().map_err(Failure::machine("run", path()))
}

/// Gives the server of a folder, whose control socket is `control.sock` in it, a command that succeeds; what it printed.
///
/// # Panics
/// When it does not.
pub fn command(folder: &Folder, words: &[&str]) -> String {
    let socket = folder.path().join("control.sock");
    let arguments = words.iter().map(OsStr::new).chain([OsStr::new("--socket"), socket.as_os_str()]);
    let output = output(arguments).expect("the client runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "kimura-bin", "--profile", "e2e", "--manifest-path"])
        .arg(manifest)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "kimura does not build");
    // A test program stands in <target>/<profile>/deps.
    let program = env::current_exe().expect("the path of this program");
    let target = program.ancestors().nth(3).expect("a target folder");
    target.join("e2e/kimura")
}

//! Running cargo, and what it knows about the workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Failure, Outcome};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// `cargo` in the root, with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Runs a command that shows its own output.
pub(crate) fn run(mut command: Command) -> Outcome {
    let status = command.status().map_err(Failure::machine("run", command.get_program()))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Program { line: line_of(&command), status: status.to_string() })
}

/// Runs a command for its standard output.
pub(crate) fn output(mut command: Command) -> Outcome<Vec<u8>> {
    command.stderr(Stdio::inherit());
    let output = command.output().map_err(Failure::machine("run", command.get_program()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::Program { line: line_of(&command), status: output.status.to_string() })
}

/// The command as one would type it.
pub(crate) fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// `cargo metadata` with the graph as it is built on this platform.
pub(crate) fn metadata() -> Outcome<Value> {
    let version = output(rustc_version())?;
    let version = String::from_utf8_lossy(&version);
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("x86_64-unknown-linux-gnu");
    let text = output(cargo(&["metadata", "--format-version", "1", "--filter-platform", host]))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::Answer { program: "cargo metadata", what: error.to_string() })
}

fn rustc_version() -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.arg("-vV");
    command
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Outcome<PathBuf> {
    let text = output(cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_slice(&text)
        .map_err(|error| Failure::Answer { program: "cargo metadata", what: error.to_string() })?;
    let folder = metadata["target_directory"].as_str().map(PathBuf::from);
    folder
        .ok_or_else(|| Failure::Answer { program: "cargo metadata", what: "no target_directory".to_owned() })
}

/// Builds the server as the end-to-end tests use it, and says where it is.
pub(crate) fn build_server() -> Outcome<PathBuf> {
    let arguments = ["build", "--package", "kimura-bin", "--profile", "e2e", "--message-format"];
    let messages = output(cargo(&[&arguments[..], &["json-render-diagnostics"]].concat()))?;
    let messages = String::from_utf8_lossy(&messages);
    let mut executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executables
        .next_back()
        .ok_or_else(|| Failure::Answer { program: "cargo build", what: "no executable".to_owned() })
}

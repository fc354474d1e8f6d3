//! The Python that runs the conformance probe, httplint, sslyze and the client that breaks TLS.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Output};

use crate::failure::{Failure, Outcome};

/// The interpreter: `KIMURA_PYTHON`, which `cargo xtask test` sets to one that has httplint, else `python3`.
#[must_use]
pub fn interpreter() -> OsString {
    env::var_os("KIMURA_PYTHON").unwrap_or_else(|| "python3".into())
}

/// Runs a script to its end.
pub fn run(arguments: &[OsString]) -> Outcome<Output> {
    let interpreter = interpreter();
    Command::new(&interpreter).args(arguments).output().map_err(Failure::machine("run", &interpreter))
}

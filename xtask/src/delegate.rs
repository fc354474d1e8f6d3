//! Commands that other packages carry out.

use std::process::Command;

use crate::cargo::{build_server, cargo, root, run};
use crate::failure::{Failure, Outcome};
use crate::{provision, suite};

/// The conformance cases: `plain` or `strict`.
pub(crate) fn conformance(mode: &str) -> Outcome {
    let python = provision::provide()?;
    let mut command = suite::end_to_end(&["--test", "conformance", "--", mode], build_server()?.into());
    command.env("KIMURA_PYTHON", python);
    run(command)
}

/// What testssl.sh and sslyze find, told only when it is more than `e2e/tls/accepted.txt` accepts.
pub(crate) fn tls() -> Outcome {
    let python = provision::provide()?;
    let mut command = suite::end_to_end(&["--test", "tls_scanners"], build_server()?.into());
    command.env("KIMURA_PYTHON", python);
    run(command)
}

/// The benchmark has a command line of its own.
pub(crate) fn bench(arguments: &[String]) -> Outcome {
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "bench", "--"]);
    command.args(arguments);
    run(command)
}

/// A long mixed load.
pub(crate) fn soak(arguments: &[String]) -> Outcome {
    let mut command = cargo(&["run", "--quiet", "--package", "e2e", "--bin", "soak", "--"]);
    command.args(arguments).env("KIMURA_BIN", build_server()?);
    run(command)
}

/// A million lines of a log that is put aside each second, with and without loggers that are killed, and a disk that is full for a
/// minute: tests of the suite, for longer.
pub(crate) fn soak_logs() -> Outcome {
    let tests = [
        "files_are_put_aside_under_load",
        "a_logger_that_is_killed_meanwhile",
        "a_disk_that_is_full_for_a_while",
    ];
    let arguments = [&["--test", "rotation", "--", "--exact", "--test-threads", "1"], &tests[..]].concat();
    provision::provide()?;
    let mut command = suite::end_to_end(&arguments, build_server()?.into());
    command.env("KIMURA_SOAK", "logs");
    run(command)
}

/// Fuzzing needs flags of its own, which the script beside the targets knows.
pub(crate) fn fuzz(arguments: &[String]) -> Outcome {
    let script = root().join("fuzz/run");
    if !script.exists() {
        return Err(Failure::Missing { what: "fuzz/run", cure: "the checkout is incomplete".to_owned() });
    }
    let mut command = Command::new("bash");
    command.current_dir(root()).arg(script);
    // A number alone is for each of the targets.
    if let [runs] = arguments
        && runs.bytes().all(|byte| byte.is_ascii_digit())
    {
        command.arg("all");
    }
    command.args(arguments);
    run(command)
}

//! `cargo xtask test` and `cargo xtask check`: which steps, in which order.

use std::ffi::OsString;
use std::process::Command;
use std::time::Instant;

use crate::cargo::{build_server, cargo, metadata, run};
use crate::failure::Outcome;
use crate::steps::Tally;
use crate::{generated, graph, licences, provision, tidy};

/// Everything.
pub(crate) fn test() -> Outcome {
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut python = None;
    tally.check("what the tests need", || {
        python = Some(provision::provide()?);
        Ok(())
    });
    quick(&mut tally);
    tally.tests("unit tests", cargo(&["test", "--workspace", "--exclude", "e2e", "--no-fail-fast"]));
    let mut server = None;
    tally.check("the server, built for the end-to-end tests", || {
        server = Some(build_server()?);
        Ok(())
    });
    if let Some(server) = server {
        tally.check("generated files", || generated::check(&server));
        let mut command = end_to_end(&["--no-fail-fast"], server.into());
        command.env("KIMURA_PYTHON", python.unwrap_or_else(|| OsString::from("python3")));
        tally.tests("end-to-end tests", command);
    }
    tally.close(started)
}

/// What needs no server, in an order in which the cheap comes first.
pub(crate) fn check() -> Outcome {
    let started = Instant::now();
    let mut tally = Tally::default();
    quick(&mut tally);
    tally.close(started)
}

fn quick(tally: &mut Tally) {
    tally.check("tidiness", tidy::check);
    tally.check("format", || run(cargo(&["fmt", "--all", "--", "--check", "-l"])));
    tally.check("crate graph", || graph::check(&metadata()?));
    tally.check("licences", || licences::check(&metadata()?));
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    tally.check("lints", || run(cargo(&lints)));
}

/// `cargo test` of the end-to-end tests against this server.
pub(crate) fn end_to_end(arguments: &[&str], server: OsString) -> Command {
    let mut command = cargo(&["test", "--package", "e2e"]);
    command.args(arguments).env("KIMURA_BIN", server);
    command
}

//! The project's chores: `cargo xtask test` and its parts.

#![forbid(unsafe_code)]

mod cargo;
mod delegate;
mod failure;
mod generated;
mod graph;
mod licences;
mod policy;
mod provision;
mod rust_code;
mod sources;
mod steps;
mod suite;
mod tidy;

use std::env;
use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = "\
cargo xtask COMMAND

  test                    all checks and all tests; installs what they need
  check                   the quick checks only: format, lints, crate graph, licences, tidiness
  setup                   installs what the tests need, and prints what to set to run them by hand
  generate                writes the man page and the completions anew
  conformance [--strict]  the HTTP/1.1 conformance cases against the real binary
  tls                     testssl.sh and sslyze look at the real binary; two minutes, and a part of `test`
  fuzz [TARGET] [RUNS]    the fuzz targets, or one; see fuzz/README.md
  bench ...               the benchmark against other servers; `cargo xtask bench --help`
  soak [MINUTES]          a mixed load for a long time; memory and descriptors must stay flat
  soak changes            200 reloads and 20 upgrades under load, which no client may notice
  soak logs               a million lines of logs that are put aside, and a disk that is full for a minute; five minutes
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &[][..]),
    };
    let done = match (command, rest) {
        ("test", []) => suite::test(),
        ("check", []) => suite::check(),
        ("setup", []) => provision::setup(),
        ("generate", []) => generated::write(),
        ("conformance", []) => delegate::conformance("plain"),
        ("conformance", [flag]) if flag == "--strict" => delegate::conformance("strict"),
        ("tls", []) => delegate::tls(),
        ("fuzz", rest) => delegate::fuzz(rest),
        ("bench", rest) => delegate::bench(rest),
        ("soak", [what]) if what == "logs" => delegate::soak_logs(),
        ("soak", rest) => delegate::soak(rest),
        ("help" | "-h" | "--help", _) => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::Usage(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

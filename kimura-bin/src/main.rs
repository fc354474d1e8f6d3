//! The command `kimura`.
#![forbid(unsafe_code)]

mod arguments;
mod boot;
mod check;
mod counters;
mod error;
mod identity;
mod limits;
mod listeners;
mod logs;
mod manual;
mod options;
mod print;
mod problem;
mod settings;
mod shards;
mod usage;
mod watch;

use arguments::Command;
use error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::note(&format!("kimura: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let print = |text: &str| print::out(text).map_err(Error::process("write to standard output"));
    match arguments::parse(std::env::args_os().skip(1))? {
        Command::Help => print(&manual::help()),
        Command::Version => print(concat!("kimura ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Generate(artefact) => print(&artefact.text()),
        Command::Test(wishes) => print(&check::check(&wishes)?),
        Command::Serve(wishes, reports) => boot::serve(&wishes, reports),
    }
}

//! Measures Kimura against its peers on one machine: requests per second of the server's processor time,
//! latency, system calls per request and memory per idle connection, all servers taking turns.
//!
//! `cargo xtask bench --help` lists the options. Nothing outlives the run: servers and load generators are
//! children in process groups of their own, bound to 127.0.0.1, and stopped on every way out.
#![forbid(unsafe_code)]

mod access_log;
mod client;
mod docroot;
mod error;
mod interrupt;
mod load;
mod logins;
mod machine;
mod measure;
mod options;
mod packages;
mod process;
mod procfs;
mod report;
mod results;
mod run;
mod server;
mod shards;
mod signing;
mod summary;
mod template;
mod workload;

use std::process::ExitCode;

use serde::Serialize;

use crate::error::Error;
use crate::options::Command;

fn main() -> ExitCode {
    match act() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn act() -> Result<(), Error> {
    match options::read(std::env::args_os().skip(1))? {
        Command::Help => print!("{}", options::HELP),
        Command::Bench(options) if options.shards => print!("{}", run::shards(&options)?),
        Command::Bench(options) if options.logins => print!("{}", run::logins(&options)?),
        Command::Bench(options) => {
            let (folder, results) = run::run(&options)?;
            print!("{}", report::write(&results, &folder)?);
            eprintln!("bench: report.md, plot.svg and results.json are in {}", folder.display());
        }
        Command::Generate(task) => deliver(&client::closed::run(&task)?)?,
        Command::Offer(task) => deliver(&client::open::run(&task)?)?,
        Command::Sign(task) => deliver(&signing::run(&task)?)?,
        Command::Handshakes(task) => deliver(&client::handshakes::run(&task)?)?,
    }
    Ok(())
}

/// Tells whoever has started this as a load generator.
fn deliver(delivered: &impl Serialize) -> Result<(), Error> {
    let line = serde_json::to_string(delivered);
    let line = line.map_err(|error| Error::io("write", "standard output")(error.into()))?;
    println!("{}{line}", load::MARK);
    Ok(())
}

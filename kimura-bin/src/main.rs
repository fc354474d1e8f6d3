//! The command `kimura`.
#![forbid(unsafe_code)]

mod arguments;
mod ban;
mod boot;
mod certificates;
mod check;
mod counters;
mod error;
mod explain;
mod folders;
mod follow;
mod keeps;
mod limit;
mod logins;
mod logs;
mod manual;
mod options;
mod order;
mod passwd;
mod print;
mod receivers;
mod remote;
mod role;
mod settings;
mod takeover;
mod upstream;
mod url;
mod usage;
mod verbs;

use arguments::Command;
use error::Error;
use privsep::role::Role;
use std::process::ExitCode;
use takeover::Numbers;

fn main() -> ExitCode {
    // A child is this program again, and knows its role by the name that it was given; so does a successor.
    let title = std::env::args_os().next();
    let role = title.as_deref().and_then(|title| title.to_str()).and_then(Role::titled);
    let ended = match role {
        Some(Role::Supervisor) => match Numbers::parse(std::env::args_os().skip(1)) {
            Some(numbers) => takeover::take_over(&numbers),
            None => run(),
        },
        Some(role) => match sys::spawn::take_link() {
            Some(link) => {
                role::in_process(role, link);
                Ok(())
            }
            None => run(),
        },
        None => run(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::note(&format!("kimura: {error}"));
            ExitCode::from(error.status())
        }
    }
}

fn run() -> Result<(), Error> {
    let print = |text: &str| print::out(text).map_err(Error::process("write to standard output"));
    match arguments::parse(std::env::args_os().skip(1))? {
        Command::Help => print(&manual::help()),
        Command::Version => print(concat!("kimura ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Generate(artefact) => print(&artefact.text()),
        Command::Test(wishes, reports) => print(&check::check(&wishes, reports)?),
        Command::Serve(wishes, reports) => boot::serve(&wishes, reports),
        Command::Order(order) => order::give(&order),
        Command::Logs(order, view) => follow::follow(&order, &view),
        Command::Explain(explain) => print(&explain::told(&explain)?),
        Command::Passwd(passwd) => passwd::make(&passwd),
    }
}

//! The program around the supervisor: its terminal, its text and its log.

use crate::arguments::{Override, Reports, Wishes};
use crate::counters::Ticker;
use crate::error::Error;
use crate::settings::Origin;
use crate::{print, role};
use log::LevelFilter;
use logging::{Target, error_log};
use perf::Snapshot;
use privsep::message::{Needs, Output, Subject};
use privsep::role::Role;
use privsep::stage::Stage;
use privsep::supervisor::{self, House};
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::panic;
use std::path::PathBuf;

/// Serves until a signal or a command ends it.
///
/// # Errors
/// Whatever prevents the start, with nothing left behind.
pub(crate) fn serve(wishes: &Wishes, reports: Reports) -> Result<(), Error> {
    // Before this process opens anything, and before it becomes another one in the background.
    let passed = sys::activation::take()?;
    let mut home = Home::new(wishes, reports)?;
    begin()?;
    sys::uring::probe()?;
    let program = sys::spawn::Program::own().map_err(Error::process("open the program itself"))?;
    let stage = |needs: &Needs| {
        if needs.privsep {
            return Stage::Processes(program);
        }
        // The last moment without threads.
        engine::prepare();
        Stage::Threads(role::in_thread, program)
    };
    Ok(supervisor::serve(&mut home, passed, stage)?)
}

/// What every supervisor does first.
pub(crate) fn begin() -> Result<(), Error> {
    error_log::install(&Target::Stderr, LevelFilter::Info)?;
    // The configuration has hashes and tokens, and whoever gives a command its secret.
    sys::process::forbid_dumps().map_err(Error::process("keep its memory out of core dumps"))?;
    // The arguments are read; what matters to who looks is the role.
    if let Err(error) = sys::title::set_process_title(Role::Supervisor.row().title) {
        log::debug!("the title stays as it was: {error}");
    }
    // A server in the background has no standard error, where a panic would be told otherwise.
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    Ok(())
}

/// The program around the supervisor.
pub(crate) struct Home {
    origin: Origin,
    overrides: Vec<Override>,
    /// Where it was started.
    folder: PathBuf,
    /// The program, as an absolute path.
    program: PathBuf,
    /// Its command line, without the name.
    arguments: Vec<OsString>,
    ticker: Option<Ticker>,
}

impl Home {
    pub(crate) fn new(wishes: &Wishes, reports: Reports) -> Result<Self, Error> {
        let folder = std::env::current_dir().map_err(Error::process("find the current folder"))?;
        let program = std::env::current_exe().map_err(Error::process("find the program itself"))?;
        let arguments = std::env::args_os().skip(1).collect();
        Self::with(wishes, reports, Past { folder, program, arguments })
    }

    /// One that was started another time.
    pub(crate) fn with(wishes: &Wishes, reports: Reports, past: Past) -> Result<Self, Error> {
        let Past { folder, program, arguments } = past;
        let ticker = match reports {
            Reports::Quiet => None,
            Reports::Verbose => Some(Ticker::new(io::stdout().is_terminal())),
        };
        let origin = Origin::find(wishes).map_err(Error::Unreadable)?;
        Ok(Self { origin, overrides: wishes.overrides.clone(), folder, program, arguments, ticker })
    }
}

/// How a server was started.
pub(crate) struct Past {
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

impl House for Home {
    fn program(&self) -> PathBuf {
        self.program.clone()
    }

    fn arguments(&self) -> Vec<Vec<u8>> {
        self.arguments.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn subject(&self) -> Subject {
        self.origin.subject(&self.overrides)
    }

    fn text(&self) -> Result<Vec<u8>, String> {
        self.origin.text(&self.folder)
    }

    fn origin(&self) -> String {
        self.origin.to_string()
    }

    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    fn errors_to(&self, output: &Output) -> Result<(), String> {
        let target = match output {
            Output::Stdout => Target::Stdout,
            Output::Stderr => Target::Stderr,
            Output::File { path } => Target::File(path.clone()),
            Output::Receiver { identity, .. } => Target::Receiver(identity.clone()),
        };
        error_log::redirect(&target).map_err(|error| error.to_string())
    }

    fn messages_by(&self, socket: OwnedFd) {
        error_log::show_by(socket);
    }

    fn verbosity(&self, level: u32) {
        error_log::set_level(role::level(level));
    }

    fn stamp(&self) -> String {
        logging::now()
    }

    /// Tells people what runs, when all of it runs.
    fn serving(&self, addresses: &[String], shards: usize) {
        let plural = if shards == 1 { "" } else { "s" };
        print::note(&format!(
            "kimura {}: {}; {shards} shard{plural}",
            env!("CARGO_PKG_VERSION"),
            self.origin
        ));
        for address in addresses {
            print::note(&format!("kimura: listening on {}", url(address)));
        }
    }

    fn ticks(&self) -> bool {
        self.ticker.is_some()
    }

    fn tick(&mut self, counters: &Snapshot) {
        if let Some(ticker) = &mut self.ticker
            && let Err(error) = print::out(&ticker.line(counters))
        {
            log::error!("the counters cannot be printed: {error}");
        }
    }
}

/// What a browser or a client takes for the address.
fn url(address: &str) -> String {
    match address.strip_suffix(" tls") {
        _ if address.starts_with("unix:") => address.to_owned(),
        Some(address) => format!("https://{address}/"),
        None => format!("http://{address}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (address, wanted) in [
            ("127.0.0.1:80", "http://127.0.0.1:80/"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("[::1]:443 tls", "https://[::1]:443/"),
            ("unix:/run/k.sock", "unix:/run/k.sock"),
        ] {
            assert_eq!(url(address), wanted);
        }
    }
}

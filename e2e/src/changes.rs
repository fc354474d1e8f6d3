//! Reloads and upgrades under a constant load: nothing that clients ask for may go wrong, and the ledger of the server
//! must say what the clients have counted themselves.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::load::{Load, Tally};
use crate::output::Place;
use crate::{Folder, Options, Server, binary};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0", "[::1]:0", "unix:${folder}/http.sock"${extra}],
    "shards": 2, "error_log_level": "warn",
    "control": { "socket": "${folder}/control.sock" }
  },
  "defaults": { "access_log": "${folder}/${log}" },
  "hosts": {
    "steady.test": { "root": "${folder}/www" }
    ${host}
  }
}"#;

const BODY: &[u8] = b"Hello, world!\n";

/// How often each is to happen.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Reloads, half of which change nothing and half of which something.
    pub reloads: u32,
    /// Upgrades, spread between the reloads.
    pub upgrades: u32,
}

/// Carries a plan out; what the clients have seen.
pub fn under_load(plan: Plan) -> Outcome<Tally> {
    let folder = Folder::new("changes")?;
    folder.write("www/hello.txt", BODY)?;
    let stage = Stage { configuration: folder.path().join("kimura.conf"), folder };
    stage.write(0)?;
    let server = Server::start(&stage.configuration, &Options::default())?;
    let places: Vec<Place> = (1..=3).map(|number| server.place(number)).collect::<Outcome<_>>()?;
    let load = Load::start(&places, "steady.test", "/hello.txt", BODY);
    let changed = stage.changes(plan);
    let tally = load.stop();
    changed?;
    if let Some(first) = tally.failures.first() {
        let (count, said) = (tally.failures.len(), server.output().said().text());
        let what = format!("{count} requests failed, the first: {first}\nthe server printed:\n{said}");
        return Err(Failure::mismatch("requests under load", "no failure", what));
    }
    stage.compare(&tally)?;
    server.stop()?;
    Ok(tally)
}

struct Stage {
    folder: Folder,
    configuration: PathBuf,
}

impl Stage {
    /// Each number in turn has another configuration, which serves the same file all the same: a host, an address and
    /// the log come and go.
    fn write(&self, number: u32) -> Outcome<()> {
        let folder = self.folder.path().to_string_lossy();
        let host = if number % 4 < 2 { "" } else { r#", "other.test": { "root": "${folder}/www" }"# };
        let extra = if number % 4 == 1 { r#", "unix:${folder}/more.sock""# } else { "" };
        let log = if number % 8 < 4 { "access.log" } else { "other.log" };
        let text = CONFIGURATION.replace("${host}", host).replace("${extra}", extra).replace("${log}", log);
        self.folder.write("kimura.conf", text.replace("${folder}", &folder).as_bytes()).map(drop)
    }

    fn changes(&self, plan: Plan) -> Outcome<()> {
        let every = plan.reloads.checked_div(plan.upgrades).unwrap_or(u32::MAX).max(1);
        for number in 1..=plan.reloads {
            self.write(number / 2)?;
            self.give(&["reload"])?;
            if number % every == 0 && number / every <= plan.upgrades {
                self.give(&["upgrade"])?;
            }
        }
        Ok(())
    }

    /// Gives a command, which has to be carried out; what it printed.
    fn give(&self, words: &[&str]) -> Outcome<String> {
        let socket = self.folder.path().join("control.sock");
        let output = Command::new(binary::path()).args(words).arg("--socket").arg(socket).output();
        let output = output.map_err(Failure::machine("run", binary::path()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Failure::mismatch(format!("kimura {}", words.join(" ")), "success", said))
    }

    /// Holds the ledger of the server against what clients have counted, when all of it has come to an end.
    fn compare(&self, tally: &Tally) -> Outcome<()> {
        let wanted = [
            (r#""connections_accepted""#, tally.connections),
            (r#""requests_answered""#, tally.answered),
            (r#""requests_aborted""#, 0),
            (r#""connections_lost""#, 0),
            (r#""requests_lost""#, 0),
            (r#""connections_open""#, 0),
        ];
        let deadline = std::time::Instant::now() + crate::PATIENCE;
        loop {
            let status = self.give(&["status", "--json"])?;
            let differs = wanted.iter().find(|(name, count)| !says(&status, name, *count));
            let Some((name, count)) = differs else { return Ok(()) };
            if std::time::Instant::now() > deadline {
                return Err(Failure::mismatch(*name, count, status));
            }
        }
    }
}

/// Whether a number stands in the answer of `kimura status --json`.
fn says(status: &str, name: &str, count: u64) -> bool {
    [",", "}"].iter().any(|end| status.contains(&format!("{name}:{count}{end}")))
}

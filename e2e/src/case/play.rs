//! Playing a data file against a server.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::case::{Case, Final, Report, Step, Suite, parse};
use crate::client::End;
use crate::failure::{Failure, Outcome};
use crate::ledger::{self, Counters};
use crate::response::{Asked, Response};
use crate::text::{Variables, expand};
use crate::{Client, Folder, Options, Server};

/// How many free ports a configuration can ask for, as `${port1}` and so on.
const FREE_PORTS: usize = 4;

/// How long a case that may take effect late is played again.
const EVENTUALLY: Duration = Duration::from_secs(10);

/// Plays the cases of one file whose name contains one of `wanted` (all when it is empty).
pub fn play(path: &Path, wanted: &[String]) -> Report {
    let mut report = Report { path: path.to_owned(), verdicts: Vec::new() };
    match begin(path) {
        Ok((suite, mut stage)) => {
            for case in suite.cases.iter().filter(|case| is_wanted(path, case, wanted)) {
                let verdict = stage.play(case).map_err(|failure| stage.explain(case, &failure));
                report.verdicts.push((case.name.clone(), verdict));
            }
            // Only a full run can have made all the counters.
            let finals =
                if report.verdicts.len() == suite.cases.len() { suite.finals.as_slice() } else { &[] };
            let verdict = stage.end(finals).map_err(|failure| failure.to_string());
            report.verdicts.push(("ends in order, ledger and counters agree".to_owned(), verdict));
        }
        Err(failure) => report.verdicts.push(("starts".to_owned(), Err(failure.to_string()))),
    }
    report
}

fn is_wanted(path: &Path, case: &Case, wanted: &[String]) -> bool {
    let name = format!("{} {}", path.file_name().unwrap_or_default().to_string_lossy(), case.name);
    wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()))
}

fn begin(path: &Path) -> Outcome<(Suite, Stage)> {
    let text = fs::read_to_string(path).map_err(Failure::machine("read", path))?;
    let suite = parse(&text)?;
    let stage = Stage::set(&suite)?;
    Ok((suite, stage))
}

/// A server with its folder, and what the cases have learned.
struct Stage {
    folder: Folder,
    variables: Variables,
    server: Server,
}

impl Stage {
    fn set(suite: &Suite) -> Outcome<Stage> {
        let folder = Folder::new("case")?;
        let root = folder.path().join("www");
        fs::create_dir(&root).map_err(Failure::machine("create folder", &root))?;
        let mut variables = free_ports()?;
        variables.insert("dir".to_owned(), folder.path().display().to_string());
        variables.insert("root".to_owned(), root.display().to_string());
        for change in &suite.disk {
            change.apply(&root, &variables)?;
        }
        let script = |what| Failure::Script { line: 1, what };
        let text = expand_braces_only(&suite.configuration, &variables);
        let configuration = folder.write("kimura.conf", text.as_bytes())?;
        let mut options = Options { open_files: suite.open_files, ..Options::default() };
        for argument in &suite.arguments {
            let argument = String::from_utf8(expand(argument, &variables).map_err(script)?);
            options.arguments.push(argument.map_err(|error| script(error.to_string()))?.into());
        }
        let server = Server::start(&configuration, &options)?;
        Ok(Stage { folder, variables, server })
    }

    fn play(&mut self, case: &Case) -> Outcome<()> {
        let deadline = Instant::now() + EVENTUALLY;
        loop {
            match Run::begin(self, case)?.steps(case) {
                Err(_) if case.eventually && Instant::now() < deadline => self.server.next_report()?,
                verdict => return verdict,
            }
        }
    }

    fn explain(&self, case: &Case, failure: &Failure) -> String {
        let said = self.server.output().said();
        let tail = said.lines.iter().rev().filter(|line| !line.contains('=')).take(5);
        let tail: Vec<&str> = tail.map(String::as_str).collect();
        format!("line {}: {failure}; the server's last lines: {tail:?}", case.line)
    }

    fn end(self, finals: &[Final]) -> Outcome<()> {
        let counters = self.server.stop()?;
        finals.iter().try_for_each(|wanted| check_final(wanted, &counters))?;
        drop(self.folder);
        Ok(())
    }
}

fn check_final(wanted: &Final, counters: &Counters) -> Outcome<()> {
    let counted = ledger::counter(counters, &wanted.counter)?;
    if wanted.relation.holds(counted, wanted.value) {
        return Ok(());
    }
    let what = format!("line {}: final {}", wanted.line, wanted.counter);
    Err(Failure::mismatch(what, format!("{:?} {}", wanted.relation, wanted.value), counted))
}

/// One case being played.
struct Run<'s> {
    stage: &'s mut Stage,
    client: Client,
    held: Vec<Client>,
    last: Option<Response>,
    /// Bytes of content still owed after a part was read.
    owed: u64,
    before: Counters,
}

impl<'s> Run<'s> {
    fn begin(stage: &'s mut Stage, case: &Case) -> Outcome<Run<'s>> {
        let client = Client::connect(&stage.server.place(case.place)?)?;
        let before = stage.server.output().said().counters.clone();
        Ok(Run { stage, client, held: Vec::new(), last: None, owed: 0, before })
    }

    fn steps(mut self, case: &Case) -> Outcome<()> {
        for step in &case.steps {
            self.step(step, case)?;
        }
        // The rest of a content that only a part was wanted of is no surplus.
        if self.owed == 0 { self.client.no_surplus() } else { Ok(()) }
    }

    fn step(&mut self, step: &Step, case: &Case) -> Outcome<()> {
        match step {
            Step::Send(text) => {
                let bytes = expand(text, &self.stage.variables);
                self.client.send(&bytes.map_err(|what| Failure::Script { line: case.line, what })?)
            }
            Step::HalfClose => self.client.half_close(),
            Step::Expect(expectation) => {
                let response = self.client.response(expectation.asked)?;
                expectation.check(&response, &self.stage.variables)?;
                self.last = Some(response);
                Ok(())
            }
            Step::Part { bytes, expectation } => {
                let (response, promised) = self.client.part(*bytes)?;
                expectation.check(&response, &self.stage.variables)?;
                self.owed = promised - response.body.len() as u64;
                self.last = Some(response);
                Ok(())
            }
            Step::Cut => self.rest(|came, owed| came < owed, "fewer bytes than promised, then the end"),
            Step::Whole => self.rest(|came, owed| came == owed, "all the bytes promised"),
            Step::Closed => match self.client.closed()? {
                End::Orderly => Ok(()),
                End::Reset => Err(Failure::mismatch("end of the connection", "FIN", "RST")),
            },
            Step::Open => self.another_request(),
            Step::Gone { status } => self.gone(*status),
            Step::Reconnect => {
                self.client = Client::connect(&self.stage.server.place(case.place)?)?;
                Ok(())
            }
            Step::Hold => {
                let next = Client::connect(&self.stage.server.place(case.place)?)?;
                self.held.push(std::mem::replace(&mut self.client, next));
                Ok(())
            }
            Step::Disk(change) => change.apply(&self.stage.folder.path().join("www"), &self.stage.variables),
            Step::Save { field, variable } => self.save(field, variable),
            Step::Grown { counter, by } => self.grown(counter, *by),
        }
    }

    /// Reads what is left of the content, for which the client must not have asked to stay connected.
    fn rest(&mut self, holds: fn(u64, u64) -> bool, wanted: &str) -> Outcome<()> {
        let owed = std::mem::take(&mut self.owed);
        let (came, _) = self.client.drain()?;
        if holds(came, owed) {
            return Ok(());
        }
        Err(Failure::mismatch("rest of the content", wanted, format!("{came} of {owed}")))
    }

    fn gone(&mut self, status: u16) -> Outcome<()> {
        match self.client.response(Asked::Other) {
            Ok(response) if response.status == status => self.client.closed().map(drop),
            Ok(response) => Err(Failure::mismatch("status", format!("{status} or none"), response.status)),
            Err(Failure::Closed { got: 0, .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn another_request(&mut self) -> Outcome<()> {
        // Needs no file and no host of a certain name: RFC 9110 9.3.7 asks about the server as a whole.
        self.client.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        self.client.response(Asked::Other).map(drop)
    }

    fn save(&mut self, field: &str, variable: &str) -> Outcome<()> {
        let value = self.last.as_ref().and_then(|response| response.field(field));
        let value = value.ok_or_else(|| Failure::mismatch(field, "a value to save", "no such field"))?;
        self.stage.variables.insert(variable.to_owned(), value.to_owned());
        Ok(())
    }

    fn grown(&mut self, counter: &str, by: u64) -> Outcome<()> {
        let wanted = self.before.get(counter).copied().unwrap_or(0) + by;
        let what = format!("{counter} of at least {wanted}");
        let reached = |counters: &Counters| counters.get(counter).is_some_and(|&value| value >= wanted);
        self.stage.server.wait_counters(&what, reached).map(drop)
    }
}

/// Replaces `${name}`: a configuration has escapes of its own, which are not ours to read.
fn expand_braces_only(text: &str, variables: &Variables) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

/// Ports that were free a moment ago, held together so that they differ.
fn free_ports() -> Outcome<Variables> {
    let mut held = Vec::new();
    let mut variables = Variables::new();
    for number in 1..=FREE_PORTS {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::machine("bind", "127.0.0.1:0"))?;
        let port = listener.local_addr().map_err(Failure::machine("ask for", "a port"))?.port();
        variables.insert(format!("port{number}"), port.to_string());
        held.push(listener);
    }
    Ok(variables)
}

//! A whole run: who takes part, the rounds in which the servers take turns, and the results.

use std::path::PathBuf;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Deserialize;

use crate::docroot::RunFolder;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::load::Generators;
use crate::machine::{self, Machine};
use crate::measure::{Lab, Speed};
use crate::options::Options;
use crate::packages::{self, PERF, SETPRIV, TASKSET, WRK};
use crate::results::{Participant, Results, Samples, ServerResult, WorkloadResult};
use crate::server::{Contender, Kind, Server};
use crate::shards;
use crate::workload::{Carrier, Load, Measure, Workload};

/// Rounds with idle connections: each starts every server afresh, and memory hardly varies.
const IDLE_ROUNDS: usize = 3;
/// Length of the pass that counts system calls.
const COUNTING_SECONDS: u64 = 1;
/// Files that a process needs besides one connection each.
const SPARE_FILES: u64 = 200;

/// Runs the bench and gives back the folder for the reports and what goes into them.
pub(crate) fn run(options: &Options) -> Result<(PathBuf, Results), Error> {
    let interrupt = Interrupt::install().map_err(Error::io("watch for", "signals"))?;
    let target = target_folder()?;
    let out = options.out.clone().unwrap_or_else(|| target.join("bench"));
    let folder = RunFolder::create()?;
    install(options, &folder, &interrupt)?;
    let contenders = contenders(options, &target)?;
    let baseline = baseline(options, &contenders)?;
    let lab = lab(options, folder, interrupt)?;
    let participants = check_all(&lab, &contenders)?;
    let idle_connections = affordable(options.idle_connections);
    let mut workloads = Vec::new();
    for workload in &options.workloads {
        let (contenders, participants) = taking_part(workload, &contenders, &participants);
        let servers = match workload.measure {
            Measure::Speed(load) => speed(&lab, workload, load, &contenders, &participants, options)?,
            Measure::IdleMemory => idle(&lab, workload, &contenders, idle_connections, options.rounds)?,
        };
        workloads.push(WorkloadResult {
            name: workload.name,
            title: workload.title,
            bulk: workload.bulk(),
            servers,
        });
    }
    let machine = Machine::read(lab.cpu, lab.generators.cpu);
    let (rounds, seconds) = (options.rounds, options.seconds);
    Ok((out, Results { machine, rounds, seconds, baseline, participants, workloads }))
}

/// Measures what a second shard costs, and gives back the report.
pub(crate) fn shards(options: &Options) -> Result<String, Error> {
    let options = &Options { peers: Vec::new(), ..options.clone() };
    let interrupt = Interrupt::install().map_err(Error::io("watch for", "signals"))?;
    let target = target_folder()?;
    let folder = RunFolder::create()?;
    install(options, &folder, &interrupt)?;
    let contenders = contenders(options, &target)?;
    let lab = lab(options, folder, interrupt)?;
    shards::run(&lab, contenders.first().ok_or(Error::NoServers)?, options)
}

fn install(options: &Options, folder: &RunFolder, interrupt: &Interrupt) -> Result<(), Error> {
    if !options.install {
        return Ok(());
    }
    let log = folder.path().join("install.log");
    let mut tools = vec![WRK, TASKSET, SETPRIV];
    tools.extend(options.peers.iter().map(|kind| kind.tool()));
    packages::install(&tools, &log, interrupt)?;
    // Without perf only one column is missing, and not every kernel has a package of it.
    if let Err(error @ Error::Program { .. }) = packages::install(&[PERF], &log, interrupt) {
        eprintln!("bench: {error}");
    }
    Ok(())
}

fn contenders(options: &Options, target: &std::path::Path) -> Result<Vec<Contender>, Error> {
    let mut all = Vec::new();
    for binary in &options.kimura {
        let program = binary.path.canonicalize().map_err(Error::io("find", &binary.path))?;
        all.push(Contender { label: binary.label.clone(), kind: Kind::Kimura, program });
    }
    if all.is_empty() && !options.no_kimura {
        all.push(Contender { label: "kimura".to_owned(), kind: Kind::Kimura, program: build(target)? });
    }
    for &kind in &options.peers {
        let label = kind.name().to_owned();
        all.push(Contender { label, kind, program: kind.tool().require()? });
    }
    let twice = |(at, one): (usize, &Contender)| all[..at].iter().any(|other| other.label == one.label);
    if let Some((_, one)) = all.iter().enumerate().find(|&pair| twice(pair)) {
        let problem = "is the label of two servers; write --kimura LABEL=PATH";
        return Err(Error::Label { label: one.label.clone(), problem });
    }
    if all.is_empty() { Err(Error::NoServers) } else { Ok(all) }
}

fn baseline(options: &Options, contenders: &[Contender]) -> Result<String, Error> {
    let has = |label: &str| contenders.iter().any(|contender| contender.label == label);
    match &options.baseline {
        Some(label) if has(label) => Ok(label.clone()),
        Some(label) => {
            Err(Error::Label { label: label.clone(), problem: "is the baseline but takes no part" })
        }
        None if has(Kind::Nginx.name()) => Ok(Kind::Nginx.name().to_owned()),
        None => contenders.first().map(|first| first.label.clone()).ok_or(Error::NoServers),
    }
}

fn lab(options: &Options, folder: RunFolder, interrupt: Interrupt) -> Result<Lab, Error> {
    let cpus = machine::allowed()?;
    let pick = |option, wanted: Option<usize>, default: Option<&usize>| match wanted {
        Some(cpu) if !cpus.contains(&cpu) => {
            let range = "a processor that this process may run on";
            Err(Error::OutOfRange { option, value: cpu.to_string(), range })
        }
        Some(cpu) => Ok(cpu),
        None => Ok(default.copied().unwrap_or(0)),
    };
    let cpu = pick("--server-cpu", options.server_cpu, cpus.first())?;
    let client = pick("--client-cpu", options.client_cpu, cpus.last())?;
    if cpu == client {
        eprintln!("bench: server and load share processor {cpu}; only times per request mean anything");
    }
    for tool in [TASKSET, SETPRIV] {
        tool.require()?;
    }
    let generators = Generators { cpu: client, wrk: WRK.require()?, folder: folder.path().to_owned() };
    let perf = PERF.find().filter(|perf| generators.can_count(perf, &interrupt));
    if perf.is_none() {
        eprintln!(
            "bench: perf cannot count system calls here (missing, or not allowed); that column stays empty"
        );
    }
    Ok(Lab { folder, generators, perf, cpu, interrupt })
}

/// Starts every server once and compares what it serves with the files.
fn check_all(lab: &Lab, contenders: &[Contender]) -> Result<Vec<Participant>, Error> {
    let check = |contender: &Contender| {
        let head_bytes = lab.start(contender)?.check(&lab.folder)?;
        Ok(Participant { label: contender.label.clone(), version: contender.version(), head_bytes })
    };
    contenders.iter().map(check).collect()
}

/// Those who can do it.
fn taking_part(
    workload: &Workload,
    contenders: &[Contender],
    participants: &[Participant],
) -> (Vec<Contender>, Vec<Participant>) {
    let able = |contender: &Contender| workload.carrier == Carrier::Plain || contender.kind.has_tls();
    let pairs = contenders.iter().zip(participants).filter(|(contender, _)| able(contender));
    pairs.map(|(contender, participant)| (contender.clone(), participant.clone())).unzip()
}

fn speed(
    lab: &Lab,
    workload: &'static Workload,
    load: Load,
    contenders: &[Contender],
    participants: &[Participant],
    options: &Options,
) -> Result<Vec<ServerResult>, Error> {
    let measured = Speed { load, workload, seconds: options.seconds };
    // Fresh servers for each workload: none profits or suffers from what the one before has left.
    let mut servers: Vec<Server> =
        contenders.iter().map(|contender| lab.start(contender)).collect::<Result<_, _>>()?;
    for server in &servers {
        lab.warm_up(Speed { seconds: options.warmup, ..measured }, server)?;
    }
    let mut samples = vec![Vec::new(); servers.len()];
    for round in 0..options.rounds {
        for turn in 0..servers.len() {
            // Each round begins with another server, so that none always follows the same one.
            let at = (round + turn) % servers.len();
            let (server, head) = (&mut servers[at], participants[at].head_bytes);
            let sample = lab.load(measured, server, head)?;
            eprintln!(
                "bench: {} {}/{} {}: {:.1} requests per CPU-second, p99 {:.0} us{}",
                workload.name,
                round + 1,
                options.rounds,
                server.label,
                sample.requests_per_cpu_second(),
                sample.delivered.p99_us,
                if sample.disturbed() { " (disturbed)" } else { "" },
            );
            samples[at].push(sample);
        }
    }
    let counting = Speed { seconds: COUNTING_SECONDS, ..measured };
    let result = |(server, samples): (Server, Vec<_>)| {
        Ok(ServerResult {
            syscalls_per_request: lab.syscalls(counting, &server)?,
            label: server.label.clone(),
            samples: Samples::Load(samples),
        })
    };
    servers.into_iter().zip(samples).map(result).collect()
}

fn idle(
    lab: &Lab,
    workload: &Workload,
    contenders: &[Contender],
    connections: usize,
    rounds: usize,
) -> Result<Vec<ServerResult>, Error> {
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..rounds.min(IDLE_ROUNDS) {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            let sample = lab.idle(contender, workload, connections)?;
            eprintln!(
                "bench: {} {} {}: {:.0} bytes for each of {} connections",
                workload.name,
                round + 1,
                contender.label,
                sample.user_bytes(),
                sample.connections,
            );
            samples.push(sample);
        }
    }
    let result = |(contender, samples): (&Contender, Vec<_>)| ServerResult {
        label: contender.label.clone(),
        samples: Samples::Idle(samples),
        syscalls_per_request: None,
    };
    Ok(contenders.iter().zip(samples).map(result).collect())
}

/// Raises the limit of open files as far as allowed, for the servers too, and fits `wanted` to it.
fn affordable(wanted: usize) -> usize {
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    // If it is refused, the first connection too many says so.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    let room = usize::try_from(hard.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
    if room < wanted {
        eprintln!("bench: only {room} idle connections, for the limit of open files is {hard}");
    }
    wanted.min(room)
}

/// The part of `cargo metadata` that is needed.
#[derive(Deserialize)]
struct Metadata {
    target_directory: PathBuf,
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn target_folder() -> Result<PathBuf, Error> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    let output = command.output().map_err(Error::io("run", "cargo metadata"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let metadata: Metadata = serde_json::from_str(&text).map_err(|_| Error::Program {
        program: "cargo metadata".to_owned(),
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })?;
    Ok(metadata.target_directory)
}

/// Builds the release binary of this workspace; its output goes to the terminal.
fn build(target: &std::path::Path) -> Result<PathBuf, Error> {
    let mut command = cargo();
    command.args(["build", "--release", "--package", "kimura-bin"]);
    let status = command.status().map_err(Error::io("run", "cargo build"))?;
    if status.success() {
        Ok(target.join("release").join("kimura"))
    } else {
        let output = "see above".to_owned();
        Err(Error::Program { program: "cargo build --release".to_owned(), status, output })
    }
}

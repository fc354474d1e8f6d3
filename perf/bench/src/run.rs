//! A whole run: who takes part, the rounds in which the servers take turns, and the results.

use std::path::PathBuf;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Deserialize;

use crate::docroot::RunFolder;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::load::Generators;
use crate::logins;
use crate::machine::{self, Machine};
use crate::measure::{Lab, Speed};
use crate::options::Options;
use crate::packages::{self, OPENSSL, PERF, SETPRIV, TASKSET, WRK};
use crate::results::{LoadSample, Participant, Results, Samples, ServerResult, WorkloadResult};
use crate::server::{Contender, Kind, Server};
use crate::shards;
use crate::signing;
use crate::template::Part;
use crate::workload::{Load, Measure, Workload};

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
    let parts = parts(options);
    let lab = if parts.contains(&Part::Proxy) { behind(lab)? } else { lab };
    if parts.contains(&Part::Tls) {
        lab.folder.certify_all()?;
    }
    let takes_part =
        |contender: &Contender| options.workloads.iter().any(|workload| contender.has_all(workload.parts));
    let contenders: Vec<Contender> = contenders.into_iter().filter(takes_part).collect();
    let participants = check_all(&lab, &contenders, &parts)?;
    let idle_connections = affordable(options.idle_connections);
    let mut workloads = Vec::new();
    for twins in options.workloads.chunk_by(|one, next| one.is_twin_of(next)) {
        let servers = match twins[0].measure {
            Measure::Speed(load) => {
                let entrants = entrants(&lab, twins, load, &contenders, &participants, options)?;
                speed(&lab, entrants, twins, options)?
            }
            Measure::IdleMemory => {
                let mut idles = Vec::new();
                for workload in twins {
                    idles.push(idle(&lab, workload, &contenders, idle_connections, options.rounds)?);
                }
                idles
            }
        };
        for (workload, servers) in twins.iter().zip(servers) {
            workloads.push(WorkloadResult {
                name: workload.name,
                title: workload.title,
                bulk: workload.bulk(),
                coded: workload.is_coded(),
                unlogged: unlogged(workload, twins),
                signing: workload.signed_by().map(|key| signing::measure(&lab, key)).transpose()?,
                servers,
            });
        }
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

/// Measures what logins cost all others, and gives back the report.
pub(crate) fn logins(options: &Options) -> Result<String, Error> {
    let options = &Options { peers: Vec::new(), ..options.clone() };
    let interrupt = Interrupt::install().map_err(Error::io("watch for", "signals"))?;
    let target = target_folder()?;
    let folder = RunFolder::create()?;
    install(options, &folder, &interrupt)?;
    let contenders = contenders(options, &target)?;
    let lab = lab(options, folder, interrupt)?;
    logins::run(&lab, contenders.first().ok_or(Error::NoServers)?, options)
}

fn install(options: &Options, folder: &RunFolder, interrupt: &Interrupt) -> Result<(), Error> {
    if !options.install {
        return Ok(());
    }
    let log = folder.path().join("install.log");
    let mut tools = vec![WRK, TASKSET, SETPRIV, OPENSSL];
    tools.extend(options.peers.iter().map(|kind| kind.tool()));
    if parts(options).contains(&Part::Proxy) {
        tools.push(Kind::Nginx.tool());
    }
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
    Ok(Lab { behind: None, folder, generators, perf, cpu, interrupt })
}

/// Starts the server that files come from where they are passed on, beside the load.
fn behind(lab: Lab) -> Result<Lab, Error> {
    let kind = Kind::Nginx;
    let contender = Contender { label: "behind".to_owned(), kind, program: kind.tool().require()? };
    let server = contender.start((&lab.folder, None), &[lab.generators.cpu], &[], &lab.interrupt)?;
    Ok(Lab { behind: Some(server), ..lab })
}

/// What the servers need for all workloads together.
fn parts(options: &Options) -> Vec<Part> {
    let needed = |part: &Part| options.workloads.iter().any(|workload| workload.parts.contains(part));
    Part::ALL.into_iter().filter(needed).collect()
}

/// Starts every server once, with all that it will be asked for, and compares what it serves with the files.
fn check_all(lab: &Lab, contenders: &[Contender], parts: &[Part]) -> Result<Vec<Participant>, Error> {
    let check = |contender: &Contender| {
        let parts: Vec<Part> = parts.iter().copied().filter(|part| contender.kind.has(*part)).collect();
        let head_bytes = lab.start(contender, &parts)?.check(&lab.folder)?;
        Ok(Participant { label: contender.label.clone(), version: contender.version(), head_bytes })
    };
    contenders.iter().map(check).collect()
}

/// A server that has its turn in each round of a workload.
struct Entrant {
    server: Server,
    measured: Speed,
    head_bytes: usize,
    samples: Vec<LoadSample>,
}

/// The one of `twins` that is `workload` without its log.
fn unlogged(workload: &Workload, twins: &[&'static Workload]) -> Option<&'static str> {
    let plain = twins.iter().find(|twin| !twin.is_logged()).filter(|_| workload.is_logged())?;
    Some(plain.name)
}

/// Starts all servers of `twins`. They are fresh for each workload: none profits or suffers from what the one before has
/// left.
fn entrants(
    lab: &Lab,
    twins: &[&'static Workload],
    load: Load,
    contenders: &[Contender],
    participants: &[Participant],
    options: &Options,
) -> Result<Vec<Entrant>, Error> {
    let mut entrants = Vec::new();
    // Those of one contender follow each other, for they are compared most closely.
    for contender in contenders {
        for workload in twins.iter().filter(|workload| contender.has_all(workload.parts)) {
            let known = participants.iter().find(|participant| participant.label == contender.label);
            let server = lab.start(contender, workload.parts)?;
            let measured = Speed { load, workload, seconds: options.seconds };
            lab.warm_up(Speed { seconds: options.warmup, ..measured }, &server)?;
            let head_bytes = known.map_or(0, |participant| participant.head_bytes);
            entrants.push(Entrant { server, measured, head_bytes, samples: Vec::new() });
        }
    }
    Ok(entrants)
}

/// Measures in turns; the results of each of the `twins`.
fn speed(
    lab: &Lab,
    mut entrants: Vec<Entrant>,
    twins: &[&'static Workload],
    options: &Options,
) -> Result<Vec<Vec<ServerResult>>, Error> {
    let count = entrants.len();
    for round in 0..options.rounds {
        for turn in 0..count {
            // Each round begins with another server, so that none always follows the same one.
            let entrant = &mut entrants[(round + turn) % count];
            let sample = lab.load(entrant.measured, &mut entrant.server, entrant.head_bytes)?;
            eprintln!(
                "bench: {} {}/{} {}: {:.1} requests per CPU-second, p99 {:.0} us{}",
                entrant.measured.workload.name,
                round + 1,
                options.rounds,
                entrant.server.label,
                sample.requests_per_cpu_second(),
                sample.delivered.p99_us,
                if sample.disturbed() { " (disturbed)" } else { "" },
            );
            entrant.samples.push(sample);
        }
    }
    let mut results: Vec<Vec<ServerResult>> = twins.iter().map(|_| Vec::new()).collect();
    for Entrant { server, measured, samples, .. } in entrants {
        let counting = Speed { seconds: COUNTING_SECONDS, ..measured };
        let own = twins.iter().position(|workload| workload.name == measured.workload.name);
        results[own.unwrap_or(0)].push(ServerResult {
            syscalls_per_request: lab.syscalls(counting, &server)?,
            label: server.label.clone(),
            samples: Samples::Load(samples),
        });
    }
    Ok(results)
}

fn idle(
    lab: &Lab,
    workload: &Workload,
    contenders: &[Contender],
    connections: usize,
    rounds: usize,
) -> Result<Vec<ServerResult>, Error> {
    let able = |contender: &&Contender| contender.has_all(workload.parts);
    let contenders: Vec<&Contender> = contenders.iter().filter(able).collect();
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
    let result = |(contender, samples): (&&Contender, Vec<_>)| ServerResult {
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

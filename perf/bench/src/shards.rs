//! What a second shard costs: one process of two shards beside two processes of one shard each, under the same load.
//!
//! Comparing with a single process on an otherwise idle machine would measure the machine: two busy processors share
//! caches and memory, and half the connections a shard make smaller passes. So both sides get the same processors,
//! connections and load generators, and differ only in whether the shards are in one process.

use std::fmt::Write as _;
use std::thread;

use crate::error::Error;
use crate::load::{Generators, Order};
use crate::measure::Lab;
use crate::options::Options;
use crate::procfs;
use crate::server::{Contender, Server};
use crate::summary::Spread;
use crate::workload::{Carrier, Load, SMALL};

/// Connections to each processor's server.
const CONNECTIONS: usize = 32;

/// A server on each of two processors, or one on both.
struct Pair {
    name: &'static str,
    servers: Vec<Server>,
}

/// Measures in turns and gives back the report.
pub(crate) fn run(lab: &Lab, contender: &Contender, options: &Options) -> Result<String, Error> {
    let cpus = [lab.cpu, lab.generators.cpu];
    if cpus[0] == cpus[1] {
        return Err(Error::OneProcessor);
    }
    let start = |name: &str, cpus: &[usize]| {
        let contender = Contender { label: format!("{}-{name}", contender.label), ..contender.clone() };
        contender.start((&lab.folder, None), cpus, &[], &lab.interrupt)
    };
    let mut pairs = [
        Pair {
            name: "2 processes of 1 shard",
            servers: vec![start("a", &cpus[..1])?, start("b", &cpus[1..])?],
        },
        Pair { name: "1 process of 2 shards", servers: vec![start("both", &cpus)?] },
    ];
    let mut micros = [Vec::new(), Vec::new()];
    for pair in &mut pairs {
        pair.load(lab, cpus, options.warmup)?;
    }
    for round in 0..options.rounds {
        for turn in 0..pairs.len() {
            let at = (round + turn) % pairs.len();
            let sample = pairs[at].load(lab, cpus, options.seconds)?;
            eprintln!("bench: shards {}/{} {}: {sample:.2} us", round + 1, options.rounds, pairs[at].name);
            micros[at].push(sample);
        }
    }
    Ok(report(&pairs, &micros, options))
}

impl Pair {
    /// Processor time of the servers per request, in microseconds.
    fn load(&mut self, lab: &Lab, cpus: [usize; 2], seconds: u64) -> Result<f64, Error> {
        let used = |servers: &[Server]| -> Vec<_> {
            servers.iter().map(|server| procfs::usage(&procfs::tree(server.id()))).collect()
        };
        let before = used(&self.servers);
        let (first, last) = (&self.servers[0], &self.servers[self.servers.len() - 1]);
        let run = |cpu: usize, server: &Server| {
            let (wrk, folder) = (lab.generators.wrk.clone(), lab.generators.folder.clone());
            let load = Load::KeepAlive { connections: CONNECTIONS };
            let to = server.address(Carrier::Plain);
            let order = Order { load, file: &SMALL, carrier: Carrier::Plain, accepted: None, to, seconds };
            Generators { cpu, wrk, folder }.run(&order, &lab.interrupt)
        };
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| run(cpus[0], first));
            let other = run(cpus[1], last);
            (one.join(), other)
        });
        let one = one.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let requests = one.requests + other?.requests;
        let after = used(&self.servers);
        let cpu: f64 =
            after.iter().zip(&before).map(|(after, before)| after.since(before).ran.as_secs_f64()).sum();
        for server in &mut self.servers {
            server.check_alive()?;
        }
        Ok(1e6 * cpu / requests.max(1.0))
    }
}

fn report(pairs: &[Pair], micros: &[Vec<f64>; 2], options: &Options) -> String {
    let mut out = format!(
        "13 B file, {} connections, {} rounds of {} s in turns; servers and load on the same two processors.\n\n\
         | | CPU time per request | times the first |\n|---|---:|---:|\n",
        2 * CONNECTIONS,
        options.rounds,
        options.seconds,
    );
    for (pair, own) in pairs.iter().zip(micros) {
        let spread = Spread::of(own.iter().copied());
        let ratio = Spread::of_ratios(own.iter().copied(), micros[0].iter().copied());
        if let (Some(spread), Some(ratio)) = (spread, ratio) {
            let _ = writeln!(
                out,
                "| {} | {:.2} µs ({:.2} to {:.2}) | {:.3} ({:.3} to {:.3}) |",
                pair.name, spread.median, spread.min, spread.max, ratio.median, ratio.min, ratio.max,
            );
        }
    }
    out
}

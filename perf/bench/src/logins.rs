//! What logins cost all others: requests by the clock, in turns without and with more logins than can be hashed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use crate::client::open::{Flow, Task};
use crate::client::visitors::{HASH, Visitors, user};
use crate::docroot::RunFolder;
use crate::error::Error;
use crate::load::GENERATOR;
use crate::machine;
use crate::measure::Lab;
use crate::options::Options;
use crate::procfs::{self, SCHED_IDLE};
use crate::report::time;
use crate::results::{Answers, Flowed};
use crate::server::{Contender, Server};
use crate::summary::Spread;
use crate::template::Part;
use crate::workload::{Carrier, SMALL};

/// Connections of the other requests: many more than are ever under way.
const READERS: usize = 64;
/// Connections of the logins: more than can wait at all shards of a small machine, so that the excess is the server's.
const MEMBERS: usize = 512;
/// A user comes back after so many seconds at the earliest: longer than a shard remembers a right password.
const USER_REST: u64 = 30;
/// What names the threads that hash.
const HASH_THREADS: &str = "kimura-hash";
/// How much slower the slowest percent of the other requests may become.
const BOUND: f64 = 1.5;
/// Where the members log in.
const MEMBERS_PATH: &str = "members/small.txt";

/// Where the server runs.
struct SetUp {
    name: String,
    cpus: Vec<usize>,
}

/// What was measured in one of them.
struct Outcome {
    set_up: SetUp,
    /// How many threads hash, and how many of those run only where nobody else wants to.
    hashing: (usize, usize),
    rounds: Vec<Round>,
}

/// What became of the requests of a round.
struct Round {
    /// Of all others, while nobody logs in.
    without: Flowed,
    /// Of all others, while many log in.
    with: Flowed,
    logins: Flowed,
}

/// Measures and gives back the report.
pub(crate) fn run(lab: &Lab, contender: &Contender, options: &Options) -> Result<String, Error> {
    if lab.cpu == lab.generators.cpu {
        return Err(Error::OneProcessor);
    }
    prepare(&lab.folder, options)?;
    let all = machine::allowed()?;
    let set_ups = [
        SetUp { name: format!("processor {}", lab.cpu), cpus: vec![lab.cpu] },
        SetUp { name: format!("all {} processors", all.len()), cpus: all },
    ];
    let mut outcomes = Vec::new();
    for set_up in set_ups {
        outcomes.push(measure(lab, contender, set_up, options)?);
    }
    Ok(report(&outcomes, lab, options))
}

fn users(options: &Options) -> u64 {
    // Odd, so that each user has the right and the wrong password in turn.
    (options.login_rate * USER_REST) | 1
}

/// Makes the file of users, and the one that they want. All have one hash: only names are remembered apart.
fn prepare(folder: &RunFolder, options: &Options) -> Result<(), Error> {
    let mut text = String::new();
    for number in 0..users(options) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{}:{HASH}", user(number));
    }
    let htpasswd = folder.path().join("htpasswd");
    fs::write(&htpasswd, text).map_err(Error::io("write", &htpasswd))?;
    let (from, to) = (folder.docroot().join(SMALL.name), folder.docroot().join(MEMBERS_PATH));
    let members = folder.docroot().join("members");
    fs::create_dir(&members).map_err(Error::io("create", &members))?;
    fs::copy(from, &to).map(drop).map_err(Error::io("write", &to))
}

fn measure(lab: &Lab, contender: &Contender, set_up: SetUp, options: &Options) -> Result<Outcome, Error> {
    let mut server = contender.start((&lab.folder, None), &set_up.cpus, &[Part::Logins], &lab.interrupt)?;
    check(lab, &server, options)?;
    let policies = procfs::policies(&procfs::tree(server.id()), HASH_THREADS);
    let idle = policies.iter().filter(|policy| **policy == SCHED_IDLE).count();
    let hashing = (policies.len(), idle);
    offer(lab, &server, options.warmup, [readers(options)])?;
    let mut rounds = Vec::new();
    // The first users have logged in before.
    let mut first = 2;
    for round in 0..options.rounds {
        let mut without = None;
        let mut with = None;
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                let [others] = offer(lab, &server, options.seconds, [readers(options)])?;
                without = Some(others);
            } else {
                let flows = [readers(options), members(options, options.login_rate, first)];
                with = Some(offer(lab, &server, options.seconds, flows)?);
                first += options.login_rate * options.seconds;
            }
            server.check_alive()?;
        }
        let (Some(without), Some([with, logins])) = (without, with) else { continue };
        eprintln!(
            "bench: logins, {}, {}/{}: p99 {:.0} us without, {:.0} us with logins",
            set_up.name,
            round + 1,
            options.rounds,
            without.p99_us,
            with.p99_us,
        );
        rounds.push(Round { without, with, logins });
    }
    Ok(Outcome { set_up, hashing, rounds })
}

/// The requests of all others.
fn readers(options: &Options) -> Flow {
    let visitors = Visitors::Readers { path: SMALL.name.to_owned() };
    Flow { visitors, rate: options.rate, connections: READERS }
}

fn members(options: &Options, rate: u64, first: u64) -> Flow {
    let visitors = Visitors::Members { path: MEMBERS_PATH.to_owned(), users: users(options), first };
    Flow { visitors, rate, connections: MEMBERS }
}

/// Makes these flows, and waits for the last answer: no login is left that would be hashed in the next measurement.
fn offer<const N: usize>(
    lab: &Lab,
    server: &Server,
    seconds: u64,
    flows: [Flow; N],
) -> Result<[Flowed; N], Error> {
    let task = Task { to: server.address(Carrier::Plain), seconds, flows: flows.into() };
    lab.generators
        .offer(&task, &lab.interrupt)?
        .try_into()
        .map_err(|flowed| Error::Output { program: GENERATOR.to_owned(), output: format!("{flowed:?}") })
}

/// Whether the right password opens and the wrong one does not: else something else would be measured.
fn check(lab: &Lab, server: &Server, options: &Options) -> Result<(), Error> {
    let [logins] = offer(lab, server, 2, [members(options, 1, 0)])?;
    if logins.count(200) == 1 && logins.count(401) == 1 {
        return Ok(());
    }
    Err(Error::WrongVerdicts { label: server.label.clone(), answers: statuses(&logins) })
}

fn statuses(flowed: &Flowed) -> String {
    let answers = flowed.answers.iter().map(|answers| format!("{} x {}", answers.count, answers.status));
    answers.chain([format!("{} without an answer", flowed.failed)]).collect::<Vec<_>>().join(", ")
}

fn report(outcomes: &[Outcome], lab: &Lab, options: &Options) -> String {
    let mut out = format!(
        "13 B file, {} requests a second by the clock over {READERS} connections, without and with {} logins a second \
         (bcrypt, cost 10, right and wrong passwords of {} users in turn); {} rounds of {} s of each in turns; client on \
         processor {}.\n\n\
         | server on | p50 without | p50 with | p99 without | p99 with | p99 with / without | left late (p99) without | \
         with | not 200 |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        options.rate,
        options.login_rate,
        users(options),
        options.rounds,
        options.seconds,
        lab.generators.cpu,
    );
    for outcome in outcomes {
        outcome.latencies(&mut out);
    }
    out.push_str("\n| server on | answer to a login | of those offered in a second | p50 | p99 | slowest |\n|---|---|---:|---:|---:|---:|\n");
    for outcome in outcomes {
        outcome.answers(&mut out, options);
    }
    out.push('\n');
    for outcome in outcomes {
        let (threads, idle) = outcome.hashing;
        let _ = writeln!(
            out,
            "{}: {threads} threads hash, {idle} of them run only where nobody else wants to (SCHED_IDLE).",
            outcome.set_up.name
        );
    }
    out.push_str(HOW);
    let _ =
        writeln!(out, "The bound is {BOUND} on {}.", outcomes.first().map_or("", |first| &first.set_up.name));
    out
}

const HOW: &str = "
Latencies are counted from the time at which a request should have left; p99 of all rounds is their median, with the least
and the greatest; the quotient is the median of those of the rounds, with the least and the greatest. Without logins a
processor sleeps between requests and has to be woken for each, so that the half that is quick can be slower then.

The set-up that counts has the server, with all of its processes, on one processor and the client alone on another: what
then is slower is slower by the server, and a shard shares its processor with a thread that hashes, as each does on a
machine of any size. With the server on all processors (as many shards as it takes by default) the client shares its own
with a shard and a thread that hashes; what requests wait for the client is in the latencies, and \"left late\" tells how
much that is.
";

impl Outcome {
    fn spread(&self, of: impl Fn(&Round) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(of))
    }

    fn latencies(&self, out: &mut String) {
        let times =
            |of: fn(&Round) -> f64| self.spread(of).map_or_else(String::new, |spread| range(spread, time));
        let ratio = self.spread(|round| round.with.p99_us / round.without.p99_us.max(1.0));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.set_up.name,
            times(|round| round.without.p50_us),
            times(|round| round.with.p50_us),
            times(|round| round.without.p99_us),
            times(|round| round.with.p99_us),
            ratio.map_or_else(String::new, |ratio| range(ratio, |value| format!("{value:.2}"))),
            times(|round| round.without.late_p99_us),
            times(|round| round.with.late_p99_us),
            self.rounds.iter().map(|round| round.without.not(200) + round.with.not(200)).sum::<u64>(),
        );
    }

    fn answers(&self, out: &mut String, options: &Options) {
        let logins = || self.rounds.iter().map(|round| &round.logins);
        let statuses: BTreeSet<u16> =
            logins().flat_map(|flowed| &flowed.answers).map(|answers| answers.status).collect();
        let seconds = (options.seconds * self.rounds.len() as u64).max(1) as f64;
        for status in statuses {
            let all: Vec<_> = logins()
                .flat_map(|flowed| &flowed.answers)
                .filter(|answers| answers.status == status)
                .collect();
            let median = |of: fn(&Answers) -> f64| Spread::of(all.iter().map(|answers| of(answers)));
            let (p50, p99) = (median(|answers| answers.p50_us), median(|answers| answers.p99_us));
            let _ = writeln!(
                out,
                "| {} | {status} | {:.1} | {} | {} | {} |",
                self.set_up.name,
                all.iter().map(|answers| answers.count).sum::<u64>() as f64 / seconds,
                p50.map_or_else(String::new, |spread| time(spread.median)),
                p99.map_or_else(String::new, |spread| time(spread.median)),
                time(all.iter().map(|answers| answers.max_us).fold(0.0, f64::max)),
            );
        }
        let failed: u64 = logins().map(|flowed| flowed.failed).sum();
        if failed > 0 {
            let _ = writeln!(out, "| {} | none | {:.1} | | | |", self.set_up.name, failed as f64 / seconds);
        }
    }
}

fn range(spread: Spread, write: fn(f64) -> String) -> String {
    format!("{} ({} to {})", write(spread.median), write(spread.min), write(spread.max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flowed(p99_us: f64, answers: &[(u16, u64)]) -> Flowed {
        let answers = answers.iter().map(|&(status, count)| Answers {
            status,
            count,
            p50_us: 100.0,
            p99_us: 200.0,
            max_us: 1500.0,
        });
        Flowed { answers: answers.collect(), failed: 0, p50_us: 50.0, p99_us, late_p99_us: 20.0 }
    }

    #[test]
    fn quotients_are_those_of_the_rounds() {
        let round = |without, with| Round {
            without: flowed(without, &[(200, 10)]),
            with: flowed(with, &[(200, 9), (500, 1)]),
            logins: flowed(1.0, &[(200, 3), (503, 27)]),
        };
        let rounds = vec![round(100.0, 110.0), round(200.0, 400.0), round(100.0, 130.0)];
        let set_up = SetUp { name: "one".to_owned(), cpus: vec![0] };
        let outcome = Outcome { set_up, hashing: (1, 1), rounds };
        let mut out = String::new();
        outcome.latencies(&mut out);
        assert!(
            out.contains("| 100 µs (100 µs to 200 µs) | 130 µs (110 µs to 400 µs) | 1.30 (1.10 to 2.00) |"),
            "{out}"
        );
        assert!(out.ends_with("| 3 |\n"), "{out}");
        out.clear();
        outcome.answers(&mut out, &Options { seconds: 1, ..Options::default() });
        assert_eq!(
            out,
            "| one | 200 | 3.0 | 100 µs | 200 µs | 1.50 ms |\n| one | 503 | 27.0 | 100 µs | 200 µs | 1.50 ms |\n"
        );
    }
}

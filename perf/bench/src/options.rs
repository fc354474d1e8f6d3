//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt;
use lexopt::prelude::{Long, Short, Value};

use crate::client::closed::Task;
use crate::client::{handshakes, open};
use crate::error::Error;
use crate::server::Kind;
use crate::signing;
use crate::workload::{Key, Sessions, WORKLOADS, Workload};

/// Text of `--help`.
pub(crate) const HELP: &str = "\
Measures Kimura against nginx, h2o, lighttpd, Caddy and HAProxy on this machine, on 127.0.0.1 only.

Usage: cargo xtask bench [OPTIONS]

  --kimura [LABEL=]PATH   a Kimura binary; may be repeated (default: the release build, made first)
  --no-kimura             only the peers
  --peers LIST            of nginx,nginx-tuned,h2o,lighttpd,caddy,haproxy, or none (default: all)
  --only LIST             of small,small-log,10k,1m,64m,pipeline,short,conns1,conns1000,idle,paced; over TLS,
                          tls-small,tls-1m,tls-64m,tls-ecdsa,tls-rsa,tls-resumed,tls-idle; from a server behind,
                          proxy-small,proxy-1m,proxy-paced,gzip-100k (default: all)
  --shards                only what a second shard costs: one process of two shards beside two of one
  --logins                only what logins cost all others: requests by the clock, without and with logins in turns
  --rate N                those requests each second, 1 to 20000 (default: 2000)
  --login-rate N          those logins each second, 1 to 500 (default: 100)
  --baseline LABEL        what the ratios refer to (default: nginx, or else the first server)
  --rounds N              rounds in which the servers take turns, 1 to 100 (default: 7)
  --seconds S             length of one measurement, 1 to 60 (default: 5)
  --warmup S              load before the first round of a workload, 1 to 60 (default: 1)
  --idle-connections N    1 to 60000 (default: 10000)
  --server-cpu N          where the servers are pinned (default: the first processor)
  --client-cpu N          where the load generator is pinned (default: the last processor)
  --out DIR               for report.md, plot.svg and results.json (default: target/bench)
  --no-install            do not install missing Debian packages
  -h, --help              this text
";

/// What the process is to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print the help text.
    Help,
    /// Run the bench.
    Bench(Options),
    /// Make load: how the bench starts itself on the client's processor.
    Generate(Task),
    /// Make TLS handshakes.
    Handshakes(handshakes::Task),
    /// Make requests by the clock.
    Offer(open::Task),
    /// Sign.
    Sign(signing::Task),
}

/// The options of a run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) kimura: Vec<KimuraBinary>,
    pub(crate) no_kimura: bool,
    pub(crate) peers: Vec<Kind>,
    pub(crate) workloads: Vec<&'static Workload>,
    /// Measure what a second shard costs, and nothing else.
    pub(crate) shards: bool,
    /// Measure what logins cost all others, and nothing else.
    pub(crate) logins: bool,
    /// For that: requests of the others, and logins, each second.
    pub(crate) rate: u64,
    pub(crate) login_rate: u64,
    pub(crate) baseline: Option<String>,
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) warmup: u64,
    pub(crate) idle_connections: usize,
    pub(crate) server_cpu: Option<usize>,
    pub(crate) client_cpu: Option<usize>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) install: bool,
}

/// A Kimura binary and its name in the report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KimuraBinary {
    pub(crate) label: String,
    pub(crate) path: PathBuf,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            kimura: Vec::new(),
            no_kimura: false,
            peers: Kind::PEERS.to_vec(),
            workloads: WORKLOADS.iter().collect(),
            shards: false,
            logins: false,
            rate: 2000,
            login_rate: 100,
            baseline: None,
            rounds: 7,
            seconds: 5,
            warmup: 1,
            idle_connections: 10_000,
            server_cpu: None,
            client_cpu: None,
            out: None,
            install: true,
        }
    }
}

/// Name of the hidden first argument that starts the load generator.
pub(crate) const GENERATE: &str = "generate-load";

/// Reads the arguments after the program's name.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("kimura") => options.kimura.push(kimura(&parser.value()?.string()?)?),
            Long("no-kimura") => options.no_kimura = true,
            Long("peers") => options.peers = peers(&parser.value()?.string()?)?,
            Long("only") => options.workloads = Workload::select(&parser.value()?.string()?)?,
            Long("shards") => options.shards = true,
            Long("logins") => options.logins = true,
            Long("rate") => options.rate = number("--rate", &parser.value()?, 1..=20_000, "1 to 20000")?,
            Long("login-rate") => {
                options.login_rate = number("--login-rate", &parser.value()?, 1..=500, "1 to 500")?;
            }
            Long("baseline") => options.baseline = Some(parser.value()?.string()?),
            Long("rounds") => options.rounds = number("--rounds", &parser.value()?, 1..=100, "1 to 100")?,
            Long("seconds") => options.seconds = number("--seconds", &parser.value()?, 1..=60, "1 to 60")?,
            Long("warmup") => options.warmup = number("--warmup", &parser.value()?, 1..=60, "1 to 60")?,
            Long("idle-connections") => {
                options.idle_connections =
                    number("--idle-connections", &parser.value()?, 1..=60_000, "1 to 60000")?;
            }
            Long("server-cpu") => options.server_cpu = Some(parser.value()?.parse()?),
            Long("client-cpu") => options.client_cpu = Some(parser.value()?.parse()?),
            Long("out") => options.out = Some(parser.value()?.into()),
            Long("no-install") => options.install = false,
            Value(value) if value == GENERATE => return generate(parser),
            Value(value) if value == OFFER => return offer_task(parser),
            Value(value) if value == SIGN => return sign_task(parser),
            Value(value) if value == HANDSHAKES => return handshake_task(parser),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Bench(options))
}

/// The arguments that make [`read`] give back `task`.
pub(crate) fn generate_arguments(task: &Task) -> Vec<String> {
    vec![
        GENERATE.to_owned(),
        task.to.to_string(),
        task.path.clone(),
        task.connections.to_string(),
        task.depth.to_string(),
        task.batches.to_string(),
        task.duration.as_secs().to_string(),
    ]
}

/// What begins the arguments of the client that makes handshakes.
pub(crate) const HANDSHAKES: &str = "make-handshakes";

/// The arguments that make [`read`] give back `task`.
pub(crate) fn handshake_arguments(task: &handshakes::Task) -> Vec<OsString> {
    let key = match task.key {
        Key::Ecdsa => "ecdsa",
        Key::Rsa => "rsa",
    };
    let sessions = match task.sessions {
        Sessions::New => "new",
        Sessions::Resumed => "resumed",
    };
    vec![
        HANDSHAKES.into(),
        task.to.to_string().into(),
        task.path.clone().into(),
        task.certificates.clone().into(),
        key.into(),
        sessions.into(),
        task.duration.as_secs().to_string().into(),
    ]
}

/// What begins the arguments of the client that makes requests by the clock.
pub(crate) const OFFER: &str = "offer-requests";

/// The arguments that make [`read`] give back `task`.
pub(crate) fn offer_arguments(task: &open::Task) -> [String; 2] {
    let text = serde_json::to_string(task).expect("numbers, an address and texts have a form in JSON");
    [OFFER.to_owned(), text]
}

fn offer_task(mut parser: lexopt::Parser) -> Result<Command, Error> {
    let text = parser.value()?.string()?;
    let task = serde_json::from_str(&text).map_err(|cause| lexopt::Error::Custom(cause.into()))?;
    Ok(Command::Offer(task))
}

/// What begins the arguments of the process that signs.
pub(crate) const SIGN: &str = "sign";

/// The arguments that make [`read`] give back `task`.
pub(crate) fn sign_arguments(task: &signing::Task) -> [OsString; 3] {
    [SIGN.into(), task.key.clone().into(), task.seconds.to_string().into()]
}

fn sign_task(mut parser: lexopt::Parser) -> Result<Command, Error> {
    let task = signing::Task { key: parser.value()?.into(), seconds: parser.value()?.parse()? };
    Ok(Command::Sign(task))
}

fn handshake_task(mut parser: lexopt::Parser) -> Result<Command, Error> {
    let mut value = || parser.value();
    let task = handshakes::Task {
        to: value()?.parse::<SocketAddr>()?,
        path: value()?.string()?,
        certificates: value()?.into(),
        key: if value()? == "rsa" { Key::Rsa } else { Key::Ecdsa },
        sessions: if value()? == "resumed" { Sessions::Resumed } else { Sessions::New },
        duration: Duration::from_secs(value()?.parse()?),
    };
    match parser.next()? {
        None => Ok(Command::Handshakes(task)),
        Some(more) => Err(more.unexpected().into()),
    }
}

fn generate(mut parser: lexopt::Parser) -> Result<Command, Error> {
    let mut value = || parser.value();
    let task = Task {
        to: value()?.parse::<SocketAddr>()?,
        path: value()?.string()?,
        connections: value()?.parse()?,
        depth: value()?.parse()?,
        batches: value()?.parse()?,
        duration: Duration::from_secs(value()?.parse()?),
    };
    match parser.next()? {
        None => Ok(Command::Generate(task)),
        Some(more) => Err(more.unexpected().into()),
    }
}

fn kimura(text: &str) -> Result<KimuraBinary, Error> {
    let (label, path) = text.split_once('=').unwrap_or(("kimura", text));
    // The label becomes part of file names.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if label.is_empty() || !label.chars().all(plain) {
        let problem = "is no label; use letters, digits, '-', '_' and '.'";
        return Err(Error::Label { label: label.to_owned(), problem });
    }
    Ok(KimuraBinary { label: label.to_owned(), path: PathBuf::from(path) })
}

fn peers(list: &str) -> Result<Vec<Kind>, Error> {
    if list == "none" {
        return Ok(Vec::new());
    }
    let find = |name: &str| {
        Kind::PEERS.into_iter().find(|kind| kind.name() == name).ok_or_else(|| Error::UnknownName {
            option: "--peers",
            name: name.to_owned(),
            known: Kind::PEERS.iter().map(|kind| kind.name()).chain(["none"]).collect(),
        })
    };
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(find).collect()
}

fn number<N: std::str::FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>> + PartialOrd>(
    option: &'static str,
    value: &OsString,
    allowed: std::ops::RangeInclusive<N>,
    range: &'static str,
) -> Result<N, Error> {
    let number = value.parse()?;
    if allowed.contains(&number) {
        Ok(number)
    } else {
        Err(Error::OutOfRange { option, value: value.to_string_lossy().into_owned(), range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::visitors::Visitors;

    fn arguments(line: &str) -> Result<Command, Error> {
        read(line.split_ascii_whitespace().map(OsString::from))
    }

    #[test]
    fn wrong_arguments_are_told() {
        let check = |line: &str, message: &str| {
            let text = arguments(line).unwrap_err().to_string();
            assert!(text.contains(message), "{line}: {text}");
        };
        check("--round 3", "--round");
        check("--rounds 0", "give 1 to 100");
        check("--rounds x", "x");
        check("--only smal", "choose from small, small-log, 10k");
        check("--peers apache", "choose from nginx, nginx-tuned, h2o");
        check("--kimura a/b=c", "is no label");
        check("--seconds", "--seconds");
        check("stray", "stray");
        check("generate-load 127.0.0.1:80 x 1", "missing argument");
    }

    #[test]
    fn help_names_all_workloads_and_peers() {
        let has = |name: &str| HELP.split([' ', ',', ';', '\n']).any(|word| word == name);
        for name in WORKLOADS.iter().map(|workload| workload.name).chain(Kind::PEERS.map(Kind::name)) {
            assert!(has(name), "{name}");
        }
    }

    #[test]
    fn options_are_read() {
        let line = "--kimura old=/a --kimura /b --peers nginx,h2o --only small --rounds 9 --no-install";
        let Command::Bench(options) = arguments(line).unwrap() else { panic!("{line}") };
        let binary = |label: &str, path: &str| KimuraBinary { label: label.into(), path: path.into() };
        assert_eq!(options.kimura, [binary("old", "/a"), binary("kimura", "/b")]);
        assert_eq!(options.peers, [Kind::Nginx, Kind::H2o]);
        assert_eq!((options.workloads.len(), options.rounds, options.install), (1, 9, false));
        assert!(matches!(arguments("--peers none"), Ok(Command::Bench(options)) if options.peers.is_empty()));
        assert!(matches!(arguments("--help"), Ok(Command::Help)));
    }

    #[test]
    fn a_generator_task_survives_its_command_line() {
        let task = Task {
            to: "127.0.0.1:81".parse().unwrap(),
            path: "small.txt".into(),
            connections: 3,
            depth: 16,
            batches: 10,
            duration: Duration::from_secs(2),
        };
        let line = generate_arguments(&task).into_iter().map(OsString::from);
        let Ok(Command::Generate(read)) = read(line) else { panic!("not a task") };
        assert_eq!(format!("{read:?}"), format!("{task:?}"));
        let visitors = Visitors::Members { path: "m \"x\"".into(), users: 7, first: 3 };
        let flows = vec![open::Flow { visitors, rate: 100, connections: 5 }];
        let task = open::Task { to: "[::1]:81".parse().unwrap(), seconds: 2, flows };
        let line = offer_arguments(&task).into_iter().map(OsString::from);
        let Ok(Command::Offer(read)) = super::read(line) else { panic!("not a task") };
        assert_eq!(format!("{read:?}"), format!("{task:?}"));
    }
}

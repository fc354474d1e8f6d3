//! The HTTP/1.1 conformance cases, told in `conformance/README.md`.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use e2e::output::Place;
use e2e::{Folder, Options, Server, python};

/// Share of the cases that must pass, in percent.
const PASSING_MIN: u32 = 98;

#[test]
fn plain() {
    check(Mode::Plain, Echo::Own);
}

#[test]
fn strict() {
    check(Mode::Strict, Echo::Own);
}

#[test]
fn plain_with_an_upstream() {
    check(Mode::Plain, Echo::Upstream);
}

#[test]
fn strict_with_an_upstream() {
    check(Mode::Strict, Echo::Upstream);
}

/// Who reads what is sent to `/echo`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    /// The server itself.
    Own,
    /// An upstream, which the probe plays; it has further cases, then.
    Upstream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    Strict,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Strict => "strict",
        }
    }
}

fn check(mode: Mode, echo: Echo) {
    let results = probe(mode, echo);
    let expected = expected_failures(mode);
    let mut faults = Vec::new();
    for (id, failure) in &results.failures {
        let severe = failure.line.contains("DESYNC") || failure.line.contains("MALFORMED");
        if !expected.contains(id) || severe || failure.is_binding() {
            faults.push(failure.line.clone());
        }
    }
    for id in expected.iter().filter(|id| !results.failures.contains_key(*id)) {
        faults.push(format!("{id} passes: take it off expected-failures.txt"));
    }
    let all = results.passed + results.failures.len() as u32;
    if results.passed * 100 < all * PASSING_MIN {
        faults.push(format!("{} of {all} pass, less than {PASSING_MIN} %", results.passed));
    }
    if echo == Echo::Upstream && results.skipped != 0 {
        faults.push(format!("{} cases are skipped, though there is all that they need", results.skipped));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

struct Results {
    passed: u32,
    skipped: u32,
    failures: BTreeMap<String, Failed>,
}

struct Failed {
    /// The probe's whole line: `FAIL ID [LEVEL] name: why (rfc)`.
    line: String,
}

impl Failed {
    /// Whether the RFC, or safety, leaves no choice.
    fn is_binding(&self) -> bool {
        self.line.contains(" [MUST] ") || self.line.contains(" [SEC] ")
    }
}

fn probe(mode: Mode, echo: Echo) -> Results {
    let folder = Folder::new("conformance").expect("a folder");
    let probe = here().join("h1probe.py");
    let made =
        python::run(&[probe.clone().into(), "--make-docroot".into(), folder.path().into()]).expect("python");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = fs::read_to_string(here().join("config.jsonc")).expect("the configuration");
    let text = text.replace("${root}", &folder.path().join("www").to_string_lossy());
    let port = free_port();
    let proxy = format!(r#""proxy": "http://127.0.0.1:{port}""#);
    let (echo_does, others) = match echo {
        Echo::Own => (r#""handler": "echo""#, String::new()),
        Echo::Upstream => (&proxy[..], format!(r#", "/headers": {{ {proxy} }}, "/up/": {{ {proxy} }}"#)),
    };
    let text = text.replace("${echo}", echo_does).replace("${others}", &others);
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let Place::Ip(address) = server.place(1).expect("an address") else {
        panic!("a TCP address is configured")
    };

    let mut arguments = vec![probe.into(), address.to_string().into()];
    arguments.extend(["--have".into(), "etag,lm,limit1m,slow,echo,gzip".into()]);
    if echo == Echo::Upstream {
        arguments.extend(["--backend".into(), port.to_string().into()]);
    }
    if mode == Mode::Strict {
        arguments.push("--strict".into());
    }
    let output = python::run(&arguments).expect("python");
    let text = String::from_utf8_lossy(&output.stdout);
    let results = read(&text).unwrap_or_else(|| {
        panic!("the probe did not end: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    });
    server.stop().expect("the server ends in order");
    results
}

/// A port for the upstream. Nobody has it now, and the system does not give it to anybody else at once.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Reads the probe's lines; the last one says `N passed, M failed, K skipped`.
fn read(text: &str) -> Option<Results> {
    let mut failures = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("FAIL ")) {
        let id = line.split(' ').nth(1)?;
        failures.insert(id.to_owned(), Failed { line: line.to_owned() });
    }
    let (passed, rest) = text.lines().last()?.split_once(" passed, ")?;
    let (failed, rest) = rest.split_once(" failed, ")?;
    let skipped = rest.strip_suffix(" skipped")?.parse().ok()?;
    let complete = failed.parse() == Ok(failures.len());
    complete.then_some(Results { passed: passed.parse().ok()?, skipped, failures })
}

fn expected_failures(mode: Mode) -> BTreeSet<String> {
    let text = fs::read_to_string(here().join("expected-failures.txt")).expect("the list");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries = lines.map(|line| {
        let mut words = line.splitn(3, char::is_whitespace);
        let (Some(id), Some(when), Some(_reason)) = (words.next(), words.next(), words.next()) else {
            panic!("expected-failures.txt: {line:?} has no reason");
        };
        assert!(["plain", "strict", "both"].contains(&when), "expected-failures.txt: {line:?}");
        (id, when)
    });
    let wanted = entries.filter(|(_, when)| [mode.name(), "both"].contains(when));
    wanted.map(|(id, _)| id.to_owned()).collect()
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

//! The tools that operators measure servers with, through the relay to a real server: what a tool has counted is what
//! was answered.

#![forbid(unsafe_code)]

use std::process::Command;

use e2e::output::Place;
use e2e::program::{Backend, Program};
use e2e::{Folder, Options, Server, ledger};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 2, "error_log": "${folder}/error.log" },
  "upstreams": { "app": { "servers": ["${server}"] } },
  "hosts": { "localhost": { "proxy": "app" } }
}"#;

/// What the server behind says to each request.
const WORD: &str = "word";

/// A tool at work: its arguments, of which `URL` stands for the address.
struct Tool {
    command: &'static [&'static str],
    /// Requests that were answered with 200, out of what it prints.
    answered: fn(&str) -> Option<u64>,
    /// Whether it says that some were not.
    failed: fn(&str) -> bool,
    /// Requests that it may leave without having heard of their answers, one for each connection: it ends by time.
    left: u64,
}

/// The number behind a label.
fn behind(text: &str, label: &str) -> Option<u64> {
    let (_, rest) = text.split_once(label)?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The number before a label.
fn before(text: &str, label: &str) -> Option<u64> {
    let (rest, _) = text.split_once(label)?;
    rest.rsplit(|at: char| !at.is_ascii_digit()).next()?.parse().ok()
}

const WRK: Tool = Tool {
    command: &["wrk", "-t2", "-c64", "-d3s", "URL"],
    answered: |text| before(text, " requests in "),
    failed: |text| text.contains("Socket errors") || text.contains("Non-2xx"),
    left: 64,
};

const H2LOAD: Tool = Tool {
    command: &["h2load", "--h1", "-t", "2", "-c", "64", "-m", "8", "-n", "20000", "URL"],
    answered: |text| before(text, " 2xx"),
    failed: |text| before(text, " failed") != Some(0) || before(text, " errored") != Some(0),
    left: 0,
};

const AB: Tool = Tool {
    command: &["ab", "-q", "-k", "-c", "32", "-n", "20000", "URL"],
    answered: |text| behind(text, "Complete requests:"),
    failed: |text| behind(text, "Failed requests:") != Some(0) || text.contains("Non-2xx"),
    left: 0,
};

/// A connection for each request.
const AB_SHORT: Tool = Tool { command: &["ab", "-q", "-c", "32", "-n", "4000", "URL"], ..AB };

/// The status of an answer and the length of the word.
const CURL_LINE: &str = "200 4";

const CURL: Tool = Tool {
    command: &[
        "curl",
        "-s",
        "-S",
        "--parallel",
        "--parallel-max",
        "16",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{size_download}\n",
        "URL?[1-500]",
    ],
    answered: |text| Some(text.lines().filter(|line| *line == CURL_LINE).count() as u64),
    failed: |text| text.lines().count() != 500 || text.lines().any(|line| line != CURL_LINE),
    left: 0,
};

/// Has a tool ask a server of its own; every answer has come, and each of them from the server behind.
fn check(tool: &Tool) {
    let name = tool.command[0];
    let folder = Folder::new(&format!("load-{name}")).expect("a folder");
    let backend = Backend::start(Program::Nginx, WORD, &folder).expect("a backend");
    let text = CONFIGURATION
        .replace("${server}", &backend.address.to_string())
        .replace("${folder}", &folder.path().to_string_lossy());
    let path = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&path, &Options::default()).expect("the server starts");
    let Ok(Place::Ip(address)) = server.place(1) else { panic!("it listens at no address of IP") };
    let url = format!("http://{address}/");
    let arguments = tool.command[1..].iter().map(|argument| argument.replace("URL", &url));
    let output = Command::new(name).args(arguments).output().expect("the tool runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let counters = server.stop().expect("stops");
    let counted = |name| ledger::counter(&counters, name).expect("a counter");

    assert!(output.status.success() && !(tool.failed)(&said), "{name}: {said}");
    let answered = (tool.answered)(&said).unwrap_or_else(|| panic!("{name} says no number: {said}"));
    assert!(0 < answered, "{name}: {said}");
    let begun = counted("requests_begun");
    assert!((answered..=answered + tool.left).contains(&begun), "{name}: {answered} of {begun}: {said}");
    assert!(answered <= counted("upstream_responses_2xx"), "{name}: {counters:?}");
    for bad in ["responses_4xx", "responses_5xx", "upstream_responses_cut", "upstream_responses_bad"] {
        assert_eq!(counted(bad), 0, "{name}: {bad}");
    }
}

#[test]
fn wrk() {
    check(&WRK);
}

#[test]
fn h2load_pipelines() {
    check(&H2LOAD);
}

#[test]
fn ab_keeps_connections() {
    check(&AB);
}

#[test]
fn ab_opens_a_connection_for_each() {
    check(&AB_SHORT);
}

#[test]
fn curl_in_parallel() {
    check(&CURL);
}

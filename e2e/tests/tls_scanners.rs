//! testssl.sh and sslyze look at a server as a careful operator sets one up: nothing above LOW, nothing against Mozilla's
//! intermediate profile. What is accepted all the same stands in `tls/accepted.txt`, with its reason.

#![forbid(unsafe_code)]

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use e2e::openssl::{Algorithm, Term};
use e2e::yard::address;
use e2e::{Server, Yard, python};
use serde_json::Value;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0 tls"], "shards": 2 },
  "defaults": { "root": "${folder}/www", "headers": {
    "Content-Security-Policy": "default-src 'self'", "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"
  } },
  "hosts": { "localhost": { "tls": { "hsts": "365d", "certificates": {
    "ecdsa": { "chain": "${folder}/tls/ecdsa.pem", "key": "${folder}/tls/ecdsa.key" },
    "rsa": { "chain": "${folder}/tls/rsa.pem", "key": "${folder}/tls/rsa.key" }
  } } } }
}"#;

/// What a scan may take, in seconds: about a hundred on two idle cores.
const SECONDS_MAX: &str = "600";

fn serve(label: &str) -> (Yard, Server, SocketAddr) {
    let yard = Yard::new(label).expect("a folder");
    yard.folder.write("www/index.html", b"<!doctype html><title>Hello</title>\n").expect("written");
    for (label, algorithm) in [("ecdsa", Algorithm::Ecdsa), ("rsa", Algorithm::Rsa)] {
        yard.authority.host(label, &["localhost"], algorithm, Term::Quarter).expect("a certificate");
    }
    let server = yard.serve(CONFIGURATION).expect("the server starts");
    let to = address(&server, 1).expect("an address");
    (yard, server, to)
}

/// Findings without those that `accepted.txt` lists: `TOOL FINDING`.
fn unexpected(findings: Vec<String>) -> Vec<String> {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tls/accepted.txt")).expect("the list");
    let accepted: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let is_accepted = |finding: &str| {
        accepted.iter().any(|line| {
            let reason = line.strip_prefix(finding).filter(|reason| reason.starts_with(' '));
            reason.is_some_and(|reason| !reason.trim().is_empty())
        })
    };
    findings.into_iter().filter(|finding| !is_accepted(finding)).collect()
}

/// Severities that need no reason.
const HARMLESS: [&str; 3] = ["OK", "INFO", "LOW"];
/// What has to be among the findings, so that a scan that has seen nothing is noticed: of each part one, the last first.
const SEEN: [(&str, &str); 8] = [
    ("scanTime", "INFO"),
    ("clientsimulation-openssl_303", "INFO"),
    ("heartbleed", "OK"),
    ("secure_client_renego", "OK"),
    ("HSTS_time", "OK"),
    ("cert_chain_of_trust", "OK"),
    ("PFS", "OK"),
    ("TLS1_3", "OK"),
];

#[test]
fn testssl_finds_nothing_above_low() {
    let (yard, server, to) = serve("testssl");
    let (report, authority) = (yard.path("report.json"), yard.path("tls/ca.pem"));
    let mut command = Command::new("timeout");
    command.args([SECONDS_MAX, "testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"]);
    // Without it, the address would be looked up, and ::1 be tried.
    command.args(["--ip", &to.ip().to_string()]);
    command.args(["--add-ca", &authority, "--jsonfile", &report]);
    let output = command.arg(format!("https://localhost:{}", to.port())).output().expect("testssl.sh runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let text = fs::read(&report).unwrap_or_else(|error| panic!("no report: {error}\n{said}"));
    let report: Value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}\n{said}"));
    let findings: Vec<[&str; 2]> = report.as_array().expect("a list").iter().map(finding).collect();
    let above = findings.iter().filter(|[_, severity]| !HARMLESS.contains(severity));
    let above = above.map(|[id, severity]| format!("testssl {severity} {id}")).collect();
    assert_eq!(unexpected(above), [""; 0], "{said}");
    let missing: Vec<_> = SEEN
        .iter()
        .filter(|(id, severity)| !findings.iter().any(|[found, level]| (found, level) == (id, severity)))
        .collect();
    assert!(missing.is_empty(), "not seen: {missing:?}\n{said}");
    server.stop().expect("it ends, with an even ledger");
}

/// Identifier, without the number of the certificate behind it, and severity.
fn finding(entry: &Value) -> [&str; 2] {
    let [id, severity] = ["id", "severity"].map(|key| entry[key].as_str().expect("a finding of testssl.sh"));
    [id.split(' ').next().unwrap_or(id), severity]
}

/// Above what sslyze holds against the profile.
const JUDGED: &str = "COMPLIANCE AGAINST TLS CONFIGURATION";

#[test]
fn sslyze_finds_nothing_against_the_intermediate_profile() {
    let (_yard, server, to) = serve("sslyze");
    let target = format!("localhost:{}{{{}}}", to.port(), to.ip());
    let arguments = ["-m", "sslyze", "--mozilla_config=intermediate", &target];
    let output = python::run(&arguments.map(Into::into)).expect("python");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let judgement = said.split(JUDGED).nth(1).unwrap_or_else(|| {
        panic!("no judgement; `cargo xtask setup` installs sslyze and prints what to set\n{said}{errors}")
    });
    let findings: Vec<String> = judgement
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("* ")?.split(':').next())
        .map(|finding| format!("sslyze {finding}"))
        .collect();
    let verdict = if findings.is_empty() { "OK - Compliant" } else { "FAILED - Not compliant" };
    assert!(judgement.contains(verdict), "{said}");
    assert_eq!(unexpected(findings), [""; 0], "{said}");
    server.stop().expect("it ends, with an even ledger");
}

//! Certificates and keys: what is told of wrong ones, and how others take their place while the server runs.

#![forbid(unsafe_code)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use e2e::ledger::counter;
use e2e::load::Load;
use e2e::openssl::{Algorithm, Term, s_client};
use e2e::server::{KEPT, REREAD};
use e2e::yard::{HELLO, address};
use e2e::{Server, Yard, binary, until};
use nix::sys::signal::Signal;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0 tls"], "shards": 2, "control": { "socket": "${folder}/control.sock" } },
  "hosts": { "localhost": {
    "root": "${folder}/www",
    "tls": { "certificates": { "own": {
      "chain": "${folder}/tls/${chain}",
      "key": "${folder}/tls/${key}"
    } } }
  } }
}"#;

fn configuration(chain: &str, key: &str) -> String {
    CONFIGURATION.replace("${chain}", chain).replace("${key}", key)
}

/// Which line of the configuration has to be named, and what has to be said.
type Wrong<'w> = (&'w str, &'w str, usize, &'w [&'w str]);

#[test]
fn wrong_files_are_told_with_place_cause_and_cure() {
    let yard = Yard::with_host("tls-wrong").expect("a folder");
    let authority = &yard.authority;
    yard.host("other", &["localhost"], Algorithm::Ecdsa).expect("a certificate");
    authority.host("late", &["localhost"], Algorithm::Ecdsa, Term::Past).expect("a certificate");
    authority
        .openssl("pkcs8 -topk8 -in host.key -out locked.key -passout pass:secret")
        .expect("a locked key");
    let text = fs::read_to_string(yard.path("tls/host.pem")).expect("a certificate");
    yard.folder.write("tls/cut.pem", &text.as_bytes()[..text.len() / 2]).expect("write");
    yard.folder.write("tls/nothing.pem", b"").expect("write");
    let wrong: [Wrong<'_>; 9] = [
        ("missing.pem", "host.key", 6, &["missing.pem cannot be read: No such file", "correct the path"]),
        ("host.pem", "missing.key", 7, &["missing.key cannot be read: No such file", "correct the path"]),
        ("host.pem", "other.key", 7, &["does not belong to the certificate", "name the key"]),
        ("host.pem", "locked.key", 7, &["is locked with a passphrase", "openssl pkey"]),
        ("host.pem", "host.pem", 7, &["no private key", "PRIVATE KEY"]),
        ("host.key", "host.key", 6, &["no certificate", "CERTIFICATE"]),
        ("cut.pem", "host.key", 6, &["has no END", "copy it again"]),
        ("nothing.pem", "host.key", 6, &["no certificate", "CERTIFICATE"]),
        ("late.pem", "late.key", 5, &["expired", "cure: "]),
    ];
    let mut faults = Vec::new();
    for (chain, key, line, says) in wrong {
        let path = yard.configure(&configuration(chain, key)).expect("write");
        for arguments in [vec!["-t"], vec![]] {
            let output = kimura(&path, &arguments);
            faults.extend(lacks(&path, line, says, &output).map(|why| format!("{chain} {key}: {why}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let path = yard.configure(&configuration("host.pem", "host.key")).expect("write");
    assert!(kimura(&path, &["-t"]).status.success(), "what is right is right");
}

fn kimura(configuration: &Path, arguments: &[&str]) -> Output {
    let configuration = configuration.display().to_string();
    binary::output([arguments, &["-c", &configuration]].concat()).expect("kimura runs")
}

/// What is missing in what was said.
fn lacks(configuration: &Path, line: usize, says: &[&str], output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let place = format!("{}:{line}:", configuration.display());
    let mut wanted = vec![place.as_str(), "^", "cure: "];
    wanted.extend(says);
    wanted.retain(|part| !said.contains(part));
    let right = output.status.code() == Some(1) && wanted.is_empty();
    (!right).then(|| format!("{} and lacks {wanted:?}:\n{said}", output.status))
}

#[test]
fn who_may_not_read_a_key_is_told() {
    // Whoever runs the tests without rights is that user, and the key is one that it has closed to itself.
    let yard = Yard::with_host("tls-unreadable").expect("a folder");
    fs::set_permissions(yard.path("tls/host.key"), fs::Permissions::from_mode(0o000)).expect("chmod");
    let path = yard.configure(&configuration("host.pem", "host.key")).expect("write");
    let settings = path.display().to_string();
    for arguments in [vec!["-t"], vec![]] {
        let output = if nix::unistd::geteuid().is_root() {
            let words = ["--reuid=65534", "--regid=65534", "--clear-groups"];
            let mut command = Command::new("setpriv");
            command.args(words).args(["timeout", "10"]).arg(binary::path()).args(&arguments);
            command.args(["-c", &settings]).output().expect("setpriv runs")
        } else {
            kimura(&path, &arguments)
        };
        let says =
            &["host.key cannot be read: Permission denied", "let the user that starts the server read it"];
        assert_eq!(lacks(&path, 7, says, &output), None);
    }
}

#[test]
fn a_certificate_that_ends_soon_is_a_warning() {
    let yard = Yard::with_host("tls-soon").expect("a folder");
    yard.authority
        .openssl("req -x509 -key host.key -out soon.pem -days 7 -subj /CN=soon -addext subjectAltName=DNS:localhost")
        .expect("a certificate");
    let path = yard.configure(&configuration("soon.pem", "host.key")).expect("write");
    let output = kimura(&path, &["-t"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("localhost: ") && said.contains("days"), "{output:?}");
}

/// Whom the certificate names that clients get.
fn subject(yard: &Yard, to: SocketAddr) -> String {
    let authority = yard.path("tls/ca.pem");
    let arguments = ["-servername", "localhost", "-CAfile", &authority, "-verify_return_error"];
    let get = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let said = s_client(&to.to_string(), &arguments, get).expect("openssl runs");
    assert_eq!(said.code, Some(0), "{said:?}");
    let subject = said.text.split("subject=CN = ").nth(1).and_then(|rest| rest.lines().next());
    subject.unwrap_or_else(|| panic!("no subject: {said:?}")).to_owned()
}

/// Puts other contents in the place of both files at once, as `mv` does.
fn replace(yard: &Yard, from: &str) {
    for end in ["pem", "key"] {
        fs::copy(yard.path(&format!("tls/{from}.{end}")), yard.path("tls/next")).expect("a copy");
        fs::rename(yard.path("tls/next"), yard.path(&format!("tls/host.{end}"))).expect("renamed");
    }
}

fn serve(label: &str) -> (Yard, Server, SocketAddr) {
    let yard = Yard::with_host(label).expect("a folder");
    for label in ["second", "third"] {
        yard.host(label, &["localhost"], Algorithm::Ecdsa).expect("a certificate");
    }
    let server = yard.serve(&configuration("host.pem", "host.key")).expect("the server starts");
    let to = address(&server, 1).expect("an address");
    (yard, server, to)
}

#[test]
fn certificates_are_swapped_under_load_and_no_request_fails() {
    let (yard, server, to) = serve("tls-swap");
    let authority = yard.path("tls/ca.pem");
    let verified = ["-servername", "localhost", "-CAfile", &authority, "-verify_return_error"];
    let load = Load::start_secure(to, &verified, "localhost", "/hello.txt", HELLO);
    assert_eq!(subject(&yard, to), "host");
    // By a reload.
    replace(&yard, "second");
    server.signal(Signal::SIGHUP).expect("it runs");
    until("the second certificate", || subject(&yard, to) == "second");
    // By nothing but the files.
    replace(&yard, "third");
    until("the third certificate", || subject(&yard, to) == "third");
    until("word of it", || server.heard(REREAD) == 1);
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert!(tally.answered > 100, "{tally:?}");
    let counters = server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_failures").unwrap(), 0);
}

#[test]
fn a_wrong_file_is_told_once_and_changes_nothing() {
    let (yard, server, to) = serve("tls-kept");
    // What is in force is the text that was read, whatever the file says now.
    yard.configure("{ this is wrong").expect("write");
    fs::copy(yard.path("tls/second.key"), yard.path("tls/host.key")).expect("a copy");
    until("word of it", || server.heard(KEPT) == 1);
    until("the cause", || server.heard("does not belong to the certificate") == 1);
    until("place and cure", || {
        server.heard("kimura.conf:7:") == 1 && server.heard("cure: name the key") == 1
    });
    assert_eq!(subject(&yard, to), "host");
    fs::remove_file(yard.path("tls/host.key")).expect("removed");
    until("word of that, too", || server.heard(KEPT) == 2);
    until("the cause", || server.heard("host.key cannot be read: No such file") == 1);
    assert_eq!(subject(&yard, to), "host");
    // The certificate of the second key, and a key again.
    replace(&yard, "second");
    until("the second certificate", || subject(&yard, to) == "second");
    until("word of all that", || (server.heard(KEPT), server.heard(REREAD)) == (2, 1));
    server.stop().expect("it ends");
}

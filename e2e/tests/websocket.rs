//! WebSockets through the server: client and server of a package, which do not notice what is between them.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use e2e::openssl::{Algorithm, Authority, Term};
use e2e::output::Place;
use e2e::{Folder, Options, Server, python};

/// Mebibytes that go each way.
const BULK: &str = "100";

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0${transport}"] },
  "hosts": { "localhost": {
    "proxy": "http://127.0.0.1:${port}" ${tls}
  } }
}"#;

fn script() -> OsString {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("websocket/peers.py").into()
}

/// The server of the package; it ends with its input.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    fn start() -> Peer {
        let mut child = Command::new(python::interpreter())
            .args([script(), "serve".into()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python with websockets: cargo xtask setup");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("a port: is websockets there? cargo xtask setup");
        Peer { child, port }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("it ends");
    }
}

/// What the client of the package sees of a server at this URL, for which an authority vouches if there is one.
fn told(url: &str, authority: Option<&Path>) -> serde_json::Value {
    let mut arguments = vec![script(), "talk".into(), url.into(), BULK.into()];
    arguments.extend(authority.map(Into::into));
    let output = python::run(&arguments).expect("python");
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

#[test]
fn both_ends_see_what_they_see_without_us() {
    let peer = Peer::start();
    let folder = Folder::new("websocket").expect("a folder");
    let authority = Authority::new(&folder.path().join("authority")).expect("openssl");
    let host = authority.host("host", &["localhost"], Algorithm::Ecdsa, Term::Holds).expect("openssl");

    let direct = told(&format!("ws://localhost:{}/", peer.port), None);
    assert_eq!(direct["bulk there"], true, "{direct}");
    assert_eq!(direct["bulk back"], true, "{direct}");
    assert_eq!(direct["order"], true, "{direct}");
    assert_eq!(direct["close4999"], serde_json::json!([4999, "r\u{e4}son"]), "{direct}");

    let certificate = authority.certificate();
    let tls = format!(
        r#", "tls": {{ "certificates": {{ "own": {{ "chain": "{}", "key": "{}" }} }} }}"#,
        host.chain.display(),
        host.key.display()
    );
    for (scheme, transport, tls, vouching) in
        [("ws", "", "", None), ("wss", " tls", &*tls, Some(&*certificate))]
    {
        let text = CONFIGURATION
            .replace("${transport}", transport)
            .replace("${tls}", tls)
            .replace("${port}", &peer.port.to_string());
        let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
        let server = Server::start(&configuration, &Options::default()).expect("the server starts");
        let url = match server.place(1).expect("an address") {
            Place::Ip(address) => format!("{scheme}://localhost:{}/", address.port()),
            place => panic!("{place:?}"),
        };
        assert_eq!(told(&url, vouching), direct, "{url}");
        let counters = server.stop().expect("the server ends in order");
        // One for each connection that the client makes.
        assert_eq!(e2e::ledger::counter(&counters, "upstream_tunnels").expect("it is counted"), 10);
    }
}

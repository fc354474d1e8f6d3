//! TLS with servers that requests are passed on to: whom the server trusts, and what it shows.

#![forbid(unsafe_code)]

use std::net::{SocketAddr, TcpListener};

use e2e::ledger::counter;
use e2e::openssl::{Algorithm, Authority, Term};
use e2e::response::Asked;
use e2e::{Yard, until};
use nix::sys::signal::Signal;

/// The server passes requests on to itself.
const CONFIGURATION: &str = r#"{
  "server": { "shards": 1, "listen": ["127.0.0.1:0"] },
  "upstreams": {
    "right": { "servers": ["${inside}"], "tls": { "name": "app.example", ${ca}, ${own} } },
    "named": { "servers": ["${inside}"], "tls": { "name": "other.example", ${ca}, ${own} } },
    "unnamed": { "servers": ["${inside}"], "tls": { ${ca}, ${own} } },
    "strange": { "servers": ["${inside}"], "tls": { "name": "app.example", ${elsewhere}, ${own} } },
    "open": { "servers": ["${inside}"], "tls": { "name": "app.example", "verify": false, ${own} } },
    "bare": { "servers": ["${inside}"], "tls": { "name": "app.example", ${ca} } },
    "plain": { "servers": ["${inside}"] }
  },
  "defaults": { "access_log": "${folder}/access.log" },
  "hosts": {
    "localhost": { "proxy_host": "app.example", "locations": { ${locations} } },
    "app.example": { "root": "${folder}/www", "listen": ["${inside} tls"], "tls": {
      "clients": "required", ${ca},
      "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } } } }
  }
}"#;

const GROUPS: [(&str, u16); 7] = [
    ("right", 200),
    ("named", 502),
    ("unnamed", 502),
    ("strange", 502),
    ("open", 200),
    ("bare", 502),
    // It is told in plain text that this address speaks TLS.
    ("plain", 400),
];

#[test]
fn servers_prove_who_they_are_and_are_shown_who_we_are() {
    let yard = Yard::new("upstream-tls").expect("a folder");
    yard.host("host", &["app.example"], Algorithm::Ecdsa).expect("a certificate");
    let client = yard.authority.client("front", Term::Holds).expect("a certificate");
    let elsewhere = Authority::new(&yard.folder.path().join("elsewhere")).expect("an authority");
    let inside = nobody().to_string();
    let mut locations = Vec::new();
    for (group, _) in GROUPS {
        yard.folder.write(&format!("www/{group}/hello.txt"), b"Hello, world!\n").expect("write");
        locations.push(format!(r#""/{group}/": {{ "proxy": "{group}" }}"#));
    }
    let text = CONFIGURATION
        .replace("${locations}", &locations.join(", "))
        .replace("${ca}", &format!("\"authorities\": \"{}\"", yard.authority.certificate().display()))
        .replace("${elsewhere}", &format!("\"authorities\": \"{}\"", elsewhere.certificate().display()))
        .replace(
            "${own}",
            &format!("\"chain\": \"{}\", \"key\": \"{}\"", client.chain.display(), client.key.display()),
        )
        .replace("${inside}", &inside);
    let server = yard.serve(&text).expect("the server starts");
    let mut client = server.connect().expect("connect");
    for (group, status) in GROUPS {
        // The second one by the connection that the first has left, where that is worth something.
        for _ in 0..2 {
            let request = format!("GET /{group}/hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
            client.send(request.as_bytes()).expect("send");
            let response = client.response(Asked::Other).expect(group);
            assert_eq!(response.status, status, "{group}: {response:?}");
            if status == 200 {
                assert_eq!(response.body, b"Hello, world!\n");
            }
        }
    }
    for why in ["its certificate is for another name", "no known authority vouches for its certificate"] {
        let told = format!("TLS with upstream server {inside} has failed: {why}");
        until(&format!("an operator is told: {told}"), || server.heard(&told) > 0);
    }
    drop(client);
    let ended = server.stop().expect("the server ends in order");
    assert_eq!(counter(&ended, "upstream_connections_reused").expect("a counter"), 2);
    assert!(counter(&ended, "upstream_connections_failed").expect("a counter") >= 6);
}

const TRUSTING: &str = r#"{
  "server": { "shards": 1, "listen": ["127.0.0.1:0"] },
  "upstreams": { "app": { "servers": ["${inside}"], "tls": { "name": "app.example", ${trust} } } },
  "hosts": {
    "localhost": { "proxy": "app", "proxy_host": "app.example" },
    "app.example": { "root": "${folder}/www", "listen": ["${inside} tls"], "tls": {
      "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } } } }
  }
}"#;

#[test]
fn what_was_trusted_before_a_reload_is_not_used_after_it() {
    /// More than all buffers on its way: the answer is under way as long as nobody reads it.
    const LARGE: usize = 64_000_000;
    let yard = Yard::new("upstream-trust").expect("a folder");
    yard.host("host", &["app.example"], Algorithm::Ecdsa).expect("a certificate");
    let elsewhere = Authority::new(&yard.folder.path().join("elsewhere")).expect("an authority");
    yard.folder.write("www/small", b"small").expect("write");
    yard.folder.write("www/large", &vec![b'x'; LARGE]).expect("write");
    let text = TRUSTING.replace("${inside}", &nobody().to_string());
    let server = yard.serve(&text.replace("${trust}", r#""verify": false"#)).expect("the server starts");
    let ask = |target: &str| {
        let mut client = server.connect().expect("connect");
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        client.send(request.as_bytes()).expect("send");
        client
    };
    let status = || ask("/small").response(Asked::Other).expect("an answer").status;
    let mut client = ask("/large");
    assert_eq!(client.part(1).expect("a part").0.status, 200);
    let trust = format!("\"authorities\": \"{}\"", elsewhere.certificate().display());
    yard.configure(&text.replace("${trust}", &trust)).expect("write");
    server.signal(Signal::SIGHUP).expect("it runs");
    until("nobody is trusted any more", || status() == 502);
    // Its connection is good to the end of this answer, and not for another one.
    assert_eq!(client.drain().expect("the rest").0, LARGE as u64 - 1);
    assert_eq!(status(), 502);
    drop(client);
    server.stop().expect("the server ends in order");
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

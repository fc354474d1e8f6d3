//! TLS as real clients see it: what they agree on with the server, and by which name they are served.

#![forbid(unsafe_code)]

use std::net::{SocketAddr, TcpListener};

use e2e::ledger::counter;
use e2e::openssl::{Algorithm, Said, curl, s_client};
use e2e::output::Place;
use e2e::response::Asked;
use e2e::yard::{HELLO, address};
use e2e::{Client, Server, Yard};

/// A host with both kinds of certificate and a staple, one with a wildcard, one with TLS 1.3 only.
const HOSTS: &str = r#"{
  "server": { "listen": ["127.0.0.1:0 tls"] },
  "default_host": "${default}",
  "hosts": {
    "localhost": {
      "root": "${folder}/www",
      "tls": { "certificates": {
        "ecdsa": { "chain": "${folder}/tls/ecdsa.pem", "key": "${folder}/tls/ecdsa.key",
                   "staple": "${folder}/tls/ecdsa.ocsp" },
        "rsa": { "chain": "${folder}/tls/rsa.pem", "key": "${folder}/tls/rsa.key" }
      } }
    },
    "*.wild.example": {
      "root": "${folder}/www",
      "tls": { "certificates": {
        "own": { "chain": "${folder}/tls/wild.pem", "key": "${folder}/tls/wild.key" }
      } }
    },
    "new.example": {
      "root": "${folder}/www",
      "tls": { "minimum": "1.3", "certificates": {
        "own": { "chain": "${folder}/tls/new.pem", "key": "${folder}/tls/new.key" }
      } }
    }
  }
}"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn yard(label: &str) -> Yard {
    let yard = Yard::new(label).expect("a folder");
    let ecdsa = yard.host("ecdsa", &["localhost"], Algorithm::Ecdsa).expect("a certificate");
    yard.authority.staple(&ecdsa).expect("a staple");
    yard.host("rsa", &["localhost"], Algorithm::Rsa).expect("a certificate");
    yard.host("wild", &["*.wild.example"], Algorithm::Ecdsa).expect("a certificate");
    yard.host("new", &["new.example"], Algorithm::Ecdsa).expect("a certificate");
    yard
}

/// What openssl is told, and what it has to say of the connection.
struct Row {
    arguments: &'static str,
    says: &'static [&'static str],
}

fn row(arguments: &'static str, says: &'static [&'static str]) -> Row {
    Row { arguments, says }
}

/// Has openssl connect as each row tells; gives back everything that it did not say.
fn play(yard: &Yard, server: &Server, rows: &[Row]) -> Vec<String> {
    let to = address(server, 1).expect("an address").to_string();
    let authority = yard.path("tls/ca.pem");
    let mut faults = Vec::new();
    for row in rows {
        let mut arguments: Vec<&str> = row.arguments.split_whitespace().collect();
        arguments.extend(["-CAfile", &authority]);
        let said = s_client(&to, &arguments, GET).expect("openssl runs");
        if !said.has(row.says) {
            faults.push(format!("{}: not {:?} in {said:?}", row.arguments, row.says));
        }
    }
    faults
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n").replace("\\n", "\n"));
}

const VERIFIED: &str = "Verify return code: 0 (ok)";
const OK: &str = "HTTP/1.1 200 OK";

#[test]
fn they_agree_on_what_both_can() {
    let yard = yard("tls-versions");
    let server = yard.serve(&HOSTS.replace("${default}", "first")).expect("the server starts");
    let good = [
        row("-servername localhost", &["New, TLSv1.3, Cipher is TLS_AES", VERIFIED, OK]),
        row("-servername localhost -tls1_2", &["New, TLSv1.2, Cipher is ECDHE", VERIFIED, OK]),
        row("-servername localhost -ciphersuites TLS_CHACHA20_POLY1305_SHA256", &["TLS_CHACHA20", OK]),
        row("-servername localhost -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", &["ECDHE-RSA-AES128", OK]),
        // The order is ours, but for clients that would rather have ChaCha20.
        row(
            "-servername localhost -ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
            &["Cipher is TLS_AES_128", OK],
        ),
        row(
            "-servername localhost -ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
            &["Cipher is TLS_CHACHA20", OK],
        ),
        row("-servername localhost -groups X25519", &["Server Temp Key: X25519", OK]),
        row("-servername localhost -groups P-256", &["Server Temp Key: ECDH, prime256v1", OK]),
        // The first group is not one of ours: another round.
        row("-servername localhost -groups P-521:P-384", &["Server Temp Key: ECDH, secp384r1", OK]),
        row("-servername localhost -sigalgs ECDSA+SHA256", &["Peer signature type: ECDSA", VERIFIED, OK]),
        row("-servername localhost -sigalgs RSA-PSS+SHA256", &["Peer signature type: RSA-PSS", VERIFIED, OK]),
        row("-servername localhost -tls1_2 -sigalgs RSA+SHA256", &["Peer signature type: RSA", VERIFIED, OK]),
        row("-servername localhost -alpn h2,http/1.1", &["ALPN protocol: http/1.1", OK]),
        row("-servername localhost -status", &["OCSP Response Status: successful", "Cert Status: good", OK]),
        row("-servername a.wild.example", &["subject=CN = wild", VERIFIED]),
        row("-servername A.WILD.example", &["subject=CN = wild", VERIFIED]),
        row("-servername new.example", &["subject=CN = new", "New, TLSv1.3", VERIFIED]),
        row("-servername a.b.wild.example", &["subject=CN = wild", OK]),
        row("-servername elsewhere.example", &["subject=CN = ecdsa", OK]),
        row("-noservername", &["subject=CN = ecdsa", OK]),
    ];
    let bad = [
        row("-servername localhost -tls1_1 -cipher DEFAULT@SECLEVEL=0", &["alert protocol version"]),
        row("-servername localhost -tls1 -cipher DEFAULT@SECLEVEL=0", &["alert protocol version"]),
        row("-servername new.example -tls1_2", &["alert protocol version"]),
        row("-servername localhost -alpn h2", &["alert no application protocol"]),
        row("-servername localhost -groups P-521", &["alert handshake failure"]),
        row("-servername localhost -tls1_2 -cipher AES128-SHA", &["alert handshake failure"]),
    ];
    let mut faults = play(&yard, &server, &good);
    faults.extend(play(&yard, &server, &bad));
    assert_none(&faults);
    let counters = server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_handshakes").unwrap(), good.len() as u64);
    assert_eq!(counter(&counters, "tls_resumed").unwrap(), 0);
    assert_eq!(counter(&counters, "tls_failures").unwrap(), bad.len() as u64);
    assert_eq!(counter(&counters, "requests_answered").unwrap(), good.len() as u64);
}

#[test]
fn a_name_that_is_not_served_is_refused() {
    let yard = yard("tls-refuse");
    let server = yard.serve(&HOSTS.replace("${default}", "refuse")).expect("the server starts");
    let faults = play(
        &yard,
        &server,
        &[
            row("-servername localhost", &[OK, VERIFIED]),
            row("-servername a.wild.example", &["subject=CN = wild", VERIFIED]),
            row("-servername elsewhere.example", &["unrecognized name"]),
            row("-servername wild.example", &["unrecognized name"]),
            row("-noservername", &["alert number 109"]),
        ],
    );
    assert_none(&faults);
    assert_eq!(counter(&server.stop().expect("it ends"), "tls_failures").unwrap(), 3);
}

#[test]
fn a_request_for_another_host_than_the_certificate_is_answered_by_its_rules() {
    let yard = yard("tls-other");
    let server = yard.serve(&HOSTS.replace("${default}", "refuse")).expect("the server starts");
    let to = address(&server, 1).expect("an address");
    let mut client = Client::secure(to, &["-servername", "localhost"]).expect("connect");
    for (host, status) in [("localhost", 200), ("new.example", 200), ("elsewhere.example", 421)] {
        client.send(format!("GET /hello.txt HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect("a response").status, status, "{host}");
    }
    drop(client);
    server.stop().expect("it ends");
}

const BOTH: &str = r#"{
  "server": { "listen": ["127.0.0.1:0", "127.0.0.2:${port} tls"] },
  "hosts": { "localhost": {
    "root": "${folder}/www",
    "tls": { "redirect": true, "hsts": "365d", "certificates": {
      "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" }
    } }
  } }
}"#;

/// With a port that is free now: the one that requests are sent to is what the configuration says.
fn both() -> String {
    let listener = TcpListener::bind("127.0.0.2:0").expect("a port");
    BOTH.replace("${port}", &listener.local_addr().expect("an address").port().to_string())
}

#[test]
fn plain_requests_are_sent_to_tls_and_browsers_told_to_stay() {
    let yard = Yard::with_host("tls-redirect").expect("a folder");
    let server = yard.serve(&both()).expect("the server starts");
    let [plain, secure] = [1, 2].map(|number| address(&server, number).expect("an address"));
    let mut client = Client::connect(&Place::Ip(plain)).expect("connect");
    client.send(b"GET /hello.txt?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let response = client.response(Asked::Other).expect("a response");
    assert_eq!(response.status, 308);
    assert_eq!(response.field("strict-transport-security"), None, "RFC 6797 7.2");
    let target = format!("https://localhost:{}/hello.txt?a=b", secure.port());
    assert_eq!(response.field("location"), Some(target.as_str()));
    let said = follow(&yard, &format!("http://localhost:{}/hello.txt?a=b", plain.port()), [plain, secure]);
    let told = said.text.contains("Strict-Transport-Security: max-age=31536000");
    assert!(said.code == Some(0) && told && said.text.ends_with("Hello, world!\n"), "{said:?}");
    server.stop().expect("it ends");
}

#[test]
fn nobody_is_sent_to_a_port_that_is_none() {
    let yard = Yard::with_host("tls-any-port").expect("a folder");
    let server = yard.serve(&BOTH.replace("${port}", "0")).expect("the server starts");
    let mut client = Client::connect(&server.place(1).expect("an address")).expect("connect");
    client.send(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let response = client.response(Asked::Other).expect("a response");
    assert_eq!((response.status, response.field("location")), (308, Some("https://localhost/hello.txt")));
    server.stop().expect("it ends");
}

/// curl from one address to another, with every certificate verified.
fn follow(yard: &Yard, url: &str, addresses: [SocketAddr; 2]) -> Said {
    let [first, second] = addresses.map(|address| format!("localhost:{}:{}", address.port(), address.ip()));
    let authority = yard.path("tls/ca.pem");
    let line = ["-i", "-L", "--cacert", &authority, "--resolve", &first, "--resolve", &second, url];
    curl(&line).expect("curl runs")
}

#[test]
fn whoever_does_not_speak_tls_is_told_or_let_go() {
    let yard = Yard::with_host("tls-plain").expect("a folder");
    let server = yard.serve(&both()).expect("the server starts");
    let secure = server.place(2).expect("an address");
    let mut client = Client::connect(&secure).expect("connect");
    client.send(GET).expect("send");
    let response = client.response(Asked::Other).expect("a response");
    assert!(response.status == 400 && response.body.starts_with(b"This address speaks TLS"), "{response:?}");
    client.closed().expect("it is closed");
    for garbage in [&b"\0\0\0\0"[..], b"\x80\x2e\x01\x03\x01", b"{\"json\": 1}", &[0xff; 4096]] {
        let mut client = Client::connect(&secure).expect("connect");
        client.send(garbage).expect("send");
        client.closed().expect("it is closed, and nothing is said");
    }
    let counters = server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_failures").unwrap(), 5);
    assert_eq!(counter(&counters, "requests_begun").unwrap(), 0);
}

#[test]
fn an_end_is_said() {
    let yard = Yard::with_host("tls-end").expect("a folder");
    let server = yard.serve(&both()).expect("the server starts");
    let to = address(&server, 2).expect("an address").to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        // With -msg openssl writes down every alert.
        let said = s_client(&to, &["-servername", "localhost", "-msg", version], GET).expect("openssl runs");
        let hello = String::from_utf8_lossy(HELLO);
        assert!(said.code == Some(0), "{version}: {said:?}");
        let (_, after) = said.text.split_once(hello.as_ref()).expect("the answer");
        assert!(
            after.contains("<<< ") && after.contains("Alert") && after.contains("close_notify"),
            "{said:?}"
        );
    }
    server.stop().expect("it ends");
}

//! Certificates of clients: who is let in, who is refused, and how.

#![forbid(unsafe_code)]

use std::fs;
use std::net::SocketAddr;

use e2e::ledger::counter;
use e2e::openssl::{Algorithm, Authority, Holder, Term, s_client};
use e2e::output::Place;
use e2e::response::Asked;
use e2e::yard::address;
use e2e::{Client, Yard, until};
use nix::sys::signal::Signal;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0 tls", "127.0.0.2:0"] },
  "logs": { "tls": { "file": "${folder}/tls.log", "format": "${template}" } },
  "defaults": { "root": "${folder}/www", "access_log": "tls" },
  "hosts": {
    "off.example": { "tls": { ${own} } },
    "optional.example": { "tls": { "clients": "optional", ${own}, ${judges} } },
    "required.example": { "tls": { "clients": "required", ${own}, ${judges} } },
    "asked.example": { "tls": { "clients": "asked", ${own}, ${judges} } }
  }
}"#;

const TEMPLATE: &str = "$scheme|$ssl_protocol|$ssl_cipher|$ssl_server_name|$ssl_session_reused|$ssl_client_verify|\
                        $ssl_client_s_dn|$ssl_client_i_dn|$ssl_client_serial|$ssl_client_fingerprint";

const OWN: &str = r#""certificates": { "own": {
  "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } }"#;
const JUDGES: &str = r#""authorities": "${folder}/tls/ca.pem", "revoked": ["${folder}/tls/clients.crl"]"#;

const HOSTS: [&str; 4] = ["off.example", "optional.example", "required.example", "asked.example"];
/// Instead of a status: the handshake has failed.
const REFUSED: u16 = 0;

struct Bench {
    yard: Yard,
    to: SocketAddr,
    server: e2e::Server,
    good: Holder,
    late: Holder,
    revoked: Holder,
    stranger: Holder,
}

impl Bench {
    fn new(label: &str) -> Bench {
        let yard = Yard::new(label).expect("a folder");
        yard.host("host", &HOSTS, Algorithm::Ecdsa).expect("a certificate");
        let client = |label, term| yard.authority.client(label, term).expect("a certificate");
        let [good, revoked] = ["good", "revoked"].map(|label| client(label, Term::Holds));
        let late = client("late", Term::Past);
        yard.authority.revoke(&revoked).expect("it is revoked");
        yard.authority.revoked("clients.crl").expect("a list");
        let elsewhere = Authority::new(&yard.folder.path().join("elsewhere")).expect("an authority");
        let stranger = elsewhere.client("stranger", Term::Holds).expect("a certificate");
        let text = CONFIGURATION.replace("${own}", OWN).replace("${judges}", JUDGES);
        let text = text.replace("${template}", TEMPLATE);
        let server = yard.serve(&text).expect("the server starts");
        let to = address(&server, 1).expect("an address");
        Bench { yard, to, server, good, late, revoked, stranger }
    }

    /// A connection that stays open, of a client with a certificate.
    fn connect(&self, name: &str, holder: &Holder) -> Client {
        let [chain, key] = [&holder.chain, &holder.key].map(|path| path.display().to_string());
        let arguments = ["-servername", name, "-cert", &chain, "-key", &key];
        Client::secure(self.to, &arguments).expect("openssl connects")
    }

    /// The status that a client gets.
    fn status(&self, name: &str, host: &str, holder: Option<&Holder>, more: &[&str]) -> u16 {
        let mut arguments = vec!["-servername", name];
        arguments.extend(more);
        let files = holder.map(|holder| [&holder.chain, &holder.key].map(|path| path.display().to_string()));
        if let Some([chain, key]) = &files {
            arguments.extend(["-cert", chain, "-key", key]);
        }
        let get = format!("GET /hello.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let said = s_client(&self.to.to_string(), &arguments, get.as_bytes()).expect("openssl runs");
        let status = said.text.split("HTTP/1.1 ").nth(1).and_then(|rest| rest.get(..3));
        let refused = said.has(&["SSL alert number"]);
        assert!(status.is_some() != refused, "{name} {host} {arguments:?}: {said:?}");
        status.map_or(REFUSED, |status| status.parse().expect("a status"))
    }
}

#[test]
fn each_host_judges_as_it_says() {
    let bench = Bench::new("tls-clients");
    let holders = [None, Some(&bench.good), Some(&bench.late), Some(&bench.revoked), Some(&bench.stranger)];
    let wanted = [
        ("off.example", [200, 200, 200, 200, 200]),
        ("optional.example", [200, 200, REFUSED, REFUSED, REFUSED]),
        ("required.example", [REFUSED, 200, REFUSED, REFUSED, REFUSED]),
        ("asked.example", [403, 200, 403, 403, 403]),
    ];
    let mut refused = 0;
    for version in ["-tls1_2", "-tls1_3"] {
        for (host, statuses) in wanted {
            let got = holders.map(|holder| bench.status(host, host, holder, &[version]));
            assert_eq!(got, statuses, "{host} {version}: none, good, late, revoked, stranger");
            refused += statuses.iter().filter(|&&status| status == REFUSED).count() as u64;
        }
    }
    let counters = bench.server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_failures").unwrap(), refused);
}

#[test]
fn a_log_tells_what_tls_knows() {
    let bench = Bench::new("tls-logs");
    for (host, holder) in [("asked.example", Some(&bench.stranger)), ("optional.example", Some(&bench.good))]
    {
        bench.status(host, host, holder, &["-tls1_3"]);
    }
    bench.status("off.example", "off.example", None, &["-tls1_2"]);
    bench.server.stop().expect("it ends");
    let log = fs::read_to_string(bench.yard.folder.path().join("tls.log")).expect("a log");
    let lines: Vec<Vec<&str>> = log.lines().map(|line| line.split('|').collect()).collect();
    let [asked, optional, off] = lines.as_slice() else { panic!("{log}") };
    assert_eq!(asked[3..6], ["asked.example", ".", "FAILED"], "{log}");
    assert_eq!(optional[..2], ["https", "TLSv1.3"], "{log}");
    assert!(optional[2].starts_with("TLS13_"), "{log}");
    assert_eq!(optional[3..6], ["optional.example", ".", "SUCCESS"], "{log}");
    assert!(
        optional[6].contains("CN=") && optional[7].contains("CN=") && optional[6] != optional[7],
        "{log}"
    );
    let is_hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hexadecimal(optional[8]) && is_hexadecimal(optional[9]) && optional[9].len() == 64, "{log}");
    assert_eq!((off[1], off[3], off[5]), ("TLSv1.2", "off.example", "NONE"), "{log}");
    assert_eq!(off[6..], ["-"; 4], "{log}");
}

#[test]
fn a_request_for_a_host_that_another_one_judges_is_misdirected() {
    let bench = Bench::new("tls-misdirected");
    for (name, host, status) in [
        ("off.example", "required.example", 421),
        ("off.example", "asked.example", 421),
        ("optional.example", "required.example", 421),
        ("required.example", "optional.example", 421),
        ("required.example", "off.example", 200),
    ] {
        assert_eq!(bench.status(name, host, Some(&bench.good), &[]), status, "{host} by way of {name}");
    }
    // Nobody can show a certificate without TLS, which matters only where one is needed.
    let plain = Place::Ip(address(&bench.server, 2).expect("an address"));
    for (host, status) in HOSTS.into_iter().zip([200, 200, 403, 403]) {
        let mut client = Client::connect(&plain).expect("connect");
        client.send(format!("GET /hello.txt HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect("a response").status, status, "{host}");
    }
    bench.server.stop().expect("it ends");
}

#[test]
fn a_certificate_that_is_called_back_later_opens_nothing_any_more() {
    let bench = Bench::new("tls-recalled");
    let (good, session) = (Some(&bench.good), bench.yard.path("session"));
    let hosts = ["required.example", "asked.example"];
    for (host, name) in hosts.map(|host| (host, format!("{session}-{host}"))) {
        assert_eq!(bench.status(host, host, good, &["-sess_out", &name]), 200);
        assert_eq!(bench.status(host, host, None, &["-sess_in", &name]), 200, "the session still proves it");
    }
    bench.yard.authority.revoke(&bench.good).expect("it is revoked");
    bench.yard.authority.revoked("clients.crl").expect("a list");
    bench.server.signal(Signal::SIGHUP).expect("it runs");
    let reloaded = || bench.server.output().said().lines.iter().any(|line| line.contains("reloaded: "));
    until("the reload", reloaded);
    for (host, status) in hosts.into_iter().zip([REFUSED, 403]) {
        let name = format!("{session}-{host}");
        assert_eq!(bench.status(host, host, good, &[]), status, "{host}");
        assert_eq!(bench.status(host, host, good, &["-sess_in", &name]), status, "{host}, taken up");
        assert_eq!(bench.status(host, host, None, &["-sess_in", &name]), status, "{host}, without a key");
    }
    bench.server.stop().expect("it ends");
}

/// The status that a connection that stays open gets.
fn ask(client: &mut Client, host: &str) -> u16 {
    client.send(format!("GET /hello.txt HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("send");
    client.response(Asked::Other).expect("a response").status
}

#[test]
fn a_certificate_that_is_called_back_opens_nothing_on_an_open_connection() {
    let bench = Bench::new("tls-called-back");
    let staying = bench.yard.authority.client("staying", Term::Holds).expect("a certificate");
    let going = ["first", "second"]
        .map(|label| bench.yard.authority.client(label, Term::Holds).expect("a certificate"));
    let hosts = ["optional.example", "required.example", "asked.example"];
    let open = |holder: &Holder| hosts.map(|host| (host, bench.connect(host, holder)));
    let mut keeps = open(&staying);
    for (number, holder) in going.iter().enumerate() {
        let mut loses = open(holder);
        for (host, client) in keeps.iter_mut().chain(&mut loses) {
            assert_eq!(ask(client, host), 200, "{host}");
        }
        bench.yard.authority.revoke(holder).expect("it is revoked");
        bench.yard.authority.revoked("clients.crl").expect("a list");
        // By nothing but the file, and by a reload.
        if number > 0 {
            bench.server.signal(Signal::SIGHUP).expect("it runs");
        }
        for (host, client) in &mut loses {
            until("the list is read", || ask(client, host) == 403);
        }
        for (host, client) in &mut keeps {
            assert_eq!(ask(client, host), 200, "{host}: nobody else is concerned");
        }
    }
    drop(keeps);
    bench.server.stop().expect("it ends");
}

const PLACES: &str = r#"{
  "server": { "listen": ["127.0.0.1:0 tls", "127.0.0.2:0"] },
  "defaults": { "root": "${folder}/www" },
  "hosts": { "places.example": {
    "tls": { "clients": "asked", "authorities": "${folder}/tls/both.pem", ${own} },
    "locations": {
      "/off/": { "client_certificate": "off" },
      "/optional/": { "client_certificate": "optional" },
      "/required/": { "client_certificate": "required" },
      "/issuer/": { "access": ["allow issuer CN=elsewhere", "deny all"] },
      "/subject/": { "access": ["allow subject CN=good", "deny all"] },
      "/fingerprint/": { "access": ["allow fingerprint ${fingerprint}", "deny all"] },
      "/open/": { "client_certificate": "off", "access": ["allow issuer CN=elsewhere", "deny all"] }
    }
  } }
}"#;

/// The SHA-256 of a certificate, as openssl prints it.
fn fingerprint(authority: &Authority, holder: &Holder) -> String {
    let line = format!("x509 -noout -fingerprint -sha256 -in {}", holder.chain.display());
    let output = authority.openssl(&line).expect("openssl runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim_end().split_once('=').expect("a fingerprint").1.to_owned()
}

#[test]
fn each_place_says_whose_certificate_it_needs() {
    let yard = Yard::new("tls-places").expect("a folder");
    yard.host("host", &["places.example"], Algorithm::Ecdsa).expect("a certificate");
    let good = yard.authority.client("good", Term::Holds).expect("a certificate");
    let late = yard.authority.client("late", Term::Past).expect("a certificate");
    let elsewhere = Authority::new(&yard.folder.path().join("elsewhere")).expect("an authority");
    let guest = elsewhere.client("guest", Term::Holds).expect("a certificate");
    let both = [&yard.authority, &elsewhere].map(|one| fs::read(one.certificate()).expect("a certificate"));
    yard.folder.write("tls/both.pem", &both.concat()).expect("write");
    let text = PLACES.replace("${own}", OWN);
    let text = text.replace("${fingerprint}", &fingerprint(&yard.authority, &guest));
    let server = yard.serve(&text).expect("the server starts");
    let to = address(&server, 1).expect("an address");
    let connect = |holder: Option<&Holder>| {
        let files = holder.map(|holder| [&holder.chain, &holder.key].map(|path| path.display().to_string()));
        let mut arguments = vec!["-servername", "places.example"];
        if let Some([chain, key]) = &files {
            arguments.extend(["-cert", chain, "-key", key]);
        }
        Client::secure(to, &arguments).expect("openssl connects")
    };
    let plain = Client::connect(&server.place(2).expect("an address")).expect("connect");
    let mut clients =
        [plain, connect(None), connect(Some(&good)), connect(Some(&guest)), connect(Some(&late))];
    // Nothing is there but at the top: 404 is for those who are let in.
    for (place, wanted) in [
        ("", [403, 403, 200, 200, 403]),
        ("off/", [404, 404, 404, 404, 404]),
        ("optional/", [404, 404, 404, 404, 403]),
        ("required/", [403, 403, 404, 404, 403]),
        ("issuer/", [403, 403, 403, 404, 403]),
        ("subject/", [403, 403, 404, 403, 403]),
        ("fingerprint/", [403, 403, 403, 404, 403]),
        ("open/", [403, 403, 403, 404, 403]),
    ] {
        let got = clients.each_mut().map(|client| {
            let get = format!("GET /{place}hello.txt HTTP/1.1\r\nHost: places.example\r\n\r\n");
            client.send(get.as_bytes()).expect("send");
            client.response(Asked::Other).expect("a response").status
        });
        assert_eq!(got, wanted, "/{place}: plain, none, good, guest, late");
    }
    drop(clients);
    server.stop().expect("it ends");
}

//! What a browser makes of us: it asks for passwords, shows certificates, and says what its user reads.

#![forbid(unsafe_code)]

use std::process::Command;

use e2e::browser::{Home, Prompt, Visit};
use e2e::openssl::{Algorithm, Term};
use e2e::yard::address;
use e2e::{Browser, Server, Yard};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0 tls"], "shards": 2 },
  "defaults": { "root": "${folder}/www" },
  "hosts": {
    "localhost": { "tls": { ${own} },
      "locations": { "/locked/": { "auth": { "realm": "Members only", "users": { "anna": "${anna}" } } } } },
    "asked.example": { "tls": { "clients": "asked", "authorities": "${folder}/tls/ca.pem", ${own} } },
    "required.example": { "tls": { "clients": "required", "authorities": "${folder}/tls/ca.pem", ${own} } }
  }
}"#;

const OWN: &str = r#""certificates": { "own": {
  "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } }"#;

const PASSWORD: &str = "correct horse";

struct Bench {
    yard: Yard,
    home: Home,
    server: Server,
    port: u16,
}

impl Bench {
    fn new(label: &str) -> Bench {
        let yard = Yard::new(label).expect("a folder");
        yard.folder.write("www/locked/page.txt", b"inside\n").expect("written");
        yard.host("host", &["localhost", "asked.example", "required.example"], Algorithm::Ecdsa)
            .expect("a certificate");
        let made = Command::new("htpasswd").args(["-nbB", "-C", "4", "anna", PASSWORD]).output();
        let line = String::from_utf8(made.expect("htpasswd runs").stdout).expect("a line");
        let hash = line.trim_end().strip_prefix("anna:").expect("a hash");
        let server = yard.serve(&CONFIGURATION.replace("${own}", OWN).replace("${anna}", hash));
        let server = server.expect("the server starts");
        let home = Home::new(label).expect("a home");
        home.trust(&yard.authority.certificate()).expect("it is trusted");
        let port = address(&server, 1).expect("an address").port();
        Bench { yard, home, server, port }
    }

    fn browser(&self) -> Browser {
        Browser::start(&self.home).expect("Chromium, which `cargo xtask setup` installs")
    }
}

fn visit(status: u16, prompts: u32, text: &str) -> Visit {
    Visit { status, prompts, text: text.to_owned() }
}

#[test]
fn a_password_is_asked_for_and_remembered() {
    let bench = Bench::new("browser-login");
    let mut browser = bench.browser();
    let page = |login: &str| format!("https://{login}localhost:{}/locked/page.txt", bench.port);
    let typed = |password| Prompt::Type { user: "anna", password };
    let refused = "401 Unauthorized";
    for (what, login, prompt, wanted) in [
        ("the prompt is closed", "", Prompt::Cancel, visit(401, 1, refused)),
        ("a wrong password", "", typed("wrong"), visit(401, 2, refused)),
        ("the right one", "", typed(PASSWORD), visit(200, 1, "inside\n")),
        ("it is remembered", "", Prompt::Cancel, visit(200, 0, "inside\n")),
    ] {
        let got = browser.open(&page(login), prompt).unwrap_or_else(|why| panic!("{what}: {why}"));
        assert_eq!(got, wanted, "{what}");
    }
    // Another browser of the same home, whose user has both in a bookmark.
    drop(browser);
    let login = format!("anna:{}@", PASSWORD.replace(' ', "%20"));
    let got = bench.browser().open(&page(&login), Prompt::Cancel).expect("a page");
    assert_eq!(got, visit(200, 0, "inside\n"));
    bench.server.stop().expect("an even ledger");
}

#[test]
fn a_certificate_is_shown_where_one_is_wanted() {
    let bench = Bench::new("browser-certificate");
    let page = |host: &str| format!("https://{host}:{}/hello.txt", bench.port);
    let mut browser = bench.browser();
    let got = browser.open(&page("asked.example"), Prompt::Cancel).expect("a page");
    assert_eq!(got, visit(403, 0, "403 Forbidden"));
    // In TLS 1.3 it learns of that when it is through (RFC 8446 4.4.2.4), perhaps as it asks for the page: so the name
    // of the error is a matter of luck.
    let why = browser.open(&page("required.example"), Prompt::Cancel).expect_err("a handshake").to_string();
    assert!(why.contains("net::ERR_"), "{why}");
    bench.server.wait_counters("refusal", |counters| counters["tls_failures"] > 0).expect("it is counted");
    drop(browser);

    let holder = bench.yard.authority.client("otto", Term::Holds).expect("a certificate");
    bench.home.identify(&holder).expect("it has a certificate");
    let mut browser = bench.browser();
    for host in ["asked.example", "required.example", "localhost"] {
        let got = browser.open(&page(host), Prompt::Cancel).unwrap_or_else(|why| panic!("{host}: {why}"));
        assert_eq!(got, visit(200, 0, "Hello, world!\n"), "{host}");
    }
    bench.server.stop().expect("an even ledger");
}

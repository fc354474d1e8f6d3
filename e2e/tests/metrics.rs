//! The numbers of the server over HTTP: a real parser understands them, they are those that `-V` and `status` show, and they
//! go on over whatever happens to the server's processes.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use e2e::response::{Asked, Response};
use e2e::{Folder, Options, Server, binary, python, until};
use serde_json::Value;

/// The password of anna is "secret". Nothing can be written to the log `full`.
const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"], "shards": 2, "privsep": ${privsep}, "error_log": "${folder}/error.log",
    "control": { "socket": "${folder}/control.sock" }
  },
  "logs": { "full": { "file": "/dev/full" } },
  "hosts": {
    "localhost": {
      "root": "${folder}/www", "access_log": "${folder}/a \"quoted\" name.log",
      "locations": {
        "/full/": { "access_log": "full" },
        ${metrics}
        "= /closed": { "handler": "metrics", "access": ["deny all"] },
        "= /login": {
          "handler": "metrics",
          "auth": { "realm": "Numbers", "users": { "anna": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" } }
        }
      }
    }
  }
}"#;

const METRICS: &str = r#""= /metrics": {
  "handler": "metrics", "access": ["allow from 127.0.0.1", "deny all"], "access_log": "off",
  "compression": { "codings": ["gzip"] }
},"#;

/// A table of all counters.
const DOCUMENTED: &str = include_str!("../../perf/COUNTERS.md");

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const LOGIN: &str = "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n";

struct Site {
    folder: Folder,
    privsep: &'static str,
    server: Server,
}

/// What a text says, as the parser of Prometheus' client reads it.
struct Read {
    /// Of each family, its name without `_total`.
    types: BTreeMap<String, String>,
    /// Each by its name and the values of its labels, with a space between.
    series: BTreeMap<String, f64>,
}

impl Read {
    fn number(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// A number of the log with that name.
    fn of_log(&self, what: &str, log: &str) -> f64 {
        self.number(&format!("kimura_access_log_{what} {log}"))
    }

    /// What the log has written, of which nothing may be missing.
    fn written(&self, log: &str) -> f64 {
        let parts = ["lines_delivered_total", "lines_dropped_total", "lines_queued"];
        let written = self.of_log("lines_written_total", log);
        assert_eq!(written, parts.map(|part| self.of_log(part, log)).iter().sum::<f64>(), "{log}");
        written
    }
}

impl Site {
    fn start(privsep: &'static str, metrics: &str) -> Site {
        let folder = Folder::new("metrics").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let configuration = configure(&folder, privsep, metrics);
        let server = Server::start(&configuration, &Options::default()).expect("the server starts");
        Site { folder, privsep, server }
    }

    fn ask(&self, method: &str, target: &str, fields: &str) -> Response {
        let mut client = self.server.connect().expect("connect");
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
        client.send(request.as_bytes()).expect("send");
        client.response(if method == "HEAD" { Asked::Head } else { Asked::Other }).expect("a response")
    }

    /// The text.
    fn scrape(&self) -> String {
        let response = self.ask("GET", "/metrics", "");
        assert_eq!(response.status, 200, "{response:?}");
        String::from_utf8(response.body).expect("text")
    }

    /// Waits until one of the lines of the text has that beginning and at least that number behind it; the text.
    fn scraped(&self, series: &str, least: f64) -> String {
        let mut text = String::new();
        until(&format!("{series} of {least}"), || {
            text = self.scrape();
            number(&text, series) >= least
        });
        text
    }

    fn read(&self, text: &str) -> Read {
        let file = self.folder.write("metrics.txt", text.as_bytes()).expect("write");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/metrics/read.py");
        let output = python::run(&[script.into(), file.into()]).expect("python");
        assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let entries = |name: &str| told[name].as_object().expect("an object").clone();
        let text = |value: Value| value.as_str().expect("a type").to_owned();
        let number = |value: Value| value.as_f64().expect("a number");
        Read {
            types: entries("types").into_iter().map(|(name, value)| (name, text(value))).collect(),
            series: entries("series").into_iter().map(|(name, value)| (name, number(value))).collect(),
        }
    }

    /// Gives a command that succeeds; what it printed.
    fn give(&self, words: &[&str]) -> String {
        binary::command(&self.folder, words)
    }

    /// Has the server serve the configuration with this in it.
    fn reload(&self, metrics: &str) {
        configure(&self.folder, self.privsep, metrics);
        self.give(&["reload"]);
    }
}

fn configure(folder: &Folder, privsep: &str, metrics: &str) -> PathBuf {
    let text = CONFIGURATION.replace("${folder}", &folder.path().to_string_lossy());
    let text = text.replace("${privsep}", privsep).replace("${metrics}", metrics);
    folder.write("kimura.conf", text.as_bytes()).expect("write")
}

/// The number of a series that is in the text.
fn number(text: &str, series: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().expect("a number")
}

/// Name and kind of a counter, where a line of the documentation has one.
fn row(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
    Some((name, rest.split_once(' ')?.0))
}

/// Everything that was sent is there, in the words of the parser.
fn says_what_was_sent(privsep: &'static str) {
    let site = Site::start(privsep, METRICS);
    let (good, missing, full) = (12, 5, 3);
    (0..good).for_each(|_| assert_eq!(site.ask("GET", "/hello.txt", "").status, 200));
    (0..missing).for_each(|_| assert_eq!(site.ask("GET", "/missing", "").status, 404));
    (0..full).for_each(|_| assert_eq!(site.ask("GET", "/full/x", "").status, 404));
    let log = site.folder.path().join("a \"quoted\" name.log").display().to_string();
    let label = log.replace('"', "\\\"");
    let logged = f64::from(good + missing);
    // Some more of its own answers, so that those count, too. What has come to a number once stays there.
    let delivered = format!("kimura_access_log_lines_delivered_total{{log=\"{label}\"}}");
    let mut text = String::new();
    for (series, least) in [
        (delivered.as_str(), logged),
        ("kimura_access_log_lines_written_total{log=\"/dev/full\"}", f64::from(full)),
        ("kimura_access_log_failing{log=\"/dev/full\"}", 1.0),
        ("kimura_responses_4xx_total", f64::from(missing + full)),
        ("kimura_responses_2xx_total", f64::from(good + 2)),
        ("kimura_request_duration_seconds_count", f64::from(good + missing + full)),
    ] {
        text = site.scraped(series, least);
    }
    let read = site.read(&text);

    assert_eq!(read.number("kimura_responses_4xx_total"), f64::from(missing + full));
    assert_eq!((read.written(&log), read.of_log("lines_delivered_total", &log)), (logged, logged));
    assert_eq!(read.of_log("failing", &log), 0.0);
    assert_eq!(
        (read.written("/dev/full"), read.of_log("lines_delivered_total", "/dev/full")),
        (f64::from(full), 0.0)
    );
    assert_eq!(read.number(&format!("kimura_build_info {}", env!("CARGO_PKG_VERSION"))), 1.0);
    assert_eq!(
        ["starting", "serving", "draining"].map(|state| read.number(&format!("kimura_workers {state}"))),
        [0.0, 1.0, 0.0]
    );

    let status: Value = serde_json::from_str(&site.give(&["status", "--json"])).expect("JSON");
    let told = |name: &str| status[name].as_f64().unwrap_or_else(|| panic!("no {name} in {status}"));
    for name in ["reloads", "upgrades"] {
        assert_eq!(read.number(&format!("kimura_{name}_total")), told(name), "{name}");
    }
    assert_eq!(read.number("kimura_worker_crashes_total"), told("crashes"));
    assert!(read.number("kimura_uptime_seconds") <= told("uptime_seconds"));

    // Every counter that `-V` prints has a family, and none was larger before than at the end.
    let counters = site.server.stop().expect("the ledger is even");
    let mut seen = 0;
    for (name, kind) in DOCUMENTED.lines().filter_map(row) {
        let family = format!("kimura_{name}");
        assert_eq!(read.types.get(&family).map(String::as_str), Some(kind), "{name}");
        match kind {
            "counter" => assert!(read.number(&format!("{family}_total")) <= counters[name] as f64, "{name}"),
            _ => assert!(0.0 <= read.number(&family), "{name}"),
        }
        seen += 1;
    }
    assert!(100 < seen, "{seen} counters");
    assert_eq!(counters["responses_4xx"], u64::from((missing + full) as u32));
}

#[test]
fn a_real_parser_reads_what_was_sent() {
    says_what_was_sent("true");
}

#[test]
fn a_real_parser_reads_what_was_sent_to_one_process() {
    says_what_was_sent("false");
}

#[test]
fn an_answer_is_kept_by_nobody_and_only_for_those_who_may() {
    let site = Site::start("true", METRICS);
    for (method, target, fields, status) in [
        ("GET", "/metrics", "", 200),
        ("HEAD", "/metrics", "", 200),
        ("GET", "/metrics", "Content-Length: 1\r\n", 200),
        ("GET", "/metrics?name[]=x", "", 200),
        ("GET", "/metrics", "Accept-Encoding: gzip\r\n", 200),
        ("GET", "/login", LOGIN, 200),
        ("POST", "/metrics", "Content-Length: 0\r\n", 405),
        ("DELETE", "/metrics", "", 405),
        ("GET", "/metrics/", "", 404),
        ("GET", "/closed", "", 403),
        ("GET", "/login", "", 401),
        ("GET", "/login", "Authorization: Basic YW5uYTp3cm9uZw==\r\n", 401),
    ] {
        let body = if fields.contains("Length: 1") { "x" } else { "" };
        let mut client = site.server.connect().expect("connect");
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
        client.send(format!("{head}{body}").as_bytes()).expect("send");
        let asked = if method == "HEAD" { Asked::Head } else { Asked::Other };
        let response = client.response(asked).expect("a response");
        assert_eq!(response.status, status, "{head}");
        let fields_of =
            ["Content-Type", "Cache-Control", "X-Content-Type-Options"].map(|name| response.field(name));
        let numbers = [Some(MEDIA_TYPE), Some("no-store"), Some("nosniff")];
        assert_eq!(fields_of == numbers, status == 200, "{head}{fields_of:?}");
        let coding = fields.contains("gzip").then_some("gzip");
        assert_eq!(response.field("Content-Encoding"), coding, "{head}");
        let length: usize = response.field("Content-Length").expect("a length").parse().expect("a number");
        assert_eq!(response.body.len(), if method == "HEAD" { 0 } else { length }, "{head}");
        assert!(status != 200 || length > 1_000, "{head}{length}");
    }
    site.server.stop().expect("the ledger is even");
}

#[test]
fn numbers_go_on_over_changes_crashes_and_upgrades() {
    let site = Site::start("true", "");
    let missing = 7.0;
    (0..7).for_each(|_| assert_eq!(site.ask("GET", "/missing", "").status, 404));
    // The place is there with its numbers as soon as the change is.
    site.reload(METRICS);
    site.scrape();
    let text = site.scraped("kimura_reloads_total", 1.0);
    assert!(number(&text, "kimura_responses_4xx_total") >= missing);
    // They are made again and again.
    let made = number(&text, "kimura_metrics_timestamp_seconds");
    site.scraped("kimura_metrics_timestamp_seconds", made + 1.0);

    let old = site.server.kill_worker().expect("no connection is open");
    until("another worker", || {
        site.server.processes().iter().any(|new| new.title == old.title && new.pid != old.pid)
    });
    let text = site.scraped("kimura_worker_crashes_total", 1.0);
    assert!(number(&text, "kimura_responses_4xx_total") >= missing);
    assert_eq!(number(&text, "kimura_connections_lost_total"), 0.0);

    site.give(&["upgrade"]);
    let text = site.scraped("kimura_upgrades_total", 1.0);
    let read = site.read(&text);
    assert!(read.number("kimura_responses_4xx_total") >= missing);
    assert_eq!(read.number("kimura_reloads_total"), 1.0);
    assert_eq!(read.number("kimura_worker_crashes_total"), 1.0);

    site.reload("");
    assert_eq!(site.ask("GET", "/metrics", "").status, 404);
    site.server.stop().expect("the ledger is even");
}

//! Access logs that go to a real systemd-journald, from requests through all processes: it runs with a `/run` of its own.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use e2e::response::Asked;
use e2e::{Client, Folder, Options, Server, until};
use serde_json::Value;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1, "error_log": "${folder}/error.log" },
  "logs": {
    "lines": { "journald": "${folder}/run/systemd/journal/socket", "app_name": "lines", "facility": "local1",
               "format": "$request_method \"$request_uri\" $status \"$http_user_agent\"" },
    "objects": { "journald": "${folder}/run/systemd/journal/socket", "app_name": "objects", "severity": "notice" }
  },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": ["lines", "objects"] } }
}"#;

/// Has journald see a folder as `/run`.
const SCRIPT: &str = "mount --bind \"$0\" /run && mkdir -p /run/systemd/journal /run/log/journal &&
    exec /lib/systemd/systemd-journald";

/// One that ends with its value.
struct Journal(Child);

impl Journal {
    fn start(folder: &Folder) -> Journal {
        let run = folder.path().join("run");
        std::fs::create_dir_all(&run).expect("a folder");
        let socket = run.join("systemd/journal/socket");
        // That of one that was killed before.
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", SCRIPT]).arg(&run);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("unshare");
        until("a journal", || {
            let ended = process.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "systemd-journald has ended: cargo xtask setup installs it");
            socket.exists()
        });
        Journal(process)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the journal has of a program.
fn entries(folder: &Path, program: &str) -> Vec<Value> {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--output", "json", "--all", "--directory"]).arg(folder.join("run/log/journal"));
    let output = command.arg(format!("SYSLOG_IDENTIFIER={program}")).output().expect("journalctl");
    let text = String::from_utf8(output.stdout).expect("JSON");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn messages(folder: &Path, program: &str) -> Vec<String> {
    let message = |entry: &Value| entry["MESSAGE"].as_str().expect("text").to_owned();
    entries(folder, program).iter().map(message).collect()
}

fn ask(client: &mut Client, target: &str, agent: &[u8]) {
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ");
    client.send(&[head.as_bytes(), agent, b"\r\n\r\n"].concat()).expect("send");
    assert_eq!(client.response(Asked::Other).expect("an answer").status, 200);
}

#[test]
fn each_line_is_an_entry_and_none_is_lost_while_the_journal_is_away() {
    let folder = Folder::new("log-journal").expect("a folder");
    folder.write("www/a", b"hello\n").expect("write");
    let journal = Journal::start(&folder);
    let text = CONFIGURATION.replace("${folder}", &folder.path().to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let mut client = server.connect().expect("connect");

    let long = format!("/a?{}", "x".repeat(7000));
    let sent: [(&str, &[u8]); 4] = [
        ("/a", b"MESSAGE=x PRIORITY=0"),
        ("/a?1", b"\xff\xfe \"quoted\" [31m"),
        (&long, b"-"),
        ("/a?2", b"plain"),
    ];
    for (target, agent) in sent {
        ask(&mut client, target, agent);
    }
    until("the entries", || entries(folder.path(), "objects").len() == sent.len());
    let wanted = [
        r#"GET "/a" 200 "MESSAGE=x PRIORITY=0""#.to_owned(),
        r#"GET "/a?1" 200 "\xFF\xFE \x22quoted\x22 [31m""#.to_owned(),
        format!(r#"GET "{long}" 200 "\x2D""#),
        r#"GET "/a?2" 200 "plain""#.to_owned(),
    ];
    assert_eq!(messages(folder.path(), "lines"), wanted);
    let entry = &entries(folder.path(), "lines")[0];
    for (field, wanted) in
        [("PRIORITY", "6"), ("SYSLOG_FACILITY", "17"), ("KIMURA_LOG", "lines"), ("_TRANSPORT", "journal")]
    {
        assert_eq!(entry[field], wanted, "{field} of {entry}");
    }
    for entry in entries(folder.path(), "objects") {
        assert_eq!(entry["PRIORITY"], "5");
        let object: Value =
            serde_json::from_str(entry["MESSAGE"].as_str().expect("text")).expect("an object");
        assert_eq!((&object["host"], &object["status"]), (&Value::from("localhost"), &Value::from(200)));
    }

    drop(journal);
    for number in 10..30 {
        ask(&mut client, &format!("/a?{number}"), b"away");
    }
    let journal = Journal::start(&folder);
    let away = || {
        let mut lines = messages(folder.path(), "lines");
        lines.retain(|line| line.contains("away"));
        lines
    };
    until("what had to wait", || 20 <= away().len());
    let wanted: Vec<String> = (10..30).map(|number| format!(r#"GET "/a?{number}" 200 "away""#)).collect();
    assert_eq!(away(), wanted, "each once, in order");
    server.stop().expect("the server ends in order");
    drop(journal);
}

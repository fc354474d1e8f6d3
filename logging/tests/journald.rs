//! Lines on their way to a real systemd-journald, which runs in a mount namespace with a `/run` of its own.

mod receivers;

use logging::remote::journald::Settings;
use logging::remote::syslog::{Facility, Severity};
use logging::remote::{Courier, Remote};
use receivers::{Running, await_some, deliver, patience};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Runs journald with a `/run` of its own, which nobody else sees.
const SCRIPT: &str = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal &&
    exec /lib/systemd/systemd-journald";

struct Journald(Running);

impl Journald {
    fn start() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", SCRIPT]).stderr(std::process::Stdio::null());
        let mut journald = Self(Running::start(&mut command));
        let socket = journald.path("systemd/journal/socket");
        await_some("a journal", || {
            assert!(journald.0.is_running(), "systemd-journald has ended");
            socket.exists().then_some(())
        });
        journald
    }

    /// Below its own `/run`.
    fn path(&self, name: &str) -> PathBuf {
        format!("/proc/{}/root/run/{name}", self.0.process()).into()
    }

    fn courier(&self) -> Courier {
        Remote::Journald(Settings {
            path: self.path("systemd/journal/socket"),
            facility: Facility::named("local1").expect("one of the list"),
            severity: Severity::named("info").expect("one of the list"),
            app_name: "kimura".to_owned(),
            log: "main".to_owned(),
            patience: patience(),
        })
        .courier()
    }

    /// The entries that we have made.
    fn entries(&self) -> Vec<Value> {
        let mut command = Command::new("journalctl");
        command.args(["--quiet", "--output", "json", "--all", "SYSLOG_IDENTIFIER=kimura", "--directory"]);
        let output = command.arg(self.path("log/journal")).output().expect("journalctl");
        let text = String::from_utf8(output.stdout).expect("JSON");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

#[test]
fn entries_have_their_fields_whatever_a_line_says() {
    let journald = Journald::start();
    let mut courier = journald.courier();
    let long = format!("long {}", "x".repeat(1 << 20));
    let lines = ["GET / 200", "a=b", "\u{20ac} {\"a\":\"b\"}", &long, "after"];
    deliver(&mut courier, format!("{}\n", lines.join("\n")).as_bytes());
    let entries = await_some("all entries", || {
        let entries = journald.entries();
        (entries.len() == lines.len()).then_some(entries)
    });
    for (number, (entry, line)) in entries.iter().zip(lines).enumerate() {
        assert_eq!(entry["MESSAGE"], line);
        for (field, wanted) in
            [("PRIORITY", "6"), ("SYSLOG_FACILITY", "17"), ("KIMURA_LOG", "main"), ("_TRANSPORT", "journal")]
        {
            assert_eq!(entry[field], wanted, "{field} of {line}");
        }
        assert_eq!(entry["SYSLOG_PID"], std::process::id().to_string());
        let id = entry["KIMURA_LINE"].as_str().expect("an id");
        assert!(id.ends_with(&format!("-{number}")), "{id}");
    }
}

#[test]
fn a_journal_that_is_away_is_told_of() {
    let journald = Journald::start();
    let mut courier = journald.courier();
    deliver(&mut courier, b"before\n");
    await_some("the entry", || (journald.entries().len() == 1).then_some(()));
    journald.0.end("KILL");
    let (done, _) = courier.deliver(b"between\n").expect_err("nobody is there");
    assert_eq!(done, 0);
}

//! Log files that are put aside while they are written: no line is lost, doubled or broken, whatever happens meanwhile,
//! and nothing of it costs a request.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fs::{self, FileTimes};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use e2e::load::{Load, Tally};
use e2e::{Folder, Options, Process, Server, binary, response::Asked, rest, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

/// Each line has an id that no other has, a reason to compress, and an end that shows that it is whole.
const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"], "shards": 2,
    "control": { "socket": "${folder}/control.sock" }
  },
  "logs": { "main": {
    "file": "${folder}/log/access.log", "format": "$request_id $request_method $request_uri $server_protocol $status end"
    ${rotate}
  } },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": "main" } }
}"#;

const LOGGER: &str = "kimura: logger";
const BODY: &[u8] = b"Hello, world!\n";
const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// What has to have happened before a test has seen enough.
struct Enough {
    requests: u64,
    /// How long a disk is full.
    full: Duration,
}

impl Enough {
    /// Little, or with `cargo xtask soak logs` what takes minutes.
    fn wanted() -> Enough {
        match std::env::var_os("KIMURA_SOAK") {
            None => Enough { requests: 0, full: Duration::from_secs(5) },
            Some(_) => Enough { requests: 1_000_000, full: Duration::from_secs(60) },
        }
    }
}

/// A user that nobody else is.
const STRANGER: u32 = 64_124;

struct Site {
    folder: Folder,
    configuration: PathBuf,
}

impl Site {
    /// With these rules for the log, if any.
    fn new(rotate: Option<&str>) -> Site {
        let folder = Folder::new("rotation").expect("a folder");
        folder.write("www/hello.txt", BODY).expect("write");
        fs::create_dir(folder.path().join("log")).expect("a folder");
        let mut site = Site { folder, configuration: PathBuf::new() };
        site.configure(rotate);
        site
    }

    fn configure(&mut self, rotate: Option<&str>) {
        let rotate = rotate.map(|rules| format!(", \"rotate\": {{ {rules} }}")).unwrap_or_default();
        let text = CONFIGURATION.replace("${folder}", &self.folder.path().to_string_lossy());
        let text = text.replace("${rotate}", &rotate);
        self.configuration = self.folder.write("kimura.conf", text.as_bytes()).expect("write");
    }

    fn start(&self) -> Server {
        Server::start(&self.configuration, &Options::default()).expect("the server starts")
    }

    fn load(server: &Server) -> Load {
        Load::start(&[server.place(1).expect("an address")], "localhost", "/hello.txt", BODY)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("log").join(name)
    }

    /// Gives a command that succeeds; what it printed.
    fn give(&self, words: &[&str]) -> String {
        binary::command(&self.folder, words)
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.give(&["status", "--json"])).expect("JSON")
    }

    /// A number of the only log.
    fn number(&self, name: &str) -> u64 {
        self.status()["logs"][0][name].as_u64().expect("a number")
    }

    /// Waits until the log has so many lines, for as long as there come more.
    fn grows(&self, lines: u64) {
        let mut seen = 0;
        while seen < lines {
            until("more lines", || self.number("taken") > seen);
            seen = self.number("taken");
        }
    }

    /// Names in the folder of the log, but for the one that is written.
    fn asides(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("log")).expect("it can be listed");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
        let mut names: Vec<String> = names.filter(|name| name != "access.log").collect();
        names.sort();
        names
    }

    /// Waits until every line is where it will stay; all of them, over all files that have `ending` or none.
    fn lines(&self, written: u64) -> Vec<String> {
        until("delivery of all lines", || {
            let lines = &self.status()["lines"];
            lines["lines_written"] == written && lines["lines_queued"] == 0 && lines["lines_under_way"] == 0
        });
        let mut texts = Vec::new();
        until("a folder that stays as it is", || {
            let now = || (self.asides(), self.number("put_aside"));
            let before = now();
            let names = before.0.iter().map(String::as_str).chain(["access.log"]);
            texts = names.filter_map(|name| text_of(&self.log(name))).collect();
            now() == before
        });
        assert!(
            texts.iter().all(|text| text.is_empty() || text.ends_with('\n')),
            "a file ends within a line"
        );
        texts.iter().flat_map(|text| text.lines().map(str::to_owned)).collect()
    }

    /// All lines of answered requests are there once and whole, but for those that the server says are not.
    fn has_all(&self, tally: &Tally) {
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let lines = self.lines(tally.answered);
        let count = &self.status()["lines"];
        let number = |name: &str| count[name].as_u64().expect("a number");
        assert_eq!(lines.len() as u64, number("lines_delivered"), "{count}");
        let missing = number("lines_dropped") + number("lines_lost");
        assert_eq!(lines.len() as u64 + missing, tally.answered, "{count}");
        let mut ids = HashSet::new();
        for line in &lines {
            let (id, rest) = line.split_once(' ').expect("an id");
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line:?}");
            assert_eq!(rest, "GET /hello.txt HTTP/1.1 200 end", "{line:?}");
            assert!(ids.insert(id), "{id} is there twice");
        }
    }

    /// Whether nothing is to be compressed any more.
    fn is_compressed(&self, ending: &str) -> bool {
        self.asides().iter().all(|name| name.ends_with(ending))
    }
}

/// What a file has, by the program that is made for its kind; none when it is not there any more.
fn text_of(path: &Path) -> Option<String> {
    let program = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => "gzip",
        Some("zst") => "zstd",
        _ => return fs::read_to_string(path).ok(),
    };
    let output = Command::new(program).arg("-dc").arg(path).output().expect("the program runs");
    output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
}

/// How many lines a file has.
fn count(path: &Path) -> usize {
    text_of(path).map_or(0, |text| text.lines().count())
}

fn end(process: &Process) {
    kill(Pid::from_raw(process.pid as i32), Signal::SIGKILL).expect("it runs");
    until("its end", || Process::find(process.pid).is_none_or(|now| now.title != process.title));
}

fn get(server: &Server) {
    let mut client = server.connect().expect("a connection");
    client.send(GET).expect("it is sent");
    assert_eq!(client.response(Asked::Other).expect("an answer").status, 200);
}

/// Load while a file is put aside each second, and the logger is killed so often. Rules without a size.
fn check_load(rules: &str, ending: &str, kills: u32) {
    const FILES: u64 = 5;
    let enough = Enough::wanted().requests;
    let site = Site::new(Some(&format!("\"size\": \"4k\", \"keep\": 1000, {rules}")));
    let server = site.start();
    let load = Site::load(&server);
    for kill in 0..kills {
        site.grows(enough * u64::from(kill + 1) / u64::from(kills + 1));
        let before = site.number("put_aside");
        until("another file", || site.number("put_aside") > before);
        end(&server.process(LOGGER).expect("the logger"));
        let before = site.number("put_aside");
        until("another file", || site.number("put_aside") > before);
    }
    until("several files", || site.number("put_aside") >= FILES);
    site.grows(enough);
    let tally = load.stop();
    assert!(enough <= tally.answered, "{tally:?}");
    site.has_all(&tally);
    until("compression", || site.is_compressed(ending));
    site.has_all(&tally);
    until("all files", || site.asides().len() as u64 == site.number("put_aside"));
    assert_eq!(site.number("troubles"), 0);
    server.stop().expect("the server ends in order");
}

#[test]
fn files_are_put_aside_under_load() {
    check_load(r#""names": "date", "compress": "gzip""#, ".gz", 0);
}

#[test]
fn a_logger_that_is_killed_meanwhile() {
    check_load(r#""names": "number", "compress": "zstd""#, ".zst", 2);
    check_load(r#""names": "date", "compress": "off""#, "", 2);
}

#[test]
fn no_more_files_and_bytes_are_kept_than_is_said() {
    for (rules, files, bytes) in [
        (r#""keep": 2, "compress": "off""#, 2, u64::MAX),
        (r#""keep": 2, "names": "number""#, 2, u64::MAX),
        (r#""budget": "4k", "names": "number", "compress": "gzip""#, 1, 1 << 20),
    ] {
        let site = Site::new(Some(&format!("\"size\": \"4k\", {rules}")));
        fs::write(site.log("access.log.old"), "of somebody else\n").expect("write");
        fs::write(site.log("access.log-today"), "of somebody else\n").expect("write");
        let server = site.start();
        let load = Site::load(&server);
        until("several files", || site.number("put_aside") >= 4);
        let tally = load.stop();
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        until("what is kept", || {
            let own: Vec<String> = site
                .asides()
                .into_iter()
                .filter(|name| !name.ends_with("old") && !name.ends_with("today"))
                .collect();
            let sum: u64 =
                own.iter().filter_map(|name| site.log(name).metadata().ok()).map(|file| file.len()).sum();
            own.len() <= files && sum <= bytes && !own.iter().any(|name| name.ends_with("compressing"))
        });
        assert!(site.log("access.log.old").exists() && site.log("access.log-today").exists());
        server.stop().expect("the server ends in order");
    }
}

#[test]
fn what_somebody_who_was_killed_has_left_is_finished() {
    let site = Site::new(Some(r#""every": "day""#));
    let old = "access.log-20200101-000000";
    fs::write(site.log(old), "old\n").expect("write");
    fs::write(site.log("access.log.compressing"), "half").expect("write");
    let done = site.log("access.log-20200102-000000");
    fs::write(&done, "done\n").expect("write");
    let gzip = Command::new("gzip").arg("-k").arg(&done).status().expect("gzip runs");
    assert!(gzip.success());
    // Its last line is of the day before yesterday.
    fs::write(site.log("access.log"), "before\n").expect("write");
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 86_400);
    let file = fs::File::options().append(true).open(site.log("access.log")).expect("it is there");
    file.set_times(FileTimes::new().set_modified(long_ago)).expect("it is ours");
    let server = site.start();
    let compressed = |name: &&String| name.ends_with(".gz");
    until("all of it", || {
        let asides = site.asides();
        asides.len() == 3 && asides.iter().filter(compressed).count() == 3
    });
    let asides = site.asides();
    assert_eq!(asides[..2], [format!("{old}.gz"), "access.log-20200102-000000.gz".to_owned()]);
    let texts: Vec<String> = asides.iter().filter_map(|name| text_of(&site.log(name))).collect();
    assert_eq!(texts, ["old\n", "done\n", "before\n"]);
    let file = site.log(&asides[2]).metadata().expect("it is there");
    assert_eq!(file.modified().expect("a time"), long_ago, "it keeps the time of its last line");
    server.stop().expect("the server ends in order");
}

#[test]
fn commands_and_changes_of_the_rules() {
    let mut site = Site::new(None);
    let server = site.start();
    get(&server);
    until("the line", || count(&site.log("access.log")) == 1);
    site.give(&["rotate-logs"]);
    assert!(site.asides().is_empty(), "nobody has said that it is to be put aside");
    site.configure(Some(r#""every": "week", "names": "number", "compress": "off""#));
    site.give(&["reload"]);
    site.give(&["rotate-logs"]);
    assert_eq!(site.asides(), ["access.log.1"]);
    site.give(&["rotate-logs"]);
    assert_eq!(site.asides(), ["access.log.1"], "what is empty stays");
    get(&server);
    until("the line", || count(&site.log("access.log")) == 1);
    site.give(&["rotate-logs"]);
    assert_eq!(site.asides(), ["access.log.1", "access.log.2"]);
    site.configure(Some(r#""every": "week", "names": "number", "compress": "zstd", "keep": 1"#));
    site.give(&["reload"]);
    until("the new rules", || site.asides() == ["access.log.1.zst"]);
    // Another program takes over, with the same rules.
    until("a line", || {
        get(&server);
        count(&site.log("access.log")) > 0
    });
    site.give(&["upgrade"]);
    let first = fs::read(site.log("access.log.1.zst")).expect("it is there");
    site.give(&["rotate-logs"]);
    until("compression and one file", || {
        site.asides() == ["access.log.1.zst"]
            && fs::read(site.log("access.log.1.zst")).is_ok_and(|now| now != first)
    });
    // Somebody removes the file: lines go to one that can be found.
    fs::remove_file(site.log("access.log")).expect("it is there");
    until("another file", || site.log("access.log").exists());
    get(&server);
    until("the line", || count(&site.log("access.log")) == 1);
    server.stop().expect("the server ends in order");
}

#[test]
fn logrotate_moves_files_under_load() {
    let site = Site::new(None);
    let server = site.start();
    let load = Site::load(&server);
    let text = format!(
        "{} {{\n rotate 100\n nocompress\n missingok\n postrotate\n  kill -USR1 {}\n endscript\n}}\n",
        site.log("access.log").display(),
        server.pid()
    );
    let configuration = site.folder.write("logrotate.conf", text.as_bytes()).expect("write");
    fs::set_permissions(&configuration, fs::Permissions::from_mode(0o644)).expect("it is ours");
    fs::set_permissions(site.folder.path().join("log"), fs::Permissions::from_mode(0o755))
        .expect("it is ours");
    for round in 1..=5 {
        let has_lines = |name: &str| site.log(name).metadata().is_ok_and(|file| file.len() > 0);
        until("lines", || has_lines("access.log"));
        let mut command = Command::new("logrotate");
        command.arg("--force").arg("--state").arg(site.folder.path().join("state")).arg(&configuration);
        let output = command.output().expect("logrotate runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        until("a new file", || site.log("access.log").exists());
        if round % 2 == 0 {
            end(&server.process(LOGGER).expect("the logger"));
        }
    }
    let tally = load.stop();
    site.has_all(&tally);
    assert_eq!(site.asides().len(), 5);
    server.stop().expect("the server ends in order");
}

#[test]
fn a_folder_that_may_not_be_written_to_for_a_while() {
    let site = Site::new(Some(r#""size": "4k", "compress": "off""#));
    let folder = site.folder.path().to_owned();
    let mut command = Command::new(binary::path());
    command.arg("-V").arg("-c").arg(&site.configuration);
    if Uid::effective().is_root() {
        // Root may write everywhere.
        for path in [folder.clone(), folder.join("log")] {
            chown(path, Some(STRANGER), Some(STRANGER)).expect("root may");
        }
        command.uid(STRANGER).gid(STRANGER);
    }
    let server = Server::become_of(command).expect("the server starts");
    let mode =
        |mode| fs::set_permissions(folder.join("log"), fs::Permissions::from_mode(mode)).expect("it is ours");
    mode(0o555);
    let load = Site::load(&server);
    until("trouble", || site.number("troubles") > 0);
    let before = site.number("delivered");
    until("more lines", || site.number("delivered") > before);
    assert!(site.asides().is_empty());
    until("a word about it", || server.heard("Permission denied") > 0);
    mode(0o755);
    until("a file that was put aside", || site.number("put_aside") > 0);
    until("the end of it", || server.heard("works again") == 1);
    assert_eq!(server.heard("Permission denied"), 1, "it was said once");
    site.has_all(&load.stop());
    server.stop().expect("the server ends in order");
}

#[test]
fn a_folder_that_is_gone_for_a_while() {
    let site = Site::new(Some(r#""size": "4k", "compress": "off""#));
    let server = site.start();
    let load = Site::load(&server);
    until("a file that was put aside", || site.number("put_aside") > 0);
    fs::rename(site.folder.path().join("log"), site.folder.path().join("moved")).expect("it is ours");
    until("trouble", || site.number("troubles") > 0);
    fs::create_dir(site.folder.path().join("log")).expect("it is gone");
    until("a new file", || site.log("access.log").exists());
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    server.stop().expect("the server ends in order");
}

/// Files that others put aside are looked after as well: what nobody can find is not written to for ever.
#[test]
fn files_without_rules_that_somebody_has_removed() {
    let site = Site::new(None);
    let error_log = site.log("error.log");
    let text = fs::read_to_string(&site.configuration).expect("a configuration");
    let text = text
        .replace("\"shards\": 2,", &format!("\"shards\": 2, \"error_log\": \"{}\",", error_log.display()));
    fs::write(&site.configuration, text).expect("write");
    let server = site.start();
    get(&server);
    until("the line", || count(&site.log("access.log")) == 1);
    let moved = site.folder.path().join("moved");
    fs::rename(site.folder.path().join("log"), &moved).expect("it is ours");
    let said = |path: &Path, words: &str| text_of(path).is_some_and(|text| text.contains(words));
    for name in ["access.log", "error.log"] {
        let words = format!("looking after the log file {} fails", site.log(name).display());
        until("a word about it", || said(&moved.join("error.log"), &words));
    }
    assert!(site.number("troubles") > 0);
    get(&server);
    until("the line in the file that was open", || count(&moved.join("access.log")) == 2);
    fs::create_dir(site.folder.path().join("log")).expect("it is gone");
    let words = format!("looking after the log file {} works again", error_log.display());
    until("the end of it", || said(&error_log, &words));
    until("a new file", || site.log("access.log").exists());
    get(&server);
    until("the line", || count(&site.log("access.log")) == 1);
    // One file alone.
    fs::remove_file(site.log("access.log")).expect("it is there");
    until("another file", || site.log("access.log").exists());
    get(&server);
    until("the line", || count(&site.log("access.log")) == 1);
    // Nobody wants it any more.
    let text = fs::read_to_string(&site.configuration).expect("a configuration");
    fs::write(&site.configuration, text.replace("\"access_log\": \"main\"", "\"access_log\": \"off\""))
        .expect("write");
    site.give(&["reload"]);
    fs::remove_file(site.log("access.log")).expect("it is there");
    fs::remove_file(&error_log).expect("it is there");
    until("another error log", || error_log.exists());
    assert!(!site.log("access.log").exists());
    server.stop().expect("the server ends in order");
}

/// A file system in memory, of 32 MiB.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf) -> Small {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=32M,mode=755", "tmpfs"]).arg(&path);
        assert!(command.status().expect("mount runs").success());
        Small(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Whoever has files there open keeps it until then.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_for_a_while() {
    if !Uid::effective().is_root() {
        return;
    }
    let site = Site::new(Some(r#""size": "64k", "keep": 1, "compress": "gzip""#));
    let disk = Small::mount(site.folder.path().join("log"));
    let server = site.start();
    let load = Site::load(&server);
    until("a file that was put aside", || site.number("put_aside") > 0);
    // Somebody else takes all there is.
    let mut filler = fs::File::create(site.log("filler")).expect("a file");
    let mut fill = || filler.write_all(&vec![0; 40 << 20]).expect_err("that is more than there is");
    fill();
    let failing = || site.status()["logs"][0]["failing"] == true;
    until("a full disk", failing);
    let since = Instant::now();
    while since.elapsed() < Enough::wanted().full {
        fill();
        rest(Duration::from_millis(10));
    }
    until("a word about it", || server.heard("fails: No space left on device") > 0);
    fs::remove_file(site.log("filler")).expect("it is there");
    drop(filler);
    until("an end of it", || !failing());
    let before = site.number("put_aside");
    until("another file", || site.number("put_aside") > before);
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    until("delivery of all lines", || {
        let lines = &site.status()["lines"];
        lines["lines_queued"] == 0 && lines["lines_under_way"] == 0
    });
    let lines = site.status()["lines"].clone();
    let number = |name: &str| lines[name].as_u64().expect("a number");
    let known = number("lines_delivered") + number("lines_dropped") + number("lines_lost");
    assert_eq!((number("lines_written"), known), (tally.answered, tally.answered), "{lines}");
    server.stop().expect("the server ends in order");
    drop(disk);
}

//! Lines as jobs of a real gearmand, taken by its own worker tool.

mod receivers;

use logging::remote::gearman::Settings;
use logging::remote::{Courier, Remote};
use receivers::{Running, await_listener, await_some, deliver, free_address, numbered, patience};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a worker runs for each job: one line with what came, newlines as `|`.
const WORK: &str = "#!/bin/sh\ntr '\\n' '|' >>\"$1\"\necho >>\"$1\"\n";

/// gearmand with a folder of its own, in which its queue outlives it.
struct Gearmand {
    folder: TempDir,
    address: SocketAddr,
    running: Option<Running>,
}

impl Gearmand {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut gearmand = Self { folder, address: free_address(), running: None };
        gearmand.again();
        gearmand
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn again(&mut self) {
        let mut command = Command::new("/usr/sbin/gearmand");
        command.args(["--listen", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--log-file", "stderr", "--queue-type", "libsqlite3", "--threads", "1"]);
        command.arg("--libsqlite3-db").arg(self.path("queue")).arg("--pid-file").arg(self.path("pid"));
        let said = File::options().append(true).create(true).open(self.path("said")).expect("a file");
        self.running = Some(Running::start(command.stderr(said)));
        await_listener(self.address);
    }

    fn end(&mut self, signal: &str) {
        self.running.take().expect("it runs").end(signal);
    }

    /// The tool that works for it from now on.
    fn worker(&self) -> Running {
        let script = self.path("work");
        fs::write(&script, WORK).expect("a file");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("our own file");
        let mut command = Command::new("/usr/bin/gearman");
        command.args(["-w", "-h", "127.0.0.1", "-p", &self.address.port().to_string(), "-f", "log"]);
        Running::start(command.arg(script).arg(self.path("out")).stderr(Stdio::null()))
    }

    /// The jobs that were worked on, when those are enough.
    fn worked(&self, what: &str, enough: impl Fn(&[&str]) -> bool) -> Vec<String> {
        await_some(what, || {
            let text = fs::read_to_string(self.path("out")).ok()?;
            let lines: Vec<&str> = text.lines().collect();
            (text.ends_with('\n') && enough(&lines))
                .then(|| lines.iter().map(|line| String::from(*line)).collect())
        })
    }
}

fn courier(servers: &[SocketAddr], batch: usize) -> Courier {
    let servers = servers.iter().map(|address| (address.to_string(), vec![*address])).collect();
    Remote::Gearman(Settings { servers, function: "log".to_owned(), batch, patience: patience() }).courier()
}

#[test]
fn jobs_of_many_lines_and_of_one() {
    let gearmand = Gearmand::start();
    let _worker = gearmand.worker();
    deliver(&mut courier(&[gearmand.address], 12), b"a b\nc \"d\"\n\n\x1b[31m\nlonger than a batch\n");
    deliver(&mut courier(&[gearmand.address], 0), b"e\nf\n");
    let mut found = gearmand.worked("all jobs", |jobs| jobs.len() == 5);
    found.sort();
    assert_eq!(found, ["\x1b[31m|", "a b|c \"d\"||", "e", "f", "longer than a batch|"]);
}

/// Lines of each block, and blocks.
const BLOCK: u32 = 50;
const BLOCKS: u32 = 40;

#[test]
fn what_a_server_misses_while_it_is_away_comes_when_it_is_back() {
    let mut gearmand = Gearmand::start();
    let address = gearmand.address;
    let (told, heard) = std::sync::mpsc::channel();
    let offering = std::thread::spawn(move || {
        let mut courier = courier(&[address], 400);
        for block in 0..BLOCKS {
            deliver(&mut courier, &numbered(block * BLOCK..(block + 1) * BLOCK));
            told.send(block).expect("the test is there");
        }
    });
    for (enough, signal) in [(BLOCKS / 4, "TERM"), (BLOCKS / 2, "KILL")] {
        assert!(heard.iter().any(|block| block == enough));
        gearmand.end(signal);
        gearmand.again();
    }
    assert_eq!(heard.iter().last(), Some(BLOCKS - 1));
    offering.join().expect("all delivered");
    let _worker = gearmand.worker();
    let last = format!("line {} of many|", BLOCK * BLOCKS - 1);
    let jobs = gearmand.worked("the last job", |jobs| {
        let lines: Vec<&str> = jobs.iter().flat_map(|job| job.split_inclusive('|')).collect();
        lines.contains(&last.as_str()) && BLOCK * BLOCKS <= lines.len() as u32
    });
    // A line is in one job, or in one that came twice.
    let mut places = BTreeMap::<u32, &str>::new();
    for job in &jobs {
        for line in job.split_terminator('|') {
            let number = line.strip_prefix("line ").and_then(|rest| rest.strip_suffix(" of many"));
            let number = number.and_then(|number| number.parse().ok()).expect("one of our lines");
            let before = places.insert(number, job);
            assert!(before.is_none_or(|before| before == job), "{line} is in {job} and {before:?}");
        }
    }
    assert!(places.keys().copied().eq(0..BLOCK * BLOCKS), "{} of them", places.len());
}

#[test]
fn another_server_helps_out_until_the_first_is_back() {
    let (mut first, second) = (Gearmand::start(), Gearmand::start());
    let (worker, _other_worker) = (first.worker(), second.worker());
    let mut courier = courier(&[first.address, second.address], 0);
    deliver(&mut courier, b"to the first\n");
    first.worked("a job of the first", |jobs| jobs == ["to the first"]);
    // It would look for its server without a pause.
    drop(worker);
    first.end("TERM");
    courier.deliver(b"to the second\n").expect("no outage: another one is there");
    second.worked("a job of the second", |jobs| jobs == ["to the second"]);
    first.again();
    let _worker = first.worker();
    // Back after a rest, whatever is offered meanwhile.
    let before = await_some("going back", || {
        deliver(&mut courier, b"again\n");
        let jobs = first.worked("a job of the first", |_| true);
        jobs.contains(&"again".to_owned()).then_some(jobs.len())
    });
    deliver(&mut courier, b"to the first again\n");
    let jobs = first.worked("more of the first", |jobs| jobs.contains(&"to the first again"));
    assert!(before < jobs.len());
}

//! Lines on their way from shards through the logger thread and the desk to files.

use logging::{Client, Desk, Fed, Format, Logger, Record, ShardLog, SinkId, Target, Totals, cells_for};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use sys::mem::Cells;

const PATIENCE: Duration = Duration::from_secs(20);

fn record(target: &[u8]) -> Record<'_> {
    Record {
        client: Client::Ip([192, 0, 2, 7].into()),
        method: b"GET",
        target,
        protocol: b"HTTP/1.1",
        status: 200,
        ..Record::default()
    }
}

fn write_numbered(log: &mut ShardLog, sink: SinkId, numbers: std::ops::Range<u32>) {
    for number in numbers {
        log.write(sink, &Format::Common, &record(format!("/{number}").as_bytes()));
    }
}

fn targets(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split(' ').nth(6).expect("a request line")).collect()
}

/// Waits for what another thread does to a file.
fn await_text(path: &Path, done: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if done(&text) {
            return text;
        }
        assert!(Instant::now() < deadline, "{} holds only {text:?}", path.display());
        std::thread::yield_now();
    }
}

fn append(path: &Path) -> OwnedFd {
    File::options().append(true).create(true).open(path).expect("a log").into()
}

/// A worker's thread, and the desk of a logger process in another one.
struct Office {
    logger: Logger,
    sinks: Vec<SinkId>,
    desk: JoinHandle<perf::Tally>,
    memories: Vec<Cells>,
}

impl Office {
    /// With these outputs as sinks.
    fn open(outputs: Vec<OwnedFd>) -> Office {
        let (own, other) = sys::packet::pair().expect("a pair of sockets");
        let targets: Vec<Target> =
            (0..outputs.len()).map(|number| Target::File(format!("/{number}").into())).collect();
        let logger = Logger::start(targets.clone(), own).expect("a logger");
        let sinks = targets.iter().map(|target| logger.sink(target).expect("a sink")).collect();
        let create = || Cells::create("test", cells_for(1 << 20)).expect("memory");
        let memories: Vec<Cells> = outputs.iter().map(|_| create()).collect();
        let mut desk = Desk::new();
        for (number, (output, memory)) in outputs.into_iter().zip(&memories).enumerate() {
            desk.file(number as u16, "a log", output, again(memory)).expect("a queue");
        }
        let desk = std::thread::spawn(move || {
            while desk.read(1, other.as_fd()).expect("packets") != Fed::Closed {
                sys::poll::readable(other.as_fd(), Some(PATIENCE)).expect("a socket");
            }
            let taken = desk.tally();
            desk.finish(PATIENCE);
            taken
        });
        Office { logger, sinks, desk, memories }
    }

    /// Ends; what was sent, and what has become of it.
    fn close(self) -> (Totals, perf::Tally) {
        let totals = self.logger.stop(PATIENCE).expect("an end");
        drop(self.logger);
        self.desk.join().expect("a desk");
        let tallies = self.memories.iter().map(|memory| perf::Tally::read(memory));
        (totals, tallies.fold(perf::Tally::default(), perf::Tally::and))
    }
}

fn again(memory: &Cells) -> Cells {
    Cells::from_fd(memory.fd().try_clone_to_owned().expect("a descriptor"), memory.len()).expect("memory")
}

#[test]
fn lines_of_a_shard_arrive_whole_and_in_order_in_their_sinks() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = [folder.path().join("even.log"), folder.path().join("odd.log")];
    let office = Office::open(paths.iter().map(|path| append(path)).collect());
    assert_eq!(office.logger.sink(&Target::Stdout), None);
    let mut log = office.logger.shard();
    for number in 0..5000 {
        // A batch may change its sink a thousand times, then it is handed over.
        write_numbered(&mut log, office.sinks[number as usize % 2], number..number + 1);
        if number % 500 == 0 {
            // Give the logger the time to return buffers: nothing may be dropped here.
            log.tick();
            await_text(&paths[0], |text| {
                text.lines().count() as u32 == number.div_ceil(2) + (number + 1) % 2
            });
        }
    }
    log.tick();
    assert_eq!(log.dropped(), 0);
    drop(log);
    let (totals, tally) = office.close();
    assert_eq!((totals.written, totals.lost), (5000, 0));
    assert_eq!((tally.taken, tally.delivered), (5000, 5000));
    for (path, first) in paths.iter().zip([0, 1]) {
        let text = fs::read_to_string(path).expect("a log");
        let wanted: Vec<String> = (first..5000).step_by(2).map(|number| format!("/{number}")).collect();
        assert_eq!(targets(&text), wanted);
    }
}

#[test]
fn a_tick_brings_the_lines_out_while_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let office = Office::open(vec![append(&path)]);
    let mut log = office.logger.shard();
    write_numbered(&mut log, office.sinks[0], 0..3);
    log.tick();
    assert_eq!(targets(&await_text(&path, |text| text.lines().count() == 3)), ["/0", "/1", "/2"]);
}

#[test]
fn what_gathers_in_a_dropped_shard_is_drained_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let office = Office::open(vec![append(&path)]);
    for shard in 0..4 {
        write_numbered(&mut office.logger.shard(), office.sinks[0], shard * 10..shard * 10 + 10);
    }
    assert_eq!(office.close().1.delivered, 40);
    assert_eq!(fs::read_to_string(path).expect("a log").lines().count(), 40);
}

#[test]
fn an_output_that_stands_still_costs_its_own_lines_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let office = Office::open(vec![OwnedFd::from(writer), append(&path)]);
    let mut log = office.logger.shard();
    // Nobody reads the pipe: its queue runs full, and the oldest lines are given up.
    let mut written = 0;
    while perf::Tally::read(&office.memories[0]).dropped == 0 {
        write_numbered(&mut log, office.sinks[0], written..written + 100);
        written += 100;
        assert!(written < 1_000_000, "lines were never dropped");
    }
    write_numbered(&mut log, office.sinks[1], 0..3);
    log.tick();
    assert_eq!(targets(&await_text(&path, |text| text.lines().count() == 3)), ["/0", "/1", "/2"]);
    let dropped = log.dropped();
    drop(log);
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    let (_, tally) = office.close();
    assert_eq!(tally.taken + dropped, u64::from(written) + 3, "every line is in one of the counts");
    assert!(tally.even() && tally.queued == 0);
    let text = reading.join().expect("a reader").expect("text");
    assert_eq!(text.lines().count() as u64 + 3, tally.delivered);
    let number = |target: &&str| target[1..].parse::<u32>().expect("a number");
    assert!(targets(&text).iter().map(number).is_sorted_by(|a, b| a < b), "no line is written twice");
}

#[test]
fn a_device_without_space_keeps_its_lines_in_memory() {
    let full = File::options().write(true).open("/dev/full").expect("the full device");
    let office = Office::open(vec![OwnedFd::from(full)]);
    write_numbered(&mut office.logger.shard(), office.sinks[0], 0..7);
    let memory = again(&office.memories[0]);
    let deadline = Instant::now() + PATIENCE;
    while perf::Tally::read(&memory).taken < 7 {
        assert!(Instant::now() < deadline, "lines do not come in");
        std::thread::yield_now();
    }
    let tally = perf::Tally::read(&memory);
    assert_eq!((tally.queued, tally.delivered, tally.dropped), (7, 0, 0));
    // Another process, and a device that works.
    drop(office);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let mut desk = Desk::new();
    desk.file(0, "a log", append(&path), memory).expect("a queue");
    desk.finish(PATIENCE);
    assert_eq!(fs::read_to_string(path).expect("a log").lines().count(), 7);
}

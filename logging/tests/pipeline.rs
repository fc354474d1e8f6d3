//! Lines on their way from shards through the logger thread to files.

use logging::{Client, Counts, Format, Logger, Record, ShardLog, SinkId, Sinks, Target, Totals};
use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

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
fn await_text(path: &std::path::Path, done: impl Fn(&str) -> bool) -> String {
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

#[test]
fn lines_of_a_shard_arrive_whole_and_in_order_in_their_sinks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (even_path, odd_path) = (folder.path().join("even.log"), folder.path().join("odd.log"));
    let mut sinks = Sinks::new();
    let even = sinks.open(&Target::File(even_path.clone())).expect("a sink");
    let odd = sinks.open(&Target::File(odd_path.clone())).expect("a sink");
    assert_eq!(
        sinks.open(&Target::File(even_path.clone())).expect("a sink"),
        even,
        "the same file is one sink"
    );

    let logger = Logger::start(sinks).expect("a logger");
    assert_eq!(logger.sink(&Target::File(odd_path.clone())), Some(odd));
    assert_eq!(logger.sink(&Target::Stdout), None);
    let mut log = logger.shard();
    for number in 0..5000 {
        // A batch may change its sink a thousand times, then it is handed over.
        write_numbered(&mut log, if number % 2 == 0 { even } else { odd }, number..number + 1);
        if number % 500 == 0 {
            // Give the logger the time to return buffers: nothing may be dropped here.
            log.tick();
            await_text(&even_path, |text| {
                text.lines().count() as u32 == number.div_ceil(2) + (number + 1) % 2
            });
        }
    }
    log.tick();
    assert_eq!(log.counts(), Counts { lines: 5000, dropped: 0 });
    drop(log);
    assert_eq!(logger.stop(PATIENCE), Some(Totals { written: 5000, lost: 0 }));

    for (path, first) in [(even_path, 0), (odd_path, 1)] {
        let text = fs::read_to_string(path).expect("a log");
        let wanted: Vec<String> = (first..5000).step_by(2).map(|number| format!("/{number}")).collect();
        assert_eq!(targets(&text), wanted);
    }
}

#[test]
fn a_tick_brings_the_lines_out_while_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let mut sinks = Sinks::new();
    let sink = sinks.open(&Target::File(path.clone())).expect("a sink");
    let logger = Logger::start(sinks).expect("a logger");
    let mut log = logger.shard();
    write_numbered(&mut log, sink, 0..3);
    log.tick();
    assert_eq!(targets(&await_text(&path, |text| text.lines().count() == 3)), ["/0", "/1", "/2"]);
}

#[test]
fn what_gathers_in_a_dropped_shard_is_drained_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let mut sinks = Sinks::new();
    let sink = sinks.open(&Target::File(path.clone())).expect("a sink");
    let logger = Logger::start(sinks).expect("a logger");
    for shard in 0..4 {
        write_numbered(&mut logger.shard(), sink, shard * 10..shard * 10 + 10);
    }
    assert_eq!(logger.stop(PATIENCE), Some(Totals { written: 40, lost: 0 }));
    assert_eq!(fs::read_to_string(path).expect("a log").lines().count(), 40);
}

fn pipe_sink() -> (Sinks, SinkId, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut sinks = Sinks::new();
    let sink = sinks.adopt("a pipe", OwnedFd::from(writer)).expect("a sink");
    (sinks, sink, reader)
}

#[test]
fn a_sink_that_stands_still_costs_lines_and_never_the_shard() {
    let (sinks, sink, mut reader) = pipe_sink();
    let logger = Logger::start(sinks).expect("a logger");
    let mut log = logger.shard();
    // Nobody reads the pipe, so the logger gets stuck in it and the buffers of the shard run out.
    let mut written = 0;
    while log.counts().dropped == 0 {
        write_numbered(&mut log, sink, written..written + 1);
        written += 1;
        assert!(written < 1_000_000, "lines were never dropped");
    }
    log.tick();
    let Counts { lines, dropped } = log.counts();
    assert_eq!(lines + dropped, u64::from(written), "every line is in one of the counts");
    drop(log);

    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    assert_eq!(logger.stop(PATIENCE), Some(Totals { written: lines, lost: 0 }));
    let text = reading.join().expect("a reader").expect("text");
    assert_eq!(text.lines().count() as u64, lines);
    assert!(targets(&text).windows(2).all(|pair| pair[0] != pair[1]), "no line is written twice");
}

#[test]
fn stop_does_not_wait_for_a_stuck_sink_for_ever() {
    let (sinks, sink, _reader) = pipe_sink();
    let logger = Logger::start(sinks).expect("a logger");
    let mut log = logger.shard();
    write_numbered(&mut log, sink, 0..5000);
    drop(log);
    assert_eq!(logger.stop(Duration::from_millis(50)), None);
}

#[test]
fn a_device_without_space_costs_its_lines_and_is_counted() {
    let mut sinks = Sinks::new();
    let full = File::options().write(true).open("/dev/full").expect("the full device");
    let sink = sinks.adopt("the full device", OwnedFd::from(full)).expect("a sink");
    let logger = Logger::start(sinks).expect("a logger");
    write_numbered(&mut logger.shard(), sink, 0..7);
    assert_eq!(logger.stop(PATIENCE), Some(Totals { written: 0, lost: 7 }));
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_a_cure() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing/access.log");
    let error = Sinks::new().open(&Target::File(path.clone())).expect_err("the folder is missing");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains(": create the folder"), "{text}");
}

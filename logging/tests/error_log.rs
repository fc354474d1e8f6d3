//! The error log of a process: one test, because there is one facade.

use logging::{Logger, Target, error_log};
use std::fs;
use std::time::Duration;

#[test]
fn messages_are_single_lines_in_the_file_in_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first.log"), folder.path().join("second.log"));
    error_log::install(&Target::File(first.clone()), log::LevelFilter::Info).expect("an error log");
    error_log::install(&Target::Stderr, log::LevelFilter::Info).expect_err("it is installed once");

    log::info!(target: "boot", "one\ntwo \x1b[31m ü");
    log::debug!(target: "boot", "below the level");
    let text = fs::read_to_string(&first).expect("a log");
    let (time, rest) = text.split_once(' ').expect("a time");
    assert!(time.len() == 20 && time.ends_with('Z'), "{text:?}");
    assert_eq!(rest, "INFO  boot: one\\u000Atwo \\u001B[31m ü\n");

    error_log::redirect(&Target::File(second.clone())).expect("another file");
    error_log::set_level(log::LevelFilter::Debug);
    let (socket, _other) = sys::packet::pair().expect("a pair of sockets");
    let logger = Logger::start(Vec::new(), socket).expect("a logger");
    log::debug!(target: "shard", "through the queue");
    log::warn!(target: "shard", "{}", "x".repeat(100_000));
    for _ in 0..46 {
        log::warn!(target: "shard", "again and again");
    }
    logger.stop(Duration::from_secs(20)).expect("the thread ended");
    log::info!(target: "boot", "after the thread");

    let text = fs::read_to_string(&second).expect("a log");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 9);
    assert!(lines[0].ends_with("DEBUG shard: through the queue"));
    assert!(lines[1].len() < 5000, "a message is bounded");
    assert!(lines[2..7].iter().all(|line| line.ends_with("WARN  shard: again and again")));
    assert!(lines[7].ends_with("WARN  shard: ... 41 more like this in the last minute: again and again"));
    assert!(lines[8].ends_with("INFO  boot: after the thread"));
    assert_eq!(error_log::dropped(), 0);
    error_log::redirect(&Target::File(folder.path().join("missing/x"))).expect_err("no such folder");
}

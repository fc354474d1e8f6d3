//! What a line of an access log costs each thread that it passes: `cargo run --release -p logging --example line`.
//!
//! All of them run on the first processor, as those of a server with one shard do. The least of several rounds is told:
//! what else the machine does only adds to it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use logging::{Desk, Fed, Format, Logger, Record, RequestId, Target, cells_for};

/// Lines of a round.
const LINES: u64 = 200_000;
/// Lines between two pauses, in which the others catch up: as many as a shard has requests in a millisecond.
const AT_ONCE: u64 = 150;
const ROUNDS: usize = 15;

fn main() {
    let file = tempfile::tempfile().expect("a file");
    let (own, other) = sys::packet::pair().expect("a socket");
    let target = Target::Stdout;
    let logger = Logger::start(vec![target.clone()], own).expect("a thread");
    let sink = logger.sink(&target).expect("the log is known");
    let memory = sys::broadcast::Memory::create(logging::tail::ROOM).expect("memory");
    let mut desk = Desk::new();
    desk.tail(memory.fd().try_clone_to_owned().expect("a descriptor")).expect("a ring");
    let cells = sys::mem::Cells::create("queue", cells_for(1 << 20)).expect("memory");
    desk.file(0, "a file", OwnedFd::from(file), cells).expect("a queue");
    thread::Builder::new()
        .name("desk".to_owned())
        .spawn(move || {
            while let Ok(true) = sys::poll::any_readable(&[other.as_fd()], None).map(|ready| ready[0]) {
                while desk.read(1, other.as_fd()).is_ok_and(|fed| fed == Fed::More) {}
            }
        })
        .expect("a thread");
    let mut shard = logger.shard();
    let mut record = Record {
        client: logging::Client::Ip([127, 0, 0, 1].into()),
        method: b"GET",
        target: b"/small.txt",
        protocol: b"HTTP/1.1",
        host: b"localhost",
        status: 200,
        body_bytes_sent: 13,
        bytes_received: 49,
        ..Record::default()
    };
    let mut least = [
        ("all", f64::MAX),
        ("shard", f64::MAX),
        ("thread", f64::MAX),
        ("desk", f64::MAX),
        ("courier", f64::MAX),
    ];
    for _ in 0..ROUNDS {
        let before = times();
        for line in 0..LINES {
            record.unix_us = 1_795_703_000_000_000 + line * 20 / 3;
            record.duration_ns = 30_000 + line % 40_000;
            record.request_id =
                RequestId::Own(u128::from(line).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834));
            shard.write(sink, &Format::Json, &record);
            if line % AT_ONCE == 0 {
                thread::yield_now();
            }
            while line % AT_ONCE == 0 && shard.holds(&[]) {
                thread::sleep(Duration::from_micros(100));
            }
        }
        shard.tick();
        thread::sleep(Duration::from_millis(50));
        let now = times().into_iter().zip(before).map(|(now, before)| now - before);
        let each: Vec<f64> = now.map(|time| time as f64 / LINES as f64).collect();
        let all: f64 = each.iter().sum();
        for (least, now) in least.iter_mut().zip([all].iter().chain(&each)) {
            least.1 = least.1.min(*now);
        }
    }
    println!("nanoseconds a line: {least:.0?}; {} lines given up", shard.dropped());
}

/// Processor time of the shard, the thread of the worker, the desk and the courier, in nanoseconds.
fn times() -> [u64; 4] {
    let mut times = [0; 4];
    for task in fs::read_dir("/proc/self/task").expect("procfs").flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let at = match read("comm").trim() {
            "kimura-logger" => 1,
            "desk" => 2,
            "kimura-courier" => 3,
            _ => 0,
        };
        times[at] +=
            read("schedstat").split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
    }
    times
}

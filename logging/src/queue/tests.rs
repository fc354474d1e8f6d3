use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use super::layout::{BLOCKS_MIN, cells_for};
use super::*;
use crate::outlet::{Offer, Undelivered};

fn memory(blocks: usize) -> Cells {
    Cells::create("test", cells_for(blocks * BLOCK_BYTES)).unwrap()
}

/// The same memory, as the next process has it.
fn again(cells: &Cells) -> Cells {
    Cells::from_fd(cells.fd().try_clone_to_owned().unwrap(), cells.len()).unwrap()
}

fn packet(number: u64) -> Packet {
    Packet { generation: 1, number }
}

/// Lines of which each is another one, in packets of several sizes.
fn lines(number: u64) -> String {
    let count = 1 + number % 3;
    (0..count).map(|line| format!("{number}.{line} {}\n", "x".repeat((number * 7 % 30) as usize))).collect()
}

/// Takes everything that waits.
fn drain(queue: &Queue) -> String {
    let mut text = String::new();
    let mut buffer = Vec::new();
    while let Some(portion) = queue.waiting(&mut buffer) {
        text.push_str(str::from_utf8(&buffer).unwrap());
        queue.delivered(&portion, buffer.len(), newlines(&buffer));
    }
    text
}

#[test]
fn what_comes_in_goes_out_once_and_in_order() {
    let queue = Queue::open(memory(BLOCKS_MIN)).unwrap();
    for number in 1..50 {
        queue.take(packet(number), lines(number).as_bytes());
        queue.take(packet(number), b"the same packet again\n");
        queue.take(packet(number - 1), b"one that came before\n");
    }
    queue.take(Packet { generation: 2, number: 1 }, b"of another worker\n");
    let wanted: String = (1..50).map(lines).chain(["of another worker\n".to_owned()]).collect();
    assert_eq!(drain(&queue), wanted);
    let tally = queue.tally();
    assert_eq!((tally.delivered, tally.dropped, tally.queued), (newlines(wanted.as_bytes()), 0, 0));
    assert!(tally.even());
    assert_eq!((queue.lines_of(1), queue.lines_of(2), queue.lines_of(3)), (tally.taken - 1, 1, 0));
}

#[test]
fn a_full_queue_gives_up_the_oldest_and_counts() {
    let queue = Queue::open(memory(BLOCKS_MIN)).unwrap();
    let half = |number: u64| format!("{number}{}\n", "x".repeat(BLOCK_BYTES / 2 - 3));
    let mut buffer = Vec::new();
    queue.take(packet(1), half(1).as_bytes());
    let leaving = queue.waiting(&mut buffer).unwrap();
    for number in 2..=9 {
        queue.take(packet(number), half(number).as_bytes());
        assert!(queue.tally().even());
    }
    queue.delivered(&leaving, buffer.len(), 1);
    // What leaves is not given up; of the others the newest six have room.
    let wanted: String = (4..=9).map(half).collect();
    assert!(drain(&queue) == wanted);
    assert_eq!((queue.tally().taken, queue.tally().delivered, queue.tally().dropped), (9, 7, 2));
    queue.take(packet(10), &[b'\n'; BLOCK_BYTES + 1]);
    assert_eq!(queue.tally().dropped, 2 + BLOCK_BYTES as u64 + 1, "more than a worker sends at once");
    assert!(queue.tally().even());
}

#[test]
fn a_line_that_comes_again_has_its_number_again() {
    let cells = memory(BLOCKS_MIN);
    let queue = Queue::open(again(&cells)).unwrap();
    let mut buffer = Vec::new();
    queue.take(packet(1), b"0\n1\n2\n");
    let portion = queue.waiting(&mut buffer).unwrap();
    queue.take(packet(2), b"3\n");
    queue.delivered(&portion, 2, 1);
    let name = portion.queue;
    // Another process takes over.
    let queue = Queue::open(again(&cells)).unwrap();
    for (wanted, first) in [("1\n2\n", 1), ("3\n", 3)] {
        for _ in 0..2 {
            let portion = queue.waiting(&mut buffer).unwrap();
            assert_eq!(
                (str::from_utf8(&buffer).unwrap(), portion.first, portion.queue),
                (wanted, first, name)
            );
        }
        let portion = queue.waiting(&mut buffer).unwrap();
        queue.delivered(&portion, buffer.len(), newlines(&buffer));
    }
}

#[test]
fn workers_are_forgotten_when_many_have_come_after_them() {
    let queue = Queue::open(memory(BLOCKS_MIN)).unwrap();
    for generation in 1..=SENDERS as u32 + 1 {
        queue.take(Packet { generation, number: 1 }, b"a\n");
    }
    assert_eq!((queue.lines_of(1), queue.lines_of(2)), (0, 1));
}

#[test]
fn memory_that_is_not_a_queue() {
    let check = |cells: Cells, wanted: &str| {
        let error = Queue::open(cells).err().expect("it is not a queue").to_string();
        assert!(error.contains(wanted), "{error}");
    };
    check(Cells::create("test", 100).unwrap(), "too small");
    let other = memory(BLOCKS_MIN);
    other[layout::MARK_AT].store(7, std::sync::atomic::Ordering::Relaxed);
    check(other, "another version");
    let larger = memory(BLOCKS_MIN + 1);
    Queue::open(again(&larger)).unwrap();
    let fewer =
        Cells::from_fd(larger.fd().try_clone_to_owned().unwrap(), cells_for(BLOCKS_MIN * BLOCK_BYTES));
    check(fewer.unwrap(), "another size");
}

/// A file that outlives processes; each byte that it takes is a step.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>);

impl Outlet for Disk {
    fn deliver(&mut self, Offer { lines, .. }: Offer<'_>) -> Result<(), Undelivered> {
        let mut bytes = self.0.lock().unwrap();
        for (done, byte) in lines.iter().enumerate() {
            if !fuse::burns() {
                return Err(Undelivered { done, cause: io::Error::from(ErrorKind::Other) });
            }
            bytes.push(*byte);
        }
        Ok(())
    }

    fn position(&self) -> Option<u64> {
        Some(self.0.lock().unwrap().len() as u64)
    }
}

/// What a process does: it takes packets from where the last one is known to have come, and delivers between them.
/// Gives back how many packets it has thrown away at their source, as a socket would.
fn live(cells: &Cells, disk: &Disk, from: u64, to: u64) -> u64 {
    let Ok(queue) = Queue::open(again(cells)) else { return from };
    let mut courier = crate::courier::tests::courier(Arc::new(queue), Box::new(disk.clone()));
    for number in from..to {
        courier.queue().take(packet(number), lines(number).as_bytes());
        if !fuse::burns() {
            return number;
        }
        if number % 2 == 0 {
            courier.empty();
        }
        if fuse::is_out() {
            return number + 1;
        }
    }
    courier.empty();
    to
}

#[test]
fn a_kill_at_any_moment_neither_loses_nor_doubles_a_line() {
    const PACKETS: u64 = 8;
    let wanted: String = (1..PACKETS).map(lines).collect();
    let mut steps = 0;
    loop {
        let (cells, disk) = (memory(BLOCKS_MIN), Disk::default());
        fuse::set(Some(steps));
        let next = live(&cells, &disk, 1, PACKETS);
        let killed = fuse::is_out();
        fuse::set(None);
        live(&cells, &disk, next, PACKETS);
        let text = String::from_utf8(disk.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, wanted, "killed after {steps} steps");
        let tally = perf::Tally::read(&cells);
        assert_eq!(
            (tally.taken, tally.delivered),
            (newlines(wanted.as_bytes()), tally.taken),
            "after {steps} steps"
        );
        assert!(tally.even() && tally.queued == 0);
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps > 500, "only {steps} moments were tried");
}

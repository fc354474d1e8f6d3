use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use super::layout::{BLOCKS_MIN, cells_for};
use super::*;
use crate::outlet::Undelivered;
use crate::pressure::Pressure;

fn memory(blocks: usize) -> Cells {
    Cells::create("test", cells_for(blocks * BLOCK_BYTES)).unwrap()
}

/// The same memory, as the next process has it.
fn again(cells: &Cells) -> Cells {
    Cells::from_fd(cells.fd().try_clone_to_owned().unwrap(), cells.len()).unwrap()
}

/// The same memory, with a flag that is up while so many of its bytes are used.
fn held(cells: &Cells, flags: &Cells, bytes: usize) -> Storage {
    Storage { hold: Pressure::new(again(flags)).hold(0, bytes as u64), ..again(cells).into() }
}

fn is_raised(flags: &Cells) -> bool {
    flags[0].load(std::sync::atomic::Ordering::Relaxed) != 0
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
fn requests_wait_from_the_full_size_to_half_of_it() {
    const HELD: usize = 2 * BLOCKS_MIN;
    let (cells, flags) = (memory(4 * BLOCKS_MIN), Cells::create("test", 1).unwrap());
    let queue = Queue::open(held(&cells, &flags, HELD * BLOCK_BYTES)).unwrap();
    let whole = |number: u64| format!("{number}{}\n", "x".repeat(BLOCK_BYTES - 3));
    for number in 1..HELD as u64 {
        queue.take(packet(number), whole(number).as_bytes());
        assert!(!is_raised(&flags), "{number} blocks");
    }
    queue.take(packet(8), whole(8).as_bytes());
    assert!(is_raised(&flags));
    // What is under way has its room.
    queue.take(packet(9), whole(9).as_bytes());
    assert_eq!(queue.tally().dropped, 0);
    drop(queue);
    flags[0].store(0, std::sync::atomic::Ordering::Relaxed);
    let queue = Queue::open(held(&cells, &flags, HELD * BLOCK_BYTES)).unwrap();
    assert!(is_raised(&flags), "the next process sees it for itself");
    let mut buffer = Vec::new();
    for left in (0..=8).rev() {
        let portion = queue.waiting(&mut buffer).unwrap();
        queue.delivered(&portion, buffer.len(), 1);
        assert_eq!(is_raised(&flags), HELD / 2 < left, "{left} blocks are left");
    }
    flags[0].store(1, std::sync::atomic::Ordering::Relaxed);
    let broken = Cells::create("test", 100).unwrap();
    assert!(Queue::open(held(&broken, &flags, 1)).is_err());
    assert!(!is_raised(&flags), "nobody waits for a log that there is not");
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
    other[tally::MARK_AT].store(7, std::sync::atomic::Ordering::Relaxed);
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
    fn deliver(&mut self, lines: &[u8]) -> Result<(), Undelivered> {
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
fn live((cells, flags): (&Cells, &Cells), disk: &Disk, from: u64, to: u64) -> u64 {
    // One block is as much as may wait: requests wait whenever something does.
    let Ok(queue) = Queue::open(held(cells, flags, BLOCK_BYTES)) else { return from };
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
        let flags = Cells::create("test", 1).unwrap();
        fuse::set(Some(steps));
        let next = live((&cells, &flags), &disk, 1, PACKETS);
        let killed = fuse::is_out();
        fuse::set(None);
        live((&cells, &flags), &disk, next, next);
        assert!(!is_raised(&flags), "killed after {steps} steps, with nothing left to wait for");
        live((&cells, &flags), &disk, next, PACKETS);
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

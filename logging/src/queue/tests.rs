use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use super::layout::{BLOCKS_MIN, cells_for};
use super::*;
use crate::outlet::{Offer, Position, Undelivered};

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
struct Disk {
    number: u64,
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Bytes that the first delivery has room for, where there is a limit.
    room: Arc<Mutex<Option<usize>>>,
}

impl Outlet for Disk {
    fn deliver(&mut self, Offer { lines, .. }: Offer<'_>) -> Result<(), Undelivered> {
        let mut bytes = self.bytes.lock().unwrap();
        let room = self.room.lock().unwrap().take().unwrap_or(lines.len());
        for (done, byte) in lines.iter().enumerate() {
            if done == room || !fuse::burns() {
                return Err(Undelivered { done, cause: io::Error::from(ErrorKind::Other) });
            }
            bytes.push(*byte);
        }
        Ok(())
    }

    fn position(&self) -> Option<Position> {
        Some(Position { outlet: self.number, bytes: self.bytes.lock().unwrap().len() as u64 })
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
        let text = String::from_utf8(disk.bytes.lock().unwrap().clone()).unwrap();
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

/// The files of a log, the present one last, as the supervisor has them: it lives on.
struct Shelf {
    files: Vec<Disk>,
    /// The first file that a process may still write to.
    confirmed: usize,
}

impl Shelf {
    fn new() -> Self {
        let mut shelf = Self { files: Vec::new(), confirmed: 0 };
        shelf.turn();
        shelf
    }

    fn turn(&mut self) {
        // Each file has room for the half of its first line only, at first.
        let room = Arc::new(Mutex::new(Some(3)));
        self.files.push(Disk { number: self.files.len() as u64 + 1, room, ..Disk::default() });
    }

    fn present(&self) -> Box<dyn Outlet> {
        Box::new(self.files.last().unwrap().clone())
    }

    fn before(&self) -> Vec<Box<dyn Outlet>> {
        let (_, before) = self.files.split_last().unwrap();
        before[self.confirmed..].iter().map(|disk| Box::new(disk.clone()) as Box<dyn Outlet>).collect()
    }

    /// A process has switched to the present file, and has come to say so.
    fn confirm(&mut self) {
        if fuse::burns() {
            self.confirmed = self.files.len() - 1;
        }
    }
}

/// As [`live`], while the file is exchanged now and then: the name of the old one goes first, then lines go on to it.
fn live_turning(cells: &Cells, shelf: &mut Shelf, from: u64, to: u64) -> u64 {
    let Ok(queue) = Queue::open(again(cells)) else { return from };
    let mut courier = crate::courier::tests::courier(Arc::new(queue), shelf.present());
    courier.begin(shelf.before());
    shelf.confirm();
    for number in from..to {
        courier.queue().take(packet(number), lines(number).as_bytes());
        if !fuse::burns() {
            return number;
        }
        if number % 2 == 0 {
            shelf.turn();
            if !fuse::burns() {
                return number + 1;
            }
            courier.empty();
            courier.switch(shelf.present());
            shelf.confirm();
        } else if number % 3 == 0 {
            courier.insist();
        }
        if fuse::is_out() {
            return number + 1;
        }
    }
    courier.insist();
    to
}

#[test]
fn a_kill_while_files_are_exchanged_neither_loses_nor_doubles_nor_breaks_a_line() {
    const PACKETS: u64 = 8;
    let wanted: String = (1..PACKETS).map(lines).collect();
    let mut steps = 0;
    loop {
        let (cells, mut shelf) = (memory(BLOCKS_MIN), Shelf::new());
        fuse::set(Some(steps));
        let next = live_turning(&cells, &mut shelf, 1, PACKETS);
        let killed = fuse::is_out();
        // Once more, soon after.
        fuse::set(Some(steps % 97));
        let next = live_turning(&cells, &mut shelf, next, PACKETS);
        fuse::set(None);
        live_turning(&cells, &mut shelf, next, PACKETS);
        let files: Vec<String> = shelf
            .files
            .iter()
            .map(|disk| String::from_utf8(disk.bytes.lock().unwrap().clone()).unwrap())
            .collect();
        assert_eq!(files.concat(), wanted, "killed after {steps} steps");
        let whole = |text: &String| text.is_empty() || text.ends_with('\n');
        assert!(files.iter().all(whole), "killed after {steps} steps: {files:?}");
        let tally = perf::Tally::read(&cells);
        assert!(tally.even() && tally.queued == 0 && tally.dropped == 0, "after {steps} steps");
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps > 500, "only {steps} moments were tried");
}

#[test]
fn what_was_begun_in_one_file_says_nothing_of_another() {
    let cells = memory(BLOCKS_MIN);
    let queue = Arc::new(Queue::open(again(&cells)).unwrap());
    let full = Disk { number: 1, room: Arc::new(Mutex::new(Some(0))), ..Disk::default() };
    let other = Disk { number: 2, bytes: Arc::new(Mutex::new(b"was here\n".to_vec())), ..Disk::default() };
    let mut courier = crate::courier::tests::courier(queue, Box::new(full.clone()));
    courier.queue().take(packet(1), b"one\ntwo\n");
    courier.empty();
    courier.switch(Box::new(other.clone()));
    courier.insist();
    assert!(full.bytes.lock().unwrap().is_empty());
    assert_eq!(other.bytes.lock().unwrap().as_slice(), b"was here\none\ntwo\n");
}

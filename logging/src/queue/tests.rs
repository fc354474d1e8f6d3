use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use super::layout::{BLOCKS_MIN, cells_for};
use super::*;
use crate::outlet::{Offer, Position, Undelivered};
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
    assert!(fuse::is_out() || !is_raised(flags), "nothing is left to wait for");
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
        live((&cells, &flags), &disk, next, PACKETS);
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

/// Another life of the server: delivers what is there. Its packets begin with 1 again.
fn next_life(cells: &Cells, disk: &Disk) -> Option<perf::Tally> {
    let queue = Queue::open(Storage { epoch: 2, ..again(cells).into() }).ok()?;
    let mut courier = crate::courier::tests::courier(Arc::new(queue), Box::new(disk.clone()));
    courier.empty();
    Some(courier.queue().tally())
}

/// Kills the server after so many steps, and the next one after `more`; `false` when that was too late.
fn killed_twice(steps: u64, more: u64) -> bool {
    const PACKETS: u64 = 8;
    let (cells, disk, flags) = (memory(BLOCKS_MIN), Disk::default(), Cells::create("test", 1).unwrap());
    fuse::set(Some(steps));
    let next = live((&cells, &flags), &disk, 1, PACKETS);
    fuse::set(Some(more));
    next_life(&cells, &disk);
    let killed = fuse::is_out();
    fuse::set(None);
    let tally = next_life(&cells, &disk).expect("a queue");
    let text = String::from_utf8(disk.bytes.lock().unwrap().clone()).unwrap();
    // What was not taken went with the server; the packet that was just being taken may have gone.
    let taken = |packets| (1..packets).map(lines).collect::<String>();
    assert!([next, next + 1].map(taken).contains(&text), "killed after {steps} and {more} steps: {text:?}");
    assert!(tally.even() && tally.queued == 0 && tally.dropped == 0, "{tally:?}");
    assert!(tally.left <= tally.taken);
    killed
}

#[test]
fn what_a_server_has_left_comes_once_whenever_it_and_the_next_one_are_killed() {
    for steps in (0..600).step_by(23) {
        let mut more = 0;
        while killed_twice(steps, more) {
            more += 1;
        }
    }
}

#[test]
fn another_life_begins_with_the_packets_anew() {
    let cells = memory(BLOCKS_MIN);
    let open = |epoch| Queue::open(Storage { epoch, ..again(&cells).into() }).unwrap();
    let queue = open(7);
    queue.take(packet(9), b"one\n");
    queue.take(packet(9), b"one again\n");
    drop(queue);
    let queue = open(8);
    queue.take(packet(1), b"two\n");
    assert_eq!(drain(&queue), "one\ntwo\n");
    let tally = queue.tally();
    assert_eq!((tally.taken, tally.left, tally.delivered, queue.lines_of(1)), (2, 1, 2, 1));
    drop(queue);
    let queue = open(8);
    queue.take(packet(1), b"two again\n");
    assert_eq!((drain(&queue).as_str(), queue.tally()), ("", tally));
}

#[test]
fn numbers_of_lines_are_those_of_no_other_life() {
    let cells = memory(BLOCKS_MIN);
    let mut seen = std::collections::BTreeSet::new();
    let mut buffer = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for epoch in 1..5 {
        let queue = Queue::open(Storage { epoch, ..again(&cells).into() }).unwrap();
        // One that is left by the life before comes again, as what it was.
        if epoch > 1 {
            let left = queue.waiting(&mut buffer).unwrap();
            assert!(seen.contains(&left.first) && names.contains(&left.queue), "{left:?}");
            queue.delivered(&left, buffer.len(), 1);
        }
        for number in 1..4 {
            queue.take(packet(number), b"a line\n");
            let portion = queue.waiting(&mut buffer).unwrap();
            names.insert(portion.queue);
            assert!(seen.insert(portion.first), "{portion:?}");
            if number < 3 {
                queue.delivered(&portion, buffer.len(), 1);
            }
        }
    }
    assert_eq!(names.len(), 1);
    // A disk may have lost the last numbers, and made nonsense of them.
    cells[layout::NUMBERS_AT].store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
    let queue = Queue::open(Storage { epoch: 9, ..again(&cells).into() }).unwrap();
    queue.take(packet(1), b"a line\n");
    assert!(!names.contains(&queue.waiting(&mut buffer).unwrap().queue));
}

#[test]
fn a_block_that_power_has_cut_short_is_given_up_and_counted() {
    let check = |spoil: &dyn Fn(&Cells), known: (u64, u64), other: (u64, u64)| {
        for (epoch, (left, dropped)) in [(0, known), (1, other)] {
            let cells = memory(BLOCKS_MIN);
            let queue = Queue::open(again(&cells)).unwrap();
            queue.take(packet(1), b"one\ntwo\n");
            drop(queue);
            spoil(&cells);
            let queue = Queue::open(Storage { epoch, ..again(&cells).into() }).unwrap();
            let tally = queue.tally();
            assert!(tally.even(), "{tally:?}");
            assert_eq!((tally.queued, tally.dropped), (left, dropped), "epoch {epoch}");
            drain(&queue);
        }
    };
    let set = |at: usize, value: u64| {
        move |cells: &Cells| cells[at].store(value, std::sync::atomic::Ordering::Relaxed)
    };
    check(&|_| {}, (2, 0), (2, 0));
    // Lines that were never written to the disk are zero. Only a machine without power leaves them so.
    check(&set(layout::lines_at(BLOCKS_MIN, 0), 0), (2, 0), (0, 2));
    check(&set(head(0, field::LEN), 7), (2, 0), (0, 2));
    check(&set(head(0, field::LEN), u64::MAX), (0, 2), (0, 2));
    check(&set(head(0, field::DONE), 9), (0, 2), (0, 2));
    check(&set(head(0, field::STATE), 9), (0, 2), (0, 2));
    check(&set(head(0, field::LINES), u64::MAX), (0, BLOCK_BYTES as u64), (0, BLOCK_BYTES as u64));
    check(&set(head(1, field::LEN), 5), (2, 0), (2, 0));
    check(&set(tally::DELIVERED, u64::MAX), (2, 0), (2, 0));
}

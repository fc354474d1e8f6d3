//! The thread of one log that takes lines from its queue to its outlet.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::error::Error;
use crate::notice::{Notice, Notices};
use crate::outlet::{Offer, Outlet, Position, Undelivered};
use crate::queue::{Next, Portion, Queue, Replacement, newlines};
use crate::rotation::Watch;

/// Pause after the first failed delivery; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest time between two attempts: recovery is seen within it.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Bytes of stack; a server can have thousands of logs.
const STACK: usize = 256 * 1024;

/// What a courier begins with.
pub(crate) struct Start {
    /// Of the log, in messages.
    pub(crate) name: String,
    /// Of the log, in notices.
    pub(crate) number: u16,
    pub(crate) queue: Arc<Queue>,
    /// Where lines go, and what is to be known of that.
    pub(crate) first: Replacement,
    /// Files that lines went to before.
    pub(crate) before: Vec<Box<dyn Outlet>>,
    /// Where it says what others have to do; nobody does it without.
    pub(crate) notices: Option<Notices>,
}

/// Starts it. It ends when the queue does, and lets go of `alive` then.
pub(crate) fn start(start: Start, alive: Sender<()>) -> Result<(), Error> {
    let Start { name, number, queue, first: Replacement { outlet, plan }, before, notices } = start;
    let watch = Watch::new(plan.rotation, outlet.found());
    let courier = Courier {
        name,
        number,
        queue,
        outlet,
        before,
        watch,
        notices,
        buffer: Vec::new(),
        outage: None,
        pause: PAUSE_MIN,
    };
    let builder = thread::Builder::new().name("kimura-courier".to_owned()).stack_size(STACK);
    let run = move || {
        courier.run(plan.turn);
        drop(alive);
    };
    builder.spawn(run).map(drop).map_err(Error::Thread)
}

pub(crate) struct Courier {
    /// In messages.
    name: String,
    /// In notices.
    number: u16,
    queue: Arc<Queue>,
    outlet: Box<dyn Outlet>,
    /// Files that lines went to before.
    before: Vec<Box<dyn Outlet>>,
    watch: Watch,
    notices: Option<Notices>,
    buffer: Vec<u8>,
    outage: Option<Outage>,
    /// Pause after the first failed delivery.
    pause: Duration,
}

/// Since deliveries fail.
struct Outage {
    pause: Duration,
    /// Lines that had been given up when it began.
    dropped: u64,
}

impl Courier {
    fn run(mut self, turn: u32) {
        self.settle();
        self.say(Notice::Switched { number: self.number, turn });
        loop {
            self.look();
            let patience = self.watch.patience(sys::clock::now_realtime_secs());
            match self.queue.next(&mut self.buffer, patience) {
                Next::Deliver(portion) => self.deliver(&portion),
                Next::Replace(replacement) => self.replace(replacement),
                Next::Nothing => {}
                Next::End => return,
            }
        }
    }

    fn say(&self, notice: Notice) {
        if let Some(notices) = &self.notices {
            notices.send(notice);
        }
    }

    /// Says so when it is time for another file.
    fn look(&mut self) {
        if self.watch.is_idle() {
            return;
        }
        let Some(found) = self.outlet.found() else { return };
        if self.watch.is_time(found.len, sys::clock::now_realtime_secs(), Instant::now()) {
            self.say(Notice::Due { number: self.number });
        }
    }

    /// Accounts for what a process that was killed had under way to a file that is no more the one of this log. A line
    /// that has begun there is ended there.
    fn settle(&mut self) {
        let before = std::mem::take(&mut self.before);
        let Some(portion) = self.queue.leaving(&mut self.buffer) else { return };
        let begun_in = self.queue.begun_in(&portion);
        let is_it = |position: Position| position.outlet == begun_in;
        let Some(file) = before.into_iter().find(|file| file.position().is_some_and(is_it)) else { return };
        let present = std::mem::replace(&mut self.outlet, file);
        self.had_arrived(&portion);
        self.end_line();
        self.outlet = present;
    }

    fn deliver(&mut self, portion: &Portion) {
        if self.had_arrived(portion) {
            return;
        }
        if let Some(position) = self.outlet.position() {
            self.queue.begin(portion, position);
        }
        let Portion { queue, first, .. } = *portion;
        match self.outlet.deliver(Offer { queue, first, lines: &self.buffer }) {
            Ok(()) => {
                self.queue.delivered(portion, self.buffer.len(), portion.lines);
                self.recovered();
            }
            Err(Undelivered { done, cause }) => {
                if done > 0 {
                    self.queue.delivered(portion, done, newlines(&self.buffer[..done]));
                }
                self.failed(&cause);
            }
        }
    }

    /// Whether a process that was killed had delivered some of it; that is accounted for then, and the rest comes anew.
    fn had_arrived(&mut self, portion: &Portion) -> bool {
        let (Some(begun), Some(now)) = (portion.begun_at, self.outlet.position()) else { return false };
        if begun.outlet != now.outlet {
            // It says nothing of this one.
            return false;
        }
        let arrived = usize::try_from(now.bytes.saturating_sub(begun.bytes)).unwrap_or(usize::MAX);
        let arrived = arrived.min(self.buffer.len());
        if arrived > 0 {
            self.queue.delivered(portion, arrived, newlines(&self.buffer[..arrived]));
        }
        arrived > 0
    }

    fn failed(&mut self, cause: &std::io::Error) {
        let outage = match &mut self.outage {
            Some(outage) => outage,
            None => {
                let when_full = if self.queue.holds() {
                    "its requests do"
                } else {
                    "the oldest are given up and counted"
                };
                log::error!(
                    "writing to {} fails: {cause}; its lines wait, and when no more can wait {when_full}",
                    self.name
                );
                self.queue.set_failing(true);
                let dropped = self.queue.tally().dropped;
                self.outage.insert(Outage { pause: self.pause, dropped })
            }
        };
        let pause = outage.pause;
        outage.pause = (pause * 2).min(PAUSE_MAX);
        self.queue.pause(pause);
    }

    fn recovered(&mut self) {
        let Some(outage) = self.outage.take() else { return };
        self.queue.set_failing(false);
        let lost = self.queue.tally().dropped.saturating_sub(outage.dropped);
        log::warn!("writing to {} works again; {lost} lines were lost", self.name);
    }

    /// Goes on with another outlet; a line that has begun is ended in the one before, so that none is in two files.
    fn replace(&mut self, Replacement { outlet, plan }: Replacement) {
        self.end_line();
        self.watch = Watch::new(plan.rotation, outlet.found());
        self.outlet = outlet;
        self.say(Notice::Switched { number: self.number, turn: plan.turn });
        if let Some(outage) = &mut self.outage {
            outage.pause = self.pause;
        }
    }

    fn end_line(&mut self) {
        let Some((portion, rest)) = self.queue.begun_line(&mut self.buffer) else { return };
        if let Some(position) = self.outlet.position() {
            self.queue.begin(&portion, position);
        }
        let Portion { queue, first, .. } = portion;
        match self.outlet.deliver(Offer { queue, first, lines: &self.buffer[..rest] }) {
            Ok(()) => self.queue.delivered(&portion, rest, 1),
            Err(_) => self.queue.give_up(&portion, rest, 1),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::{self, ErrorKind};
    use std::sync::Mutex;

    impl Courier {
        pub(crate) fn queue(&self) -> &Queue {
            &self.queue
        }

        /// Delivers what waits, as long as that works.
        pub(crate) fn empty(&mut self) {
            while self.outage.is_none()
                && !crate::queue::fuse::is_out()
                && let Some(portion) = self.queue.waiting(&mut self.buffer)
            {
                self.deliver(&portion);
            }
        }
    }

    impl Courier {
        /// Delivers what waits, however often that fails.
        pub(crate) fn insist(&mut self) {
            while !crate::queue::fuse::is_out()
                && let Some(portion) = self.queue.waiting(&mut self.buffer)
            {
                self.deliver(&portion);
            }
        }

        /// Begins where another process has ended, which may have written to these before.
        pub(crate) fn begin(&mut self, before: Vec<Box<dyn Outlet>>) {
            self.before = before;
            self.settle();
        }

        pub(crate) fn switch(&mut self, outlet: Box<dyn Outlet>) {
            self.replace(Replacement { outlet, plan: crate::rotation::Plan::default() });
        }
    }

    pub(crate) fn courier(queue: Arc<Queue>, outlet: Box<dyn Outlet>) -> Courier {
        Courier {
            name: "a disk".to_owned(),
            number: 0,
            queue,
            outlet,
            before: Vec::new(),
            watch: Watch::new(None, None),
            notices: None,
            buffer: Vec::new(),
            outage: None,
            pause: Duration::ZERO,
        }
    }

    /// A disk that follows a script: each delivery takes at most so many bytes, and fails then.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<usize>, String)>>);

    impl Outlet for Disk {
        fn deliver(&mut self, Offer { lines, .. }: Offer<'_>) -> Result<(), Undelivered> {
            let mut disk = self.0.lock().unwrap();
            let room = if disk.0.is_empty() { lines.len() } else { disk.0.remove(0) };
            let done = room.min(lines.len());
            disk.1.push_str(str::from_utf8(&lines[..done]).unwrap());
            let cause = || io::Error::from(ErrorKind::StorageFull);
            if done == lines.len() { Ok(()) } else { Err(Undelivered { done, cause: cause() }) }
        }
    }

    fn queue() -> Arc<Queue> {
        let cells = sys::mem::Cells::create("test", crate::queue::cells_for(0)).unwrap();
        Arc::new(Queue::open(cells).unwrap())
    }

    /// `one`, `two` and `three` for a disk that follows `script`, while another one takes over in its `outages`-th outage.
    fn check(script: &[usize], outages: usize, first: &str, second: &str, dropped: u64) {
        let (disk, other) = (Disk::default(), Disk::default());
        disk.0.lock().unwrap().0 = script.to_vec();
        let queue = queue();
        let mut courier = courier(Arc::clone(&queue), Box::new(disk.clone()));
        let packet = crate::queue::Packet { generation: 1, number: 1 };
        queue.take(packet, b"one\ntwo\nthree\n");
        let mut seen = 0;
        while let Some(portion) = queue.waiting(&mut courier.buffer) {
            courier.deliver(&portion);
            if courier.outage.is_some() {
                seen += 1;
                if seen == outages {
                    courier.switch(Box::new(other.clone()));
                }
            }
        }
        let text = |disk: &Disk| disk.0.lock().unwrap().1.clone();
        assert_eq!((text(&disk).as_str(), text(&other).as_str()), (first, second), "{script:?}");
        assert!(courier.outage.is_none());
        let tally = queue.tally();
        assert!(tally.even() && !tally.failing && tally.queued == 0);
        assert_eq!(tally.dropped, dropped, "{script:?}");
    }

    #[test]
    fn a_failing_disk_delays_lines_and_costs_none() {
        check(&[], 0, "one\ntwo\nthree\n", "", 0);
        check(&[0, 0], 0, "one\ntwo\nthree\n", "", 0);
        check(&[4, 0], 0, "one\ntwo\nthree\n", "", 0);
        check(&[5, 0, 1], 0, "one\ntwo\nthree\n", "", 0);
    }

    #[test]
    fn no_line_is_in_two_files() {
        check(&[0], 1, "", "one\ntwo\nthree\n", 0);
        check(&[4], 1, "one\n", "two\nthree\n", 0);
        // The file before gets the rest of its line, if it takes it.
        check(&[5], 1, "one\ntwo\n", "three\n", 0);
        check(&[5, 0], 1, "one\nt", "three\n", 1);
    }
}

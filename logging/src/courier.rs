//! The thread of one log that takes lines from its queue to its outlet.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::error::Error;
use crate::outlet::{Offer, Outlet, Undelivered};
use crate::queue::{Begun, Next, Portion, Queue, newlines};

/// Pause after the first failed delivery; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest time between two attempts: recovery is seen within it.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Bytes of stack; a server can have thousands of logs.
const STACK: usize = 256 * 1024;

/// Starts it. It ends when the queue does, and lets go of `alive` then.
pub(crate) fn start(
    name: String,
    queue: Arc<Queue>,
    outlet: Box<dyn Outlet>,
    alive: Sender<()>,
) -> Result<(), Error> {
    let courier = Courier { name, queue, outlet, buffer: Vec::new(), outage: None, pause: PAUSE_MIN };
    let builder = thread::Builder::new().name("kimura-courier".to_owned()).stack_size(STACK);
    let run = move || {
        courier.run();
        drop(alive);
    };
    builder.spawn(run).map(drop).map_err(Error::Thread)
}

pub(crate) struct Courier {
    /// In messages.
    name: String,
    queue: Arc<Queue>,
    outlet: Box<dyn Outlet>,
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
    fn run(mut self) {
        loop {
            match self.queue.next(&mut self.buffer) {
                Next::Deliver(portion) => self.deliver(&portion),
                Next::Replace(outlet) => self.replace(outlet),
                Next::End => return,
            }
        }
    }

    fn deliver(&mut self, portion: &Portion) {
        if self.had_arrived(portion) {
            return;
        }
        if let Some(position) = self.outlet.position() {
            self.queue.begin(portion, Begun { place: self.outlet.place(), position });
        }
        let Portion { queue, first, .. } = *portion;
        match self.outlet.deliver(Offer { queue, first, lines: &self.buffer }) {
            Ok(()) => {
                self.queue.delivered(portion, self.buffer.len(), newlines(&self.buffer));
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
        let begun = portion.begun.filter(|begun| begun.place == self.outlet.place());
        let (Some(begun), Some(now)) = (begun, self.outlet.position()) else { return false };
        let arrived =
            usize::try_from(now.saturating_sub(begun.position)).unwrap_or(usize::MAX).min(self.buffer.len());
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
    fn replace(&mut self, outlet: Box<dyn Outlet>) {
        self.end_line();
        self.outlet = outlet;
        if let Some(outage) = &mut self.outage {
            outage.pause = self.pause;
        }
    }

    fn end_line(&mut self) {
        let Some((portion, rest)) = self.queue.begun_line(&mut self.buffer) else { return };
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

    pub(crate) fn courier(queue: Arc<Queue>, outlet: Box<dyn Outlet>) -> Courier {
        Courier {
            name: "a disk".to_owned(),
            queue,
            outlet,
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
                    courier.replace(Box::new(other.clone()));
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

//! The thread that writes the logs.

use crate::batch::{BATCH_BYTES, Batch, FACTS_BYTES, Lines};
use crate::error::Error;
use crate::error_log;
use crate::forward::{Forward, Totals};
use crate::pressure::PressureView;
use crate::shard::{Lane, ShardLog};
use crate::sink::{SinkId, Target};
use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, bounded, never};
use std::os::fd::OwnedFd;
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

/// Requests to the logger thread that may wait.
const CONTROL_QUEUE: usize = 64;

enum Control {
    Attach(Lane),
    Stop,
}

/// Handle of the one logger thread of a process.
pub struct Logger {
    control: Sender<Control>,
    finished: Receiver<Totals>,
    /// The sinks that the logger process has, by number.
    targets: RwLock<Vec<Target>>,
    /// Which of them cannot keep up.
    pressure: Option<PressureView>,
}

impl Logger {
    /// Starts the thread. It sends lines by `socket` to the logger process, which knows each of `targets` by its place.
    /// From here on the error log is written by it, too.
    ///
    /// # Errors
    /// [`Error::Thread`] when the system refuses one more thread.
    pub fn start(targets: Vec<Target>, socket: OwnedFd) -> Result<Self, Error> {
        let (control, requests) = bounded(CONTROL_QUEUE);
        let (done, finished) = bounded(1);
        let forward = Forward::new(socket);
        let messages = error_log::begin_queue();
        let run = move || {
            let totals =
                Worker { forward, lanes: Vec::new(), requests, messages, gather: Gather::new() }.run();
            // Nobody waits any more if stop() gave up on us.
            done.send(totals).ok();
        };
        match thread::Builder::new().name("kimura-logger".to_owned()).spawn(run) {
            Ok(_) => Ok(Self { control, finished, targets: RwLock::new(targets), pressure: None }),
            Err(cause) => {
                error_log::end_queue();
                Err(Error::Thread(cause))
            }
        }
    }

    /// Has shards that are made from now on look which logs cannot keep up.
    #[must_use]
    pub fn heeding(self, pressure: Option<PressureView>) -> Self {
        Self { pressure, ..self }
    }

    /// The sink of `target`.
    #[must_use]
    pub fn sink(&self, target: &Target) -> Option<SinkId> {
        SinkId::position(&self.targets.read().unwrap_or_else(PoisonError::into_inner), target)
    }

    /// One more sink, which the logger process has.
    pub fn add(&self, target: Target) {
        self.targets.write().unwrap_or_else(PoisonError::into_inner).push(target);
    }

    /// The producing end for one more shard.
    #[must_use]
    pub fn shard(&self) -> ShardLog {
        let (shard, lane) = ShardLog::new(self.pressure.clone());
        // Without a logger thread the lane is gone, and the shard counts its lines as dropped.
        self.control.send(Control::Attach(lane)).ok();
        shard
    }

    /// Sends what the shards have handed over and ends the thread; the shards have let go of their ends before.
    /// `None` when the logger process is so stuck that the thread did not end within `patience`.
    pub fn stop(&self, patience: Duration) -> Option<Totals> {
        self.control.send_timeout(Control::Stop, patience).ok();
        let totals = self.finished.recv_timeout(patience).ok();
        error_log::end_queue();
        totals
    }
}

/// The state of the logger thread.
struct Worker {
    forward: Forward,
    lanes: Vec<Lane>,
    requests: Receiver<Control>,
    messages: Receiver<Vec<u8>>,
    gather: Gather,
}

/// What is to be done next.
enum Event {
    Request(Control),
    Message(Vec<u8>),
    /// The error log no longer uses this thread.
    MessagesClosed,
    Batch(usize, Batch),
    LaneClosed(usize),
    /// Every handle of the logger is gone.
    Orphaned,
}

impl Worker {
    fn run(mut self) -> Totals {
        loop {
            match self.next() {
                Event::Request(Control::Attach(lane)) => self.lanes.push(lane),
                Event::Request(Control::Stop) | Event::Orphaned => return self.finish(),
                Event::Message(line) => error_log::write_now(&line),
                Event::MessagesClosed => self.messages = never(),
                Event::Batch(lane, batch) => self.write(lane, batch),
                Event::LaneClosed(lane) => drop(self.lanes.swap_remove(lane)),
            }
        }
    }

    /// Waits for the next event; the clock has a say only in what is told of repeated messages.
    fn next(&self) -> Event {
        loop {
            let mut select = Select::new();
            let requests = select.recv(&self.requests);
            let messages = select.recv(&self.messages);
            for lane in &self.lanes {
                select.recv(&lane.full);
            }
            let ready = match error_log::repeats_due() {
                None => select.ready(),
                Some(patience) => match select.ready_timeout(patience) {
                    Ok(ready) => ready,
                    Err(_) => {
                        error_log::tell_repeats();
                        continue;
                    }
                },
            };
            // What was ready may be gone again: then look anew.
            let event = if ready == requests {
                received(self.requests.try_recv(), Event::Request, || Event::Orphaned)
            } else if ready == messages {
                received(self.messages.try_recv(), Event::Message, || Event::MessagesClosed)
            } else {
                // Lanes follow the two other receivers.
                let lane = ready - 2;
                received(
                    self.lanes[lane].full.try_recv(),
                    |batch| Event::Batch(lane, batch),
                    || Event::LaneClosed(lane),
                )
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    fn write(&mut self, lane: usize, mut batch: Batch) {
        self.gather.write(&batch, &mut self.forward);
        batch.clear();
        // The shard is gone, or takes it: the channel has room for every buffer.
        self.lanes[lane].spent.try_send(batch).ok();
    }

    /// Writes what is still under way, without waiting for more.
    fn finish(mut self) -> Totals {
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Control::Attach(lane) => self.lanes.push(lane),
                Control::Stop => {}
            }
        }
        for lane in 0..self.lanes.len() {
            while let Ok(batch) = self.lanes[lane].full.try_recv() {
                self.write(lane, batch);
            }
        }
        while let Ok(line) = self.messages.try_recv() {
            error_log::write_now(&line);
        }
        self.forward.totals
    }
}

fn received<T>(
    result: Result<T, TryRecvError>,
    some: impl FnOnce(T) -> Event,
    closed: impl FnOnce() -> Event,
) -> Option<Event> {
    match result {
        Ok(value) => Some(some(value)),
        Err(TryRecvError::Disconnected) => Some(closed()),
        Err(TryRecvError::Empty) => None,
    }
}

/// Sorts the runs of a batch by sink, so that each sink gets one packet.
struct Gather {
    bytes: Vec<u8>,
    facts: Vec<u8>,
    order: Vec<(SinkId, usize)>,
}

impl Gather {
    fn new() -> Self {
        let (bytes, facts) = (Vec::with_capacity(BATCH_BYTES), Vec::with_capacity(FACTS_BYTES));
        Self { bytes, facts, order: Vec::new() }
    }

    fn write(&mut self, batch: &Batch, forward: &mut Forward) {
        let runs: Vec<Lines<'_>> = batch.runs().collect();
        self.order.clear();
        self.order.extend(runs.iter().enumerate().map(|(position, run)| (run.sink, position)));
        // By sink, then by position: the order of one sink's lines is the order they were written in.
        self.order.sort_unstable();
        for group in self.order.chunk_by(|a, b| a.0 == b.0) {
            if let [(_, only)] = group {
                forward.send(&runs[*only]);
                continue;
            }
            self.bytes.clear();
            self.facts.clear();
            let mut count = 0;
            for (_, position) in group {
                self.bytes.extend_from_slice(runs[*position].bytes);
                self.facts.extend_from_slice(runs[*position].facts);
                count += runs[*position].count;
            }
            forward.send(&Lines { sink: group[0].0, bytes: &self.bytes, facts: &self.facts, count });
        }
    }
}

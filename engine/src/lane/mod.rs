//! The lane: what drives all connections of a shard.
//!
//! One pass enters the kernel once, takes everything that has completed, lets each connection concerned run
//! until it waits, and leaves what that has queued for the next entry. Under load a pass serves many requests
//! for one system call.
//!
//! When nothing is left to do the lane first lingers in its own ring, which is cheap to wake from, and parks
//! through the executor only when the shard is really idle.

mod admission;
mod buffers;
mod closing;
mod events;
mod knocking;
mod linking;
mod naming;
mod parking;
pub(crate) mod ring;
mod securing;
mod swapping;

pub(crate) use buffers::SIZE as BUFFER_SIZE;
pub(crate) use knocking::Knock;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use perf::Counter;
use sys::eventfd::EventFd;

use crate::connection::Key;
use crate::inbox::{Letter, Letters};
use crate::lane::parking::Parking;
use crate::lane::ring::{Completion, Density, Event, Tally};
use crate::limits::{BEAT, DENSE_MIN, PACE_MAX};
use crate::shard::{Life, Shard};
use crate::wheel::{TICK, ticks};

/// How long a pass waits in the ring before the shard parks. Parking costs the executor about ten system calls, so
/// it should happen only when the pause is long against them. Other threads end the wait by the inbox's bell; other
/// tasks of the executor wait this long at most.
const LINGER: Duration = Duration::from_millis(10);

/// Events that are waited for at most where they come densely.
const AWAITED_MAX: usize = 24;

/// How many events a pass brings as a rule: an average in which the last passes count most. A single full pass is over before
/// more could be gathered: those who are in it are not made to wait.
#[derive(Default)]
struct Usual {
    /// [`Usual::PASSES`] times the average.
    sum: usize,
}

impl Usual {
    /// About so many passes make the average.
    const PASSES: usize = 8;

    /// More events than these count as these: a single pass shall not make the rest seem dense.
    const COUNTED_MAX: usize = DENSE_MIN * Usual::PASSES - 1;

    /// Takes another pass of a shard with so many clients into account. As a rule none of them has more than one request under
    /// way: who waited for more events than that would wait in vain.
    fn note(&mut self, events: usize, clients: usize) -> Density {
        self.sum = self.sum - self.sum / Usual::PASSES + events.min(Usual::COUNTED_MAX);
        if self.sum / Usual::PASSES < DENSE_MIN {
            return Density::Sparse;
        }
        Density::Dense((clients * 3 / 4).clamp(1, AWAITED_MAX))
    }
}

/// Drives the connections of a shard until it is stopped.
pub(crate) struct Lane {
    shard: Rc<Shard>,
    letters: Letters,
    parking: Parking,
    reaped: Vec<Completion>,
    turn: Vec<Key>,
    usual: Usual,
    ticking: bool,
    beating: bool,
    pacing: bool,
    tally: Tally,
}

impl Lane {
    /// `notify` is the eventfd that the shard's ring was made with.
    pub(crate) fn new(shard: Rc<Shard>, letters: Letters, notify: EventFd) -> io::Result<Lane> {
        let parking = Parking::new(notify, &shard.inbox)?;
        Ok(Lane {
            shard,
            letters,
            parking,
            // As many as a pass can bring at once: it shall not depend on chance when the last of them is allocated.
            reaped: Vec::with_capacity(ring::COMPLETIONS as usize),
            turn: Vec::new(),
            usual: Usual::default(),
            ticking: false,
            beating: false,
            pacing: false,
            tally: Tally::default(),
        })
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    ///
    /// When the ring fails in a way that is not of ordinary life.
    pub(crate) async fn drive(&mut self) -> io::Result<()> {
        self.shard.ring.borrow_mut().watch_inbox(self.shard.inbox.bell());
        while self.shard.life.get() != Life::Stopped {
            let busy = self.pass()?;
            if !busy {
                self.park().await?;
            }
            // Other tasks of this executor get their turn when its clock says so.
            glommio::yield_if_needed().await;
        }
        self.publish();
        Ok(())
    }

    /// One pass; answers whether it found anything to do.
    fn pass(&mut self) -> io::Result<bool> {
        self.ask_for_tick();
        self.ask_for_beat();
        self.ask_for_pace();
        self.enter()?;
        self.shard.clock.refresh();
        let emptied = std::mem::take(&mut self.reaped);
        let mut reaped = self.shard.ring.borrow_mut().reaped(emptied);
        let waiting = self.shard.ready.borrow().len() + self.shard.coders.borrow().len();
        let count = reaped.len() + waiting + self.shard.handshakes.borrow().len();
        let clients = self.shard.connections.borrow().len();
        self.shard.density.set(self.usual.note(count, clients));
        for completion in reaped.drain(..) {
            let event = self.shard.ring.borrow_mut().event(&completion);
            match event {
                None => {}
                Some(Event::Woken { more }) => self.watch_on(more),
                Some(Event::Tick) => self.tick(),
                Some(Event::Beat) => self.beat(),
                Some(Event::Pace) => self.pace(),
                Some(other) => self.shard.apply(other),
            }
        }
        self.reaped = reaped;
        self.read_letters();
        self.run_ready();
        self.shard.shake_hands();
        self.run_coders();
        self.shard.feed_starved();
        self.shard.count(Counter::Passes);
        Ok(count > 0)
    }

    fn enter(&self) -> io::Result<()> {
        let mut ring = self.shard.ring.borrow_mut();
        let shard = &self.shard;
        let waits = shard.ready.borrow().is_empty()
            && shard.handshakes.borrow().is_empty()
            && shard.coders.borrow().is_empty();
        if waits { ring.turn_waiting(LINGER, shard.density.get()) } else { ring.turn() }
    }

    /// Gives each connection that was ready at the start its turn; what becomes ready meanwhile is next.
    fn run_ready(&mut self) {
        self.turn.extend(self.shard.ready.borrow_mut().drain(..));
        let mut turn = std::mem::take(&mut self.turn);
        for key in turn.drain(..) {
            self.shard.run(key);
        }
        self.turn = turn;
    }

    /// Has answers compressed piece by piece, as long as there is time for it: what others want comes first.
    fn run_coders(&self) {
        while self.shard.has_time_to_code() {
            let Some(key) = self.shard.coders.borrow_mut().pop_front() else { break };
            self.shard.coder.set(Some(key));
            self.shard.run(key);
        }
        // It may have gone meanwhile.
        self.shard.coder.set(None);
        self.shard.coding.set(Duration::ZERO);
    }

    /// Waits through the executor until the ring has something.
    async fn park(&mut self) -> io::Result<()> {
        self.publish();
        if !self.shard.ring.borrow_mut().arm_notify() {
            return Ok(());
        }
        self.shard.count(Counter::Parks);
        let woken = self.parking.wait().await;
        self.shard.ring.borrow_mut().disarm_notify();
        woken
    }

    fn ask_for_tick(&mut self) {
        if !self.ticking && self.shard.needs_ticks() {
            self.ticking = true;
            self.shard.ring.borrow_mut().tick_after(TICK);
        }
    }

    /// Lines that wait to be handed over, and those who wait for lines, want to be looked after sooner than the rest.
    fn ask_for_beat(&mut self) {
        let shard = &self.shard;
        let wanted = || {
            shard.log.borrow().waits()
                || shard.viewers.borrow().wait()
                || shard.has_used()
                || shard.awaits_stragglers()
        };
        if !self.beating && wanted() {
            self.beating = true;
            self.shard.ring.borrow_mut().beat_after(BEAT);
        }
    }

    fn beat(&mut self) {
        self.beating = false;
        self.shard.log.borrow_mut().tick();
        self.shard.ready.borrow_mut().extend(self.shard.viewers.borrow_mut().beat());
        self.shard.tell_used();
        self.shard.end_straggler_beat();
    }

    /// Those who wait for their limits want to be looked after sooner still.
    fn ask_for_pace(&mut self) {
        if self.pacing {
            return;
        }
        let next = self.shard.pacing.borrow().next(self.shard.clock.now());
        let door = self.shard.has_knocking().then_some(PACE_MAX);
        if let Some(delay) = next.into_iter().chain(door).min() {
            self.pacing = true;
            self.shard.ring.borrow_mut().pace_after(delay);
        }
    }

    fn pace(&mut self) {
        self.pacing = false;
        let now = self.shard.clock.now();
        while let Some(key) = self.shard.pacing.borrow_mut().due(now) {
            self.shard.ready.borrow_mut().push_back(key);
        }
        self.shard.open_the_door();
    }

    fn tick(&mut self) {
        self.ticking = false;
        self.shard.expire();
        // Those whose logs still have no room come back.
        self.shard.ready.borrow_mut().extend(self.shard.held_back.borrow_mut().drain());
        self.shard.encoders.trim();
        // Descriptors may have become free anywhere in the process.
        if !self.shard.draining() {
            self.shard.accept();
        }
        self.shard.count_by(Counter::OffencesLost, self.shard.offenders.hand_over() as u64);
        self.publish();
        self.shard.end_drain();
    }

    /// Copies what is counted elsewhere to the shard's counters.
    fn publish(&mut self) {
        let now = self.shard.ring.borrow().tally();
        let counters = &self.shard.counters;
        counters.add(Counter::RingEnters, now.enters - self.tally.enters);
        counters.add(Counter::RingSubmissions, now.submissions - self.tally.submissions);
        counters.add(Counter::RingCompletions, now.completions - self.tally.completions);
        self.tally = now;
        counters.set(Counter::JobsQueued, self.shard.jobs.waiting() as u64);
        self.shard.log.borrow_mut().publish(counters);
        self.shard.publish_limits();
    }

    /// The bell's only use here is to end a wait; the letters themselves are looked for in every pass.
    fn watch_on(&self, watched: bool) {
        if !watched {
            self.shard.ring.borrow_mut().watch_inbox(self.shard.inbox.bell());
        }
    }

    fn read_letters(&mut self) {
        if !self.shard.inbox.silence() {
            return;
        }
        while let Some(letter) = self.letters.next() {
            match letter {
                Letter::Open => {
                    self.shard.open.set(true);
                    self.shard.accept();
                }
                Letter::Resume(key) => self.shard.ready.borrow_mut().push_back(key),
                Letter::Look => self.shard.look(),
                Letter::Ban(table) => self.shard.ban(table),
                Letter::Drain(patience, farewell, reply) => {
                    let deadline = self.shard.clock.tick().saturating_add(ticks(patience));
                    self.shard.begin_drain(deadline, farewell, reply);
                }
                Letter::Upstreams(changes) => self.shard.change_upstreams(changes),
                Letter::ReportUpstreams(asker) => {
                    let report = self.shard.balancers.borrow().report(self.shard.clock.now());
                    // Who asked may have lost patience.
                    let _ = asker.try_send(report);
                }
                Letter::Count(counter) => self.shard.count(counter),
                Letter::Stop => self.shard.stop(),
                Letter::Prepare(offer, reply) => reply.send(self.shard.hold(*offer)),
                Letter::Commit(reply) => reply.send(self.shard.swap()),
                Letter::Abort => drop(self.shard.held.take()),
                Letter::Judged(ticket, verdict) => {
                    let key = self.shard.logins.borrow_mut().judged(ticket, verdict);
                    self.shard.ready.borrow_mut().extend(key);
                }
                Letter::Limits(shaping) => self.shard.reshape(shaping.as_ref()),
                // Who asks may have lost patience.
                Letter::TellLimits(to) => drop(to.try_send(self.shard.used())),
                Letter::Used(reports) => self.shard.hear_used(&reports),
                Letter::ForgetLogins => self.shard.logins.borrow_mut().forget(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pass_is_no_rule_and_a_flood_is_one() {
        let mut usual = Usual::default();
        let mut after =
            |passes: usize, events, clients| (0..passes).map(|_| usual.note(events, clients)).last();
        assert_eq!(after(1, 8000, 8000), Some(Density::Sparse), "one pass");
        assert_eq!(after(2 * Usual::PASSES, DENSE_MIN + 1, 8000), Some(Density::Dense(AWAITED_MAX)));
        assert_eq!(after(1, DENSE_MIN + 1, 16), Some(Density::Dense(12)));
        assert_eq!(after(4 * Usual::PASSES, 1, 8000), Some(Density::Sparse));
    }
}

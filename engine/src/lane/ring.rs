//! A shard's own io_uring: typed operations in, typed events out.
//!
//! Nobody outside this file sees a submission entry or a user-data word. Memory that the kernel reads while
//! an operation is under way (the bytes of a send) is owned here until its completion.

#![allow(unsafe_code)] // The one place where this crate speaks to the kernel; each block says why it is sound.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use io_uring::register::Restriction;
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};
use slab::Slab;

use super::buffers::{self, Buffers};
use crate::connection::Key;

/// Submission entries: the operations that one pass may queue before it has to enter the kernel early.
const SUBMISSIONS: u32 = 1024;
/// Completion entries. Every armed receive can complete in one pass; beyond this the kernel keeps the rest.
pub(super) const COMPLETIONS: u32 = 8192;

/// What a completion means.
pub(crate) enum Event {
    /// A listener accepted; or its accept ended with an errno. `more` = it goes on accepting.
    Accepted { listener: u32, result: Result<RawFd, i32>, more: bool },
    /// Bytes, the end of the stream (`Ok(None)`) or an errno. `more` = the receive is still armed.
    Received { key: Key, result: Result<Option<Filled>, i32>, more: bool },
    /// All bytes of a send are with the kernel, so many by the ring; or it failed. The buffer comes back.
    Sent { key: Key, result: Result<usize, i32>, buffer: Vec<u8> },
    /// The socket can take bytes again.
    Writable { key: Key },
    /// The other side has gone, whether it has been heard to its end or not; none when nobody looks any more.
    HungUp { key: Key, how: Option<HangUp> },
    /// Another thread has put something into the inbox.
    Woken { more: bool },
    /// The tick that was asked for.
    Tick,
    /// The beat that was asked for.
    Beat,
    /// The look at those who wait for limits that was asked for.
    Pace,
}

/// How somebody has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HangUp {
    /// It sends no more.
    Ended,
    /// The connection is broken.
    Broken,
}

/// A receive buffer that the kernel has filled.
#[derive(Clone, Copy)]
pub(crate) struct Filled {
    id: u16,
    len: usize,
}

impl Filled {
    pub(crate) fn len(self) -> usize {
        self.len
    }
}

/// The kinds of operation, as they stand in the top byte of the user-data word.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Accept = 1,
    Receive,
    Send,
    Writable,
    HangUp,
    Wake,
    Tick,
    Beat,
    Pace,
    /// Completions that tell nothing: cancel and close.
    Quiet,
}

const KIND_SHIFT: u32 = 56;

fn tag(kind: Kind, rest: u64) -> u64 {
    debug_assert!(rest >> KIND_SHIFT == 0, "a key leaves the top byte free");
    (kind as u64) << KIND_SHIFT | rest
}

/// What the kernel says of an operation that has got somewhere; [`Ring::event`] knows what that means.
pub(crate) struct Completion {
    user_data: u64,
    result: i32,
    flags: u32,
}

/// Bytes on their way to a socket.
struct Outgoing {
    key: Key,
    fd: RawFd,
    bytes: Vec<u8>,
    /// Where the ring began.
    from: usize,
    sent: usize,
}

/// How long several completions are waited for, in microseconds: nobody notices it in a request that others have waited before.
const GATHERING_US: u32 = 90;

/// How closely events follow upon each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Density {
    /// Each is handled at once, and what is sent leaves at once.
    Sparse,
    /// More are on their way; what is sent leaves with what they have sent. So many are worth a wait: each sleep and wake-up
    /// costs about as much as a request.
    Dense(usize),
}

/// What the ring has done so far; the shard copies the differences to its counters.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) enters: u64,
    pub(crate) submissions: u64,
    pub(crate) completions: u64,
}

/// The io_uring of one shard. Must stay on the thread that made it (`IORING_SETUP_SINGLE_ISSUER`).
pub(crate) struct Ring {
    ring: IoUring,
    buffers: Buffers,
    outgoing: Slab<Outgoing>,
    reaped: Vec<Completion>,
    tick: Box<Timespec>,
    beat: Box<Timespec>,
    pace: Box<Timespec>,
    tally: Tally,
    /// Whether the kernel can wait for several completions for a while, and then for one (since Linux 6.12).
    gathers: bool,
}

impl Ring {
    /// Sets up the ring; `notify` is the eventfd that the kernel writes while the shard is parked.
    pub(crate) fn new(notify: BorrowedFd<'_>) -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .setup_r_disabled()
            .build(SUBMISSIONS)?;
        let gathers = ring.params().is_feature_min_timeout();
        ring.submitter().register_eventfd(notify.as_raw_fd())?;
        let buffers = Buffers::register(&ring)?;
        restrict(&ring)?;
        let mut ring = Ring {
            ring,
            buffers,
            outgoing: Slab::new(),
            reaped: Vec::with_capacity(COMPLETIONS as usize),
            tick: Box::new(Timespec::new()),
            beat: Box::new(Timespec::new()),
            pace: Box::new(Timespec::new()),
            tally: Tally::default(),
            gathers,
        };
        ring.ring.completion().disable_eventfd();
        Ok(ring)
    }

    /// Accepts on `listener` until cancelled or out of descriptors.
    pub(crate) fn accept(&mut self, listener: u32, fd: RawFd) {
        let entry = opcode::AcceptMulti::new(Fd(fd)).flags(libc::SOCK_CLOEXEC).build();
        self.push(&entry.user_data(tag(Kind::Accept, u64::from(listener))));
    }

    /// Ends the accept of `listener`; its last completion says so.
    pub(crate) fn cancel_accept(&mut self, listener: u32) {
        self.cancel(tag(Kind::Accept, u64::from(listener)));
    }

    /// Receives on a connection until the stream ends, fails, or is cancelled.
    pub(crate) fn receive(&mut self, key: Key, fd: RawFd) {
        let entry = opcode::RecvMulti::new(Fd(fd), buffers::GROUP).build();
        self.push(&entry.user_data(tag(Kind::Receive, key.bits())));
    }

    /// Receives once what has come or comes next, as much as a buffer has room for.
    pub(crate) fn receive_once(&mut self, key: Key, fd: RawFd) {
        let entry = opcode::Recv::new(Fd(fd), std::ptr::null_mut(), buffers::SIZE as u32)
            .buf_group(buffers::GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(&entry.user_data(tag(Kind::Receive, key.bits())));
    }

    /// Ends the receive of a connection; its last completion says so.
    pub(crate) fn cancel_receive(&mut self, key: Key) {
        self.cancel(tag(Kind::Receive, key.bits()));
    }

    /// Sends all of `bytes` from `sent` on.
    pub(crate) fn send(&mut self, key: Key, fd: RawFd, bytes: Vec<u8>, sent: usize) {
        let slot = self.outgoing.insert(Outgoing { key, fd, bytes, from: sent, sent });
        self.push_send(slot);
    }

    fn push_send(&mut self, slot: usize) {
        let out = &self.outgoing[slot];
        let rest = &out.bytes[out.sent..];
        // MSG_WAITALL: the kernel goes on after a partial send by itself, saving a round through here.
        let entry = opcode::Send::new(Fd(out.fd), rest.as_ptr(), rest.len() as u32)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        self.push(&entry.user_data(tag(Kind::Send, slot as u64)));
    }

    /// Tells once when the socket can take bytes.
    pub(crate) fn writable(&mut self, key: Key, fd: RawFd) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLOUT as u32).build();
        self.push(&entry.user_data(tag(Kind::Writable, key.bits())));
    }

    /// Tells once when the other side has gone, without receiving.
    pub(crate) fn hang_up(&mut self, key: Key, fd: RawFd) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLRDHUP as u32).build();
        self.push(&entry.user_data(tag(Kind::HangUp, key.bits())));
    }

    /// Closes a descriptor on which nothing is under way.
    pub(crate) fn close(&mut self, fd: RawFd) {
        let entry = opcode::Close::new(Fd(fd)).build();
        self.push(&entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(tag(Kind::Quiet, 0)));
    }

    /// Watches the eventfd through which other threads wake this shard.
    pub(crate) fn watch_inbox(&mut self, fd: RawFd) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build();
        self.push(&entry.user_data(tag(Kind::Wake, 0)));
    }

    /// Asks for one tick after `delay`. At most one may be asked for at a time.
    pub(crate) fn tick_after(&mut self, delay: Duration) {
        *self.tick = Timespec::from(delay);
        let entry = opcode::Timeout::new(&raw const *self.tick).build();
        self.push(&entry.user_data(tag(Kind::Tick, 0)));
    }

    /// Asks for one beat after `delay`. At most one may be asked for at a time.
    pub(crate) fn beat_after(&mut self, delay: Duration) {
        *self.beat = Timespec::from(delay);
        let entry = opcode::Timeout::new(&raw const *self.beat).build();
        self.push(&entry.user_data(tag(Kind::Beat, 0)));
    }

    /// Asks for one look at those who wait for limits after `delay`. At most one may be asked for at a time.
    pub(crate) fn pace_after(&mut self, delay: Duration) {
        *self.pace = Timespec::from(delay);
        let entry = opcode::Timeout::new(&raw const *self.pace).build();
        self.push(&entry.user_data(tag(Kind::Pace, 0)));
    }

    fn cancel(&mut self, user_data: u64) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(user_data)).build();
        self.push(&entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(tag(Kind::Quiet, 0)));
    }

    fn push(&mut self, entry: &squeue::Entry) {
        self.tally.submissions += 1;
        loop {
            // SAFETY: every pointer in an entry is to memory owned by `self` until the completion is
            // reaped: bytes of `outgoing` (a Vec whose heap block does not move with its slab entry) and
            // the boxed `tick`, `beat` and `pace`. Descriptors belong to connections, which outlive their operations.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            self.submit_early();
        }
    }

    /// Makes room when a pass queues more than the ring holds.
    fn submit_early(&mut self) {
        self.tally.enters += 1;
        if let Err(error) = self.ring.submit() {
            // EBUSY and EAGAIN clear once completions are reaped; EINTR at once. Others are our own fault.
            let known = [libc::EBUSY, libc::EAGAIN, libc::EINTR];
            assert!(error.raw_os_error().is_some_and(|e| known.contains(&e)), "io_uring_enter: {error}");
            self.collect();
        }
    }

    /// Submits what is queued and runs what the kernel has deferred, without waiting. Enters the kernel only
    /// if there is something to do there.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        let (queued, deferred) = {
            let submission = self.ring.submission();
            (submission.len() as u32, submission.taskrun() || submission.cq_overflow())
        };
        if queued > 0 || deferred {
            self.tally.enters += 1;
            // SAFETY: no argument is passed; the flag only asks for deferred work to run.
            let entered = unsafe {
                let flags = EnterFlags::GETEVENTS.bits();
                self.ring.submitter().enter::<libc::sigset_t>(queued, 0, flags, None)
            };
            forgive(entered)?;
        }
        self.collect();
        Ok(())
    }

    /// As [`Ring::turn`], but waits up to `patience` for a first completion; where many are to come, for several of them as
    /// long as [`GATHERING_US`].
    pub(crate) fn turn_waiting(&mut self, patience: Duration, density: Density) -> io::Result<()> {
        // What has been reaped to make room for submissions is there as well.
        if !self.reaped.is_empty() || !self.ring.completion().is_empty() {
            return self.turn();
        }
        self.tally.enters += 1;
        let patience = Timespec::from(patience);
        let args = SubmitArgs::new().timespec(&patience);
        let (wanted, args) = match density {
            Density::Dense(awaited) if self.gathers => (awaited, args.min_wait_usec(GATHERING_US)),
            _ => (1, args),
        };
        forgive(self.ring.submitter().submit_with_args(wanted, &args))?;
        self.collect();
        Ok(())
    }

    fn collect(&mut self) {
        let before = self.reaped.len();
        let completion =
            |c: cqueue::Entry| Completion { user_data: c.user_data(), result: c.result(), flags: c.flags() };
        self.reaped.extend(self.ring.completion().map(completion));
        self.tally.completions += (self.reaped.len() - before) as u64;
    }

    /// Lets the kernel write the eventfd on the next completion; `false` if there is one already.
    pub(crate) fn arm_notify(&mut self) -> bool {
        self.ring.completion().enable_eventfd();
        // A completion, or work that waits for an enter, may have come just before: it would not notify.
        let quiet = self.ring.completion().is_empty() && !self.ring.submission().taskrun();
        if !quiet {
            self.disarm_notify();
        }
        quiet
    }

    /// Back to work: completions no longer write the eventfd.
    pub(crate) fn disarm_notify(&mut self) {
        self.ring.completion().disable_eventfd();
    }

    /// The completions of the last turn, for an empty list in their place.
    pub(crate) fn reaped(&mut self, emptied: Vec<Completion>) -> Vec<Completion> {
        debug_assert!(emptied.is_empty(), "every completion is an event once");
        std::mem::replace(&mut self.reaped, emptied)
    }

    /// What a completion means; `None` if nothing that anybody waits for.
    pub(crate) fn event(&mut self, completion: &Completion) -> Option<Event> {
        let &Completion { user_data, result, flags } = completion;
        let more = cqueue::more(flags);
        let rest = user_data & ((1 << KIND_SHIFT) - 1);
        let outcome = if result < 0 { Err(-result) } else { Ok(result as usize) };
        match (user_data >> KIND_SHIFT) as u8 {
            k if k == Kind::Accept as u8 => {
                Some(Event::Accepted { listener: rest as u32, result: outcome.map(|fd| fd as RawFd), more })
            }
            k if k == Kind::Receive as u8 => {
                let filled = |len| cqueue::buffer_select(flags).map(|id| Filled { id, len });
                Some(Event::Received { key: Key::from_bits(rest), result: outcome.map(filled), more })
            }
            k if k == Kind::Send as u8 => self.sent(rest as usize, outcome),
            k if k == Kind::Writable as u8 => Some(Event::Writable { key: Key::from_bits(rest) }),
            k if k == Kind::HangUp as u8 => {
                const GONE: usize = (libc::POLLERR | libc::POLLHUP) as usize;
                let how = |found| if found & GONE == 0 { HangUp::Ended } else { HangUp::Broken };
                Some(Event::HungUp { key: Key::from_bits(rest), how: outcome.ok().map(how) })
            }
            k if k == Kind::Wake as u8 => Some(Event::Woken { more }),
            k if k == Kind::Tick as u8 => Some(Event::Tick),
            k if k == Kind::Beat as u8 => Some(Event::Beat),
            k if k == Kind::Pace as u8 => Some(Event::Pace),
            _ => None,
        }
    }

    fn sent(&mut self, slot: usize, outcome: Result<usize, i32>) -> Option<Event> {
        let out = &mut self.outgoing[slot];
        if let Ok(sent) = outcome {
            out.sent += sent;
            if out.sent < out.bytes.len() && sent > 0 {
                self.push_send(slot);
                return None;
            }
        }
        let out = self.outgoing.remove(slot);
        let result = match outcome {
            Ok(_) if out.sent == out.bytes.len() => Ok(out.sent - out.from),
            Ok(_) => Err(libc::EPIPE),
            Err(errno) => Err(errno),
        };
        Some(Event::Sent { key: out.key, result, buffer: out.bytes })
    }

    /// The bytes of a filled buffer.
    pub(crate) fn bytes(&self, filled: Filled) -> &[u8] {
        self.buffers.filled(filled.id, filled.len)
    }

    /// Lends the buffer to the kernel again.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        self.buffers.give_back(filled.id);
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel may still read what is on its way out: that memory must not be freed under it.
        for out in self.outgoing.drain() {
            std::mem::forget(out.bytes);
        }
    }
}

/// From now on the ring takes only the operations that this file has, and nothing more is registered with it: what a
/// ring does passes by the filter on system calls, so that whoever took this process over could open and connect.
fn restrict(ring: &IoUring) -> io::Result<()> {
    let operations = [
        opcode::AcceptMulti::CODE,
        opcode::AsyncCancel2::CODE,
        opcode::Close::CODE,
        opcode::PollAdd::CODE,
        opcode::RecvMulti::CODE,
        opcode::Send::CODE,
        opcode::Timeout::CODE,
    ];
    let flags = squeue::Flags::BUFFER_SELECT | squeue::Flags::SKIP_SUCCESS;
    let mut restrictions: Vec<Restriction> = operations.into_iter().map(Restriction::sqe_op).collect();
    restrictions.push(Restriction::sqe_flags_allowed(flags.bits()));
    ring.submitter().register_restrictions(&mut restrictions)?;
    ring.submitter().register_enable_rings()
}

/// One sentence for each errno that `io_uring_enter` gives in ordinary life: nothing to do about it here.
fn forgive(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            // The wait ended without a completion.
            Some(libc::ETIME) => Ok(()),
            // A signal came first.
            Some(libc::EINTR) => Ok(()),
            // Completions have to be reaped before more is submitted; the caller reaps next.
            Some(libc::EBUSY | libc::EAGAIN) => Ok(()),
            _ => Err(error),
        },
    }
}

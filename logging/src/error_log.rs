//! The error log: what the `log` facade's macros write.
//!
//! A line is `2000-10-10T13:55:36Z WARN  engine::accept: message`, in UTC. Until a [`Logger`](crate::Logger) runs, a
//! line is written where it is made: during boot there is one thread. Afterwards it goes through a bounded queue to
//! the logger thread, so that a shard never waits for a terminal or a disk; what does not fit is dropped and counted.
//! Of messages that are alike five are written within a minute; how many more there were is told as one, by the next
//! message after it, by the logger thread, or at its end.

use crate::civil::Stamp;
use crate::error::Error;
use crate::escape;
use crate::forward;
use crate::repeats::{Fate, Repeats};
use crate::sink::Target;
use crossbeam_channel::{Receiver, Sender, bounded};
use log::{LevelFilter, Log, Metadata, Record};
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// Messages that may wait for the logger thread.
const QUEUE: usize = 1024;
/// Bytes of one message; the rest is cut off.
const MESSAGE_MAX: usize = 4096;

static INSTALLED: OnceLock<ErrorLog> = OnceLock::new();

struct ErrorLog {
    out: RwLock<File>,
    queue: RwLock<Option<Sender<Vec<u8>>>>,
    repeats: Mutex<Repeats>,
    dropped: AtomicU64,
    /// To the logger process, which shows messages to viewers.
    shown_by: RwLock<Option<OwnedFd>>,
}

/// Installs the error log as the process's logger of the `log` facade.
///
/// # Errors
/// When the target cannot be opened, or the facade already has a logger.
pub fn install(target: &Target, level: LevelFilter) -> Result<(), Error> {
    let log = ErrorLog {
        out: RwLock::new(target.open()?),
        queue: RwLock::new(None),
        repeats: Mutex::default(),
        dropped: AtomicU64::new(0),
        shown_by: RwLock::new(None),
    };
    INSTALLED.set(log).map_err(|_| Error::FacadeTaken)?;
    let installed = INSTALLED.get().ok_or(Error::FacadeTaken)?;
    log::set_logger(installed).map_err(|_| Error::FacadeTaken)?;
    set_level(level);
    Ok(())
}

/// Lets messages of `level` and graver ones through, from now on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Sends what comes next to another target. Does nothing when the error log is not installed.
///
/// # Errors
/// When the target cannot be opened; the old one stays in use.
pub fn redirect(target: &Target) -> Result<(), Error> {
    let Some(log) = INSTALLED.get() else { return Ok(()) };
    let output = target.open()?;
    *log.out.write().unwrap_or_else(PoisonError::into_inner) = output;
    Ok(())
}

/// Has what comes next shown to viewers, too: `socket` is a way to the logger process. Nothing waits for it, and what
/// it does not take is not shown. Does nothing when the error log is not installed.
pub fn show_by(socket: OwnedFd) {
    if let Some(log) = INSTALLED.get() {
        *log.shown_by.write().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }
}

/// Messages dropped so far because the queue was full or a write failed.
#[must_use]
pub fn dropped() -> u64 {
    INSTALLED.get().map_or(0, |log| log.dropped.load(Ordering::Relaxed))
}

/// Routes messages through a queue, which the caller empties with [`write_now`].
pub(crate) fn begin_queue() -> Receiver<Vec<u8>> {
    let (sender, receiver) = bounded(QUEUE);
    if let Some(log) = INSTALLED.get() {
        log.set_queue(Some(sender));
    }
    receiver
}

/// Back to writing where a message is made.
pub(crate) fn end_queue() {
    if let Some(log) = INSTALLED.get() {
        log.set_queue(None);
        let (now, mut told) = (unix_seconds(), Vec::new());
        log.repeats().end(|message| told.push(dated(now, message)));
        told.iter().for_each(|line| log.write(line));
    }
}

/// How long it is until repeats of a message may have to be told.
pub(crate) fn repeats_due() -> Option<Duration> {
    INSTALLED.get().and_then(|log| log.repeats().due(unix_seconds()))
}

/// Tells of repeats whose minute is over.
pub(crate) fn tell_repeats() {
    if let Some(log) = INSTALLED.get() {
        let (now, mut told) = (unix_seconds(), Vec::new());
        // Nobody who has something to say waits for the disk meanwhile.
        log.repeats().settle(now, |message| told.push(dated(now, message)));
        told.iter().for_each(|line| log.write(line));
    }
}

/// Writes one finished line.
pub(crate) fn write_now(line: &[u8]) {
    if let Some(log) = INSTALLED.get() {
        log.write(line);
    }
}

impl ErrorLog {
    fn set_queue(&self, queue: Option<Sender<Vec<u8>>>) {
        *self.queue.write().unwrap_or_else(PoisonError::into_inner) = queue;
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a line written, now or by the logger thread.
    fn hand_over(&self, line: Vec<u8>) {
        match &*self.queue.read().unwrap_or_else(PoisonError::into_inner) {
            Some(queue) => {
                if queue.try_send(line).is_err() {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            None => self.write(&line),
        }
    }

    fn write(&self, line: &[u8]) {
        let out = self.out.read().unwrap_or_else(PoisonError::into_inner);
        if (&*out).write_all(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.show(line);
    }

    fn show(&self, line: &[u8]) {
        if let Some(socket) = &*self.shown_by.read().unwrap_or_else(PoisonError::into_inner) {
            // It stands in the error log in any case.
            let _ = sys::packet::send(socket.as_fd(), &forward::message(line), &[], sys::packet::Wait::Never);
        }
    }
}

impl Log for ErrorLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (now, mut told) = (unix_seconds(), Vec::new());
        let message = message(record);
        let fate = self.repeats().take(now, &message, |message| told.push(dated(now, message)));
        told.into_iter().for_each(|line| self.hand_over(line));
        if fate == Fate::Written {
            self.hand_over(dated(now, &message));
        }
    }

    fn flush(&self) {}
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Level, place and text.
fn message(record: &Record<'_>) -> Vec<u8> {
    let mut message = Message { out: Vec::with_capacity(128), end: MESSAGE_MAX };
    // The writer stops at its end and never fails, so only a Display of the caller's can.
    if write!(message, "{:<5} {}: {}", record.level(), record.target(), record.args()).is_err() {
        message.out.extend_from_slice(b"(message could not be formatted)");
    }
    message.out
}

/// The line of a message.
fn dated(unix: u64, message: &[u8]) -> Vec<u8> {
    let mut stamp = Stamp::new();
    stamp.set(unix);
    [&stamp.rfc3339()[..], b"Z ", message, b"\n"].concat()
}

/// Writes text as one bounded line.
struct Message {
    out: Vec<u8>,
    end: usize,
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.out.len() >= self.end {
                break;
            }
            escape::message(&mut self.out, character);
        }
        Ok(())
    }
}

//! What the supervisor needs from the program around it: everything that is about text, logs or a terminal.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use perf::Snapshot;

use crate::message::{Output, Subject};

/// The program around the supervisor.
pub trait House {
    /// Where the configuration comes from.
    fn subject(&self) -> Subject;

    /// Its text, as it is now; nothing without a file.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    fn text(&self) -> Result<Vec<u8>, String>;

    /// The program that runs, as an absolute path.
    fn program(&self) -> PathBuf;

    /// Its command line, without the name.
    fn arguments(&self) -> Vec<Vec<u8>>;

    /// What is served, in words.
    fn origin(&self) -> String;

    /// The folder that relative paths were meant for, when the server was started.
    fn folder(&self) -> PathBuf;

    /// Sends the supervisor's own messages there; again for the same output when its file was moved away.
    ///
    /// # Errors
    /// Why it cannot.
    fn errors_to(&self, output: &Output) -> Result<(), String>;

    /// Has the supervisor's own messages shown to viewers of the logs, too: `socket` is a way to the logger.
    fn messages_by(&self, socket: OwnedFd);

    /// Sets the least important level of the supervisor's own messages: 1 errors to 5 traces.
    fn verbosity(&self, level: u32);

    /// The time, as logs show it.
    fn stamp(&self) -> String;

    /// Called once, when all shards accept for the first time.
    fn serving(&self, addresses: &[String], shards: usize);

    /// Whether [`House::tick`] is wanted.
    fn ticks(&self) -> bool;

    /// Called once a second, and at the end, with the counters of all workers that there ever were.
    fn tick(&mut self, counters: &Snapshot);
}

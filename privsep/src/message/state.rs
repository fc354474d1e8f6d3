//! What a supervisor leaves to the program that its process becomes: everything that a new start would not find.
//!
//! Two versions of the program meet here. So a record never changes its meaning: another one gets another
//! [`STATE_VERSION`], and the rehearsal tells whether the successor knows it.

use std::path::PathBuf;

use super::{LedgerEntry, Message, Network, Output, Subject};
use crate::wire::{Bytes, records, variants};

/// Version of [`State`].
pub const STATE_VERSION: u32 = 8;

/// The number of a descriptor.
pub type Kept = u32;

records! {
    /// All of it.
    pub struct State {
        /// [`STATE_VERSION`].
        version: u32,
        /// [`super::LINK_VERSION`], which the workers speak that run.
        links: u32,
        /// Version of the program that leaves it.
        from: String,
        /// Path of that program.
        old_program: PathBuf,
        /// Path of the one that takes it over.
        new_program: PathBuf,
        /// The command line, without the name of the program.
        arguments: Vec<Bytes>,
        /// Where relative paths begin.
        folder: PathBuf,
        /// The least important level of the error log: 1 errors to 5 traces.
        level: u32,
        /// For how long the server has run, in milliseconds.
        uptime_millis: u64,
        /// How often the configuration was changed.
        reloads: u32,
        /// How often the program was.
        upgrades: u32,
        /// Workers that ended without being told to.
        crashes: u32,
        /// Wrong proofs.
        wrong_proofs: u64,
        /// Workers that there ever were.
        generations: u32,
        /// Where the configuration in force comes from.
        subject: Subject,
        /// Its text without secrets, sealed.
        text: Kept,
        /// An encoded [`super::Needs`], sealed.
        needs: Kept,
        /// Encoded [`super::Contents`] of the files for workers, sealed.
        files: Kept,
        /// The same of the files for auth.
        auth_files: Kept,
        /// The same of the files for the agent.
        agent_files: Kept,
        /// Listening sockets.
        listeners: Vec<KeptListener>,
        /// Sockets that the service manager has passed, used or not.
        passed: Vec<KeptPassed>,
        /// Number of the last listening socket.
        sockets: u32,
        /// Keys of TLS session tickets, the one in use first.
        tickets: Vec<Bytes>,
        /// Bans, as a file has them, sealed.
        bans: Kept,
        /// A list of [`KeptFailures`], sealed.
        failures: Kept,
        /// A list of [`super::UpstreamOrder`], sealed.
        upstreams: Kept,
        /// Limits that were changed by command, each as `POINTER=VALUE`.
        limits: Vec<String>,
        /// Destinations of access logs, by number.
        sinks: Vec<KeptSink>,
        /// Where the logger says which of them cannot keep up.
        pressure: Option<Kept>,
        /// Names the life of the server.
        epoch: u64,
        /// The socket for commands.
        control: Option<KeptFile>,
        /// The pid file, locked.
        pid_file: Option<KeptFile>,
        /// Names of the counters, in the order in which blocks have them.
        counters: Vec<String>,
        /// The block of workers that have ended.
        grave: Kept,
        /// Their ledger.
        ended: Vec<LedgerEntry>,
        /// Workers that run.
        workers: Vec<KeptWorker>,
        /// Control connections that have not said yet what they want.
        silent: Vec<KeptSilent>,
        /// Where connections of the agent come.
        doors: Vec<KeptDoor>,
        /// Agents that end when whoever is there is answered.
        leaving: Vec<KeptProcess>,
        /// What viewers of the logs read.
        tail: Option<Kept>,
        /// Whoever waits for an answer to the command that this came from.
        asker: Option<KeptAsker>,
    }

    /// All sockets of an address.
    pub struct KeptListener {
        /// The address as the configuration writes it.
        written: String,
        /// Its sockets.
        sockets: Vec<KeptSocket>,
    }

    /// A listening socket.
    pub struct KeptSocket {
        /// Its name for the life of the server.
        id: u32,
        /// The socket.
        fd: Kept,
    }

    /// All sockets that the service manager has passed for an address.
    pub struct KeptPassed {
        /// The address.
        address: String,
        /// Its sockets.
        sockets: Vec<Kept>,
    }

    /// A destination of access logs.
    pub struct KeptSink {
        /// What it is.
        output: Output,
        /// Its file; none for a standard stream.
        fd: Option<Kept>,
        /// The memory in which its lines wait.
        queue: Option<Kept>,
        /// Cells of that memory.
        cells: u64,
        /// Bytes of lines with which requests begin to wait.
        hold_at: Option<u64>,
        /// The path of that memory, if it is a file.
        spill: Option<PathBuf>,
    }

    /// Where connections of the agent come.
    pub struct KeptDoor {
        /// The address as the configuration writes it.
        written: String,
        /// Its sockets.
        sockets: Vec<Kept>,
    }

    /// A process that is on its way out.
    pub struct KeptProcess {
        /// Its process id.
        pid: u32,
        /// Its process, as a pidfd.
        process: Kept,
    }

    /// A control connection that has not said yet what it wants.
    pub struct KeptSilent {
        /// The connection.
        fd: Kept,
        /// The address of whoever has come by the agent; none for somebody of this machine.
        from: Option<String>,
    }

    /// A file that has to be removed at the end.
    pub struct KeptFile {
        /// Its path.
        path: PathBuf,
        /// What it is open as.
        fd: Kept,
    }

    /// Failures that have not brought a ban yet.
    pub struct KeptFailures {
        /// From where.
        network: Network,
        /// As whom; none for all who have failed from there.
        user: Option<String>,
        /// What has failed.
        kind: KeptKind,
        /// When, in seconds since 1970.
        times: Vec<u64>,
    }

    /// A worker.
    pub struct KeptWorker {
        /// Its number.
        generation: u32,
        /// Its process id.
        pid: u32,
        /// Its process, as a pidfd.
        process: Kept,
        /// The link to it.
        link: Kept,
        /// The logger's end of its log.
        lines: Kept,
        /// What it does.
        phase: KeptPhase,
        /// The counters of its shards.
        blocks: Vec<Kept>,
    }

    /// A control connection.
    pub struct KeptAsker {
        /// The connection.
        fd: Kept,
        /// Who it is, for the audit log.
        who: String,
        /// The address of whoever has come by the agent; none for somebody of this machine.
        from: Option<String>,
    }
}

variants! {
    /// What somebody has failed at.
    #[derive(Copy, Eq)]
    pub enum KeptKind {
        /// Logins.
        1 Logins,
        /// Requests.
        2 Requests,
    }

    /// How far a worker is.
    pub enum KeptPhase {
        /// Its shards begin.
        1 Starting,
        /// All of them accept.
        2 Serving,
        /// It was told to end.
        3 Leaving {
            /// When it is ended at the latest, in milliseconds from now.
            millis: u64,
        },
    }

    /// To a rehearsal of the program that is to take over.
    pub enum ToRehearsal {
        /// Show that you could. Comes with an encoded [`State`] in sealed memory, whose descriptors it does not have.
        1 Rehearse,
    }

    /// From it.
    pub enum FromRehearsal {
        /// It could.
        1 Fit {
            /// Its version.
            version: String,
        },
        /// It could not.
        2 Unfit {
            /// Why.
            why: String,
        },
    }
}

impl Message for ToRehearsal {
    fn descriptors(&self) -> usize {
        1
    }
}

impl Message for FromRehearsal {}

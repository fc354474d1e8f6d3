//! Whoever commands the server, and the supervisor: a command in, an answer out.

use std::path::PathBuf;

use super::{Message, Network, Proof, UpstreamChange};
use crate::wire::{Bytes, encode, records, variants};

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 32;

/// What nobody signs for another purpose.
const CONTEXT: &[u8] = b"kimura: a command, signed by the holder of a certificate, 1\0";

/// What the holder of a certificate signs to give `command`, with the nonce that the server has given.
#[must_use]
pub fn signed_message(nonce: &[u8], command: &Command) -> Vec<u8> {
    [CONTEXT, nonce, &encode(command)].concat()
}

variants! {
    /// What somebody may do; each rank may do all that the ones before it may.
    #[derive(Copy, Eq, PartialOrd, Ord, Hash)]
    pub enum Rank {
        /// Look.
        1 Viewer,
        /// Change how it runs, within what the configuration says.
        2 Operator,
        /// Change what runs, and end it.
        3 Admin,
    }

    /// A command.
    pub enum Command {
        /// Tell how it runs.
        1 Status,
        /// Read the configuration again and serve it.
        2 Reload {
            /// Only tell what would change.
            plan: bool,
        },
        /// End at once.
        3 Stop,
        /// End when all is answered.
        4 Drain,
        /// Open the log files again, after somebody has moved them away.
        5 RotateLogs,
        /// Change the least important level of the error log.
        6 Verbosity {
            /// 1 errors to 5 traces.
            level: u32,
        },
        /// Go on with another program, or with what the path of this one holds now.
        7 Upgrade {
            /// The program.
            path: Option<PathBuf>,
        },
        /// Tell who is banned.
        30 Bans,
        /// Tell who uses how much of the limits.
        60 Limits,
        /// Change a limit until the next change.
        61 Limit {
            /// Which: its JSON Pointer.
            pointer: String,
            /// What it is to be, as the configuration would have it; what that says without it.
            value: Option<String>,
        },
        /// Show what is logged, as it comes.
        40 Logs,
        /// Tell how the servers are that requests are passed on to.
        50 Upstreams,
        /// Change what becomes of one of them.
        51 Upstream {
            /// Its group.
            group: String,
            /// The server.
            server: String,
            /// What becomes of it.
            change: UpstreamChange,
        },
        /// Ban somebody.
        31 Ban {
            /// Whom.
            network: Network,
            /// For how long; without an end without it.
            seconds: Option<u64>,
            /// Why, in one line.
            reason: String,
        },
        /// Ban somebody no more.
        32 Unban {
            /// Whom: a network that is banned as it is.
            network: Network,
        },
    }

    /// What becomes of a command.
    pub enum Answer {
        /// It is done.
        1 Done {
            /// In one line.
            what: String,
        },
        /// How the server runs. Comes with an encoded [`StatusReport`] in sealed memory.
        2 Status,
        /// What a reload changed, or would change. Comes with an encoded [`PlanReport`] in sealed memory.
        3 Plan,
        /// The proof is wrong, or does not suffice.
        4 Denied {
            /// Why.
            why: String,
        },
        /// It cannot be done now; nothing has changed.
        5 Refused {
            /// Why, and what to do about it.
            why: String,
        },
        /// The configuration is wrong. Comes with the problems in sealed memory.
        6 Problems {
            /// How many.
            count: u32,
        },
        /// What the holder of a certificate has to sign, with the command, within half a minute and once.
        7 Challenge {
            /// [`NONCE_LEN`] random bytes.
            nonce: Bytes,
        },
        /// Who is banned. Comes with an encoded [`super::BansReport`] in sealed memory.
        30 Bans,
        /// How servers are that requests are passed on to. Comes with an encoded [`super::UpstreamsReport`] in sealed memory.
        50 Upstreams,
        /// Who uses how much. Comes with an encoded [`super::LimitsReport`] in sealed memory.
        60 Limits,
        /// The logs, as they come. Comes with a ring of [`sys::broadcast`], for reading.
        40 Logs,
    }
}

records! {
    /// A command and the proof that it may be given.
    pub struct Request {
        /// The version of the links.
        version: u32,
        /// What is to be done.
        command: Command,
        /// Who says so.
        proof: Proof,
    }

    /// How the server runs.
    pub struct StatusReport {
        /// Version of the program.
        version: String,
        /// Process id of the supervisor.
        pid: u32,
        /// Seconds since it began.
        uptime_seconds: u64,
        /// What is served.
        origin: String,
        /// Addresses, as they are written.
        addresses: Vec<String>,
        /// How often the configuration was changed.
        reloads: u32,
        /// How often the program was.
        upgrades: u32,
        /// Processes that serve.
        workers: Vec<WorkerReport>,
        /// Workers that ended without being told to.
        crashes: u32,
        /// What became of all connections and requests, name by name.
        ledger: Vec<LedgerEntry>,
        /// Whether the ledger comes out even.
        even: bool,
        /// Wrong proofs so far.
        wrong_proofs: u64,
        /// Logins of clients that auth has judged, name by name.
        logins: Vec<LedgerEntry>,
        /// What became of all lines of the access logs, name by name.
        lines: Vec<LedgerEntry>,
        /// The access logs, one by one.
        logs: Vec<LogReport>,
    }

    /// An access log. Lines taken = delivered + dropped + queued.
    pub struct LogReport {
        /// Where its lines go.
        name: String,
        /// Lines that have come in.
        taken: u64,
        /// Lines that were delivered.
        delivered: u64,
        /// Lines that were given up.
        dropped: u64,
        /// Lines that wait.
        queued: u64,
        /// Whether delivery fails at present.
        failing: bool,
        /// Files that were put aside.
        put_aside: u64,
        /// How often a file could not be put aside, looked after or compressed.
        troubles: u64,
    }

    /// One number of the ledger.
    pub struct LedgerEntry {
        /// What is counted.
        name: String,
        /// How often.
        count: u64,
    }

    /// A process that serves.
    pub struct WorkerReport {
        /// Its number.
        generation: u32,
        /// Its process id; 0 when it is no process of its own.
        pid: u32,
        /// What it does: starting, serving or draining.
        state: String,
        /// Number of shards.
        shards: u32,
    }

    /// What a reload changes.
    pub struct PlanReport {
        /// Whether it was carried out.
        done: bool,
        /// Hosts that go on as they are.
        kept: Vec<String>,
        /// Hosts that change.
        replaced: Vec<String>,
        /// Hosts that are new.
        added: Vec<String>,
        /// Hosts that are no more.
        removed: Vec<String>,
        /// Addresses that are new.
        opened: Vec<String>,
        /// Addresses that are no more.
        closed: Vec<String>,
        /// Keys whose change takes a new worker beside the old one.
        new_worker: Vec<String>,
        /// Keys whose change takes a restart of the server, and which stay as they were.
        restart: Vec<String>,
    }
}

impl Message for Request {}

impl Message for Answer {
    fn descriptors(&self) -> usize {
        usize::from(matches!(
            self,
            Self::Status
                | Self::Plan
                | Self::Bans
                | Self::Upstreams
                | Self::Limits
                | Self::Logs
                | Self::Problems { .. }
        ))
    }
}

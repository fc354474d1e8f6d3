//! Supervisor and check: the text of a configuration in, what it needs out.

use std::path::PathBuf;

use super::{BanNeeds, Hello, Message, PamNeeds, Rank, Receiver, RotationNeeds, UpstreamNeeds};
use crate::wire::{Bytes, records, variants};

variants! {
    /// To check.
    pub enum ToCheck {
        /// The first frame: examine this. Comes with the text of the configuration in sealed memory, empty when there
        /// is none.
        1 Examine {
            /// As every child is told.
            hello: Hello,
            /// What to examine.
            subject: Subject,
            /// How far to go.
            depth: Depth,
        },
        /// Look also at what the files hold that others cannot open. Comes with encoded [`Contents`] in sealed memory:
        /// of those for workers, of those for auth, and of those for the agent.
        3 Judge,
        /// What the supervisor could not do for it, to be told in terms of the text.
        2 Explain {
            /// All of it.
            troubles: Vec<Trouble>,
        },
    }

    /// From check.
    pub enum FromCheck {
        /// The configuration is right. Comes with its text without secrets, which workers read, and with an encoded
        /// [`Needs`], both in sealed memory.
        1 Needs {
            /// Where it comes from, for workers: without the secrets of the command line.
            subject: Subject,
        },
        /// The files that it needs are right, too.
        3 Fit,
        /// It is not, or could not be carried out. Comes with the problems in sealed memory, to be shown to people.
        2 Problems {
            /// How many.
            count: u32,
        },
    }

    /// How far an examination goes.
    pub enum Depth {
        /// The text alone.
        1 Text,
        /// Also the folders and files that it names, as the user that will serve them.
        2 Whole,
        /// The text, and where the names of receivers of logs lead.
        3 Names,
    }

    /// Whom the contents of a file are handed to.
    #[derive(Copy, Eq)]
    pub enum Audience {
        /// Those who serve.
        1 Workers,
        /// Auth alone.
        2 Auth,
        /// The agent alone.
        3 Agent,
        /// Nobody: it is only looked at whether it is another one now. It need not be there.
        4 Nobody,
    }

    /// Where a configuration comes from.
    pub enum Subject {
        /// A file.
        1 File {
            /// Its name in messages.
            name: String,
            /// What the command line sets.
            settings: Vec<Setting>,
        },
        /// The built-in configuration for a folder.
        2 Folder {
            /// The folder.
            path: PathBuf,
            /// What the command line sets.
            settings: Vec<Setting>,
        },
    }

    /// One value that the command line sets.
    pub enum Setting {
        /// `--set`, with its argument.
        1 Set {
            /// The argument.
            argument: String,
        },
        /// `--user`
        2 User {
            /// Name or number.
            name: String,
        },
        /// `--group`
        3 Group {
            /// Name or number.
            name: String,
        },
        /// `--daemon`
        4 Background,
        /// `--verbose`
        5 Foreground,
    }

    /// Where lines go.
    #[derive(Eq, Hash)]
    pub enum Output {
        /// Standard output.
        1 Stdout,
        /// Standard error.
        2 Stderr,
        /// A file.
        3 File {
            /// Its path.
            path: PathBuf,
        },
        /// A receiver that is reached by a socket.
        4 Receiver {
            /// Name of the log.
            log: String,
            /// Names what the configuration says of it: the same text for the same.
            identity: String,
            /// What messages call it.
            title: String,
            /// What it is.
            receiver: Receiver,
        },
    }
}

records! {
    /// What a configuration needs: everything that the supervisor has to know of it, and nothing of its text.
    pub struct Needs {
        /// Addresses to listen on, in the order in which the site numbers them.
        listeners: Vec<ListenNeeds>,
        /// Connections that may wait at each listening socket.
        backlog: u32,
        /// Access logs, in the order in which the logger numbers them.
        access_logs: Vec<LogNeeds>,
        /// The error log.
        error_log: LogNeeds,
        /// The least important level that goes there: 1 errors to 5 traces.
        error_level: u32,
        /// Name or number of the user to serve as.
        user: Option<String>,
        /// Name or number of the group to serve as.
        group: Option<String>,
        /// Number of shards; none for one on each core.
        shards: Option<u32>,
        /// File for the process id.
        pid_file: Option<PathBuf>,
        /// Whether to go to the background.
        daemon: bool,
        /// Whether each role is a process of its own.
        privsep: bool,
        /// Whether the processes give up what they do not need.
        sandbox: bool,
        /// Files and folders that workers read from.
        readable: Vec<ReadNeeds>,
        /// Certificates and keys, users and groups, in the order in which each audience reads its own.
        files: Vec<FileNeeds>,
        /// How long requests may go on after the end was asked for, in milliseconds.
        drain_millis: u64,
        /// Most connections of a shard.
        connections_per_shard: u32,
        /// Whether that number is only the default, which nobody relies on.
        connections_by_default: bool,
        /// The hosts.
        hosts: Vec<HostNeeds>,
        /// Commands from outside.
        control: ControlNeeds,
        /// For the auth process alone: encoded [`super::Realms`].
        realms: Bytes,
        /// Who is banned; none is without it.
        bans: Option<BanNeeds>,
        /// Where the configuration has limits on what clients use: JSON Pointers of the sections.
        limits: Vec<String>,
        /// Whether a place shows the counters.
        metrics: bool,
        /// Every place where PAM is asked.
        pam: Vec<PamNeeds>,
        /// Groups of servers that requests are passed on to.
        upstreams: Vec<UpstreamNeeds>,
    }

    /// An address to listen on.
    pub struct ListenNeeds {
        /// As [`sys::net::Address`] is written.
        address: String,
        /// Whether TLS is spoken there.
        secure: bool,
        /// Where the configuration says so.
        pointer: String,
    }

    /// A file or folder that workers read from.
    pub struct ReadNeeds {
        /// Its path.
        path: PathBuf,
        /// Where the configuration says so.
        pointer: String,
    }

    /// A file that is opened by who has the rights, and handed over as what it holds.
    pub struct FileNeeds {
        /// Its path.
        path: PathBuf,
        /// Where the configuration says so.
        pointer: String,
        /// Whether nobody else is to know what it holds.
        secret: bool,
        /// Whom it is for.
        audience: Audience,
    }

    /// What the files of an audience hold, in the order of [`Needs::files`].
    pub struct Contents {
        /// Each of them.
        files: Vec<Bytes>,
    }

    /// A log to be opened.
    pub struct LogNeeds {
        /// Where its lines go.
        output: Output,
        /// Cells of 64 bits for the lines that wait; none when none do.
        cells: u64,
        /// Cells in addition for what comes of one shard when requests have begun to wait.
        cells_per_shard: u64,
        /// Bytes of lines with which requests begin to wait; none when the oldest lines are given up instead.
        hold_at: Option<u64>,
        /// The file in which its lines wait; none when they wait in memory.
        spill: Option<SpillNeeds>,
        /// When its file is put aside; none where others see to that.
        rotation: Option<RotationNeeds>,
        /// Whether its receiver has a name that can lead elsewhere one day.
        named: bool,
        /// Whether it gets the messages of the error log, too.
        messages: bool,
        /// Where the configuration says so.
        pointer: String,
    }

    /// A file in which lines wait.
    pub struct SpillNeeds {
        /// Its path.
        path: PathBuf,
        /// Where the configuration says so.
        pointer: String,
    }

    /// A host, as far as a comparison of two configurations needs it.
    pub struct HostNeeds {
        /// Its name.
        name: String,
        /// Changes when anything of it changes.
        digest: u64,
        /// How many locations it has.
        locations: u32,
    }

    /// Who may command what.
    pub struct ControlNeeds {
        /// Path of the socket; without one nobody may.
        socket: Option<PathBuf>,
        /// Mode of the socket's file.
        mode: u32,
        /// The record of commands; without it they are told in the error log.
        audit_log: Option<PathBuf>,
        /// Users and groups of the machine.
        peers: Vec<PeerEntry>,
        /// Users with a password, by name.
        users: Vec<RankEntry>,
        /// Tokens, by name.
        tokens: Vec<RankEntry>,
        /// For the auth process alone: an encoded [`super::Secrets`].
        secrets: Bytes,
        /// Certificates, by the names of their holders.
        certificates: Vec<RankEntry>,
        /// Addresses for commands from elsewhere; without any there is no agent.
        remote: Vec<ListenNeeds>,
    }

    /// A user or group of the machine and what it may do.
    pub struct PeerEntry {
        /// Name or number.
        name: String,
        /// Whether it is a group.
        group: bool,
        /// What it may do.
        rank: Rank,
        /// Where the configuration says so.
        pointer: String,
    }

    /// A name and what it may do.
    pub struct RankEntry {
        /// The name.
        name: String,
        /// What it may do.
        rank: Rank,
    }

    /// Something that could not be done.
    pub struct Trouble {
        /// For which value of the configuration.
        pointer: String,
        /// What is wrong.
        cause: String,
        /// What to do about it.
        cure: String,
    }
}

impl Needs {
    /// Whether TLS is spoken anywhere.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.listeners.iter().any(|listener| listener.secure)
    }
}

impl Message for ToCheck {
    fn descriptors(&self) -> usize {
        match self {
            Self::Examine { .. } => 1,
            Self::Judge => 3,
            Self::Explain { .. } => 0,
        }
    }
}

impl Message for FromCheck {
    fn descriptors(&self) -> usize {
        match self {
            Self::Needs { .. } => 2,
            Self::Problems { .. } => 1,
            Self::Fit => 0,
        }
    }
}

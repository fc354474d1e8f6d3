//! Supervisor and worker: sockets and sites in, words of readiness out.

use super::{Hello, LimitUse, LoginOutcome, Message, Network, Output, Subject};
use crate::wire::{Bytes, Secret, variants};

variants! {
    /// To a worker.
    pub enum ToWorker {
        /// The first frame.
        1 Hello {
            /// As every child is told.
            hello: Hello,
            /// Number of this worker among all that there were.
            generation: u32,
            /// The core of each shard.
            cores: Vec<u32>,
        },
        /// The counters of a shard, in the order of the shards. Comes with the memory.
        2 Counters,
        /// Where batches of log lines go. Comes with a socket to the logger.
        3 Log,
        /// Where the logger says which logs cannot keep up. Comes with a cell for each number, for reading.
        35 Pressure {
            /// How many cells they are.
            sinks: u32,
        },
        /// What viewers of the logs see. Comes with a ring of [`sys::broadcast`], for reading.
        40 Tail,
        /// What scrapers see: texts of which the newest one counts. Comes with a ring of [`sys::broadcast`], for reading.
        41 Metrics,
        /// The configuration that the next `Start` or `Prepare` is about. Comes with its text, without secrets, in
        /// sealed memory.
        4 Configuration {
            /// Where it comes from.
            subject: Subject,
        },
        /// What the files of that configuration hold. Comes with an encoded [`super::Contents`] in sealed memory.
        18 Files,
        /// The keys of session tickets that the next `Start` or `Prepare` is to use, the one that seals first.
        19 Tickets {
            /// 48 bytes each.
            keys: Vec<Bytes>,
        },
        /// Who is banned from now on. Comes with what [`auth::bans::Bans::pack`] gives, in sealed memory.
        30 Bans,
        /// Nobody is banned any more.
        31 NoBans,
        /// What was ordered of servers that requests are passed on to, all of it. Comes with an encoded list of
        /// [`super::UpstreamOrder`] in sealed memory.
        50 UpstreamOrders,
        /// A number that nobody outside knows, by which cookies are made that name these servers.
        52 CookieSecret {
            /// The same for all workers in the life of a server.
            number: u64,
        },
        /// Say how these servers are.
        51 ReportUpstreams,
        /// Limits that somebody has changed, all of them.
        60 Limits {
            /// Each as `POINTER=VALUE`, as on the command line.
            settings: Vec<String>,
        },
        /// Tell who uses how much of the limits.
        61 TellLimits,
        /// A socket of that configuration for a shard. Comes with it.
        6 Socket {
            /// The shard.
            shard: u32,
            /// Names the socket for the life of the server.
            id: u32,
            /// The number of its address in the site.
            address: u32,
        },
        /// A destination of log lines, in the order of their numbers; those that are known already are not repeated.
        15 Sink {
            /// What the configuration calls it.
            output: Output,
        },
        /// Begin to serve that configuration.
        7 Start,
        /// Hold that configuration ready beside the one that is served.
        8 Prepare,
        /// Serve what is held ready.
        9 Commit,
        /// Drop what is held ready.
        10 Abort,
        /// Accept no more, and end when all is answered.
        11 Drain {
            /// What is not answered after so many milliseconds is given up.
            millis: u64,
        },
        /// As `Drain`, with a successor at the same sockets: connections without a request may ask once more.
        16 Retire {
            /// As of `Drain`.
            millis: u64,
        },
        /// Accept whoever waits: another worker has let go of the same sockets, and may have been told of connections
        /// that it has not accepted.
        17 Look,
        /// End at once.
        12 Stop,
        /// The least important level of the error log: 1 errors to 5 traces.
        13 Verbosity {
            /// The level.
            level: u32,
        },
        /// What becomes of a login that was asked about.
        20 Judged {
            /// Which.
            ticket: u64,
            /// What becomes of it.
            outcome: LoginOutcome,
            /// Whether it may be remembered: it was judged by what is in force.
            lasting: bool,
            /// The ban that has come of it.
            led_to: LedTo,
        },
        /// Nothing that is remembered of logins holds any more.
        21 ForgetLogins,
        /// A new error log. Comes with its descriptor.
        14 ErrorLog,
    }

    /// What has come of a failed login beside its outcome.
    #[derive(Copy, Eq)]
    pub enum LedTo {
        /// Nothing.
        1 Nothing,
        /// This user is banned from where the client is.
        2 BanOfUser,
        /// Everybody there is banned.
        3 BanOfClient,
    }

    /// From a worker.
    pub enum FromWorker {
        /// Every shard accepts.
        1 Serving,
        /// Every shard holds the next configuration ready.
        2 Prepared,
        /// Every shard serves it.
        4 Committed,
        /// They cannot begin, or cannot serve the next configuration; what is served stays.
        3 Refused {
            /// Why, for people.
            why: String,
        },
        /// Nothing is accepted any more: what waits is the successor's.
        6 LetGo,
        /// A client wants to log in.
        7 Login {
            /// Names it in the answer.
            ticket: u64,
            /// Where to.
            realm: u64,
            /// The name.
            user: String,
            /// The password.
            secret: Secret,
            /// The client's IP address: 4 or 16 bytes, none when it has no such address.
            client: Bytes,
        },
        /// Clients have made bad requests: each stands there as often as it has.
        30 Offenders {
            /// Their addresses.
            clients: Vec<Network>,
        },
        /// How servers are that requests are passed on to. Comes with an encoded [`super::UpstreamsReport`] in sealed memory.
        50 Upstreams,
        /// Who uses how much of the limits.
        60 LimitsTold {
            /// Places, then those clients for whom limits have done most.
            uses: Vec<LimitUse>,
        },
        /// All shards have ended.
        5 Ended {
            /// Lines of the access logs that were given up.
            lines_lost: u64,
        },
    }
}

impl Message for ToWorker {
    fn descriptors(&self) -> usize {
        usize::from(matches!(
            self,
            Self::Counters
                | Self::Log
                | Self::Pressure { .. }
                | Self::Tail
                | Self::Metrics
                | Self::Configuration { .. }
                | Self::Files
                | Self::Bans
                | Self::UpstreamOrders
                | Self::Socket { .. }
                | Self::ErrorLog
        ))
    }
}

impl Message for FromWorker {
    fn descriptors(&self) -> usize {
        usize::from(matches!(self, Self::Upstreams))
    }
}

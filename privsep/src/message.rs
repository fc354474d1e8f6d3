//! Every message of every link. Each link has one enum for each direction, so that a message in the wrong one does
//! not compile.

mod agent;
mod auth;
mod bans;
mod check;
mod control;
mod limits;
mod logger;
mod pam;
mod receiver;
mod rotation;
mod state;
mod upstreams;
mod worker;

pub use agent::{FromAgent, ToAgent};
pub use auth::{
    CertificateEntry, FromAuth, LoginOutcome, Proof, RealmEntry, Realms, Secrets, ToAuth, TokenEntry,
    UserEntry,
};
pub use bans::{BanNeeds, BanReport, BansReport, Network};
pub use check::{
    Audience, Contents, ControlNeeds, Depth, FileNeeds, FromCheck, HostNeeds, ListenNeeds, LogNeeds, Needs,
    Output, PeerEntry, RankEntry, ReadNeeds, Setting, SpillNeeds, Subject, ToCheck, Trouble,
};
pub use control::{
    Answer, Command, LedgerEntry, LogReport, NONCE_LEN, PlanReport, Rank, Request, StatusReport,
    WorkerReport, signed_message,
};
pub use limits::{LimitUse, LimitsReport};
pub use logger::{FromLogger, ToLogger};
pub use pam::{FromPam, PamLogin, PamNeeds, PamVerdict, ToPam};
pub use receiver::{AUTHORITY_MAX, GearmanServer, Labels, Receiver, SyslogFraming, SyslogShape, SyslogWay};
pub use rotation::{Clocks, Every, Method, Naming, RotationNeeds};
pub use state::{
    FromRehearsal, Kept, KeptAsker, KeptDoor, KeptFailures, KeptFile, KeptKind, KeptListener, KeptPassed,
    KeptPhase, KeptProcess, KeptSilent, KeptSink, KeptSocket, KeptWorker, STATE_VERSION, State, ToRehearsal,
};
pub use upstreams::{
    UpstreamChange, UpstreamNeeds, UpstreamOrder, UpstreamReport, UpstreamState, UpstreamsReport,
};
pub use worker::{FromWorker, LedTo, ToWorker};

use std::path::PathBuf;

use crate::wire::{Wire, records};

/// Version of all links together. Both ends are the same program nearly always; during an upgrade they are not, and
/// then the older one has to know before it misunderstands.
pub const LINK_VERSION: u32 = 1;

records! {
    /// What every child is told first.
    pub struct Hello {
        /// [`LINK_VERSION`] of the supervisor.
        version: u32,
        /// Who to become; none to stay.
        identity: Option<IdentityEntry>,
        /// The least important level of the error log: 1 errors to 5 traces.
        level: u32,
        /// The folder that relative paths are meant for.
        folder: PathBuf,
        /// Whether to give up what the role does not need, beside the user.
        sandbox: bool,
    }

    /// A user and its groups.
    pub struct IdentityEntry {
        /// The user.
        uid: u32,
        /// The main group.
        gid: u32,
        /// All others.
        groups: Vec<u32>,
    }
}

/// One direction of a link.
pub trait Message: Wire {
    /// How many descriptors the message comes with; any other number is a bad frame.
    fn descriptors(&self) -> usize {
        0
    }
}

//! The processes of the server: which there are, how they talk, and the one that holds the rights.
//!
//! - [`role`]: the table of processes;
//! - [`wire`]: values to bytes and back; [`message`]: every message; [`link`]: one end of a link;
//!   [`sealed`]: what is too long for a frame;
//! - [`stage`]: how a role is started, as a process or as a thread;
//! - [`child`]: what a child does first;
//! - [`supervisor`]: the process that opens, binds, starts and replaces.
#![forbid(unsafe_code)]

pub mod child;
#[doc(hidden)]
pub mod fuzzing;
pub mod link;
pub mod message;
pub mod role;
pub mod sealed;
pub mod stage;
pub mod supervisor;
pub mod wire;

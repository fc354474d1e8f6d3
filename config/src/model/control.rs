//! Commands to the running server: `/server/control`.

use std::path::PathBuf;

use super::Listen;

/// `/server/control`: who may command what, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// Path of the socket; without it there are no commands.
    pub socket: Option<PathBuf>,
    /// Mode of the socket's file.
    pub mode: u32,
    /// File to which every command is appended.
    pub audit_log: Option<PathBuf>,
    /// Users and groups of the machine, each with what it may do.
    pub peers: Vec<(Peer, Rank)>,
    /// Names of users with what they may do and the hash of a password, as crypt(5) writes it.
    pub users: Vec<(String, Rank, String)>,
    /// Names of tokens with what they allow and their SHA-256.
    pub tokens: Vec<(String, Rank, [u8; 32])>,
    /// Commands from elsewhere.
    pub remote: Option<Remote>,
}

/// `/server/control/remote`: commands from elsewhere, over TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// Where connections come; never empty.
    pub listen: Vec<Listen>,
    /// The certificate of the server and those that lead to its authority, in PEM.
    pub chain: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// Names of those who have a certificate, with what they may do and its SHA-256.
    pub certificates: Vec<(String, Rank, [u8; 32])>,
    /// JSON Pointer of the section.
    pub pointer: String,
}

/// What somebody may do; each rank may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Look.
    Viewer,
    /// Reload, and see to the logs.
    Operator,
    /// End the server.
    Admin,
}

/// A user or a group of the machine, by name or number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// `user:NAME`
    User(String),
    /// `group:NAME`
    Group(String),
}

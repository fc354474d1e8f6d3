//! Who may command what.

use std::os::fd::BorrowedFd;

use sys::creds::{find_gid, find_uid};
use sys::packet::{Peer, peer};

use crate::message::{Command, ControlNeeds, PeerEntry, Rank, Trouble};

/// The rank that a command takes.
pub(crate) fn needed(command: &Command) -> Rank {
    match command {
        Command::Status
        | Command::Bans
        | Command::Upstreams
        | Command::Limits
        | Command::Logs
        | Command::Reload { plan: true } => Rank::Viewer,
        Command::RotateLogs
        | Command::Verbosity { .. }
        | Command::Ban { .. }
        | Command::Unban { .. }
        | Command::Upstream { .. }
        | Command::Limit { .. }
        | Command::Reload { plan: false } => Rank::Operator,
        Command::Stop | Command::Drain | Command::Upgrade { .. } => Rank::Admin,
    }
}

/// What somebody claims to know or to have. A name of one kind is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The password of a user.
    Password,
    /// A token.
    Token,
    /// The key of a certificate.
    Certificate,
}

/// Users, groups and names with what they may do.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    /// Who started the server; as root may do all.
    own_uid: u32,
    users: Vec<(u32, Rank)>,
    groups: Vec<(u32, Rank)>,
    names: Vec<(Claim, String, Rank)>,
}

impl Permits {
    /// As a configuration says.
    ///
    /// # Errors
    /// Users and groups that the machine does not have.
    pub(crate) fn new(needs: &ControlNeeds, own_uid: u32) -> Result<Self, Vec<Trouble>> {
        let mut permits = Self { own_uid, ..Self::default() };
        let mut troubles = Vec::new();
        for entry in &needs.peers {
            match number(entry) {
                Ok(number) if entry.group => permits.groups.push((number, entry.rank)),
                Ok(number) => permits.users.push((number, entry.rank)),
                Err(trouble) => troubles.push(trouble),
            }
        }
        for (claim, entries) in [
            (Claim::Password, &needs.users),
            (Claim::Token, &needs.tokens),
            (Claim::Certificate, &needs.certificates),
        ] {
            let names = entries.iter().map(|entry| (claim, entry.name.clone(), entry.rank));
            permits.names.extend(names);
        }
        if troubles.is_empty() { Ok(permits) } else { Err(troubles) }
    }

    /// The rank of whoever is at the other end, by the kernel's word.
    pub(crate) fn of_peer(&self, peer: Peer) -> Option<Rank> {
        if peer.uid == 0 || peer.uid == self.own_uid {
            return Some(Rank::Admin);
        }
        let user = self.users.iter().filter(|(uid, _)| *uid == peer.uid);
        let group = self.groups.iter().filter(|(gid, _)| *gid == peer.gid);
        user.chain(group).map(|&(_, rank)| rank).max()
    }

    /// The rank of whoever has that name among those of that claim, which auth has told.
    pub(crate) fn of_name(&self, claim: Claim, name: &str) -> Option<Rank> {
        let known = self.names.iter().find(|(of, known, _)| *of == claim && known == name);
        known.map(|&(.., rank)| rank)
    }
}

fn number(entry: &PeerEntry) -> Result<u32, Trouble> {
    let found = if entry.group { find_gid(&entry.name) } else { find_uid(&entry.name) };
    found.map_err(|error| {
        let message = error.to_string();
        let (cause, cure) = message.split_once(": ").unwrap_or((&message, "name another"));
        Trouble { pointer: entry.pointer.clone(), cause: cause.to_owned(), cure: cure.to_owned() }
    })
}

/// Who is there, or nobody that could be allowed anything.
pub(crate) fn who(socket: BorrowedFd<'_>) -> Peer {
    peer(socket).unwrap_or(Peer { pid: 0, uid: u32::MAX, gid: u32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::RankEntry;
    use crate::wire::Bytes;

    #[test]
    fn ranks() {
        let rank_entry = |name: &str, rank| RankEntry { name: name.to_owned(), rank };
        let peer_entry = |name: &str, group, rank| PeerEntry {
            name: name.to_owned(),
            group,
            rank,
            pointer: String::new(),
        };
        let needs = ControlNeeds {
            socket: None,
            mode: 0o600,
            audit_log: None,
            peers: vec![peer_entry("1000", false, Rank::Viewer), peer_entry("50", true, Rank::Operator)],
            users: vec![rank_entry("anna", Rank::Operator)],
            // Names are told apart by what they are names of.
            tokens: vec![rank_entry("deploy", Rank::Admin), rank_entry("anna", Rank::Viewer)],
            certificates: vec![rank_entry("laptop", Rank::Operator), rank_entry("anna", Rank::Admin)],
            remote: Vec::new(),
            secrets: Bytes::default(),
        };
        let permits = Permits::new(&needs, 7).unwrap();
        for (uid, gid, wanted) in [
            (0, 0, Some(Rank::Admin)),
            (7, 1, Some(Rank::Admin)),
            (1000, 1, Some(Rank::Viewer)),
            (1000, 50, Some(Rank::Operator)),
            (1001, 50, Some(Rank::Operator)),
            (1001, 51, None),
            (u32::MAX, u32::MAX, None),
        ] {
            assert_eq!(permits.of_peer(Peer { pid: 1, uid, gid }), wanted, "{uid} {gid}");
        }
        for (claim, name, wanted) in [
            (Claim::Password, "anna", Some(Rank::Operator)),
            (Claim::Token, "anna", Some(Rank::Viewer)),
            (Claim::Certificate, "anna", Some(Rank::Admin)),
            (Claim::Token, "deploy", Some(Rank::Admin)),
            (Claim::Password, "deploy", None),
            (Claim::Certificate, "laptop", Some(Rank::Operator)),
            (Claim::Password, "otto", None),
        ] {
            assert_eq!(permits.of_name(claim, name), wanted, "{claim:?} {name}");
        }
        let unknown = ControlNeeds { peers: vec![peer_entry("no such user", false, Rank::Viewer)], ..needs };
        assert_eq!(Permits::new(&unknown, 7).unwrap_err().len(), 1);
    }
}

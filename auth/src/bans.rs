//! Bans: after failures within a window, for a time that grows.
//!
//! What is counted and banned is an address prefix, or a user from a prefix: never the user alone, since then anybody
//! could lock out a victim by failing in their name.
//!
//! One writer has [`Bans`] and publishes a [`BanTable`] whenever something has changed or ended. Time is handed in, in
//! seconds since 1970.

mod prefixes;
mod table;
mod text;
mod watch;

pub use table::BanTable;
pub use watch::Kind;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use crate::limits::{BANNED_NAME_LEN_MAX, BANS_MAX, FAILURES_MAX, REASON_LEN_MAX, WATCHED_MAX};
use crate::prefix::Prefix;
use watch::Watch;

/// When what is banned, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The failed login of a prefix, within the window, that bans it; 1 to [`FAILURES_MAX`].
    pub prefix_failures: u32,
    /// The one for one user from a prefix that bans this user from there. It does something where it is lower, such as
    /// for many people behind one address.
    pub user_failures: u32,
    /// The bad request of a prefix that bans it; none when they do not count.
    pub bad_requests: Option<u32>,
    /// How long a failure counts, in seconds.
    pub window_seconds: u64,
    /// How long the first ban lasts, in seconds. Each further one lasts twice as long.
    pub duration_seconds: u64,
    /// How long a ban lasts at most, in seconds. Its number is forgotten when the same time has passed after its end.
    pub duration_max_seconds: u64,
    /// Bits of an IPv4 address that are watched together, 0 to 32.
    pub v4_len: u8,
    /// Bits of an IPv6 address that are watched together, 0 to 128.
    pub v6_len: u8,
    /// Who is never banned; trusted proxies belong here, since all of their clients come from one address.
    pub exempt: Vec<Prefix>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            prefix_failures: 20,
            user_failures: 5,
            bad_requests: None,
            window_seconds: 600,
            duration_seconds: 600,
            duration_max_seconds: 86_400,
            v4_len: 32,
            v6_len: 64,
            exempt: Vec::new(),
        }
    }
}

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// From where.
    pub prefix: Prefix,
    /// Only this user from there; none for everybody.
    pub user: Option<Box<str>>,
}

/// A ban, or one that is over and is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub subject: Subject,
    /// The how-manieth of this subject; the first is 1.
    pub count: u32,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Until when; none for a ban without an end.
    pub until: Option<u64>,
    /// Why.
    pub reason: Reason,
}

/// Why somebody is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Failed logins.
    Logins,
    /// Bad requests.
    Requests,
    /// Somebody has said so, with these words.
    Hand(String),
}

/// Why somebody is banned, without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Failed logins.
    Logins,
    /// Bad requests.
    Requests,
    /// Somebody has said so.
    Hand,
}

impl Reason {
    /// The kind of it.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Logins => Cause::Logins,
            Self::Requests => Cause::Requests,
            Self::Hand(_) => Cause::Hand,
        }
    }
}

/// What somebody has failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence<'r> {
    /// A login as this user.
    Login(&'r str),
    /// A request that is bad, or for something that nobody asks for by chance.
    Request,
}

/// Failures that have not brought a ban yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whose.
    pub subject: Subject,
    /// Of what kind.
    pub kind: Kind,
    /// When, in seconds since 1970; the latest [`FAILURES_MAX`] count.
    pub times: Vec<u64>,
}

/// Why a ban cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadBan {
    /// All of the prefix is exempt, by this entry.
    Exempt(Prefix),
    /// The name of the user is empty or too long.
    User,
    /// The reason is too long, or has a control character.
    Reason,
    /// There are as many bans without an end as there can be.
    Full,
}

impl fmt::Display for BadBan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exempt(prefix) => {
                write!(
                    f,
                    "the prefix is exempt from bans by {prefix}: take that out of the configuration first"
                )
            }
            Self::User => write!(
                f,
                "the name of the user is empty or longer than {BANNED_NAME_LEN_MAX} bytes: ban the prefix as a whole"
            ),
            Self::Reason => write!(
                f,
                "the reason is longer than {REASON_LEN_MAX} bytes or has a control character: write it in one short line"
            ),
            Self::Full => {
                write!(f, "there are {BANS_MAX} bans without an end: lift some with `kimura unban`")
            }
        }
    }
}

impl std::error::Error for BadBan {}

/// All bans and who is watched.
pub struct Bans {
    policy: Policy,
    watch: Watch,
    bans: BTreeMap<Subject, Ban>,
    /// Those with an end, by it. Where there is no room the one goes that ends first: the room of one that has ended
    /// costs nobody anything, and to push out one that has not, an attacker has to get others banned that end later,
    /// each at the price of a whole ban.
    ends: BTreeSet<(u64, Subject)>,
}

impl Bans {
    /// No bans.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, watch: Watch::new(WATCHED_MAX), bans: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// Goes by another policy from now on. Bans stay as they were given.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Counts a failure of `address` at `now`. Returns the bans that it brings, at most two.
    pub fn fail(&mut self, now: u64, address: IpAddr, offence: Offence<'_>) -> Vec<Ban> {
        if self.policy.exempt.iter().any(|exempt| exempt.contains(address)) {
            return Vec::new();
        }
        let prefix = Prefix::of(address, self.policy.v4_len, self.policy.v6_len);
        let all = Subject { prefix, user: None };
        let mut counted = Vec::new();
        match offence {
            Offence::Login(user) => {
                counted.push((all, Reason::Logins, self.policy.prefix_failures));
                if (1..=BANNED_NAME_LEN_MAX).contains(&user.len()) {
                    let subject = Subject { prefix, user: Some(user.into()) };
                    counted.push((subject, Reason::Logins, self.policy.user_failures));
                }
            }
            Offence::Request => {
                counted.extend(self.policy.bad_requests.map(|most| (all, Reason::Requests, most)));
            }
        }
        counted
            .into_iter()
            .filter_map(|(subject, reason, most)| self.count(now, subject, reason, most))
            .collect()
    }

    fn count(&mut self, now: u64, subject: Subject, reason: Reason, most: u32) -> Option<Ban> {
        // What was under way when the ban came does not make it longer.
        if self.bans.get(&subject).is_some_and(|ban| ban.lasts(now)) {
            return None;
        }
        let most = most.clamp(1, FAILURES_MAX);
        let kind = if reason == Reason::Requests { Kind::Requests } else { Kind::Logins };
        let key = (subject, kind);
        if !self.watch.note(&key, now, self.policy.window_seconds, most) {
            return None;
        }
        let (subject, _) = key;
        let count = self.bans.get(&subject).map_or(0, |ban| ban.count).saturating_add(1);
        let until = Some(now.saturating_add(self.policy.duration(count)));
        self.insert(Ban { subject, count, since: now, until, reason }).ok()
    }

    /// What was counted and has brought no ban yet, of at most [`WATCHED_MAX`] subjects.
    pub fn counted(&self) -> impl Iterator<Item = Counted> {
        self.watch.counted()
    }

    /// Goes on from what a writer before this one has counted.
    pub fn recall(&mut self, counted: Counted) {
        let Subject { prefix, user } = &counted.subject;
        let exempt = self.policy.exempt.iter().any(|exempt| exempt.covers(*prefix));
        let too_long = user.as_ref().is_some_and(|user| user.len() > BANNED_NAME_LEN_MAX);
        if !exempt && !too_long {
            self.watch.recall(counted);
        }
    }

    /// Bans by hand, for `seconds` or without an end. The number of bans goes on.
    ///
    /// # Errors
    /// Why it cannot be given.
    pub fn ban(
        &mut self,
        now: u64,
        subject: Subject,
        seconds: Option<u64>,
        reason: String,
    ) -> Result<Ban, BadBan> {
        if let Some(exempt) = self.policy.exempt.iter().find(|exempt| exempt.covers(subject.prefix)) {
            return Err(BadBan::Exempt(*exempt));
        }
        if subject.user.as_ref().is_some_and(|user| user.is_empty() || user.len() > BANNED_NAME_LEN_MAX) {
            return Err(BadBan::User);
        }
        if reason.len() > REASON_LEN_MAX || reason.chars().any(char::is_control) {
            return Err(BadBan::Reason);
        }
        let count = self.bans.get(&subject).map_or(0, |ban| ban.count).saturating_add(1);
        let until = seconds.map(|seconds| now.saturating_add(seconds));
        self.insert(Ban { subject, count, since: now, until, reason: Reason::Hand(reason) })
    }

    /// Lifts a ban and forgets all that was counted of its subject. Returns it.
    pub fn unban(&mut self, subject: &Subject) -> Option<Ban> {
        for kind in [Kind::Logins, Kind::Requests] {
            self.watch.forget(&(subject.clone(), kind));
        }
        self.remove(subject)
    }

    /// Lifts all bans of just this prefix, those of users from there included. Returns those that were there.
    pub fn unban_prefix(&mut self, prefix: Prefix) -> Vec<Ban> {
        let first = Subject { prefix, user: None };
        let here = self.bans.range(&first..).map(|(subject, _)| subject);
        let mut subjects: Vec<Subject> =
            here.take_while(|subject| subject.prefix == prefix).cloned().collect();
        // What was counted is forgotten, even where there is no ban yet.
        subjects.extend((!subjects.contains(&first)).then_some(first));
        subjects.iter().filter_map(|subject| self.unban(subject)).collect()
    }

    /// Whether a login as `user` from `address` is to be refused at `now`, as the table of now would have it.
    #[must_use]
    pub fn refuse(&self, now: u64, address: IpAddr, user: &str) -> bool {
        let address = address.to_canonical();
        let len_max = if address.is_ipv4() { 32 } else { 128 };
        let lasts = |subject: &Subject| self.bans.get(subject).is_some_and(|ban| ban.lasts(now));
        let mut one = Subject { prefix: Prefix::single(address), user: Some(user.into()) };
        let mut all = Subject { prefix: one.prefix, user: None };
        let banned = (0..=len_max).any(|len| {
            let prefix = Prefix::of(address, len, len);
            (one.prefix, all.prefix) = (prefix, prefix);
            lasts(&all) || lasts(&one)
        });
        banned && !self.policy.exempt.iter().any(|exempt| exempt.contains(address))
    }

    /// The bans that last at `now`, in the order of their prefixes.
    pub fn lasting(&self, now: u64) -> impl Iterator<Item = &Ban> {
        self.bans.values().filter(move |ban| ban.lasts(now))
    }

    /// When the next ban ends: then a new table is due.
    #[must_use]
    pub fn next_end(&self, now: u64) -> Option<u64> {
        let after = (now.saturating_add(1), Subject::LEAST);
        self.ends.range(after..).next().map(|(until, _)| *until)
    }

    /// Forgets bans whose number no longer matters.
    pub fn tidy(&mut self, now: u64) {
        while let Some((until, subject)) = self.ends.first() {
            if until.saturating_add(self.policy.duration_max_seconds) > now {
                return;
            }
            let subject = subject.clone();
            self.remove(&subject);
        }
    }

    fn insert(&mut self, ban: Ban) -> Result<Ban, BadBan> {
        self.remove(&ban.subject);
        if self.bans.len() >= BANS_MAX {
            let (_, first) = self.ends.first().cloned().ok_or(BadBan::Full)?;
            self.remove(&first);
        }
        if let Some(until) = ban.until {
            self.ends.insert((until, ban.subject.clone()));
        }
        self.bans.insert(ban.subject.clone(), ban.clone());
        Ok(ban)
    }

    fn remove(&mut self, subject: &Subject) -> Option<Ban> {
        let ban = self.bans.remove(subject)?;
        if let Some(until) = ban.until {
            self.ends.remove(&(until, ban.subject.clone()));
        }
        Some(ban)
    }
}

impl Subject {
    /// None comes before it.
    const LEAST: Self = Self { prefix: Prefix::LEAST, user: None };
}

impl Ban {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn lasts(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Policy {
    /// How long the `count`th ban lasts, in seconds.
    fn duration(&self, count: u32) -> u64 {
        let factor = 1u64.checked_shl(count.saturating_sub(1)).unwrap_or(u64::MAX);
        self.duration_seconds.saturating_mul(factor).min(self.duration_max_seconds)
    }
}

#[cfg(test)]
mod tests;

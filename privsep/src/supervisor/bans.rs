//! Bans: who fails too often, who is banned for it, and how everybody hears of that. The supervisor alone writes.
//!
//! A ban is told to the workers at once, and to a file, if there is one. Both are held back only where one ban follows
//! another: then a table with all of them goes out a little later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use auth::Verdict;
use auth::bans::{Ban, Counted, Kind, Offence, Policy, Reason, Subject};
use auth::limits::BANS_FILE_LEN_MAX;
use perf::Counter;

use super::control::Id;
use super::reply::Reply;
use super::run::Supervisor;
use super::worker::Worker;
use crate::link::LinkError;
use crate::message::{
    BanNeeds, BanReport, BansReport, KeptFailures, KeptKind, LedTo, LoginOutcome, Needs, Network, ToWorker,
    Trouble,
};

/// Shortest time between two tables: each costs a pass over all bans and all connections.
const TABLE_PAUSE: Duration = Duration::from_millis(30);
/// Shortest time between two writes of the file, but for those that a command waits for.
const FILE_PAUSE: Duration = Duration::from_secs(1);
/// Most clients of which a worker tells at once. So it can have others banned who have done nothing, if somebody has
/// taken it over and bad requests count; it could refuse to serve them as well.
const OFFENDERS_MAX: usize = 256;
/// Time before another try to make a table.
const RETRY: Duration = Duration::from_secs(1);
/// Longest time without a look at the clock: it may be set.
const LOOK: Duration = Duration::from_secs(60);

/// Bans, and what is owed for them.
#[derive(Default)]
pub(crate) struct Bans {
    /// None as long as the configuration has none.
    ruling: Option<Ruling>,
}

/// Bans that are in force.
struct Ruling {
    bans: auth::bans::Bans,
    file: Option<PathBuf>,
    /// As workers are told, sealed; none when nobody is banned.
    table: Option<OwnedFd>,
    /// When a table was told last.
    told: Instant,
    /// When the next one falls due.
    table_due: Option<Instant>,
    written: Instant,
    file_due: Option<Instant>,
    /// When to look for bans that have ended.
    end_due: Option<Instant>,
}

impl std::fmt::Debug for Bans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bans").field("ruling", &self.ruling.is_some()).finish()
    }
}

impl Bans {
    /// As a configuration says, with those that the file has.
    pub(crate) fn open(needs: Option<&BanNeeds>) -> Self {
        Self { ruling: needs.map(|needs| Ruling::new(needs, None)) }
    }

    /// As a configuration says, with those that the program before this one has left, and what it has counted.
    pub(crate) fn inherit(needs: Option<&BanNeeds>, text: &[u8], failures: Vec<KeptFailures>) -> Self {
        let mut ruling = needs.map(|needs| Ruling::new(needs, Some(text)));
        if let Some(ruling) = &mut ruling {
            failures.into_iter().filter_map(counted).for_each(|counted| ruling.bans.recall(counted));
        }
        Self { ruling }
    }

    /// Goes by another configuration from now on. Others may be exempt, so that a table is due.
    pub(crate) fn adopt(&mut self, needs: Option<&BanNeeds>) {
        let Some(needs) = needs else {
            self.ruling = None;
            return;
        };
        match &mut self.ruling {
            None => self.ruling = Some(Ruling::new(needs, None)),
            Some(ruling) => {
                ruling.bans.set_policy(policy(needs));
                if ruling.file != needs.file {
                    ruling.file.clone_from(&needs.file);
                    ruling.file_due = Some(Instant::now());
                }
            }
        }
    }

    /// Whether nobody is to log in as `user` from `client`. Workers may not have heard of that yet.
    pub(super) fn refuse(&self, client: Option<IpAddr>, user: &str) -> bool {
        let (Some(ruling), Some(client)) = (&self.ruling, client) else { return false };
        ruling.bans.refuse(unix_seconds(), client, user)
    }

    /// What a client is told of a verdict: whoever was banned before it came gets the same for each password.
    pub(super) fn told(&self, client: Option<IpAddr>, user: &str, verdict: LoginOutcome) -> LoginOutcome {
        if self.refuse(client, user) { LoginOutcome::Denied } else { verdict }
    }

    /// What a successor is left.
    pub(crate) fn text(&self) -> String {
        self.ruling.as_ref().map_or_else(String::new, |ruling| ruling.bans.to_text())
    }

    /// What has been counted for bans that are still to come, as a successor is left it: of as many as are watched, which
    /// fits sealed memory with room to spare.
    pub(crate) fn failures(&self) -> Vec<KeptFailures> {
        self.ruling.iter().flat_map(|ruling| ruling.bans.counted()).map(kept).collect()
    }

    /// Tells a worker who is banned; nothing when nobody is.
    pub(crate) fn tell(&self, worker: &Worker) -> Result<(), LinkError> {
        match self.ruling.as_ref().and_then(|ruling| ruling.table.as_ref()) {
            Some(table) => worker.link.send(&ToWorker::Bans, &[table.as_fd()]),
            None => Ok(()),
        }
    }

    /// When something is owed.
    pub(crate) fn due(&self) -> Option<Instant> {
        let ruling = self.ruling.as_ref()?;
        [ruling.table_due, ruling.file_due, ruling.end_due].into_iter().flatten().min()
    }

    /// Writes what is not written yet, at the end.
    pub(crate) fn finish(&mut self) {
        if self.ruling.as_ref().is_some_and(|ruling| ruling.file_due.is_some()) {
            self.write();
        }
    }

    fn write(&mut self) {
        self.ruling.iter_mut().for_each(Ruling::write);
    }
}

impl Ruling {
    fn new(needs: &BanNeeds, left: Option<&[u8]>) -> Self {
        let now = Instant::now();
        let bans = match (left, &needs.file) {
            (Some(text), _) if !text.is_empty() => auth::bans::Bans::from_text(policy(needs), text)
                .unwrap_or_else(|_| {
                    log::error!("the bans of the program before this one are not understood and forgotten");
                    auth::bans::Bans::new(policy(needs))
                }),
            (_, Some(path)) => load(path, needs),
            (_, None) => auth::bans::Bans::new(policy(needs)),
        };
        let mut ruling = Self {
            bans,
            file: needs.file.clone(),
            table: None,
            told: now,
            table_due: None,
            written: now,
            // The program before may have owed it, or have written to another one.
            file_due: left.is_some().then_some(now),
            end_due: None,
        };
        ruling.renew(now);
        // For the counters, which are not there yet.
        ruling.table_due = Some(now);
        ruling
    }

    /// Makes the table anew; answers how many bans are in force.
    fn renew(&mut self, now: Instant) -> u64 {
        let seconds = unix_seconds();
        self.bans.tidy(seconds);
        let sealed =
            self.bans.pack(seconds).map(|packed| sys::mem::sealed("kimura-bans", &packed)).transpose();
        (self.told, self.table_due) = (now, None);
        match sealed {
            Ok(table) => self.table = table,
            // What was told before stays in force until it works.
            Err(error) => {
                log::error!("the bans cannot be told: {error}; the next try is in a second");
                self.table_due = Some(now + RETRY);
            }
        }
        let end = self.bans.next_end(seconds);
        self.end_due = end.map(|end| now + Duration::from_secs(end.saturating_sub(seconds)).min(LOOK));
        self.bans.lasting(seconds).count() as u64
    }

    /// Somebody was banned, or is no more.
    fn changed(&mut self) {
        let due = |last: Instant, pause: Duration| Some((last + pause).max(Instant::now()));
        self.table_due = self.table_due.or(due(self.told, TABLE_PAUSE));
        if self.file.is_some() {
            self.file_due = self.file_due.or(due(self.written, FILE_PAUSE));
        }
    }

    fn write(&mut self) {
        (self.written, self.file_due) = (Instant::now(), None);
        let Some(path) = &self.file else { return };
        if let Err(error) = replace(path, self.bans.to_text().as_bytes()) {
            log::error!("the file of bans {} cannot be written: {error}", path.display());
        }
    }
}

fn kept(counted: Counted) -> KeptFailures {
    let Counted { subject, kind, times } = counted;
    KeptFailures {
        network: subject.prefix.into(),
        user: subject.user.map(String::from),
        kind: match kind {
            Kind::Logins => KeptKind::Logins,
            Kind::Requests => KeptKind::Requests,
        },
        times,
    }
}

fn counted(kept: KeptFailures) -> Option<Counted> {
    let KeptFailures { network, user, kind, times } = kept;
    let kind = match kind {
        KeptKind::Logins => Kind::Logins,
        KeptKind::Requests => Kind::Requests,
    };
    let subject = Subject { prefix: network.prefix()?, user: user.map(String::into_boxed_str) };
    Some(Counted { subject, kind, times })
}

/// Whether the file could be written, as far as that can be told before.
///
/// # Errors
/// When its folder is not there.
pub(crate) fn check(needs: &Needs) -> Result<(), Vec<Trouble>> {
    let Some(path) = needs.bans.as_ref().and_then(|bans| bans.file.as_ref()) else { return Ok(()) };
    let folder = path.parent().unwrap_or(Path::new("/"));
    if folder.is_dir() {
        return Ok(());
    }
    Err(vec![Trouble {
        pointer: "/server/bans/file".to_owned(),
        cause: format!("the folder {} of the file of bans is not there", folder.display()),
        cure: "create it, or choose another path".to_owned(),
    }])
}

fn policy(needs: &BanNeeds) -> Policy {
    let bits = |len: u16| u8::try_from(len).unwrap_or(u8::MAX);
    Policy {
        prefix_failures: needs.failures,
        user_failures: needs.user_failures,
        bad_requests: needs.bad_requests,
        window_seconds: needs.window_seconds,
        duration_seconds: needs.duration_seconds,
        duration_max_seconds: needs.duration_max_seconds,
        v4_len: bits(needs.v4_len),
        v6_len: bits(needs.v6_len),
        exempt: needs.exempt.iter().filter_map(Network::prefix).collect(),
    }
}

/// The bans of a file. One that cannot be read is put aside: it never keeps the server from serving.
fn load(path: &Path, needs: &BanNeeds) -> auth::bans::Bans {
    let why = match read(path) {
        Ok(text) => match auth::bans::Bans::from_text(policy(needs), &text) {
            Ok(bans) => return bans,
            Err(lines) => lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => return auth::bans::Bans::new(policy(needs)),
        Err(error) => error.to_string(),
    };
    let aside = with_suffix(path, ".broken");
    let put = match fs::rename(path, &aside) {
        Ok(()) => format!("it is now {}", aside.display()),
        Err(error) => format!("it cannot be put aside ({error})"),
    };
    log::error!(
        "the file of bans {} cannot be used: {why}; {put}, and nobody is banned by it; mend that, and put it back \
         before the next start",
        path.display()
    );
    auth::bans::Bans::new(policy(needs))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // One byte more than can be right shows that it is too long.
    let limit = BANS_FILE_LEN_MAX as u64 + 1;
    sys::fs::open_file(path)?.take(limit).read_to_end(&mut text)?;
    Ok(text)
}

/// Puts a file with this content in the place of another, so that there is always one of the two, whole.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = with_suffix(path, ".new");
    // One that an earlier write has left, or somebody who would like us to write where a link leads.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The new name is to survive as well.
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Supervisor<'_> {
    /// Somebody has tried to log in as `user`. A proof that is right is no reason to forget those that were wrong:
    /// otherwise an account of one's own would be good for guessing at others.
    pub(super) fn heard(&mut self, address: Option<IpAddr>, user: &str, verdict: Verdict) -> LedTo {
        match (address, verdict) {
            (Some(address), Verdict::Denied) => self.offended(address, Offence::Login(user)),
            _ => LedTo::Nothing,
        }
    }

    /// A worker tells who has made bad requests.
    pub(super) fn hear_offenders(&mut self, at: usize, clients: &[Network]) {
        let addresses: Option<Vec<IpAddr>> =
            clients.iter().map(|client| client.prefix().map(auth::Prefix::first)).collect();
        let Some(addresses) = addresses.filter(|addresses| addresses.len() <= OFFENDERS_MAX) else {
            return self.distrust(at, &"it tells of clients that are none");
        };
        for address in addresses {
            self.offended(address, Offence::Request);
        }
    }

    /// Somebody has failed. Returns the wider one of the bans that have come of it.
    pub(super) fn offended(&mut self, address: IpAddr, offence: Offence<'_>) -> LedTo {
        let Some(ruling) = &mut self.estate.bans.ruling else { return LedTo::Nothing };
        let given = ruling.bans.fail(unix_seconds(), address, offence);
        if given.is_empty() {
            return LedTo::Nothing;
        }
        let of_user = given.iter().all(|ban| ban.subject.user.is_some());
        ruling.changed();
        self.grave.add(Counter::BansMade, given.len() as u64);
        for ban in given {
            log::warn!("banned {}", describe(&ban));
        }
        if of_user { LedTo::BanOfUser } else { LedTo::BanOfClient }
    }

    /// Tells and writes what has fallen due.
    pub(super) fn look_after_bans(&mut self, now: Instant) {
        let Some(ruling) = &mut self.estate.bans.ruling else { return };
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        let (table, file) = (is_due(ruling.table_due) || is_due(ruling.end_due), is_due(ruling.file_due));
        if file {
            ruling.write();
        }
        if table {
            self.publish_bans();
        }
    }

    /// Tells every worker who is banned now.
    pub(super) fn publish_bans(&mut self) {
        let active = self.estate.bans.ruling.as_mut().map_or(0, |ruling| ruling.renew(Instant::now()));
        self.grave.set(Counter::BansActive, active);
        let table = self.estate.bans.ruling.as_ref().and_then(|ruling| ruling.table.as_ref());
        let tell = |worker: &Worker| match table {
            Some(table) => worker.link.send(&ToWorker::Bans, &[table.as_fd()]),
            None => worker.link.send(&ToWorker::NoBans, &[]),
        };
        for worker in &self.workers {
            // Whoever does not read would let in who is banned. Any other failure is the end of the worker already.
            if let Err(error @ LinkError::Full) = tell(worker) {
                log::error!("worker {} is ended: {error} who is banned", worker.generation);
                worker.life.kill();
            }
        }
    }

    /// `kimura bans`.
    pub(super) fn report_bans(&mut self, id: Id) {
        let Some(ruling) = &self.estate.bans.ruling else { return self.answer(id, no_bans()) };
        let now = unix_seconds();
        let bans = ruling.bans.lasting(now).map(report).collect();
        self.answer(id, Reply::Bans(Box::new(BansReport { now, bans })));
    }

    /// `kimura ban`.
    pub(super) fn ban(&mut self, id: Id, network: &Network, seconds: Option<u64>, reason: String) {
        let Some(ruling) = &mut self.estate.bans.ruling else { return self.answer(id, no_bans()) };
        let Some(prefix) = network.prefix() else { return self.answer(id, no_network()) };
        let given = ruling.bans.ban(unix_seconds(), Subject { prefix, user: None }, seconds, reason);
        let ban = match given {
            Ok(ban) => ban,
            Err(bad) => return self.answer(id, Reply::Refused(bad.to_string())),
        };
        self.grave.add(Counter::BansMade, 1);
        self.publish_bans();
        self.estate.bans.write();
        let what = format!("banned {}", describe(&ban));
        log::warn!("{what}");
        self.answer(id, Reply::Done(what));
    }

    /// `kimura unban`.
    pub(super) fn unban(&mut self, id: Id, network: &Network) {
        let Some(ruling) = &mut self.estate.bans.ruling else { return self.answer(id, no_bans()) };
        let Some(prefix) = network.prefix() else { return self.answer(id, no_network()) };
        let now = unix_seconds();
        let lifted = ruling.bans.unban_prefix(prefix);
        let lasted = lifted.iter().filter(|ban| ban.lasts(now)).count();
        if lasted == 0 {
            let why = format!("{prefix} is not banned; `kimura bans` lists the prefixes that are");
            return self.answer(id, Reply::Refused(why));
        }
        self.publish_bans();
        self.estate.bans.write();
        let what = format!("{prefix} is no longer banned");
        log::info!("{what}");
        self.answer(id, Reply::Done(what));
    }
}

fn no_bans() -> Reply {
    Reply::Refused("the configuration has no /server/bans; write \"bans\": {} into \"server\"".to_owned())
}

fn no_network() -> Reply {
    Reply::Refused("this is no network; use the program of the server".to_owned())
}

fn reason(ban: &Ban) -> String {
    match &ban.reason {
        Reason::Logins => "failed logins".to_owned(),
        Reason::Requests => "bad requests".to_owned(),
        Reason::Hand(words) if words.is_empty() => "by hand".to_owned(),
        Reason::Hand(words) => format!("by hand: {words}"),
    }
}

fn describe(ban: &Ban) -> String {
    // Not the name: people type passwords there.
    let user = if ban.subject.user.is_some() { " for one user" } else { "" };
    let time = ban.until.map_or_else(
        || "without an end".to_owned(),
        |until| format!("for {} s", until.saturating_sub(ban.since)),
    );
    format!("{}{user} {time}, ban number {}, {}", ban.subject.prefix, ban.count, reason(ban))
}

fn report(ban: &Ban) -> BanReport {
    BanReport {
        network: ban.subject.prefix.into(),
        user: ban.subject.user.as_deref().map(str::to_owned),
        count: ban.count,
        since: ban.since,
        until: ban.until,
        reason: reason(ban),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(file: Option<PathBuf>) -> BanNeeds {
        BanNeeds {
            failures: 5,
            user_failures: 3,
            bad_requests: None,
            window_seconds: 60,
            duration_seconds: 600,
            duration_max_seconds: 6000,
            v4_len: 32,
            v6_len: 64,
            exempt: vec![Network::from("10.0.0.0/8".parse::<auth::Prefix>().unwrap())],
            file,
        }
    }

    fn ban(bans: &mut Bans, prefix: &str) {
        let ruling = bans.ruling.as_mut().unwrap();
        let subject = Subject { prefix: prefix.parse().unwrap(), user: None };
        ruling.bans.ban(unix_seconds(), subject, None, String::new()).unwrap();
        ruling.write();
    }

    #[test]
    fn bans_survive_in_the_file_and_one_that_is_broken_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans");
        let needs = needs(Some(path.clone()));
        let mut bans = Bans::open(Some(&needs));
        assert!(bans.ruling.as_ref().unwrap().table.is_none(), "nobody is banned");
        ban(&mut bans, "192.0.2.7");
        let text = bans.text();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(Bans::open(Some(&needs)).text(), text);
        assert!(Bans::open(Some(&needs)).ruling.unwrap().table.is_some());
        for broken in [&b"kimura-bans 1\nx\n"[..], b"\xff", &[b'x'; 1 << 20]] {
            fs::write(&path, broken).unwrap();
            assert_eq!(Bans::open(Some(&needs)).text().lines().count(), 1);
            assert_eq!(fs::read(folder.path().join("bans.broken")).unwrap(), broken);
            assert!(!path.exists());
        }
        // What the program before has left goes before the file.
        let other = Bans::inherit(Some(&needs), text.as_bytes(), Vec::new());
        assert_eq!(other.text(), text);
        assert_eq!(Bans::inherit(None, text.as_bytes(), Vec::new()).text(), "");
    }

    #[test]
    fn failures_are_left_to_a_successor() {
        let fail = |bans: &mut Bans, offence| {
            let ruling = bans.ruling.as_mut().unwrap();
            ruling.bans.fail(unix_seconds(), "192.0.2.7".parse().unwrap(), offence).len()
        };
        let needs = BanNeeds { bad_requests: Some(2), ..needs(None) };
        let mut bans = Bans::open(Some(&needs));
        for offence in [Offence::Login("vera"), Offence::Login("vera"), Offence::Request] {
            assert_eq!(fail(&mut bans, offence), 0);
        }
        let sealed = crate::sealed::seal(&bans.failures()).unwrap();
        let left = || crate::sealed::unseal(&sealed).unwrap();
        for (offence, wanted) in
            [(Offence::Login("vera"), 1), (Offence::Login("otto"), 0), (Offence::Request, 1)]
        {
            assert_eq!(fail(&mut Bans::inherit(Some(&needs), b"", left()), offence), wanted, "{offence:?}");
        }
        assert!(Bans::inherit(None, b"", left()).failures().is_empty());
    }

    #[test]
    fn what_is_left_at_most_fits_sealed_memory() {
        use auth::limits::{BANNED_NAME_LEN_MAX, FAILURES_MAX, WATCHED_MAX};
        let one = KeptFailures {
            network: Network::from("2001:db8::/64".parse::<auth::Prefix>().unwrap()),
            user: Some("n".repeat(BANNED_NAME_LEN_MAX)),
            kind: KeptKind::Logins,
            times: vec![0; FAILURES_MAX as usize],
        };
        assert!(crate::wire::encode(&one).len() * WATCHED_MAX < crate::sealed::MAX);
    }

    #[test]
    fn guesses_under_way_when_the_ban_comes_are_not_answered() {
        use LoginOutcome::{Admitted, Denied, Forbidden, Unavailable};
        let client = |text: &str| Some(text.parse().unwrap());
        let mut bans = Bans::open(Some(&needs(None)));
        let told = |bans: &Bans, from: &str, user: &str| {
            [Admitted, Forbidden, Denied, Unavailable].map(|verdict| bans.told(client(from), user, verdict))
        };
        let fail = |bans: &mut Bans, user: &str| {
            let ruling = bans.ruling.as_mut().unwrap();
            ruling.bans.fail(unix_seconds(), "192.0.2.7".parse().unwrap(), Offence::Login(user))
        };
        let open = [Admitted, Forbidden, Denied, Unavailable];
        // The third failure of one user bans that one from there, the fifth of all the prefix.
        for (user, vera, otto) in [
            ("vera", open, open),
            ("vera", open, open),
            ("vera", [Denied; 4], open),
            ("x", [Denied; 4], open),
        ] {
            fail(&mut bans, user);
            assert_eq!(told(&bans, "192.0.2.7", "vera"), vera);
            assert_eq!(told(&bans, "192.0.2.7", "otto"), otto);
        }
        fail(&mut bans, "y");
        assert_eq!(told(&bans, "192.0.2.7", "otto"), [Denied; 4]);
        assert_eq!(told(&bans, "192.0.2.8", "vera"), open, "nobody is locked out");
        assert_eq!(bans.told(None, "vera", Admitted), Admitted);
        assert_eq!(told(&Bans::default(), "192.0.2.7", "vera"), open);
    }

    #[test]
    fn another_configuration_leaves_bans_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let mut bans = Bans::open(Some(&needs(None)));
        ban(&mut bans, "192.0.2.7");
        let text = bans.text();
        bans.adopt(Some(&needs(Some(folder.path().join("bans")))));
        assert_eq!(bans.text(), text);
        bans.finish();
        assert_eq!(fs::read_to_string(folder.path().join("bans")).unwrap(), text);
        bans.adopt(None);
        assert_eq!((bans.text(), bans.due()), (String::new(), None));
    }
}

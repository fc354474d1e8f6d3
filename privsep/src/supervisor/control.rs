//! The control socket: connections, one command each, and what is owed to them.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sys::net::set_socket_mode;
use sys::packet;

use super::origin::Origin;
use super::permit::{self, Claim, Permits};
use super::reply::Reply;
use crate::link::{Link, LinkError};
use crate::message::{Answer, Command, ControlNeeds, NONCE_LEN, Network, Request, Trouble, UpstreamChange};
use crate::wire::Bytes;

/// Most connections from this machine at a time; others wait in the queue of the socket.
const CONNECTIONS_MAX: usize = 32;
/// Most connections from elsewhere, which take no place away from the others. The agent has half of it, and may have let
/// go of some that we still have.
const REMOTE_MAX: usize = 64;
/// Most proofs from elsewhere that auth judges at a time: it is to have time for those of this machine.
const REMOTE_JUDGED_MAX: usize = 8;
/// How long somebody may take to say what is wanted.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a nonce is good.
const NONCE_LIFE: Duration = Duration::from_secs(30);
/// How long auth may take to judge: all others that wait come first.
const JUDGEMENT: Duration = Duration::from_secs(10);
/// How long nobody is taken when descriptors have run out: whoever waits stays in the queue.
const RESPITE: Duration = Duration::from_millis(200);
/// How long the answer to a wrong proof is held back.
const SLOWED: Duration = Duration::from_secs(1);

/// Who may read and write a new audit log.
const AUDIT_MODE: u32 = 0o600;

/// Names a connection.
pub(crate) type Id = u64;

/// The socket and its connections.
#[derive(Debug, Default)]
pub(crate) struct Control {
    listener: Option<(PathBuf, OwnedFd)>,
    audit: Option<File>,
    pub(crate) permits: Permits,
    connections: Vec<Connection>,
    /// When the next connection can be taken; none for now.
    respite: Option<Instant>,
    next: Id,
    /// Proofs that were wrong.
    pub(crate) wrong_proofs: u64,
}

#[derive(Debug)]
struct Connection {
    id: Id,
    link: Link<Answer, Request>,
    origin: Origin,
    state: State,
}

impl Connection {
    fn is_silent(&self) -> bool {
        matches!(self.state, State::Silent(_))
    }

    /// Whether a request is to come.
    fn owes_request(&self) -> bool {
        matches!(self.state, State::Silent(_) | State::Challenged(..))
    }

    /// Its nonce, if it has one: good once, whatever becomes of it.
    fn take_nonce(&mut self) -> Option<Nonce> {
        let State::Challenged(nonce, _) = self.state else { return None };
        self.state = State::Silent(Instant::now() + PATIENCE);
        Some(nonce)
    }

    fn tell(&self, reply: Reply) {
        let told = reply.message().map_err(LinkError::System).and_then(|(answer, sealed)| {
            let descriptors: Vec<BorrowedFd<'_>> = sealed.iter().map(AsFd::as_fd).collect();
            self.link.send(&answer, &descriptors)
        });
        match told {
            // Whoever is gone does not hear it.
            Ok(()) | Err(LinkError::Closed) => {}
            Err(error) => log::warn!("an answer could not be delivered: {error}"),
        }
    }
}

#[derive(Debug)]
enum State {
    /// The request has not come; it is closed then.
    Silent(Instant),
    /// It has been given a nonce; the request that it is for has to come until then.
    Challenged(Nonce, Instant),
    /// Auth judges the proof, until then.
    Judged(Command, Claim, Instant),
    /// The command is carried out.
    Working(Command, String),
    /// The proof was wrong; that is told then.
    Slowed(Instant),
}

/// What the holder of a certificate has to sign. Good once, at the connection that it was given to.
pub(crate) type Nonce = [u8; NONCE_LEN];

/// A request, and what is known of it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) origin: Origin,
    /// What was to be signed, if somebody has asked.
    pub(crate) nonce: Option<Nonce>,
}

/// What was prepared for a configuration.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// None: the socket stays as it is.
    listener: Option<Option<(PathBuf, OwnedFd)>>,
    audit: Option<File>,
    permits: Permits,
    /// Who may connect, as the mode of the socket's file.
    mode: u32,
}

impl Control {
    /// With a socket that is there already.
    pub(crate) fn listening(path: PathBuf, listener: OwnedFd) -> Self {
        Self { listener: Some((path, listener)), ..Self::default() }
    }

    /// The socket and its path.
    pub(crate) fn socket(&self) -> Option<(&Path, BorrowedFd<'_>)> {
        self.listener.as_ref().map(|(path, fd)| (path.as_path(), fd.as_fd()))
    }

    /// A connection whose command is being carried out, and who gave it.
    pub(crate) fn connection(&self, id: Id) -> Option<(BorrowedFd<'_>, &str, &Origin)> {
        let connection = self.connections.iter().find(|connection| connection.id == id)?;
        match &connection.state {
            State::Working(_, who) => Some((connection.link.fd(), who, &connection.origin)),
            _ => None,
        }
    }

    /// Connections that have not said yet what they want.
    pub(crate) fn silent(&self) -> impl Iterator<Item = (BorrowedFd<'_>, &Origin)> {
        let silent = self.connections.iter().filter(|connection| connection.is_silent());
        silent.map(|connection| (connection.link.fd(), &connection.origin))
    }

    /// Tells at once what would be told later: nobody will be there then.
    pub(crate) fn settle(&mut self) {
        self.connections.retain(|connection| {
            match connection.state {
                State::Slowed(_) => connection.tell(Reply::Denied),
                State::Challenged(..) => connection.tell(Reply::Refused(NONCE_LOST.to_owned())),
                _ => return true,
            }
            false
        });
    }

    /// Takes over a connection whose command is being carried out.
    pub(crate) fn inherit_asker(
        &mut self,
        socket: OwnedFd,
        from: Option<String>,
        command: Command,
        who: &str,
    ) -> Id {
        self.connect(socket, from, State::Working(command, who.to_owned()))
    }

    /// Takes over a connection that has not said yet what it wants.
    pub(crate) fn inherit_silent(&mut self, socket: OwnedFd, from: Option<String>) {
        self.connect(socket, from, State::Silent(Instant::now() + PATIENCE));
    }

    /// Takes a connection that has come by the agent.
    pub(crate) fn take_remote(&mut self, socket: OwnedFd, from: String) {
        let remote = self.connections.iter().filter(|connection| connection.origin.is_remote());
        if remote.count() < REMOTE_MAX {
            self.inherit_silent(socket, Some(from));
        } else {
            log::debug!("the agent has more connections than it may; one of them is closed");
        }
    }

    fn connect(&mut self, socket: OwnedFd, from: Option<String>, state: State) -> Id {
        self.next += 1;
        let origin = from.map_or_else(|| Origin::Local(permit::who(socket.as_fd())), Origin::Remote);
        self.connections.push(Connection { id: self.next, link: Link::new(socket), origin, state });
        self.next
    }

    /// Opens what `needs` takes; nothing changes yet.
    pub(crate) fn prepare(&self, needs: &ControlNeeds, own_uid: u32) -> Result<Prepared, Vec<Trouble>> {
        let trouble = |key: &str, message: &str| {
            let (cause, cure) = message.split_once(": ").unwrap_or((message, "choose another path"));
            let pointer = format!("/server/control/{key}");
            vec![Trouble { pointer, cause: cause.to_owned(), cure: cure.to_owned() }]
        };
        let permits = Permits::new(needs, own_uid)?;
        let audit = needs.audit_log.as_deref().map(|path| sys::fs::open_log(path, AUDIT_MODE)).transpose();
        let audit = audit.map_err(|error| {
            let pointer = "/server/control/audit_log".to_owned();
            vec![Trouble { pointer, cause: error.cause(), cure: error.cure().to_owned() }]
        })?;
        let same = self.listener.as_ref().map(|(path, _)| path) == needs.socket.as_ref();
        let listener = if same {
            None
        } else {
            let bound =
                needs.socket.as_ref().map(|path| Ok((path.clone(), packet::listen(path, needs.mode)?)));
            let bound: Result<_, sys::net::BindError> = bound.transpose();
            Some(bound.map_err(|error| trouble("socket", &error.to_string()))?)
        };
        Ok(Prepared { listener, audit, permits, mode: needs.mode })
    }

    /// Puts it in force.
    pub(crate) fn adopt(&mut self, prepared: Prepared) {
        if let Some(listener) = prepared.listener {
            self.remove_file();
            self.listener = listener;
        } else if let Some((path, _)) = &self.listener
            && let Err(error) = set_socket_mode(path, prepared.mode)
        {
            log::error!("the mode of {} stays as it is: {error}; restart the server", path.display());
        }
        self.audit = prepared.audit;
        self.permits = prepared.permits;
    }

    /// Takes the file of the socket away, which nobody answers any more.
    pub(crate) fn remove_file(&mut self) {
        if let Some((path, _)) = self.listener.take() {
            // Somebody may have removed it before.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The listener, as long as there is room for another connection, and it is not known that none can be taken.
    pub(crate) fn listener(&self) -> Option<BorrowedFd<'_>> {
        let (_, fd) = self.listener.as_ref()?;
        let local = self.connections.iter().filter(|connection| !connection.origin.is_remote());
        (local.count() < CONNECTIONS_MAX && self.respite.is_none()).then(|| fd.as_fd())
    }

    /// Connections of which something may come: a request, or the end. Whoever has made one keeps the place until it is
    /// answered, there or not: who hangs up is no less in the audit log, and has no next try earlier.
    pub(crate) fn fds(&self) -> impl Iterator<Item = (Id, BorrowedFd<'_>)> {
        let owing = self.connections.iter().filter(|connection| connection.owes_request());
        owing.map(|connection| (connection.id, connection.link.fd()))
    }

    /// When the next of them falls due.
    pub(crate) fn due(&self) -> Option<Instant> {
        let times = self.connections.iter().filter_map(|connection| match connection.state {
            State::Silent(until)
            | State::Challenged(_, until)
            | State::Slowed(until)
            | State::Judged(.., until) => Some(until),
            State::Working(..) => None,
        });
        times.chain(self.respite).min()
    }

    /// Takes the next connection.
    pub(crate) fn accept(&mut self) {
        let Some(listener) = self.listener() else { return };
        match packet::accept(listener) {
            Ok(Some(socket)) => self.inherit_silent(socket, None),
            Ok(None) => {}
            Err(error) => {
                log::error!("a control connection cannot be taken: {error}");
                self.respite = Some(Instant::now() + RESPITE);
            }
        }
    }

    /// The request of a connection that has one; whoever sends anything else is gone.
    pub(crate) fn read(&mut self, id: Id) -> Option<Asked> {
        let connection = self.get(id).filter(|connection| connection.owes_request())?;
        match connection.link.receive() {
            Ok(Some((request, _))) => {
                let (origin, nonce) = (connection.origin.clone(), connection.take_nonce());
                Some(Asked { request, origin, nonce })
            }
            Ok(None) => None,
            Err(_) => {
                self.connections.retain(|connection| connection.id != id);
                None
            }
        }
    }

    /// Gives a nonce, with which the request is to come again.
    pub(crate) fn challenge(&mut self, id: Id, nonce: Nonce) {
        let Some(connection) = self.get(id) else { return };
        connection.state = State::Challenged(nonce, Instant::now() + NONCE_LIFE);
        let told = connection.link.send(&Answer::Challenge { nonce: Bytes(nonce.to_vec()) }, &[]);
        if told.is_err() {
            self.connections.retain(|connection| connection.id != id);
        }
    }

    /// Whether auth has as many proofs from elsewhere to judge as it may.
    pub(crate) fn is_busy_for(&self, origin: &Origin) -> bool {
        let judged = self.connections.iter().filter(|connection| {
            connection.origin.is_remote() && matches!(connection.state, State::Judged(..))
        });
        origin.is_remote() && REMOTE_JUDGED_MAX <= judged.count()
    }

    /// Auth is asked about the proof of what is claimed.
    pub(crate) fn judged(&mut self, id: Id, command: Command, claim: Claim) {
        if let Some(connection) = self.get(id) {
            connection.state = State::Judged(command, claim, Instant::now() + JUDGEMENT);
        }
    }

    /// What waits for the verdict of auth under this number.
    pub(crate) fn waiting_for_verdict(&mut self, id: Id) -> Option<(Command, Claim)> {
        match &self.get(id)?.state {
            State::Judged(command, claim, _) => Some((command.clone(), *claim)),
            _ => None,
        }
    }

    /// All that wait for a verdict: auth is gone.
    pub(crate) fn judged_ids(&self) -> Vec<Id> {
        let judged =
            self.connections.iter().filter(|connection| matches!(connection.state, State::Judged(..)));
        judged.map(|connection| connection.id).collect()
    }

    /// Whether somebody waits for a verdict that should have come.
    pub(crate) fn misses_verdict(&self, now: Instant) -> bool {
        let late =
            |connection: &Connection| matches!(connection.state, State::Judged(.., until) if until <= now);
        self.connections.iter().any(late)
    }

    /// Somebody may give the command, which is about to be carried out.
    pub(crate) fn working(&mut self, id: Id, command: Command, who: String) {
        if let Some(connection) = self.get(id) {
            connection.state = State::Working(command, who);
        }
    }

    /// The proof is wrong, which is told after a while.
    pub(crate) fn slow_down(&mut self, id: Id, command: &Command, who: &str, stamp: &str) {
        self.wrong_proofs += 1;
        let Some(connection) = self.get(id) else { return };
        connection.state = State::Slowed(Instant::now() + SLOWED);
        let origin = connection.origin.clone();
        self.record(stamp, &origin, who, command, "denied");
    }

    /// Answers and lets go.
    pub(crate) fn answer(&mut self, id: Id, reply: Reply, stamp: &str) {
        let Some(at) = self.connections.iter().position(|connection| connection.id == id) else { return };
        let connection = self.connections.swap_remove(at);
        if let State::Working(command, who) = &connection.state {
            self.record(stamp, &connection.origin, who, command, reply.result());
        }
        connection.tell(reply);
    }

    /// Tells those whose time has come.
    pub(crate) fn on_time(&mut self, now: Instant) {
        self.respite = self.respite.filter(|until| now < *until);
        self.connections.retain(|connection| match connection.state {
            State::Silent(until) | State::Challenged(_, until) => now < until,
            State::Slowed(until) if now >= until => {
                connection.tell(Reply::Denied);
                false
            }
            _ => true,
        });
    }

    fn get(&mut self, id: Id) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    /// One line of the audit log: when, who, from where, what, and with what result.
    fn record(&mut self, stamp: &str, origin: &Origin, who: &str, command: &Command, result: &str) {
        let what = describe(command);
        let line = format!("{stamp} {who:?} {origin} {what} {result}\n");
        match &mut self.audit {
            Some(file) => {
                if let Err(error) = file.write_all(line.as_bytes()) {
                    log::error!("the audit log cannot be written ({error}): {}", line.trim_end());
                }
            }
            // Those who only look are not worth a line among the errors.
            None if permit::needed(command) == crate::message::Rank::Viewer && result == "done" => {}
            None => log::info!("command: {}", line.trim_end()),
        }
    }
}

/// A successor does not know the nonces of the program before it.
const NONCE_LOST: &str = "the server is being upgraded; try again in a moment";

/// A level as the command line has it; one that there is not stays a number.
fn name_of_level(level: u32) -> String {
    let known = log::Level::iter().find(|known| *known as u32 == level);
    known.map_or_else(|| level.to_string(), |known| known.as_str().to_ascii_lowercase())
}

fn describe(command: &Command) -> String {
    match command {
        Command::Status => "status".to_owned(),
        Command::Reload { plan: false } => "reload".to_owned(),
        Command::Reload { plan: true } => "reload --plan".to_owned(),
        Command::Stop => "stop".to_owned(),
        Command::Drain => "drain".to_owned(),
        Command::RotateLogs => "rotate-logs".to_owned(),
        Command::Verbosity { level } => format!("verbosity {}", name_of_level(*level)),
        Command::Upgrade { path: None } => "upgrade".to_owned(),
        Command::Upgrade { path: Some(path) } => format!("upgrade {path:?}"),
        Command::Bans => "bans".to_owned(),
        Command::Upstreams => "upstreams".to_owned(),
        Command::Upstream { group, server, change } => {
            let order = match change {
                UpstreamChange::Add { .. } => "add",
                UpstreamChange::Drain => "drain",
                UpstreamChange::Remove => "remove",
            };
            format!("upstream {order} {group:?} {server:?}")
        }
        Command::Limits => "limits".to_owned(),
        Command::Limit { pointer, value } => {
            format!("limit {:?}", format!("{pointer}={}", value.as_deref().unwrap_or("default")))
        }
        Command::Logs => "logs".to_owned(),
        Command::Ban { network, .. } => format!("ban {}", written(network)),
        Command::Unban { network } => format!("unban {}", written(network)),
    }
}

fn written(network: &Network) -> String {
    network.prefix().map_or_else(|| "what is no network".to_owned(), |prefix| prefix.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::tests::needs;
    use crate::message::{LINK_VERSION, Proof};

    type Client = Link<Request, Answer>;
    /// A server, and the number of one who has asked it to stop and hung up.
    fn hung_up(control: &mut Control) -> Id {
        let (client, server) = packet::pair().unwrap();
        control.inherit_silent(server, None);
        let request = Request { version: LINK_VERSION, command: Command::Stop, proof: Proof::Peer };
        let client = Client::new(client);
        client.send(&request, &[]).unwrap();
        drop(client);
        let (id, _) = control.fds().last().unwrap();
        assert_eq!(control.read(id).unwrap().request, request);
        id
    }

    #[test]
    fn levels_have_their_names() {
        for (level, wanted) in
            [(0, "0"), (1, "error"), (2, "warn"), (3, "info"), (4, "debug"), (5, "trace"), (6, "6")]
        {
            assert_eq!(describe(&Command::Verbosity { level }), format!("verbosity {wanted}"));
        }
    }

    #[test]
    fn a_change_of_the_mode_alone_has_an_effect() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mut control = Control::default();
        for mode in [0o600, 0o660, 0o600] {
            let needs =
                ControlNeeds { socket: Some(path.clone()), mode, peers: Vec::new(), ..needs().control };
            let prepared = control.prepare(&needs, 0).unwrap();
            control.adopt(prepared);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn who_hangs_up_is_in_the_audit_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let audit = Some(sys::fs::open_log(&path, AUDIT_MODE).unwrap());
        let mut control = Control { audit, ..Control::default() };
        let id = hung_up(&mut control);
        control.working(id, Command::Stop, "anna".to_owned());
        assert_eq!(control.fds().count(), 0, "nothing that could come matters");
        assert!(control.read(id).is_none());
        control.answer(id, Reply::Done("stopping".to_owned()), "now");
        let line = std::fs::read_to_string(&path).unwrap();
        assert!(line.starts_with("now \"anna\" uid=") && line.ends_with(" stop done\n"), "{line}");
    }

    #[test]
    fn who_hangs_up_after_a_wrong_proof_has_no_next_try_earlier() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mut control = Control::listening(path.clone(), packet::listen(&path, 0o600).unwrap());
        for count in 0..CONNECTIONS_MAX {
            assert!(control.listener().is_some(), "there is room after {count}");
            let id = hung_up(&mut control);
            control.judged(id, Command::Stop, Claim::Token);
            assert!(control.read(id).is_none());
            control.slow_down(id, &Command::Stop, "unknown", "now");
            assert!(control.read(id).is_none());
        }
        let last = Instant::now();
        assert_eq!(control.fds().count(), 0);
        assert!(control.listener().is_none(), "all places are taken by those who were slowed down");
        let first = control.due().unwrap();
        control.on_time(first - Duration::from_millis(1));
        assert!(control.listener().is_none(), "as long as the first is");
        control.on_time(last + SLOWED);
        assert!(control.listener().is_some() && control.due().is_none());
        assert_eq!(control.wrong_proofs, CONNECTIONS_MAX as u64);
    }

    /// A connection from there, and its number.
    fn connected(control: &mut Control, from: Option<&str>) -> (Client, Id) {
        let (client, socket) = Client::pair().unwrap();
        control.inherit_silent(socket, from.map(str::to_owned));
        (client, control.next)
    }

    fn ask(client: &Client) {
        let request = Request { version: LINK_VERSION, command: Command::Stop, proof: Proof::Challenge };
        client.send(&request, &[]).unwrap();
    }

    #[test]
    fn a_nonce_is_good_once_and_for_a_while() {
        let mut control = Control::default();
        let (client, id) = connected(&mut control, None);
        ask(&client);
        assert_eq!(control.read(id).unwrap().nonce, None);
        control.challenge(id, [7; NONCE_LEN]);
        let told = client.receive().unwrap().unwrap().0;
        assert_eq!(told, Answer::Challenge { nonce: Bytes(vec![7; NONCE_LEN]) });
        ask(&client);
        assert_eq!(control.read(id).unwrap().nonce, Some([7; NONCE_LEN]));
        ask(&client);
        assert_eq!(control.read(id).unwrap().nonce, None, "once");
        control.challenge(id, [8; NONCE_LEN]);
        let now = Instant::now();
        control.on_time(now + NONCE_LIFE - Duration::from_secs(1));
        assert!(control.get(id).is_some());
        control.on_time(now + NONCE_LIFE);
        assert!(control.get(id).is_none(), "it is closed then");
    }

    #[test]
    fn those_from_elsewhere_take_no_place_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = packet::listen(&path, 0o600).unwrap();
        let mut control = Control::listening(path, listener);
        let mut kept = Vec::new();
        for _ in 0..2 * REMOTE_MAX {
            let (client, socket) = Client::pair().unwrap();
            control.take_remote(socket, "192.0.2.1:1".to_owned());
            kept.push(client);
        }
        assert_eq!(control.connections.len(), REMOTE_MAX);
        for count in 0..CONNECTIONS_MAX {
            assert!(control.listener().is_some(), "{count}");
            kept.push(connected(&mut control, None).0);
        }
        assert!(control.listener().is_none());
        let far = Origin::Remote("192.0.2.1:1".to_owned());
        for id in 1..=REMOTE_JUDGED_MAX as Id {
            assert!(!control.is_busy_for(&far), "{id}");
            control.judged(id, Command::Status, Claim::Token);
        }
        assert!(control.is_busy_for(&far));
        assert!(!control.is_busy_for(&Origin::Local(packet::Peer { pid: 1, uid: 1, gid: 1 })));
    }
}

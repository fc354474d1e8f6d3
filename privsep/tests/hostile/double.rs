//! A child of each role as it should be, until it plays its trick.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use privsep::link::Link;
use privsep::message::{
    Clocks, ControlNeeds, FromAgent, FromAuth, FromCheck, FromLogger, FromPam, FromRehearsal, FromWorker,
    HostNeeds, ListenNeeds, LogNeeds, Message, Method, Naming, Needs, Output, PamNeeds, PamVerdict, Proof,
    Rank, RankEntry, Realms, RotationNeeds, Secrets, State, Subject, ToAgent, ToAuth, ToCheck, ToLogger,
    ToPam, ToRehearsal, ToWorker, UserEntry,
};
use privsep::role::Role;
use privsep::sealed::{seal, unseal};
use privsep::wire::{Bytes, encode};

use crate::onward;
use crate::tricks::{TRICKS, Then, Tools, When};

/// Plays a role until its link is closed.
pub(crate) fn play(role: Role, socket: OwnedFd) {
    let tools = Tools { socket: socket.try_clone().expect("a duplicate"), shared: Vec::new() };
    match role {
        Role::Check => Double::<FromCheck, ToCheck>::new(role, socket, tools).check(),
        Role::Rehearsal => Double::<FromRehearsal, ToRehearsal>::new(role, socket, tools).rehearsal(),
        Role::Auth => Double::<FromAuth, ToAuth>::new(role, socket, tools).auth(),
        Role::Agent => Double::<FromAgent, ToAgent>::new(role, socket, tools).agent(),
        Role::Logger => Double::<FromLogger, ToLogger>::new(role, socket, tools).logger(),
        Role::Worker => Double::<FromWorker, ToWorker>::new(role, socket, tools).worker(),
        Role::AuthPam | Role::PamLogin => Double::<FromPam, ToPam>::new(role, socket, tools).pam(),
        Role::Supervisor => {}
    }
}

struct Double<Tx, Rx> {
    role: Role,
    link: Link<Tx, Rx>,
    tools: Tools,
    /// Known from the first message on.
    folder: PathBuf,
}

impl<Tx: Message, Rx: Message> Double<Tx, Rx> {
    fn new(role: Role, socket: OwnedFd, tools: Tools) -> Self {
        Self { role, link: Link::new(socket), tools, folder: PathBuf::new() }
    }

    fn hear(&self) -> Option<(Rx, Vec<OwnedFd>)> {
        let (message, descriptors) = self.link.receive_waiting().ok()?;
        Some((message, descriptors))
    }

    /// Writes down what was handed over.
    fn note(&self, descriptors: &[OwnedFd]) {
        let mut lines = String::new();
        for fd in descriptors {
            let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
            let what = match sys::net::local_address(fd.as_fd()) {
                Ok(address) => format!("socket {address}"),
                Err(_) if link.to_string_lossy().starts_with("socket:") => "socket unix".to_owned(),
                Err(_) => link.display().to_string(),
            };
            writeln!(lines, "{} {what}", self.role).expect("writing to a String cannot fail");
        }
        let file = File::options().append(true).create(true).open(self.folder.join("heard"));
        file.and_then(|mut file| file.write_all(lines.as_bytes())).expect("it can be written down");
    }

    /// Plays the trick if its moment has come; whether the double goes on as it should.
    fn goes_on(&self, when: When) -> bool {
        let name = self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let trick = TRICKS.iter().find(|trick| trick.name.replace(' ', "-") == name);
        let Some(trick) = trick.filter(|trick| (trick.role, trick.when) == (self.role, when)) else {
            return true;
        };
        // Without a check that is honest at first, there would be no server.
        let armed = self.role != Role::Check || self.folder.join("armed").exists();
        let over = self.folder.join("over").exists();
        let turn = |round| File::create_new(self.folder.join(format!("round-{round}"))).is_ok();
        if !armed || over || !(0..trick.rounds()).any(turn) {
            return true;
        }
        match (trick.play)(&self.tools) {
            Then::GoOn => true,
            Then::Skip => false,
            Then::Hang => loop {
                std::thread::park();
            },
            Then::Wait => {
                while self.link.receive_waiting().is_ok() {}
                false
            }
        }
    }

    fn say(&self, message: &Tx) {
        // Without a supervisor nobody hears it.
        let _ = self.link.send_waiting(message, &[]);
    }
}

impl Double<FromCheck, ToCheck> {
    fn check(mut self) {
        while let Some((message, descriptors)) = self.hear() {
            match message {
                ToCheck::Examine { hello, .. } => {
                    self.folder = hello.folder;
                    self.note(&descriptors);
                    if self.goes_on(When::Examination) {
                        say_needs(&self.link, &needs(&self.folder));
                    }
                }
                ToCheck::Judge => {
                    self.note(&descriptors);
                    self.say(&FromCheck::Fit);
                }
                ToCheck::Explain { troubles } => {
                    let text: String = troubles.into_iter().map(|trouble| trouble.cause).collect();
                    if self.goes_on(When::Explanation) {
                        let memory = sys::mem::sealed("kimura-check", text.as_bytes()).expect("memory");
                        let _ = self.link.send_waiting(&FromCheck::Problems { count: 1 }, &[memory.as_fd()]);
                    }
                }
            }
        }
    }
}

/// Sends needs as a check does; whether somebody was there.
pub(crate) fn say_needs(link: &Link<FromCheck, ToCheck>, needs: &Needs) -> bool {
    let subject = Subject::File { name: "test".to_owned(), settings: Vec::new() };
    let text = sys::mem::sealed("kimura-check", b"text").expect("memory");
    let memory = seal(needs).expect("memory");
    link.send_waiting(&FromCheck::Needs { subject }, &[text.as_fd(), memory.as_fd()]).is_ok()
}

/// What every server here needs.
pub(crate) fn needs(folder: &Path) -> Needs {
    let secrets = Secrets {
        users: vec![UserEntry { name: "anna".to_owned(), hash: "right".to_owned() }],
        tokens: Vec::new(),
        certificates: Vec::new(),
    };
    let log = |output| LogNeeds {
        output,
        cells: 1 << 12,
        cells_per_shard: 0,
        hold_at: None,
        spill: None,
        rotation: None,
        named: false,
        messages: false,
        pointer: String::new(),
    };
    // It is to be put aside with its first line.
    let rotation = RotationNeeds {
        size: Some(1),
        every: None,
        clocks: Clocks::Utc,
        keep: 10,
        keep_seconds: None,
        budget: None,
        method: Some(Method::Gzip),
        naming: Naming::Number,
    };
    Needs {
        sandbox: false,
        files: Vec::new(),
        readable: Vec::new(),
        listeners: vec![ListenNeeds {
            address: "127.0.0.1:0".to_owned(),
            secure: false,
            pointer: String::new(),
        }],
        backlog: 16,
        access_logs: vec![LogNeeds {
            rotation: Some(rotation),
            ..log(Output::File { path: folder.join("access.log") })
        }],
        error_log: log(Output::Stderr),
        error_level: 3,
        user: None,
        group: None,
        shards: Some(1),
        pid_file: None,
        daemon: false,
        privsep: true,
        drain_millis: 100,
        connections_per_shard: 16,
        connections_by_default: true,
        hosts: vec![HostNeeds { name: "localhost".to_owned(), digest: 1, locations: 1 }],
        realms: Bytes(encode(&Realms { realms: Vec::new() })),
        pam: vec![PamNeeds {
            realm: 9,
            service: "test".to_owned(),
            pointer: "/defaults/auth/pam".to_owned(),
        }],
        control: ControlNeeds {
            socket: Some(folder.join("control.sock")),
            mode: 0o600,
            audit_log: Some(folder.join("audit.log")),
            peers: Vec::new(),
            users: vec![RankEntry { name: "anna".to_owned(), rank: Rank::Admin }],
            tokens: Vec::new(),
            certificates: vec![RankEntry { name: "laptop".to_owned(), rank: Rank::Admin }],
            remote: vec![ListenNeeds {
                address: "127.0.0.1:0".to_owned(),
                secure: true,
                pointer: String::new(),
            }],
            secrets: Bytes(encode(&secrets)),
        },
        bans: None,
        upstreams: onward::needs(),
        limits: vec![onward::SECTION.to_owned()],
        metrics: false,
    }
}

impl Double<FromRehearsal, ToRehearsal> {
    fn rehearsal(mut self) {
        let Some((ToRehearsal::Rehearse, descriptors)) = self.hear() else { return };
        let state = descriptors.first().and_then(|memory| unseal::<State>(memory).ok());
        self.folder = state.expect("the state of the server").folder;
        self.note(&descriptors);
        if self.goes_on(When::Rehearsal) {
            self.say(&FromRehearsal::Unfit { why: "it is only a double".to_owned() });
        }
    }
}

impl Double<FromAuth, ToAuth> {
    fn auth(mut self) {
        while let Some((message, descriptors)) = self.hear() {
            match message {
                ToAuth::Hello { hello } => self.folder = hello.folder,
                ToAuth::Learn => {
                    self.note(&descriptors);
                    self.say(&FromAuth::Ready);
                    self.goes_on(When::Serving);
                }
                ToAuth::ErrorLog | ToAuth::Realms | ToAuth::Messages => self.note(&descriptors),
                ToAuth::Verify { id, .. } => self.say(&FromAuth::Verdict { id, name: None }),
                // Only hostile workers ask, and nobody waits for the answer.
                ToAuth::Login { .. } => {}
                ToAuth::Ask { id, proof } => {
                    let right =
                        matches!(&proof, Proof::Password { secret, .. } if secret.bytes() == b"right");
                    if self.goes_on(When::Question) {
                        self.say(&FromAuth::Verdict { id, name: right.then(|| "anna".to_owned()) });
                    }
                }
            }
        }
    }
}

impl Double<FromAgent, ToAgent> {
    fn agent(mut self) {
        while let Some((message, descriptors)) = self.hear() {
            if let ToAgent::Hello { hello } = &message {
                self.folder.clone_from(&hello.folder);
            }
            self.note(&descriptors);
            match message {
                ToAgent::Listen => drop(self.goes_on(When::Serving)),
                ToAgent::Leave => return,
                _ => {}
            }
        }
    }
}

impl Double<FromPam, ToPam> {
    fn pam(mut self) {
        while let Some((message, descriptors)) = self.hear() {
            match message {
                ToPam::Hello { hello } => {
                    self.folder = hello.folder;
                    self.note(&descriptors);
                    self.goes_on(When::Serving);
                }
                ToPam::ErrorLog | ToPam::Messages => self.note(&descriptors),
                // Only hostile workers ask.
                ToPam::Login { login } => {
                    self.say(&FromPam::Judged { id: login.id, verdict: PamVerdict::Denied });
                }
                ToPam::Probe { .. } => self.say(&FromPam::Probed { library: None, missing: Vec::new() }),
            }
        }
    }
}

/// As gzip has it (RFC 1952), but for the content, which nobody reads.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let len = u32::try_from(content.len()).expect("it is short");
    [&head[..], content, &[0; 4], &len.to_le_bytes()].concat()
}

impl Double<FromLogger, ToLogger> {
    fn logger(mut self) {
        while let Some((message, mut descriptors)) = self.hear() {
            if let ToLogger::Hello { hello } = &message {
                self.folder.clone_from(&hello.folder);
            }
            self.note(&descriptors);
            match (&message, descriptors.pop()) {
                (ToLogger::Pressure { .. }, Some(flags)) => self.tools.shared.push(flags),
                (ToLogger::Producer { generation }, Some(lines)) => self.read_out(*generation, lines),
                (&ToLogger::Sink { number, turn, .. }, memory) => {
                    self.say(&FromLogger::Switched { number, turn });
                    if self.tools.shared.len() == 1 {
                        self.tools.shared.extend(memory);
                        self.goes_on(When::Serving);
                    }
                }
                (&ToLogger::Compress { job, .. }, Some(target)) => {
                    self.tools.shared.push(target.try_clone().expect("a descriptor is left"));
                    if self.goes_on(When::Compression) {
                        // Each file of the log is one line.
                        File::from(target).write_all(&gzip(b"line\n")).expect("there is room");
                    }
                    self.tools.shared.pop();
                    self.say(&FromLogger::Compressed { job });
                }
                (&ToLogger::Sync { job }, _) => self.say(&FromLogger::Synced { job }),
                _ => {}
            }
            if message == ToLogger::Finish {
                return self.say(&FromLogger::Finished);
            }
        }
    }
}

impl Double<FromLogger, ToLogger> {
    /// Says when a worker has nothing more to say: the supervisor keeps its socket until then.
    fn read_out(&self, generation: u32, lines: OwnedFd) {
        let link = self.link.fd().try_clone_to_owned().expect("a descriptor is left");
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            let receive = || sys::packet::receive(lines.as_fd(), &mut buffer, 0, sys::packet::Wait::Block);
            if std::iter::repeat_with(receive).any(|got| !got.is_ok_and(|received| received.len > 0)) {
                let link = Link::<FromLogger, ToLogger>::new(link);
                // Without a supervisor nobody hears it.
                let _ = link.send_waiting(&FromLogger::Read { generation, lines: 0 }, &[]);
            }
        });
    }
}

impl Double<FromWorker, ToWorker> {
    fn worker(mut self) {
        while let Some((message, descriptors)) = self.hear() {
            if let ToWorker::Hello { hello, .. } = &message {
                self.folder.clone_from(&hello.folder);
            }
            self.note(&descriptors);
            match message {
                ToWorker::Counters => self.tools.shared.extend(descriptors),
                ToWorker::Start => {
                    self.say(&FromWorker::Serving);
                    self.goes_on(When::Serving);
                }
                ToWorker::ReportUpstreams if self.goes_on(When::Report) => {
                    let memory = seal(&onward::report(onward::SERVER)).expect("memory");
                    let _ = self.link.send_waiting(&FromWorker::Upstreams, &[memory.as_fd()]);
                }
                ToWorker::TellLimits if self.goes_on(When::Telling) => {
                    self.say(&onward::told(onward::SECTION));
                }
                ToWorker::Prepare if self.goes_on(When::Prepare) => self.say(&FromWorker::Prepared),
                ToWorker::Commit if self.goes_on(When::Commit) => self.say(&FromWorker::Committed),
                ToWorker::Retire { .. } if self.goes_on(When::Retire) => {
                    self.say(&FromWorker::LetGo);
                    return self.say(&FromWorker::Ended { lines_lost: 0 });
                }
                ToWorker::Drain { .. } => return self.say(&FromWorker::Ended { lines_lost: 0 }),
                ToWorker::Stop => return,
                _ => {}
            }
        }
    }
}

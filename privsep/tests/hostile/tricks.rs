//! Everything that a hostile child does.

use std::fs::File;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread;

use privsep::link::Link;
use privsep::message::{
    Answer, FromAgent, FromAuth, FromCheck, FromLogger, FromPam, FromRehearsal, FromWorker, ListenNeeds,
    LoginOutcome, Needs, Network, PamVerdict, Subject, ToWorker,
};
use privsep::role::Role;
use privsep::wire::{Bytes, FRAME_MAX, Secret, Wire, encode};
use sys::mem::Cells;
use sys::packet::{self, Wait};

use crate::{double, elsewhere, onward};

/// When a trick is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// When the child has said that it is ready, or has been told what it needs.
    Serving,
    /// When a worker is to hold the next configuration ready.
    Prepare,
    /// When it is to serve that.
    Commit,
    /// When it is to end for a successor.
    Retire,
    /// When it is to report how servers are that requests are passed on to.
    Report,
    /// When it is to tell who uses how much of the limits.
    Telling,
    /// When auth is to judge.
    Question,
    /// When check is to examine.
    Examination,
    /// When it is to explain what could not be done; its needs before are such that something cannot.
    Explanation,
    /// When a logger has to compress a file.
    Compression,
    /// When a rehearsal is to show that it could.
    Rehearsal,
}

/// What a child does after its trick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// As it should.
    GoOn,
    /// It leaves out what it should have done, and goes on.
    Skip,
    /// It waits for its end.
    Wait,
    /// It does nothing any more, not even when its link is closed.
    Hang,
}

/// What becomes of the reload that meets the trick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    Done,
    Refused,
}

/// What a trick is played with.
pub(crate) struct Tools {
    /// The link of the child.
    pub(crate) socket: OwnedFd,
    /// Memory that the supervisor reads: the counters of a worker, the queue of a logger. The last is a file that is to
    /// be filled, where there is one.
    pub(crate) shared: Vec<OwnedFd>,
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Trick {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) when: When,
    pub(crate) play: fn(&Tools) -> Then,
    /// How many workers it costs.
    pub(crate) crashes: u32,
    pub(crate) reload: Reload,
}

impl Trick {
    /// How often it is played: by a child, and by the one that takes its place.
    pub(crate) fn rounds(&self) -> u32 {
        self.crashes.max(1)
    }

    /// Crashes that only a reload brings about.
    pub(crate) fn later(&self) -> u32 {
        u32::from(self.reload == Reload::Refused)
    }
}

const fn worker(name: &'static str, crashes: u32, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::Worker, when: When::Serving, play, crashes, reload: Reload::Done }
}

/// A worker that meets a reload.
const fn swap(
    name: &'static str,
    when: When,
    crashes: u32,
    reload: Reload,
    play: fn(&Tools) -> Then,
) -> Trick {
    Trick { name, role: Role::Worker, when, play, crashes, reload }
}

const fn auth(name: &'static str, when: When, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::Auth, when, play, crashes: 0, reload: Reload::Done }
}

const fn agent(name: &'static str, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::Agent, when: When::Serving, play, crashes: 0, reload: Reload::Done }
}

const fn auth_pam(name: &'static str, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::AuthPam, when: When::Serving, play, crashes: 0, reload: Reload::Done }
}

const fn logger(name: &'static str, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::Logger, when: When::Serving, play, crashes: 0, reload: Reload::Done }
}

const fn check(name: &'static str, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::Check, when: When::Examination, play, crashes: 0, reload: Reload::Refused }
}

const fn rehearsal(name: &'static str, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::Rehearsal, when: When::Rehearsal, play, crashes: 0, reload: Reload::Done }
}

/// A logger that makes something else of a file than its compressed form.
const fn press(name: &'static str, play: fn(&Tools) -> Then) -> Trick {
    Trick { name, role: Role::Logger, when: When::Compression, play, crashes: 0, reload: Reload::Done }
}

/// Nobody plays it.
pub(crate) const HONEST: Trick = Trick {
    name: "honest",
    role: Role::Supervisor,
    when: When::Serving,
    play: |_| Then::GoOn,
    crashes: 0,
    reload: Reload::Done,
};

/// All of them.
pub(crate) const TRICKS: &[Trick] = &[
    worker("worker noise", 2, noise),
    worker("worker frame too long", 2, too_long),
    worker("worker empty packet with a descriptor", 2, empty),
    worker("worker surplus descriptor", 2, |tools| tools.frame(&LAST_WORD, 1)),
    worker("worker many descriptors", 2, |tools| tools.frame(&LAST_WORD, packet::DESCRIPTORS_MAX)),
    worker("worker speaks as check", 2, |tools| tools.frame(&check_says(), 2)),
    worker("worker speaks as the supervisor", 2, |tools| tools.frame(&ToWorker::Stop, 0)),
    worker("worker answers commands", 2, |tools| tools.frame(&Answer::Status, 1)),
    worker("worker frame cut short", 2, |tools| tools.bytes(&encode(&LAST_WORD)[..3], 0)),
    worker("worker frame with a tail", 2, |tools| tools.bytes(&[encode(&LAST_WORD), vec![0]].concat(), 0)),
    worker("worker serves twice", 2, |tools| tools.frame(&FromWorker::Serving, 0)),
    worker("worker lets go unasked", 2, |tools| tools.frame(&FromWorker::LetGo, 0)),
    worker("worker stops talking", 2, |tools| tools.half_close(Shutdown::Write)),
    worker("worker closes its link", 2, |tools| tools.half_close(Shutdown::Both)),
    worker("worker prepares unasked", 0, |tools| tools.aside(&[FromWorker::Prepared, FromWorker::Committed])),
    worker("worker refuses unasked", 0, |tools| tools.aside(&[FromWorker::Refused { why: "no".to_owned() }])),
    worker("worker floods with last words", 0, |tools| tools.flood(&LAST_WORD)),
    worker("worker floods with refusals", 0, |tools| {
        tools.flood(&FromWorker::Refused { why: "no".repeat(9) })
    }),
    worker("worker counts nonsense", 0, nonsense),
    worker("worker tells of clients that are none", 2, |tools| {
        let client = Network { first: Bytes(vec![192, 0, 2]), len: 32 };
        tools.frame(&FromWorker::Offenders { clients: vec![client] }, 0)
    }),
    worker("worker tells of clients without end", 0, |tools| {
        let client = Network { first: Bytes(vec![192, 0, 2, 7]), len: 32 };
        tools.flood(&FromWorker::Offenders { clients: vec![client; 256] })
    }),
    worker("worker asks for a client without an address", 2, |tools| tools.frame(&login(1, "anna"), 0)),
    worker("worker asks for a name that cannot be", 2, |tools| tools.frame(&login(4, &"n".repeat(256)), 0)),
    worker("worker asks more than auth can judge", 0, |tools| tools.aside(&[login(4, "anna")])),
    worker("worker reports servers without memory", 2, |tools| tools.frame(&FromWorker::Upstreams, 0)),
    worker("worker reports servers with too much", 2, |tools| tools.frame(&FromWorker::Upstreams, 2)),
    worker("worker reports servers unasked", 0, |tools| onward::unasked(tools, &FromWorker::Upstreams, 1)),
    worker("worker tells of limits with a descriptor", 2, |tools| tools.frame(&onward::told("/server"), 1)),
    worker("worker tells of limits cut short", 2, |tools| {
        onward::told_at_length(tools, |bytes| bytes.truncate(bytes.len() - 1))
    }),
    worker("worker tells of limits with a tail", 2, |tools| {
        onward::told_at_length(tools, |bytes| bytes.push(0))
    }),
    worker("worker tells of uses without end", 2, onward::uses_without_end),
    worker("worker tells of limits unasked", 0, |tools| onward::unasked(tools, &onward::told("/server"), 0)),
    worker("worker sets limits", 2, |tools| {
        tools.frame(&ToWorker::Limits { settings: vec!["/server/shaping/down=1".to_owned()] }, 0)
    }),
    worker("worker orders servers", 2, |tools| {
        let (order, _) = onward::orders().swap_remove(0);
        tools.frame(&order, 0)
    }),
    swap("worker reports what is no memory", When::Report, 1, Reload::Done, |tools| {
        tools.frame(&FromWorker::Upstreams, 1)
    }),
    swap("worker reports noise", When::Report, 1, Reload::Done, |tools| {
        onward::report_as(tools, &[u8::MAX; 99])
    }),
    swap("worker reports too much", When::Report, 1, Reload::Done, |tools| {
        onward::report_as(tools, &vec![0; TOO_LONG])
    }),
    swap("worker reports to a terminal", When::Report, 1, Reload::Done, |tools| {
        onward::report_of(tools, "\x1b[2J")
    }),
    swap("worker never reports", When::Report, 0, Reload::Done, |_| Then::Skip),
    swap("worker tells of long names", When::Telling, 0, Reload::Done, onward::long_names),
    swap("worker noise instead of telling", When::Telling, 1, Reload::Done, noise),
    swap("worker never tells", When::Telling, 0, Reload::Done, |_| Then::Skip),
    // A deaf worker is found out by what it is told next.
    swap("worker stops hearing", When::Serving, 1, Reload::Refused, deaf),
    swap("worker commits instead of preparing", When::Prepare, 0, Reload::Done, |tools| {
        tools.aside(&[FromWorker::Committed])
    }),
    swap("worker noise instead of preparing", When::Prepare, 1, Reload::Refused, noise),
    swap("worker refuses to prepare", When::Prepare, 0, Reload::Done, |tools| {
        tools.aside(&[FromWorker::Refused { why: "no".to_owned() }]);
        Then::Skip
    }),
    swap("worker serves instead of preparing", When::Prepare, 1, Reload::Refused, |tools| {
        tools.frame(&FromWorker::Serving, 0)
    }),
    swap("worker noise instead of committing", When::Commit, 1, Reload::Refused, noise),
    swap("worker ends instead of committing", When::Commit, 1, Reload::Refused, |tools| {
        tools.half_close(Shutdown::Both)
    }),
    auth("auth noise", When::Serving, noise),
    auth("auth frame too long", When::Serving, too_long),
    auth("auth surplus descriptor", When::Serving, |tools| tools.frame(&FromAuth::Ready, 1)),
    auth("auth verdicts nobody asked for", When::Serving, verdicts),
    auth("auth judges logins nobody asked for", When::Serving, |tools| tools.flood(&judged(1))),
    auth("auth floods", When::Serving, |tools| tools.flood(&FromAuth::Ready)),
    auth("auth floods with verdicts", When::Serving, |tools| tools.flood(&verdict(7))),
    auth("auth tells of limits", When::Serving, |tools| tools.frame(&onward::told("/server"), 0)),
    auth("auth reports servers", When::Serving, |tools| tools.frame(&FromWorker::Upstreams, 1)),
    auth("auth ends at a question", When::Question, |tools| tools.half_close(Shutdown::Both)),
    auth("auth noise at a question", When::Question, noise),
    auth("auth never answers", When::Question, |_| Then::Skip),
    auth("auth judges all at a question", When::Question, verdicts),
    agent("agent noise", noise),
    agent("agent frame too long", too_long),
    agent("agent empty packet with a descriptor", empty),
    agent("agent connection without a descriptor", |tools| tools.frame(&connection(), 0)),
    agent("agent surplus descriptor", |tools| tools.frame(&connection(), 2)),
    agent("agent tells of limits", |tools| tools.frame(&onward::told("/server"), 0)),
    agent("agent reports servers", |tools| tools.frame(&FromWorker::Upstreams, 1)),
    agent("agent ends", |tools| tools.half_close(Shutdown::Both)),
    agent("agent hands over its own link", |tools| tools.frame(&connection(), 1)),
    agent("agent hands over a stream", |tools| elsewhere::things(tools, 0)),
    agent("agent hands over a listener", |tools| elsewhere::things(tools, 1)),
    agent("agent hands over a socket", |tools| elsewhere::things(tools, 2)),
    agent("agent hands over a device", |tools| elsewhere::things(tools, 3)),
    agent("agent hands over memory", |tools| elsewhere::things(tools, 4)),
    agent("agent commands without a proof", elsewhere::commands),
    agent("agent uses nonces twice", elsewhere::nonces),
    agent("agent has too many connections", elsewhere::crowd),
    agent("agent tells a long address", elsewhere::long_address),
    agent("agent writes the audit log", elsewhere::lines),
    agent("agent stops hearing", deaf),
    auth_pam("auth-pam noise", noise),
    auth_pam("auth-pam frame too long", too_long),
    auth_pam("auth-pam surplus descriptor", |tools| tools.frame(&pam_judged(1), 1)),
    auth_pam("auth-pam floods with verdicts", |tools| tools.flood(&pam_judged(1))),
    auth_pam("auth-pam tells of limits", |tools| tools.frame(&onward::told("/server"), 0)),
    auth_pam("auth-pam ends", |tools| tools.half_close(Shutdown::Both)),
    auth_pam("auth-pam stops hearing", |_| Then::Hang),
    logger("logger noise", noise),
    logger("logger frame too long", too_long),
    logger("logger surplus descriptor", |tools| tools.frame(&FINISHED, 2)),
    logger("logger floods", |tools| tools.flood(&FINISHED)),
    logger("logger read of nobody", |tools| tools.frame(&FromLogger::Read { generation: 77, lines: 1 }, 0)),
    logger("logger counts nonsense", nonsense),
    logger("logger rotates the file of nobody", |tools| tools.frame(&FromLogger::Rotate { number: 77 }, 0)),
    logger("logger rotates without end", |tools| tools.flood(&FromLogger::Rotate { number: 0 })),
    logger("logger has switched to a file that is not there", |tools| {
        tools.frame(&FromLogger::Switched { number: 0, turn: u32::MAX }, 0)
    }),
    logger("logger switches without end", |tools| tools.flood(&FromLogger::Switched { number: 0, turn: 0 })),
    logger("logger has compressed what nobody gave it", |tools| {
        tools.frame(&FromLogger::Compressed { job: 77 }, 0)
    }),
    logger("logger has compressed nothing", |tools| tools.flood(&FromLogger::Compressed { job: 1 })),
    logger("logger has brought nothing to the disk", |tools| tools.flood(&FromLogger::Synced { job: 1 })),
    logger("logger fails at what nobody gave it", |tools| {
        tools.flood(&FromLogger::Failed { job: 1, error: u32::MAX })
    }),
    press("logger compresses to nothing", |_| Then::Skip),
    press("logger compresses to rubbish", |tools| tools.result(b"rubbish")),
    press("logger compresses to less", |tools| tools.result(&double::gzip(b""))),
    press("logger compresses without end", |tools| {
        tools.result(&[double::gzip(b"line\n"), vec![0; 1 << 20]].concat())
    }),
    logger("logger tells of limits", |tools| tools.frame(&onward::told("/server"), 0)),
    logger("logger reports servers", |tools| tools.frame(&FromWorker::Upstreams, 1)),
    logger("logger ends", |tools| tools.half_close(Shutdown::Both)),
    logger("logger stops hearing", deaf),
    check("check noise", noise),
    check("check frame too long", too_long),
    check("check ends", |tools| tools.half_close(Shutdown::Both)),
    check("check tells of limits", |tools| tools.frame(&onward::told("/server"), 0)),
    check("check without descriptors", |tools| tools.frame(&check_says(), 0)),
    check("check surplus descriptor", |tools| tools.frame(&check_says(), 3)),
    check("check memory that is not sealed", |tools| tools.frame(&check_says(), 2)),
    check("check memory that is no needs", |tools| tools.needs(b"\xff\xff\xff\xff")),
    check("check memory that is too long", |tools| tools.needs(&vec![0; TOO_LONG])),
    check("check needs too many shards", |tools| {
        tools.changed_needs(&|needs: &mut Needs| needs.shards = Some(u32::MAX))
    }),
    check("check needs too many addresses", |tools| {
        let address = |number: u32| format!("127.77.{}.{}:1", number >> 8, number & 0xff);
        let listen = |number| ListenNeeds { address: address(number), secure: false, pointer: String::new() };
        tools.changed_needs(&|needs: &mut Needs| needs.listeners = (0..50_000).map(listen).collect())
    }),
    check("check needs nonsense", |tools| {
        let listen = || ListenNeeds { address: "\0".to_owned(), secure: false, pointer: "\0".to_owned() };
        tools.changed_needs(&|needs: &mut Needs| needs.listeners = vec![listen(), listen()])
    }),
    check("check never gives in", |tools| {
        let link = Link::new(tools.socket.try_clone().expect("a duplicate"));
        while double::say_needs(&link, &unfit()) && link.receive_waiting().is_ok() {}
        Then::Wait
    }),
    check("check problems that are no memory", |tools| tools.frame(&FromCheck::Problems { count: 1 }, 1)),
    rehearsal("rehearsal noise", noise),
    rehearsal("rehearsal ends", |tools| tools.half_close(Shutdown::Both)),
    rehearsal("rehearsal says too much", |tools| {
        tools.frame(&FromRehearsal::Unfit { why: "\x1b[2J".repeat(16_000) }, 0)
    }),
    rehearsal("rehearsal surplus descriptor", |tools| {
        tools.frame(&FromRehearsal::Fit { version: String::new() }, 1)
    }),
];

const LAST_WORD: FromWorker = FromWorker::Ended { lines_lost: 0 };
const FINISHED: FromLogger = FromLogger::Finished;

/// More than the supervisor reads.
const TOO_LONG: usize = 65 << 20;

fn check_says() -> FromCheck {
    FromCheck::Needs { subject: Subject::File { name: "test".to_owned(), settings: Vec::new() } }
}

fn connection() -> FromAgent {
    FromAgent::Connection { from: "192.0.2.1:1".to_owned() }
}

/// Somebody else whom nobody knows: a hostile auth could let in whom it was asked about.
fn verdict(id: u64) -> FromAuth {
    FromAuth::Verdict { id, name: Some("otto".to_owned()) }
}

fn pam_judged(id: u64) -> FromPam {
    FromPam::Judged { id, verdict: PamVerdict::Granted }
}

fn judged(id: u64) -> FromAuth {
    FromAuth::Judged { id, outcome: LoginOutcome::Admitted }
}

fn login(address_len: usize, user: &str) -> FromWorker {
    let client = Bytes(vec![127; address_len]);
    FromWorker::Login { ticket: 1, realm: 1, user: user.to_owned(), secret: Secret::default(), client }
}

impl Tools {
    /// Writes something to the file that is to be filled.
    fn result(&self, bytes: &[u8]) -> Then {
        let file = self.shared.last().and_then(|file| file.try_clone().ok()).expect("a file");
        File::from(file).write_all(bytes).expect("there is room");
        Then::Skip
    }

    /// Sends bytes with so many descriptors; whether they went.
    pub(crate) fn put(&self, bytes: &[u8], descriptors: usize) -> bool {
        let fds: Vec<BorrowedFd<'_>> = vec![self.socket.as_fd(); descriptors];
        packet::send(self.socket.as_fd(), bytes, &fds, Wait::Block).is_ok()
    }

    pub(crate) fn bytes(&self, bytes: &[u8], descriptors: usize) -> Then {
        self.put(bytes, descriptors);
        Then::Wait
    }

    fn frame<T: Wire>(&self, message: &T, descriptors: usize) -> Then {
        self.bytes(&encode(message), descriptors)
    }

    /// Says these beside what it should.
    fn aside(&self, messages: &[FromWorker]) -> Then {
        for _ in 0..100 {
            for message in messages {
                self.put(&encode(message), 0);
            }
        }
        Then::GoOn
    }

    /// Says the same on and on, and goes on as it should meanwhile.
    fn flood<T: Wire>(&self, message: &T) -> Then {
        let (bytes, socket) = (encode(message), self.socket.try_clone().expect("a duplicate"));
        thread::spawn(move || while packet::send(socket.as_fd(), &bytes, &[], Wait::Block).is_ok() {});
        Then::GoOn
    }

    fn half_close(&self, how: Shutdown) -> Then {
        let stream = UnixStream::from(self.socket.try_clone().expect("a duplicate"));
        stream.shutdown(how).expect("it is open");
        Then::Wait
    }

    /// Sends these bytes as needs.
    fn needs(&self, bytes: &[u8]) -> Then {
        let memory = sys::mem::sealed("kimura-check", bytes).expect("memory");
        let fds = [memory.as_fd(), memory.as_fd()];
        // Nobody may be there any more.
        let _ = packet::send(self.socket.as_fd(), &encode(&check_says()), &fds, Wait::Block);
        Then::Wait
    }

    /// Sends what the server needs, with a difference; explains itself as it should.
    fn changed_needs(&self, change: &dyn Fn(&mut Needs)) -> Then {
        let mut needs = double::needs(&std::env::current_dir().expect("a folder"));
        change(&mut needs);
        self.needs(&encode(&needs));
        Then::Skip
    }
}

/// Random frames, the same each time.
fn noise(tools: &Tools) -> Then {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..1000 {
        // A number that no message has comes first, so that none of them is right by chance.
        let len = next() % 2000;
        let bytes: Vec<u8> = std::iter::once(0).chain((0..len).map(|_| next() as u8)).collect();
        if !tools.put(&bytes, (next() % 4) as usize) {
            break;
        }
    }
    Then::Wait
}

fn deaf(tools: &Tools) -> Then {
    tools.half_close(Shutdown::Read);
    Then::Hang
}

fn too_long(tools: &Tools) -> Then {
    tools.bytes(&vec![1; FRAME_MAX + 1], 0)
}

fn empty(tools: &Tools) -> Then {
    tools.bytes(&[], 1)
}

fn verdicts(tools: &Tools) -> Then {
    for id in 0..1000 {
        tools.put(&encode(&verdict(id)), 0);
    }
    Then::GoOn
}

/// Everything that the worker shares with the supervisor becomes as large as can be.
fn nonsense(tools: &Tools) -> Then {
    assert!(!tools.shared.is_empty(), "something is shared");
    for fd in &tools.shared {
        let fd = fd.try_clone().expect("a duplicate");
        let len = File::from(fd.try_clone().expect("a duplicate")).metadata().expect("its length").len();
        let cells = Cells::from_fd(fd, len as usize / size_of::<u64>()).expect("cells");
        cells.iter().for_each(|cell| cell.store(u64::MAX, Ordering::Relaxed));
    }
    Then::GoOn
}

/// Needs that cannot be met.
fn unfit() -> Needs {
    let mut needs = double::needs(&std::env::current_dir().expect("a folder"));
    needs.listeners =
        vec![ListenNeeds { address: "192.0.2.1:1".to_owned(), secure: false, pointer: String::new() }];
    needs
}

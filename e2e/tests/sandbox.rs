//! What the processes cannot do, tried from within them: a thread of each is made to try it.

#![forbid(unsafe_code)]
#![cfg(target_arch = "x86_64")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use e2e::openssl::{Algorithm, Authority, Term};
use e2e::puppet::{Answer, Puppet};
use e2e::response::Asked;
use e2e::{Folder, Options, Process, Server, until};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1, "user": "65534", "group": "65534",
    "control": { "socket": "${folder}/control.sock", "remote": {
      "listen": ["127.0.0.1:0"], "chain": "${folder}/ca/server.pem", "key": "${folder}/ca/server.key" } } },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": "${folder}/access.log" }${more} }
}"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

const SUPERVISOR: &str = "kimura: supervisor [priv]";
const WORKER: &str = "kimura: worker";
const AUTH: &str = "kimura: auth";
const AGENT: &str = "kimura: agent";
const LOGGER: &str = "kimura: logger";
const CHECK: &str = "kimura: check";
const SHARD: &str = "shard 0";

struct Site {
    folder: Folder,
    server: Server,
}

impl Site {
    fn start(more: &str) -> Site {
        let folder = Folder::new("sandbox").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        folder.write("secret.txt", b"everybody may read this, but who is to serve www\n").expect("write");
        let authority = Authority::new(&folder.path().join("ca")).expect("an authority");
        authority.host("server", &["localhost"], Algorithm::Ecdsa, Term::Holds).expect("a certificate");
        let text =
            CONFIGURATION.replace("${more}", more).replace("${folder}", &folder.path().to_string_lossy());
        let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
        let www = folder.path().join("www");
        for path in [folder.path(), &www] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        chown(&www, Some(65_534), Some(65_534)).expect("chown");
        let server = Server::start(&configuration, &Options::default()).expect("the server starts");
        Site { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serves(&self) -> bool {
        let mut client = self.server.connect().expect("connect");
        client.send(GET).expect("send");
        client.response(Asked::Other).is_ok_and(|response| response.status == 200)
    }
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// One thing to try: what it is, the number of the call, its arguments, and whether a path goes into the first or second.
struct Attempt {
    what: &'static str,
    call: i64,
    arguments: [u64; 6],
    path: Option<(usize, String)>,
}

impl Attempt {
    fn new(what: &'static str, call: i64, arguments: &[u64]) -> Attempt {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        Attempt { what, call, arguments: all, path: None }
    }

    fn on(mut self, argument: usize, path: impl Into<String>) -> Attempt {
        self.path = Some((argument, path.into()));
        self
    }

    fn by(&self, puppet: &mut Puppet) -> Answer {
        let mut arguments = self.arguments;
        if let Some((at, path)) = &self.path {
            arguments[*at] = puppet.put_path(path).expect("its memory");
        }
        puppet.call(self.call, &arguments).expect("a call")
    }
}

const HERE: u64 = libc::AT_FDCWD as u64;
const INET: u64 = libc::AF_INET as u64;
const STREAM: u64 = libc::SOCK_STREAM as u64;
const DATA: u64 = libc::PROT_READ as u64;
const CODE: u64 = (libc::PROT_READ | libc::PROT_EXEC) as u64;
const NOWHERE: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
const NO_FILE: u64 = u64::MAX;
const SOCKET: u64 = libc::SOL_SOCKET as u64;
/// F_SETSIG, for which the library has no name.
const SIGNAL_OF_CHOICE: u64 = 10;

fn open(what: &'static str, path: &str, flags: i32) -> Attempt {
    Attempt::new(what, libc::SYS_openat, &[HERE, 0, flags as u64, 0o600]).on(1, path)
}

/// What every role tries, and cannot.
fn denied_to_all(sibling: u32) -> Vec<Attempt> {
    let sibling = u64::from(sibling);
    vec![
        open("read a file that root alone may read", "/etc/shadow", libc::O_RDONLY),
        open("make a file", "/tmp/kimura-sandbox-test", libc::O_WRONLY | libc::O_CREAT),
        Attempt::new("make a socket", libc::SYS_socket, &[INET, STREAM, 0]),
        Attempt::new("bind a port", libc::SYS_bind, &[3, 0, 16]),
        Attempt::new("connect", libc::SYS_connect, &[3, 0, 16]),
        Attempt::new("accept", libc::SYS_accept4, &[3]),
        Attempt::new("start a process", libc::SYS_clone, &[libc::SIGCHLD as u64]),
        Attempt::new("start a process another way", libc::SYS_clone3, &[0, 88]),
        Attempt::new("fork", libc::SYS_fork, &[]),
        Attempt::new("end a sibling", libc::SYS_kill, &[sibling, libc::SIGKILL as u64]),
        Attempt::new("end a thread of a sibling", libc::SYS_tgkill, &[sibling, sibling, 9]),
        Attempt::new("make a ring", libc::SYS_io_uring_setup, &[8, 0]),
        Attempt::new("make memory that is code", libc::SYS_mmap, &[0, 4096, CODE, NOWHERE, NO_FILE]),
        Attempt::new("raise a limit", libc::SYS_prlimit64, &[0, libc::RLIMIT_CORE.into(), 1]),
        Attempt::new("be dumped", libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as u64, 1]),
        Attempt::new("go before others", libc::SYS_sched_setscheduler, &[0, libc::SCHED_FIFO as u64, 0]),
        Attempt::new("have signals sent", libc::SYS_fcntl, &[3, libc::F_SETOWN as u64, sibling]),
        Attempt::new("choose which", libc::SYS_fcntl, &[3, SIGNAL_OF_CHOICE, libc::SIGKILL as u64]),
        Attempt::new("have them sent", libc::SYS_fcntl, &[3, libc::F_SETFL as u64, libc::O_ASYNC as u64]),
        Attempt::new("have them sent another way", libc::SYS_ioctl, &[3, libc::FIOASYNC]),
        Attempt::new("keep a socket alive", libc::SYS_setsockopt, &[3, SOCKET, libc::SO_KEEPALIVE as u64]),
        Attempt::new("filter a socket", libc::SYS_setsockopt, &[3, SOCKET, libc::SO_ATTACH_FILTER as u64]),
        Attempt::new("rename", libc::SYS_rename, &[0, 0]).on(0, "/tmp"),
        Attempt::new("remove", libc::SYS_unlink, &[0]).on(0, "/tmp/kimura-sandbox-test"),
        Attempt::new("change a mode", libc::SYS_chmod, &[0, 0o777]).on(0, "/tmp"),
    ]
}

/// What is not for those either who go to others by sockets.
fn other_sockets() -> Vec<Attempt> {
    vec![
        Attempt::new("see all packets", libc::SYS_socket, &[libc::AF_PACKET as u64, STREAM, 0]),
        Attempt::new("talk with the kernel", libc::SYS_socket, &[libc::AF_NETLINK as u64, 3, 0]),
    ]
}

/// What the logger, which is handed folders to sync them, cannot do there.
fn denied_in_folders() -> Vec<Attempt> {
    vec![
        Attempt::new("list a folder", libc::SYS_getdents64, &[3, 0, 0]),
        Attempt::new("remove in a folder", libc::SYS_unlinkat, &[3, 0, 0]).on(1, "access.log"),
        Attempt::new("rename in a folder", libc::SYS_renameat2, &[3, 0, 3, 0, 0]).on(1, "access.log"),
        Attempt::new("open in a folder", libc::SYS_openat, &[3, 0, libc::O_RDONLY as u64])
            .on(1, "access.log"),
        Attempt::new("move to a folder", libc::SYS_fchdir, &[3]),
    ]
}

/// What ends whoever tries it.
fn deadly(sibling: u32) -> Vec<Attempt> {
    vec![
        Attempt::new("become root again", libc::SYS_setresuid, &[0, 0, 0]),
        Attempt::new("become another program", libc::SYS_execve, &[0, 0, 0]).on(0, "/bin/true"),
        Attempt::new("trace a sibling", libc::SYS_ptrace, &[libc::PTRACE_ATTACH.into(), sibling.into()]),
    ]
}

fn is_denied(answer: Answer) -> bool {
    matches!(answer, Answer::Failed(Errno::EPERM | Errno::EACCES | Errno::ENOSYS))
}

/// Takes over the first thread of a role and has it try everything.
fn try_all(role: &str, process: &Process, sibling: u32, more: Vec<Attempt>) {
    let mut puppet = Puppet::take(process.pid).expect("a puppet");
    let harmless =
        Attempt::new("map memory", libc::SYS_mmap, &[0, 4096, DATA, NOWHERE, NO_FILE]).by(&mut puppet);
    assert!(matches!(harmless, Answer::Done(_)), "{role} has to be able to map memory: {harmless}");
    let own = |attempt: &Attempt| match role {
        // It takes connections, from sockets that it was handed.
        AGENT => attempt.call == libc::SYS_accept4,
        // It goes to receivers of logs.
        LOGGER => [libc::SYS_socket, libc::SYS_connect].contains(&attempt.call),
        _ => false,
    };
    for attempt in denied_to_all(sibling).into_iter().filter(|attempt| !own(attempt)).chain(more) {
        let answer = attempt.by(&mut puppet);
        assert!(is_denied(answer), "{role}, {}: {answer}", attempt.what);
    }
}

#[test]
fn what_roles_cannot_do() {
    if !is_root() {
        // Only root may look into a process that hides its memory.
        return;
    }
    let site = Site::start("");
    let secret = site.path("secret.txt").display().to_string();
    let hello = site.path("www/hello.txt").display().to_string();
    for (role, sibling) in [(AUTH, LOGGER), (AGENT, LOGGER), (LOGGER, AUTH), (WORKER, LOGGER)] {
        let sibling = || site.server.process(sibling).expect("a sibling").pid;
        let outside = open("read what everybody may", &secret, libc::O_RDONLY);
        let inside = open("read what is served", &hello, libc::O_RDONLY);
        let more = match role {
            WORKER => vec![outside],
            LOGGER => {
                other_sockets().into_iter().chain(denied_in_folders()).chain([outside, inside]).collect()
            }
            _ => vec![outside, inside],
        };
        try_all(role, &site.server.process(role).expect("the role"), sibling(), more);
        for attempt in deadly(sibling()) {
            let process = site.server.process(role).expect("the role");
            confined(&process);
            let answer = attempt.by(&mut Puppet::take(process.pid).expect("a puppet"));
            assert_eq!(answer, Answer::Ended(Signal::SIGSYS), "{role}, {}", attempt.what);
            until(role, || site.server.process(role).is_ok_and(|now| now.pid != process.pid));
        }
    }
    assert!(site.serves(), "the next worker serves");
    site.server.stop().expect("the server ends in order");
}

/// One that passes requests on can connect, and does nothing else that others cannot.
#[test]
fn what_a_worker_can_and_cannot_do_that_passes_requests_on() {
    if !is_root() {
        return;
    }
    let site = Site::start(r#", "app.example": { "proxy": "http://127.0.0.1:1" }"#);
    let worker = site.server.process(WORKER).expect("a worker");
    confined(&worker);
    let sibling = site.server.process(LOGGER).expect("a sibling").pid;
    let mut puppet = Puppet::take(worker.pid).expect("a puppet");
    let own = [libc::SYS_socket, libc::SYS_connect];
    let attempts = denied_to_all(sibling).into_iter().filter(|attempt| !own.contains(&attempt.call));
    for attempt in attempts.chain(other_sockets()) {
        let answer = attempt.by(&mut puppet);
        assert!(is_denied(answer), "{}: {answer}", attempt.what);
    }
    let made = Attempt::new("make a socket", libc::SYS_socket, &[INET, STREAM, 0]).by(&mut puppet);
    assert!(matches!(made, Answer::Done(_)), "{made}");
    drop(puppet);
    assert!(site.serves());
    site.server.stop().expect("the server ends in order");
}

/// Waits until a process is as it will be.
fn confined(process: &Process) {
    until("its filters", || is_confined(process));
}

fn is_confined(process: &Process) -> bool {
    let last = if process.title == WORKER { "4" } else { "3" };
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap_or_default();
    status.lines().any(|line| line == format!("Seccomp_filters:\t{last}"))
}

#[test]
fn what_the_worker_can_and_cannot_open() {
    if !is_root() {
        return;
    }
    let site = Site::start("");
    let worker = site.server.process(WORKER).expect("a worker");
    let hello = site.path("www/hello.txt").display().to_string();
    let made = site.path("www/made.txt").display().to_string();
    let mut puppet = Puppet::take(worker.pid).expect("a puppet");
    let read = open("read what is served", &hello, libc::O_RDONLY).by(&mut puppet);
    assert!(matches!(read, Answer::Done(_)), "{read}");
    // What open is for, openat2 is for as well, and its flags are in memory.
    let mut by_openat2 = |flags: i32, path: &str| {
        // A mode is for what is made.
        let mode = if flags & libc::O_CREAT == 0 { 0 } else { 0o600 };
        let how: Vec<u8> = [flags as u64, mode, 0].into_iter().flat_map(u64::to_ne_bytes).collect();
        let address = puppet.put(&[how.as_slice(), path.as_bytes(), b"\0"].concat()).expect("its memory");
        puppet.call(libc::SYS_openat2, &[HERE, address + 24, address, 24]).expect("a call")
    };
    let secret = site.path("secret.txt").display().to_string();
    assert!(matches!(by_openat2(libc::O_RDONLY, &hello), Answer::Done(_)));
    for (flags, path, wanted) in [
        (libc::O_RDONLY, secret.as_str(), Errno::EACCES),
        (libc::O_RDONLY, "/etc/passwd", Errno::EACCES),
        (libc::O_WRONLY | libc::O_CREAT, &made, Errno::EACCES),
        (libc::O_WRONLY | libc::O_TRUNC, &hello, Errno::EACCES),
    ] {
        assert_eq!(by_openat2(flags, path), Answer::Failed(wanted), "{path}");
    }
    drop(puppet);
    assert!(!site.path("www/made.txt").exists() && site.serves());
    site.server.stop().expect("the server ends in order");
}

/// The lane's ring in the memory of a worker with one shard: where the kernel has put it.
struct Lane {
    fd: u64,
    /// Heads and tails.
    rings: u64,
    /// Submission entries.
    entries: u64,
}

/// What distinguishes it from the rings of the executor: how many entries it has.
const SUBMISSIONS: u64 = 1024;
const COMPLETIONS: u64 = 8192;
const COMPLETION_SIZE: u64 = 16;
const ENTRY_SIZE: u64 = 64;
/// The offsets by which the two are mapped.
const RINGS: &str = "00000000";
const ENTRIES: &str = "10000000";

impl Lane {
    fn find(process: u32) -> Lane {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("it runs");
        let mapped = |offset: &str, size: u64| {
            let fits = maps.lines().filter(|line| line.ends_with("anon_inode:[io_uring]")).find_map(|line| {
                let mut words = line.split_whitespace();
                let (from, to) = words.next()?.split_once('-')?;
                let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
                (words.nth(1)? == offset && to - from >= size).then_some(from)
            });
            fits.expect("the ring of the lane is mapped")
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fdinfo")).expect("it runs").flatten();
        let fd = descriptors.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).find(|fd| {
            let info = fs::read_to_string(format!("/proc/{process}/fdinfo/{fd}")).unwrap_or_default();
            info.contains(&format!("SqMask:\t{:#x}\n", SUBMISSIONS - 1))
        });
        Lane {
            fd: fd.expect("the ring of the lane is open"),
            rings: mapped(RINGS, COMPLETIONS * COMPLETION_SIZE),
            entries: mapped(ENTRIES, SUBMISSIONS * ENTRY_SIZE),
        }
    }

    /// Submits an operation on a path, and answers its result.
    fn submit(&self, puppet: &mut Puppet, operation: u8, path: &str) -> i32 {
        let words = Words::find(puppet, self.rings);
        let number = |at: u64| puppet.read_u32(self.rings + at).expect("its memory");
        let (tail, completed) = (number(words.submission_tail), number(words.completion_tail));
        let index = u64::from(tail) & (SUBMISSIONS - 1);
        let mut entry = [0; ENTRY_SIZE as usize];
        entry[0] = operation;
        entry[4..8].copy_from_slice(&libc::AT_FDCWD.to_ne_bytes());
        entry[16..24].copy_from_slice(&puppet.put_path(path).expect("its memory").to_ne_bytes());
        // The kind of completions that the lane does not look at.
        entry[32..40].copy_from_slice(&(7_u64 << 56).to_ne_bytes());
        puppet.write(self.entries + index * ENTRY_SIZE, &entry).expect("its memory");
        let array = self.rings + words.completions + COMPLETIONS * COMPLETION_SIZE;
        puppet.write(array + index * 4, &(index as u32).to_ne_bytes()).expect("its memory");
        puppet.write(self.rings + words.submission_tail, &(tail + 1).to_ne_bytes()).expect("its memory");
        let entered = puppet.call(libc::SYS_io_uring_enter, &[self.fd, 1, 0, 0, 0, 8]).expect("a call");
        assert_eq!(entered, Answer::Done(1));
        let at = words.completions + (u64::from(completed) & (COMPLETIONS - 1)) * COMPLETION_SIZE;
        let completion: [u8; 12] = puppet.read(self.rings + at).expect("its memory");
        assert_eq!(completion[7], 7, "the completion is another one's: {completion:?}");
        i32::from_ne_bytes([completion[8], completion[9], completion[10], completion[11]])
    }
}

/// Where the words of a ring are (`struct io_rings`). Four heads and tails come first, apart as far as the kernel likes;
/// then the masks and sizes, by which they are found.
struct Words {
    submission_tail: u64,
    completion_tail: u64,
    completions: u64,
}

impl Words {
    fn find(puppet: &Puppet, rings: u64) -> Words {
        let sizes = [SUBMISSIONS - 1, COMPLETIONS - 1, SUBMISSIONS, COMPLETIONS];
        let number = |at: u64| u64::from(puppet.read_u32(rings + at).expect("its memory"));
        let at = (16..512)
            .step_by(4)
            .find(|at| sizes.iter().zip(0..).all(|(size, n)| number(at + 4 * n) == *size));
        let sizes_at = at.expect("the sizes of the ring of the lane");
        Words {
            submission_tail: sizes_at / 4,
            completion_tail: sizes_at / 4 * 3,
            completions: (sizes_at + 32).next_multiple_of(64),
        }
    }
}

/// Operations of rings, by their numbers in the kernel's interface.
const OPERATIONS: &[(u8, &str)] = &[
    (18, "open"),
    (28, "open, with more to say"),
    (16, "connect"),
    (45, "make a socket"),
    (22, "read"),
    (23, "write"),
    (35, "rename"),
    (36, "remove"),
    (21, "look at"),
    (40, "message another ring"),
];

#[test]
fn what_the_ring_of_a_shard_does_not_take() {
    if !is_root() {
        return;
    }
    let site = Site::start("");
    let worker = site.server.process(WORKER).expect("a worker");
    confined(&worker);
    let hello = site.path("www/hello.txt").display().to_string();
    let lane = Lane::find(worker.pid);
    {
        let mut puppet = Puppet::take(worker.thread(SHARD).expect("a shard")).expect("a puppet");
        for (operation, what) in OPERATIONS {
            assert_eq!(lane.submit(&mut puppet, *operation, &hello), -libc::EACCES, "{what}");
        }
        let registered = puppet.call(libc::SYS_io_uring_register, &[lane.fd, 2, 0, 0]).expect("a call");
        assert_eq!(registered, Answer::Failed(Errno::EPERM), "register descriptors");
    }
    assert!(site.serves());
    site.server.stop().expect("the server ends in order");
}

#[test]
fn what_check_cannot_do() {
    if !is_root() {
        return;
    }
    // So many that the examination can be met.
    let hosts: String =
        (0..3000).map(|n| format!(", \"h{n}.example\": {{ \"root\": \"${{folder}}/www\" }}")).collect();
    let site = Site::start(&hosts);
    let check = site.meet_check();
    let logger = site.server.process(LOGGER).expect("the logger").pid;
    let mut puppet = Puppet::take(check.pid).expect("a puppet");
    // It looks names up.
    let own = |attempt: &Attempt| [libc::SYS_socket, libc::SYS_connect].contains(&attempt.call);
    for attempt in denied_to_all(logger).into_iter().filter(|attempt| !own(attempt)).chain(other_sockets()) {
        let answer = attempt.by(&mut puppet);
        assert!(is_denied(answer), "check, {}: {answer}", attempt.what);
    }
    let socket = puppet.call(libc::SYS_socket, &[INET, STREAM, 0]).expect("a call");
    let Answer::Done(socket) = socket else { panic!("a socket: {socket}") };
    let address = [&(libc::AF_INET as u16).to_ne_bytes()[..], &[0, 80, 127, 0, 0, 1], &[0; 8]].concat();
    let address = puppet.put(&address).expect("its memory");
    let answer = puppet.call(libc::SYS_connect, &[socket, address, 16]).expect("a call");
    assert_eq!(answer, Answer::Failed(Errno::EACCES), "connect by TCP");
    let answer = deadly(logger).remove(0).by(&mut puppet);
    assert_eq!(answer, Answer::Ended(Signal::SIGSYS));
    drop(puppet);
    site.server.signal(Signal::SIGCONT).expect("it runs");
    assert!(site.serves());
    site.server.stop().expect("the server ends in order");
}

impl Site {
    /// Has the configuration examined, and the supervisor stopped as long as check is there.
    fn meet_check(&self) -> Process {
        let mut met = None;
        until("an examination is met", || {
            self.server.signal(Signal::SIGHUP).expect("it runs");
            // One that is not confined yet waits for the supervisor, which is about to be stopped.
            let is_met = |process: &Process| process.title == CHECK && is_confined(process);
            met = (0..10_000).find_map(|_| self.server.processes().into_iter().find(is_met));
            self.server.signal(Signal::SIGSTOP).expect("it runs");
            let there = met.as_ref().is_some_and(|check| Process::find(check.pid).is_some());
            if !there {
                self.server.signal(Signal::SIGCONT).expect("it runs");
            }
            there
        });
        met.expect("it was met")
    }
}

#[test]
fn no_process_is_dumped() {
    if !is_root() {
        return;
    }
    let site = Site::start("");
    for role in [SUPERVISOR, AUTH, LOGGER, WORKER] {
        let process = site.server.process(role).expect("the role");
        if role != SUPERVISOR {
            confined(&process);
        }
        let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid)).expect("it runs");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
        let numbers: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
        assert_eq!(numbers, ["0", "0"], "{role}");
    }
    site.server.stop().expect("the server ends in order");
}

/// What a process may have open, by the beginnings of what procfs shows.
const OPEN: &[(&str, &[&str])] = &[
    (AUTH, &["/dev/null", "pipe:", "socket:"]),
    (AGENT, &["/dev/null", "pipe:", "socket:"]),
    (
        LOGGER,
        &[
            "/dev/null",
            "pipe:",
            "socket:",
            "anon_inode:[eventfd]",
            "/memfd:kimura-log",
            "/memfd:kimura-pressure",
            "/memfd:kimura-tail",
            "${folder}/access.log",
        ],
    ),
    (WORKER, &["/dev/null", "pipe:", "socket:", "anon_inode:", "/memfd:kimura", "${folder}/www"]),
];

#[test]
fn what_each_process_has_open() {
    if !is_root() {
        return;
    }
    let site = Site::start("");
    assert!(site.serves());
    for (role, allowed) in OPEN {
        let process = site.server.process(role).expect("the role");
        confined(&process);
        let folder = site.folder.path().display().to_string();
        let allowed: Vec<String> = allowed.iter().map(|start| start.replace("${folder}", &folder)).collect();
        let open = fs::read_dir(format!("/proc/{}/fd", process.pid)).expect("it runs").flatten();
        let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        let links: Vec<String> = links.map(|link| link.display().to_string()).collect();
        assert!(links.len() >= 4, "{role}: {links:?}");
        for link in &links {
            assert!(allowed.iter().any(|start| link.starts_with(start)), "{role} has {link} open");
        }
    }
    site.server.stop().expect("the server ends in order");
}

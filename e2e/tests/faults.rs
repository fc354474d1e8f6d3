//! What goes wrong around the server while it changes: processes that are killed, no room for others, no descriptors,
//! no space, configurations that cannot be applied, changes that meet. It serves on, and accounts for everything.

#![forbid(unsafe_code)]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use e2e::load::Load;
use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Folder, Process, binary};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, Uid, mkfifo};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["${address}"], "shards": 2, "pid_file": "${folder}/run/kimura.pid",
    "error_log": "${folder}/log/error.log", "timeouts": { "drain": "2s" },
    "control": { "socket": "${folder}/run/control.sock", "audit_log": "${folder}/log/audit.log" }
  },
  "hosts": {
    "localhost": { "root": "${folder}/www", "access_log": "${folder}/log/access.log" }
    ${more}
  }
}"#;

const MORE: &str = r#", "more.test": { "root": "${folder}/www", "listen": ["unix:${folder}/run/more.sock"],
    "access_log": "${folder}/log/more.log" }"#;

const CHECK: &str = "kimura: check";
const REHEARSAL: &str = "kimura: rehearsal [priv]";
const WORKER: &str = "kimura: worker";
const AUTH: &str = "kimura: auth";
const LOGGER: &str = "kimura: logger";

const BODY: &[u8] = b"Hello, world!\n";
const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const UNDER_WAY: &str = "another reload or upgrade is under way";

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A user that nobody else is, so that a limit of its processes concerns nobody else.
const STRANGER: u32 = 64_123;

/// What a command has come to: its exit status and what it printed.
type Told = (Option<i32>, String);

/// A server that leads a process group of its own.
struct Site {
    folder: Folder,
    address: String,
    child: Option<Child>,
    /// The user of the server when the test is run by root.
    owner: u32,
}

impl Site {
    fn start() -> Site {
        let site = Site::prepare();
        site.launch()
    }

    fn prepare() -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let site = Site { folder: Folder::new("faults").expect("a folder"), address, child: None, owner: 0 };
        site.write("www/hello.txt", std::str::from_utf8(BODY).expect("text"));
        for folder in ["run", "log"] {
            fs::create_dir(site.path(folder)).expect("a folder");
        }
        site.configure("");
        site
    }

    fn launch(mut self) -> Site {
        let mut command = Command::new(binary::path());
        command.arg("-c").arg(self.path("kimura.conf")).process_group(0);
        self.run(command);
        self
    }

    fn run(&mut self, mut command: Command) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("it starts"));
        until("service", || self.get().is_some());
        until("the answer to a command", || self.give(&["status"]).0 == Some(0));
    }

    fn text(&self, more: &str) -> String {
        let text = CONFIGURATION.replace("${more}", more).replace("${address}", &self.address);
        text.replace("${folder}", &self.folder.path().to_string_lossy())
    }

    fn configure(&self, more: &str) {
        self.write("kimura.conf", &self.text(more));
    }

    fn write(&self, name: &str, text: &str) {
        self.folder.write(name, text.as_bytes()).expect("write");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("it was started").id()
    }

    fn place(&self) -> Place {
        Place::Ip(self.address.parse().expect("an address"))
    }

    fn give(&self, words: &[&str]) -> Told {
        let socket = self.path("run/control.sock");
        give(&socket, words)
    }

    /// A connection to the socket for commands.
    fn connect(&self) -> OwnedFd {
        let name = UnixAddr::new(&self.path("run/control.sock")).expect("a short path");
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).expect("a socket");
        connect(fd.as_raw_fd(), &name).expect("somebody listens");
        fd
    }

    /// Gives a command without waiting for what comes of it.
    fn begin(&self, words: &'static [&'static str]) -> JoinHandle<Told> {
        let socket = self.path("run/control.sock");
        thread::spawn(move || give(&socket, words))
    }

    /// The status of an answer; none when nobody answers.
    fn get(&self) -> Option<u16> {
        let mut client = Client::connect(&self.place()).ok()?;
        client.send(GET).ok()?;
        client.response(Asked::Other).ok().map(|response| response.status)
    }

    fn find(&self, title: &str) -> Option<Process> {
        Process::tree(self.pid()).into_iter().find(|process| process.title == title)
    }

    fn descriptors(&self) -> u64 {
        Process::find(self.pid()).expect("it runs").descriptors().expect("they can be counted")
    }

    /// Waits until the last command has left: its connection is one more descriptor until then.
    fn hears_nobody(&self) {
        // Accepted sockets have the path of the one that listens.
        let path = self.path("run/control.sock").display().to_string();
        let is_ours = |line: &&str| line.ends_with(&path);
        until("nothing but the listener", || {
            let sockets = fs::read_to_string("/proc/net/unix").expect("procfs");
            sockets.lines().filter(is_ours).count() == 1
        });
    }

    /// Sets the current limit of the supervisor for a resource that prlimit(1) knows by that name.
    fn limit(&self, resource: &str, most: &str) {
        let mut command = Command::new("prlimit");
        command.args(["--pid", &self.pid().to_string(), &format!("--{resource}={most}:")]);
        // Root may not do that to everybody everywhere, but everybody to himself.
        if Uid::effective().is_root() {
            command.uid(self.owner).gid(self.owner);
        }
        assert!(command.status().expect("prlimit runs").success());
    }

    /// The current limit of the supervisor, by its name in `/proc/PID/limits`.
    fn limited(&self, name: &str) -> String {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid())).expect("it runs");
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a limit of that name");
        line.split_whitespace().next().expect("the current one comes first").to_owned()
    }

    /// What has to hold after everything: all roles are there, it serves, it accounts for everything, and nobody is
    /// left that has ended.
    fn is_well(&self) {
        for title in [WORKER, AUTH, LOGGER] {
            until(title, || self.find(title).is_some());
        }
        assert_eq!(self.get(), Some(200));
        let mut status = String::new();
        until("an even ledger", || {
            status = self.give(&["status"]).1;
            status.contains("ledger         even\n") && status.matches("generation ").count() == 1
        });
        until("no zombie", || zombies(self.pid()).is_empty());
    }

    fn stop(mut self) {
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGTERM).expect("it runs");
        let ended = self.child.as_mut().expect("it was started").wait().expect("it is a child");
        assert!(ended.success(), "{ended}: {}", self.read("log/error.log"));
        until("the end of all", || group(self.pid()).is_empty());
        assert!(!self.path("run/kimura.pid").exists() && !self.path("run/control.sock").exists());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // All fail only when it has ended already.
            killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL).ok();
            child.wait().ok();
        }
    }
}

fn give(socket: &Path, words: &[&str]) -> Told {
    let arguments = words.iter().map(ToString::to_string);
    let output = binary::output(arguments.chain(["--socket".into(), socket.display().to_string()]));
    let output = output.expect("the client runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::yield_now();
    }
}

fn end(process: &Process) {
    // It may have ended by itself.
    kill(Pid::from_raw(process.pid as i32), Signal::SIGKILL).ok();
    // Its threads may go on for a moment, and answer somebody else's question whether all is well.
    until("its end", || Process::find(process.pid).is_none_or(|now| now.title != process.title));
}

/// The fields of `/proc/PID/stat` behind the name: state, parent, group.
fn stat(pid: &str) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

/// Children that have ended and were not waited for.
fn zombies(pid: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let ended = |pid: &&str| stat(pid).is_some_and(|stat| stat[0] == "Z");
    children.split_whitespace().filter(ended).map(str::to_owned).collect()
}

/// All processes of a group that run.
fn group(leader: u32) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("procfs").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let belongs = |pid: &String| {
        stat(pid).is_some_and(|stat| stat[0] != "Z" && stat.get(2) == Some(&leader.to_string()))
    };
    pids.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit())).filter(belongs).collect()
}

/// A change is answered: it was carried out, or it says why not.
fn is_answered(told: &Told) {
    let (status, text) = told;
    let refused = [
        "nothing has changed",
        "nothing was started",
        UNDER_WAY,
        "about to begin",
        "cannot be examined",
        "could take over",
    ];
    let told = *status == Some(0) || *status == Some(1) && refused.iter().any(|part| text.contains(part));
    assert!(told, "{status:?}: {text}");
}

#[test]
fn children_killed_at_any_moment_of_a_reload_under_load() {
    let site = Site::start();
    let load = Load::start(&[site.place()], "localhost", "/hello.txt", BODY);
    // A worker that is missed often has to wait for its next turn: few of these, many of the others.
    let victims = [AUTH, LOGGER, WORKER, LOGGER, CHECK, AUTH, WORKER, CHECK, LOGGER, AUTH, CHECK, WORKER];
    for (round, victim) in victims.iter().enumerate() {
        site.configure(if round % 2 == 0 { MORE } else { "" });
        let (done, answer) = mpsc::channel();
        let socket = site.path("run/control.sock");
        let reload = thread::spawn(move || {
            is_answered(&give(&socket, &["reload"]));
            // The other end may not wait any more.
            let _ = done.send(());
        });
        // Another moment each time; or the end, if that comes first.
        let _ = answer.recv_timeout(Duration::from_millis(5 * round as u64));
        if let Some(process) = site.find(victim) {
            end(&process);
        }
        reload.join().expect("the reload is answered");
        until("service", || site.get() == Some(200));
    }
    site.configure("");
    until("a reload", || site.give(&["reload"]).0 == Some(0));
    let tally = load.stop();
    assert!(tally.answered > 100, "{tally:?}");
    site.is_well();
    let (_, status) = site.give(&["status", "--json"]);
    assert!(status.contains(r#""connections_open":0"#), "{status}");
    site.stop();
}

#[test]
fn anybody_killed_during_a_rehearsal() {
    let site = Site::start();
    for victim in [WORKER, AUTH, LOGGER, REHEARSAL] {
        let upgrade = site.begin(&["upgrade"]);
        until("a rehearsal", || site.find(REHEARSAL).is_some() || upgrade.is_finished());
        // The first of that title is the server's own, not the rehearsal's.
        if let Some(process) = site.find(victim) {
            end(&process);
        }
        is_answered(&upgrade.join().expect("the client"));
        until("service", || site.get() == Some(200));
        site.is_well();
    }
    site.stop();
}

#[test]
fn nothing_is_left_of_a_server_whose_supervisor_dies_during_a_change() {
    for (change, step) in [(&["reload"], CHECK), (&["upgrade"], REHEARSAL)] {
        let mut site = Site::start();
        let pid = site.pid();
        let changing = site.begin(change);
        until(step, || site.find(step).is_some() || changing.is_finished());
        end(&Process::find(pid).expect("it runs"));
        changing.join().expect("the client ends, too");
        site.child.take().expect("it was started").wait().expect("it is a child");
        until("the end of all", || group(pid).is_empty());
        // The kernel takes a moment to close what an ended process had in its rings.
        until("nobody listens", || {
            let connected = std::net::TcpStream::connect(&site.address);
            connected.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        });
        // What it left behind hinders nobody.
        let site = site.launch();
        site.is_well();
        site.stop();
    }
}

#[test]
fn no_room_for_another_process() {
    let mut site = Site::prepare();
    let mut command = Command::new(binary::path());
    command.arg("-c").arg(site.path("kimura.conf")).process_group(0);
    if Uid::effective().is_root() {
        // The rights of root are beyond the limit; and not everybody may get to where the binary was built.
        fs::copy(binary::path(), site.path("kimura")).expect("a copy");
        for folder in ["", "run", "log"] {
            chown(site.path(folder), Some(STRANGER), Some(STRANGER)).expect("chown");
        }
        command = Command::new(site.path("kimura"));
        command.arg("-c").arg(site.path("kimura.conf")).process_group(0);
        command.uid(STRANGER).gid(STRANGER);
        site.owner = STRANGER;
    }
    site.run(command);
    let usual = site.limited("Max processes");
    site.limit("nproc", "1");
    for change in [&["reload"][..], &["reload", "--plan"], &["upgrade"]] {
        let (status, text) = site.give(change);
        let right = text.contains("Resource temporarily unavailable");
        assert!(status == Some(1) && right, "{change:?}: {status:?}, {text}");
    }
    for victim in [AUTH, LOGGER] {
        end(&site.find(victim).expect("it runs"));
    }
    until("a word about it", || site.read("log/error.log").matches("cannot be started").count() >= 2);
    assert_eq!(site.get(), Some(200));
    end(&site.find(WORKER).expect("it runs"));
    until("a word about it", || site.read("log/error.log").contains("worker cannot be started"));
    site.limit("nproc", &usual);
    until("service", || site.get() == Some(200));
    assert_eq!(site.give(&["reload"]).0, Some(0));
    site.is_well();
    site.stop();
}

#[test]
fn descriptors_run_out_at_every_step_of_a_reload() {
    let site = Site::start();
    let reload = |text: &str| {
        site.configure(text);
        site.give(&["reload"])
    };
    // The log stays open from here on: its number is never given to another.
    assert_eq!((reload(MORE).0, reload("").0), (Some(0), Some(0)));
    site.is_well();
    site.hears_nobody();
    let before = site.descriptors();
    let (mut refused, mut room) = (0, 0);
    loop {
        site.configure(MORE);
        // With room for none, nobody who commands is heard: that comes later.
        room += 1;
        site.limit("nofile", &(before + room).to_string());
        let told = site.give(&["reload"]);
        site.limit("nofile", "4096");
        assert!(told.0 == Some(0) || told.1.contains("Too many open files"), "room for {room}: {told:?}");
        assert_eq!(site.get(), Some(200), "room for {room}");
        if told.0 == Some(0) {
            break;
        }
        refused += 1;
    }
    assert!(refused > 2, "{refused}");
    assert_eq!(reload("").0, Some(0));
    site.is_well();
    until("nothing is left open", || site.descriptors() == before);
    site.limit("nofile", &before.to_string());
    let tells = || site.read("log/error.log").matches("control connection cannot be taken").count();
    let mut silent = Vec::new();
    until("no room for another connection", || {
        silent.push(site.connect());
        tells() >= 1
    });
    let waiting = site.begin(&["status"]);
    until("another attempt", || tells() >= 3);
    site.limit("nofile", "4096");
    // Each of them would keep its place for a while.
    drop(silent);
    assert_eq!(waiting.join().expect("the client").0, Some(0));
    assert!(tells() < 100, "it tells now and then, not for ever");
    site.is_well();
    site.stop();
}

/// A file system of its own, taken away at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not have one.
    fn mount(at: PathBuf) -> Option<SmallDisk> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs"]).arg(&at).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(SmallDisk(at))
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filling")).expect("a file");
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filling")).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that a failed test has left may be on it still.
        Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
    }
}

#[test]
fn no_space_for_logs() {
    let site = Site::prepare();
    let (Some(logs), Some(run)) = (SmallDisk::mount(site.path("log")), SmallDisk::mount(site.path("run")))
    else {
        // Only root may mount, and not everywhere.
        return;
    };
    run.fill();
    let refused = binary::output(["-c".to_owned(), site.path("kimura.conf").display().to_string()]);
    let refused = refused.expect("it ends");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned() + &site.read("log/error.log");
    assert!(refused.status.code() == Some(1) && text.contains("kimura.pid"), "{refused:?} {text}");
    run.empty();
    let site = site.launch();
    logs.fill();
    for _ in 0..300 {
        assert_eq!(site.get(), Some(200));
    }
    for words in [&["rotate-logs"][..], &["verbosity", "debug"], &["reload"], &["upgrade"]] {
        assert_eq!(site.give(words).0, Some(0), "{words:?}");
    }
    for title in [LOGGER, WORKER] {
        end(&site.find(title).expect("it runs"));
        until("service", || site.get() == Some(200));
    }
    site.is_well();
    logs.empty();
    let lines =
        || ["access", "audit", "error"].map(|log| site.read(&format!("log/{log}.log")).lines().count());
    let before = lines();
    until("lines again", || {
        assert_eq!((site.get(), site.give(&["reload"]).0), (Some(200), Some(0)));
        lines().iter().zip(before).all(|(now, before)| *now > before)
    });
    site.is_well();
    site.stop();
}

#[test]
fn what_cannot_be_applied_changes_nothing() {
    let site = Site::start();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("its address").to_string();
    let listen = format!("\"{}\"", site.address);
    // Whoever opened these would wait for a reader, or write to another file.
    mkfifo(&site.path("log/pipe"), Mode::S_IRWXU).expect("a pipe");
    symlink(site.path("precious"), site.path("log/link")).expect("a link");
    site.is_well();
    let before = site.descriptors();
    for (what, with, said) in [
        (listen.as_str(), format!("{listen}, \"{taken}\""), format!("{taken} is in use")),
        (listen.as_str(), format!("{listen}, \"unix:/nowhere/s.sock\""), "/nowhere/s.sock".to_owned()),
        ("/www\"", "/nowhere\"".to_owned(), "nowhere".to_owned()),
        ("/log/access.log", "/nowhere/access.log".to_owned(), "nowhere/access.log".to_owned()),
        ("/log/audit.log", "/nowhere/audit.log".to_owned(), "/server/control".to_owned()),
        ("/log/access.log", "/log/pipe".to_owned(), "/log/pipe is a pipe".to_owned()),
        ("/log/access.log", "/log/link".to_owned(), "/log/link is a symbolic link".to_owned()),
        ("/log/audit.log", "/log/pipe".to_owned(), "/log/pipe is a pipe".to_owned()),
        ("/log/audit.log", "/log/link".to_owned(), "/log/link is a symbolic link".to_owned()),
        ("/run/control.sock", "/nowhere/control.sock".to_owned(), "nowhere".to_owned()),
        (
            "\"shards\": 2",
            "\"shards\": 2, \"user\": \"nobody-at-all\"".to_owned(),
            "nobody-at-all".to_owned(),
        ),
    ] {
        site.write("kimura.conf", &site.text("").replace(what, &with));
        let (status, text) = site.give(&["reload"]);
        let shown = text.contains("kimura.conf:") && text.contains('^');
        let right = shown && text.contains("nothing has changed") && text.contains(&said);
        assert!(status == Some(1) && right, "{with}: {status:?}, {text}");
        until("nothing is left open", || site.descriptors() == before);
    }
    for log in ["access", "error"] {
        let moved = site.path(&format!("log/{log}.log"));
        fs::rename(&moved, site.path("log/moved")).expect("it is there");
        fs::rename(site.path("log/link"), &moved).expect("it is there");
        assert_eq!(site.give(&["rotate-logs"]).0, Some(0));
        fs::rename(&moved, site.path("log/link")).expect("it is there");
        fs::rename(site.path("log/moved"), &moved).expect("it is there");
    }
    assert!(!site.path("precious").exists(), "no link was followed");
    let (_, status) = site.give(&["status", "--json"]);
    assert!(status.contains(r#""reloads":0"#) && status.contains(r#""generation":1"#), "{status}");
    site.is_well();
    site.stop();
}

#[test]
fn changes_that_meet() {
    let site = Site::start();
    let reloads: Vec<JoinHandle<Told>> = (0..6).map(|_| site.begin(&["reload"])).collect();
    let told: Vec<Told> = reloads.into_iter().map(|reload| reload.join().expect("the client")).collect();
    told.iter().for_each(is_answered);
    assert!(told.iter().any(|(status, _)| *status == Some(0)), "{told:?}");
    for (first, step) in [(&["reload"], CHECK), (&["upgrade"], REHEARSAL)] {
        for second in [&["reload"][..], &["upgrade"], &["reload", "--plan"]] {
            until("both meet", || meet(&site, first, step, second));
        }
    }
    site.is_well();
    let (_, status) = site.give(&["status", "--json"]);
    assert!(!status.contains(r#""upgrades":0"#) && !status.contains(r#""reloads":0"#), "{status}");
    site.stop();
}

/// Begins a change, halts the process of that title which it takes, and has another change come in between, which has
/// to be refused; whether they have met: the first may have been too quick.
fn meet(site: &Site, first: &'static [&'static str; 1], title: &str, second: &[&str]) -> bool {
    let changing = site.begin(first);
    let mut found = None;
    until(title, || {
        found = site.find(title);
        found.is_some() || changing.is_finished()
    });
    let signal = |signal| {
        // It may have ended.
        let pid = found.as_ref().map(|process| Pid::from_raw(process.pid as i32));
        pid.is_some_and(|pid| kill(pid, signal).is_ok())
    };
    signal(Signal::SIGSTOP);
    let other = site.give(second);
    signal(Signal::SIGCONT);
    let (status, text) = changing.join().expect("the client");
    let met = other.1.contains(UNDER_WAY);
    assert!(status == Some(0) || !met && text.contains(UNDER_WAY), "{first:?}: {status:?}, {text}");
    is_answered(&other);
    met
}

/// What somebody does in the middle of an upgrade.
const MEANWHILE: &[fn(&Site)] = &[
    |site| kill(Pid::from_raw(site.pid() as i32), Signal::SIGHUP).expect("it runs"),
    |site| is_answered(&site.give(&["reload"])),
    |site| is_answered(&site.give(&["upgrade"])),
    |site| {
        if let Some(worker) = site.find(WORKER) {
            // It may have ended.
            kill(Pid::from_raw(worker.pid as i32), Signal::SIGKILL).ok();
        }
    },
];

#[test]
fn an_upgrade_comes_to_its_end_whatever_comes_meanwhile() {
    let site = Site::start();
    let log = site.folder.path().join("log/error.log");
    let says = |what: &str| fs::read_to_string(&log).unwrap_or_default().matches(what).count();
    for (round, meanwhile) in MEANWHILE.iter().cycle().take(2 * MEANWHILE.len()).enumerate() {
        until("nothing is under way", || site.give(&["reload", "--plan"]).0 == Some(0));
        let before = says("taking over");
        let upgrade = site.begin(&["upgrade"]);
        // From here on the new program starts its worker, beside that of the old one.
        until("the takeover", || says("taking over") > before || upgrade.is_finished());
        meanwhile(&site);
        let told = upgrade.join().expect("the client");
        assert_eq!(told.0, Some(0), "round {round}: {}", told.1);
        assert!(told.1.contains("upgraded from"), "round {round}: {}", told.1);
    }
    until("the reloads that signals have asked for", || {
        says("INFO  privsep::supervisor::reload: reloaded") >= 2
    });
    site.is_well();
    site.stop();
}

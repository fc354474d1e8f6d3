//! Logins that PAM judges: by modules of libpam-wrapper in services of the test, and by pam_unix with a user whom only the
//! test's view of the machine has.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::credentials::basic;
use e2e::response::Asked;
use e2e::{Client, Folder, Process, Response, Server, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 2, "control": { "socket": "${folder}/control.sock" } },
  "defaults": { "root": "${folder}/www" },
  "hosts": { "localhost": { "locations": {
    "/free/": {},
    "/pam/": { "auth": { "realm": "PAM", "pam": "matrix" } },
    "/any/": { "auth": { "realm": "Any", "pam": "matrix", "users": { "otto": "${otto}" } } },
    "/all/": { "auth": { "realm": "All", "satisfy": "all", "pam": "matrix", "remember": "0s",
        "users": { "anna": "${anna}", "otto": "${otto}" } } },
    "/anna/": { "auth": { "realm": "Anna", "pam": "matrix", "require": ["user:anna"] } },
    "/expired/": { "auth": { "realm": "Expired", "pam": "expired" } },
    "/hang/": { "auth": { "realm": "Hang", "pam": "hang", "remember": "0s" } }
  } } }
}"#;

const PLACES: &[&str] = &["free", "pam", "any", "all", "anna", "expired", "hang"];

const PASSWORD: &str = "the password of anna";
const OTHER: &str = "the password of otto";

const AUTH: &str = "kimura: auth";
const AUTH_PAM: &str = "kimura: auth-pam [priv]";
const LOGIN: &str = "kimura: pam-login [priv]";

/// As many logins of a service at a time as auth-pam has.
const LOGINS_MAX: usize = 8;
/// As many as it keeps beside them.
const WAITING_MAX: usize = 32;

/// Files of users and services, and the site that they are for.
struct Bench {
    folder: Folder,
}

/// How long a process of libpam-wrapper can take from making a folder until it has written something there.
const WRAPPER_PATIENCE: Duration = Duration::from_secs(10);

/// libpam-wrapper copies the services to a folder for each process, `/tmp/pam.` and a letter, wherever TMPDIR is. One that
/// is ended leaves it, and when all letters are in use there is no PAM any more.
impl Drop for Bench {
    fn drop(&mut self) {
        let left = fs::read_dir("/tmp").into_iter().flatten().flatten().map(|entry| entry.path());
        let left = left.filter(|path| path.to_string_lossy().starts_with("/tmp/pam."));
        for folder in left.filter(|folder| self.is_left_by(folder)) {
            // One that cannot be removed belongs to somebody else, or is gone already.
            fs::remove_dir_all(folder).ok();
        }
    }
}

impl Bench {
    /// Whether a folder of libpam-wrapper is of a server of this test, or of nobody: one that has no service yet was left
    /// in its first moments.
    fn is_left_by(&self, folder: &Path) -> bool {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let services: Vec<PathBuf> =
            files.map(|entry| entry.path()).filter(|path| !path.ends_with("pid")).collect();
        if services.is_empty() {
            let made = fs::metadata(folder).and_then(|facts| facts.modified());
            return made.is_ok_and(|made| made.elapsed().is_ok_and(|age| WRAPPER_PATIENCE < age));
        }
        let own = self.folder.path().to_string_lossy();
        let is_own = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains(&*own));
        services.iter().any(is_own)
    }

    fn new() -> Bench {
        let folder = Folder::new("pam").expect("a folder");
        for place in PLACES {
            folder.write(&format!("www/{place}/page.txt"), b"inside\n").expect("written");
        }
        // pam_matrix compares the service with that behind the password.
        let users = [("anna", PASSWORD, "matrix"), ("eva", PASSWORD, "matrix"), ("max", PASSWORD, "other")];
        let more = [("anna", PASSWORD, "hang"), ("slow", PASSWORD, "hang"), ("anna", PASSWORD, "expired")];
        for service in ["matrix", "hang", "expired"] {
            let users = users.iter().chain(&more).filter(|(_, _, of)| *of == service || *of == "other");
            let lines: String =
                users.map(|(user, password, of)| format!("{user}:{password}:{of}\n")).collect();
            folder.write(&format!("{service}.users"), lines.as_bytes()).expect("written");
        }
        let hang = "#!/bin/sh\n[ \"$PAM_USER\" = slow ] && exec sleep 30\nexit 0\n";
        let hang = folder.write("hang.sh", hang.as_bytes()).expect("written");
        fs::set_permissions(&hang, fs::Permissions::from_mode(0o755)).expect("chmod");
        let matrix = |service: &str| {
            let users = folder.path().join(format!("{service}.users"));
            format!("{} passdb={} verbose", matrix().display(), users.display())
        };
        for (service, text) in [
            ("matrix", format!("auth required {0}\naccount required {0}\n", matrix("matrix"))),
            (
                "expired",
                format!(
                    "auth required {}\naccount required pam_debug.so acct=acct_expired\n",
                    matrix("expired")
                ),
            ),
            (
                "hang",
                format!(
                    "auth required pam_exec.so quiet {}\nauth required {1}\naccount required {1}\n",
                    hang.display(),
                    matrix("hang")
                ),
            ),
        ] {
            folder.write(&format!("services/{service}"), text.as_bytes()).expect("written");
        }
        Bench { folder }
    }

    fn configure(&self, configuration: &str) -> PathBuf {
        let text = configuration
            .replace("${folder}", &self.folder.path().to_string_lossy())
            .replace("${otto}", &hash(OTHER))
            .replace("${anna}", &hash(PASSWORD));
        self.folder.write("kimura.conf", text.as_bytes()).expect("written")
    }

    /// The server, for which libpam has the services of the folder.
    fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = Command::new(binary::path());
        command
            .args(arguments)
            .current_dir("/")
            .env("LD_PRELOAD", "libpam_wrapper.so")
            .env("PAM_WRAPPER", "1")
            .env("PAM_WRAPPER_SERVICE_DIR", self.folder.path().join("services"));
        command
    }

    fn start(self, configuration: &str) -> Site {
        let configuration = self.configure(configuration);
        let arguments = ["-V".into(), "-c".into(), configuration.into()];
        let server = Server::become_of(self.command(&arguments)).expect("the server starts");
        Site { server, bench: self }
    }

    fn test(&self, configuration: &str, change: impl FnOnce(&mut Command)) -> Output {
        let configuration = self.configure(configuration);
        let mut command = self.command(&["-t".into(), "-c".into(), configuration.into()]);
        change(&mut command);
        command.output().expect("it runs")
    }
}

/// The module of libpam-wrapper, in the folder of this machine's kind.
fn matrix() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("libraries").flatten();
    let paths = folders.map(|folder| folder.path().join("pam_wrapper/pam_matrix.so"));
    paths.into_iter().find(|path| path.exists()).expect("pam_matrix: cargo xtask setup")
}

/// One that takes no time.
fn hash(password: &str) -> String {
    let made = Command::new("htpasswd").args(["-nbB", "-C", "4", "x", password]).output().expect("htpasswd");
    let line = String::from_utf8(made.stdout).expect("text");
    line.trim_end().split_once(':').expect("a hash").1.to_owned()
}

/// The server ends before what it has left is removed.
struct Site {
    server: Server,
    bench: Bench,
}

impl Site {
    fn start() -> Site {
        Bench::new().start(CONFIGURATION)
    }

    fn send(&self, place: &str, user: &str, password: &str) -> Client {
        let mut client = self.server.connect().expect("connected");
        client.send(&get(place, user, password)).expect("sent");
        client
    }

    fn ask(&self, place: &str, user: &str, password: &str) -> Response {
        let mut client = self.send(place, user, password);
        client.response(Asked::Other).unwrap_or_else(|why| panic!("{place} {user}: {why}"))
    }

    fn reload(&self) -> (bool, String) {
        let socket = self.bench.folder.path().join("control.sock");
        let told =
            binary::output(["reload".as_ref(), "--socket".as_ref(), socket.as_os_str()]).expect("told");
        let text =
            String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
        (told.status.success(), text)
    }

    /// What `kimura logs` shows.
    fn logs(&self) -> String {
        let socket = self.bench.folder.path().join("control.sock");
        let told = binary::output(["logs".as_ref(), "--socket".as_ref(), socket.as_os_str()]).expect("told");
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    /// The processes of logins under way.
    fn logins(&self) -> usize {
        let Ok(pam) = self.server.process(AUTH_PAM) else { return 0 };
        children(pam.pid).iter().filter(|process| process.title == LOGIN).count()
    }
}

/// Children of all threads.
fn children(pid: u32) -> Vec<Process> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids: Vec<u32> =
        lists.flat_map(|list| list.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect();
    ids.into_iter().filter_map(Process::find).collect()
}

fn get(place: &str, user: &str, password: &str) -> Vec<u8> {
    let field = basic(user, password);
    format!("GET /{place}/page.txt HTTP/1.1\r\nHost: localhost\r\n{field}\r\n").into_bytes()
}

/// Who is let in where.
const CASES: &[(&str, &str, &str, u16)] = &[
    ("pam", "anna", PASSWORD, 200),
    ("pam", "anna", OTHER, 401),
    ("pam", "anna", "", 401),
    ("pam", "otto", OTHER, 401),
    ("pam", "max", PASSWORD, 401),
    ("any", "anna", PASSWORD, 200),
    ("any", "otto", OTHER, 200),
    ("any", "otto", PASSWORD, 401),
    ("all", "anna", PASSWORD, 200),
    ("all", "anna", OTHER, 401),
    ("all", "otto", OTHER, 401),
    ("all", "eva", PASSWORD, 401),
    ("anna", "anna", PASSWORD, 200),
    ("anna", "eva", PASSWORD, 403),
    ("expired", "anna", PASSWORD, 401),
    ("hang", "anna", PASSWORD, 200),
    ("hang", "anna", OTHER, 401),
];

fn check(site: &Site) {
    for (place, user, password, wanted) in CASES {
        let response = site.ask(place, user, password);
        assert_eq!(
            response.status,
            *wanted,
            "{place}: {user} {password}\n{}",
            site.server.output().said().text()
        );
    }
}

#[test]
fn who_is_let_in_where() {
    let site = Site::start();
    check(&site);
    until("no process of a login", || site.logins() == 0);
    assert!(!site.server.output().said().text().contains(PASSWORD));
    site.server.stop().expect("an even ledger");
}

#[test]
fn one_process_judges_the_same() {
    let site =
        Bench::new().start(&CONFIGURATION.replace("\"shards\": 2", "\"shards\": 2, \"privsep\": false"));
    check(&site);
    site.server.stop().expect("an even ledger");
}

#[test]
fn a_module_that_hangs_delays_its_own_logins_alone() {
    let site = Site::start();
    let slow: Vec<Client> = (0..3).map(|_| site.send("hang", "slow", PASSWORD)).collect();
    until("logins that hang", || site.logins() == slow.len());
    let before = Instant::now();
    for (place, wanted) in [("hang", 200), ("pam", 200), ("free", 200)] {
        assert_eq!(site.ask(place, "anna", PASSWORD).status, wanted, "{place}");
    }
    assert_eq!(site.logins(), slow.len(), "they hang still, after {:?}", before.elapsed());
    for mut client in slow {
        let response = client.response(Asked::Other).expect("answered");
        assert!(response.status == 503 && response.field("retry-after").is_some(), "{response:?}");
    }
    // Whoever hangs is not left behind.
    until("no process of a login", || site.logins() == 0);
    assert_eq!(site.ask("hang", "anna", PASSWORD).status, 200);
    until("the message of auth-pam", || site.logs().contains("PAM service hang: no verdict within"));
    fs::remove_file(site.bench.folder.path().join("services/expired")).expect("a service");
    assert_eq!(site.ask("expired", "anna", PASSWORD).status, 503);
    until("the message of a login", || site.logs().contains("there is no PAM service \"expired\""));
    site.server.stop().expect("an even ledger");
}

#[test]
fn a_service_that_hangs_delays_no_other_and_has_bounds() {
    const SURPLUS: usize = 5;
    let site = Site::start();
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let hang = |count: usize| {
            for _ in 0..count {
                scope.spawn(|| {
                    let status = site.ask("hang", "slow", PASSWORD).status;
                    answered.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(status, 503);
                });
            }
        };
        hang(LOGINS_MAX);
        until("all that may hang do", || site.logins() == LOGINS_MAX);
        hang(WAITING_MAX + SURPLUS);
        // Those beyond the bounds are told at once, the others when they have waited.
        until("the surplus is refused", || answered.load(Ordering::Relaxed) == SURPLUS);
        assert_eq!(site.ask("pam", "anna", PASSWORD).status, 200);
        assert_eq!(site.ask("pam", "anna", OTHER).status, 401);
        let answered = answered.load(Ordering::Relaxed);
        assert!(answered <= SURPLUS + LOGINS_MAX, "others were served meanwhile: {answered} are answered");
        let processes = site.logins();
        // One of another service may be about to end, and is counted, too.
        assert!(processes <= LOGINS_MAX + 1, "{processes} at a time");
    });
    until("no process of a login", || site.logins() == 0);
    assert_eq!(site.ask("hang", "anna", PASSWORD).status, 200);
    site.server.stop().expect("an even ledger");
}

#[test]
fn nobody_is_let_in_while_auth_pam_is_away() {
    let site = Site::start();
    let kill_pam = || {
        let pam = site.server.process(AUTH_PAM).expect("auth-pam");
        kill(Pid::from_raw(pam.pid as i32), Signal::SIGKILL).expect("killed");
        until("another auth-pam", || site.server.process(AUTH_PAM).is_ok_and(|other| other.pid != pam.pid));
    };
    let mut slow = site.send("hang", "slow", PASSWORD);
    until("a login that hangs", || site.logins() == 1);
    let login = children(site.server.process(AUTH_PAM).expect("auth-pam").pid).remove(0);
    let begun = Instant::now();
    kill_pam();
    assert_eq!(slow.response(Asked::Other).expect("answered").status, 503);
    assert!(begun.elapsed() < Duration::from_secs(8), "it had to wait {:?}", begun.elapsed());
    until("its login ends with it", || Process::find(login.pid).is_none());

    let done = AtomicBool::new(false);
    let seen: Mutex<Vec<(bool, u16)>> = Mutex::default();
    thread::scope(|scope| {
        for right in [true, false] {
            let (site, done, seen) = (&site, &done, &seen);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let status = site.ask("all", "anna", if right { PASSWORD } else { OTHER }).status;
                    seen.lock().expect("no panic").push((right, status));
                }
            });
        }
        for _ in 0..2 {
            kill_pam();
            let before = seen.lock().expect("no panic").len();
            until("a right answer", || seen.lock().expect("no panic")[before..].contains(&(true, 200)));
        }
        done.store(true, Ordering::Relaxed);
    });
    let seen = seen.into_inner().expect("no panic");
    let wrong: Vec<_> =
        seen.iter().filter(|answer| !matches!(answer, (true, 200 | 503) | (false, 401 | 503))).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    site.server.stop().expect("an even ledger");
}

#[test]
fn an_upgrade_goes_on_with_pam() {
    let site = Site::start();
    let before = site.server.process(AUTH_PAM).expect("auth-pam").pid;
    site.server.signal(Signal::SIGUSR2).expect("it runs");
    until("another auth-pam", || site.server.process(AUTH_PAM).is_ok_and(|now| now.pid != before));
    until("a login", || site.ask("pam", "anna", PASSWORD).status == 200);
    assert_eq!(site.ask("pam", "anna", OTHER).status, 401);
    site.server.stop().expect("an even ledger");
}

const WITHOUT: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 2, "control": { "socket": "${folder}/control.sock" } },
  "hosts": { "localhost": { "root": "${folder}/www",
    "locations": { "/pam/": { "auth": { "realm": "A", "users": { "anna": "${anna}" } } } } } }
}"#;

#[test]
fn auth_pam_is_there_only_when_it_is_needed() {
    let site = Bench::new().start(WITHOUT);
    assert_eq!(site.ask("pam", "anna", PASSWORD).status, 200);
    assert!(site.server.process(AUTH).is_ok() && site.server.process(AUTH_PAM).is_err());
    let with = WITHOUT.replace("\"users\": { \"anna\": \"${anna}\" }", "\"pam\": \"matrix\"");
    site.bench.configure(&with);
    let (done, text) = site.reload();
    assert!(done, "{text}");
    assert_eq!(site.ask("pam", "eva", PASSWORD).status, 200);
    assert!(site.server.process(AUTH_PAM).is_ok());

    // A service that is not there changes nothing.
    site.bench.configure(&with.replace("matrix", "nowhere"));
    let (done, text) = site.reload();
    assert!(!done && text.contains("there is no PAM service \"nowhere\""), "{text}");
    assert_eq!(site.ask("pam", "eva", PASSWORD).status, 200);

    site.bench.configure(WITHOUT);
    let (done, text) = site.reload();
    assert!(done, "{text}");
    assert_eq!(site.ask("pam", "eva", PASSWORD).status, 401);
    until("auth-pam is gone", || site.server.process(AUTH_PAM).is_err());
    site.server.stop().expect("an even ledger");
}

#[test]
fn what_is_missing_is_told_before_anything_starts() {
    let bench = Bench::new();
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let right = bench.test(CONFIGURATION, |_| {});
    assert!(right.status.success(), "{}", said(&right));
    let told = bench.test(CONFIGURATION, |command| {
        command.arg("-V");
    });
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains(&format!("{AUTH_PAM}\n  user     that of the start\n  keeps    all its rights\n")),
        "{told}"
    );

    let missing = bench.test(&CONFIGURATION.replace("\"expired\"", "\"nowhere\""), |_| {});
    let text = said(&missing);
    assert_eq!(missing.status.code(), Some(1), "{text}");
    for part in ["kimura.conf:11:", "there is no PAM service \"nowhere\"", "write /etc/pam.d/nowhere"] {
        assert!(text.contains(part), "no {part} in {text}");
    }

    // A machine without libpam, as far as the dynamic linker can tell.
    bench.folder.write("no/libpam.so.0", b"").expect("written");
    let none = bench.test(CONFIGURATION, |command| {
        command.env_remove("LD_PRELOAD").env("LD_LIBRARY_PATH", bench.folder.path().join("no"));
    });
    let text = said(&none);
    assert_eq!(none.status.code(), Some(1), "{text}");
    for part in ["kimura.conf:6:", "libpam cannot be used", "apt-get install libpam0g"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    // Who does not want PAM does not need it.
    let without = bench.test(WITHOUT, |command| {
        command.env_remove("LD_PRELOAD").env("LD_LIBRARY_PATH", bench.folder.path().join("no"));
    });
    assert!(without.status.success(), "{}", said(&without));
}

/// Who has a number of their own, so that they can be who starts the server.
const USER: u32 = 23_456;

/// Puts files of the test in place of the machine's, for the server alone, and becomes it.
const OWN_VIEW: &str = "mount --bind \"$0/passwd\" /etc/passwd && mount --bind \"$0/shadow\" /etc/shadow \
    && mount --bind \"$0/pam.d\" /etc/pam.d && exec \"$@\"";

#[test]
fn pam_unix_knows_the_users_of_the_machine() {
    if !nix::unistd::Uid::effective().is_root() {
        // Only root may have a view of its own of the machine.
        return;
    }
    let bench = Bench::new();
    let folder = bench.folder.path();
    let add = |name: &str, line: String| {
        let path = folder.join(name);
        let known = fs::read_to_string(Path::new("/etc").join(name)).expect("a file of the machine");
        fs::write(&path, format!("{known}{line}\n")).expect("written");
        let machine = fs::metadata(Path::new("/etc").join(name)).expect("a file of the machine");
        chown(&path, Some(machine.uid()), Some(machine.gid())).expect("chown");
        fs::set_permissions(&path, machine.permissions()).expect("chmod");
    };
    let made = Command::new("mkpasswd").args(["-m", "sha512crypt", PASSWORD]).output().expect("mkpasswd");
    let hash = String::from_utf8(made.stdout).expect("text");
    let hash = hash.trim_end();
    let account =
        |name: &str, number: u32| format!("{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin");
    add("passwd", format!("{}\n{}", account("kimura-test", USER), account("kimura-past", USER + 1)));
    // The second one has ended long ago: the days are counted from 1970.
    add(
        "shadow",
        format!("kimura-test:{hash}:19000:0:99999:7:::\nkimura-past:{hash}:19000:0:99999:7::19001:"),
    );
    let service = b"auth required pam_unix.so nodelay\naccount required pam_unix.so\n";
    bench.folder.write("pam.d/matrix", service).expect("written");
    let configuration = bench.configure(
        r#"{ "server": { "listen": ["127.0.0.1:0"], "shards": 1 }, "hosts": { "localhost": {
            "root": "${folder}/www", "auth": { "realm": "A", "pam": "matrix", "remember": "0s" } } } }"#,
    );
    for path in [folder.to_owned(), folder.join("pam.d")] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let user = USER.to_string();
    let as_user = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let as_nobody: &[&str] = &["-u", "nobody"];
    // Root asks for everybody; anybody else for themselves alone, by a helper with more rights.
    for (starter, serves_as, others) in [(&[][..], as_nobody, 401), (&as_user[..], &[][..], 503)] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", OWN_VIEW]).arg(folder).args(starter);
        command.arg(binary::path()).args(["-V", "-c"]).arg(&configuration).args(serves_as);
        let server = Server::become_of(command).expect("the server starts");
        for (name, password, wanted) in [
            ("kimura-test", PASSWORD, 200),
            ("kimura-test", OTHER, 401),
            ("kimura-past", PASSWORD, others),
            ("nobody", PASSWORD, 401),
            ("nobody-at-all", PASSWORD, 401),
        ] {
            let mut client = server.connect().expect("connected");
            client.send(&get("pam", name, password)).expect("sent");
            let status = client.response(Asked::Other).expect("answered").status;
            assert_eq!(status, wanted, "{name} {starter:?}\n{}", server.output().said().text());
        }
        let pam = server.process(AUTH_PAM).expect("auth-pam");
        let limits = fs::read_to_string(format!("/proc/{}/limits", pam.pid)).expect("its limits");
        let cores = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
        assert_eq!(cores.split_whitespace().nth(4), Some("0"), "{cores}");
        server.stop().expect("an even ledger");
    }
}

//! Logins of clients: every format that the tools write, right and wrong; who is let in where; and what becomes of a
//! request when nobody can tell.

#![forbid(unsafe_code)]

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::credentials::{base64, basic as credentials};
use e2e::response::Asked;
use e2e::server::{KEPT, REREAD};
use e2e::{Client, Folder, Options, Response, Server, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0", "unix:${folder}/web.sock"], "shards": 2,
    "control": { "socket": "${folder}/control.sock" } },
  "defaults": { "root": "${folder}/www", "access_log": "${folder}/access.log", "dotfiles": "serve" },
  "hosts": { "localhost": { "locations": {
    "/free/": {},
    "/file/": { "auth": { "realm": "File", "htpasswd": "${folder}/users" } },
    "/built/": { "auth": { "realm": "Built in", "users": { "otto": "${otto}" } } },
    "/any/": { "auth": { "realm": "Any", "htpasswd": "${folder}/users", "users": { "otto": "${otto}" } } },
    "/all/": { "auth": { "realm": "All", "satisfy": "all", "htpasswd": "${folder}/users",
        "users": { "anna": "${anna}", "otto": "${otto}" } } },
    "/user/": { "auth": { "realm": "User", "htpasswd": "${folder}/users", "require": ["user:anna"] } },
    "/group/": { "auth": { "realm": "Group", "htpasswd": "${folder}/users", "groups": "${folder}/groups",
        "require": ["group:staff"] } },
    "/exempt/": { "auth": { "realm": "Exempt", "htpasswd": "${folder}/users", "exempt": ["127.0.0.0/8"] } },
    "/elsewhere/": { "auth": { "realm": "Else", "htpasswd": "${folder}/users", "exempt": ["192.0.2.0/24"] } },
    "/echo/": { "handler": "echo", "auth": { "realm": "Echo", "htpasswd": "${folder}/users" } },
    "/dear/": { "auth": { "realm": "Dear", "htpasswd": "${folder}/dear", "remember": "0s" } }
  } } }
}"#;

const PLACES: &[&str] =
    &["free", "file", "built", "any", "all", "user", "group", "exempt", "elsewhere", "dear"];

const PASSWORD: &str = "Gr\u{fc}\u{df}e: K\u{f6}nig 7";

/// Commands that print a line for a user, or the hash alone; the password is their last argument.
const FORMATS: &[&str] = &[
    "htpasswd -nbm",
    "htpasswd -nbB -C 4",
    "htpasswd -nbs",
    "htpasswd -nb2",
    "htpasswd -nb5 -r 2000",
    "mkpasswd -m yescrypt",
    "mkpasswd -m gost-yescrypt",
    "mkpasswd -m scrypt -R 6",
    "mkpasswd -m bcrypt -R 5",
    "mkpasswd -m sha512crypt",
    "mkpasswd -m sha256crypt -R 2000",
    "mkpasswd -m md5crypt",
];

const AUTH: &str = "kimura: auth";
/// Of the second back end, for the same password.
const OTHER: &str = "the password of otto";

/// A line of an htpasswd file by one of these commands.
fn line(command: &str, user: &str, password: &str) -> String {
    let mut words = command.split(' ');
    let mut program = Command::new(words.next().expect("a program"));
    program.args(words);
    let named = command.starts_with("htpasswd");
    if named {
        program.arg(user);
    }
    let made = program.arg(password).output().expect(command);
    let text = String::from_utf8(made.stdout).expect(command);
    let text = text.trim_end();
    assert!(!text.is_empty(), "{command}: {}", String::from_utf8_lossy(&made.stderr));
    if named { text.to_owned() } else { format!("{user}:{text}") }
}

/// The hash alone, of one that takes no time.
fn hash(password: &str) -> String {
    let line = line("htpasswd -nbB -C 4", "x", password);
    line.split_once(':').expect("a hash").1.to_owned()
}

struct Site {
    folder: Folder,
    server: Server,
}

impl Site {
    fn start() -> Site {
        Site::start_with(CONFIGURATION)
    }

    fn start_with(configuration: &str) -> Site {
        let folder = Folder::new("logins").expect("a folder");
        for place in PLACES {
            folder.write(&format!("www/{place}/page.txt"), b"inside\n").expect("written");
        }
        let users: Vec<String> = FORMATS
            .iter()
            .enumerate()
            .map(|(number, format)| line(format, &format!("u{number}"), PASSWORD))
            .collect();
        let users = format!("{}\nanna:{}\nmax:{}\n", users.join("\n"), hash(PASSWORD), hash(PASSWORD));
        folder.write("users", users.as_bytes()).expect("written");
        folder.write("groups", b"staff: anna u1\n").expect("written");
        folder.write("dear", line("htpasswd -nbB -C 10", "anna", PASSWORD).as_bytes()).expect("written");
        let text = configuration
            .replace("${folder}", &folder.path().to_string_lossy())
            .replace("${otto}", &hash(OTHER))
            .replace("${anna}", &hash(PASSWORD));
        let configuration = folder.write("kimura.conf", text.as_bytes()).expect("written");
        let server = Server::start(&configuration, &Options::default()).expect("the server starts");
        Site { folder, server }
    }

    fn connect(&self) -> Client {
        self.server.connect().expect("connected")
    }

    fn ask(&self, place: &str, login: Option<(&str, &str)>) -> Response {
        let mut client = self.connect();
        client.send(&get(place, login)).expect("sent");
        client.response(Asked::Other).unwrap_or_else(|why| panic!("{place} {login:?}: {why}"))
    }

    /// Reads the configuration again; whether it went well, and what was said.
    fn reload(&self) -> (bool, String) {
        let socket = self.folder.path().join("control.sock");
        let told =
            binary::output(["reload".as_ref(), "--socket".as_ref(), socket.as_os_str()]).expect("told");
        let text =
            String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
        (told.status.success(), text)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }
}

fn get(place: &str, login: Option<(&str, &str)>) -> Vec<u8> {
    let field = login.map(|(user, password)| credentials(user, password)).unwrap_or_default();
    format!("GET /{place}/page.txt HTTP/1.1\r\nHost: localhost\r\n{field}\r\n").into_bytes()
}

#[test]
fn every_format_lets_in_by_the_right_password_alone() {
    let site = Site::start();
    for (number, format) in FORMATS.iter().enumerate() {
        let user = format!("u{number}");
        for (password, wanted) in [
            (PASSWORD, 200),
            // Remembered by one shard at least.
            (PASSWORD, 200),
            ("Gr\u{fc}\u{df}e: K\u{f6}nig 8", 401),
            ("", 401),
        ] {
            let response = site.ask("file", Some((&user, password)));
            assert_eq!(response.status, wanted, "{format}: {password}");
        }
    }
    let counters = site.server.stop().expect("an even ledger");
    assert_eq!(counters["logins_granted"], 2 * FORMATS.len() as u64);
    assert_eq!(counters["logins_denied"], 2 * FORMATS.len() as u64);
}

#[test]
fn who_is_let_in_where() {
    let site = Site::start();
    for (place, user, password, wanted) in [
        ("free", "nobody", "x", 200),
        ("file", "anna", PASSWORD, 200),
        ("file", "anna", OTHER, 401),
        ("file", "otto", OTHER, 401),
        ("file", "nobody", PASSWORD, 401),
        ("built", "otto", OTHER, 200),
        ("built", "otto", PASSWORD, 401),
        ("built", "anna", PASSWORD, 401),
        ("any", "otto", OTHER, 200),
        ("any", "anna", PASSWORD, 200),
        ("any", "otto", PASSWORD, 401),
        ("all", "anna", PASSWORD, 200),
        ("all", "otto", OTHER, 401),
        ("all", "max", PASSWORD, 401),
        ("user", "anna", PASSWORD, 200),
        ("user", "max", PASSWORD, 403),
        ("user", "max", OTHER, 401),
        ("group", "anna", PASSWORD, 200),
        ("group", "u1", PASSWORD, 200),
        ("group", "max", PASSWORD, 403),
        ("exempt", "anna", OTHER, 200),
        ("elsewhere", "anna", OTHER, 401),
        ("elsewhere", "anna", PASSWORD, 200),
    ] {
        let response = site.ask(place, Some((user, password)));
        assert_eq!(response.status, wanted, "{place}: {user} {password}");
        assert_eq!(response.body == b"inside\n", wanted == 200, "{place}: {user} {password}");
    }
    assert_eq!(site.ask("exempt", None).status, 200);
    // A client without an IP address is in no network.
    let mut client = Client::connect(&site.server.place(2).expect("a socket")).expect("connected");
    client.send(&get("exempt", None)).expect("sent");
    assert_eq!(client.response(Asked::Other).expect("answered").status, 401);

    for wanted in [" - anna [", " - max [", "\"GET /exempt/page.txt HTTP/1.1\" 401"] {
        until(wanted, || site.log().contains(wanted));
    }
    // Who was not let in may have typed a password there.
    let log = site.log();
    assert!(!log.contains("nobody") && !log.contains(&base64(b"anna:")[..6]), "{log}");
    let said = site.server.output().said().text();
    assert!(!said.contains("K\u{f6}nig"), "{said}");
    site.server.stop().expect("an even ledger");
}

#[test]
fn one_process_does_the_same() {
    let site = Site::start_with(&CONFIGURATION.replace("\"shards\": 2", "\"shards\": 2, \"privsep\": false"));
    for (place, user, password, wanted) in [
        ("free", "anna", OTHER, 200),
        ("all", "anna", PASSWORD, 200),
        ("all", "anna", OTHER, 401),
        ("group", "max", PASSWORD, 403),
    ] {
        let response = site.ask(place, Some((user, password)));
        assert_eq!(response.status, wanted, "{place}: {user} {password}");
    }
    assert_eq!(site.server.processes().len(), 1);
    site.server.stop().expect("an even ledger");
}

#[test]
fn what_is_no_login() {
    let site = Site::start();
    let right = credentials("anna", PASSWORD);
    for (fields, wanted) in [
        (String::new(), 401),
        ("Authorization: Basic\r\n".to_owned(), 401),
        ("Authorization: Basic !!!\r\n".to_owned(), 401),
        ("Authorization: Bearer abc\r\n".to_owned(), 401),
        (format!("Authorization: Basic {}\r\n", base64(b"anna")), 401),
        (format!("Authorization: Basic {}\r\n", base64(&[b'x'; 2000])), 401),
        // Nobody knows which of the two is meant.
        (format!("{right}{right}"), 401),
        (right.replace("Basic", "bAsIc"), 200),
        (right, 200),
    ] {
        let mut client = site.connect();
        let head = format!("GET /file/page.txt HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        client.send(head.as_bytes()).expect("sent");
        let response = client.response(Asked::Other).unwrap_or_else(|why| panic!("{fields}: {why}"));
        assert_eq!(response.status, wanted, "{fields}");
        let challenge = response.field("www-authenticate");
        let due = (wanted == 401).then_some("Basic realm=\"File\", charset=\"UTF-8\"");
        assert_eq!(challenge, due, "{fields}");
    }
    site.server.stop().expect("an even ledger");
}

#[test]
fn a_connection_goes_on_behind_a_login() {
    let site = Site::start();
    let mut client = site.connect();
    let head = String::from_utf8(get("file", None)).expect("text").replace("GET", "HEAD");
    client.send(head.as_bytes()).expect("sent");
    let response = client.response(Asked::Head).expect("answered");
    assert_eq!(response.status, 401);
    assert!(response.field("www-authenticate").is_some() && response.field("content-length").is_some());
    client.send(&get("file", Some(("anna", OTHER)))).expect("sent");
    assert_eq!(client.response(Asked::Other).expect("answered").status, 401);

    // All at once: each waits for the one before, and answers keep their order.
    let right = Some(("anna", PASSWORD));
    let requests = [
        (get("free", None), 200),
        (get("file", right), 200),
        (get("file", None), 401),
        (get("user", Some(("max", PASSWORD))), 403),
        (get("dear", right), 200),
        (get("free", None), 200),
    ];
    let all: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    client.send(&all).expect("sent");
    for (number, (_, wanted)) in requests.iter().enumerate() {
        let response = client.response(Asked::Other).expect("answered");
        assert_eq!(response.status, *wanted, "answer {number}");
    }
    client.no_surplus().expect("nothing more");
    site.server.stop().expect("an even ledger");
}

#[test]
fn bodies_wait_for_the_login() {
    let site = Site::start();
    let post = |login: &str, more: &str| {
        format!("POST /echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n{login}{more}\r\n")
    };
    let right = credentials("anna", PASSWORD);
    let wrong = credentials("anna", OTHER);
    let expect = "Expect: 100-continue\r\n";
    // Whoever waits to be asked is not asked for a body that nobody wants.
    let mut client = site.connect();
    client.send(post(&wrong, expect).as_bytes()).expect("sent");
    let response = client.response(Asked::Other).expect("answered");
    assert!(response.status == 401 && response.says_close(), "{response:?}");
    // And is asked when it is wanted.
    let mut client = site.connect();
    client.send(post(&right, expect).as_bytes()).expect("sent");
    assert_eq!(client.response(Asked::Other).expect("answered").status, 100);
    client.send(b"hello").expect("sent");
    let response = client.response(Asked::Other).expect("answered");
    assert!(response.status == 200 && response.body.ends_with(b"hello"), "{response:?}");
    // One that is larger than what is taken in ahead waits in between.
    let long = "x".repeat(500_000);
    let head = post(&right, "").replace("Content-Length: 5", &format!("Content-Length: {}", long.len()));
    client.send(format!("{head}{long}").as_bytes()).expect("sent");
    let response = client.response(Asked::Other).expect("answered");
    assert!(response.status == 200 && response.body.ends_with(long.as_bytes()), "{}", response.status);
    // A body that has come is read, and the connection lives on.
    client.send(format!("{}hello{}hello", post(&wrong, ""), post(&right, "")).as_bytes()).expect("sent");
    assert_eq!(client.response(Asked::Other).expect("answered").status, 401);
    assert_eq!(client.response(Asked::Other).expect("answered").status, 200);
    site.server.stop().expect("an even ledger");
}

#[test]
fn passwords_are_compared_behind_all_else() {
    /// SCHED_IDLE, as procfs has it.
    const IDLE: &str = "5";
    let site = Site::start();
    assert_eq!(site.ask("dear", Some(("anna", PASSWORD))).status, 200);
    let auth = site.server.process(AUTH).expect("auth");
    let tasks = fs::read_dir(format!("/proc/{}/task", auth.pid)).expect("its threads").flatten();
    let stats = tasks.map(|task| fs::read_to_string(task.path().join("stat")).expect("a thread"));
    let (hashing, others): (Vec<_>, Vec<_>) = stats.partition(|stat| stat.contains("(kimura-hash"));
    // Fields are counted behind the name; the policy is the 41st of all.
    let yields = |stat: &String| {
        let fields = stat.rsplit(')').next().unwrap_or_default();
        fields.split_whitespace().nth(38) == Some(IDLE)
    };
    assert!(!hashing.is_empty() && hashing.iter().all(yields), "{hashing:?}");
    assert!(!others.is_empty() && !others.iter().any(yields), "{others:?}");
    site.server.stop().expect("an even ledger");
}

#[test]
fn a_reload_ends_what_was_right_before() {
    let site = Site::start();
    let old = Some(("anna", PASSWORD));
    let new = Some(("anna", "another one"));
    assert_eq!(site.ask("file", old).status, 200);
    assert_eq!(site.ask("file", new).status, 401);
    // Connections that were there before learn of it, too.
    let mut kept = site.connect();
    kept.send(&get("file", old)).expect("sent");
    assert_eq!(kept.response(Asked::Other).expect("answered").status, 200);
    site.folder.write("users", format!("anna:{}\n", hash("another one")).as_bytes()).expect("written");
    let (done, text) = site.reload();
    assert!(done, "{text}");
    for _ in 0..8 {
        assert_eq!(site.ask("file", old).status, 401);
        assert_eq!(site.ask("file", new).status, 200);
    }
    kept.send(&get("file", old)).expect("sent");
    assert_eq!(kept.response(Asked::Other).expect("answered").status, 401);

    // A line that is wrong changes nothing, and says where.
    site.folder.write("users", b"anna:plain\n").expect("written");
    let (done, text) = site.reload();
    assert!(!done && text.contains("users:1:") && text.contains("kimura passwd"), "{text}");
    assert!(!text.contains("plain\n"), "{text}");
    assert_eq!(site.ask("file", new).status, 200);
    site.server.stop().expect("an even ledger");
}

#[test]
fn changed_files_come_into_force_without_a_reload() {
    let site = Site::start();
    let old = Some(("anna", PASSWORD));
    let new = Some(("anna", "another one"));
    // Every shard remembers it, so that it has to be told.
    let mut kept: Vec<Client> = (0..8).map(|_| site.connect()).collect();
    let mut statuses = |login| -> Vec<u16> {
        let ask = |client: &mut Client| {
            client.send(&get("group", login)).expect("sent");
            client.response(Asked::Other).expect("answered").status
        };
        kept.iter_mut().map(ask).collect()
    };
    assert_eq!(statuses(old), [200; 8]);
    // Written aside and put in its place, as `mv` does.
    let put = |name: &str, content: &str| {
        let next = site.folder.write("next", content.as_bytes()).expect("written");
        fs::rename(next, site.folder.path().join(name)).expect("renamed");
    };
    put("users", &format!("anna:{}\n", hash("another one")));
    until("word of it", || site.server.heard(REREAD) == 1);
    assert_eq!((statuses(old), statuses(new)), (vec![401; 8], vec![200; 8]));

    // A line that is wrong is told once, with its place, and changes nothing.
    put("users", "anna:plain\n");
    until("the cause", || site.server.heard("kimura passwd") == 1);
    until("its place", || (site.server.heard(KEPT), site.server.heard("users:1:")) == (1, 1));
    assert_eq!((statuses(old), statuses(new)), (vec![401; 8], vec![200; 8]));

    put("users", &format!("anna:{}\n", hash("another one")));
    put("groups", "staff: otto\n");
    until("word of both", || site.server.heard(REREAD) == 2);
    assert_eq!((statuses(old), statuses(new)), (vec![401; 8], vec![403; 8]));
    assert_eq!(site.server.heard(KEPT), 1);
    site.server.stop().expect("an even ledger");
}

#[test]
fn nobody_is_let_in_while_auth_is_away() {
    let site = Site::start();
    let done = AtomicBool::new(false);
    let seen: Mutex<Vec<(bool, u16)>> = Mutex::default();
    thread::scope(|scope| {
        for right in [true, false] {
            let (site, done, seen) = (&site, &done, &seen);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let login = Some(("anna", if right { PASSWORD } else { OTHER }));
                    let response = site.ask("dear", login);
                    assert_eq!(response.field("retry-after").is_some(), response.status == 503);
                    seen.lock().expect("no panic").push((right, response.status));
                }
            });
        }
        for _ in 0..3 {
            let auth = site.server.process(AUTH).expect("auth");
            kill(Pid::from_raw(auth.pid as i32), Signal::SIGKILL).expect("killed");
            until("another auth", || site.server.process(AUTH).is_ok_and(|other| other.pid != auth.pid));
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
fn a_flood_of_logins_leaves_others_alone() {
    const SECONDS: u64 = 5;
    const CLIENTS: usize = 100;
    let site = Site::start();
    let begun = Instant::now();
    let length = Duration::from_secs(SECONDS);
    let statuses: Mutex<Vec<u16>> = Mutex::default();
    let others: Mutex<Vec<u16>> = Mutex::default();
    thread::scope(|scope| {
        // Each offers one a second, and with nobody faster all of them wait at the same time.
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while begun.elapsed() < length {
                    let next = Instant::now() + Duration::from_secs(1);
                    let response = site.ask("dear", Some(("anna", OTHER)));
                    assert_eq!(response.field("retry-after").is_some(), response.status == 503);
                    statuses.lock().expect("no panic").push(response.status);
                    let left = next.saturating_duration_since(Instant::now());
                    thread::park_timeout(left);
                }
            });
        }
        scope.spawn(|| {
            let mut client = site.connect();
            while begun.elapsed() < length {
                client.send(&get("free", None)).expect("sent");
                let response = client.response(Asked::Other).expect("answered");
                others.lock().expect("no panic").push(response.status);
            }
        });
    });
    let statuses = statuses.into_inner().expect("no panic");
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(count(401) + count(503), statuses.len(), "{statuses:?}");
    assert!(count(401) > 0 && count(503) > 0, "{} denied, {} unavailable", count(401), count(503));
    let others = others.into_inner().expect("no panic");
    assert!(!others.is_empty() && others.iter().all(|status| *status == 200), "{others:?}");
    let socket = site.folder.path().join("control.sock");
    let status =
        binary::output(["status".as_ref(), "--socket".as_ref(), socket.as_os_str()]).expect("status");
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    let judged = status.split("0 granted, ").nth(1).and_then(|rest| rest.split(" denied").next());
    // A verdict may have come too late for who asked.
    let judged: Option<usize> = judged.and_then(|judged| judged.parse().ok());
    assert!(judged.is_some_and(|judged| count(401) <= judged), "{} denied: {status}", count(401));
    // And the right one gets in when it is over.
    let mut later = 0;
    until("a login", || {
        let status = site.ask("dear", Some(("anna", PASSWORD))).status;
        later += u64::from(status == 503);
        status == 200
    });
    let counters = site.server.stop().expect("an even ledger");
    assert_eq!(counters["logins_denied"], count(401) as u64);
    assert_eq!(counters["logins_unavailable"], count(503) as u64 + later);
}

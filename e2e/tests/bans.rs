//! Bans: given by hand, in force in all shards at once, lifted, over, and kept through everything that can happen to a
//! server.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::output::Place;
use e2e::{Folder, Options, PATIENCE, Server, binary, until};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"], "shards": 4, "error_log": "${folder}/error.log",
    "control": { "socket": "${folder}/control.sock" } ${bans} ${more}
  },
  "logs": { "bans": { "file": "${folder}/bans.log", "format": "$status $ban" } },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": "bans" } }
}"#;

const BANS: &str = r#", "bans": { "file": "${folder}/bans", "allow": ["127.0.0.9"] }"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// How long a ban may take until no shard serves whom it is for.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Connections that are tried one after the other: so many that each of four shards gets some.
const TRIES: usize = 64;

/// Somebody to be banned, and somebody who is not.
const GUEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

struct Site {
    folder: Folder,
    server: Server,
}

impl Site {
    fn start() -> Site {
        Site::with("", |_| {})
    }

    /// With further keys of `/server`, in a folder that was prepared.
    fn with(more: &str, prepare: impl FnOnce(&Folder)) -> Site {
        let folder = Folder::new("bans").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        configure(&folder, BANS, more);
        prepare(&folder);
        let server = serve(&folder);
        Site { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn give(&self, command: &str) -> (Option<i32>, String) {
        let output = Command::new(binary::path())
            .args(command.split(' '))
            .arg("--socket")
            .arg(self.path("control.sock"))
            .output()
            .expect("the client runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Gives a command that is carried out; answers what it printed.
    fn done(&self, command: &str) -> String {
        let (status, said) = self.give(command);
        assert_eq!(status, Some(0), "{command}: {said}");
        said
    }

    /// Waits until the access log has a line.
    fn logs(&self, line: &str) {
        until("the line", || {
            let lines = fs::read_to_string(self.path("bans.log")).unwrap_or_default();
            lines.lines().any(|known| known == line)
        });
    }

    /// Connects from an address.
    fn connect(&self, from: Ipv4Addr) -> TcpStream {
        let Ok(Place::Ip(std::net::SocketAddr::V4(address))) = self.server.place(1) else {
            panic!("no address");
        };
        let fd =
            socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
        bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0)))
            .expect("an address of this machine");
        connect(fd.as_raw_fd(), &SockaddrIn::from(address)).expect("the address is listened on");
        let stream = TcpStream::from(fd);
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    /// Whether a connection from an address is served; it is refused without a word otherwise.
    fn serves(&self, from: Ipv4Addr) -> bool {
        served(&mut self.connect(from))
    }

    /// How long somebody who has just been banned is still served by any shard.
    fn delay(&self) -> Duration {
        let given = Instant::now();
        let (mut last_served, mut refused) = (given, 0);
        while refused < TRIES {
            refused = if self.serves(GUEST) { 0 } else { refused + 1 };
            if refused == 0 {
                last_served = Instant::now();
            }
            assert!(given.elapsed() < PATIENCE, "the ban does not come into force");
        }
        last_served - given
    }

    /// Whether no shard serves an address, and all serve another.
    fn bans(&self, what: &str) {
        for _ in 0..TRIES {
            assert!(!self.serves(GUEST), "{what}");
        }
        assert!(self.serves(OTHER), "{what}");
    }

    /// Ends the server and starts it again.
    fn start_again(self, end: impl FnOnce(Server)) -> Site {
        let Site { folder, server } = self;
        end(server);
        let server = serve(&folder);
        Site { folder, server }
    }
}

fn configure(folder: &Folder, bans: &str, more: &str) {
    let text = CONFIGURATION.replace("${bans}", bans).replace("${more}", more);
    let text = text.replace("${folder}", &folder.path().to_string_lossy());
    folder.write("kimura.conf", text.as_bytes()).expect("write");
}

fn serve(folder: &Folder) -> Server {
    Server::start(&folder.path().join("kimura.conf"), &Options::default()).expect("the server starts")
}

/// Whether a connection is served on.
fn served(stream: &mut TcpStream) -> bool {
    let status = ask(stream, GET);
    // Where one has to log in, that is an answer as well.
    assert!(status.as_deref().is_none_or(|status| ["200", "401"].contains(&status)), "{status:?}");
    status.is_some()
}

/// Sends a request and reads the answer; none when the connection is closed instead.
fn ask(stream: &mut TcpStream, request: &[u8]) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    // Who is closed meanwhile may be told by an error or by an end.
    stream.write_all(request).ok()?;
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some(head[9..12].to_owned())
}

/// Waits for the end of a connection, whatever else comes.
fn ended(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn a_ban_is_in_force_in_all_shards_at_once_and_ends_what_is_open() {
    let site = Site::start();
    let mut open: Vec<TcpStream> = (0..TRIES).map(|_| site.connect(GUEST)).collect();
    assert!(open.iter_mut().all(served));
    // One has said half of a request.
    open[0].write_all(&GET[..20]).expect("send");
    let mut other = site.connect(OTHER);
    let said = site.done("ban 127.0.0.5 --reason spam");
    let delay = site.delay();
    assert!(delay < AT_ONCE, "still served after {delay:?}");
    assert!(said.starts_with("banned 127.0.0.5/32 without an end, ban number 1, by hand: spam"), "{said}");
    open.iter_mut().for_each(ended);
    assert!(served(&mut other) && site.serves(OTHER), "nobody else is banned");
    let list = site.done("bans");
    assert!(
        list.starts_with("1 ban\n  127.0.0.5/32, number 1, since ") && list.contains(": by hand: spam"),
        "{list}"
    );
    assert!(site.done("unban 127.0.0.5").contains("127.0.0.5/32 is no longer banned"));
    until("served again", || site.serves(GUEST));
    let (status, text) = site.give("unban 127.0.0.5");
    assert!(status == Some(1) && text.contains("127.0.0.5/32 is not banned"), "{status:?} {text}");
    let (status, text) = site.give("ban 127.0.0.9");
    assert!(status == Some(1) && text.contains("exempt from bans by 127.0.0.9/32"), "{status:?} {text}");
    // A ban that is wider than what is exempt leaves that out.
    site.done("ban 127.0.0.0/8");
    until("the network is banned", || !site.serves(OTHER));
    assert!(site.serves(Ipv4Addr::new(127, 0, 0, 9)));
    let counters = site.server.wait_counters("bans", |counters| counters.get("bans_made") == Some(&2));
    assert_eq!(counters.expect("they are counted").get("bans_active"), Some(&1));
    let counters = site.server.stop().expect("the server ends in order");
    assert!(counters["connections_refused_ban"] >= TRIES as u64, "{counters:?}");
    assert!(counters["connections_closed_ban"] >= TRIES as u64, "{counters:?}");
}

#[test]
fn a_ban_ends_by_itself_and_the_next_one_is_counted() {
    for more in ["", r#", "privsep": false"#] {
        let site = Site::with(more, |_| {});
        for round in 1..=2 {
            let said = site.done("ban 127.0.0.5 --for 2s");
            assert!(said.contains(&format!("for 2 s, ban number {round}, by hand")), "{said}");
            until("its beginning", || !site.serves(GUEST));
            until("its end", || site.serves(GUEST));
            assert_eq!(site.done("bans"), "0 bans\n");
        }
        site.server.stop().expect("the server ends in order");
    }
}

#[test]
fn bans_outlive_whatever_happens_to_the_server() {
    let mut site = Site::start();
    site.done("ban 127.0.0.5/32 --for 1h");
    site.done("ban 2001:db8::/32");
    site.delay();
    let list = |site: &Site| {
        let list: serde_json::Value = serde_json::from_str(&site.done("bans --json")).expect("JSON");
        list["bans"].clone()
    };
    let before = list(&site);
    site.bans("as it was");
    site.done("reload");
    site.bans("after a reload");
    site.done("upgrade");
    site.bans("after an upgrade");
    site.server.kill_worker().expect("it ends");
    until("another worker", || site.done("status --json").contains(r#""state":"serving""#));
    site.bans("after the end of the worker");
    site = site.start_again(|server| drop(server.stop().expect("the server ends in order")));
    site.bans("after a restart");
    site = site.start_again(|server| {
        server.signal(Signal::SIGKILL).expect("it runs");
        server.ended().expect("it ends");
    });
    site.bans("after a sudden end");
    assert_eq!(list(&site), before);
    let counted = site.server.wait_counters("bans", |counters| counters.get("bans_active") == Some(&2));
    counted.expect("bans of the file are counted as well");
    // Without bans in the configuration nobody is banned.
    configure(&site.folder, "", "");
    site.done("reload");
    until("nobody is banned", || site.serves(GUEST));
    let (status, said) = site.give("ban 127.0.0.5");
    assert!(status == Some(1) && said.contains("the configuration has no /server/bans"), "{said}");
    configure(&site.folder, BANS, "");
    site.done("reload");
    site.delay();
    site.bans("banned again by the file");
    site.server.stop().expect("the server ends in order");
}

#[test]
fn a_file_that_is_broken_is_put_aside() {
    for broken in
        ["kimura-bans 1\n127.0.0.5/32 - 1 0 never by hand\n127.0.0.7/99 - 1 0 9 logins\n", "\0", "x\n"]
    {
        let site = Site::with("", |folder| drop(folder.write("bans", broken.as_bytes()).expect("write")));
        assert!(site.serves(GUEST), "none of it counts");
        assert_eq!(fs::read_to_string(site.path("bans.broken")).expect("it is put aside"), broken);
        let log = fs::read_to_string(site.path("error.log")).expect("the log");
        assert!(log.contains("the file of bans") && log.contains("bans.broken"), "{log}");
        let line = if broken.contains("/99") { "line 3" } else { "line 1" };
        assert!(log.contains(line), "{log}");
        site.done("ban 127.0.0.5");
        site.delay();
        site.bans("bans work on");
        site.server.stop().expect("the server ends in order");
    }
}

#[test]
fn a_hundred_thousand_bans_are_bounded() {
    const MANY: u32 = 100_000;
    /// Bytes that a process may take for them.
    const ROOM: u64 = 96 << 20;
    let few = Site::start();
    let resident = |site: &Site| {
        let all = site.server.processes();
        all.iter().map(|process| process.resident().expect("it runs")).max().expect("processes")
    };
    let before = resident(&few);
    few.server.stop().expect("the server ends in order");
    let site = Site::with("", |folder| {
        let mut text = "kimura-bans 1\n".to_owned();
        for number in 0..MANY - 1 {
            let address = Ipv4Addr::from(0x0a00_0000 + number);
            writeln!(text, "{address}/32 - 1 0 4000000000 by hand, one of many").expect("a text");
        }
        drop(folder.write("bans", text.as_bytes()).expect("write"));
    });
    assert!(site.serves(GUEST));
    site.done("ban 127.0.0.5 --for 1000d");
    let delay = site.delay();
    // Each of them was packed and unpacked anew.
    assert!(delay < AT_ONCE, "still served after {delay:?}");
    let list: serde_json::Value = serde_json::from_str(&site.done("bans --json")).expect("JSON");
    assert_eq!(list["bans"].as_array().map(Vec::len), Some(MANY as usize));
    let after = resident(&site);
    assert!(after < before + ROOM, "{before} bytes before, {after} bytes after");
    site.server.stop().expect("the server ends in order");
}

#[test]
fn bad_requests_ban_if_they_count() {
    const MISSING: &[u8] = b"GET /wp-login.php HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (most, more) in [(Some(10), ""), (None, "")] {
        let site = Site::with(more, |folder| {
            let bans = match most {
                Some(most) => BANS.replace("{ ", &format!("{{ \"bad_requests\": {most}, ")),
                None => BANS.to_owned(),
            };
            configure(folder, &bans, "");
        });
        let mut guest = site.connect(GUEST);
        let asked = (0..9).map(|_| ask(&mut guest, MISSING));
        assert!(asked.into_iter().all(|status| status.as_deref() == Some("404")));
        assert!(served(&mut guest), "one is still missing");
        ask(&mut guest, MISSING);
        match most {
            Some(_) => {
                until("the ban", || !site.serves(GUEST));
                ended(&mut guest);
                assert!(site.done("bans").contains(": bad requests"), "{}", site.done("bans"));
            }
            None => assert_eq!(site.done("bans"), "0 bans\n"),
        }
        // Whoever is exempt is not counted.
        let mut exempt = site.connect(Ipv4Addr::new(127, 0, 0, 9));
        assert!((0..20).all(|_| ask(&mut exempt, MISSING).is_some()) && served(&mut exempt));
        assert!(site.serves(OTHER));
        site.server.stop().expect("the server ends in order");
    }
}

/// Basic credentials of vera with the right password, vera with another one, and otto with that.
const RIGHT: &str = "dmVyYTpwdy12aWV3ZXI=";
const WRONG: &str = "dmVyYTp3cm9uZw==";
const STRANGER: &str = "b3R0bzp3cm9uZw==";

/// A site where vera has to log in, with keys of `/server/bans`.
fn guarded(counts: &str) -> Site {
    // The SHA-512 crypt of pw-viewer.
    const HASH: &str = "$6$kimuraviewer$50yRqPfxD9HLnUI/.7Mhtztb0XIo15x/6Z9Ii5/vmnUozGJkLWaLV4XkU8FIZja5ClQLUcVYeS9jvS4ESrA.U0";
    Site::with("", |folder| {
        configure(folder, &BANS.replace("{ ", &format!("{{ {counts}, ")), "");
        let path = folder.path().join("kimura.conf");
        let text = fs::read_to_string(&path).expect("the configuration");
        let auth = format!(r#""auth": {{ "realm": "Own", "users": {{ "vera": "{HASH}" }} }}, "root""#);
        fs::write(path, text.replace("\"root\"", &auth)).expect("write");
    })
}

/// Logs in; answers the status.
fn log_in(stream: &mut TcpStream, credentials: &str) -> Option<String> {
    let head = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic";
    ask(stream, format!("{head} {credentials}\r\n\r\n").as_bytes())
}

/// Waits until vera is banned from where a guest comes. Shards may hear of it a little later than she is; the right
/// password is of no use even then.
fn wait_for_ban_of_vera(site: &Site) {
    until("the ban", || {
        let answer = log_in(&mut site.connect(GUEST), RIGHT);
        assert_ne!(answer.as_deref(), Some("200"), "a guess is answered after the last one");
        answer.as_deref() == Some("403")
    });
}

#[test]
fn failures_before_an_upgrade_count_after_it() {
    let site = guarded(r#""failures": 100, "user_failures": 5"#);
    // Each by a connection of its own: those of a worker that is on its way out end with their answer.
    let guess = |credentials| log_in(&mut site.connect(GUEST), credentials);
    for _ in 0..3 {
        assert_eq!(guess(WRONG).as_deref(), Some("401"));
    }
    site.done("upgrade");
    assert_eq!(guess(WRONG).as_deref(), Some("401"));
    // Not by the right password: a shard would remember it, and answer by itself until it hears of the ban.
    assert_eq!(site.done("bans"), "0 bans\n", "four are not enough");
    guess(WRONG);
    wait_for_ban_of_vera(&site);
    site.server.stop().expect("the server ends in order");
}

#[test]
fn failed_logins_ban_the_prefix_or_the_user_from_there() {
    let status = |text: &str| Some(text.to_owned());

    let site = guarded(r#""failures": 6, "user_failures": 100"#);
    let mut guest = site.connect(GUEST);
    assert_eq!(log_in(&mut guest, RIGHT), status("200"));
    for _ in 0..5 {
        assert_eq!(log_in(&mut guest, WRONG), status("401"));
    }
    assert_eq!(log_in(&mut guest, RIGHT), status("200"), "five are not enough");
    log_in(&mut guest, STRANGER);
    let delay = site.delay();
    assert!(delay < AT_ONCE, "still served after {delay:?}");
    ended(&mut guest);
    assert!(site.done("bans").contains("127.0.0.5/32, number 1"), "{}", site.done("bans"));
    site.logs("401 -");
    until("the line of the last failure", || {
        let lines = fs::read_to_string(site.path("bans.log")).unwrap_or_default();
        // The connection may have ended before the answer.
        lines.lines().filter(|line| line.ends_with(" new:client/logins")).count() == 1
    });
    assert_eq!(log_in(&mut site.connect(OTHER), RIGHT), status("200"), "nobody is locked out");
    site.server.stop().expect("the server ends in order");

    let site = guarded(r#""failures": 100, "user_failures": 3"#);
    let mut guest = site.connect(GUEST);
    for _ in 0..2 {
        assert_eq!(log_in(&mut guest, WRONG), status("401"));
    }
    // The ban may reach the shard with the verdict, which is 403 then.
    log_in(&mut guest, WRONG);
    wait_for_ban_of_vera(&site);
    site.logs("403 user/logins");
    assert_eq!(log_in(&mut guest, STRANGER), status("401"), "others from there may try");
    assert_eq!(log_in(&mut site.connect(OTHER), RIGHT), status("200"), "from elsewhere she gets in");
    assert!(site.done("bans").contains(r#"127.0.0.5/32 as "vera", number 1"#), "{}", site.done("bans"));
    site.done("unban 127.0.0.5");
    until("let in again", || log_in(&mut guest, RIGHT) == status("200"));
    site.server.stop().expect("the server ends in order");
}

#[test]
fn who_comes_by_a_proxy_is_banned_by_the_own_address() {
    let keys = r#", "trusted": ["127.0.0.0/28"], "client_address": "x-forwarded-for""#;
    let site = Site::with(keys, |_| {});
    let ask = |stream: &mut TcpStream, client: &str| {
        let head = format!("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n\r\n");
        ask(stream, head.as_bytes()).expect("an answer")
    };
    let mut proxy = site.connect(GUEST);
    assert_eq!(ask(&mut proxy, "198.51.100.7"), "200");
    site.done("ban 198.51.100.0/24");
    until("the ban", || ask(&mut proxy, "198.51.100.7") == "403");
    site.logs("403 client/hand");
    assert_eq!(ask(&mut proxy, "::ffff:198.51.100.8"), "403");
    assert_eq!(ask(&mut proxy, "203.0.113.7"), "200", "the connection serves others");
    let (status, said) = site.give("ban 127.0.0.5");
    assert!(status == Some(1) && said.contains("exempt from bans by 127.0.0.0/28"), "{said}");
    // A client of its own cannot get anybody banned by what it writes, nor escape.
    site.done("ban 127.0.1.0/24");
    let own = Ipv4Addr::new(127, 0, 1, 1);
    until("the ban", || !site.serves(own));
    drop(proxy);
    let counters = site.server.stop().expect("the server ends in order");
    assert!(counters["requests_refused_ban"] >= 2, "{counters:?}");
}

#[test]
fn who_comes_by_the_proxy_protocol_is_closed() {
    let site = Site::with("", |folder| {
        let path = folder.path().join("kimura.conf");
        let text = fs::read_to_string(&path).expect("the configuration");
        let text = text.replace("[\"127.0.0.1:0\"]", "[\"127.0.0.1:0 proxy\"], \"trusted\": [\"127.0.0.5\"]");
        fs::write(path, text).expect("write");
    });
    let connect = |client: &str| {
        let mut stream = site.connect(GUEST);
        stream.write_all(format!("PROXY TCP4 {client} 127.0.0.1 1 80\r\n").as_bytes()).expect("send");
        stream
    };
    let (mut guest, mut other) = (connect("198.51.100.7"), connect("203.0.113.7"));
    assert!(served(&mut guest) && served(&mut other));
    // One of whom nothing is known yet is not closed before it is.
    let mut unnamed = site.connect(GUEST);
    site.done("ban 198.51.100.7");
    ended(&mut guest);
    until("the ban", || !served(&mut connect("198.51.100.7")));
    assert!(served(&mut other));
    unnamed.write_all(b"PROXY TCP4 203.0.113.9 127.0.0.1 1 80\r\n").expect("send");
    assert!(served(&mut unnamed));
    drop((other, unnamed));
    let counters = site.server.stop().expect("the server ends in order");
    assert!(
        counters["connections_refused_ban"] >= 1 && counters["connections_closed_ban"] == 1,
        "{counters:?}"
    );
}

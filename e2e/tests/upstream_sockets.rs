//! Servers at Unix sockets, whose files come and go.

#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use e2e::backend::request;
use e2e::origin::open_to_all;
use e2e::response::Asked;
use nix::unistd::Uid;

use e2e::{Client, Folder, Front, Setup, until};

/// A server at a socket, which says its word to everybody.
struct House {
    listener: UnixListener,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    accepting: JoinHandle<()>,
}

impl House {
    /// Opens one at a path where nothing is.
    fn open(path: &Path, word: &'static str) -> House {
        let listener = UnixListener::bind(path).expect("a socket");
        // The one who connects may be somebody else than the one who tests.
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("its mode");
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (accepts, open) = (listener.try_clone().expect("the same socket"), Arc::clone(&streams));
        let accepting = thread::spawn(move || {
            for stream in accepts.incoming().map_while(Result::ok) {
                open.lock().expect("a lock").push(stream.try_clone().expect("the same socket"));
                thread::spawn(move || answer(stream, word));
            }
        });
        House { listener, streams, accepting }
    }

    /// Ends it as a process ends: nobody listens any more, and all connections are closed. The file stays.
    fn end(self) {
        nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both)
            .expect("an end");
        self.accepting.join().expect("no panic");
        for stream in self.streams.lock().expect("a lock").drain(..) {
            // Who has gone first needs no word.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn answer(mut stream: UnixStream, word: &str) {
    while request(&mut stream).is_some() {
        let len = word.len();
        if write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{word}").is_err() {
            return;
        }
    }
}

fn ask(client: &mut Client) -> (u16, String) {
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").expect("send");
    let answer = client.response(Asked::Other).expect("an answer");
    let word =
        if answer.status == 200 { String::from_utf8_lossy(&answer.body).into_owned() } else { String::new() };
    (answer.status, word)
}

fn place(folder: &Folder) -> PathBuf {
    open_to_all(folder.path()).expect("chmod");
    folder.path().join("app.sock")
}

fn start(folder: Folder, group: &str) -> Front {
    let server = format!("unix:{}", folder.path().join("app.sock").display());
    let mut setup = Setup::before(&[server], group);
    if Uid::effective().is_root() {
        // Whom modes mean something to.
        setup.server.push_str(r#", "user": "nobody""#);
    }
    Front::start_in(folder, &setup).expect("the server starts")
}

#[test]
fn a_socket_that_cannot_be_used_is_told_of_and_used_again() {
    let folder = Folder::new("sockets").expect("a folder");
    let path = place(&folder);
    let house = House::open(&path, "one");
    // Each request has to find the socket anew.
    let front = start(folder, r#""keep_alive": 0"#);
    let mut client = front.client().expect("connect");
    let one = (200, "one".to_owned());
    let none = (502, String::new());
    assert_eq!(ask(&mut client), one);
    fs::set_permissions(&path, Permissions::from_mode(0o000)).expect("its mode");
    assert_eq!(ask(&mut client), none);
    front.tells("cannot be reached: Permission denied");
    fs::set_permissions(&path, Permissions::from_mode(0o777)).expect("its mode");
    assert_eq!(ask(&mut client), one);
    fs::remove_file(&path).expect("removed");
    assert_eq!(ask(&mut client), none);
    front.tells("cannot be reached: No such file or directory");
    house.end();
    let house = House::open(&path, "two");
    assert_eq!(ask(&mut client), (200, "two".to_owned()));
    house.end();
    assert_eq!(ask(&mut client), none);
    front.tells("cannot be reached: Connection refused");
    drop(client);
    let ended = front.stop().expect("an end");
    ended.counted(
        "sockets",
        &[
            ("upstream_connections_failed", 3),
            ("upstream_requests", 3),
            ("responses_5xx", 3),
            ("upstream_retries", 0),
        ],
    );
    ended.logged(
        "sockets",
        &["POST|200|200", "POST|502|502", "POST|200|200", "POST|502|502", "POST|200|200", "POST|502|502"],
    );
}

#[test]
fn a_server_that_is_replaced_goes_on_with_the_next_one() {
    let folder = Folder::new("sockets").expect("a folder");
    let path = place(&folder);
    let before = House::open(&path, "one");
    let front = start(folder, "");
    let mut client = front.client().expect("connect");
    for _ in 0..2 {
        assert_eq!(ask(&mut client), (200, "one".to_owned()));
    }
    // The next one has the place already when the one before ends, as a restart without a gap does it.
    fs::remove_file(&path).expect("removed");
    let after = House::open(&path, "two");
    assert_eq!(ask(&mut client), (200, "one".to_owned()), "by the connection that there is");
    before.end();
    for _ in 0..2 {
        assert_eq!(ask(&mut client), (200, "two".to_owned()));
    }
    after.end();
    front.stands_at("upstream_connections_open", 0).expect("those that were kept are let go");
    drop(client);
    let ended = front.stop().expect("an end");
    ended.counted(
        "replaced",
        &[
            ("upstream_connections_opened", 2),
            ("upstream_connections_reused", 3),
            ("upstream_responses_cut", 0),
        ],
    );
    ended.logged("replaced", &["POST|200|200"; 5]);
}

/// More wait to be taken than may: a Unix socket says so at once.
#[test]
fn a_full_queue_is_no_wait() {
    let folder = Folder::new("sockets").expect("a folder");
    let path = place(&folder);
    let listener = UnixListener::bind(&path).expect("a socket");
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).expect("a number"))
        .expect("a queue");
    fs::set_permissions(&path, Permissions::from_mode(0o777)).expect("its mode");
    let waiting = UnixStream::connect(&path).expect("the one that may wait");
    let front = start(folder, "");
    let mut client = front.client().expect("connect");
    assert_eq!(ask(&mut client).0, 502);
    front.tells("cannot be reached: Resource temporarily unavailable");
    drop(waiting);
    let answering = thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream, "ok"));
        }
    });
    until("there is room again", || ask(&mut client).0 == 200);
    drop((client, answering));
    let ended = front.stop().expect("an end");
    assert!(ended.lines[0] == "POST|502|502" && ended.lines.ends_with(&["POST|200|200".to_owned()]));
}

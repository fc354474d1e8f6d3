//! Limits that were changed by command, over changes of what is served: whoever begins to serve knows of them before the
//! first request, and they end with their place.

#![forbid(unsafe_code)]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use e2e::load::{Load, Tally};
use e2e::response::Asked;
use e2e::{Folder, Options, PATIENCE, Server, binary, until};

const BODY: &[u8] = b"Hello, world!\n";
/// What all but a few requests fail at. Those are more than can come at the same instant.
const STRICT: &str = r#""shaping": { "client": { "requests": "1r/h", "requests_burst": 8 } }"#;
/// What nobody notices.
const LAX: &str = r#""shaping": { "client": { "requests": "10000000r/s", "requests_burst": 8 } }"#;
/// More than those few.
const MANY: usize = 20;
/// Requests of a generation that are enough to tell by which limits it goes.
const ENOUGH: u64 = 200;
const WORKER: &str = "kimura: worker";

/// The only shards of several servers would share a processor, with clients who never pause.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Site {
    folder: Folder,
    server: Server,
    _turn: MutexGuard<'static, ()>,
}

impl Site {
    fn start(server: &str, localhost: &str, others: &str) -> Site {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = Folder::new("shaping-changes").expect("a folder");
        folder.write("www/hello.txt", BODY).expect("write");
        folder.write("other/hello.txt", BODY).expect("write");
        write(&folder, server, localhost, others);
        let server = Server::start(&folder.path().join("kimura.conf"), &Options::default());
        Site { folder, server: server.expect("the server starts"), _turn: turn }
    }

    fn reload(&self, server: &str, localhost: &str, others: &str) {
        write(&self.folder, server, localhost, others);
        self.done(&["reload"]);
    }

    /// Gives a command that is carried out; answers what it printed.
    fn done(&self, command: &[&str]) -> String {
        binary::command(&self.folder, command)
    }

    /// Changes the limit on requests of a place by command.
    fn limit(&self, place: &str, rate: &str) {
        self.done(&["limit", &format!("{place}/shaping/client/requests={rate}")]);
    }

    fn status(&self) -> u16 {
        let mut client = self.server.connect().expect("a connection");
        client.send(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it takes the request");
        client.response(Asked::Other).expect("an answer").status
    }

    fn is_free(&self) -> bool {
        (0..MANY).all(|_| self.status() == 200)
    }

    /// Has clients ask the generation that serves; answers the load, with which it goes on.
    fn ask_enough(&self, load: Load, what: &str) -> Load {
        let begun = self.requests();
        let deadline = Instant::now() + PATIENCE;
        while self.requests() < begun + ENOUGH {
            if deadline < Instant::now() {
                // Clients who have failed too often ask no more.
                check(&load.stop());
                panic!("{what}: not enough requests within {PATIENCE:?}");
            }
        }
        load
    }

    /// Requests that the generation which serves has counted.
    fn requests(&self) -> u64 {
        let shown = self.done(&["limits", "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        let uses = shown["uses"].as_array().expect("a list");
        uses.iter().filter(|one| one["scope"] == "/server").filter_map(|one| one["requests"].as_u64()).sum()
    }

    fn load(&self) -> Load {
        Load::start(&[self.server.place(1).expect("an address")], "localhost", "/hello.txt", BODY)
    }

    /// The worker, once there is only one.
    fn only_worker(&self) -> u32 {
        let mut workers = Vec::new();
        until("the end of workers before", || {
            workers = self.server.processes();
            workers.retain(|process| process.title == WORKER);
            workers.len() == 1
        });
        workers[0].pid
    }
}

/// One shard: several tell each other what they have let through, and a rate without a burst that suits it would stand still
/// for a moment then.
fn write(folder: &Folder, server: &str, localhost: &str, others: &str) {
    let text = r#"{
      "server": { "listen": ["127.0.0.1:0"], "control": { "socket": "${path}/control.sock" }, "shards": 1, ${server} },
      "hosts": { "localhost": { "root": "${path}/www", ${localhost} }, ${others} }
    }"#;
    let text =
        text.replace("${server}", server).replace("${localhost}", localhost).replace("${others}", others);
    let text = text.replace("${path}", &folder.path().to_string_lossy());
    folder.write("kimura.conf", text.as_bytes()).expect("write");
}

fn check(tally: &Tally) {
    assert!(
        tally.failures.is_empty(),
        "{} of {}: {}",
        tally.failures.len(),
        tally.answered,
        tally.failures[0]
    );
}

#[test]
fn what_was_lifted_holds_for_the_first_request_of_whoever_serves_next() {
    let site = Site::start(STRICT, "", "");
    until("the configured limit", || site.status() == 429);
    site.limit("/server", "10000000r/s");
    until("the command", || site.is_free());
    let mut load = site.load();
    let elsewhere = r#""locations": { "/other/": { "root": "${path}/other" } }"#;
    for (what, localhost, command, begins) in [
        ("a reload", "", "reload", false),
        ("a reload that needs another worker", elsewhere, "reload", true),
        ("an upgrade", "", "upgrade", true),
        ("a reload after it", "", "reload", false),
    ] {
        let worker = site.only_worker();
        write(&site.folder, STRICT, localhost, "");
        site.done(&[command]);
        load = site.ask_enough(load, what);
        assert_eq!(site.only_worker() != worker, begins, "{what}");
    }
    check(&load.stop());
    site.server.stop().expect("an end in order");
}

#[test]
fn what_was_set_at_a_place_that_goes_takes_nothing_else_along() {
    let other = format!(r#""other.test": {{ "root": "${{path}}/other", {STRICT} }}"#);
    let site = Site::start(STRICT, "", &other);
    site.limit("/server", "10000000r/s");
    site.limit("/hosts/other.test", "10000000r/s");
    until("the commands", || site.is_free());
    let mut load = site.load();
    site.reload(STRICT, "", "");
    load = site.ask_enough(load, "a reload");
    site.done(&["upgrade"]);
    load = site.ask_enough(load, "an upgrade");
    check(&load.stop());
    let shown = site.done(&["limits"]);
    assert!(shown.contains("/server/shaping/client/requests=10000000r/s"), "{shown}");
    assert!(!shown.contains("other.test"), "{shown}");
    site.server.stop().expect("an end in order");
}

#[test]
fn what_was_set_ends_with_its_place_and_does_not_come_back_with_it() {
    let site = Site::start("", LAX, "");
    site.limit("/hosts/localhost", "1r/h");
    until("the command", || site.status() == 429);
    site.reload("", "", "");
    assert!(site.is_free(), "{}", site.done(&["limits"]));
    site.reload("", LAX, "");
    assert!(site.is_free(), "{}", site.done(&["limits"]));
    site.server.stop().expect("an end in order");
}

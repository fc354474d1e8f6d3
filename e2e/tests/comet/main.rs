//! Live logs: what is logged is seen as it comes, by those who may, whatever happens to the server's processes.

#![forbid(unsafe_code)]

mod page;
mod shown;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::response::Asked;
use e2e::viewer::{Event, Heard, Viewer};
use e2e::{Client, PATIENCE, until};
use shown::{CONFIGURATION, Shown};

/// How long after its answer a request is to be seen.
const SEEN_WITHIN: Duration = Duration::from_millis(200);

/// What nobody would wait for: used where nothing is to come.
const MOMENT: Duration = Duration::from_millis(400);

/// For what may have come.
const GLANCE: Duration = Duration::from_millis(1);

const LOGIN: &str = "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n";

#[test]
fn a_request_is_seen_soon_after_its_answer() {
    let shown = Shown::start();
    let mut viewer = shown.view("/live/events", "");
    let mut times: Vec<Duration> = (0..11)
        .map(|number| {
            let target = format!("/seen-{number}");
            shown.get(&target);
            let answered = Instant::now();
            let event = viewer.line_with(&target).expect("it is seen");
            assert_eq!(
                (event.text("status"), event.text("host")),
                ("404".to_owned(), "localhost".to_owned())
            );
            assert_eq!(
                (event.text("client"), event.text("kind")),
                ("127.0.0.1".to_owned(), "request".to_owned())
            );
            answered.elapsed()
        })
        .collect();
    times.sort_unstable();
    // Half of them: the machine has others to serve, too.
    assert!(times[5] <= SEEN_WITHIN, "{times:?}");
    shown.server.stop().expect("the ledger is even");
}

/// The target of the request that a line is about, and the host that the event names; the line looks as the log of that
/// host has it.
fn target_at_host(event: &Event) -> String {
    let (host, line) = (event.text("host"), event.text("line"));
    assert_eq!(line.starts_with('{'), host == "other.example", "{line}");
    let target = line.split(['"', ' ']).find(|word| word.starts_with('/')).expect("a target");
    format!("{target} {host}")
}

#[test]
fn places_and_filters_choose() {
    let shown = Shown::start();
    shown.get("/before");
    let mut all = shown.view("/live/events?last=10", "");
    all.line_with("/before").expect("what was there before");
    let mut own = shown.view("/own/events", "");
    let mut other = shown.view("/live/events?host=other.example", "");
    let mut good = shown.view("/live/events?status=2xx&client=127.0.0.0/8&text=HELLO", "");
    shown.ask("other.example", "/there", "");
    shown.get("/here");
    shown.get("/hello.txt");
    shown.ask("other.example", "/hello.txt?there", "");
    // Neither those without a log nor those who look show.
    shown.get("/quiet/x");
    let first = |viewer: &mut Viewer| viewer.line_with("").expect("a line");
    // Those of two shards come in any order.
    let check = |viewer: &mut Viewer, wanted: &[&str]| {
        let mut seen: Vec<String> = wanted.iter().map(|_| target_at_host(&first(viewer))).collect();
        seen.sort_unstable();
        assert_eq!(seen, wanted);
    };
    let (here, there) = ("/hello.txt localhost", "/hello.txt?there other.example");
    check(&mut all, &[here, there, "/here localhost", "/there other.example"]);
    check(&mut own, &[here, "/here localhost"]);
    check(&mut other, &[there, "/there other.example"]);
    check(&mut good, &[here, there]);
    assert_eq!(all.next(MOMENT).expect("a stream"), Heard::Silence);
    let bad = shown.ask("localhost", "/live/events?status=ok", "");
    assert!(bad.status == 400 && String::from_utf8_lossy(&bad.body).contains("4xx"), "{bad:?}");
}

#[test]
fn messages_of_every_process_that_has_a_say() {
    let shown = Shown::start();
    let mut viewer = shown.view("/errors/events", "");
    shown.get("/not-shown-here");
    shown.kill("kimura: auth");
    let event = viewer.line_with("auth has ended").expect("what the supervisor says");
    assert_eq!(event.text("kind"), "message");
}

#[test]
fn whoever_comes_again_gets_what_was_missed() {
    let shown = Shown::start();
    let mut viewer = shown.view("/live/events", "");
    let mut number = 0;
    let mut next = |viewer: &mut Viewer, shown: &Shown| {
        number += 1;
        let target = format!("/number-{number}.");
        shown.get(&target);
        viewer.line_with(&target).expect("it is seen");
    };
    next(&mut viewer, &shown);

    // The connection is lost.
    let lost = viewer;
    shown.get("/while-away");
    viewer = shown.again("/live/events", &lost);
    viewer.line_with("/while-away").expect("what was missed");
    next(&mut viewer, &shown);

    // The configuration changes: everybody is let in anew.
    shown.give(&["reload"]);
    viewer.end().expect("an orderly end");
    shown.get("/after-reload");
    viewer = shown.again("/live/events", &viewer);
    viewer.line_with("/after-reload").expect("what was missed");
    next(&mut viewer, &shown);

    // The logger dies: nobody needs to come again.
    shown.kill("kimura: logger");
    shown.get("/after-kill");
    viewer.line_with("/after-kill").expect("the new logger shows it");
    next(&mut viewer, &shown);

    // Another program takes over.
    shown.give(&["upgrade"]);
    viewer.end().expect("an orderly end");
    shown.get("/after-upgrade");
    viewer = shown.again("/live/events", &viewer);
    viewer.line_with("/after-upgrade").expect("what was missed");
    next(&mut viewer, &shown);

    // Of another server nothing is known, and that is said.
    let mut stranger = shown.view("/live/events", "Last-Event-ID: 1-1\r\n");
    let Heard::Event(event) = stranger.next(PATIENCE).expect("an event") else { panic!("nothing came") };
    assert_eq!(event.name, "restarted");
    stranger.line_with("/number-1.").expect("all that is there");
}

#[test]
fn only_those_who_may() {
    let shown = Shown::start();
    for part in ["", "events", "poll"] {
        assert_eq!(shown.ask("localhost", &format!("/login/{part}"), "").status, 401, "{part}");
        assert_eq!(shown.ask("localhost", &format!("/closed/{part}"), "").status, 403, "{part}");
    }
    for target in ["/live/", "/login/"] {
        let page = shown.ask("localhost", target, LOGIN);
        assert_eq!(page.status, 200);
        let field = |name: &str| page.field(name).unwrap_or_default().to_owned();
        assert_eq!(field("content-type"), "text/html; charset=utf-8");
        assert_eq!(field("cache-control"), "no-store");
        let policy = field("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert!(page.body.starts_with(b"<!doctype html>"));
    }
    assert_eq!(shown.ask("localhost", "/live/else", "").status, 404);
    let mut viewer = shown.view("/login/events", LOGIN);
    shown.get("/seen-by-anna");
    viewer.line_with("/seen-by-anna").expect("it is seen");
    let mut client = shown.server.connect().expect("connect");
    client.send(b"HEAD /live/events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let head = client.response(Asked::Head).expect("a response");
    assert_eq!(head.field("content-type"), Some("text/event-stream; charset=utf-8"));
}

#[test]
fn polls() {
    let shown = Shown::start();
    let poll = |query: &str| {
        let response = shown.ask("localhost", &format!("/live/poll?{query}"), "");
        serde_json::from_slice::<serde_json::Value>(&response.body).expect("JSON")
    };
    shown.get("/one");
    let mut viewer = shown.view("/live/events?last=5", "");
    viewer.line_with("/one").expect("it is there");
    let first = poll("last=5&text=/one");
    assert!(first["lines"][0]["line"].as_str().is_some_and(|line| line.contains("/one")), "{first}");
    let next = first["next"].as_str().expect("a place").to_owned();
    let (later, answered) = std::thread::scope(|scope| {
        let later = scope.spawn(|| poll(&format!("after={next}&text=/two")));
        shown.get("/not-it");
        shown.get("/two");
        (later.join().expect("an answer"), Instant::now())
    });
    assert!(later["lines"][0]["line"].as_str().is_some_and(|line| line.contains("/two")), "{later}");
    assert_eq!((later["missed"].as_u64(), later["restarted"].as_bool()), (Some(0), Some(false)));
    assert!(answered.elapsed() < PATIENCE);
}

#[test]
fn there_is_room_for_so_many() {
    let one = CONFIGURATION.replace(r#""viewers_per_shard": 4"#, r#""viewers_per_shard": 1"#);
    let shown = Shown::with(&one.replace(r#""shards": 2"#, r#""shards": 1"#));
    let first = shown.view("/live/events", "");
    assert_eq!(Viewer::open(shown.address, "/live/events", "").expect("an answer").err(), Some(503));
    let refused = shown.ask("localhost", "/live/poll", "");
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("5")));
    drop(first);
    until("the place is free again", || {
        Viewer::open(shown.address, "/live/events", "").expect("an answer").is_ok()
    });
    let counters = shown.server.stop().expect("the ledger is even");
    assert!(counters.get("comet_refused").copied().unwrap_or(0) >= 2, "{counters:?}");
}

/// Requests that are sent at once.
const TOGETHER: usize = 50;

#[test]
fn who_does_not_read_slows_nobody_and_costs_little() {
    let shown = Shown::start();
    let mut stuck = TcpStream::connect(shown.address).expect("connect");
    stuck.write_all(b"GET /live/events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let mut viewer = shown.view("/live/events", "");
    let before = shown.server.resident().expect("memory");
    let long = "x".repeat(4000);
    let mut client: Client = shown.server.connect().expect("connect");
    let requests = format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(TOGETHER);
    let mut slowest = Duration::ZERO;
    // Much more than sockets and the ring hold together.
    for _ in 0..6_000 / TOGETHER {
        let begun = Instant::now();
        client.send(requests.as_bytes()).expect("send");
        for _ in 0..TOGETHER {
            assert_eq!(client.response(Asked::Other).expect("a response").status, 404);
        }
        slowest = slowest.max(begun.elapsed());
        while let Heard::Event(_) = viewer.next(GLANCE).expect("a stream") {}
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    shown.get("/the-last");
    viewer.line_with("/the-last").expect("others see on");
    // The ring itself is memory of the server that is used only now.
    let grown = shown.server.resident().expect("memory").saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes");
    shown
        .server
        .wait_counters("the viewer that does not read is ended", |now| {
            now.get("timeouts_write").copied().unwrap_or(0) >= 1
        })
        .expect("by the deadline of a write");
    drop((stuck, viewer, client));
    shown.server.stop().expect("the ledger is even");
}

#[test]
fn in_a_terminal() {
    let shown = Shown::start();
    shown.get("/one");
    shown.ask("other.example", "/hello.txt", "");
    until("both are there", || shown.give(&["logs"]).matches("GET").count() == 2);
    let lines = shown.give(&["logs", "--json", "--last", "1", "--host", "other.example", "--status=2xx"]);
    let object: serde_json::Value = serde_json::from_str(lines.trim_end()).expect("one object");
    assert_eq!((object["status"].as_u64(), object["host"].as_str()), (Some(200), Some("other.example")));
    assert_eq!(shown.give(&["logs", "--grep", "/one"]).lines().count(), 1);
    assert_eq!(shown.give(&["logs", "--client", "192.0.2.1"]), "");

    let mut follower = shown.command(&["logs", "-f", "--last", "0", "--grep", "GET"]);
    let mut follower = follower.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    // It may not have looked yet when the first requests come.
    std::thread::scope(|scope| {
        let (done, seen) = std::sync::mpsc::channel();
        let shown = &shown;
        scope.spawn(move || {
            until("it follows", || {
                shown.get("/two");
                seen.try_recv().is_ok()
            });
        });
        assert!(next().contains("/two"));
        done.send(()).expect("somebody waits for it");
    });
    shown.kill("kimura: logger");
    shown.get("/three");
    until("past the others", || next().contains("/three"));
    shown.server.stop().expect("the ledger is even");
    let output = follower.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("the server has ended"), "{output:?}");
}

//! A keep-alive request allocates nothing: neither for a cached small file, in whatever form, nor for what another server
//! answers, compressed on its way or not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

mod common;

/// Counts what shards allocate while it is switched on.
struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether this thread is a shard: looked up once, for the look-up itself may allocate.
    static SHARD: Cell<Option<bool>> = const { Cell::new(None) };
}

fn on_a_shard() -> bool {
    SHARD.try_with(|known| match known.get() {
        Some(shard) => shard,
        None => {
            known.set(Some(false));
            let shard = std::thread::current().name().is_some_and(|name| name.starts_with("shard"));
            known.set(Some(shard));
            shard
        }
    }) == Ok(true)
}

/// Counts an allocation made within a pass of the lane. What the executor allocates for its own timer, ten times a
/// second, is no request's.
fn count() {
    if ON.load(Ordering::Relaxed) && on_a_shard() {
        // Taking and writing a backtrace allocates as well.
        SHARD.with(|known| known.set(Some(false)));
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        if trace.contains("engine::lane::Lane::pass") {
            COUNT.fetch_add(1, Ordering::Relaxed);
            eprintln!("an allocation:\n{trace}");
        }
        SHARD.with(|known| known.set(Some(true)));
    }
}

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises hold for the system's allocator as well.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONTENT: &[u8] = b"Hello, world!\n";

/// A content that is worth compressing.
fn page() -> Vec<u8> {
    b"<p>This is a page, and much like the other ones.\n".repeat(40)
}

const REQUEST: &[u8] =
    b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
const CODED_REQUEST: &[u8] =
    b"GET /page.html HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\r\n";

/// Series of requests, one of which has to pass without an allocation.
const SERIES_MAX: usize = 3;

/// What is asked, and what the head of its answer has to say.
#[derive(Clone, Copy)]
struct Row<'r> {
    configuration: &'r str,
    request: &'static [u8],
    says: &'static str,
}

/// Sends `count` requests at once and reads as many answers, each `answer` bytes long.
fn exchange(client: &mut TcpStream, row: Row<'_>, count: usize, answer: usize) {
    client.write_all(&row.request.repeat(count)).expect("a request is sent");
    let mut answers = vec![0; answer * count];
    client.read_exact(&mut answers).expect("the answers come");
    for one in answers.chunks(answer) {
        assert!(one.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let says = row.says.as_bytes();
        assert!(one.windows(says.len()).any(|window| window == says), "{}", String::from_utf8_lossy(one));
    }
}

/// One log as most have it, and all that logs can do.
const CONFIGURATIONS: [&str; 2] = [
    r#"{
        "server": { "file_cache": { "valid": "1h" } },
        "hosts": { "localhost": {
            "root": "ROOT",
            "access_log": "ROOT/access.log"
        } }
    }"#,
    r#"{
        "server": { "file_cache": { "valid": "1h" } },
        "logs": {
            "json": { "file": "ROOT/access.log", "anonymize": true },
            "template": {
                "file": "ROOT/other.log",
                "format": "$remote_addr $realip_remote_addr:$remote_port [$time_local] $begin_time{%a %e %b %Y %T.%6N %j} $time{%s%3N} \"$request\" $status $bytes_sent \"$http_accept\" $http_none $cookie_a $arg_b $uri $host $server_name $server_addr:$server_port $request_time $request_id $connection $connection_requests $pid $shard $location $scheme $ssl_protocol",
                "status": ["2xx"], "sample": 2
            }
        },
        "hosts": { "localhost": {
            "root": "ROOT",
            "access_log": ["json", "template"],
            "request_id": true
        } }
    }"#,
];

/// A file that is compressed once and kept, or is there in a compressed form.
const CODED: &str = r#"{
    "server": { "file_cache": { "valid": "1h" } },
    "hosts": { "localhost": {
        "root": "ROOT", "access_log": "ROOT/access.log", "compression": { "codings": ["CODING"] }
    } }
}"#;

/// All requests go to another server.
const PROXIED: &str = r#"{
    "hosts": { "localhost": { "proxy": "http://BACKEND", "access_log": "ROOT/access.log", "request_id": true } }
}"#;

/// They do, and what it answers is compressed.
const RECODED: &str = r#"{
    "hosts": { "localhost": {
        "proxy": "http://BACKEND", "access_log": "ROOT/access.log", "compression": { "codings": ["gzip"] }
    } }
}"#;

const GZIP: &str = "\r\nContent-Encoding: gzip\r\n";

#[test]
fn keep_alive_requests_allocate_nothing() {
    for configuration in CONFIGURATIONS {
        check(Row { configuration, request: REQUEST, says: "\r\n\r\nHello, world!\n" });
    }
    // In the folder page.html.br lies beside page.html.
    for (coding, says) in [("gzip", GZIP), ("br", "\r\n\r\nNot really Brotli.")] {
        check(Row { configuration: &CODED.replace("CODING", coding), request: CODED_REQUEST, says });
    }
    let backend = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = backend.local_addr().expect("an address").to_string();
    // It lives as long as the test.
    std::thread::spawn(move || {
        for client in backend.incoming().flatten() {
            std::thread::spawn(move || serve(client));
        }
    });
    let (proxied, recoded) = (PROXIED.replace("BACKEND", &address), RECODED.replace("BACKEND", &address));
    check(Row { configuration: &proxied, request: REQUEST, says: "\r\n\r\nHello, world!\n" });
    check(Row { configuration: &recoded, request: CODED_REQUEST, says: GZIP });
}

/// Another server: answers each head with the content of its name.
fn serve(mut client: TcpStream) {
    let (mut heads, mut more) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = client.read(&mut more) {
        heads.extend_from_slice(&more[..read]);
        while let Some(end) = heads.windows(4).position(|window| window == b"\r\n\r\n") {
            let is_page = heads.starts_with(b"GET /page.html ");
            heads.drain(..end + 4);
            let (media_type, content) = if is_page { ("html", page()) } else { ("plain", CONTENT.to_vec()) };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/{media_type}\r\nContent-Length: {}\r\n\r\n",
                content.len()
            );
            client.write_all(&[head.into_bytes(), content].concat()).expect("an answer is sent");
        }
    }
}

fn check(row: Row<'_>) {
    let Row { configuration, request, .. } = row;
    let running = common::start(1, configuration, |folder| {
        std::fs::write(folder.join("small.txt"), CONTENT).expect("a file");
        std::fs::write(folder.join("page.html"), page()).expect("a file");
        std::fs::write(folder.join("page.html.br"), "Not really Brotli.").expect("a file");
    });
    let mut clients: Vec<TcpStream> = (0..16).map(|_| running.connect()).collect();
    clients[0].write_all(request).expect("a request is sent");
    let answer = common::answer(&mut clients[0]).len();
    let round = |clients: &mut [TcpStream]| {
        for client in clients.iter_mut() {
            exchange(client, row, 1, answer);
            exchange(client, row, 16, answer);
        }
        // All at once: then a pass has many events, and the ring takes the sends.
        for client in clients.iter_mut() {
            client.write_all(&request.repeat(16)).expect("requests are sent");
        }
        for client in clients.iter_mut() {
            client.read_exact(&mut vec![0; 16 * answer]).expect("the answers come");
        }
    };
    // The peak comes first, and not by chance: all clients are served at the same time, each in the middle of a head.
    let burst = request.repeat(16);
    let (most, last) = burst.split_at(burst.len() - 1);
    for client in &mut clients {
        client.write_all(most).expect("requests are sent");
        client.read_exact(&mut vec![0; 15 * answer]).expect("the answers come");
    }
    for client in &mut clients {
        client.write_all(last).expect("the rest is sent");
    }
    for client in &mut clients {
        client.read_exact(&mut vec![0; answer]).expect("the last answer comes");
    }
    for _ in 0..40 {
        round(&mut clients);
    }
    // The table of deadlines grows once more now and then, until each connection has had all that it can have at a time;
    // what a request costs shows in every series.
    let series = |clients: &mut [TcpStream]| {
        COUNT.store(0, Ordering::Relaxed);
        ON.store(true, Ordering::Relaxed);
        for _ in 0..40 {
            round(clients);
        }
        ON.store(false, Ordering::Relaxed);
        COUNT.load(Ordering::Relaxed)
    };
    let least = (0..SERIES_MAX).map(|_| series(&mut clients)).find(|&count| count == 0);
    let requests: u64 = 40 * 16 * 33;
    assert_eq!(least, Some(0), "allocations in each {requests} requests with {configuration}");
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    assert!(running.blocks[0].get(perf::Counter::RequestsAnswered) >= 2 * requests);
}

//! A keep-alive request allocates nothing: neither for a cached small file nor for what another server answers.

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
const REQUEST: &[u8] =
    b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";

/// Sends `count` requests at once and reads as many answers, each `answer` bytes long.
fn exchange(client: &mut TcpStream, count: usize, answer: usize) {
    client.write_all(&REQUEST.repeat(count)).expect("a request is sent");
    let mut answers = vec![0; answer * count];
    client.read_exact(&mut answers).expect("the answers come");
    assert!(answers.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(answers.ends_with(CONTENT));
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
                "format": "$remote_addr $realip_remote_addr:$remote_port [$time_local] \"$request\" $status $bytes_sent \"$http_accept\" $http_none $cookie_a $arg_b $uri $host $server_name $server_addr:$server_port $request_time $request_id $connection $connection_requests $pid $shard $location $scheme $ssl_protocol",
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

/// All requests go to another server.
const PROXIED: &str = r#"{
    "hosts": { "localhost": { "proxy": "http://BACKEND", "access_log": "ROOT/access.log", "request_id": true } }
}"#;

#[test]
fn keep_alive_requests_allocate_nothing() {
    CONFIGURATIONS.iter().for_each(|configuration| check(configuration));
    let backend = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = backend.local_addr().expect("an address").to_string();
    // It lives as long as the test.
    std::thread::spawn(move || {
        for client in backend.incoming().flatten() {
            std::thread::spawn(move || serve(client));
        }
    });
    check(&PROXIED.replace("BACKEND", &address));
}

/// Another server: answers each head with the same content.
fn serve(mut client: TcpStream) {
    let (mut heads, mut more) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = client.read(&mut more) {
        heads.extend_from_slice(&more[..read]);
        while let Some(end) = heads.windows(4).position(|window| window == b"\r\n\r\n") {
            heads.drain(..end + 4);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", CONTENT.len());
            client.write_all(&[head.as_bytes(), CONTENT].concat()).expect("an answer is sent");
        }
    }
}

fn check(configuration: &str) {
    let running = common::start(1, configuration, |folder| {
        std::fs::write(folder.join("small.txt"), CONTENT).expect("a file");
    });
    let mut clients: Vec<TcpStream> = (0..16).map(|_| running.connect()).collect();
    clients[0].write_all(REQUEST).expect("a request is sent");
    let answer = common::answer(&mut clients[0]).len();
    let round = |clients: &mut [TcpStream]| {
        for client in clients.iter_mut() {
            exchange(client, 1, answer);
            exchange(client, 16, answer);
        }
        // All at once: then a pass has many events, and the ring takes the sends.
        for client in clients.iter_mut() {
            client.write_all(&REQUEST.repeat(16)).expect("requests are sent");
        }
        for client in clients.iter_mut() {
            client.read_exact(&mut vec![0; 16 * answer]).expect("the answers come");
        }
    };
    // The peak comes first, and not by chance: all clients are served at the same time, each in the middle of a head.
    let burst = REQUEST.repeat(16);
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
    ON.store(true, Ordering::Relaxed);
    for _ in 0..40 {
        round(&mut clients);
    }
    ON.store(false, Ordering::Relaxed);
    let requests: u64 = 40 * 16 * 33;
    assert_eq!(COUNT.load(Ordering::Relaxed), 0, "allocations in {requests} requests with {configuration}");
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    assert!(running.blocks[0].get(perf::Counter::RequestsAnswered) >= 2 * requests);
}

//! Two shards share the connections of one address, and nothing else.

use std::io::Write;

use engine::Outcome;
use perf::{Counter, Snapshot};

mod common;

const REQUEST: &[u8] = b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const CLIENTS: usize = 64;
const ROUNDS: usize = 20;

#[test]
fn both_serve_and_their_counters_add_up() {
    let configuration = r#"{ "hosts": { "localhost": { "root": "ROOT" } } }"#;
    let running = common::start(2, configuration, |folder| {
        std::fs::write(folder.join("small.txt"), "Hello, world!\n").expect("a file");
    });
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| running.connect()).collect();
    for _ in 0..ROUNDS {
        for client in &mut clients {
            client.write_all(REQUEST).expect("a request is sent");
        }
        for client in &mut clients {
            assert!(common::answer(client).ends_with(b"Hello, world!\n"));
        }
    }
    // The kernel deals connections out by their addresses: all 64 to one shard would be a wonder.
    for block in &running.blocks {
        assert!(block.get(Counter::ConnectionsAccepted) > 0);
    }
    assert_eq!(running.stop(), Outcome::Stopped);
    let sum = Snapshot::read(running.blocks.iter().map(AsRef::as_ref));
    assert_eq!(sum.get(Counter::RequestsBegun), (CLIENTS * ROUNDS) as u64);
    assert_eq!(sum.get(Counter::RequestsAnswered), (CLIENTS * ROUNDS) as u64);
    assert_eq!(sum.get(Counter::ConnectionsAccepted), CLIENTS as u64);
    let closed = sum.get(Counter::ConnectionsClosedByUs) + sum.get(Counter::ConnectionsClosedByClient);
    assert_eq!(closed + sum.get(Counter::ConnectionsOpen), CLIENTS as u64);
    assert_eq!(sum.get(Counter::ConnectionsOpen), 0);
}

//! Changes that a server does not take, each with its reason; what is served stays.

use super::*;

/// What is wrong with the listeners of a change, for one shard each, and the reason that is given.
type Wrong = (&'static str, fn(&Running) -> Result<(), Error>, fn(&Error) -> bool);

const WRONG: &[Wrong] = &[
    (
        "nothing to commit",
        |running| running.server.commit(PATIENCE),
        |error| matches!(error, Error::NothingPrepared),
    ),
    (
        "listeners for one shard of two",
        |running| running.prepare(SITE_A, vec![vec![main_listener(0)]]),
        |error| matches!(error, Error::ShardCount { shards: 2, given: 1 }),
    ),
    (
        "an address that the site does not have",
        |running| running.prepare(SITE_A, vec![vec![main_listener(0)], vec![main_listener(1)]]),
        |error| matches!(error, Error::UnknownAddress { id: 0, address: 1, addresses: 1 }),
    ),
    (
        "a listener twice",
        |running| {
            running.prepare(SITE_B, vec![vec![main_listener(0), main_listener(1)], vec![main_listener(1)]])
        },
        |error| matches!(error, Error::ListenerTwice { id: 0 }),
    ),
    (
        "a socket missing on the second shard",
        |running| {
            let (_, mut sockets) = listen(1);
            let with = Listening { id: 3, address: 0, socket: sockets.pop() };
            let without = Listening { id: 3, address: 0, socket: None };
            running.prepare(SITE_A, vec![vec![with], vec![without]])
        },
        |error| matches!(error, Error::NoSocket { shard: 1, id: 3 }),
    ),
];

#[test]
fn a_wrong_change_is_refused_and_nothing_is_lost() {
    let running = common::start(2, SITE_A, fill);
    let mut kept = running.connect();
    for (what, try_it, expected) in WRONG {
        let error = try_it(&running).expect_err(what);
        assert!(expected(&error), "{what}: {error:?}");
        assert!(error.to_string().contains(';'), "a message names the cure: {error}");
        // Not even what was prepared before is left.
        assert!(matches!(running.server.commit(PATIENCE), Err(Error::NothingPrepared)), "{what}");
        assert_eq!(get(&mut kept, "localhost"), from_a(), "{what}");
        assert_eq!(get(&mut running.connect(), "localhost"), from_a(), "{what}");
    }
}

#[test]
fn a_server_on_its_way_out_takes_no_change() {
    let running = common::start(2, SITE_A, fill);
    let listeners = || vec![vec![main_listener(0)], vec![main_listener(0)]];
    // A request under way on one of the shards keeps that one from ending.
    let mut client = running.connect();
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n").expect("a head");
    until("a request begins", || running.sum(Counter::RequestsBegun) == 1);
    running.prepare(SITE_A, listeners()).expect("a change in time");
    running.server.drain(PATIENCE, engine::Farewell::AtOnce);
    for refused in [running.server.commit(PATIENCE), running.prepare(SITE_A, listeners())] {
        assert!(matches!(refused, Err(Error::Draining { .. } | Error::ShardLost { .. })), "{refused:?}");
    }
    client.write_all(b"x").expect("the rest is sent");
    assert_eq!(read_answer(&mut client), Answer { closes: true, ..ok("a", "x") });
    ends(&mut client);
    drop(client);
    assert_eq!(running.server.wait(), Outcome::Stopped);
    assert!(matches!(running.prepare(SITE_A, listeners()), Err(Error::ShardLost { shard: 0 })));
}

#[test]
fn with_a_successor_each_connection_may_ask_once_more() {
    let running = common::start(2, SITE_A, fill);
    let mut clients: Vec<TcpStream> = (0..8).map(|_| running.connect()).collect();
    for client in &mut clients {
        assert_eq!(get(client, "localhost"), from_a());
    }
    // One that has been accepted and has said nothing yet.
    clients.push(running.connect());
    until("all are accepted", || running.sum(Counter::ConnectionsOpen) == 9);
    running.server.drain(PATIENCE, engine::Farewell::OnceMore);
    for client in &mut clients {
        assert_eq!(get(client, "localhost"), Answer { closes: true, ..from_a() });
        ends(client);
    }
    drop(clients);
    assert_eq!(running.server.wait(), Outcome::Stopped);
}

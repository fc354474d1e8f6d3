//! What becomes of a listener that goes, and of what came in by it.

use super::*;

/// Half of a request to the echo handler, and the rest of it.
const BEGINNING: &[u8] = b"POST /echo HTTP/1.1\r\nHost: extra.test\r\nContent-Length: 8\r\n\r\nhalf";
const REST: &[u8] = b"half";

/// A server with site b, whose first address is about to go.
fn with_extra() -> (Running, SocketAddr) {
    let running = common::start(2, SITE_A, fill);
    let extra = running.prepare_b(7);
    running.commit();
    (running, extra)
}

/// Connections on which half of a request is under way.
fn half_served(running: &Running, address: SocketAddr, count: u64) -> Vec<TcpStream> {
    let begun = running.sum(Counter::RequestsBegun);
    let mut clients: Vec<TcpStream> = (0..count).map(|_| connect(address)).collect();
    for client in &mut clients {
        client.write_all(BEGINNING).expect("half a request is sent");
    }
    until("requests begin", || running.sum(Counter::RequestsBegun) == begun + count);
    clients
}

#[test]
fn what_is_prepared_and_dropped_changes_nothing() {
    let (running, extra) = with_extra();
    let mut idle = connect(extra);
    running.prepare_a();
    running.server.abort();
    assert!(matches!(running.server.commit(PATIENCE), Err(Error::NothingPrepared)));
    assert_eq!(get(&mut idle, "extra.test"), ok("extra", "extra"));
    assert_eq!(get(&mut connect(extra), "extra.test"), ok("extra", "extra"));
    assert_eq!(get(&mut running.connect(), "localhost"), from_b());
}

#[test]
fn what_is_prepared_later_replaces_the_earlier() {
    let running = common::start(2, SITE_A, fill);
    let first = running.prepare_b(1);
    let second = running.prepare_b(1);
    running.commit();
    assert!(refused(first));
    assert_eq!(get(&mut connect(second), "extra.test"), ok("extra", "extra"));
    running.prepare_b(2);
    running.prepare_a();
    running.commit();
    assert_eq!(get(&mut running.connect(), "localhost"), from_a());
}

#[test]
fn connections_of_a_listener_that_goes_end_after_their_request() {
    let (running, extra) = with_extra();
    let mut idle: Vec<TcpStream> = (0..8).map(|_| connect(extra)).collect();
    for client in &mut idle {
        assert_eq!(get(client, "extra.test"), ok("extra", "extra"));
    }
    let mut served = half_served(&running, extra, 8);
    let mut stays = running.connect();
    assert_eq!(get(&mut stays, "localhost"), from_b());
    running.prepare_a();
    running.commit();
    idle.iter_mut().for_each(ends);
    until("a removed listener refuses connections", || refused(extra));
    for client in &mut served {
        client.write_all(REST).expect("the rest is sent");
        assert_eq!(read_answer(client), Answer { closes: true, ..ok("extra", "halfhalf") });
        ends(client);
    }
    assert_eq!(get(&mut stays, "localhost"), from_a());
    drop((idle, served, stays));
    until("all connections end", || running.sum(Counter::ConnectionsOpen) == 0);
    assert_eq!(running.sum(Counter::RequestsAborted), 0);
}

/// A listener of the same number may come back as soon as it has gone, while connections of the first still live.
#[test]
fn a_number_can_come_again() {
    let (running, first) = with_extra();
    let mut served = half_served(&running, first, 2);
    running.prepare_a();
    running.commit();
    let second = running.prepare_b(7);
    running.commit();
    assert_eq!(get(&mut connect(second), "extra.test"), ok("extra", "extra"));
    for client in &mut served {
        client.write_all(REST).expect("the rest is sent");
        assert_eq!(read_answer(client), Answer { closes: true, ..ok("extra", "halfhalf") });
    }
}

/// The request ends with the site that it began with: its fields, its handler and its log.
#[test]
fn a_request_keeps_the_site_that_it_began_with() {
    let running = common::start(2, SITE_A, fill);
    let mut served = half_served(&running, running.address, 8);
    running.prepare_b(1);
    running.commit();
    for client in &mut served {
        client.write_all(REST).expect("the rest is sent");
        assert_eq!(read_answer(client), ok("a", "halfhalf"));
        assert_eq!(get(client, "localhost"), from_b());
    }
    assert_eq!(running.stop(), Outcome::Stopped);
    let lines = |log: &str, request: &str| {
        let text = std::fs::read_to_string(running.folder.join(log)).expect("a log");
        text.lines().filter(|line| line.contains(request)).count()
    };
    assert_eq!(lines("access.log", "\"POST /echo"), 8);
    assert_eq!(lines("other.log", "\"GET /file.txt"), 8);
    assert_eq!(lines("other.log", "\"POST /echo") + lines("access.log", "\"GET /file.txt"), 0);
}

/// Connections are counted by client only while there is a limit, and those that are open count when one comes.
#[test]
fn a_limit_that_comes_holds_for_open_connections() {
    let running = common::start(1, SITE_A, fill);
    let limited =
        SITE_A.replace(r#""server": {"#, r#""server": { "limits": { "connections_per_client": 2 },"#);
    let mut first = running.connect();
    assert_eq!(get(&mut first, "localhost"), from_a());
    running.prepare(&limited, vec![vec![main_listener(0)]]).expect("a limit is prepared");
    running.commit();
    let mut second = running.connect();
    assert_eq!(get(&mut second, "localhost"), from_a());
    ends(&mut running.connect());
    drop((first, second));
    until("both connections end", || running.sum(Counter::ConnectionsOpen) == 0);
    assert_eq!(get(&mut running.connect(), "localhost"), from_a());
}

//! Clients that break off disturb nobody else: what belongs to one connection never reaches another, even when its
//! descriptor has been given to the next one.

#![forbid(unsafe_code)]

use std::thread;

use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Failure, Folder, Options, Outcome, Server};

/// Clients at the same time, each with a file of its own.
const CLIENTS: usize = 8;

/// Connections of each client.
const ROUNDS: usize = 100;

const FILE_SIZE: usize = 4 << 20;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"] },
  "hosts": { "localhost": { "root": "${root}" } }
}"#;

#[test]
fn others_get_their_own_answers_whole() {
    let folder = Folder::new("aborts").expect("a folder");
    for client in 0..CLIENTS {
        folder.write(&format!("www/{client}.bin"), &vec![octet(client); FILE_SIZE]).expect("write");
    }
    let root = folder.path().join("www");
    let text = CONFIGURATION.replace("${root}", &root.to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let place = server.place(1).expect("an address");
    let failures: Vec<String> = thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|client| {
            let place = &place;
            scope.spawn(move || (0..ROUNDS).filter_map(|round| visit(place, client, round).err()).collect())
        });
        let clients: Vec<thread::ScopedJoinHandle<'_, Vec<Failure>>> = clients.collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("no panic"))
            .map(|f| f.to_string())
            .collect()
    });
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), CLIENTS * ROUNDS, failures.join("\n"));
    server.stop().expect("the server ends in order");
}

fn octet(client: usize) -> u8 {
    b'a' + client as u8
}

/// One connection: every second client breaks off in the middle of the content.
fn visit(place: &Place, client: usize, round: usize) -> Outcome<()> {
    let mut connection = Client::connect(place)?;
    connection.send(format!("GET /{client}.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let body = if client.is_multiple_of(2) {
        connection.response(Asked::Other)?.body
    } else {
        connection.part(1 + 100 * round as u64)?.0.body
    };
    if body.iter().all(|&byte| byte == octet(client)) {
        return Ok(());
    }
    Err(Failure::mismatch(format!("content for client {client}"), "its own file", "bytes of another"))
}

//! Requests that servers like this one pass on to each other without end.

#![forbid(unsafe_code)]

use e2e::response::Asked;
use e2e::{Client, Folder, Options, Server, until};

/// Passes everything on to `to`.
fn start(folder: &Folder, listen: &str, to: &str) -> Server {
    let text = format!(
        r#"{{
            "server": {{ "listen": [{listen}] }},
            "hosts": {{ "localhost": {{ "proxy": "unix:${{root}}/{to}" }} }}
        }}"#
    )
    .replace("${root}", &folder.path().to_string_lossy());
    let path = folder.path().join(format!("to-{to}.conf"));
    std::fs::write(&path, text).expect("a configuration");
    Server::start(&path, &Options::default()).expect("a server")
}

#[test]
fn two_servers_that_name_each_other_answer_508() {
    let folder = Folder::new("circles").expect("a folder");
    let socket = |name: &str| format!("\"unix:{}/{name}\"", folder.path().to_string_lossy());
    let first = start(&folder, &format!("\"127.0.0.1:0\", {}", socket("first.sock")), "second.sock");
    let second = start(&folder, &socket("second.sock"), "first.sock");
    let place = first.place(1).expect("an address");
    let mut client = Client::connect(&place).expect("a connection");
    client.send(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it takes the request");
    let response = client.response(Asked::Other).expect("an answer");
    assert_eq!(response.status, 508);
    until("the log of the first one", || first.heard("has passed through 8 servers like this one") == 1);
    let ended = [first.stop().expect("an end in order"), second.stop().expect("an end in order")];
    // Eight passages, and the ninth server answers: the first one has been asked five times, the second one four.
    let count = |name: &str| {
        ended.iter().map(|counters| counters.get(name).copied().unwrap_or(0)).collect::<Vec<_>>()
    };
    assert_eq!(count("upstream_loops"), [1, 0]);
    assert_eq!(count("requests_begun"), [5, 4]);
}

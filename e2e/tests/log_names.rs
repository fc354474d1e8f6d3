//! A receiver of logs whose name leads elsewhere after a while, while the server serves on.

#![forbid(unsafe_code)]

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

use e2e::response::Asked;
use e2e::{Folder, Server, binary, until};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1, "error_log": "${folder}/error.log" },
  "logs": { "away": { "syslog": "udp://logs.example:${port}", "format": "$uri" } },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": "away" } }
}"#;

/// Only the server sees the hosts of the test.
const OWN_VIEW: &str = "mount --bind \"$0/hosts\" /etc/hosts && exec \"$@\"";

const BEFORE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const AFTER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Whether a message with these words has come.
fn has_come(socket: &UdpSocket, words: &str) -> bool {
    let mut message = [0; 4096];
    loop {
        match socket.recv(&mut message) {
            Ok(len) if String::from_utf8_lossy(&message[..len]).contains(words) => return true,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                return false;
            }
        }
    }
}

fn receive_at(address: Ipv4Addr, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((address, port)).expect("an address of this machine");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

#[test]
fn a_name_that_leads_elsewhere_is_followed() {
    if !nix::unistd::Uid::effective().is_root() {
        // Only root may have a view of its own of the machine.
        return;
    }
    let folder = Folder::new("log-names").expect("a folder");
    folder.write("www/a", b"hello\n").expect("write");
    let hosts = |address| format!("127.0.0.1 localhost\n{address} logs.example\n").into_bytes();
    folder.write("hosts", &hosts(BEFORE)).expect("write");
    let before = receive_at(BEFORE, 0);
    let port = before.local_addr().expect("an address").port();
    let text = CONFIGURATION.replace("${port}", &port.to_string());
    let text = text.replace("${folder}", &folder.path().to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", OWN_VIEW]).arg(folder.path());
    command.arg(binary::path()).args(["-V", "-c"]).arg(&configuration);
    let server = Server::become_of(command).expect("the server starts");
    let mut client = server.connect().expect("connected");
    let mut ask = |number: usize| {
        let head = format!("GET /a?{number} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.send(head.as_bytes()).expect("sent");
        assert_eq!(client.response(Asked::Other).expect("answered").status, 200);
    };
    ask(1);
    until("a line at the first place", || has_come(&before, "/a"));

    // The same file, for it is what the server sees. Nobody is at the first place any more, which it notices.
    fs::write(folder.path().join("hosts"), hosts(AFTER)).expect("write");
    let after = receive_at(AFTER, port);
    drop(before);
    let mut number = 2;
    until("a line at the second place", || {
        ask(number);
        number += 1;
        has_come(&after, "/a")
    });
    let said = fs::read_to_string(folder.path().join("error.log")).expect("an error log");
    assert!(said.contains("is elsewhere now, as its name says"), "{said}");
    server.stop().expect("the server ends in order");
}

//! Servers by names that lead elsewhere while the server runs, by files and by a name server.

#![forbid(unsafe_code)]

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use e2e::backend::request;
use e2e::response::Asked;
use e2e::{Folder, Front, Setup, binary, until};

/// Each in an order of its own, so that the same port is free on all of them.
const PLACES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
const NAME: &str = "app.kimura.test";

/// A view of the machine's settings that can be written.
const OWN_VIEW: &str = "mount --bind \"$0/etc\" /etc && exec \"$@\"";

/// Two servers with one port, each of which says the last number of its address; the port.
fn servers() -> u16 {
    loop {
        let first = TcpListener::bind((PLACES[0], 0)).expect("a port");
        let port = first.local_addr().expect("an address").port();
        // Somebody else may have it there.
        let Ok(second) = TcpListener::bind((PLACES[1], port)) else { continue };
        for listener in [first, second] {
            thread::spawn(move || serve(&listener));
        }
        return port;
    }
}

fn serve(listener: &TcpListener) {
    let Ok(SocketAddr::V4(address)) = listener.local_addr() else { return };
    let word = address.ip().octets()[3];
    for mut stream in listener.incoming().map_while(Result::ok) {
        thread::spawn(move || {
            while request(&mut stream).is_some() {
                if write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{word}").is_err() {
                    return;
                }
            }
        });
    }
}

/// A folder with an `etc` like that of the machine, in which only files tell names, or a name server.
fn machine(sources: &str, name_server: Ipv4Addr) -> Folder {
    let folder = Folder::new("names").expect("a folder");
    let copied = Command::new("cp").args(["--archive", "/etc"]).arg(folder.path()).status().expect("cp runs");
    assert!(copied.success());
    folder.write("etc/nsswitch.conf", format!("hosts: {sources}\n").as_bytes()).expect("written");
    let resolver = format!("nameserver {name_server}\noptions timeout:1 attempts:1\n");
    // It may be a link to somewhere else.
    let _ = fs::remove_file(folder.path().join("etc/resolv.conf"));
    folder.write("etc/resolv.conf", resolver.as_bytes()).expect("written");
    folder
}

fn hosts(folder: &Folder, file: &str, places: &[Ipv4Addr]) {
    let mut text = String::from("127.0.0.1 localhost\n");
    places.iter().for_each(|place| text.push_str(&format!("{place} {NAME}\n")));
    folder.write(&format!("etc/{file}"), text.as_bytes()).expect("written");
}

fn start(folder: Folder, port: u16) -> Front {
    let setup = Setup::before(&[format!("{NAME}:{port}")], r#""resolve": "1s""#);
    let configuration = setup.write(&folder).expect("written");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", OWN_VIEW]).arg(folder.path());
    command.arg(binary::path()).args(["-V", "-c"]).arg(configuration);
    Front::become_of(folder, command).expect("the server starts")
}

/// What two requests say, which may go to different servers.
fn said(front: &Front) -> Vec<String> {
    let mut client = front.client().expect("connect");
    let mut words: Vec<String> = (0..2)
        .map(|_| {
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
            let answer = client.response(Asked::Other).expect("an answer");
            assert_eq!(answer.status, 200, "no request fails, wherever the name leads");
            String::from_utf8_lossy(&answer.body).into_owned()
        })
        .collect();
    words.sort();
    words
}

fn says(front: &Front, what: &str, words: [&str; 2]) {
    until(what, || said(front) == words);
}

fn is_root() -> bool {
    // Only root may have a view of its own of the machine.
    nix::unistd::Uid::effective().is_root()
}

#[test]
fn files_say_where_a_name_leads() {
    if !is_root() {
        return;
    }
    let folder = machine("files", Ipv4Addr::LOCALHOST);
    hosts(&folder, "hosts", &PLACES[..1]);
    let port = servers();
    let front = start(folder, port);
    says(&front, "one address", ["2", "2"]);
    hosts(&front.folder, "hosts", &PLACES[1..]);
    says(&front, "another one", ["3", "3"]);
    front.tells(&format!("upstream server {NAME}:{port} is at 127.0.0.3:{port}"));
    front.stands_at("upstream_connections_open", 1).expect("the connection to the one before is closed");
    hosts(&front.folder, "hosts", &PLACES);
    says(&front, "both", ["2", "3"]);
    hosts(&front.folder, "hosts", &[]);
    front.tells("cannot be found now: it keeps its addresses");
    says(&front, "both still", ["2", "3"]);
    // As editors and programs write it: another file in place of the one before.
    hosts(&front.folder, "hosts.new", &PLACES[..1]);
    let path = |name: &str| front.folder.path().join("etc").join(name);
    fs::rename(path("hosts.new"), path("hosts")).expect("renamed");
    says(&front, "what the new file says", ["2", "2"]);
    let ended = front.stop().expect("an end");
    ended.counted("files", &[("responses_5xx", 0), ("upstreams_unavailable", 0)]);
}

/// Answers for the name with one address, or that there is no such name.
fn answer_names(socket: &UdpSocket, place: &Mutex<Option<Ipv4Addr>>) {
    const A: [u8; 2] = [0, 1];
    let mut query = [0; 512];
    while let Ok((len, asker)) = socket.recv_from(&mut query) {
        // RFC 1035 section 4.1: a head of twelve bytes, then the name in labels up to an empty one, its type and class.
        let Some(end) = query[12..len].iter().position(|&byte| byte == 0).map(|at| 12 + at + 1) else {
            continue;
        };
        let found = place.lock().expect("a lock").filter(|_| query[end..end + 2] == A);
        let (code, answers) = match (found, *place.lock().expect("a lock")) {
            (Some(_), _) => (0, 1),
            (None, Some(_)) => (0, 0),
            (None, None) => (3, 0),
        };
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
        reply.extend(&query[12..end + 4]);
        if let Some(found) = found {
            // The name as above, its type and class, no time to live, and four bytes.
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            reply.extend(found.octets());
        }
        // Who asks may have gone.
        let _ = socket.send_to(&reply, asker);
    }
}

#[test]
fn a_name_server_says_where_a_name_leads() {
    if !is_root() {
        return;
    }
    // An address at which nobody answers names already.
    let server = Ipv4Addr::new(127, 77, 53, 53);
    let socket = UdpSocket::bind((IpAddr::V4(server), 53)).expect("the port of names");
    let place = Arc::new(Mutex::new(Some(PLACES[0])));
    let told = Arc::clone(&place);
    thread::spawn(move || answer_names(&socket, &told));
    let port = servers();
    let front = start(machine("dns", server), port);
    let leads = |to: Option<Ipv4Addr>| *place.lock().expect("a lock") = to;
    says(&front, "one address", ["2", "2"]);
    leads(Some(PLACES[1]));
    says(&front, "another one", ["3", "3"]);
    leads(None);
    front.tells("cannot be found now: it keeps its addresses");
    says(&front, "still that one", ["3", "3"]);
    leads(Some(PLACES[0]));
    says(&front, "the first one again", ["2", "2"]);
    front.stop().expect("an end").counted("names", &[("responses_5xx", 0)]);
}

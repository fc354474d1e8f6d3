//! The table of rules, URLs and outcomes, through the server: what `site` decides is what goes over the wire.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use e2e::output::Place;
use e2e::response::{self, Asked};
use e2e::{Folder, Options, PATIENCE, Server};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

#[path = "../../site/tests/table/mod.rs"]
mod table;

use table::{Group, Row};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../site/testdata/rewriting.table");

#[test]
fn every_row_has_its_outcome() {
    let folder = Folder::new("rewriting").expect("a folder");
    let root = folder.path().join("www");
    let mut faults = Vec::new();
    for group in table::read(Path::new(TABLE), &root) {
        let server = serve(&folder, &group);
        for row in &group.rows {
            let (status, outcome) = answer(&server, row);
            let fits = row.outcome.as_ref().is_none_or(|wanted| *wanted == outcome);
            if status != row.status || !fits {
                let outcome = String::from_utf8_lossy(&outcome).into_owned();
                faults.push(format!("{}: {}\n  is {status} {outcome}", group.name, row.text));
            }
        }
        let wanted = group.rows.iter().filter(|row| row.status == 500).count() as u64;
        let counters = server.stop().expect("an end in order");
        assert_eq!(counters.get("rewrite_circles"), Some(&wanted), "{}", group.name);
    }
    assert!(faults.is_empty(), "{} rows:\n{}", faults.len(), faults.join("\n"));
}

fn serve(folder: &Folder, group: &Group) -> Server {
    let path = folder.write("kimura.conf", group.configuration.as_bytes()).expect("write");
    let arguments = ["--set", "/server/listen=[\"127.0.0.1:0\"]"].map(Into::into).to_vec();
    let options = Options { arguments, ..Options::default() };
    Server::start(&path, &options).unwrap_or_else(|failure| panic!("{}: {failure}", group.name))
}

/// Status, and the value of Location or the content.
fn answer(server: &Server, row: &Row) -> (u16, Vec<u8>) {
    let Place::Ip(SocketAddr::V4(to)) = server.place(1).expect("an address") else {
        panic!("an address of IPv4")
    };
    let from: std::net::Ipv4Addr = row.from.parse().expect("an address of IPv4");
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).expect("a socket");
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrIn::from(std::net::SocketAddrV4::new(from, 0)))
        .and_then(|()| connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrIn::from(to)))
        .expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE.max(Duration::from_secs(1)))).expect("a time");
    stream.write_all(&row.head()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("an end");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap_or_else(|error| panic!("{}: {error}", row.text));
    let asked = if row.method == "HEAD" { Asked::Head } else { Asked::Other };
    let head = response::head(&received, asked).expect("an answer in form").expect("a whole head");
    let location = head.response.field("Location").map(|value| value.as_bytes().to_vec());
    (head.response.status, location.unwrap_or_else(|| received[head.length..].to_vec()))
}

//! TLS behind what a proxy says first, and rules about client certificates: with the real openssl and the TLS of Python.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use e2e::output::Place;
use e2e::{Folder, Options, Server, python};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0 tls proxy", "[::1]:0 tls"], "trusted": ["127.0.0.1"],
    "timeouts": { "header": "500ms" } },
  "hosts": { "localhost": {
    "root": "${folder}/www",
    "tls": { "certificates": { "own": { "chain": "${folder}/localhost.pem", "key": "${folder}/localhost.key" } },
      "clients": "${clients}", "authorities": "${folder}/authority.pem" },
    "access": ${access}
  } }
}"#;

/// Connects, sends the bytes of the third argument, begins TLS, asks, and prints the status; `closed` for an end.
const CLIENT: &str = r#"
import socket, ssl, sys
host, port, before, folder, proof = sys.argv[1:]
context = ssl.create_default_context(cafile=folder + "/localhost.pem")
if proof == "certificate":
    context.load_cert_chain(folder + "/client.pem", folder + "/client.key")
plain = socket.create_connection((host, int(port)), 20)
try:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in bytes.fromhex(before):
        plain.sendall(bytes([byte]))
    with context.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        print(tls.recv(12).decode()[9:] or "closed")
except (ssl.SSLError, ConnectionError, EOFError) as end:
    print("closed")
"#;

/// Makes a certificate that an authority vouches for; none vouches for itself.
fn make_certificate(folder: &Path, name: &str, authority: Option<&str>, extension: &str) {
    let file = |name: &str, kind: &str| folder.join(format!("{name}.{kind}"));
    let vouches = authority.into_iter().flat_map(|authority| {
        let (certificate, key) = (file(authority, "pem"), file(authority, "key"));
        ["-CA".into(), certificate, "-CAkey".into(), key]
    });
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
        ])
        .args(["-subj", &format!("/CN={name}"), "-addext", extension])
        .args(vouches)
        .arg("-keyout")
        .arg(file(name, "key"))
        .arg("-out")
        .arg(file(name, "pem"))
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Starts a server whose host asks for certificates so, and has these rules.
fn start(folder: &Folder, clients: &str, access: &str) -> Server {
    folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
    make_certificate(folder.path(), "localhost", None, "subjectAltName=DNS:localhost");
    make_certificate(folder.path(), "authority", None, "keyUsage=critical,keyCertSign");
    make_certificate(folder.path(), "client", Some("authority"), "basicConstraints=critical,CA:false");
    let text = CONFIGURATION.replace("${clients}", clients).replace("${access}", access);
    let text = text.replace("${folder}", &folder.path().to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    Server::start(&configuration, &Options::default()).expect("the server starts")
}

/// The status of the answer at the address with that number, to a client that sends these bytes before TLS.
fn ask(server: &Server, folder: &Folder, address: usize, before: &[u8], proof: &str) -> String {
    let Place::Ip(place) = server.place(address).expect("an address") else { panic!("no address") };
    let hex: String = before.iter().map(|byte| format!("{byte:02x}")).collect();
    let words = ["-c", CLIENT, &place.ip().to_string(), &place.port().to_string(), &hex];
    let mut arguments: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    arguments.extend([folder.path().into(), proof.into()]);
    let output = python::run(&arguments).expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_header_of_a_proxy_comes_before_tls() {
    let folder = Folder::new("proxied").expect("a folder");
    let server = start(&folder, "off", r#"["allow from 198.51.100.0/24", "deny all"]"#);
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x12\x34\0\x50";
    for (before, wanted) in [
        (&b"PROXY TCP4 198.51.100.7 127.0.0.1 1 443\r\n"[..], "200"),
        (b"PROXY TCP4 203.0.113.7 127.0.0.1 1 443\r\n", "403"),
        (v2, "200"),
        (b"PROXY UNKNOWN\r\n", "403"),
        (b"", "closed"),
        (b"PROXY TCP4 198.51.100.7\r\n", "closed"),
        (&v2[..20], "closed"),
    ] {
        assert_eq!(ask(&server, &folder, 1, before, "none"), wanted, "{}", before.escape_ascii());
    }
    // Where no proxy is meant to be, its header is no handshake.
    assert_eq!(ask(&server, &folder, 2, v2, "none"), "closed");
    let counters = server.stop().expect("the server ends in order");
    assert_eq!(counters["tls_handshakes"], 4, "{counters:?}");
    assert!(counters["connections_refused_proxy"] >= 2, "{counters:?}");
}

#[test]
fn a_certificate_lets_in() {
    let folder = Folder::new("proxied").expect("a folder");
    let rules =
        r#"["deny from 203.0.113.66", "allow certificate", "allow from 198.51.100.0/24", "deny all"]"#;
    let server = start(&folder, "optional", rules);
    let from = |client: &str| format!("PROXY TCP4 {client} 127.0.0.1 1 443\r\n").into_bytes();
    for (client, proof, wanted) in [
        ("203.0.113.7", "certificate", "200"),
        ("203.0.113.7", "none", "403"),
        ("203.0.113.66", "certificate", "403"),
        ("198.51.100.7", "none", "200"),
    ] {
        assert_eq!(ask(&server, &folder, 1, &from(client), proof), wanted, "{client} {proof}");
    }
    server.stop().expect("the server ends in order");
}

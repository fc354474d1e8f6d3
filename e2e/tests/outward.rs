//! What servers are told beside what the client says: fields with variables, who asks, other protocols, trailers.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use e2e::backend::{After, Backend, reply};
use e2e::credentials::basic;
use e2e::openssl::Term;
use e2e::response::Asked;
use e2e::{Client, PATIENCE, Yard};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Upstream: forged\r\n\r\nok";

const VARIABLES: &str = r#"{
  "server": { "listen": ["127.0.0.1:0", "[::1]:0 tls"], "shards": 1 },
  "logs": { "ids": { "file": "${folder}/ids", "format": "$request_id" } },
  "hosts": { "localhost": {
    "tls": { "clients": "optional", "authorities": "${folder}/tls/ca.pem",
      "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } } },
    "root": "${folder}/www",
    "proxy": "http://${backend}",
    "access_log": "ids",
    "proxy_headers": {
      "X-Request-ID": "$request_id", "X-Real-IP": "$remote_addr", "X-Url": "$scheme://$host$request_uri",
      "X-Path": "$path$arg_q", "X-To": "$upstream_addr", "X-User": "$remote_user", "X-Subject": "$ssl_client_s_dn",
      "X-Cost": "$$5", "X-Said": { "add": ["$http_x_said", "fixed"] }
    },
    "headers": { "X-Id": "$request_id", "X-Upstream": "$upstream_addr", "X-From": "$remote_addr" },
    "locations": {
      "/own/": { "proxy": "off" },
      "/login/": { "auth": { "realm": "Members", "htpasswd": "${folder}/members" } }
    }
  } }
}"#;

/// The password is "secret".
const MEMBERS: &[u8] =
    b"ada:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.\n";

/// The values of all fields of a name in a head, in their order.
fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

#[test]
fn fields_say_what_the_request_is() {
    let yard = Yard::with_host("outward").expect("a folder");
    let holder = yard.authority.client("front", Term::Holds).expect("a certificate");
    yard.folder.write("members", MEMBERS).expect("write");
    yard.folder.write("www/own/hello.txt", b"Hello, world!\n").expect("write");
    let backend = Backend::start(vec![reply(OK, After::Next); 3]).expect("a backend");
    let server =
        yard.serve(&VARIABLES.replace("${backend}", &backend.address.to_string())).expect("a server");
    let mut client = server.connect().expect("connect");
    let mut ids = Vec::new();
    let mut ask = |client: &mut Client, target: &str, fields: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: LOCALHOST\r\n{fields}\r\n");
        client.send(request.as_bytes()).expect("send");
        let response = client.response(Asked::Other).expect(target);
        assert_eq!(response.status, 200, "{target}: {response:?}");
        ids.push(response.field("x-id").expect("an id").to_owned());
        response
    };

    // Whatever the client says stays within its field, and it cannot say what is for us to say.
    let forged = "X-Real-IP: 10.0.0.1\r\nx-request-id: forged\r\nX-Said: a, b\r\nX-Cost: 0\r\n";
    let answer = ask(&mut client, "/a%20b?q=c%0d%0aX-Evil:%201", forged);
    assert_eq!(answer.field("x-upstream"), Some(backend.address.to_string().as_str()));
    assert_eq!(answer.field("x-from"), Some("127.0.0.1"));
    ask(&mut client, "/login/", &basic("ada", "secret"));
    let answer = ask(&mut client, "/own/hello.txt", "");
    assert_eq!((answer.field("x-upstream"), answer.field("x-from")), (None, Some("127.0.0.1")));
    // From the file cache as well, with an id of its own.
    ask(&mut client, "/own/hello.txt", "");
    let place = e2e::yard::address(&server, 2).expect("an address");
    let (chain, key) = (holder.chain.display().to_string(), holder.key.display().to_string());
    let mut secure = Client::secure(place, &["-cert", &chain, "-key", &key]).expect("a client");
    ask(&mut secure, "/", "");

    let heard = backend.heard();
    let [first, second, third] = &heard[..] else { panic!("{heard:?}") };
    for (name, wanted) in [
        ("x-request-id", &[ids[0].as_str()][..]),
        ("x-real-ip", &["127.0.0.1"]),
        ("x-url", &["http://localhost/a%20b?q=c%0d%0aX-Evil:%201"]),
        ("x-path", &["/a bc%0D%0AX-Evil: 1"]),
        ("x-evil", &[]),
        ("x-to", &[backend.address.to_string().as_str()]),
        ("x-user", &[]),
        ("x-subject", &[]),
        ("x-cost", &["$5"]),
        ("x-said", &["a, b", "a, b", "fixed"]),
    ] {
        assert_eq!(values(first, name), wanted, "{name} in {first}");
    }
    assert_eq!(values(second, "x-user"), ["ada"], "{second}");
    assert_eq!(values(third, "x-subject"), ["CN=front"], "{third}");
    assert_eq!(values(third, "x-url"), ["https://localhost/"], "{third}");
    assert_eq!(values(third, "x-real-ip"), ["::1"], "{third}");
    drop((client, secure));
    server.stop().expect("the server ends in order");
    let logged = fs::read_to_string(yard.path("ids")).expect("a log");
    assert_eq!(logged.lines().collect::<Vec<_>>(), ids, "the log has the same ids");
}

const FORWARDED: &str = r#"{
  "server": { "listen": ["127.0.0.1:0", "[::1]:0"], "shards": 1, "trusted": ["127.0.0.1"],
    "client_address": "x-forwarded-for" },
  "hosts": { "localhost": { "proxy": "http://${backend}", "locations": {
    "/usual": { },
    "/rfc": { "proxy_forwarded": "forwarded" },
    "/both": { "proxy_forwarded": "both" },
    "/off": { "proxy_forwarded": "off" },
    "/replaced": { "proxy_forwarded_before": "replace" },
    "/replaced-both": { "proxy_forwarded_before": "replace", "proxy_forwarded": "both" },
    "/nothing": { "proxy_forwarded_before": "replace", "proxy_forwarded": "off" }
  } } }
}"#;

#[test]
fn who_asks_is_told_as_the_operator_wants() {
    const FOR: &str = "x-forwarded-for";
    const PROTO: &str = "x-forwarded-proto";
    const RFC: &str = "forwarded";
    let cases: [(usize, &str, [&[&str]; 3]); 10] = [
        (1, "/usual", [&["198.51.100.7, 127.0.0.1"], &["https"], &["for=198.51.100.7"]]),
        (
            1,
            "/rfc",
            [&["198.51.100.7"], &["https"], &["for=198.51.100.7, for=127.0.0.1;proto=http;host=localhost"]],
        ),
        (
            1,
            "/both",
            [
                &["198.51.100.7, 127.0.0.1"],
                &["https"],
                &["for=198.51.100.7, for=127.0.0.1;proto=http;host=localhost"],
            ],
        ),
        (1, "/off", [&["198.51.100.7"], &["https"], &["for=198.51.100.7"]]),
        (1, "/replaced", [&["198.51.100.7"], &["http"], &[]]),
        (
            1,
            "/replaced-both",
            [&["198.51.100.7"], &["http"], &["for=198.51.100.7;proto=http;host=localhost"]],
        ),
        (1, "/nothing", [&[], &[], &[]]),
        // Of somebody who is not trusted nothing passes.
        (2, "/usual", [&["::1"], &["http"], &[]]),
        (2, "/off", [&[], &[], &[]]),
        (2, "/replaced", [&["::1"], &["http"], &[]]),
    ];
    let yard = Yard::new("outward").expect("a folder");
    let backend = Backend::start(vec![reply(OK, After::Next); cases.len()]).expect("a backend");
    let server =
        yard.serve(&FORWARDED.replace("${backend}", &backend.address.to_string())).expect("a server");
    for (address, path, expected) in cases {
        let mut client = Client::connect(&server.place(address).expect("an address")).expect("connect");
        let said =
            "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nForwarded: for=198.51.100.7\r\n";
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{said}\r\n");
        client.send(request.as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect(path).status, 200, "{path}");
        let heard = backend.heard().pop().expect("a request");
        let got = [FOR, PROTO, RFC].map(|name| values(&heard, name));
        assert_eq!(got, expected.map(<[&str]>::to_vec), "{address} {path}: {heard}");
    }
    server.stop().expect("the server ends in order");
}

const UPGRADES: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1 },
  "hosts": { "localhost": { "proxy": "http://${backend}", "locations": {
    "/usual": { },
    "/off": { "proxy_upgrade": "off" },
    "/tcp": { "proxy_upgrade": ["tcp", "spdy/3.1"] }
  } } }
}"#;

#[test]
fn connections_go_on_in_what_is_listed() {
    let cases = [
        ("/usual", "websocket", Some("websocket")),
        ("/usual", "tcp", None),
        ("/off", "websocket", None),
        ("/tcp", "websocket", None),
        ("/tcp", "TCP", Some("TCP")),
        ("/tcp", "spdy/3.1", Some("spdy/3.1")),
        ("/tcp", "spdy/3", None),
        ("/tcp", "h2c", None),
    ];
    let yard = Yard::new("outward").expect("a folder");
    let backend = Backend::start(vec![reply(OK, After::Next); cases.len()]).expect("a backend");
    let server = yard.serve(&UPGRADES.replace("${backend}", &backend.address.to_string())).expect("a server");
    for (path, protocol, passed) in cases {
        let mut client = server.connect().expect("connect");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        );
        client.send(request.as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect(path).status, 200, "{path}");
        let heard = backend.heard().pop().expect("a request");
        assert_eq!(values(&heard, "upgrade"), passed.into_iter().collect::<Vec<_>>(), "{path}: {heard}");
    }
    server.stop().expect("the server ends in order");
}

/// Rules are asked about what dot segments lead to, and servers see no others.
#[test]
fn paths_go_on_as_rules_have_seen_them() {
    let cases = [
        ("/public/x%20y?a=/../b", "/public/x%20y?a=/../b"),
        ("/admin/../public/x", "/public/x"),
        ("/admin/%2e%2E/public/./x%3B;y", "/public/x%3B;y"),
        ("/public//x/..", "/public/"),
        ("/.well-known/x", "/.well-known/x"),
    ];
    let yard = Yard::new("outward").expect("a folder");
    let backend = Backend::start(vec![reply(OK, After::Next); cases.len()]).expect("a backend");
    let server = yard.serve(&UPGRADES.replace("${backend}", &backend.address.to_string())).expect("a server");
    let mut client = server.connect().expect("connect");
    for (target, passed) in cases {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect(target).status, 200, "{target}");
        let heard = backend.heard().pop().expect("a request");
        assert!(heard.starts_with(&format!("GET {passed} HTTP/1.1\r\n")), "{target}: {heard}");
    }
    server.stop().expect("the server ends in order");
}

/// A server that takes contents in chunks and says OK; what it gets comes by the other end.
fn taking_chunks() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = channel();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let (mut all, mut more) = (String::new(), [0; 4096]);
            while let Ok(count @ 1..) = client.read(&mut more) {
                all.push_str(&String::from_utf8_lossy(&more[..count]));
                // The end of the head, and that of the content.
                let ends = all.matches("\r\n\r\n").count();
                if ends >= 2 || ends == 1 && !all.contains("chunked") {
                    let said = std::mem::take(&mut all);
                    if tell.send(said).is_err() || client.write_all(OK.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        }
    });
    (address, told)
}

#[test]
fn trailers_of_requests_pass_on() {
    let (address, told) = taking_chunks();
    let yard = Yard::new("outward").expect("a folder");
    let text = format!(
        r#"{{ "server": {{ "listen": ["127.0.0.1:0"], "shards": 1 }}, "hosts": {{ "localhost": {{
          "proxy": "http://{address}", "proxy_headers": {{ "X-Removed": false }} }} }} }}"#
    );
    let server = yard.serve(&text).expect("a server");
    let mut client = server.connect().expect("connect");
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Hop\r\n\
                Connection: X-Hop\r\n\r\n";
    for (trailers, passed) in [
        ("", ""),
        ("X-Sum: 1\r\nx-more:  2 \r\n", "X-Sum: 1\r\nx-more: 2\r\n"),
        // What belongs to a connection, says who asks, or is to be removed stays here.
        (
            "X-Hop: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\nX_Forwarded_For: 1\r\n",
            "",
        ),
        ("X-Removed: 1\r\nX-Sum: 3\r\nAuthorization: x\r\nConnection: close\r\n", "X-Sum: 3\r\n"),
    ] {
        // In one piece, and byte by byte.
        let message = format!("{head}3\r\nabc\r\n0\r\n{trailers}\r\n");
        for step in [message.len(), 1] {
            message.as_bytes().chunks(step).for_each(|part| client.send(part).expect("send"));
            assert_eq!(client.response(Asked::Other).expect("a response").status, 200, "{trailers}");
            let heard = told.recv_timeout(PATIENCE).expect("a request");
            let (_, content) = heard.split_once("\r\n\r\n").expect("a head");
            let (_, last) = content.split_once("\r\n0\r\n").expect("a last chunk");
            assert_eq!(last, format!("{passed}\r\n"), "{trailers}: {heard}");
            assert_eq!(values(&heard, "trailer"), ["X-Sum, X-Hop"], "{heard}");
        }
    }
    // A content that has a length has nothing behind it.
    client
        .send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTrailer: X-Sum\r\nContent-Length: 0\r\n\r\n")
        .expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
    assert!(values(&told.recv_timeout(PATIENCE).expect("a request"), "trailer").is_empty());
    drop(client);
    server.stop().expect("the server ends in order");
}

//! PROXY headers that servers get: real nginx and HAProxy read them, and say whom they take for the client.

#![forbid(unsafe_code)]

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use e2e::backend::{After, Backend, reply};
use e2e::client::Client;
use e2e::ledger::counter;
use e2e::openssl::{self, Algorithm};
use e2e::response::Asked;
use e2e::{Server, Yard, until};

const CONFIGURATION: &str = r#"{
  "server": { "shards": 1, "listen": ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0 tls"], "trusted": ["127.0.0.1"],
    "client_address": "x-forwarded-for" },
  "upstreams": {
    "nginx-v1": { "servers": ["${nginx}"], "proxy_protocol": "v1" },
    "nginx-v2": { "servers": ["${nginx}"], "proxy_protocol": "v2" },
    "haproxy-v1": { "servers": ["${haproxy}"], "proxy_protocol": "v1" },
    "haproxy-v2": { "servers": ["${haproxy}"], "proxy_protocol": "v2",
      "health": { "interval": "200ms", "timeout": "200ms", "path": "/health", "status": ["200"] } },
    "sealed": { "servers": ["${sealed}"], "proxy_protocol": "v2",
      "tls": { "name": "localhost", "authorities": "${folder}/tls/ca.pem" } }
  },
  "hosts": { "localhost": {
    "tls": { "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } } },
    "locations": { ${locations} }
  } }
}"#;

const GROUPS: [&str; 5] = ["nginx-v1", "nginx-v2", "haproxy-v1", "haproxy-v2", "sealed"];

/// Both say for whom the connection speaks, the address that this one has connected to, and the name that it has asked
/// for, where they can.
const NGINX: &str = r#"daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { }
http {
  access_log off; client_body_temp_path ${folder}/n-b; proxy_temp_path ${folder}/n-p;
  fastcgi_temp_path ${folder}/n-f; uwsgi_temp_path ${folder}/n-u; scgi_temp_path ${folder}/n-s;
  default_type text/plain;
  server {
    listen ${nginx} proxy_protocol; listen ${sealed} ssl proxy_protocol;
    ssl_certificate ${folder}/tls/host.pem; ssl_certificate_key ${folder}/tls/host.key;
    location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr -"; }
  }
}
"#;

const HAPROXY: &str = "defaults
  mode http
  timeout client 60s
  timeout connect 5s
  timeout server 60s
frontend f
  bind ${haproxy} accept-proxy
  http-request set-var(txn.name) fc_pp_authority
  http-request return status 200 content-type text/plain lf-string \"%[src] %[src_port] %[dst] %[var(txn.name)]-\"
";

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything that runs.
struct Stage {
    yard: Yard,
    server: Server,
    _peers: [Running; 2],
}

impl Stage {
    fn new() -> Stage {
        let yard = Yard::new("proxy-header").expect("a folder");
        yard.host("host", &["localhost"], Algorithm::Ecdsa).expect("a certificate");
        let bind = |()| TcpListener::bind("127.0.0.1:0").expect("a port");
        let [nginx, haproxy, sealed] =
            [(); 3].map(bind).map(|listener| listener.local_addr().expect("an address"));
        let locations = GROUPS.map(|group| format!(r#""/{group}": {{ "proxy": "{group}" }}"#)).join(", ");
        let fill = |text: &str| {
            text.replace("${nginx}", &nginx.to_string())
                .replace("${haproxy}", &haproxy.to_string())
                .replace("${sealed}", &sealed.to_string())
                .replace("${locations}", &locations)
                .replace("${folder}", &yard.folder.path().to_string_lossy())
        };
        let begin = |program: &str, arguments: &[&str], name: &str, text: &str| {
            let path = yard.folder.write(name, fill(text).as_bytes()).expect("write");
            let mut command = Command::new(program);
            command
                .args(arguments)
                .arg(path)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Running(command.spawn().expect(program))
        };
        let peers = [
            begin("/usr/sbin/nginx", &["-c"], "nginx.conf", NGINX),
            begin("/usr/sbin/haproxy", &["-db", "-f"], "haproxy.cfg", HAPROXY),
        ];
        for address in [nginx, haproxy, sealed] {
            until("a peer takes connections", || TcpStream::connect(address).is_ok());
        }
        let server = yard.serve(&fill(CONFIGURATION)).expect("the server starts");
        Stage { yard, server, _peers: peers }
    }

    fn client(&self, number: usize) -> (Client, SocketAddr) {
        let address = e2e::yard::address(&self.server, number).expect("an address");
        let client = Client::connect(&self.server.place(number).expect("an address")).expect("connect");
        (client, address)
    }
}

/// What a server behind the server answers.
fn ask(client: &mut Client, group: &str, fields: &str) -> String {
    let request = format!("GET /{group} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    client.send(request.as_bytes()).expect("send");
    let response = client.response(Asked::Other).expect(group);
    assert_eq!(response.status, 200, "{group}: {response:?}");
    String::from_utf8(response.body).expect("text")
}

#[test]
fn servers_know_each_client_by_its_own_address() {
    let stage = Stage::new();
    let (mut four, _) = stage.client(1);
    let (mut six, _) = stage.client(2);
    for group in GROUPS {
        // By turns, so that a connection that is used again would say whose it is.
        for _ in 0..2 {
            let said = ask(&mut four, group, "");
            let words: Vec<&str> = said.split(' ').collect();
            assert_eq!((words[0], words[2]), ("127.0.0.1", "127.0.0.1"), "{group}: {said}");
            assert_ne!(words[1], "0", "{group}: {said}");
            let said = ask(&mut six, group, "");
            let words: Vec<&str> = said.split(' ').collect();
            assert_eq!((words[0], words[2]), ("::1", "::1"), "{group}: {said}");
            for (client, named) in [
                ("198.51.100.7", "198.51.100.7  127.0.0.1 -"),
                ("2001:db8::7", "2001:db8::7  ::ffff:127.0.0.1 -"),
            ] {
                let said = ask(&mut four, group, &format!("X-Forwarded-For: {client}\r\n"));
                // nginx does not write a port of 0.
                assert_eq!(said.replace(" 0 ", "  "), named, "{group}: whom a trusted proxy names");
                // Whoever is not trusted speaks for itself.
                let said = ask(&mut six, group, &format!("X-Forwarded-For: {client}\r\n"));
                assert!(said.starts_with("::1 "), "{group}: {said}");
            }
        }
    }
    drop((four, six));
    let ended = stage.server.stop().expect("the server ends in order");
    assert_eq!(counter(&ended, "upstream_connections_reused").expect("a counter"), 0);
    assert_eq!(counter(&ended, "upstream_connections_failed").expect("a counter"), 0);
    assert_eq!(
        counter(&ended, "upstreams_down").expect("a counter"),
        0,
        "checks say that they speak for nobody"
    );
}

#[test]
fn version_2_tells_of_the_tls_of_the_client() {
    let stage = Stage::new();
    let place = e2e::yard::address(&stage.server, 3).expect("an address");
    let authority = stage.yard.path("tls/ca.pem");
    let connect = format!("localhost:{}:127.0.0.2", place.port());
    for (group, name) in [("haproxy-v2", "localhost-"), ("haproxy-v1", "-")] {
        let url = format!("https://localhost:{}/{group}", place.port());
        let said =
            openssl::curl(&["-sS", "--cacert", &authority, "--resolve", &connect, &url]).expect("curl");
        assert!(said.text.ends_with(name) && said.text.starts_with("127.0.0.1 "), "{group}: {}", said.text);
    }
    stage.server.stop().expect("the server ends in order");
}

#[test]
fn a_client_of_a_unix_socket_has_no_address() {
    let yard = Yard::new("proxy-header").expect("a folder");
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (version, begin) in [
        ("v1", "PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n"),
        ("v2", "\r\n\r\n\0\r\nQUIT\n!\0\0\0GET / HTTP/1.1\r\n"),
    ] {
        let backend = Backend::start(vec![reply(ok, After::Next)]).expect("a backend");
        let text = format!(
            r#"{{ "server": {{ "listen": ["unix:${{folder}}/front.sock"], "shards": 1 }},
              "upstreams": {{ "app": {{ "servers": ["{}"], "proxy_protocol": "{version}" }} }},
              "hosts": {{ "localhost": {{ "proxy": "app" }} }} }}"#,
            backend.address
        );
        let server = yard.serve(&text).expect("the server starts");
        let mut client = server.connect().expect("connect");
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
        assert_eq!(client.response(Asked::Other).expect(version).body, b"ok");
        let heard = backend.heard().concat();
        assert!(heard.starts_with(begin), "{version}: {heard:?}");
        assert!(heard.contains("\r\nConnection: close\r\n"), "{version}: it is not used again: {heard:?}");
        drop(client);
        server.stop().expect("the server ends in order");
        let _ = fs::remove_file(yard.path("front.sock"));
    }
}

//! Fields of answers in lines of the log: of those that an upstream server gives, and of those that the client gets.

#![forbid(unsafe_code)]

use std::fs;

use e2e::backend::{After, Backend, reply};
use e2e::response::Asked;
use e2e::{Folder, Options, Server};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1, "error_log": "${folder}/error.log" },
  "logs": { "fields": {
    "file": "${folder}/fields.log",
    "format": "$status \"$upstream_http_x_cache\" \"$upstream_http_server\" \"$sent_http_x_cache\" \"$sent_http_server\""
  } },
  "hosts": { "localhost": {
    "root": "${folder}", "access_log": "fields", "locations": { "/app/": { "proxy": "http://${backend}" } }
  } }
}"#;

const HIT: &str =
    "HTTP/1.1 200 OK\r\nServer: other\r\nX-Cache: a \"b\"\r\nX-Cache: c\r\nContent-Length: 2\r\n\r\nok";
const PLAIN: &str =
    "HTTP/1.1 103 Early Hints\r\nX-Cache: early\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

#[test]
fn lines_have_the_fields_of_just_their_own_answers() {
    let folder = Folder::new("log-fields").expect("a folder");
    folder.write("own.txt", b"own\n").expect("write");
    let replies = vec![reply(HIT, After::Next), reply(PLAIN, After::Next)];
    let backend = Backend::start(replies).expect("a backend");
    let text = CONFIGURATION.replace("${folder}", &folder.path().to_string_lossy());
    let text = text.replace("${backend}", &backend.address.to_string());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let mut client = server.connect().expect("connect");
    // All by one connection: nothing is left of the answer before.
    for (path, status) in [("/app/1", 200), ("/app/2", 404), ("/own.txt", 200)] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("send");
        let mut response = client.response(Asked::Other).expect("an answer");
        while response.status < 200 {
            response = client.response(Asked::Other).expect("an answer");
        }
        assert_eq!(response.status, status, "{path}");
    }
    drop(client);
    server.stop().expect("the server ends in order");
    let lines = fs::read_to_string(folder.path().join("fields.log")).expect("a log");
    let wanted = [
        r#"200 "a \x22b\x22" "other" "a \x22b\x22" "kimura""#,
        r#"404 "-" "-" "-" "kimura""#,
        r#"200 "-" "-" "-" "kimura""#,
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), wanted);
}

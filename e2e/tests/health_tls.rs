//! Health checks of servers that speak TLS, with a real nginx: it is well only if it proves who it is.

#![forbid(unsafe_code)]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use e2e::ledger::counter;
use e2e::openssl::Algorithm;
use e2e::response::Asked;
use e2e::{Yard, until};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1 },
  "upstreams": {
    "well": { "servers": ["${plain}"], ${right}, "health": { "path": "/well?a=b", ${often} } },
    "announced": { "servers": ["${announced}"], ${right}, "proxy_protocol": "v2",
      "health": { "path": "/announced", ${often} } },
    "shaken": { "servers": ["${plain}"], ${right}, "health": { ${often} } },
    "ill": { "servers": ["${plain}"], ${right}, "health": { "path": "/ill", ${often} } },
    "strange": { "servers": ["${plain}"], ${strange}, "health": { "path": "/strange", ${often} } },
    "unknown": { "servers": ["${plain}"], ${strange}, "health": { ${often} } },
    "silent": { "servers": ["${silent}"], ${right}, "health": { ${often} } }
  },
  "hosts": { "localhost": { "locations": { ${locations} } } }
}"#;

const GROUPS: [(&str, u16); 7] = [
    ("well", 200),
    ("announced", 200),
    ("shaken", 200),
    ("ill", 503),
    ("strange", 503),
    ("unknown", 503),
    ("silent", 503),
];

const NGINX: &str = r#"daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { }
http {
  log_format asked "$ssl_protocol $http_user_agent $request"; access_log ${folder}/asked asked;
  client_body_temp_path ${folder}/n-b; proxy_temp_path ${folder}/n-p; fastcgi_temp_path ${folder}/n-f;
  uwsgi_temp_path ${folder}/n-u; scgi_temp_path ${folder}/n-s;
  server {
    listen ${plain} ssl; listen ${announced} ssl proxy_protocol; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate ${folder}/tls/host.pem; ssl_certificate_key ${folder}/tls/host.key;
    location / { return 200 ok; }
    location /ill { return 500; }
  }
}
"#;

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn checks_speak_tls() {
    let yard = Yard::new("health-tls").expect("a folder");
    yard.host("host", &["app.example"], Algorithm::Ecdsa).expect("a certificate");
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [plain, announced] = listeners.map(|listener| listener.local_addr().expect("an address"));
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let trust = |name: &str| {
        format!(r#""tls": {{ "name": "{name}", "authorities": "{}" }}"#, yard.path("tls/ca.pem"))
    };
    let locations: Vec<String> =
        GROUPS.iter().map(|(group, _)| format!(r#""/{group}": {{ "proxy": "{group}" }}"#)).collect();
    let fill = |text: &str| {
        text.replace("${plain}", &plain.to_string())
            .replace("${announced}", &announced.to_string())
            .replace("${silent}", &silent.local_addr().expect("an address").to_string())
            .replace("${right}", &trust("app.example"))
            .replace("${strange}", &trust("other.example"))
            .replace("${often}", r#""interval": "1s", "timeout": "1s", "fall": 3"#)
            .replace("${locations}", &locations.join(", "))
            .replace("${folder}", &yard.folder.path().to_string_lossy())
    };
    let nginx = yard.folder.write("nginx.conf", fill(NGINX).as_bytes()).expect("write");
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-c").arg(nginx).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _nginx = Nginx(command.spawn().expect("nginx"));
    until("nginx takes connections", || TcpStream::connect(plain).is_ok());

    let server = yard.serve(&fill(CONFIGURATION)).expect("the server starts");
    let asked = || fs::read_to_string(yard.path("asked")).unwrap_or_default();
    for path in ["/well?a=b", "/announced"] {
        let line = format!("kimura GET {path} HTTP/1.1");
        until("checks by a path", || asked().matches(&line).count() >= 2);
    }
    assert!(asked().lines().all(|line| line.starts_with("TLSv1.3 ")), "{}", asked());
    for (group, status) in GROUPS {
        let down = format!("upstream {group}: ");
        if status == 503 {
            until("a server is found to be down", || server.heard(&down) > 0);
        }
        let mut client = server.connect().expect("connect");
        client.send(format!("GET /{group} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect(group).status, status, "{group}");
        assert_eq!(server.heard(&down) > 0, status == 503, "{group}");
    }
    assert!(!asked().contains("/strange"), "who does not prove who it is, is asked nothing");
    let ended = server.stop().expect("the server ends in order");
    assert_eq!(counter(&ended, "upstreams_down").expect("a counter"), 4);
}

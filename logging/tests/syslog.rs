//! Lines on their way to a real rsyslogd, by each transport and shape.

mod receivers;

use logging::remote::syslog::{Facility, Framing, Settings, Severity, Shape, Transport};
use logging::remote::{Courier, Remote};
use receivers::{Running, await_listener, await_some, deliver, free_address, numbered, patience};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;
use tls::ServerTrust;

/// A name that the receiver's certificate has.
const NAME: &str = "logs.example";
/// What is written of each message; `|` stands between.
const TEMPLATE: &str = "%syslogfacility-text%.%syslogseverity-text%|%hostname%|%programname%|%procid%|%msgid%|\
                        %structured-data%|%msg%\\n";

/// rsyslogd with a folder of its own, which listens to everything.
struct Rsyslogd {
    folder: TempDir,
    address: SocketAddr,
    secure: SocketAddr,
    authority: String,
    running: Option<Running>,
}

impl Rsyslogd {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = certificates(&folder, "ours");
        let (address, secure) = (free_address(), free_address());
        let mut rsyslogd = Self { folder, address, secure, authority, running: None };
        fs::write(rsyslogd.path("conf"), rsyslogd.configuration()).expect("a file");
        rsyslogd.again();
        rsyslogd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configuration(&self) -> String {
        let Self { folder, address, secure, .. } = self;
        let (folder, ip) = (folder.path().display(), address.ip());
        format!(
            r#"global(workDirectory="{folder}" net.enableDNS="off" maxMessageSize="64k"
       defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{folder}/authority"
       defaultNetstreamDriverCertFile="{folder}/certificate" defaultNetstreamDriverKeyFile="{folder}/key")
module(load="imudp") module(load="imptcp") module(load="imuxsock" SysSock.Use="off")
module(load="imtcp" streamDriver.Name="ossl" streamDriver.Mode="1" streamDriver.AuthMode="anon")
template(name="all" type="string" string="{TEMPLATE}")
ruleset(name="all") {{ action(type="omfile" file="{folder}/out" template="all") }}
input(type="imudp" address="{ip}" port="{port}" ruleset="all")
input(type="imptcp" address="{ip}" port="{port}" ruleset="all")
input(type="imtcp" address="{ip}" port="{secure}" ruleset="all")
input(type="imuxsock" socket="{folder}/socket" ruleset="all" useSysTimeStamp="off")
"#,
            port = address.port(),
            secure = secure.port(),
        )
    }

    fn again(&mut self) {
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(self.path("conf")).arg("-i").arg(self.path("pid"));
        let said = File::options().append(true).create(true).open(self.path("said")).expect("a file");
        self.running = Some(Running::start(command.stderr(said)));
        await_listener(self.address);
        await_listener(self.secure);
    }

    fn end(&mut self, signal: &str) {
        self.running.take().expect("it runs").end(signal);
    }

    /// What it has written, when that is enough.
    fn written(&self, what: &str, enough: impl Fn(&[&str]) -> bool) -> String {
        await_some(what, || {
            let text = fs::read(self.path("out")).ok()?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            enough(&whole.lines().collect::<Vec<_>>()).then(|| whole.to_owned())
        })
    }

    fn courier(&self, way: Way, shape: Shape, framing: Framing) -> Courier {
        let trust = ServerTrust::from_pem(self.authority.as_bytes()).expect("our own authority");
        let transport = match way {
            Way::Udp => Transport::Datagrams(self.address.to_string().parse().expect("an address")),
            Way::Unix => Transport::Datagrams(sys::net::Address::Unix(self.path("socket"))),
            Way::Tcp => Transport::Tcp(vec![self.address]),
            Way::Tls => Transport::Tls { addresses: vec![self.secure], name: NAME.to_owned(), trust },
        };
        Remote::Syslog(settings(transport, shape, framing)).courier()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Udp,
    Unix,
    Tcp,
    Tls,
}

fn settings(transport: Transport, shape: Shape, framing: Framing) -> Settings {
    Settings {
        transport,
        shape,
        framing,
        facility: Facility::named("local3").expect("one of the list"),
        severity: Severity::named("notice").expect("one of the list"),
        app_name: "kimura".to_owned(),
        host_name: "www1".to_owned(),
        message_max: 8192,
        patience: patience(),
    }
}

/// Makes an authority of this name, and a certificate by it. Returns that of the authority.
fn certificates(folder: &TempDir, name: &str) -> String {
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::default();
    authority.distinguished_name.push(rcgen::DnType::CommonName, name);
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_text = authority.self_signed(&authority_key).expect("a certificate").pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let own = rcgen::CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
    let own = own.signed_by(&key, &issuer).expect("a certificate");
    for (name, text) in
        [("authority", authority_text.clone()), ("certificate", own.pem()), ("key", key.serialize_pem())]
    {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    authority_text
}

#[test]
fn every_transport_and_shape_is_understood() {
    let rsyslogd = Rsyslogd::start();
    let process = std::process::id();
    let mut wanted = Vec::new();
    for (way, shape, framing) in [
        (Way::Udp, Shape::Rfc5424, Framing::Octets),
        (Way::Udp, Shape::Rfc3164, Framing::Octets),
        (Way::Unix, Shape::Local, Framing::Octets),
        (Way::Tcp, Shape::Rfc5424, Framing::Octets),
        (Way::Tcp, Shape::Rfc5424, Framing::Newline),
        (Way::Tcp, Shape::Rfc3164, Framing::Octets),
        (Way::Tls, Shape::Rfc5424, Framing::Octets),
        (Way::Tls, Shape::Rfc3164, Framing::Newline),
    ] {
        let mut courier = rsyslogd.courier(way, shape, framing);
        deliver(&mut courier, format!("{way:?} {shape:?} {framing:?} {{\"a\":\"b\"}}\n").as_bytes());
        // The name of the machine does not come over a socket of its own.
        let machine = if way == Way::Unix { "*" } else { "www1" };
        let (id, data, space) = match shape {
            Shape::Rfc5424 => ("access", "[meta sequenceId=\"1\"]", ""),
            // What follows the colon is the message there.
            Shape::Rfc3164 | Shape::Local => ("-", "-", " "),
        };
        wanted.push(format!(
            "local3.notice|{machine}|kimura|{process}|{id}|{data}|{space}{way:?} {shape:?} {framing:?} {{\"a\":\"b\"}}"
        ));
    }
    let count = wanted.len();
    let text = rsyslogd.written("all lines", |lines| lines.len() == count);
    let mut found: Vec<String> = text
        .lines()
        .map(|line| {
            let mut parts: Vec<&str> = line.splitn(7, '|').collect();
            if parts[6].contains("Unix") {
                parts[1] = "*";
            }
            parts.join("|")
        })
        .collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn what_a_receiver_misses_while_it_is_away_comes_when_it_is_back() {
    for way in [Way::Tcp, Way::Tls] {
        survive_restarts(way);
    }
}

/// Lines of each block, and blocks.
const BLOCK: u32 = 200;
const BLOCKS: u32 = 300;

fn survive_restarts(way: Way) {
    let mut rsyslogd = Rsyslogd::start();
    let mut courier = rsyslogd.courier(way, Shape::Rfc5424, Framing::Octets);
    let offering = std::thread::spawn(move || {
        for block in 0..BLOCKS {
            deliver(&mut courier, &numbered(block * BLOCK..(block + 1) * BLOCK));
        }
    });
    for (enough, signal) in [(BLOCK as usize * 20, "TERM"), (BLOCK as usize * 120, "KILL")] {
        rsyslogd.written("some lines", |lines| enough < lines.len());
        rsyslogd.end(signal);
        rsyslogd.again();
    }
    offering.join().expect("all delivered");
    let last = format!("line {} of many", BLOCK * BLOCKS - 1);
    let text =
        rsyslogd.written("the last line", |lines| lines.last().is_some_and(|line| line.ends_with(&last)));
    let mut ids = BTreeMap::<u32, &str>::new();
    for line in text.lines() {
        // What a process that was killed has left of its last line is not one.
        let Some((head, said)) = line.rsplit_once('|') else { continue };
        let Some(number) = said.strip_prefix("line ").and_then(|rest| rest.strip_suffix(" of many")) else {
            continue;
        };
        let id = head.rsplit('|').next().expect("a part");
        let before = ids.insert(number.parse().expect("a number"), id);
        assert!(before.is_none_or(|before| before == id), "{way:?}: {line} came with {before:?}");
    }
    assert!(ids.keys().copied().eq(0..BLOCK * BLOCKS), "{way:?}: {} of them", ids.len());
}

#[test]
fn a_unix_socket_that_is_made_anew_is_found() {
    let mut rsyslogd = Rsyslogd::start();
    let mut courier = rsyslogd.courier(Way::Unix, Shape::Local, Framing::Octets);
    deliver(&mut courier, b"before\n");
    rsyslogd.written("the first line", |lines| lines.len() == 1);
    rsyslogd.end("TERM");
    let (done, _) = courier.deliver(b"between\n").expect_err("nobody is there");
    assert_eq!(done, 0);
    rsyslogd.again();
    deliver(&mut courier, b"between\nafter\n");
    let text = rsyslogd.written("all lines", |lines| lines.len() == 3);
    let said: Vec<&str> = text.lines().map(|line| line.rsplit('|').next().expect("a part").trim()).collect();
    assert_eq!(said, ["before", "between", "after"]);
}

#[test]
fn a_receiver_that_does_not_prove_who_it_is_gets_nothing() {
    let rsyslogd = Rsyslogd::start();
    let other = tempfile::tempdir().expect("a folder");
    let other = certificates(&other, "somebody");
    for (name, authority, why) in
        [("other.example", &rsyslogd.authority, "is for another name"), (NAME, &other, "no known authority")]
    {
        let trust = ServerTrust::from_pem(authority.as_bytes()).expect("an authority");
        let transport = Transport::Tls { addresses: vec![rsyslogd.secure], name: name.to_owned(), trust };
        let mut courier = Remote::Syslog(settings(transport, Shape::Rfc5424, Framing::Octets)).courier();
        let (done, cause) = courier.deliver(b"secret\n").expect_err("not the one that it should be");
        assert_eq!(done, 0);
        assert!(cause.to_string().contains(why), "{cause}");
    }
    deliver(&mut rsyslogd.courier(Way::Tls, Shape::Rfc5424, Framing::Octets), b"open\n");
    let text = rsyslogd.written("the line", |lines| !lines.is_empty());
    assert!(text.ends_with("|open\n") && text.lines().count() == 1, "{text}");
}

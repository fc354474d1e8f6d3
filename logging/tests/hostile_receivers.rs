//! Receivers that do not keep to the protocol, or to anything: no outlet hangs, grows or takes a line for delivered that
//! was not.

mod receivers;

use logging::remote::gearman::Settings as Gearman;
use logging::remote::syslog::{Facility, Framing, Settings as Syslog, Severity, Shape, Transport};
use logging::remote::{Courier, Patience, Remote};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use tls::ServerTrust;

const PATIENCE: Patience =
    Patience { connect: Duration::from_millis(300), answer: Duration::from_millis(300) };
/// Twice all deadlines of an outlet, and some time for a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// What a receiver does once somebody has connected.
#[derive(Clone, Copy, Debug)]
enum Trick {
    /// Closes at once.
    Close,
    /// Reads so many bytes and closes, whatever else has come.
    CloseAfter(usize),
    /// Says this, and reads for ever.
    Say(&'static [u8]),
    /// Says this again and again, and reads nothing.
    Repeat(&'static [u8]),
    /// Neither reads nor says anything.
    Nothing,
}

/// A receiver that plays a trick on everybody who comes.
fn receiver(trick: Trick) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    // It ends with the test.
    std::thread::spawn(move || {
        let (mut kept, mut silent) = (Vec::new(), Vec::new());
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.expect("a connection");
            match trick {
                Trick::Close => {}
                Trick::CloseAfter(bytes) => drop(stream.read_exact(&mut vec![0; bytes])),
                Trick::Say(words) => {
                    stream.write_all(words).ok();
                    kept.push(std::thread::spawn(move || drop(stream.read_to_end(&mut Vec::new()))));
                }
                Trick::Repeat(words) => {
                    kept.push(std::thread::spawn(move || while stream.write_all(words).is_ok() {}));
                }
                Trick::Nothing => silent.push(stream),
            }
        }
    });
    address
}

fn gearman(address: SocketAddr) -> Courier {
    let servers = vec![("a server".to_owned(), vec![address])];
    Remote::Gearman(Gearman { servers, function: "log".to_owned(), batch: 0, patience: PATIENCE }).courier()
}

fn syslog(transport: Transport) -> Courier {
    Remote::Syslog(Syslog {
        transport,
        shape: Shape::Rfc5424,
        framing: Framing::Octets,
        facility: Facility::named("local0").expect("one of the list"),
        severity: Severity::named("info").expect("one of the list"),
        app_name: "kimura".to_owned(),
        host_name: "www1".to_owned(),
        message_max: 65_000,
        patience: PATIENCE,
    })
    .courier()
}

fn tcp(address: SocketAddr) -> Courier {
    syslog(Transport::Tcp(vec![address]))
}

fn secured(address: SocketAddr) -> Courier {
    let key = rcgen::KeyPair::generate().expect("a key");
    let own = rcgen::CertificateParams::new(vec!["logs.example".to_owned()]).expect("a name");
    let trust = ServerTrust::from_pem(own.self_signed(&key).expect("a certificate").pem().as_bytes());
    let trust = trust.expect("our own certificate");
    syslog(Transport::Tls { addresses: vec![address], name: "logs.example".to_owned(), trust })
}

/// Two lines; nothing of them may count when the outlet says why it fails, unless `done` does.
fn check(outlet: fn(SocketAddr) -> Courier, trick: Trick, done: usize, why: &str) {
    let mut courier = outlet(receiver(trick));
    // The second time is on what the first has left.
    for _ in 0..2 {
        let begun = Instant::now();
        let (delivered, cause) = courier.deliver(b"one\ntwo\n").expect_err("nobody has taken it");
        assert_eq!(delivered, done, "{trick:?}: {cause}");
        let cause = cause.to_string();
        assert!(cause.contains(why), "{trick:?}: {cause}");
        assert!(cause.chars().all(|c| !c.is_control()) && cause.len() < 400, "{trick:?}: {cause:?}");
        assert!(begun.elapsed() < SOON, "{trick:?} took {:?}", begun.elapsed());
    }
}

#[test]
fn job_servers() {
    let created = b"\0RES\0\0\0\x08\0\0\0\x01H";
    for (trick, done, why) in [
        (Trick::Close, 0, ""),
        (Trick::CloseAfter(20), 0, ""),
        (Trick::Nothing, 0, "does not say that it has the jobs in time"),
        (Trick::Say(b"\0RES"), 0, "does not say that it has the jobs in time"),
        (Trick::Say(&created[..12]), 0, "does not say that it has the jobs in time"),
        (Trick::Say(b"220 ready\r\n"), 0, "does not speak Gearman"),
        (Trick::Say(b"\0RES\0\0\0\x08\xff\xff\xff\xff"), 0, "4294967295 bytes"),
        (Trick::Say(b"\0RES\0\0\0\x1a\0\0\0\0"), 0, "type 26"),
        (
            Trick::Say(b"\0RES\0\0\0\x13\0\0\0\x0bfull\0\x1b[31m\n\r"),
            0,
            "does not take a job: full \\u{1b}[31m",
        ),
        (Trick::Repeat(b"\0RES\0\0\0\x06\0\0\0\0"), 0, "does not say that it has the jobs in time"),
        (Trick::Repeat(b"\xff"), 0, "does not speak Gearman"),
    ] {
        check(gearman, trick, done, why);
    }
    // One of the two jobs is taken.
    let mut courier = gearman(receiver(Trick::Say(created)));
    assert_eq!(courier.deliver(b"one\ntwo\n").expect_err("one is not").0, 4);
    // More than there are: the third is not counted for anything.
    let thrice = b"\0RES\0\0\0\x08\0\0\0\x01H\0RES\0\0\0\x08\0\0\0\x01H\0RES\0\0\0\x08\0\0\0\x01H";
    let mut courier = gearman(receiver(Trick::Say(thrice)));
    let (done, cause) = courier.deliver(b"one\ntwo\n").expect_err("three are not two");
    assert_eq!(done, 8);
    assert!(cause.to_string().contains("more jobs than were sent"), "{cause}");
}

#[test]
fn syslog_receivers() {
    // What such a receiver says is nothing to us.
    for trick in [Trick::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[31m\0"), Trick::Say(b"")] {
        tcp(receiver(trick)).deliver(b"one\ntwo\n").expect("it has read them");
    }
    // Its TCP takes some, and then no more.
    for trick in [Trick::Nothing, Trick::Repeat(b"x")] {
        let mut courier = tcp(receiver(trick));
        let lines = [&[b'x'; 60_000][..], b"\n"].concat();
        let refused = (0..1000).find_map(|_| courier.deliver(&lines).err());
        let (done, cause) = refused.expect("it does not read");
        assert_eq!((done, cause.kind()), (0, std::io::ErrorKind::TimedOut), "{trick:?}: {cause}");
    }
}

#[test]
fn what_a_receiver_has_not_read_when_it_goes_is_sent_to_the_next_one() {
    for bytes in [0, 10] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut courier = tcp(listener.local_addr().expect("its address"));
        let (gone, going) = std::sync::mpsc::channel();
        let receiving = std::thread::spawn(move || {
            let (mut first, _) = listener.accept().expect("a connection");
            first.read_exact(&mut vec![0; bytes]).expect("some bytes");
            drop(first);
            gone.send(()).expect("the test is there");
            let (mut second, _) = listener.accept().expect("another one");
            let mut text = String::new();
            second.read_to_string(&mut text).expect("text");
            text
        });
        // Acknowledged, though nobody has read it.
        receivers::deliver(&mut courier, b"one\n");
        going.recv().expect("the receiver goes");
        receivers::deliver(&mut courier, b"two\n");
        receivers::deliver(&mut courier, b"three\n");
        drop(courier);
        let text = receiving.join().expect("text");
        for wanted in ["\"1\"] one", "\"2\"] two", "\"3\"] three"] {
            assert!(text.contains(wanted), "without {wanted}: {text}");
        }
    }
}

#[test]
fn syslog_receivers_with_tls() {
    for (trick, why) in [
        (Trick::Close, ""),
        (Trick::CloseAfter(100), ""),
        (Trick::Nothing, "does not finish the TLS handshake in time"),
        (Trick::Say(b"220 ready\r\n"), ""),
        (Trick::Say(b"\x16\x03\x03\xff\xff"), ""),
        (Trick::Say(b"\x16\x03\x03\0\x04\x02"), "does not finish the TLS handshake in time"),
        (Trick::Say(b"\x15\x03\x03\0\x02\x02\x28"), "the alert HandshakeFailure"),
        (Trick::Repeat(b"\0"), ""),
    ] {
        check(secured, trick, 0, why);
    }
}

#[test]
fn nobody() {
    for outlet in [gearman, tcp, secured] {
        let (done, cause) = outlet(receivers::free_address()).deliver(b"one\n").expect_err("nobody is there");
        assert_eq!((done, cause.kind()), (0, std::io::ErrorKind::ConnectionRefused), "{cause}");
    }
}

#[test]
fn over_udp_a_refusal_is_seen_where_the_network_tells_it() {
    let dead = receivers::free_address().to_string().parse().expect("an address");
    let mut courier = syslog(Transport::Datagrams(dead));
    let (done, cause) = courier.deliver(b"one\n").expect_err("nobody is there");
    assert_eq!((done, cause.kind()), (0, std::io::ErrorKind::ConnectionRefused));
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = receiver.local_addr().expect("its address").to_string().parse().expect("an address");
    let mut courier = syslog(Transport::Datagrams(address));
    courier.deliver(&[&[b'x'; 70_000][..], b"\nshort\n"].concat()).expect("it is clipped");
    let mut buffer = vec![0; 1 << 16];
    let len = receiver.recv(&mut buffer).expect("a datagram");
    assert!(60_000 < len && buffer[..len].ends_with(b"xx\\..."), "{len} bytes");
    let len = receiver.recv(&mut buffer).expect("another one");
    assert!(buffer[..len].ends_with(b"sequenceId=\"2\"] short"));
}

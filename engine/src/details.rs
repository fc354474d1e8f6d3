//! What only templates of log lines ask for.

use logging::{Client, Detail, Details, Value};
use site::{Client as Certified, Place, Security};
use tls::{Kind, Session};

use crate::content::relay;
use crate::finish::Finished;
use crate::secure::Secure;

const US_PER_SECOND: u64 = 1_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// Knows everything of one finished exchange.
pub(crate) struct Facts<'x> {
    pub(crate) finished: &'x Finished<'x>,
    pub(crate) place: Place<'x>,
}

impl Details for Facts<'_> {
    fn tell(&self, detail: Detail<'_>, hear: &mut dyn FnMut(Value<'_>)) {
        let finished = self.finished;
        let port = &finished.stream.port;
        match detail {
            Detail::Field(name) => {
                let fields = finished.request.iter().flat_map(proto_http::Request::fields);
                for (_, value, _) in fields.filter(|(known, ..)| known.eq_ignore_ascii_case(name)).take(1) {
                    hear(Value::Bytes(value));
                }
            }
            Detail::AnswerField(answer, name) => {
                if let Some(value) = port.kept.borrow().field(answer, name) {
                    hear(Value::Bytes(value));
                }
            }
            Detail::Path => hear(Value::Bytes(finished.path)),
            Detail::Host => {
                let authority = finished.request.and_then(|request| request.authority());
                hear(Value::Bytes(authority.map_or(self.place.host.name.as_bytes(), |named| named.host)));
            }
            Detail::Scheme => hear(Value::Bytes(match port.security.get() {
                Security::Plain => b"http",
                Security::Tls { .. } => b"https",
            })),
            Detail::Peer => {
                hear(Value::Address(port.peer.get().address.map_or(Client::Local, Client::Ip)));
            }
            Detail::PeerPort => number(hear, port.peer.get().port),
            Detail::ServerAddress | Detail::ServerPort => self.tell_server(detail, hear),
            Detail::Connection => number(hear, port.key.get().bits()),
            Detail::ConnectionRequests => number(hear, port.served.get()),
            Detail::ConnectionStatus => hear(Value::Bytes(match (finished.sent, finished.persists) {
                (Err(_), _) => &b"cut"[..],
                (Ok(_), true) => b"kept",
                (Ok(_), false) => b"closed",
            })),
            Detail::Shard => number(hear, finished.stream.shard.number as u64),
            Detail::Location => hear(Value::Bytes(self.place.location.key.as_bytes())),
            Detail::BytesSent => {
                let content = finished.sent.as_ref().map_or(0, |sent| sent.content);
                number(hear, finished.head_sent + content);
            }
            Detail::Limit => {
                if let Some(acted) = port.marks.get().by {
                    hear(Value::Bytes(acted.text().as_bytes()));
                }
            }
            Detail::LimitDelay => number(hear, port.marks.get().delayed_ns / 1_000_000),
            Detail::Ban => {
                // Who is banned in the middle of a request has no mark for it: the connection just ends.
                let cut = || finished.sent.err().and_then(|_| finished.stream.shard.ban_of(finished.client));
                if let Some(ban) = port.ban.get().or_else(cut) {
                    hear(Value::Bytes(ban.text().as_bytes()));
                }
            }
            Detail::CertificateVerdict => self.tell_verdict(hear),
            Detail::UpstreamAddress
            | Detail::UpstreamStatus
            | Detail::UpstreamConnectTime
            | Detail::UpstreamHeaderTime
            | Detail::UpstreamResponseTime
            | Detail::UpstreamLength => relay::tell(finished.tries, &finished.stream.shard, detail, hear),
            _ => self.tell_tls(detail, hear),
        }
    }
}

impl Facts<'_> {
    /// Asks the kernel, which costs a system call where a template wants it; the socket may be gone already.
    fn tell_server(&self, detail: Detail<'_>, hear: &mut dyn FnMut(Value<'_>)) {
        let stream = self.finished.stream;
        if stream.shard.connections.borrow_mut().get(stream.port.key.get()).is_none() {
            return;
        }
        match (sys::net::local_of(stream.port.fd.get()), detail) {
            (Some(address), Detail::ServerPort) => number(hear, address.port()),
            (Some(address), _) => hear(Value::Address(Client::Ip(address.ip()))),
            (None, Detail::ServerAddress) => hear(Value::Address(Client::Local)),
            (None, _) => {}
        }
    }

    fn tell_verdict(&self, hear: &mut dyn FnMut(Value<'_>)) {
        if let Security::Tls { client, .. } = self.finished.stream.port.security.get() {
            hear(Value::Bytes(match client {
                Certified::Unknown => b"NONE",
                Certified::Proven => b"SUCCESS",
                Certified::Refused => b"FAILED",
            }));
        }
    }

    fn tell_tls(&self, detail: Detail<'_>, hear: &mut dyn FnMut(Value<'_>)) {
        let stream = self.finished.stream;
        let mut connections = stream.shard.connections.borrow_mut();
        let secure =
            connections.get(stream.port.key.get()).and_then(|connection| connection.secure.as_deref());
        let Some(Secure::Session(session, _)) = secure else { return };
        if let Some(text) = of_session(session, detail) {
            return hear(Value::Bytes(text.as_bytes()));
        }
        let Some(facts) = session.client().map(|client| &client.facts) else { return };
        // What has ended before 1970 has ended then.
        let second = |unix: i64| u64::try_from(unix).unwrap_or_default();
        match detail {
            Detail::CertificateBegin => hear(Value::Second(second(facts.not_before))),
            Detail::CertificateEnd => hear(Value::Second(second(facts.not_after))),
            Detail::CertificateDays => {
                let now = stream.shard.clock.unix_us(stream.shard.clock.now()) / US_PER_SECOND;
                number(hear, second(facts.not_after).saturating_sub(now) / SECONDS_PER_DAY);
            }
            _ => {}
        }
    }
}

fn of_session<'s>(session: &'s Session, detail: Detail<'_>) -> Option<&'s str> {
    let certificate = || session.client().map(|client| &client.facts);
    match detail {
        Detail::TlsVersion => Some(session.version().text()),
        Detail::TlsCipher => Some(session.cipher_suite()),
        Detail::TlsGroup => session.group(),
        Detail::TlsName => session.name(),
        Detail::TlsProtocol => session.protocol().and_then(|name| std::str::from_utf8(name).ok()),
        Detail::TlsReused => Some(if session.kind() == Kind::Resumed { "r" } else { "." }),
        Detail::CertificateSubject => certificate().map(|facts| facts.subject.as_str()),
        Detail::CertificateIssuer => certificate().map(|facts| facts.issuer.as_str()),
        Detail::CertificateSerial => certificate().map(|facts| facts.serial.as_str()),
        Detail::CertificateFingerprint => certificate().map(|facts| facts.fingerprint.as_str()),
        _ => None,
    }
}

fn number(hear: &mut dyn FnMut(Value<'_>), number: impl Into<u64>) {
    hear(Value::Number(number.into()));
}

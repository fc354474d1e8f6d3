//! A connection after its handshake: ciphertext to plaintext and back.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};

use crate::certificate::Certificate;
use crate::client_auth::{ClientCertificate, ClientTrust, Verdict};
use crate::failure::{CertificateFault, Failure};
use crate::handshake::{flush, process, took};
use crate::hosts::{Hosts, Served};
use crate::records::Records;

/// An established connection. Between two calls it holds no output, and of the input only what is unfinished or
/// was over the limit.
pub struct Session {
    connection: ServerConnection,
    client: Option<Box<ClientCertificate>>,
    host: usize,
    /// By which rules of which host the client was judged last.
    policy: [u8; 32],
    records: Records,
}

/// What has come of some ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How much of it was used. Less than all only when the limit of plaintext was reached: the rest is to be fed
    /// again.
    pub taken: usize,
    /// Whether the session holds plaintext that was over the limit: it comes out with the next call, which need
    /// not bring anything.
    pub more: bool,
    /// Whether the client has said that it sends no more. Without that, the end of its bytes may be the work of
    /// somebody between (RFC 8446 6.1).
    pub ended: bool,
}

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// How the handshake went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In full.
    Full,
    /// In full and with another round trip, for the client had guessed the wrong group.
    FullAgain,
    /// A former session was taken up.
    Resumed,
}

impl Session {
    /// Takes over from a handshake that is done, and judges the client's certificate. What rustls has judged in a
    /// full handshake is not judged again; in a resumed one nobody has looked at the clock or the lists yet.
    pub(crate) fn begin(
        mut connection: ServerConnection,
        hosts: &Arc<Hosts>,
        host: usize,
        out: &mut Vec<u8>,
    ) -> Result<Session, Failure> {
        connection.set_buffer_limit(None);
        let client_auth = &hosts.served(host).client_auth;
        let known = client_auth.refuses() && connection.handshake_kind() != Some(HandshakeKind::Resumed);
        let chain = connection.peer_certificates().filter(|chain| !chain.is_empty());
        let client = match (chain, client_auth.trust()) {
            (Some(chain), Some(trust)) => {
                let verdict = if known { Verdict::Valid } else { trust.judge(chain, hosts.unix_seconds()) };
                match Certificate::from_der(&chain[0]) {
                    Some(facts) => Ok(Some(Box::new(ClientCertificate { facts, verdict }))),
                    None => Err(CertificateFault::Malformed),
                }
            }
            _ => Ok(None),
        };
        let refused = match &client {
            Ok(Some(client)) => match client.verdict {
                Verdict::Invalid(fault) if client_auth.refuses() => Some(fault),
                _ => None,
            },
            Ok(None) => None,
            Err(fault) => Some(*fault),
        };
        if let Some(fault) = refused {
            connection.send_close_notify();
            flush(&mut connection, out);
            return Err(Failure::Certificate { fault });
        }
        let (client, policy) = (client.unwrap_or_default(), hosts.served(host).policy());
        Ok(Session { connection, client, host, policy, records: Records::default() })
    }

    /// Takes ciphertext as it came, in pieces of any size, and appends what the client has said to `plaintext`,
    /// which grows to `plaintext_max` bytes at most. What is to be sent in answer (a key update, an alert) is
    /// appended to `out`.
    ///
    /// # Errors
    /// The client breaks the protocol or gives up. `plaintext` has what came before, `out` the alert, if there is
    /// one to be sent before the connection is closed.
    pub fn feed(
        &mut self,
        ciphertext: &[u8],
        plaintext: &mut Vec<u8>,
        plaintext_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<Received, Failure> {
        let mut rest = ciphertext;
        loop {
            let (more, ended) = self.take_plaintext(plaintext, plaintext_max);
            if ended {
                // RFC 8446 6.1: what comes after a closure alert is ignored.
                return Ok(Received { taken: ciphertext.len(), more, ended });
            }
            if more || rest.is_empty() {
                return Ok(Received { taken: ciphertext.len() - rest.len(), more, ended });
            }
            took(self.connection.read_tls(&mut rest))?;
            if let Err(failure) = process(&mut self.connection, out) {
                self.take_plaintext(plaintext, plaintext_max);
                return Err(failure);
            }
        }
    }

    /// Moves what was decrypted; tells whether some had to stay, and whether that was all that will ever come.
    fn take_plaintext(&mut self, plaintext: &mut Vec<u8>, plaintext_max: usize) -> (bool, bool) {
        let mut reader = self.connection.reader();
        loop {
            let room = plaintext_max.saturating_sub(plaintext.len());
            match reader.fill_buf() {
                Ok([]) => return (false, true),
                Ok(_) if room == 0 => return (true, false),
                Ok(bytes) => {
                    let len = bytes.len().min(room);
                    plaintext.extend_from_slice(&bytes[..len]);
                    reader.consume(len);
                }
                // Nothing there, and more may come.
                Err(_) => return (false, false),
            }
        }
    }

    /// Encrypts `plaintext` and appends the records to `out`, all of it, so that they can leave in one send. Records
    /// are small at first and after a pause, for which it has to be known what time it is: `now_ms` is a reading
    /// of any clock that does not go back, in milliseconds.
    ///
    /// # Errors
    /// The session has failed before.
    pub fn write(&mut self, plaintext: &[u8], now_ms: u64, out: &mut Vec<u8>) -> Result<(), Failure> {
        out.reserve(self.records.ciphertext_len(plaintext.len(), now_ms));
        let mut rest = plaintext;
        while !rest.is_empty() {
            let (record, after) = rest.split_at(rest.len().min(self.records.next(now_ms)));
            let written = self.connection.writer().write(record);
            let written = written.map_err(|error| Failure::Internal { what: error.to_string() })?;
            self.records.sent(written);
            // Record by record, so that the memory of each is used again for the next.
            flush(&mut self.connection, out);
            // rustls stops short when it has to change keys first.
            rest = if written == record.len() { after } else { &rest[written..] };
        }
        Ok(())
    }

    /// Says that no more will be sent (RFC 8446 6.1): to be called once, after the last write.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.connection.send_close_notify();
        flush(&mut self.connection, out);
    }

    /// Gives memory back that a large record has left: for a connection that goes idle.
    pub fn slim(&mut self) {
        // rustls looks at the size of its buffer before it reads, so it is given a read that brings nothing.
        let nothing = self.connection.read_tls(&mut Nothing);
        debug_assert!(nothing.is_err() || nothing.is_ok_and(|len| len == 0), "there was nothing to read");
    }

    /// The number of the host that serves: its place in the settings. A request that names another host is for this
    /// one's rules to refuse (RFC 9110 7.4, status 421).
    pub fn host(&self) -> usize {
        self.host
    }

    /// The name that the client has asked for, in lower case.
    pub fn name(&self) -> Option<&str> {
        self.connection.server_name()
    }

    /// The version.
    pub fn version(&self) -> Version {
        match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Version::Tls12,
            _ => Version::Tls13,
        }
    }

    /// The cipher suite by its name in the registry of IANA, for instance `TLS13_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> &'static str {
        self.connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or_default()
    }

    /// The group of the key exchange, for instance `X25519MLKEM768`; `None` when a session of TLS 1.2 was resumed.
    pub fn group(&self) -> Option<&'static str> {
        self.connection.negotiated_key_exchange_group().and_then(|group| group.name().as_str())
    }

    /// How the handshake went.
    pub fn kind(&self) -> Kind {
        match self.connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => Kind::Resumed,
            Some(HandshakeKind::FullWithHelloRetryRequest) => Kind::FullAgain,
            _ => Kind::Full,
        }
    }

    /// The protocol above, when the client has offered some (RFC 7301).
    pub fn protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// The client's certificate and whether it holds; `None` when it sent none or was not asked.
    pub fn client(&self) -> Option<&ClientCertificate> {
        self.client.as_deref()
    }

    /// Judges the client's certificate again where the rules have changed since: `hosts` are those of now, and `host` is
    /// the number in them of the host that has judged; none when it is gone, and then nobody vouches any more.
    pub fn judge_again(&mut self, hosts: &Hosts, host: Option<usize>) {
        let served = host.map(|host| hosts.served(host));
        let policy = served.map(Served::policy).unwrap_or_default();
        if policy == self.policy {
            return;
        }
        self.policy = policy;
        let trust = served.and_then(|served| served.client_auth.trust());
        let verdict = match trust {
            Some(trust) => self.judge(trust, hosts.unix_seconds()),
            None => Verdict::Invalid(CertificateFault::UnknownIssuer),
        };
        if let Some(client) = &mut self.client {
            client.verdict = verdict;
        }
    }

    /// Judges the client's certificate by other authorities than the host's, for a location that has its own.
    pub fn judge(&self, trust: &ClientTrust, unix_seconds: u64) -> Verdict {
        trust.judge(self.connection.peer_certificates().unwrap_or_default(), unix_seconds)
    }

    /// The certificates that the client has sent, in DER, its own first.
    pub fn client_chain(&self) -> impl Iterator<Item = &[u8]> {
        self.connection.peer_certificates().unwrap_or_default().iter().map(|certificate| &**certificate)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("host", &self.host)
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl Version {
    /// As logs write it.
    pub fn text(self) -> &'static str {
        match self {
            Version::Tls12 => "TLSv1.2",
            Version::Tls13 => "TLSv1.3",
        }
    }
}

/// A source that has nothing now.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

//! A connection before it can carry anything: from its first byte to the end of the handshake.

use std::io;
use std::sync::Arc;

use rustls::ServerConnection;
use rustls::server::{Accepted, Acceptor};

use crate::failure::Failure;
use crate::hosts::Hosts;
use crate::limits::HANDSHAKE_BYTES_MAX;
use crate::session::Session;

/// A handshake under way. Holds what the client has sent of an unfinished message, 64 KiB at most.
pub struct Handshake {
    hosts: Arc<Hosts>,
    stage: Stage,
    received: usize,
    /// The newest version that the client has named in the place of old ones; 1.2 until it has come.
    version: [u8; 2],
}

/// How far a handshake has come.
enum Stage {
    /// Its ClientHello has not come, or not whole.
    Hello(Box<Acceptor>),
    /// The host is known.
    Host { connection: Box<ServerConnection>, host: usize },
    /// Nothing more is expected of it: it is done or has failed.
    Over,
}

/// What has come of some ciphertext.
#[derive(Debug)]
pub struct Progress {
    /// How much of it was used. Less than all only when the handshake is done: the rest is for the session.
    pub taken: usize,
    /// The session, when the handshake is done. It may already hold bytes from the client: feed it next, if only
    /// with nothing.
    pub session: Option<Box<Session>>,
}

/// RFC 8446 5.1: the type of a record that holds a message of a handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// A fatal alert in plain text (RFC 8446 5.1, 6), without its description.
const ALERT: [u8; 6] = [21, 3, 3, 0, 2, 2];

/// Where a ClientHello names that version: behind the head of its record and its own (RFC 5246 6.2.1, 7.4.1.2).
const VERSION_AT: usize = 9;
const TLS12: [u8; 2] = [3, 3];

/// RFC 8446 6.2.
const PROTOCOL_VERSION: u8 = 70;
const MISSING_EXTENSION: u8 = 109;
const UNRECOGNIZED_NAME: u8 = 112;

impl Handshake {
    /// The handshake of a connection that has just come. It is served by these hosts to its end.
    pub fn new(hosts: Arc<Hosts>) -> Handshake {
        Handshake { hosts, stage: Stage::Hello(Box::default()), received: 0, version: TLS12 }
    }

    /// Takes ciphertext as it came, in pieces of any size, and appends to `out` what is to be sent. One call costs
    /// one signature and one key exchange at most.
    ///
    /// # Errors
    /// The handshake has failed; `out` has the alert, if there is one to be sent before the connection is closed.
    /// Feeding it again is a mistake, and fails as well.
    pub fn feed(&mut self, ciphertext: &[u8], out: &mut Vec<u8>) -> Result<Progress, Failure> {
        let result = self.advance(ciphertext, out);
        if !matches!(result, Ok(Progress { session: None, .. })) {
            self.stage = Stage::Over;
        }
        result
    }

    /// The number of the host that the client has asked for, as soon as that is known.
    pub fn host(&self) -> Option<usize> {
        match &self.stage {
            Stage::Host { host, .. } => Some(*host),
            Stage::Hello(_) | Stage::Over => None,
        }
    }

    fn advance(&mut self, ciphertext: &[u8], out: &mut Vec<u8>) -> Result<Progress, Failure> {
        if self.received == 0
            && let Some(&first) = ciphertext.first()
        {
            is_tls(first)?;
        }
        self.note_version(ciphertext);
        let mut rest = ciphertext;
        while !rest.is_empty() {
            let before = rest.len();
            self.read(&mut rest, out)?;
            self.received += before - rest.len();
            if HANDSHAKE_BYTES_MAX < self.received {
                return Err(Failure::TooMuch);
            }
            if let Stage::Host { connection, .. } = &self.stage
                && !connection.is_handshaking()
            {
                return self.finish(ciphertext.len() - rest.len(), out);
            }
        }
        Ok(Progress { taken: ciphertext.len(), session: None })
    }

    /// Keeps what the client says of its version.
    fn note_version(&mut self, ciphertext: &[u8]) {
        for (at, byte) in (VERSION_AT..).zip(&mut self.version) {
            let came = at.checked_sub(self.received).and_then(|at| ciphertext.get(at));
            *byte = came.copied().unwrap_or(*byte);
        }
    }

    /// Reads some of `rest`: rustls takes four kilobytes at a time.
    fn read(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        match &mut self.stage {
            Stage::Hello(acceptor) => {
                took(acceptor.read_tls(rest))?;
                match acceptor.accept() {
                    Ok(None) => Ok(()),
                    Ok(Some(accepted)) => self.choose_host(accepted, out),
                    Err((error, mut alert)) => {
                        let failure = Failure::of(&error);
                        match failure {
                            // RFC 5246 E.1. rustls misses what newer versions have brought before it looks at the
                            // version.
                            Failure::Incompatible { .. } if self.version < TLS12 => {
                                out.extend_from_slice(&ALERT);
                                out.push(PROTOCOL_VERSION);
                            }
                            _ => append(out, |out| alert.write_all(out)),
                        }
                        Err(failure)
                    }
                }
            }
            Stage::Host { connection, .. } => {
                took(connection.read_tls(rest))?;
                process(connection, out)
            }
            Stage::Over => Err(Failure::Internal { what: "the handshake is over".to_owned() }),
        }
    }

    fn choose_host(&mut self, accepted: Accepted, out: &mut Vec<u8>) -> Result<(), Failure> {
        let name = accepted.client_hello().server_name().map(str::to_owned);
        let Some(host) = self.hosts.find(name.as_deref()) else {
            // RFC 8446 9.2 asks for the one where there is no name, RFC 6066 3 for the other where it is unknown.
            let alert = if name.is_some() { UNRECOGNIZED_NAME } else { MISSING_EXTENSION };
            out.extend_from_slice(&ALERT);
            out.push(alert);
            return Err(Failure::UnknownName { name });
        };
        let config = self.hosts.served(host).config_for(accepted.client_hello().cipher_suites());
        match accepted.into_connection(config) {
            Ok(connection) => {
                let mut connection = Box::new(connection);
                // What follows the ClientHello is in there already.
                process(&mut connection, out)?;
                self.stage = Stage::Host { connection, host };
                Ok(())
            }
            Err((error, mut alert)) => {
                append(out, |out| alert.write_all(out));
                Err(Failure::of(&error))
            }
        }
    }

    fn finish(&mut self, taken: usize, out: &mut Vec<u8>) -> Result<Progress, Failure> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Host { connection, host } => {
                let session = Session::begin(*connection, &self.hosts, host, out)?;
                Ok(Progress { taken, session: Some(Box::new(session)) })
            }
            Stage::Hello(_) | Stage::Over => Err(Failure::Internal { what: "no host was chosen".to_owned() }),
        }
    }
}

/// Whether rustls took some of the bytes it was given, as it must; the caller would give them again for ever.
pub(crate) fn took(read: io::Result<usize>) -> Result<(), Failure> {
    match read {
        Ok(0) => Err(Failure::Misbehaved { what: "bytes after the end".to_owned() }),
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Misbehaved { what: error.to_string() }),
    }
}

/// Does what has been read, and appends to `out` what is to be sent, an alert as well.
pub(crate) fn process(connection: &mut ServerConnection, out: &mut Vec<u8>) -> Result<(), Failure> {
    let result = connection.process_new_packets();
    flush(connection, out);
    result.map(drop).map_err(|error| Failure::of(&error))
}

/// Appends to `out` all that is to be sent.
pub(crate) fn flush(connection: &mut ServerConnection, out: &mut Vec<u8>) {
    while connection.wants_write() {
        append(out, |out| connection.write_tls(out).map(drop));
    }
}

fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
    write(out).expect("a Vec takes everything");
}

/// Whether a connection that begins with this byte can be TLS.
fn is_tls(first: u8) -> Result<(), Failure> {
    match first {
        HANDSHAKE_RECORD => Ok(()),
        // RFC 9110 9: methods are upper case.
        b'A'..=b'Z' => Err(Failure::PlainHttp),
        _ => Err(Failure::NotTls),
    }
}

//! The other side of a connection: a client that knows whom it trusts. Bytes in, bytes out, like the rest.

use std::fmt;
use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error as Rustls, RootCertStore,
    SignatureScheme,
};

use crate::certificate::Certificate;
use crate::chain::certificates;
use crate::clock::{Adapter, Clock};
use crate::error::Error;
use crate::failure::Failure;
use crate::handshake::took;
use crate::limits::ANCHORS_MAX;
use crate::provider;

/// Whom a client trusts: authorities, and servers by their own certificates.
#[derive(Clone, Debug)]
pub struct ServerTrust {
    verifier: Arc<Verifier>,
}

impl ServerTrust {
    /// Reads a PEM text. A certificate in it vouches for those that it has signed, and for itself.
    ///
    /// # Errors
    /// The text is not PEM, has no certificate or too many, or one that is broken.
    pub fn from_pem(text: &[u8]) -> Result<ServerTrust, Error> {
        let all = certificates(text)?;
        match all.len() {
            0 => return Err(Error::NoCertificate),
            count if ANCHORS_MAX < count => return Err(Error::TooManyAnchors { anchors: count }),
            _ => {}
        }
        let mut roots = RootCertStore::empty();
        for read in &all {
            roots.add(read.der.clone()).map_err(|_| Error::BadCertificate { line: read.line })?;
        }
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider::provider())
            .build()
            .map_err(|error| Error::Settings { reason: error.to_string() })?;
        let known = all.into_iter().map(|read| (read.der, read.facts)).collect();
        Ok(ServerTrust { verifier: Arc::new(Verifier { known, signed }) })
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.verifier)
    }
}

/// A connection of a client.
pub struct Client {
    connection: ClientConnection,
}

impl Client {
    /// One to the server of this name: a host's, or an IP address without brackets. `out` gets what is to be sent
    /// first.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Settings`].
    pub fn new(
        trust: &ServerTrust,
        name: &str,
        clock: Arc<dyn Clock>,
        out: &mut Vec<u8>,
    ) -> Result<Client, Error> {
        let settings = |error: Rustls| Error::Settings { reason: error.to_string() };
        let server =
            ServerName::try_from(name.to_owned()).map_err(|_| Error::BadName { name: name.to_owned() })?;
        let mut config = ClientConfig::builder_with_details(provider::provider(), Arc::new(Adapter(clock)))
            .with_safe_default_protocol_versions()
            .map_err(settings)?
            .dangerous()
            .with_custom_certificate_verifier(trust.verifier.clone())
            .with_no_client_auth();
        // A command is one connection: nobody takes a session up again.
        config.resumption = Resumption::disabled();
        let mut connection = ClientConnection::new(Arc::new(config), server).map_err(settings)?;
        flush(&mut connection, out);
        Ok(Client { connection })
    }

    /// Over a connection that has just begun.
    pub(crate) fn over(connection: ClientConnection) -> Client {
        Client { connection }
    }

    /// Whether the server has proved who it is.
    pub fn is_ready(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Takes ciphertext as it came and appends what the server has said to `plaintext`, and what is to be sent in
    /// answer to `out`. Tells whether the server has said that it sends no more.
    ///
    /// # Errors
    /// The server is not the one that it should be, or breaks the protocol. `out` has the alert, if there is one.
    pub fn feed(
        &mut self,
        ciphertext: &[u8],
        plaintext: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let mut rest = ciphertext;
        loop {
            if self.take_plaintext(plaintext) {
                return Ok(true);
            }
            if rest.is_empty() {
                return Ok(false);
            }
            took(self.connection.read_tls(&mut rest))?;
            let processed = self.connection.process_new_packets();
            flush(&mut self.connection, out);
            if let Err(error) = processed {
                self.take_plaintext(plaintext);
                return Err(Failure::of(&error));
            }
        }
    }

    fn take_plaintext(&mut self, plaintext: &mut Vec<u8>) -> bool {
        let mut reader = self.connection.reader();
        loop {
            match reader.fill_buf() {
                Ok([]) => return true,
                Ok(bytes) => {
                    let len = bytes.len();
                    plaintext.extend_from_slice(bytes);
                    reader.consume(len);
                }
                // Nothing there, and more may come.
                Err(_) => return false,
            }
        }
    }

    /// Encrypts `plaintext` and appends the records to `out`. To be called once the server has proved who it is.
    ///
    /// # Errors
    /// The connection has failed before.
    pub fn write(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut rest = plaintext;
        while !rest.is_empty() {
            let written = self.connection.writer().write(rest);
            let written = written.map_err(|error| Failure::Internal { what: error.to_string() })?;
            flush(&mut self.connection, out);
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Says that nothing more will be sent, and appends that to `out`. Without it the end of what was said may be the work
    /// of somebody between (RFC 8446 6.1).
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.connection.send_close_notify();
        flush(&mut self.connection, out);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

pub(crate) fn flush(connection: &mut ClientConnection, out: &mut Vec<u8>) {
    while connection.wants_write() {
        connection.write_tls(out).expect("a Vec takes everything");
    }
}

/// Takes a certificate that is known itself, or one that a known one vouches for.
#[derive(Debug)]
pub(crate) struct Verifier {
    known: Vec<(CertificateDer<'static>, Certificate)>,
    signed: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Rustls> {
        let Some((_, facts)) = self.known.iter().find(|(der, _)| der == end_entity) else {
            return self.signed.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
        };
        // Such a one need not have been signed by anybody, and may be an authority of its own.
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < facts.not_before {
            return Err(CertificateError::NotValidYet.into());
        }
        if facts.not_after < now {
            return Err(CertificateError::Expired.into());
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        self.signed.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        self.signed.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

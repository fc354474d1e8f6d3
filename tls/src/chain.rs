//! A certificate with those that lead to its authority, and its key: what a host is served with.

use rustls::InconsistentKeys;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::certificate::{Certificate, KeyKind};
use crate::error::Error;
use crate::key::PrivateKey;
use crate::limits::{CHAIN_MAX, STAPLE_BYTES_MAX};
use crate::ocsp::Response;
use crate::pem;

/// Certificates, the host's own first.
#[derive(Clone, Debug)]
pub struct Chain {
    ders: Vec<CertificateDer<'static>>,
    facts: Vec<Certificate>,
}

impl Chain {
    /// Reads a PEM text. Blocks that are no certificates are passed over, so that a file may have the key as well.
    ///
    /// # Errors
    /// The text is not PEM, has no certificate or too many, or one that is broken.
    pub fn from_pem(text: &[u8]) -> Result<Chain, Error> {
        let all = certificates(text)?;
        match all.len() {
            0 => Err(Error::NoCertificate),
            count if CHAIN_MAX < count => Err(Error::ChainTooLong { certificates: count }),
            _ => {
                let (ders, facts) = all.into_iter().map(|one| (one.der, one.facts)).unzip();
                Ok(Chain { ders, facts })
            }
        }
    }

    /// What is known of each, the host's own first. Never empty.
    pub fn facts(&self) -> &[Certificate] {
        &self.facts
    }

    /// The first, in DER.
    pub(crate) fn own_der(&self) -> &[u8] {
        self.ders.first().map(|der| &**der).unwrap_or_default()
    }
}

/// A certificate of a text.
pub(crate) struct Read {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) facts: Certificate,
    /// The line of its beginning, from 1.
    pub(crate) line: usize,
}

/// All certificates of a PEM text.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<Read>, Error> {
    let mut all = Vec::new();
    for block in pem::blocks(text)? {
        if !matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") {
            continue;
        }
        let line = block.line;
        let facts = Certificate::from_der(&block.der).ok_or(Error::BadCertificate { line })?;
        all.push(Read { der: CertificateDer::from(block.der.to_vec()), facts, line });
    }
    Ok(all)
}

/// A chain with its key and what is sent along.
#[derive(Clone, Debug)]
pub struct Credential {
    key: CertifiedKey,
    facts: Vec<Certificate>,
    staple_end: Option<i64>,
}

impl Credential {
    /// Brings a chain and its key together.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`]: the key is not that of the first certificate. One that lives elsewhere and does not
    /// tell its public half is taken at its word.
    pub fn new(chain: Chain, key: &PrivateKey) -> Result<Credential, Error> {
        let Chain { ders, facts } = chain;
        let key = CertifiedKey::new(ders, key.signing().clone());
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(Credential { key, facts, staple_end: None })
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(Error::KeyMismatch),
            Err(_) => Err(Error::BadCertificate { line: 1 }),
        }
    }

    /// Sends this OCSP response, DER, along to clients that ask for one.
    ///
    /// # Errors
    /// [`Error::BadStaple`]: it is too large, or no DER, or a refusal of the responder.
    pub fn with_staple(mut self, response: Vec<u8>) -> Result<Credential, Error> {
        if STAPLE_BYTES_MAX < response.len() {
            return Err(Error::BadStaple);
        }
        self.staple_end = Response::from_der(&response).ok_or(Error::BadStaple)?.next_update;
        self.key.ocsp = Some(response);
        Ok(self)
    }

    /// What is known of the certificates, the host's own first. Never empty.
    pub fn facts(&self) -> &[Certificate] {
        &self.facts
    }

    /// When the OCSP response is out of date, in seconds since 1970. Clients take it for none from then on: hand in
    /// a newer one before, or leave it out.
    pub fn staple_end(&self) -> Option<i64> {
        self.staple_end
    }

    pub(crate) fn certified(&self) -> &CertifiedKey {
        &self.key
    }

    /// Whether it is for a host of this name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.facts.first().is_some_and(|own| own.covers(name))
    }

    /// The cheaper signature first.
    pub(crate) fn cost(&self) -> u8 {
        match self.facts.first().map(|facts| facts.key) {
            Some(KeyKind::P256) => 0,
            Some(KeyKind::Ed25519) => 1,
            Some(KeyKind::P384 | KeyKind::P521) => 2,
            Some(KeyKind::Rsa { .. } | KeyKind::Other) | None => 3,
        }
    }
}

//! Certificates of clients: who is asked for one, and what becomes of it.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error as Rustls, RootCertStore, SignatureScheme};

use crate::certificate::{Certificate, crl_next_update};
use crate::chain::certificates;
use crate::clock::unix_time;
use crate::error::Error;
use crate::failure::CertificateFault;
use crate::limits::{ANCHORS_MAX, HINT_BYTES_MAX};
use crate::pem;
use crate::provider;

/// Whether the clients of a host are asked for a certificate.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// They are not.
    Off,
    /// They are; one that they send must hold, or the handshake fails.
    Optional(Arc<ClientTrust>),
    /// They are, and without one that holds the handshake fails.
    Required(Arc<ClientTrust>),
    /// They are, and the handshake goes on in any case: what is wrong is kept in the [`Verdict`], and whoever
    /// answers the request decides. For rules that depend on the location, and for pages that say what is wrong.
    Asked(Arc<ClientTrust>),
}

/// What is to be thought of a client's certificate. That the client has the key to it is proven in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It sent none, or was not asked.
    None,
    /// It holds.
    Valid,
    /// It does not.
    Invalid(CertificateFault),
}

/// A client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// What it says.
    pub facts: Certificate,
    /// Whether it holds: [`Verdict::Valid`] or [`Verdict::Invalid`].
    pub verdict: Verdict,
}

/// Authorities that vouch for clients, and whom they have called back.
#[derive(Debug)]
pub struct ClientTrust {
    /// `None` when nobody is trusted.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
    anchors: Vec<Certificate>,
    /// When the first of the lists is out of date, in seconds since 1970.
    lists_end: Option<i64>,
    /// Tells one trust from another; see [`ClientAuth::digest`].
    digest: [u8; digest::SHA256_OUTPUT_LEN],
}

impl ClientTrust {
    /// Trusts the authorities of a PEM text. With lists of revoked certificates (each PEM, perhaps of several, or
    /// DER) there must be one in force for every authority on the way to a client, or it is not let in.
    ///
    /// # Errors
    /// The text is not PEM, has no certificates or too many or a broken one, or a list is broken.
    pub fn from_pem(anchors: &[u8], lists: &[&[u8]]) -> Result<ClientTrust, Error> {
        let anchors = certificates(anchors)?;
        match anchors.len() {
            0 => return Err(Error::NoAnchor),
            count if ANCHORS_MAX < count => return Err(Error::TooManyAnchors { anchors: count }),
            _ => {}
        }
        let mut roots = RootCertStore::empty();
        for anchor in &anchors {
            roots.add(anchor.der.clone()).map_err(|_| Error::BadCertificate { line: anchor.line })?;
        }
        let hints = roots.subjects();
        let roots = Arc::new(roots);
        let lists = revocation_lists(lists, &roots)?;
        let digest =
            digest_of(anchors.iter().map(|anchor| &*anchor.der).chain(lists.iter().map(|list| &**list)));
        let lists_end = lists.iter().filter_map(|list| crl_next_update(list)).min();
        let verifier = verifier(&roots, lists).map_err(|reason| Error::Settings { reason })?;
        let fits = hints.iter().map(|hint| hint.as_ref().len()).sum::<usize>() <= HINT_BYTES_MAX;
        Ok(ClientTrust {
            verifier: Some(verifier),
            hints: if fits { hints } else { Vec::new() },
            anchors: anchors.into_iter().map(|anchor| anchor.facts).collect(),
            lists_end,
            digest,
        })
    }

    /// Trusts nobody: with [`ClientAuth::Asked`] every certificate is taken and none holds, for those who judge by
    /// the fingerprint or elsewhere.
    pub fn nobody() -> ClientTrust {
        let digest = digest_of([].into_iter());
        ClientTrust { verifier: None, hints: Vec::new(), anchors: Vec::new(), lists_end: None, digest }
    }

    /// Judges a chain, the client's own certificate first, at a time in seconds since 1970.
    pub fn judge(&self, chain: &[CertificateDer<'_>], unix_seconds: u64) -> Verdict {
        let Some((own, others)) = chain.split_first() else { return Verdict::None };
        let Some(verifier) = &self.verifier else { return Verdict::Invalid(CertificateFault::UnknownIssuer) };
        match verifier.verify_client_cert(own, others, unix_time(unix_seconds)) {
            Ok(_) => Verdict::Valid,
            Err(Rustls::InvalidCertificate(error)) => Verdict::Invalid(CertificateFault::of(&error)),
            Err(_) => Verdict::Invalid(CertificateFault::Other),
        }
    }

    /// What is known of the authorities.
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    /// When the first of the lists of revoked certificates is out of date, in seconds since 1970.
    pub fn lists_end(&self) -> Option<i64> {
        self.lists_end
    }
}

impl ClientAuth {
    /// Tells whether two policies are the same: kind, authorities and lists.
    pub(crate) fn digest(&self) -> [u8; digest::SHA256_OUTPUT_LEN] {
        let (kind, trust): (&[u8], _) = match self {
            ClientAuth::Off => return digest_of([].into_iter()),
            ClientAuth::Optional(trust) => (b"optional", trust),
            ClientAuth::Required(trust) => (b"required", trust),
            ClientAuth::Asked(trust) => (b"asked", trust),
        };
        digest_of([kind, &trust.digest].into_iter())
    }

    pub(crate) fn trust(&self) -> Option<&Arc<ClientTrust>> {
        match self {
            ClientAuth::Off => None,
            ClientAuth::Optional(trust) | ClientAuth::Required(trust) | ClientAuth::Asked(trust) => {
                Some(trust)
            }
        }
    }

    /// Whether a handshake with a certificate that does not hold fails.
    pub(crate) fn refuses(&self) -> bool {
        matches!(self, ClientAuth::Optional(_) | ClientAuth::Required(_))
    }

    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        match self.trust() {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(trust) => Arc::new(Gate { policy: self.clone(), trust: trust.clone() }),
        }
    }
}

/// The digest of a list of texts, each with its length, so that no two lists look alike.
pub(crate) fn digest_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn verifier(
    roots: &Arc<RootCertStore>,
    lists: Vec<CertificateRevocationListDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    WebPkiClientVerifier::builder_with_provider(roots.clone(), provider::provider())
        .with_crls(lists)
        .enforce_revocation_expiration()
        .build()
        .map_err(|error| error.to_string())
}

fn revocation_lists(
    texts: &[&[u8]],
    roots: &Arc<RootCertStore>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    const DER_SEQUENCE: u8 = 0x30;

    let mut lists: Vec<CertificateRevocationListDer<'static>> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let bad = || Error::BadRevocationList { number: index + 1 };
        let before = lists.len();
        if text.first() == Some(&DER_SEQUENCE) {
            lists.push(text.to_vec().into());
        } else {
            let blocks = pem::blocks(text).map_err(|_| bad())?;
            lists.extend(
                blocks
                    .iter()
                    .filter(|block| block.label == "X509 CRL")
                    .map(|block| block.der.to_vec().into()),
            );
        }
        // Each alone first, so that the message can say which one it is.
        if lists.len() == before || verifier(roots, lists[before..].to_vec()).is_err() {
            return Err(bad());
        }
    }
    Ok(lists)
}

/// What a host asks of its clients, as rustls wants it.
#[derive(Debug)]
struct Gate {
    policy: ClientAuth,
    trust: Arc<ClientTrust>,
}

impl ClientCertVerifier for Gate {
    fn client_auth_mandatory(&self) -> bool {
        matches!(self.policy, ClientAuth::Required(_))
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.trust.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Rustls> {
        if !self.policy.refuses() {
            // Judged when the handshake is done: see `Session`.
            return Ok(ClientCertVerified::assertion());
        }
        match &self.trust.verifier {
            Some(verifier) => verifier.verify_client_cert(end_entity, intermediates, now),
            None => Err(Rustls::InvalidCertificate(rustls::CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &provider::verification())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &provider::verification())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::verification().supported_schemes()
    }
}

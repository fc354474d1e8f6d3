//! TLS of a host: `/hosts/NAME/tls`.

use std::path::PathBuf;
use std::time::Duration;

/// `/hosts/NAME/tls`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// What the host proves itself by; never empty. Several differ in the kind of their key.
    pub certificates: Vec<TlsCertificate>,
    /// The oldest version of the protocol.
    pub minimum: TlsVersion,
    /// Whether clients are asked for a certificate.
    pub clients: ClientCertificates,
    /// Certificates of those who vouch for clients; always there unless `clients` is off.
    pub authorities: Option<PathBuf>,
    /// Lists of what these have called back.
    pub revoked: Vec<PathBuf>,
    /// Whether requests that come in without TLS are sent to the same place with it.
    pub redirect: bool,
    /// For how long browsers are to come with TLS only; `None` tells them nothing.
    pub hsts: Option<Duration>,
    /// JSON Pointer of the section.
    pub pointer: String,
}

/// `/hosts/NAME/tls/certificates/LABEL`.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsCertificate {
    /// The certificate and those that lead to its authority, in PEM.
    pub chain: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// An OCSP response about it, in DER.
    pub staple: Option<PathBuf>,
    /// JSON Pointer of the entry.
    pub pointer: String,
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not.
    Off,
    /// They are; one that they send must hold.
    Optional,
    /// They are, and there is no connection without one that holds.
    Required,
    /// They are, and requests without one that holds are answered with 403.
    Asked,
}

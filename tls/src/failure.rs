//! Why a connection cannot go on, by whose fault it is.

use std::fmt;

use rustls::{CertificateError, Error as Rustls};

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client, or who stands between.
    Client,
    /// The server or its operator.
    Server,
}

/// The end of a connection before its time. What the client is to be told about it has been appended to the output:
/// send that, then close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client speaks HTTP without TLS: nothing was written, so that it can be answered in plain text.
    PlainHttp,
    /// The client sends something that is not TLS.
    NotTls,
    /// The client asks for a name that is not served here, or for none where one is needed.
    UnknownName {
        /// The name; `None` when it gave none.
        name: Option<String>,
    },
    /// Client and server have no version, cipher suite, group, signature or protocol in common.
    Incompatible {
        /// What is missing.
        what: String,
    },
    /// The client breaks the protocol, or somebody has changed what it sent.
    Misbehaved {
        /// How.
        what: String,
    },
    /// The client sent more before the end of its handshake than an honest one could.
    TooMuch,
    /// The client has no certificate, or one that does not count.
    Certificate {
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// The client gives up.
    Refused {
        /// Its reason, in the terms of RFC 8446 6.
        alert: String,
    },
    /// The server cannot go on.
    Internal {
        /// Why.
        what: String,
    },
}

/// What is wrong with a client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// There is none.
    Missing,
    /// It cannot be read.
    Malformed,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Its authority has called it back.
    Revoked,
    /// No list says whether it was called back.
    RevocationUnknown,
    /// The list of its authority is out of date.
    RevocationListExpired,
    /// No known authority vouches for it.
    UnknownIssuer,
    /// A signature in its chain, or the client's own, is wrong or of a kind that is not taken.
    BadSignature,
    /// It is not meant for clients, or not for servers.
    WrongPurpose,
    /// A server's is for another name.
    WrongName,
    /// Something else.
    Other,
}

impl Failure {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Failure::Internal { .. } => Blame::Server,
            _ => Blame::Client,
        }
    }

    /// What is said about it where the other end is the server.
    pub fn about_server(&self) -> impl fmt::Display {
        AboutServer(self)
    }

    pub(crate) fn of(error: &Rustls) -> Failure {
        let what = error.to_string();
        match error {
            Rustls::PeerIncompatible(_) | Rustls::NoApplicationProtocol => Failure::Incompatible { what },
            Rustls::AlertReceived(alert) => Failure::Refused { alert: format!("{alert:?}") },
            Rustls::NoCertificatesPresented => Failure::Certificate { fault: CertificateFault::Missing },
            Rustls::InvalidCertificate(error) => Failure::Certificate { fault: CertificateFault::of(error) },
            Rustls::PeerMisbehaved(_)
            | Rustls::InvalidMessage(_)
            | Rustls::InappropriateMessage { .. }
            | Rustls::InappropriateHandshakeMessage { .. }
            | Rustls::DecryptError
            | Rustls::PeerSentOversizedRecord => Failure::Misbehaved { what },
            _ => Failure::Internal { what },
        }
    }
}

impl CertificateFault {
    pub(crate) fn of(error: &CertificateError) -> CertificateFault {
        match error {
            CertificateError::BadEncoding | CertificateError::UnhandledCriticalExtension => {
                CertificateFault::Malformed
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateFault::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                CertificateFault::NotYetValid
            }
            CertificateError::Revoked => CertificateFault::Revoked,
            CertificateError::UnknownRevocationStatus => CertificateFault::RevocationUnknown,
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => {
                CertificateFault::RevocationListExpired
            }
            CertificateError::UnknownIssuer => CertificateFault::UnknownIssuer,
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                CertificateFault::BadSignature
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                CertificateFault::WrongPurpose
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                CertificateFault::WrongName
            }
            _ => CertificateFault::Other,
        }
    }

    /// What is said about it, for logs and pages.
    pub fn text(self) -> &'static str {
        match self {
            CertificateFault::Missing => "no client certificate was sent",
            CertificateFault::Malformed => "the client certificate cannot be read",
            CertificateFault::Expired => "the client certificate has expired",
            CertificateFault::NotYetValid => "the client certificate is not valid yet",
            CertificateFault::Revoked => "the client certificate was revoked",
            CertificateFault::RevocationUnknown => "no revocation list covers the client certificate",
            CertificateFault::RevocationListExpired => "the revocation list of the issuer is out of date",
            CertificateFault::UnknownIssuer => "the issuer of the client certificate is not known",
            CertificateFault::BadSignature => "a signature of the client certificate is wrong",
            CertificateFault::WrongPurpose => "the client certificate is not meant for clients",
            CertificateFault::WrongName => "the client certificate is for another name",
            CertificateFault::Other => "the client certificate does not hold",
        }
    }
}

impl CertificateFault {
    /// The same of the certificate of a server.
    pub fn about_server(self) -> &'static str {
        match self {
            CertificateFault::Missing => "it has sent no certificate",
            CertificateFault::Malformed => "its certificate cannot be read",
            CertificateFault::Expired => "its certificate has expired",
            CertificateFault::NotYetValid => "its certificate is not valid yet",
            CertificateFault::Revoked => "its certificate was revoked",
            CertificateFault::RevocationUnknown => "no revocation list covers its certificate",
            CertificateFault::RevocationListExpired => "the revocation list of its issuer is out of date",
            CertificateFault::UnknownIssuer => "no known authority vouches for its certificate",
            CertificateFault::BadSignature => "a signature of its certificate is wrong",
            CertificateFault::WrongPurpose => "its certificate is not meant for servers",
            CertificateFault::WrongName => "its certificate is for another name",
            CertificateFault::Other => "its certificate does not hold",
        }
    }
}

/// What has failed where the other end is the server.
struct AboutServer<'f>(&'f Failure);

impl fmt::Display for AboutServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Failure::PlainHttp | Failure::NotTls => f.write_str("it does not speak TLS"),
            Failure::UnknownName { .. } => f.write_str("it does not know the name"),
            Failure::Incompatible { what } => write!(f, "both have too little in common: {what}"),
            Failure::Misbehaved { what } => write!(f, "it breaks the protocol: {what}"),
            Failure::TooMuch => f.write_str("its handshake is larger than an honest one could be"),
            Failure::Certificate { fault } => f.write_str(fault.about_server()),
            Failure::Refused { alert } => write!(f, "it gave up with the alert {alert}"),
            Failure::Internal { what } => write!(f, "TLS cannot go on: {what}"),
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::PlainHttp => f.write_str("the client speaks plain HTTP where TLS is spoken"),
            Failure::NotTls => f.write_str("the client does not speak TLS"),
            Failure::UnknownName { name: Some(name) } => {
                write!(f, "the client asks for {name:?}, unknown here")
            }
            Failure::UnknownName { name: None } => {
                f.write_str("the client does not say for which host it comes")
            }
            Failure::Incompatible { what } => {
                write!(f, "client and server have too little in common: {what}")
            }
            Failure::Misbehaved { what } => write!(f, "the client breaks the protocol: {what}"),
            Failure::TooMuch => f.write_str("the client's handshake is larger than an honest one could be"),
            Failure::Certificate { fault } => fault.fmt(f),
            Failure::Refused { alert } => write!(f, "the client gave up with the alert {alert}"),
            Failure::Internal { what } => write!(f, "TLS cannot go on: {what}"),
        }
    }
}

impl std::error::Error for Failure {}

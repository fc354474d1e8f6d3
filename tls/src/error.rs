//! What is wrong with what this crate was handed: certificates, keys, lists. The operator's, therefore.

use std::fmt;

use crate::limits::{
    ANCHORS_MAX, CERTIFICATES_PER_HOST_MAX, CHAIN_MAX, PEM_BYTES_MAX, STAPLE_BYTES_MAX, TICKET_KEYS_MAX,
};

/// Errors of this crate. Each message is `cause: cure`; which file it is about is the caller's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A text is too large to be certificates or a key.
    TextTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A line is not PEM.
    Pem {
        /// The line, from 1.
        line: usize,
    },
    /// A block has no end.
    PemUnfinished {
        /// The line of its beginning, from 1.
        line: usize,
    },
    /// There is no certificate in the text.
    NoCertificate,
    /// There are more certificates than a chain has.
    ChainTooLong {
        /// How many.
        certificates: usize,
    },
    /// A block says that it is a certificate, and is none.
    BadCertificate {
        /// The line of its beginning, from 1.
        line: usize,
    },
    /// There is no private key in the text.
    NoKey,
    /// There are several private keys in the text.
    SeveralKeys,
    /// A private key is locked with a passphrase.
    KeyEncrypted {
        /// The line of its beginning, from 1.
        line: usize,
    },
    /// A private key is broken, or of a kind that cannot be used.
    BadKey,
    /// A host has no certificate.
    NothingForHost,
    /// A host has too many certificates.
    TooManyForHost {
        /// How many.
        certificates: usize,
    },
    /// A private key belongs to another certificate.
    KeyMismatch,
    /// An OCSP response is too large, or is none.
    BadStaple,
    /// A text with authorities for client certificates has none.
    NoAnchor,
    /// There are too many authorities for client certificates.
    TooManyAnchors {
        /// How many.
        anchors: usize,
    },
    /// A list of revoked certificates is broken.
    BadRevocationList {
        /// Which of the lists, from 1.
        number: usize,
    },
    /// A name is served by two hosts.
    NameTwice {
        /// The name.
        name: String,
    },
    /// A name is empty or has a `*` somewhere else than as its first label.
    BadName {
        /// The name.
        name: String,
    },
    /// The host for all other names does not exist. The caller's.
    NoSuchHost {
        /// The number that was given.
        host: usize,
    },
    /// There are no ticket keys, or too many. The caller's.
    TicketKeys {
        /// How many.
        keys: usize,
    },
    /// The cryptography refuses the settings. Ours.
    Settings {
        /// What it says.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TextTooLarge { bytes } => write!(
                f,
                "{bytes} bytes are more than the {PEM_BYTES_MAX} that are read: name a file with PEM text only"
            ),
            Error::Pem { line } => {
                write!(f, "line {line} is not PEM: copy the block again, from BEGIN to the END of the same name")
            }
            Error::PemUnfinished { line } => {
                write!(f, "the block that begins in line {line} has no END: the file is cut off, copy it again")
            }
            Error::NoCertificate => f.write_str(
                "there is no certificate in it: it must have a PEM block CERTIFICATE, the host's own first",
            ),
            Error::ChainTooLong { certificates } => write!(
                f,
                "{certificates} certificates are more than the {CHAIN_MAX} that a chain may have: give the host's \
                 own and its intermediates, not a bundle of authorities"
            ),
            Error::BadCertificate { line } => {
                write!(f, "the certificate that begins in line {line} is broken: copy it again")
            }
            Error::NoKey => f.write_str(
                "there is no private key in it: it must have a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC \
                 PRIVATE KEY",
            ),
            Error::SeveralKeys => f.write_str("there are several private keys in it: leave one"),
            Error::KeyEncrypted { line } => write!(
                f,
                "the block that begins in line {line} is locked with a passphrase: unlock it with `openssl pkey \
                 -in KEY -out UNLOCKED` and keep the result readable by root only"
            ),
            Error::BadKey => f.write_str(
                "the private key is broken or of a kind that cannot be used: make an ECDSA P-256 or an RSA key of \
                 2048 bits",
            ),
            Error::NothingForHost => {
                f.write_str("a host with TLS has no certificate: give it a certificate and its key")
            }
            Error::TooManyForHost { certificates } => write!(
                f,
                "a host has {certificates} certificates, more than {CERTIFICATES_PER_HOST_MAX}: one for each kind \
                 of key is enough"
            ),
            Error::KeyMismatch => f.write_str(
                "the private key does not belong to the certificate: name the key that the certificate was \
                 requested with, and have the host's own certificate first in its file",
            ),
            Error::BadStaple => write!(
                f,
                "the OCSP response is not DER of at most {STAPLE_BYTES_MAX} bytes: fetch it again with `openssl \
                 ocsp -respout`"
            ),
            Error::NoAnchor => f.write_str(
                "there is no certificate authority in it: give the PEM of those whose clients are let in",
            ),
            Error::TooManyAnchors { anchors } => write!(
                f,
                "{anchors} certificate authorities are more than {ANCHORS_MAX}: give only those whose clients are \
                 let in"
            ),
            Error::BadRevocationList { number } => write!(
                f,
                "list {number} of revoked certificates is broken: fetch it again; it must be a version 2 CRL in \
                 PEM or DER"
            ),
            Error::NameTwice { name } => {
                write!(f, "the name \"{name}\" is served by two hosts: give it to one of them")
            }
            Error::BadName { name } => {
                write!(f, "\"{name}\" cannot be a host's name: write it like example.org or *.example.org")
            }
            Error::NoSuchHost { host } => {
                write!(f, "there is no host {host} for all other names: give the number of one that exists")
            }
            Error::TicketKeys { keys } => {
                write!(f, "{keys} ticket keys were given: give between 1 and {TICKET_KEYS_MAX}")
            }
            Error::Settings { reason } => {
                write!(f, "the TLS library refuses the settings ({reason}): this is a fault of the server, report it")
            }
        }
    }
}

impl std::error::Error for Error {}

//! TLS for a server and its operator: configuration by names, certificates of both sides, tickets. Bytes in, bytes out.
//!
//! - [`Hosts`] is all that is served on an address, made from parts that were handed in as bytes ([`Chain`],
//!   [`PrivateKey`], [`ClientTrust`], [`TicketKeys`]); it never changes, so shards share it.
//! - [`Handshake`] takes a connection from its first byte to a [`Session`]; both turn ciphertext into plaintext
//!   and back and know no socket, no file and no clock.
//! - [`Client`] is the other side, for commands to a server that is far away; [`sign`] shows whose a certificate is.
//! - [`problems`] says what is wrong with certificates before clients do.
//!
//! This is the only crate that names rustls and its cryptography.

#![forbid(unsafe_code)]

mod certificate;
mod chain;
mod check;
mod client;
mod client_auth;
mod clock;
mod der;
mod error;
mod failure;
pub mod fuzzing;
mod handshake;
mod hosts;
mod key;
pub mod limits;
mod name;
mod ocsp;
mod outward;
mod pem;
mod provider;
mod records;
mod session;
mod signature;
mod tickets;
mod time;

pub use certificate::{AlternativeName, Certificate, KeyKind};
pub use chain::{Chain, Credential};
pub use check::{Problem, Severity, problems};
pub use client::{Client, ServerTrust};
pub use client_auth::{ClientAuth, ClientCertificate, ClientTrust, Verdict};
pub use clock::Clock;
pub use error::Error;
pub use failure::{Blame, CertificateFault, Failure};
pub use handshake::{Handshake, Progress};
pub use hosts::{Host, Hosts, Otherwise, Settings, Versions};
pub use key::PrivateKey;
pub use outward::{Outward, Trust};
pub use session::{Kind, Received, Session, Version};
pub use signature::{Signed, sign};
pub use tickets::{TicketKey, TicketKeys};

/// What a key that lives elsewhere has to be ([`PrivateKey::elsewhere`]).
pub use rustls::sign::{Signer, SigningKey};
/// What [`Signer`] and [`SigningKey`] speak of.
pub use rustls::{Error as SigningError, SignatureAlgorithm, SignatureScheme};
/// The public half of a [`SigningKey`], and text that is wiped after use.
pub use {rustls::pki_types::SubjectPublicKeyInfoDer, zeroize::Zeroizing};

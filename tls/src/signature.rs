//! Signatures of our own, outside of handshakes: somebody shows that a certificate is theirs.

use crate::chain::Chain;
use crate::error::Error;
use crate::key::PrivateKey;
use rustls::SignatureScheme;

/// A signature, and by which scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The number of the scheme in TLS 1.3 (RFC 8446 4.2.3).
    pub scheme: u16,
    /// The signature.
    pub signature: Vec<u8>,
}

/// The schemes of TLS 1.3, the best first.
const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
];

/// The holder's own certificate of `chain`, in DER, and what `key` makes of `message`.
///
/// # Errors
/// [`Error::BadKey`] for a key that knows no scheme of [`SCHEMES`] or fails, [`Error::KeyMismatch`] for one of another
/// certificate.
pub fn sign(chain: Chain, key: &PrivateKey, message: &[u8]) -> Result<(Vec<u8>, Signed), Error> {
    let certificate = chain.own_der().to_vec();
    crate::chain::Credential::new(chain, key)?;
    let signer = key.signing().choose_scheme(SCHEMES).ok_or(Error::BadKey)?;
    let signature = signer.sign(message).map_err(|_| Error::BadKey)?;
    Ok((certificate, Signed { scheme: signer.scheme().into(), signature }))
}

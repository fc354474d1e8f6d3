//! Private keys. Every signature of the server goes through [`PrivateKey`], so that a key can also live elsewhere.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::pem;
use crate::provider;

/// A key to sign handshakes with.
#[derive(Clone, Debug)]
pub struct PrivateKey {
    signing: Arc<dyn SigningKey>,
}

impl PrivateKey {
    /// Reads a PEM text with one key in PKCS#8, PKCS#1 (RSA) or SEC1 (EC). The text is wiped, and so is all that was
    /// made of it on the way; what the cryptography keeps is wiped when the key is dropped.
    ///
    /// # Errors
    /// The text is not PEM, has no key or several, or one that is broken, locked, or of another kind than RSA,
    /// ECDSA on P-256, P-384 or P-521, and Ed25519.
    pub fn from_pem(text: Zeroizing<Vec<u8>>) -> Result<PrivateKey, Error> {
        let blocks = pem::blocks(&text)?;
        drop(text);
        let mut key = None;
        for mut block in blocks {
            let der = std::mem::take(&mut *block.der);
            let parsed = match block.label.as_str() {
                "PRIVATE KEY" => PrivateKeyDer::Pkcs8(der.into()),
                "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.into()),
                "EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.into()),
                "ENCRYPTED PRIVATE KEY" => return Err(Error::KeyEncrypted { line: block.line }),
                _ => continue,
            };
            let first = key.replace(Wiped(parsed)).is_none();
            if !first {
                return Err(Error::SeveralKeys);
            }
        }
        let key = key.ok_or(Error::NoKey)?;
        let signing = provider::signing_key(&key.0).ok_or(Error::BadKey)?;
        Ok(PrivateKey { signing })
    }

    /// A key that signs somewhere else. Signing is part of a handshake and is waited for.
    pub fn elsewhere(signing: Arc<dyn SigningKey>) -> PrivateKey {
        PrivateKey { signing }
    }

    /// What signs: for whoever signs outside of handshakes, or wants to know how fast it is.
    pub fn signing(&self) -> &Arc<dyn SigningKey> {
        &self.signing
    }
}

/// A key in DER that leaves nothing behind.
struct Wiped(PrivateKeyDer<'static>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::{INTEGER, OCTET_STRING, Reader, SEQUENCE};

    fn parse(text: &str) -> Result<PrivateKey, Error> {
        PrivateKey::from_pem(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn block(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    #[test]
    fn texts_without_a_usable_key() {
        let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        let cases = [
            (String::new(), Error::NoKey),
            (block("CERTIFICATE", "Zg=="), Error::NoKey),
            (block("PRIVATE KEY", "Zg=="), Error::BadKey),
            (block("RSA PRIVATE KEY", "Zg=="), Error::BadKey),
            (block("EC PRIVATE KEY", ""), Error::BadKey),
            (block("ENCRYPTED PRIVATE KEY", "Zg=="), Error::KeyEncrypted { line: 1 }),
            (format!("{key}{key}"), Error::SeveralKeys),
        ];
        for (text, error) in cases {
            assert_eq!(parse(&text).err(), Some(error), "{text}");
        }
        assert!(parse(&key).is_ok());
    }

    /// What a PKCS#8 key holds: PKCS#1 or SEC1.
    fn inner(pkcs8: &[u8]) -> Vec<u8> {
        let mut reader = Reader::new(pkcs8).expect(SEQUENCE).expect("PKCS#8").inside();
        reader.expect(INTEGER).and_then(|_| reader.expect(SEQUENCE)).expect("PKCS#8");
        reader.expect(OCTET_STRING).expect("PKCS#8").value.to_vec()
    }

    #[test]
    fn every_form_of_a_key() {
        let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        let rsa = rsa.expect("a key").serialize_der();
        let ecdsa = rcgen::KeyPair::generate().expect("a key").serialize_der();
        let cases = [
            ("PRIVATE KEY", rsa.clone()),
            ("RSA PRIVATE KEY", inner(&rsa)),
            ("PRIVATE KEY", ecdsa.clone()),
            ("EC PRIVATE KEY", sec1(&inner(&ecdsa))),
        ];
        for (label, der) in cases {
            let text = ::pem::encode(&::pem::Pem::new(label, der));
            // The way openssl writes the curve of a SEC1 key, and a certificate beside it, do not matter.
            let text = format!(
                "{}{text}{}",
                block("EC PARAMETERS", "BggqhkjOPQMBBw=="),
                block("CERTIFICATE", "Zg==")
            );
            assert!(parse(&text).is_ok(), "{text}");
        }
    }

    /// In PKCS#8 the curve stands outside; alone, a SEC1 key has to name it: `[0] { OID P-256 }` before its public
    /// half.
    fn sec1(inner: &[u8]) -> Vec<u8> {
        const CURVE: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

        let mut reader = Reader::new(inner).expect(SEQUENCE).expect("SEC1").inside();
        let version = reader.expect(INTEGER).expect("SEC1").whole;
        let secret = reader.expect(OCTET_STRING).expect("SEC1").whole;
        let public = reader.any().map(|public| public.whole).unwrap_or_default();
        let value = [version, secret, &CURVE, public].concat();
        [&[SEQUENCE, u8::try_from(value.len()).expect("short")], value.as_slice()].concat()
    }
}

//! What is known of a certificate (RFC 5280): read once, by a reader that takes any bytes.

use std::net::IpAddr;

use aws_lc_rs::digest;

use crate::der::{self, Element, Reader};
use crate::limits::NAMES_MAX;
use crate::name::{self, hex};
use crate::time;

/// The facts of a certificate. They are what it says, not what is true: whether anybody vouches for it is the
/// business of a [`Verdict`](crate::Verdict).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The holder, as RFC 4514 writes it: `CN=Jane,O=Example`. May be empty.
    pub subject: String,
    /// Who signed it, as RFC 4514 writes it.
    pub issuer: String,
    /// Serial number in lower-case hexadecimal digits.
    pub serial: String,
    /// First second of its life, since 1970.
    pub not_before: i64,
    /// Last second of its life, since 1970.
    pub not_after: i64,
    /// Alternative names, as they stand there.
    pub names: Vec<AlternativeName>,
    /// SHA-256 of the whole certificate in lower-case hexadecimal digits.
    pub fingerprint: String,
    /// What it certifies.
    pub key: KeyKind,
    /// Whether it may sign other certificates.
    pub authority: bool,
    /// Whether it was signed over SHA-1 or MD5.
    pub weak_signature: bool,
    pub(crate) subject_der: Vec<u8>,
    pub(crate) issuer_der: Vec<u8>,
}

/// Another name of the holder (RFC 5280 4.2.1.6). Kinds that nothing here needs are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A host, perhaps with `*.` in front; lower case.
    Dns(String),
    /// A mailbox.
    Email(String),
    /// A URI, for instance a SPIFFE identity.
    Uri(String),
    /// An address.
    Address(IpAddr),
}

/// A public key by its kind and strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the bits of its modulus.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// Another one, which this server cannot use.
    Other,
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const CURVE_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const CURVE_P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
const CURVE_P521: &[u8] = &[0x2b, 0x81, 4, 0, 35];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];

/// Signatures over MD5 or SHA-1: with RSA, with ECDSA, with DSA.
const WEAK_SIGNATURES: &[&[u8]] = &[
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
    &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3],
];

impl Certificate {
    /// Reads a certificate in DER. `None` when it is broken.
    pub fn from_der(bytes: &[u8]) -> Option<Certificate> {
        let mut outer = Reader::new(bytes);
        let mut certificate = outer.expect(der::SEQUENCE)?.inside();
        let mut body = certificate.expect(der::SEQUENCE)?.inside();
        if !outer.is_empty() {
            return None;
        }
        body.optional(der::context(0));
        let serial = hex(body.expect(der::INTEGER)?.value);
        let signature = body.expect(der::SEQUENCE)?.inside().expect(der::OID)?.value;
        let issuer = body.expect(der::SEQUENCE)?;
        let mut validity = body.expect(der::SEQUENCE)?.inside();
        let subject = body.expect(der::SEQUENCE)?;
        let key = key_kind(&body.expect(der::SEQUENCE)?)?;
        let extensions = Extensions::read(body)?;
        Some(Certificate {
            subject: name::text(&subject)?,
            issuer: name::text(&issuer)?,
            serial,
            not_before: time::seconds(&validity.any()?)?,
            not_after: time::seconds(&validity.any()?)?,
            names: extensions.names,
            fingerprint: hex(digest::digest(&digest::SHA256, bytes).as_ref()),
            key,
            authority: extensions.authority,
            weak_signature: WEAK_SIGNATURES.contains(&signature),
            subject_der: subject.whole.to_vec(),
            issuer_der: issuer.whole.to_vec(),
        })
    }

    /// Whether the holder vouches for itself.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether a host of this name can be served with it: as RFC 9525 6.3 compares, where `*` stands for exactly
    /// one label, or the pattern of a host that is itself a wildcard.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        self.names.iter().any(|name| match name {
            AlternativeName::Dns(pattern) => *pattern == host || wildcard_covers(pattern, &host),
            AlternativeName::Address(own) => Some(*own) == address,
            AlternativeName::Email(_) | AlternativeName::Uri(_) => false,
        })
    }
}

fn wildcard_covers(pattern: &str, host: &str) -> bool {
    let Some(below) = pattern.strip_prefix("*.") else { return false };
    host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && label != "*" && rest == below)
}

fn key_kind(info: &Element<'_>) -> Option<KeyKind> {
    let mut info = info.inside();
    let mut algorithm = info.expect(der::SEQUENCE)?.inside();
    let key = info.expect(der::BIT_STRING)?.value;
    Some(match algorithm.expect(der::OID)?.value {
        RSA => KeyKind::Rsa { bits: modulus_bits(key)? },
        EC => match algorithm.any()?.value {
            CURVE_P256 => KeyKind::P256,
            CURVE_P384 => KeyKind::P384,
            CURVE_P521 => KeyKind::P521,
            _ => KeyKind::Other,
        },
        ED25519 => KeyKind::Ed25519,
        _ => KeyKind::Other,
    })
}

fn modulus_bits(key: &[u8]) -> Option<usize> {
    // The first byte of a bit string counts the bits at its end that are not used.
    let mut reader = Reader::new(key.get(1..)?).expect(der::SEQUENCE)?.inside();
    let modulus = reader.expect(der::INTEGER)?.value;
    let zeros = modulus.iter().take_while(|&&byte| byte == 0).count();
    let (first, rest) = modulus[zeros..].split_first()?;
    Some(rest.len() * 8 + (u8::BITS - first.leading_zeros()) as usize)
}

/// The extensions that matter here.
#[derive(Default)]
struct Extensions {
    names: Vec<AlternativeName>,
    authority: bool,
}

impl Extensions {
    /// `body` stands behind the public key.
    fn read(mut body: Reader<'_>) -> Option<Extensions> {
        let mut extensions = Extensions::default();
        while !body.is_empty() {
            let element = body.any()?;
            if element.tag != der::context(3) {
                continue;
            }
            let mut list = element.inside().expect(der::SEQUENCE)?.inside();
            while !list.is_empty() {
                extensions.take(list.expect(der::SEQUENCE)?.inside())?;
            }
        }
        Some(extensions)
    }

    fn take(&mut self, mut extension: Reader<'_>) -> Option<()> {
        let kind = extension.expect(der::OID)?.value;
        extension.optional(der::BOOLEAN);
        let mut value = Reader::new(extension.expect(der::OCTET_STRING)?.value);
        match kind {
            SUBJECT_ALTERNATIVE_NAME => {
                self.names = alternative_names(value.expect(der::SEQUENCE)?.inside())?;
            }
            BASIC_CONSTRAINTS => {
                let flag = value.expect(der::SEQUENCE)?.inside().optional(der::BOOLEAN);
                self.authority = flag.is_some_and(|flag| flag.value != [0]);
            }
            _ => {}
        }
        Some(())
    }
}

fn alternative_names(mut list: Reader<'_>) -> Option<Vec<AlternativeName>> {
    const EMAIL: u8 = der::context_primitive(1);
    const DNS: u8 = der::context_primitive(2);
    const URI: u8 = der::context_primitive(6);
    const ADDRESS: u8 = der::context_primitive(7);

    let mut names = Vec::new();
    while !list.is_empty() {
        let element = list.any()?;
        let text = || str::from_utf8(element.value).ok().map(str::to_owned);
        let name = match element.tag {
            EMAIL => AlternativeName::Email(text()?),
            DNS => AlternativeName::Dns(text()?.to_ascii_lowercase()),
            URI => AlternativeName::Uri(text()?),
            ADDRESS => AlternativeName::Address(address(element.value)?),
            _ => continue,
        };
        if names.len() == NAMES_MAX {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// When a list of revoked certificates (RFC 5280 5.1) in DER ends, in seconds since 1970. `None` when it does not
/// say, or is broken.
pub(crate) fn crl_next_update(bytes: &[u8]) -> Option<i64> {
    let mut list = Reader::new(bytes).expect(der::SEQUENCE)?.inside().expect(der::SEQUENCE)?.inside();
    list.optional(der::INTEGER);
    list.expect(der::SEQUENCE)?;
    list.expect(der::SEQUENCE)?;
    time::seconds(&list.any()?)?;
    time::seconds(&list.any()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str], change: impl FnOnce(&mut rcgen::CertificateParams)) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = rcgen::KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn facts() {
        let der = certificate(&["Example.org", "*.example.org", "192.0.2.1", "2001:db8::1"], |params| {
            params.not_before = rcgen::date_time_ymd(2020, 2, 29);
            params.not_after = rcgen::date_time_ymd(2060, 1, 1);
            params.serial_number = Some(rcgen::SerialNumber::from(vec![0x01, 0xab]));
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example, Inc.");
            params.distinguished_name.push(rcgen::DnType::CommonName, "x");
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        });
        let facts = Certificate::from_der(&der).expect("facts");
        assert_eq!(facts.subject, "CN=x,O=Example\\, Inc.");
        assert_eq!(facts.issuer, facts.subject);
        assert!(facts.is_self_issued() && facts.authority && !facts.weak_signature);
        assert_eq!((facts.serial.as_str(), facts.key), ("01ab", KeyKind::P256));
        assert_eq!((facts.not_before, facts.not_after), (1_582_934_400, 2_840_140_800));
        assert_eq!(facts.fingerprint.len(), 64);
        let hosts = [
            ("example.org", true),
            ("EXAMPLE.org", true),
            ("a.example.org", true),
            ("*.example.org", true),
            ("a.b.example.org", false),
            (".example.org", false),
            ("example.com", false),
            ("192.0.2.1", true),
            ("[2001:db8::1]", true),
            ("192.0.2.2", false),
        ];
        for (host, covered) in hosts {
            assert_eq!(facts.covers(host), covered, "{host}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_taken_calmly() {
        let der = certificate(&["example.org"], |_| {});
        for end in 0..der.len() {
            assert_eq!(Certificate::from_der(&der[..end]), None, "cut at {end}");
        }
        for index in 0..der.len() {
            for bit in 0..8 {
                let mut changed = der.clone();
                changed[index] ^= 1 << bit;
                // Whatever comes out: not this certificate.
                let facts = Certificate::from_der(&changed);
                assert_ne!(facts, Certificate::from_der(&der), "byte {index} bit {bit}");
            }
        }
    }
}

//! Certificates of those who command: known by their SHA-256, so that nobody has to vouch for them.

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use sha2::{Digest, Sha256};
use webpki::aws_lc_rs::{ECDSA_P256_SHA256, ECDSA_P384_SHA384, ED25519, RSA_PSS_2048_8192_SHA256_LEGACY_KEY};

/// Names with the SHA-256 of their certificates.
#[derive(Default)]
pub struct Certificates {
    known: Vec<(String, [u8; 32])>,
}

/// What somebody shows to prove that a certificate is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'s> {
    /// The certificate, in DER.
    pub certificate: &'s [u8],
    /// The number of the signature's scheme in TLS 1.3 (RFC 8446 4.2.3).
    pub scheme: u16,
    /// The signature.
    pub signature: &'s [u8],
}

/// The scheme of that number (RFC 8446 4.2.3), if it is one that is taken.
fn algorithm(scheme: u16) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    match scheme {
        0x0403 => Some(ECDSA_P256_SHA256),
        0x0503 => Some(ECDSA_P384_SHA384),
        0x0804 => Some(RSA_PSS_2048_8192_SHA256_LEGACY_KEY),
        0x0807 => Some(ED25519),
        _ => None,
    }
}

impl Certificates {
    /// All of `entries`.
    pub fn new(entries: impl IntoIterator<Item = (String, [u8; 32])>) -> Self {
        Self { known: entries.into_iter().collect() }
    }

    /// The name of the holder, if the certificate is known, in force `now` (seconds since 1970), and its key has signed
    /// `message`.
    #[must_use]
    pub fn ask(&self, shown: &Shown<'_>, message: &[u8], now: i64) -> Option<&str> {
        // Before anything else: what is not known is not read at all.
        let digest: [u8; 32] = Sha256::digest(shown.certificate).into();
        let (name, _) = self.known.iter().find(|(_, known)| *known == digest)?;
        let (begin, end) = validity(shown.certificate)?;
        let algorithm = algorithm(shown.scheme)?;
        let der = CertificateDer::from(shown.certificate);
        let certificate = webpki::EndEntityCert::try_from(&der).ok()?;
        let signed = certificate.verify_signature(algorithm, message, shown.signature).is_ok();
        (signed && begin <= now && now <= end).then_some(name.as_str())
    }
}

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// RFC 5280 4.1: the version, which may be missing.
const VERSION: u8 = 0xa0;

/// First and last second of a certificate's life, since 1970 (RFC 5280 4.1).
fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, outer, _) = element(certificate)?;
    let (_, mut inside, _) = element(outer)?;
    if inside.first() == Some(&VERSION) {
        inside = element(inside)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        inside = element(inside)?.2;
    }
    let (tag, validity, _) = element(inside)?;
    if tag != SEQUENCE {
        return None;
    }
    let (tag, begin, rest) = element(validity)?;
    let begin = seconds(tag, begin)?;
    let (tag, end, _) = element(rest)?;
    Some((begin, seconds(tag, end)?))
}

/// The first element of DER: tag, value, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // X.690 8.1.3.5: so many bytes of length follow; four say more than any certificate has.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |len, &digit| len << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(len)?;
    Some((tag, value, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, the only two forms that RFC 5280 4.1.2.5 allows, in seconds since 1970.
fn seconds(tag: u8, value: &[u8]) -> Option<i64> {
    let digits = value.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |sum, &digit| sum * 10 + i64::from(digit - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        // RFC 5280 4.1.2.5.1: 50 and above are of the last century.
        (UTC_TIME, 12) => (number(&digits[..2]), &digits[2..]),
        (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let year = match (tag, year) {
        (UTC_TIME, 0..50) => year + 2000,
        (UTC_TIME, _) => year + 1900,
        _ => year,
    };
    let mut pairs = rest.chunks(2).map(number);
    let [month, day, hour, minute, second] = std::array::from_fn(|_| pairs.next().unwrap_or_default());
    let possible =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    possible.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970 to a date of the Gregorian calendar, counted in years that begin with March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March on have 31, 30, 31, 30, 31 days, again and again.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SigningKey, date_time_ymd};

    /// 2026-06-01.
    const NOW: i64 = 1_780_272_000;
    const YEAR: i64 = 365 * 86_400;

    struct Holder {
        certificate: Vec<u8>,
        key: KeyPair,
    }

    fn holder(algorithm: &'static rcgen::SignatureAlgorithm) -> Holder {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        Holder { certificate: params.self_signed(&key).unwrap().der().to_vec(), key }
    }

    #[test]
    fn holders_are_known_by_their_signature() {
        let anna = holder(&rcgen::PKCS_ECDSA_P256_SHA256);
        let otto = holder(&rcgen::PKCS_ECDSA_P256_SHA256);
        let edda = holder(&rcgen::PKCS_ED25519);
        let entry =
            |name: &str, holder: &Holder| (name.to_owned(), Sha256::digest(&holder.certificate).into());
        let known = Certificates::new([entry("anna", &anna), entry("edda", &edda)]);
        let right = anna.key.sign(b"stop").unwrap();
        let edda_right = edda.key.sign(b"stop").unwrap();
        let foreign = otto.key.sign(b"stop").unwrap();
        let mut broken = right.clone();
        *broken.last_mut().unwrap() ^= 1;
        for (what, holder, scheme, signature, message, now, wanted) in [
            ("right", &anna, 0x0403, right.as_slice(), b"stop".as_slice(), NOW, Some("anna")),
            ("right, another scheme", &edda, 0x0807, &edda_right, b"stop", NOW, Some("edda")),
            ("another message", &anna, 0x0403, &right, b"status", NOW, None),
            ("a broken signature", &anna, 0x0403, &broken, b"stop", NOW, None),
            ("no signature", &anna, 0x0403, b"", b"stop", NOW, None),
            ("the signature of somebody else", &anna, 0x0403, &foreign, b"stop", NOW, None),
            ("a certificate that nobody knows", &otto, 0x0403, &foreign, b"stop", NOW, None),
            ("the scheme of another key", &anna, 0x0807, &right, b"stop", NOW, None),
            ("no scheme", &anna, 0, &right, b"stop", NOW, None),
            ("not yet in force", &anna, 0x0403, &right, b"stop", NOW - YEAR, None),
            ("no longer in force", &anna, 0x0403, &right, b"stop", NOW + YEAR, None),
        ] {
            let shown = Shown { certificate: &holder.certificate, scheme, signature };
            assert_eq!(known.ask(&shown, message, now), wanted, "{what}");
        }
    }

    #[test]
    fn what_is_no_certificate_lets_nobody_in() {
        let whole = holder(&rcgen::PKCS_ECDSA_P256_SHA256).certificate;
        assert_eq!(validity(&whole), Some((1_767_225_600, 1_798_761_600)));
        // Known by mistake: also then it has to be one.
        for len in 0..whole.len() {
            let cut = &whole[..len];
            let known = Certificates::new([("anna".to_owned(), Sha256::digest(cut).into())]);
            let shown = Shown { certificate: cut, scheme: 0x0403, signature: b"" };
            assert_eq!(known.ask(&shown, b"", NOW), None, "{len}");
        }
    }

    #[test]
    fn times() {
        for (tag, text, wanted) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (UTC_TIME, "20500101000000Z", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "70010100000xZ", None),
            (UTC_TIME, "700101000000", None),
            (GENERALIZED_TIME, "", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), wanted, "{text}");
        }
    }
}

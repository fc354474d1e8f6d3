//! What is found wrong with certificates before clients find it.

use std::sync::Arc;

use rcgen::{BasicConstraints, IsCa, date_time_ymd};
use tls::{Chain, ClientAuth, ClientTrust, Credential, Error, Problem, Severity, fuzzing, problems};

mod common;
use common::*;

const DAY: i64 = 24 * 60 * 60;

fn now() -> i64 {
    i64::try_from(NOW).expect("this century")
}

/// What is wrong with a host `a.test` that has this chain, each found by a part of its message.
fn check(chain: &str, holder: &Holder, expected: &[(Severity, &str)]) {
    let chain = Chain::from_pem(chain.as_bytes()).expect("a chain");
    let key = private_key(&holder.key.serialize_pem());
    let credential = Credential::new(chain, &key).expect("a key that fits");
    let found = problems(&host(&["a.test"], vec![credential], ClientAuth::Off), now());
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (problem, (severity, part)) in found.iter().zip(expected) {
        let message = problem.to_string();
        assert!(message.contains(part) && message.contains(": "), "{part}: {message}");
        assert_eq!(problem.severity(), *severity, "{message}");
    }
}

#[test]
fn chains() {
    let root = Authority::new("root");
    let (middle, other) = (root.below("middle"), root.below("other"));
    let low = middle.below("low");
    let holder = low.host(&["a.test"], Algorithm::P256);
    let direct = root.host(&["a.test"], Algorithm::P256);
    let chain = |parts: &[&str]| parts.concat();
    let error = |part| (Severity::Error, part);
    let warning = |part| (Severity::Warning, part);
    let own = holder.chain.as_str();

    check(&chain(&[own, &low.pem, &middle.pem]), &holder, &[]);
    check(own, &holder, &[]);
    check(&direct.chain, &direct, &[]);
    let with_root = chain(&[own, &low.pem, &middle.pem, &root.pem]);
    check(&with_root, &holder, &[warning("root CN=root")]);
    let swapped = chain(&[own, &middle.pem, &low.pem]);
    check(
        &swapped,
        &holder,
        &[error("a.test is not followed by that of its issuer CN=low"), error("CN=middle is")],
    );
    let broken = chain(&[own, &other.pem]);
    check(&broken, &holder, &[error("followed by that of CN=other, but was issued by CN=low")]);
    let leaf_twice = chain(&[own, own]);
    check(&leaf_twice, &holder, &[error("is followed by"), error("is not that of an authority")]);
}

#[test]
fn times_names_and_kinds() {
    let root = Authority::new("root");
    let signed = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let mut params = params("a.test", &["a.test"]);
        change(&mut params);
        root.sign(&params, key(Algorithm::P256))
    };
    let until = |month, day| signed(&|params| params.not_after = date_time_ymd(2026, month, day));
    let error = |part| (Severity::Error, part);
    let warning = |part| (Severity::Warning, part);
    let cases = [
        (until(6, 15), None),
        (until(6, 14), Some(warning("expires in 13 days"))),
        (until(6, 1), Some(warning("expires in 0 days"))),
        (until(5, 31), Some(error("has expired on 2026-05-31"))),
        (
            signed(&|params| params.not_before = date_time_ymd(2026, 6, 2)),
            Some(error("not valid before 2026-06-02")),
        ),
        (
            signed(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            Some(warning("that of an authority")),
        ),
        (signed(&|params| params.is_ca = IsCa::ExplicitNoCa), None),
        (root.host(&["b.test", "*.a.test"], Algorithm::P256), Some(error("CN=b.test is not for a.test"))),
        (root.host(&["*.test"], Algorithm::Rsa), None),
    ];
    for (holder, expected) in &cases {
        check(&holder.chain, holder, expected.as_slice());
    }
}

#[test]
fn several_certificates_may_share_the_names() {
    let root = Authority::new("root");
    let credentials = [["a.test"], ["b.test"]].map(|names| root.host(&names, Algorithm::P256).credential());
    let found =
        problems(&host(&["a.test", "b.test", "*.c.test"], credentials.to_vec(), ClientAuth::Off), now());
    let [Problem::NameNotCovered { name, .. }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(name, "*.c.test");
}

#[test]
fn authorities_of_clients() {
    let root = Authority::new("root");
    let list = root.revoked(&[], (2026, 7));
    let trust = ClientTrust::from_pem(root.pem.as_bytes(), &[list.as_bytes()]).expect("trust");
    let credential = root.host(&["a.test"], Algorithm::P256).credential();
    let host = host(&["a.test"], vec![credential], ClientAuth::Required(Arc::new(trust)));
    assert_eq!(problems(&host, now()), []);
    let found = problems(&host, now() + 31 * DAY);
    assert!(matches!(found.as_slice(), [Problem::ListExpired { .. }]), "{found:?}");
    let later = problems(&host, now() + 205 * DAY);
    assert!(later.iter().any(|problem| matches!(problem, Problem::ExpiresSoon { .. })), "{later:?}");
}

#[test]
fn texts_that_are_no_chains() {
    let root = Authority::new("root");
    let broken = "-----BEGIN CERTIFICATE-----\nZg==\n-----END CERTIFICATE-----\n";
    let cases = [
        (String::new(), Error::NoCertificate),
        (key(Algorithm::P256).serialize_pem(), Error::NoCertificate),
        (format!("{}{broken}", root.pem), Error::BadCertificate { line: root.pem.lines().count() + 1 }),
        (root.pem.repeat(11), Error::ChainTooLong { certificates: 11 }),
        (root.pem.replace("-----END", "----END"), Error::Pem { line: root.pem.lines().count() }),
    ];
    for (text, error) in cases {
        let message = error.to_string();
        assert_eq!(Chain::from_pem(text.as_bytes()).err(), Some(error));
        assert!(message.contains(": "), "a cause and a cure: {message}");
    }
}

#[test]
fn files_that_are_cut_off_or_changed_anywhere() {
    let root = Authority::new("root");
    for text in [root.pem.as_bytes(), &root.der, key(Algorithm::P256).serialize_pem().as_bytes()] {
        for index in 0..text.len() {
            fuzzing::files(&text[..index]);
            let mut changed = text.to_vec();
            changed[index] ^= 0x21;
            fuzzing::files(&changed);
        }
    }
}

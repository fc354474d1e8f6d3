//! Versions, names, certificates, protocols: what client and server agree on.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::{AlertDescription, Error as Rustls, SignatureScheme};
use tls::{
    Blame, ClientAuth, Credential, Error, Failure, Hosts, KeyKind, Kind, Otherwise, PrivateKey, Settings,
    Signer, SigningError, SigningKey, Version, Versions,
};

mod common;
use common::*;

/// Sends some bytes each way.
fn talk(pair: &mut Pair) {
    pair.client.writer().write_all(b"question").expect("written");
    assert_eq!(received(pair).expect("received"), b"question");
    let mut out = Vec::new();
    pair.session.write(b"answer", 0, &mut out).expect("written");
    give(&mut pair.client, &out).expect("given");
    let mut answer = [0; 6];
    pair.client.reader().read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"answer");
}

#[test]
fn both_versions_with_every_kind_of_key() {
    let authority = Authority::new("root");
    for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::Ed25519, Algorithm::Rsa] {
        let hosts = simple(&authority, algorithm);
        for (versions, version) in [(TLS12, Version::Tls12), (TLS13, Version::Tls13)] {
            let client = Arc::new(client(&authority, versions, None));
            let mut pair = connect(&client, "example.org", &hosts).expect("a session");
            let session = &pair.session;
            assert_eq!((session.version(), session.kind()), (version, Kind::Full), "{algorithm:?}");
            let group = if version == Version::Tls13 { "X25519MLKEM768" } else { "X25519" };
            assert_eq!(session.group(), Some(group));
            assert!(session.cipher_suite().contains("AES") || session.cipher_suite().contains("CHACHA"));
            assert_eq!((session.name(), session.host(), session.protocol()), (Some("example.org"), 0, None));
            assert_eq!(session.client(), None);
            talk(&mut pair);
        }
    }
}

#[test]
fn a_client_that_guesses_another_group_needs_another_round() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let client = client_with(&authority, TLS13, None, |provider| {
        provider.kx_groups.retain(|group| group.name() != rustls::NamedGroup::X25519MLKEM768);
        // A group that the server lacks comes first.
        provider.kx_groups.insert(0, rustls::crypto::aws_lc_rs::kx_group::MLKEM1024);
        provider.kx_groups.retain(|group| group.name() != rustls::NamedGroup::X25519);
    });
    let mut pair = connect(&Arc::new(client), "example.org", &hosts).expect("a session");
    assert_eq!((pair.session.kind(), pair.session.group()), (Kind::FullAgain, Some("secp256r1")));
    talk(&mut pair);
}

#[test]
fn names() {
    let authority = Authority::new("root");
    let all =
        ["a.test", "*.a.test", "*.deep.a.test", "b.test", "elsewhere.test", "x.deep.a.test", "x.y.a.test"];
    let credential = authority.host(&all, Algorithm::P256).credential();
    let host = |names: &[&str]| host(names, vec![credential.clone()], ClientAuth::Off);
    let three = || vec![host(&["A.test", "b.test"]), host(&["*.a.test"]), host(&["*.deep.a.test"])];
    let cases = [
        ("a.test", Some(0)),
        ("B.TEST", Some(0)),
        ("x.a.test", Some(1)),
        ("x.y.a.test", Some(1)),
        ("deep.a.test", Some(1)),
        ("x.deep.a.test", Some(2)),
        ("elsewhere.test", None),
    ];
    let client = Arc::new(client(&authority, TLS13, None));
    let clock = Hands::at(NOW);
    for (otherwise, fallback) in [(Otherwise::Refuse, None), (Otherwise::Host(2), Some(2))] {
        let hosts = hosts(three(), otherwise, &clock);
        for (name, expected) in cases {
            let expected = expected.or(fallback);
            assert_eq!(hosts.find(Some(name)), expected, "{name}");
            match connect(&client, name, &hosts) {
                Ok(pair) => assert_eq!(Some(pair.session.host()), expected, "{name}"),
                Err(refused) => {
                    assert_eq!(expected, None, "{name}: {refused:?}");
                    assert_eq!(refused.failure, Failure::UnknownName { name: Some(name.to_owned()) });
                    assert_eq!(refused.failure.blame(), Blame::Client);
                    assert_eq!(
                        refused.client,
                        Some(Rustls::AlertReceived(AlertDescription::UnrecognisedName))
                    );
                }
            }
        }
        // An address is not sent as a name.
        match connect(&client, "192.0.2.1", &hosts) {
            Ok(_) => panic!("no certificate has this address"),
            Err(refused) if fallback.is_none() => {
                assert_eq!(refused.failure, Failure::UnknownName { name: None });
                assert_eq!(refused.client, Some(Rustls::AlertReceived(AlertDescription::MissingExtension)));
            }
            // The client does not like the certificate of the fallback: it was served, then.
            Err(refused) => assert!(matches!(refused.failure, Failure::Refused { .. }), "{refused:?}"),
        }
    }
}

#[test]
fn the_certificate_is_chosen_by_signatures_and_name() {
    let authority = Authority::new("root");
    let ecdsa = authority.host(&["a.test", "b.test"], Algorithm::P256);
    let rsa = authority.host(&["a.test", "b.test"], Algorithm::Rsa);
    let other = authority.host(&["c.test"], Algorithm::Rsa);
    let credentials = [&rsa, &other, &ecdsa].map(Holder::credential).to_vec();
    let hosts = hosts(
        vec![host(&["a.test", "b.test", "c.test"], credentials, ClientAuth::Off)],
        Otherwise::Refuse,
        &Hands::at(NOW),
    );
    let only_rsa = |provider: &mut rustls::crypto::CryptoProvider| {
        let schemes = provider.signature_verification_algorithms;
        // The chain is signed with ECDSA; only the handshake's signature has to be RSA.
        let mapping: Vec<_> = schemes
            .mapping
            .iter()
            .copied()
            .filter(|(scheme, _)| format!("{scheme:?}").contains("RSA"))
            .collect();
        provider.signature_verification_algorithms.mapping = Vec::leak(mapping);
    };
    for versions in VERSIONS {
        let both = Arc::new(client(&authority, versions, None));
        let rsa_only = Arc::new(client_with(&authority, versions, None, only_rsa));
        let cases = [(&both, "a.test", &ecdsa), (&rsa_only, "b.test", &rsa), (&both, "c.test", &other)];
        for (client, name, holder) in cases {
            let pair = connect(client, name, &hosts).expect(name);
            let got = pair.client.peer_certificates().expect("a chain");
            assert_eq!(got[0], holder.der, "{name}");
        }
    }
}

#[test]
fn protocols() {
    let authority = Authority::new("root");
    let hosts = simple(&authority, Algorithm::P256);
    let cases = [
        (&[][..], None),
        (&["h2", "http/1.1"], Some("http/1.1")),
        (&["http/1.0", "http/1.1"], Some("http/1.1")),
        (&["http/1.0"], Some("http/1.0")),
    ];
    for versions in VERSIONS {
        for (offered, chosen) in cases {
            let mut config = client(&authority, versions, None);
            config.alpn_protocols = offered.iter().map(|&protocol| protocol.into()).collect();
            let pair = connect(&Arc::new(config), "example.org", &hosts).expect("a session");
            let chosen = chosen.map(str::as_bytes);
            assert_eq!(pair.session.protocol(), chosen, "{offered:?}");
            assert_eq!(pair.client.alpn_protocol(), chosen, "{offered:?}");
        }
        let mut config = client(&authority, versions, None);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let refused = connect(&Arc::new(config), "example.org", &hosts).expect_err("no common protocol");
        assert!(matches!(refused.failure, Failure::Incompatible { .. }), "{refused:?}");
        assert_eq!(refused.client, Some(Rustls::AlertReceived(AlertDescription::NoApplicationProtocol)));
    }
}

#[test]
fn a_host_can_insist_on_tls_1_3() {
    let authority = Authority::new("root");
    let credential = authority.host(&["example.org"], Algorithm::P256).credential();
    let mut strict = host(&["example.org"], vec![credential], ClientAuth::Off);
    strict.versions = Versions::Only13;
    let hosts = hosts(vec![strict], Otherwise::Refuse, &Hands::at(NOW));
    assert!(connect(&Arc::new(client(&authority, TLS13, None)), "example.org", &hosts).is_ok());
    let refused =
        connect(&Arc::new(client(&authority, TLS12, None)), "example.org", &hosts).expect_err("too old");
    assert!(matches!(refused.failure, Failure::Incompatible { .. }), "{refused:?}");
    assert_eq!(refused.client, Some(Rustls::AlertReceived(AlertDescription::ProtocolVersion)));
}

#[test]
fn an_ocsp_response_is_sent_along() {
    let authority = Authority::new("root");
    let holder = authority.host(&["example.org"], Algorithm::P256);
    for bad in [&b""[..], &[0x30, 3, 0x0a, 1, 6], &[0x30, 3, 0x0a, 1, 0, 0], &[0; 20_000]] {
        assert_eq!(holder.credential().with_staple(bad.to_vec()).err(), Some(Error::BadStaple), "{bad:?}");
    }
    let credential = holder.credential().with_staple(STAPLE.to_vec()).expect("a staple");
    assert_eq!(credential.staple_end(), Some(1_767_830_400));
    let one = host(&["example.org"], vec![credential], ClientAuth::Off);
    let found = tls::problems(&one, 1_767_830_401);
    assert!(matches!(found.as_slice(), [tls::Problem::StapleExpired { .. }]), "{found:?}");
    let hosts = hosts(vec![one], Otherwise::Refuse, &Hands::at(NOW));
    let mut config = client(&authority, TLS12, None);
    let seen = Arc::new(SeesStaple::default());
    config.dangerous().set_certificate_verifier(seen.clone());
    connect(&Arc::new(config), "example.org", &hosts).expect("a session");
    assert_eq!(*seen.staple.lock().expect("no panic"), STAPLE);
}

/// An answer of nobody in particular, good until 2026-01-08.
const STAPLE: &[u8] = b"\x30\x5c\x0a\x01\x00\xa0\x57\x30\x55\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01\
    \x04\x48\x30\x46\x30\x44\xa2\x05\x04\x03key\x18\x0f20260101000000Z\
    \x30\x2a\x30\x28\x30\x00\x80\x00\x18\x0f20260101000000Z\xa0\x11\x18\x0f20260108000000Z";

/// A client that looks at nothing but the OCSP response.
#[derive(Debug, Default)]
struct SeesStaple {
    staple: std::sync::Mutex<Vec<u8>>,
}

impl rustls::client::danger::ServerCertVerifier for SeesStaple {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        staple: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, Rustls> {
        *self.staple.lock().expect("no panic") = staple.to_vec();
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Rustls> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Rustls> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A key that is somewhere else: here, it counts.
#[derive(Debug)]
struct Elsewhere {
    key: Arc<dyn SigningKey>,
    signed: Arc<AtomicUsize>,
    fails: Option<SigningError>,
}

#[derive(Debug)]
struct Counted {
    signer: Box<dyn Signer>,
    signed: Arc<AtomicUsize>,
    fails: Option<SigningError>,
}

impl SigningKey for Elsewhere {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.key.choose_scheme(offered)?;
        Some(Box::new(Counted { signer, signed: self.signed.clone(), fails: self.fails.clone() }))
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl Signer for Counted {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.signed.fetch_add(1, Ordering::Relaxed);
        match &self.fails {
            Some(error) => Err(error.clone()),
            None => self.signer.sign(message),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.signer.scheme()
    }
}

#[test]
fn a_key_can_live_elsewhere() {
    let authority = Authority::new("root");
    let holder = authority.host(&["example.org"], Algorithm::P256);
    for fails in [None, Some(SigningError::General("the signer is gone".to_owned()))] {
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from(holder.key.serialize_der());
        let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&der.into()).expect("a key");
        let signed = Arc::new(AtomicUsize::new(0));
        let key =
            PrivateKey::elsewhere(Arc::new(Elsewhere { key, signed: signed.clone(), fails: fails.clone() }));
        let chain = tls::Chain::from_pem(holder.chain.as_bytes()).expect("a chain");
        let credential = Credential::new(chain, &key).expect("taken at its word");
        let host = host(&["example.org"], vec![credential], ClientAuth::Off);
        let hosts = hosts(vec![host], Otherwise::Refuse, &Hands::at(NOW));
        // A client that has no session to take up.
        let client = Arc::new(client(&authority, TLS13, None));
        let result = connect(&client, "example.org", &hosts);
        assert_eq!(signed.load(Ordering::Relaxed), 1, "{result:?}");
        match (fails, result) {
            (None, Ok(mut pair)) => talk(&mut pair),
            (Some(_), Err(refused)) => assert_eq!(refused.failure.blame(), Blame::Server),
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn settings_that_cannot_be() {
    let authority = Authority::new("root");
    let credential = authority.host(&["a.test"], Algorithm::P256).credential();
    let one = |names: &[&str]| host(names, vec![credential.clone()], ClientAuth::Off);
    let none = host(&["a.test"], vec![], ClientAuth::Off);
    let many = host(&["a.test"], vec![credential.clone(); 9], ClientAuth::Off);
    let bad = |name: &str| Error::BadName { name: name.to_owned() };
    let cases = [
        (vec![none], Otherwise::Refuse, Error::NothingForHost),
        (vec![many], Otherwise::Refuse, Error::TooManyForHost { certificates: 9 }),
        (
            vec![one(&["a.test"]), one(&["A.TEST"])],
            Otherwise::Refuse,
            Error::NameTwice { name: "A.TEST".to_owned() },
        ),
        (vec![one(&["x", ""])], Otherwise::Refuse, bad("")),
        (vec![one(&["*."])], Otherwise::Refuse, bad("*.")),
        (vec![one(&["a.*.test"])], Otherwise::Refuse, bad("a.*.test")),
        (vec![one(&["a.test"])], Otherwise::Host(1), Error::NoSuchHost { host: 1 }),
    ];
    for (hosts, otherwise, error) in cases {
        let settings = Settings { hosts, otherwise, tickets: None, clock: Hands::at(NOW) };
        let message = error.to_string();
        assert_eq!(Hosts::new(settings).err(), Some(error));
        assert!(message.contains(": "), "a cause and a cure: {message}");
    }
}

#[test]
fn a_key_must_fit_its_certificate() {
    let authority = Authority::new("root");
    let (one, other) =
        (authority.host(&["a.test"], Algorithm::P256), authority.host(&["a.test"], Algorithm::P256));
    let chain = tls::Chain::from_pem(one.chain.as_bytes()).expect("a chain");
    assert_eq!(chain.facts()[0].key, KeyKind::P256);
    let key = private_key(&other.key.serialize_pem());
    assert_eq!(Credential::new(chain, &key).err(), Some(Error::KeyMismatch));
}

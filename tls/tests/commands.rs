//! The client of commands against the hosts of a server, and signatures by the holders of certificates.

mod common;

use std::sync::Arc;

use common::{Algorithm, Authority, Hands, NOW, host, hosts, private_key, simple};
use rcgen::CertificateParams;
use tls::{
    CertificateFault, Chain, Client, ClientAuth, Error, Failure, Handshake, Hosts, Otherwise, ServerTrust,
    sign,
};

/// What both sides have said once they have spoken.
#[derive(Debug, PartialEq)]
struct Spoken {
    by_client: Vec<u8>,
    by_server: Vec<u8>,
    ended: bool,
}

/// Has a client ask a host, with all bytes in pieces of that size.
fn speak(trust: &str, name: &str, hosts: &Arc<Hosts>, now: u64, piece: usize) -> Result<Spoken, Failure> {
    let trust = ServerTrust::from_pem(trust.as_bytes()).expect("certificates");
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let mut client = Client::new(&trust, name, Hands::at(now), &mut to_server).expect("a client");
    let mut handshake = Handshake::new(hosts.clone());
    let mut session = None;
    let mut spoken = Spoken { by_client: Vec::new(), by_server: Vec::new(), ended: false };
    let (mut asked, mut answers) = (false, false);
    while !spoken.ended {
        let sent = std::mem::take(&mut to_server);
        let answered = std::mem::take(&mut to_client);
        assert!(!sent.is_empty() || !answered.is_empty(), "both wait");
        for bytes in sent.chunks(piece) {
            let mut rest = bytes;
            if session.is_none() {
                let progress = handshake.feed(bytes, &mut to_client)?;
                (session, rest) = (progress.session, &bytes[progress.taken..]);
            }
            let Some(session) = &mut session else { continue };
            session.feed(rest, &mut spoken.by_client, 1 << 20, &mut to_client)?;
            if spoken.by_client == b"question" && !answers {
                answers = true;
                session.write(&[b'a'; 40_000], 0, &mut to_client)?;
                session.close(&mut to_client);
            }
        }
        for bytes in answered.chunks(piece) {
            spoken.ended |= client.feed(bytes, &mut spoken.by_server, &mut to_server)?;
        }
        if client.is_ready() && !asked {
            asked = true;
            client.write(b"question", &mut to_server)?;
        }
    }
    Ok(spoken)
}

#[test]
fn questions_are_answered_in_pieces_of_any_size() {
    let authority = Authority::new("authority");
    for algorithm in [Algorithm::P256, Algorithm::Rsa] {
        let hosts = simple(&authority, algorithm);
        for piece in [1, 7, 1000, usize::MAX] {
            let spoken = speak(&authority.pem, "example.org", &hosts, NOW, piece).expect("an answer");
            let wanted =
                Spoken { by_client: b"question".to_vec(), by_server: vec![b'a'; 40_000], ended: true };
            assert!(spoken == wanted, "{algorithm:?} {piece}");
        }
    }
}

/// A host that is served whatever name is asked for.
fn whoever(chain: &str, key: &str) -> Arc<Hosts> {
    let chain = Chain::from_pem(chain.as_bytes()).expect("a chain");
    let credential = tls::Credential::new(chain, &private_key(key)).expect("a key that fits");
    hosts(vec![host(&["any"], vec![credential], ClientAuth::Off)], Otherwise::Host(0), &Hands::at(NOW))
}

#[test]
fn a_server_has_to_prove_who_it_is() {
    const DAY: u64 = 24 * 60 * 60;
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let own = authority.host(&["example.org"], Algorithm::P256);
    let signed = whoever(&own.chain, &own.key.serialize_pem());
    // As many make one for a test: it signs itself, and may sign others.
    let key = common::key(Algorithm::P256);
    let mut params: CertificateParams = common::params("own", &["example.org", "192.0.2.1"]);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let alone = params.self_signed(&key).expect("a certificate").pem();
    let lone = whoever(&alone, &key.serialize_pem());
    let fault = |fault| Err(Failure::Certificate { fault });
    let both = format!("{}{}", other.pem, authority.pem);
    for (what, trust, name, hosts, now, wanted) in [
        ("its authority", &authority.pem, "example.org", &signed, NOW, Ok(())),
        ("one of several", &both, "example.org", &signed, NOW, Ok(())),
        ("its own certificate", &own.chain, "example.org", &signed, NOW, Ok(())),
        ("its own, which is an authority", &alone, "example.org", &lone, NOW, Ok(())),
        ("an address", &alone, "192.0.2.1", &lone, NOW, Ok(())),
        (
            "another authority",
            &other.pem,
            "example.org",
            &signed,
            NOW,
            fault(CertificateFault::UnknownIssuer),
        ),
        (
            "the certificate of another",
            &alone,
            "example.org",
            &signed,
            NOW,
            fault(CertificateFault::UnknownIssuer),
        ),
        ("another name", &authority.pem, "example.com", &signed, NOW, fault(CertificateFault::WrongName)),
        (
            "another name, its own",
            &own.chain,
            "example.com",
            &signed,
            NOW,
            fault(CertificateFault::WrongName),
        ),
        ("another address", &alone, "192.0.2.2", &lone, NOW, fault(CertificateFault::WrongName)),
        ("too early", &alone, "example.org", &lone, NOW - 365 * DAY, fault(CertificateFault::NotYetValid)),
        ("too late", &alone, "example.org", &lone, NOW + 365 * DAY, fault(CertificateFault::Expired)),
        (
            "too late, signed",
            &authority.pem,
            "example.org",
            &signed,
            NOW + 365 * DAY,
            fault(CertificateFault::Expired),
        ),
    ] {
        assert_eq!(speak(trust, name, hosts, now, usize::MAX).map(drop), wanted, "{what}");
    }
}

#[test]
fn what_is_no_certificate_is_not_trusted() {
    for (text, wanted) in
        [("", Error::NoCertificate), ("-----BEGIN CERTIFICATE-----\n!\n", Error::Pem { line: 2 })]
    {
        assert_eq!(ServerTrust::from_pem(text.as_bytes()).map(drop), Err(wanted), "{text}");
    }
    let authority = Authority::new("authority");
    let trust = ServerTrust::from_pem(authority.pem.as_bytes()).expect("a certificate");
    for name in ["", "a b", "[::1]"] {
        let client = Client::new(&trust, name, Hands::at(NOW), &mut Vec::new()).map(drop);
        assert_eq!(client, Err(Error::BadName { name: name.to_owned() }));
    }
}

#[test]
fn holders_sign() {
    let authority = Authority::new("authority");
    let schemes = [
        (Algorithm::P256, 0x0403),
        (Algorithm::P384, 0x0503),
        (Algorithm::Ed25519, 0x0807),
        (Algorithm::Rsa, 0x0804),
    ];
    for (algorithm, scheme) in schemes {
        let holder = authority.host(&["anna"], algorithm);
        let chain = || Chain::from_pem(holder.chain.as_bytes()).expect("a chain");
        let key = private_key(&holder.key.serialize_pem());
        let (certificate, signed) = sign(chain(), &key, b"stop").expect("a signature");
        assert_eq!((certificate.as_slice(), signed.scheme), (&*holder.der, scheme), "{algorithm:?}");
        let other = private_key(&common::key(algorithm).serialize_pem());
        assert_eq!(sign(chain(), &other, b"stop").map(drop), Err(Error::KeyMismatch), "{algorithm:?}");
    }
}

//! Certificates of clients: who is asked, who is let in, what is known of them.

use std::sync::Arc;

use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use tls::{
    AlternativeName, CertificateFault, ClientAuth, ClientTrust, Error, Failure, Hosts, Kind, Otherwise,
    Verdict,
};

mod common;
use common::*;

/// Everybody who might come.
struct Cast {
    root: Authority,
    valid: Holder,
    expired: Holder,
    future: Holder,
    revoked: Holder,
    stranger: Holder,
    server: Holder,
}

impl Cast {
    fn new() -> Cast {
        let root = Authority::new("root");
        Cast {
            valid: root.client("valid", 1),
            expired: root.client_with("expired", 2, |params| params.not_after = date_time_ymd(2026, 5, 31)),
            future: root.client_with("future", 3, |params| params.not_before = date_time_ymd(2026, 6, 2)),
            revoked: root.client("revoked", 4),
            stranger: Authority::new("elsewhere").client("stranger", 1),
            server: root.client_with("server", 5, |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            root,
        }
    }

    /// Each with what is wrong with it.
    fn all(&self) -> [(Option<&Holder>, Verdict); 7] {
        let invalid = Verdict::Invalid;
        [
            (None, Verdict::None),
            (Some(&self.valid), Verdict::Valid),
            (Some(&self.expired), invalid(CertificateFault::Expired)),
            (Some(&self.future), invalid(CertificateFault::NotYetValid)),
            (Some(&self.revoked), invalid(CertificateFault::Revoked)),
            (Some(&self.stranger), invalid(CertificateFault::UnknownIssuer)),
            (Some(&self.server), invalid(CertificateFault::WrongPurpose)),
        ]
    }

    fn trust(&self) -> Arc<ClientTrust> {
        let list = self.root.revoked(&[4], (2027, 1));
        Arc::new(ClientTrust::from_pem(self.root.pem.as_bytes(), &[list.as_bytes()]).expect("trust"))
    }

    fn hosts(&self, client_auth: ClientAuth, clock: &Arc<Hands>) -> Arc<Hosts> {
        let credential = self.root.host(&["a.test"], Algorithm::P256).credential();
        hosts(vec![host(&["a.test"], vec![credential], client_auth)], Otherwise::Refuse, clock)
    }
}

#[test]
fn who_is_let_in() {
    let cast = Cast::new();
    let clock = Hands::at(NOW);
    let policies = [
        ("off", ClientAuth::Off),
        ("optional", ClientAuth::Optional(cast.trust())),
        ("required", ClientAuth::Required(cast.trust())),
        ("asked", ClientAuth::Asked(cast.trust())),
    ];
    for versions in VERSIONS {
        for (kind, policy) in &policies {
            let hosts = cast.hosts(policy.clone(), &clock);
            for (holder, verdict) in cast.all() {
                let client = Arc::new(client(&cast.root, versions, holder));
                let result = connect(&client, "a.test", &hosts);
                let expected = match (*kind, verdict) {
                    ("off", _) => Ok(Verdict::None),
                    ("required", Verdict::None) => Err(CertificateFault::Missing),
                    ("optional" | "required", Verdict::Invalid(fault)) => Err(fault),
                    (_, verdict) => Ok(verdict),
                };
                match (expected, result) {
                    (Ok(expected), Ok(pair)) => {
                        let verdict = pair.session.client().map_or(Verdict::None, |client| client.verdict);
                        assert_eq!(verdict, expected, "{kind} {verdict:?}");
                    }
                    (Err(fault), Err(refused)) => {
                        assert_eq!(refused.failure, Failure::Certificate { fault }, "{kind}");
                        assert!(
                            matches!(refused.client, Some(rustls::Error::AlertReceived(_))),
                            "{refused:?}"
                        );
                    }
                    (expected, result) => panic!("{kind} {verdict:?}: {expected:?}, not {result:?}"),
                }
            }
        }
    }
}

#[test]
fn what_is_known_of_a_client() {
    let cast = Cast::new();
    let holder = cast.root.client_with("Jane, Doe", 0x1f, |params| {
        params.subject_alt_names = vec![
            SanType::Rfc822Name("jane@example.org".try_into().expect("ASCII")),
            SanType::URI("spiffe://example.org/jane".try_into().expect("ASCII")),
        ];
    });
    let hosts = cast.hosts(ClientAuth::Required(cast.trust()), &Hands::at(NOW));
    for versions in VERSIONS {
        let client = Arc::new(client(&cast.root, versions, Some(&holder)));
        for kind in [Kind::Full, Kind::Resumed] {
            let pair = connect(&client, "a.test", &hosts).expect("a session");
            assert_eq!(pair.session.kind(), kind);
            let client = pair.session.client().expect("a certificate");
            assert_eq!(client.verdict, Verdict::Valid);
            let facts = &client.facts;
            assert_eq!((facts.subject.as_str(), facts.issuer.as_str()), ("CN=Jane\\, Doe", "CN=root"));
            assert_eq!((facts.serial.as_str(), facts.authority), ("1f", false));
            assert_eq!((facts.not_before, facts.not_after), (1_767_225_600, 1_798_761_600));
            let names = [
                AlternativeName::Email("jane@example.org".to_owned()),
                AlternativeName::Uri("spiffe://example.org/jane".to_owned()),
            ];
            assert_eq!(facts.names, names);
            assert_eq!(pair.session.client_chain().collect::<Vec<_>>(), [&*holder.der]);
        }
    }
}

#[test]
fn a_certificate_that_expires_between_two_sessions_is_not_resumed() {
    let cast = Cast::new();
    let holder = cast.root.client_with("short", 9, |params| params.not_after = date_time_ymd(2026, 6, 2));
    let clock = Hands::at(NOW);
    let day = 24 * 60 * 60;
    for versions in VERSIONS {
        for asked in [false, true] {
            let policy =
                if asked { ClientAuth::Asked(cast.trust()) } else { ClientAuth::Required(cast.trust()) };
            let hosts = cast.hosts(policy, &clock);
            let client = Arc::new(client(&cast.root, versions, Some(&holder)));
            clock.set(NOW + day - 60);
            let first = connect(&client, "a.test", &hosts).expect("still valid");
            assert_eq!(first.session.client().map(|client| client.verdict), Some(Verdict::Valid));
            clock.set(NOW + day + 60);
            let fault = CertificateFault::Expired;
            match connect(&client, "a.test", &hosts) {
                Ok(pair) => {
                    assert!(asked);
                    assert_eq!(pair.session.kind(), Kind::Resumed);
                    let verdict = pair.session.client().map(|client| client.verdict);
                    assert_eq!(verdict, Some(Verdict::Invalid(fault)));
                }
                Err(refused) => {
                    assert!(!asked, "{refused:?}");
                    assert_eq!(refused.failure, Failure::Certificate { fault });
                }
            }
        }
    }
}

#[test]
fn a_location_can_judge_by_other_authorities() {
    let cast = Cast::new();
    let below = cast.root.below("department");
    let mut holder = below.client("worker", 1);
    let hosts = cast.hosts(ClientAuth::Asked(Arc::new(ClientTrust::nobody())), &Hands::at(NOW));
    let trust = |pem: &str| ClientTrust::from_pem(pem.as_bytes(), &[]).expect("trust");
    holder.chain.push_str(&below.pem);
    let client = Arc::new(client(&cast.root, TLS13, Some(&holder)));
    let pair = connect(&client, "a.test", &hosts).expect("a session");
    let unknown = Verdict::Invalid(CertificateFault::UnknownIssuer);
    assert_eq!(pair.session.client().map(|client| client.verdict), Some(unknown));
    assert_eq!(pair.session.judge(&trust(&below.pem), NOW), Verdict::Valid);
    assert_eq!(pair.session.judge(&trust(&Authority::new("other").pem), NOW), unknown);
    // The client has sent no more than its own certificate, so the way to the root is not known.
    assert_eq!(pair.session.judge(&trust(&cast.root.pem), NOW), unknown);
}

#[test]
fn lists_that_do_not_tell() {
    let cast = Cast::new();
    let stale = cast.root.revoked(&[], (2026, 3));
    let foreign = Authority::new("elsewhere").revoked(&[], (2027, 1));
    let cases =
        [(stale, CertificateFault::RevocationListExpired), (foreign, CertificateFault::RevocationUnknown)];
    for (list, fault) in cases {
        let trust = ClientTrust::from_pem(cast.root.pem.as_bytes(), &[list.as_bytes()]).expect("trust");
        let hosts = cast.hosts(ClientAuth::Required(Arc::new(trust)), &Hands::at(NOW));
        let client = Arc::new(client(&cast.root, TLS13, Some(&cast.valid)));
        let refused = connect(&client, "a.test", &hosts).expect_err("not let in");
        assert_eq!(refused.failure, Failure::Certificate { fault });
    }
}

#[test]
fn trust_out_of_texts() {
    let cast = Cast::new();
    let list = cast.root.revoked(&[4], (2027, 1));
    let good = ClientTrust::from_pem(cast.root.pem.as_bytes(), &[list.as_bytes()]).expect("trust");
    assert_eq!((good.anchors().len(), good.lists_end()), (1, Some(1_798_761_600)));
    let many = cast.root.pem.repeat(1025);
    let cases: &[(&str, &[&[u8]], Error)] = &[
        ("", &[], Error::NoAnchor),
        (&list, &[], Error::NoAnchor),
        (&many, &[], Error::TooManyAnchors { anchors: 1025 }),
        (&cast.root.pem, &[list.as_bytes(), b""], Error::BadRevocationList { number: 2 }),
        (&cast.root.pem, &[&[0x30, 0]], Error::BadRevocationList { number: 1 }),
        (&cast.root.pem, &[cast.root.pem.as_bytes()], Error::BadRevocationList { number: 1 }),
    ];
    for (anchors, lists, error) in cases {
        assert_eq!(ClientTrust::from_pem(anchors.as_bytes(), lists).err().as_ref(), Some(error));
    }
}

//! An authority, certificates of it, and a client in memory.
#![allow(dead_code, reason = "each file of tests uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tls::{
    Chain, ClientAuth, Clock, Credential, Failure, Handshake, Host, Hosts, Otherwise, PrivateKey, Session,
    Settings, TicketKey, TicketKeys, Versions, Zeroizing,
};

pub(crate) const PLAINTEXT_MAX: usize = 1 << 20;

/// 2026-06-01, and a year around it in which certificates are valid.
pub(crate) const NOW: u64 = 1_780_272_000;
pub(crate) const TICKET_LIFETIME: u32 = 3600;

/// A clock that shows what it was set to.
#[derive(Debug)]
pub(crate) struct Hands(pub(crate) AtomicU64);

impl Hands {
    pub(crate) fn at(seconds: u64) -> Arc<Hands> {
        Arc::new(Hands(AtomicU64::new(seconds)))
    }

    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn unix_seconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The key of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    P256,
    P384,
    Ed25519,
    Rsa,
}

pub(crate) fn key(algorithm: Algorithm) -> KeyPair {
    match algorithm {
        Algorithm::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        Algorithm::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        Algorithm::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        Algorithm::Rsa => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048),
    }
    .expect("a key")
}

/// Who signs.
pub(crate) struct Authority {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
}

/// Somebody with a certificate.
pub(crate) struct Holder {
    pub(crate) chain: String,
    pub(crate) key: KeyPair,
    pub(crate) der: CertificateDer<'static>,
}

pub(crate) fn params(subject: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority_params(subject: &str) -> CertificateParams {
    let mut params = params(subject, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    pub(crate) fn new(subject: &str) -> Authority {
        let (params, key) = (authority_params(subject), key(Algorithm::P256));
        let certificate = params.self_signed(&key).expect("an authority");
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Authority { issuer: Issuer::new(params, key), der, pem }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, subject: &str) -> Authority {
        let (params, key) = (authority_params(subject), key(Algorithm::P256));
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority");
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Authority { issuer: Issuer::new(params, key), der, pem }
    }

    pub(crate) fn host(&self, names: &[&str], algorithm: Algorithm) -> Holder {
        self.sign(&params(names[0], names), key(algorithm))
    }

    /// A client with a serial number.
    pub(crate) fn client(&self, subject: &str, serial: u8) -> Holder {
        self.client_with(subject, serial, |_| {})
    }

    pub(crate) fn client_with(
        &self,
        subject: &str,
        serial: u8,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Holder {
        let mut params = params(subject, &[]);
        params.serial_number = Some(SerialNumber::from(vec![serial]));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        self.sign(&params, key(Algorithm::P256))
    }

    pub(crate) fn sign(&self, params: &CertificateParams, key: KeyPair) -> Holder {
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Holder { chain: certificate.pem(), der: certificate.der().clone(), key }
    }

    /// A list of revoked serial numbers, good until the first of a month.
    pub(crate) fn revoked(&self, serials: &[u8], end: (i32, u8)) -> String {
        let revoked = serials.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(vec![serial]),
            revocation_time: date_time_ymd(2026, 2, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(end.0, end.1, 1),
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

impl Holder {
    pub(crate) fn credential(&self) -> Credential {
        let chain = Chain::from_pem(self.chain.as_bytes()).expect("a chain");
        Credential::new(chain, &private_key(&self.key.serialize_pem())).expect("a key that fits")
    }
}

pub(crate) fn private_key(pem: &str) -> PrivateKey {
    PrivateKey::from_pem(Zeroizing::new(pem.as_bytes().to_vec())).expect("a key")
}

/// A host with one certificate, whose identity is its first name.
pub(crate) fn host(names: &[&str], credentials: Vec<Credential>, client_auth: ClientAuth) -> Host {
    Host {
        id: names[0].to_owned(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        credentials,
        client_auth,
        versions: Versions::From12,
    }
}

pub(crate) fn ticket_keys(keys: &[u8]) -> TicketKeys {
    let keys: Vec<TicketKey> =
        keys.iter().map(|&key| TicketKey::from_bytes(&[key; TicketKey::LEN])).collect();
    TicketKeys::new(&keys, TICKET_LIFETIME).expect("ticket keys")
}

/// Hosts with one ticket key.
pub(crate) fn hosts(hosts: Vec<Host>, otherwise: Otherwise, clock: &Arc<Hands>) -> Arc<Hosts> {
    let settings = Settings { hosts, otherwise, tickets: Some(ticket_keys(&[1])), clock: clock.clone() };
    Arc::new(Hosts::new(settings).expect("hosts"))
}

/// One host `example.org` without rules.
pub(crate) fn simple(authority: &Authority, algorithm: Algorithm) -> Arc<Hosts> {
    let credential = authority.host(&["example.org"], algorithm).credential();
    hosts(vec![host(&["example.org"], vec![credential], ClientAuth::Off)], Otherwise::Refuse, &Hands::at(NOW))
}

pub(crate) const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(crate) const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
pub(crate) const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [TLS12, TLS13];

/// A client that trusts an authority, with or without a certificate of its own.
pub(crate) fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Holder>,
) -> ClientConfig {
    client_with(authority, versions, own, |_| {})
}

/// As [`client`], with a change to its cryptography.
pub(crate) fn client_with(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Holder>,
    change: impl FnOnce(&mut rustls::crypto::CryptoProvider),
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).expect("a root");
    let mut provider = aws_lc_rs::default_provider();
    change(&mut provider);
    let builder = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(ClientClock))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
            builder.with_client_auth_cert(vec![own.der.clone()], key).expect("a client certificate")
        }
    }
}

#[derive(Debug)]
struct ClientClock;

impl rustls::time_provider::TimeProvider for ClientClock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        Some(rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW)))
    }
}

/// Both ends of a connection.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: ClientConnection,
    pub(crate) session: Box<Session>,
}

/// How a connection failed.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    /// What the client makes of the server's last bytes.
    pub(crate) client: Option<rustls::Error>,
}

/// What the client has to send.
pub(crate) fn sent_by(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).expect("a Vec takes everything");
    }
    bytes
}

/// Gives the client bytes of the server.
pub(crate) fn give(client: &mut ClientConnection, mut bytes: &[u8]) -> Result<(), rustls::Error> {
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).expect("room");
        client.process_new_packets()?;
    }
    Ok(())
}

pub(crate) fn new_client(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    ClientConnection::new(config.clone(), name).expect("a client")
}

/// Has a client connect to a name, its bytes in pieces of at most so many.
pub(crate) fn connect_in_pieces(
    config: &Arc<ClientConfig>,
    name: &str,
    hosts: &Arc<Hosts>,
    piece: usize,
) -> Result<Pair, Refused> {
    let mut client = new_client(config, name);
    let mut handshake = Handshake::new(hosts.clone());
    loop {
        let sent = sent_by(&mut client);
        assert!(!sent.is_empty(), "both wait");
        let mut out = Vec::new();
        for bytes in sent.chunks(piece) {
            match handshake.feed(bytes, &mut out) {
                Ok(progress) => {
                    assert_eq!(progress.taken, bytes.len());
                    if let Some(session) = progress.session {
                        give(&mut client, &out).expect("the server's last flight");
                        return Ok(Pair { client, session });
                    }
                }
                Err(failure) => {
                    let client = give(&mut client, &out).err();
                    return Err(Refused { failure, client });
                }
            }
        }
        if let Err(error) = give(&mut client, &out) {
            // The client has an alert for the server.
            let alert = sent_by(&mut client);
            let failure = handshake.feed(&alert, &mut Vec::new()).expect_err("an alert");
            return Err(Refused { failure, client: Some(error) });
        }
    }
}

pub(crate) fn connect(config: &Arc<ClientConfig>, name: &str, hosts: &Arc<Hosts>) -> Result<Pair, Refused> {
    connect_in_pieces(config, name, hosts, usize::MAX)
}

/// What has come to the server of all that the client has to send.
pub(crate) fn received(pair: &mut Pair) -> Result<Vec<u8>, Failure> {
    let bytes = sent_by(&mut pair.client);
    let (mut plaintext, mut out) = (Vec::new(), Vec::new());
    let received = pair.session.feed(&bytes, &mut plaintext, PLAINTEXT_MAX, &mut out)?;
    assert_eq!(received.taken, bytes.len());
    give(&mut pair.client, &out).expect("an answer");
    Ok(plaintext)
}

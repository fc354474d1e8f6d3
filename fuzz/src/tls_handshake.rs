//! A TLS connection: the same end however its bytes are cut, and no panic.
#![no_main]

use std::sync::{Arc, OnceLock};

use tls::{Chain, ClientAuth, ClientTrust, Clock, Credential, Host, Hosts, Otherwise, PrivateKey, Settings, Versions};

/// It is always the same second.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn unix_seconds(&self) -> u64 {
        1_780_272_000
    }
}

/// A host that serves every name and asks for certificates, so that every message of a client is looked at.
fn hosts() -> &'static Arc<Hosts> {
    static HOSTS: OnceLock<Arc<Hosts>> = OnceLock::new();
    HOSTS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["example.org".to_owned()]).expect("a certificate");
        let chain = Chain::from_pem(made.cert.pem().as_bytes()).expect("a chain");
        let key = tls::Zeroizing::new(made.signing_key.serialize_pem().into_bytes());
        let key = PrivateKey::from_pem(key).expect("a key");
        let host = Host {
            id: "fuzz".to_owned(),
            names: vec!["example.org".to_owned()],
            credentials: vec![Credential::new(chain, &key).expect("a key that fits")],
            client_auth: ClientAuth::Asked(Arc::new(ClientTrust::nobody())),
            versions: Versions::From12,
        };
        let settings =
            Settings { hosts: vec![host], otherwise: Otherwise::Host(0), tickets: None, clock: Arc::new(Stopped) };
        Arc::new(Hosts::new(settings).expect("hosts"))
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| tls::fuzzing::handshake(hosts(), data));

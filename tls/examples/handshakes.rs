//! How many handshakes the server's side does in a second of one core, in memory: `cargo run --release -p tls
//! --example handshakes`. Only the time within this crate counts, not the client's; of several rounds the middle one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::kx_group;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tls::{Handshake, Hosts, Kind};

#[path = "../tests/common/mod.rs"]
mod common;
use common::*;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(300);
const NAME: &str = "example.org";

/// Whether each client is a new one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clients {
    New,
    Known,
}

fn main() {
    let authority = Authority::new("root");
    println!("| certificate | version | group | handshake | handshakes a second |\n|---|---|---|---|---|");
    for algorithm in [Algorithm::P256, Algorithm::Rsa] {
        let hosts = simple(&authority, algorithm);
        for versions in [TLS13, TLS12] {
            for group in [kx_group::X25519MLKEM768, kx_group::X25519] {
                if versions == TLS12 && group.name() == rustls::NamedGroup::X25519MLKEM768 {
                    continue;
                }
                for clients in [Clients::New, Clients::Known] {
                    let config = || {
                        let only =
                            |provider: &mut rustls::crypto::CryptoProvider| provider.kx_groups = vec![group];
                        client_with(&authority, versions, None, only)
                    };
                    let rate = rate(&hosts, &config, clients);
                    let kind = if clients == Clients::New { "full" } else { "resumed" };
                    println!(
                        "| {algorithm:?} | {} | {:?} | {kind} | {rate:.0} |",
                        version(versions),
                        group.name()
                    );
                }
            }
        }
    }
    for algorithm in [Algorithm::P256, Algorithm::Rsa] {
        println!("\nsignatures a second with {algorithm:?}: {:.0}", signatures(algorithm));
    }
}

fn version(versions: &[&SupportedProtocolVersion]) -> &'static str {
    if versions == TLS12 { "1.2" } else { "1.3" }
}

fn rate(hosts: &Arc<Hosts>, config: &dyn Fn() -> ClientConfig, clients: Clients) -> f64 {
    let known = Arc::new(config());
    handshake(&known, hosts);
    middle(|| {
        let (mut spent, mut count) = (Duration::ZERO, 0);
        while spent < ROUND {
            let (took, kind) = match clients {
                Clients::New => handshake(&Arc::new(config()), hosts),
                Clients::Known => handshake(&known, hosts),
            };
            assert_eq!(kind == Kind::Resumed, clients == Clients::Known);
            spent += took;
            count += 1;
        }
        f64::from(count) / spent.as_secs_f64()
    })
}

/// The time that the server takes for a handshake and the tickets after it.
fn handshake(config: &Arc<ClientConfig>, hosts: &Arc<Hosts>) -> (Duration, Kind) {
    let mut client = new_client(config, NAME);
    let mut spent = Duration::ZERO;
    let mut handshake = None;
    loop {
        let sent = sent_by(&mut client);
        let mut out = Vec::with_capacity(8192);
        let began = Instant::now();
        let handshake = handshake.get_or_insert_with(|| Handshake::new(hosts.clone()));
        let progress = handshake.feed(&sent, &mut out).expect("a handshake");
        spent += began.elapsed();
        give(&mut client, &out).expect("an answer");
        if let Some(session) = progress.session {
            return (spent, session.kind());
        }
    }
}

fn signatures(algorithm: Algorithm) -> f64 {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key(algorithm).serialize_der()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    let schemes = [rustls::SignatureScheme::ECDSA_NISTP256_SHA256, rustls::SignatureScheme::RSA_PSS_SHA256];
    let signer = key.choose_scheme(&schemes).expect("a scheme");
    middle(|| {
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < ROUND {
            signer.sign(b"what is signed in a handshake is about so long").expect("a signature");
            count += 1;
        }
        f64::from(count) / began.elapsed().as_secs_f64()
    })
}

fn middle(mut round: impl FnMut() -> f64) -> f64 {
    let mut rates: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rates.sort_by(f64::total_cmp);
    rates[ROUNDS / 2]
}

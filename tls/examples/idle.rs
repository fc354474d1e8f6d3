//! What an idle session costs by each of the two interfaces of rustls: `cargo run --release -p tls --example idle`.
//! This crate uses the buffered one, which alone lets the name choose the configuration.

use std::fs;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

#[path = "../tests/common/mod.rs"]
mod common;
use common::*;

const SESSIONS: usize = 3000;

fn main() {
    let authority = Authority::new("root");
    for versions in VERSIONS {
        let hosts = simple(&authority, Algorithm::P256);
        let new = || Arc::new(client(&authority, versions, None));
        let (buffered, bytes) = many(|| {
            let mut session = connect(&new(), "example.org", &hosts).expect("a session").session;
            session.slim();
            session
        });
        println!("{:?}, buffered: {bytes} bytes for an idle session", buffered[0].version());

        let config = config(&authority);
        let (unbuffered, bytes) = many(|| Box::new(unbuffered(&new(), &config)));
        let version = unbuffered[0].protocol_version();
        println!("{version:?}, unbuffered: {bytes} bytes for an idle session");
        // Memory that was given back would be used again, and not be seen.
        std::mem::forget((buffered, unbuffered));
    }
}

fn many<T>(open: impl Fn() -> T) -> (Vec<T>, usize) {
    let mut all: Vec<T> = (0..50).map(|_| open()).collect();
    all.reserve(SESSIONS);
    let before = resident();
    all.extend((0..SESSIONS).map(|_| open()));
    (all, (resident() - before) / SESSIONS)
}

fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

fn config(authority: &Authority) -> Arc<ServerConfig> {
    let holder = authority.host(&["example.org"], Algorithm::P256);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(holder.key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("versions").with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![holder.der], key).expect("a certificate"))
}

/// A handshake by the unbuffered interface.
fn unbuffered(config: &Arc<rustls::ClientConfig>, server: &Arc<ServerConfig>) -> UnbufferedServerConnection {
    let mut client = new_client(config, "example.org");
    let mut connection = UnbufferedServerConnection::new(server.clone()).expect("a connection");
    let (mut input, mut out) = (sent_by(&mut client), Vec::new());
    loop {
        let UnbufferedStatus { discard, state, .. } = connection.process_tls_records(&mut input);
        let mut established = false;
        match state.expect("a handshake") {
            ConnectionState::EncodeTlsData(mut data) => {
                let mut record = vec![0; 20_000];
                let len = data.encode(&mut record).expect("room");
                out.extend_from_slice(&record[..len]);
            }
            ConnectionState::TransmitTlsData(data) => {
                give(&mut client, &std::mem::take(&mut out)).expect("an answer");
                data.done();
            }
            ConnectionState::WriteTraffic(_) => established = true,
            _ => {}
        }
        input.drain(..discard);
        input.extend(sent_by(&mut client));
        if established {
            return connection;
        }
    }
}

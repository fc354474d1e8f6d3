//! What a signature costs when the key lives behind a socket, and what it costs here: `taskset -c 0 cargo run --release
//! -p tls --example signer`. On one processor, so that the time of both ends is in the figure. Of several rounds the
//! middle one.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustls::SignatureScheme;
use rustls::sign::Signer;
use tls::PrivateKey;
use zeroize::Zeroizing;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(300);
/// Bytes that TLS 1.3 has a server sign: padding, label and a hash (RFC 8446 section 4.4.3).
const MESSAGE: [u8; 130] = [0x20; 130];

fn main() {
    let ecdsa = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let rsa = rsa.expect("a key").serialize_pem();
    println!("| key | here | behind a socket | more |\n|---|---|---|---|");
    for (name, pem, scheme) in [
        ("ECDSA P-256", ecdsa, SignatureScheme::ECDSA_NISTP256_SHA256),
        ("RSA-2048", rsa, SignatureScheme::RSA_PSS_SHA256),
    ] {
        let key = PrivateKey::from_pem(Zeroizing::new(pem.into_bytes())).expect("a key");
        let signer = || key.signing().choose_scheme(&[scheme]).expect("the scheme of this key");
        let near = signer();
        let here = microseconds(|| drop(near.sign(&MESSAGE).expect("a signature")));
        let (mut own, other) = UnixStream::pair().expect("sockets");
        let far = signer();
        let serving = std::thread::spawn(move || serve(other, &*far));
        let mut signature = [0; 512];
        let there = microseconds(|| {
            own.write_all(&MESSAGE).expect("the other end is there");
            let len = own.read(&mut signature).expect("the other end is there");
            assert_ne!(len, 0, "a signature");
        });
        drop(own);
        serving.join().expect("it ends with the socket");
        println!("| {name} | {here:.1} us | {there:.1} us | {:.1} us |", there - here);
    }
}

/// Signs whatever comes.
fn serve(mut socket: UnixStream, signer: &dyn Signer) {
    let mut message = MESSAGE;
    while socket.read_exact(&mut message).is_ok() {
        let signature = signer.sign(&message).expect("a signature");
        socket.write_all(&signature).expect("the other end waits for it");
    }
}

/// How long `work` takes.
fn microseconds(mut work: impl FnMut()) -> f64 {
    let mut rounds = [0.0; ROUNDS];
    for round in &mut rounds {
        let (begun, mut count) = (Instant::now(), 0_u32);
        while begun.elapsed() < ROUND {
            work();
            count += 1;
        }
        *round = begun.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    }
    rounds.sort_unstable_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

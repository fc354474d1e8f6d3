//! How many signatures a processor makes by each of the two libraries: what bounds full handshakes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tls::{PrivateKey, SignatureScheme, Zeroizing};

use crate::docroot::RunFolder;
use crate::error::Error;
use crate::measure::Lab;
use crate::packages::OPENSSL;
use crate::process::{self, pinned};
use crate::results::Signing;
use crate::workload::Key;

/// Rounds in which the libraries take turns: the rates hardly vary.
const ROUNDS: usize = 3;
/// Of one library in one round.
const SECONDS: u64 = 1;
/// Signatures between two looks at the clock, which costs part of a microsecond.
const BATCH: u32 = 10;
/// How long `openssl speed` may take: it verifies as long as it signs.
const LIMIT: Duration = Duration::from_secs(30);
/// As long as what a server signs in a handshake (RFC 8446 4.4.3, with SHA-256).
const MESSAGE: [u8; 130] = [0x20; 130];
/// Schemes of both keys, as a client of the bench asks for them.
const SCHEMES: [SignatureScheme; 2] =
    [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256];

/// The task of one run.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Where the key is, in PEM.
    pub(crate) key: PathBuf,
    pub(crate) seconds: u64,
}

/// Signs by AWS-LC, as the server does; signatures a second.
pub(crate) fn run(task: &Task) -> Result<f64, Error> {
    let text = fs::read(&task.key).map_err(Error::io("read", &task.key))?;
    let rate = rate(text, Duration::from_secs(task.seconds));
    rate.ok_or_else(|| Error::io("sign with", &task.key)(std::io::ErrorKind::InvalidData.into()))
}

fn rate(key: Vec<u8>, duration: Duration) -> Option<f64> {
    let key = PrivateKey::from_pem(Zeroizing::new(key)).ok()?;
    let signer = key.signing().choose_scheme(&SCHEMES)?;
    let start = processor_time()?;
    let mut count = 0_u32;
    loop {
        for _ in 0..BATCH {
            signer.sign(&MESSAGE).ok()?;
        }
        count += BATCH;
        // As `openssl speed` counts: time in which something else had the processor is none of ours.
        let spent = processor_time()?.saturating_sub(start);
        if spent >= duration {
            return Some(f64::from(count) / spent.as_secs_f64());
        }
    }
}

/// What this thread has had of its processor.
fn processor_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

fn key_file(folder: &RunFolder, key: Key) -> PathBuf {
    let name = match key {
        Key::Ecdsa => "ecdsa.key",
        Key::Rsa => "rsa.key",
    };
    folder.path().join(name)
}

/// Signs with `key` on the servers' processor, by both libraries in turns.
pub(crate) fn measure(lab: &Lab, key: Key) -> Result<Signing, Error> {
    let openssl = OPENSSL.require()?;
    let version = Command::new(&openssl).arg("version").output();
    let version = version.map_err(Error::io("run", &openssl))?.stdout;
    let openssl_version =
        String::from_utf8_lossy(&version).split(" (").next().unwrap_or("").trim().to_owned();
    let mut signing = Signing { ours: Vec::new(), openssl: Vec::new(), openssl_version };
    for _ in 0..ROUNDS {
        let task = Task { key: key_file(&lab.folder, key), seconds: SECONDS };
        signing.ours.push(lab.generators.sign(&task, lab.cpu, &lab.interrupt)?);
        let mut command = pinned(&[lab.cpu], &openssl);
        command.args(["speed", "-mr", "-seconds"]).arg(SECONDS.to_string()).arg(algorithm(key));
        let log = lab.folder.path().join("openssl-speed.log");
        let output = process::output(&mut command, "openssl speed", &log, LIMIT, &lab.interrupt)?;
        let rate = spoken(&output, key);
        signing.openssl.push(rate.ok_or(Error::Output { program: "openssl speed".to_owned(), output })?);
    }
    Ok(signing)
}

fn algorithm(key: Key) -> &'static str {
    match key {
        Key::Ecdsa => "ecdsap256",
        Key::Rsa => "rsa2048",
    }
}

/// Signatures a second in the output of `openssl speed -mr`: a line `+F2:INDEX:BITS:SIGNED:VERIFIED` for RSA, with F4
/// for ECDSA.
fn spoken(output: &str, key: Key) -> Option<f64> {
    let mark = match key {
        Key::Ecdsa => "+F4:",
        Key::Rsa => "+F2:",
    };
    let line = output.lines().find_map(|line| line.strip_prefix(mark))?;
    line.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_openssl_is_read() {
        let output =
            "+R1:1980:2048:1.00\n+F2:2:2048:2122.916667:31958.536585\n+F4:3:256:26058.5:7958.695652\n";
        assert_eq!(spoken(output, Key::Rsa), Some(2122.916667));
        assert_eq!(spoken(output, Key::Ecdsa), Some(26058.5));
        assert_eq!(spoken("+F4:3:256", Key::Ecdsa), None);
    }

    #[test]
    fn both_keys_sign() {
        let folder = RunFolder::create().unwrap();
        folder.certify_all().unwrap();
        for key in [Key::Ecdsa, Key::Rsa] {
            let text = fs::read(key_file(&folder, key)).unwrap();
            assert!(rate(text, Duration::from_millis(10)).unwrap() > 0.0, "{key:?}");
        }
        assert_eq!(rate(b"no key".to_vec(), Duration::ZERO), None);
    }
}

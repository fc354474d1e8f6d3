//! Keys of TLS session tickets: made here, handed to every worker, so that a session which began at one can be taken up
//! again at any other, after a reload, a crash or an upgrade.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::wire::Bytes;

/// Bytes of a key.
const LEN: usize = 48;
/// How often another key takes its place at the front.
const PERIOD: Duration = Duration::from_secs(8 * 60 * 60);
/// How long to wait when something else is under way.
const RETRY: Duration = Duration::from_secs(60);
/// Keys at a time: the next one, which everybody knows before it is used; the one in use; and those whose tickets may
/// still come.
const KEYS: usize = 5;

/// The keys, the one in use first; none at first.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    keys: Vec<Zeroizing<Vec<u8>>>,
    /// When the next one takes its place at the front.
    pub(crate) due: Option<Instant>,
}

impl Tickets {
    /// New ones.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { keys: vec![random()?, random()?], due: Some(Instant::now() + PERIOD) })
    }

    /// Those of the program before this one; new ones when it had none.
    pub(crate) fn inherit(kept: &[Bytes]) -> io::Result<Self> {
        let keys: Vec<_> = kept.iter().map(|key| Zeroizing::new(key.0.clone())).collect();
        if keys.is_empty() { Self::new() } else { Ok(Self { keys, due: Some(Instant::now() + PERIOD) }) }
    }

    /// As workers and successors are told.
    pub(crate) fn told(&self) -> Vec<Bytes> {
        self.keys.iter().map(|key| Bytes(key.to_vec())).collect()
    }

    /// Waits for a better moment.
    pub(crate) fn later(&mut self) {
        self.due = Some(Instant::now() + RETRY);
    }

    /// Puts the next key to the front, and another one behind it.
    pub(crate) fn rotate(&mut self) {
        self.due = Some(Instant::now() + PERIOD);
        match random() {
            Ok(next) => {
                // Everybody has known the second one since the last time.
                self.keys.swap(0, 1);
                self.keys.insert(1, next);
                self.keys.truncate(KEYS);
            }
            Err(error) => log::error!("the keys of TLS tickets stay as they are: {error}"),
        }
    }
}

fn random() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; LEN]);
    fill_random(&mut key)?;
    Ok(key)
}

/// Fills `bytes` with random ones.
///
/// # Errors
/// When the system gives none.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_before_it_is_used_and_long_after() {
        let mut tickets = Tickets::new().unwrap();
        let mut seen = Vec::new();
        for _ in 0..10 {
            let before = tickets.told();
            tickets.rotate();
            let after = tickets.told();
            assert_eq!(after[0], before[1], "the one that everybody knows comes next");
            assert!(after[2..].contains(&before[0]), "the one that was used still opens");
            assert!(after.len() <= KEYS && !seen.contains(&after[1]), "another one is new");
            seen.push(after[1].clone());
        }
    }
}

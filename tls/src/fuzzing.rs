//! Properties that hold for every input, checked by fuzzers and tests. Not part of the interface.

use std::sync::Arc;

use crate::certificate::crl_next_update;
use crate::ocsp::Response;
use crate::{Certificate, Chain, Failure, Handshake, Hosts, PrivateKey, Zeroizing};

/// What comes of a whole connection, as far as it depends on its input alone.
type Outcome = Result<bool, Failure>;

/// Feeds a connection whole, in pieces and byte by byte: it ends the same, and never in a panic.
pub fn handshake(hosts: &Arc<Hosts>, input: &[u8]) {
    const PIECES: [usize; 3] = [1, 7, 4096];

    let whole = outcome(hosts, input, usize::MAX);
    for piece in PIECES {
        assert_eq!(outcome(hosts, input, piece), whole, "pieces of {piece} bytes do not matter");
    }
}

fn outcome(hosts: &Arc<Hosts>, input: &[u8], piece: usize) -> Outcome {
    let mut handshake = Handshake::new(hosts.clone());
    let mut out = Vec::new();
    for bytes in input.chunks(piece.max(1)) {
        let progress = handshake.feed(bytes, &mut out)?;
        assert!(progress.taken <= bytes.len());
        if progress.session.is_some() {
            return Ok(true);
        }
        assert_eq!(progress.taken, bytes.len(), "a handshake takes everything");
    }
    Ok(false)
}

/// Reads texts, certificates, lists and responses: whatever they are, nothing panics.
pub fn files(input: &[u8]) {
    let _facts = Certificate::from_der(input).map(|facts| facts.covers("example.org"));
    let _response = Response::from_der(input);
    let _list_end = crl_next_update(input);
    let _chain = Chain::from_pem(input).map(|chain| assert!(!chain.facts().is_empty()));
    let _key = PrivateKey::from_pem(Zeroizing::new(input.to_vec())).is_ok();
}

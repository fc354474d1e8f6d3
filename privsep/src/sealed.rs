//! Values that may be too long for a frame: encoded in memory that nobody can change any more, whose descriptor goes
//! along with the frame.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use zeroize::Zeroizing;

use crate::link::LinkError;
use crate::wire::{Wire, decode, encode};

/// Most bytes of a value. A configuration has at most 16 MiB of text, and what it needs is not much longer.
pub(crate) const MAX: usize = 64 << 20;

/// The encoded value in sealed memory.
///
/// # Errors
/// When descriptors or memory have run out.
pub fn seal<T: Wire>(value: &T) -> io::Result<OwnedFd> {
    sys::mem::sealed("kimura-message", &encode(value))
}

/// The value that [`seal`] was given.
///
/// # Errors
/// [`LinkError::Bad`] for other bytes, [`LinkError::System`] for memory that is not sealed or too long.
pub fn unseal<T: Wire>(memory: &OwnedFd) -> Result<T, LinkError> {
    let bytes = sys::mem::read_sealed(memory.as_fd(), MAX).map_err(LinkError::System)?;
    Ok(decode(&bytes)?)
}

/// As [`unseal`], for what nobody else is to know: leaves no copy behind but the value.
///
/// # Errors
/// As [`unseal`].
pub fn unseal_secret<T: Wire>(memory: &OwnedFd) -> Result<T, LinkError> {
    let bytes = Zeroizing::new(sys::mem::read_sealed(memory.as_fd(), MAX).map_err(LinkError::System)?);
    Ok(decode(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Bytes;

    #[test]
    fn long_values_come_back_and_others_are_refused() {
        let long = Bytes(vec![7; 1 << 20]);
        assert_eq!(unseal::<Bytes>(&seal(&long).unwrap()).unwrap(), long);
        let short = sys::mem::sealed("test", &[9]).unwrap();
        assert!(matches!(unseal::<Bytes>(&short), Err(LinkError::Bad(_))));
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(matches!(unseal::<Bytes>(&file.into()), Err(LinkError::System(_))));
    }
}

//! Numbers that look random: who gets a request by chance is no secret.

/// A sequence of them (xorshift64*).
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// Another sequence for another seed.
    pub(super) fn new(seed: u64) -> Chance {
        // Nothing ever comes of 0.
        Chance(seed | 1 << 63)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(number) * u128::from(bound)) >> u64::BITS) as u64
    }
}

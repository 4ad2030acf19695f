//! The random sequence of Aeron's loss generators, so that a seed loses the same datagrams here and there.

/// POSIX `erand48`: a 48-bit linear congruential sequence.
#[derive(Clone, Debug)]
pub(super) struct Erand48(u64);

impl Erand48 {
    const MASK: u64 = (1 << 48) - 1;

    /// Starts where Aeron starts for this seed: its three 16-bit words in reverse order.
    pub(super) fn new(seed: u64) -> Self {
        let word = |index: u64| (seed >> (16 * index)) & 0xFFFF;
        Self(word(0) << 32 | word(1) << 16 | word(2))
    }

    /// The next number, 0.0 inclusive to 1.0 exclusive.
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & Self::MASK;
        self.0 as f64 / (1_u64 << 48) as f64
    }

    /// Whether an event of this rate (0.0..=1.0) happens; no number is drawn for a rate of 0.
    pub(super) fn happens(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.next() <= rate
    }
}

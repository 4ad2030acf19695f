//! What messages consist of: length and bytes follow from the seed, the session and the number of the message, so
//! nothing needs to be kept to check them.

/// How long messages are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lengths {
    /// Up to 64 bytes, often none.
    Short,
    /// Up to one frame.
    Frame,
    /// Right at the limits: nothing, one byte, one frame and one byte more or less, the longest message.
    Edges,
    /// Anything up to the longest message.
    Any,
}

/// Limits of a publication, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_payload: usize,
    pub(crate) max_message: usize,
}

/// Writes message `number` of a session over `message`.
pub(crate) fn compose(
    message: &mut Vec<u8>,
    (seed, session, number): (u64, usize, usize),
    lengths: Lengths,
    limits: Limits,
) {
    let mut random = fastrand::Rng::with_seed(mix(mix(seed, session as u64), number as u64));
    let Limits { max_payload, max_message } = limits;
    let length = match lengths {
        Lengths::Short => random.usize(0..=64).saturating_sub(16),
        Lengths::Frame => random.usize(0..=max_payload),
        Lengths::Edges => {
            let edges = [0, 1, max_payload - 1, max_payload, max_payload + 1, 2 * max_payload, max_message];
            edges[random.usize(..edges.len())].min(max_message)
        }
        Lengths::Any => random.usize(0..=max_message),
    };
    message.clear();
    message.resize(length, 0);
    random.fill(message);
}

/// A seed for one purpose out of a seed for all.
pub(crate) const fn mix(seed: u64, purpose: u64) -> u64 {
    // The finaliser of SplitMix64: neighbouring inputs give unrelated outputs.
    let mut z = seed.wrapping_add(purpose.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

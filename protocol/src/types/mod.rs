//! Newtypes of the domain. Bare integers stop at the edges: codecs and command lines.

mod ids;
mod position;
mod term;
mod time;

pub use ids::{
    ClientId, CorrelationId, CounterId, CounterTypeId, GroupTag, ReceiverId, RegistrationId, SessionId,
    StreamId,
};
pub use position::{Position, TermGeometry};
pub use term::{Mtu, MtuError, TermId, TermLength, TermLengthError, TermOffset};
pub use time::{EpochMillis, Nanos, Now};

/// Every frame in a term and every data frame on the wire starts at a multiple of this, in bytes.
/// Source: wire spec 1.1.
pub const FRAME_ALIGNMENT: i32 = 32;

/// Length of a data frame header, in bytes. Source: wire spec 1.5.
pub const DATA_HEADER_LENGTH: i32 = 32;

/// Largest UDP payload that a driver sends, and so the largest MTU, in bytes. Source: wire spec 1.1.
pub const MAX_UDP_PAYLOAD_LENGTH: i32 = 65_504;

/// Rounds a byte count up to a multiple of `alignment`, a power of two.
#[inline]
#[must_use]
pub const fn align(value: i32, alignment: i32) -> i32 {
    (value.wrapping_add(alignment - 1)) & !(alignment - 1)
}

/// [`align`] for sizes in memory.
#[inline]
#[must_use]
pub const fn align_usize(value: usize, alignment: usize) -> usize {
    (value + (alignment - 1)) & !(alignment - 1)
}

/// Rounds a frame length (0..=2^31-32) up to the frame alignment.
#[inline]
#[must_use]
pub const fn align_frame(length: i32) -> i32 {
    align(length, FRAME_ALIGNMENT)
}

#[cfg(test)]
mod tests;

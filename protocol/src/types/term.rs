//! Terms: the three buffers that a stream rotates through.

use core::fmt;

use super::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT, MAX_UDP_PAYLOAD_LENGTH};

/// Number of one term in a stream; wraps around.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct TermId(i32);

impl TermId {
    /// Wraps the raw value; any `i32`.
    #[inline]
    #[must_use]
    pub const fn new(value: i32) -> Self {
        Self(value)
    }

    /// The raw value.
    #[inline]
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The term that follows, wrapping past `i32::MAX`.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The term `count` terms later (earlier when negative), wrapping.
    #[inline]
    #[must_use]
    pub const fn wrapping_add(self, count: i32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Number of terms from `earlier` to this one, wrapping; negative when this one comes first.
    #[inline]
    #[must_use]
    pub const fn terms_since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl fmt::Display for TermId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TermId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TermId({})", self.0)
    }
}

/// Byte offset within a term, `0..=term length`; a multiple of 32 when a frame starts there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TermOffset(i32);

impl TermOffset {
    /// The start of a term.
    pub const ZERO: Self = Self(0);

    /// Wraps the raw value. What comes from outside is checked with [`TermOffset::is_frame_start_in`] first.
    #[inline]
    #[must_use]
    pub const fn new(value: i32) -> Self {
        Self(value)
    }

    /// The raw value, in bytes.
    #[inline]
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The value as an index into the term's memory; 0 for a negative offset, which no checked offset is.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        if self.0 < 0 { 0 } else { self.0 as usize }
    }

    /// Whether a frame of a term of this length may start here: `0 <= offset < length`, a multiple of 32.
    #[inline]
    #[must_use]
    pub const fn is_frame_start_in(self, length: TermLength) -> bool {
        self.0 >= 0 && self.0 < length.get() && self.0 & (FRAME_ALIGNMENT - 1) == 0
    }
}

impl core::ops::Add<i32> for TermOffset {
    type Output = Self;

    #[inline]
    fn add(self, bytes: i32) -> Self {
        Self(self.0 + bytes)
    }
}

impl core::ops::Sub for TermOffset {
    type Output = i32;

    #[inline]
    fn sub(self, other: Self) -> i32 {
        self.0 - other.0
    }
}

impl fmt::Display for TermOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TermOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TermOffset({})", self.0)
    }
}

/// Why a number is not a term length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("term length {0} must be a power of two between 65536 (64k) and 1073741824 (1g)")]
pub struct TermLengthError(pub i64);

/// Length of a term: a power of two, 64 KiB to 1 GiB. Source: wire spec 1.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct TermLength(i32);

impl TermLength {
    /// The shortest term: 64 KiB.
    // Loom explores every interleaving, so its terms must be tiny.
    pub const MIN: Self = Self(if cfg!(loom) { 64 } else { 64 * 1024 });
    /// The longest term: 1 GiB.
    pub const MAX: Self = Self(1024 * 1024 * 1024);
    /// No message is longer than this, whatever the term length: 16 MiB. Source: wire spec 1.1.
    pub const MAX_MESSAGE_LENGTH: i32 = 16 * 1024 * 1024;

    /// Checks a length in bytes.
    ///
    /// # Errors
    /// When it is not a power of two within [`TermLength::MIN`]..=[`TermLength::MAX`].
    pub const fn new(bytes: i64) -> Result<Self, TermLengthError> {
        if bytes < Self::MIN.0 as i64 || bytes > Self::MAX.0 as i64 || bytes & (bytes - 1) != 0 {
            return Err(TermLengthError(bytes));
        }
        Ok(Self(bytes as i32))
    }

    /// The length in bytes.
    #[inline]
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The length as a size in memory.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }

    /// log2 of the length, 16..=30: how far a position shifts to give a term count.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// `length - 1`: which bits of a position are the term offset.
    #[inline]
    #[must_use]
    pub const fn mask(self) -> i64 {
        self.0 as i64 - 1
    }

    /// Longest message on such a term: an eighth of it, at most 16 MiB.
    #[inline]
    #[must_use]
    pub const fn max_message_length(self) -> i32 {
        let eighth = self.0 / 8;
        if eighth < Self::MAX_MESSAGE_LENGTH { eighth } else { Self::MAX_MESSAGE_LENGTH }
    }

    /// Where a stream with such terms ends: `length * 2^31`, in bytes. Source: shared-memory spec 7.6.
    #[inline]
    #[must_use]
    pub const fn max_position(self) -> i64 {
        (self.0 as i64) << 31
    }
}

impl fmt::Display for TermLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a number is not an MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MTU {0} must be a multiple of 32, more than 32 and at most 65504")]
pub struct MtuError(pub i64);

/// Longest frame that a publication writes, header included: a multiple of 32, 64..=65504 bytes.
/// Source: wire spec 1.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct Mtu(i32);

impl Mtu {
    /// Checks a length in bytes.
    ///
    /// # Errors
    /// When it is not a multiple of 32 above 32 and up to 65504.
    pub const fn new(bytes: i64) -> Result<Self, MtuError> {
        if bytes <= DATA_HEADER_LENGTH as i64
            || bytes > MAX_UDP_PAYLOAD_LENGTH as i64
            || bytes & (FRAME_ALIGNMENT as i64 - 1) != 0
        {
            return Err(MtuError(bytes));
        }
        Ok(Self(bytes as i32))
    }

    /// The length in bytes.
    #[inline]
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Longest payload of one frame, in bytes.
    #[inline]
    #[must_use]
    pub const fn max_payload_length(self) -> i32 {
        self.0 - DATA_HEADER_LENGTH
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

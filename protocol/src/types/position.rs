//! Positions: bytes since the start of a stream, and the geometry that maps them onto terms.

use core::{cmp, fmt, ops};

use super::{FRAME_ALIGNMENT, TermId, TermLength, TermOffset};

/// Bytes since the start of a stream, frame headers and padding included; never negative in a live stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Position(i64);

impl Position {
    /// The start of a stream.
    pub const ZERO: Self = Self(0);
    /// Later than any position: the value of "not known yet".
    pub const MAX: Self = Self(i64::MAX);

    /// Wraps the raw value, in bytes.
    #[inline]
    #[must_use]
    pub const fn new(bytes: i64) -> Self {
        Self(bytes)
    }

    /// The frame boundary at or below a number that other processes can write, such as a counter's; at least 0.
    #[inline]
    #[must_use]
    pub const fn at_frame(bytes: i64) -> Self {
        let bytes = if bytes > 0 { bytes } else { 0 };
        Self(bytes & !(FRAME_ALIGNMENT as i64 - 1))
    }

    /// The raw value, in bytes.
    #[inline]
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The later of two positions.
    #[inline]
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        cmp::max(self, other)
    }

    /// The earlier of two positions.
    #[inline]
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        cmp::min(self, other)
    }
}

impl ops::Add<i64> for Position {
    type Output = Self;

    #[inline]
    fn add(self, bytes: i64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl ops::Sub<i64> for Position {
    type Output = Self;

    #[inline]
    fn sub(self, bytes: i64) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl ops::Sub for Position {
    type Output = i64;

    #[inline]
    fn sub(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({})", self.0)
    }
}

/// Maps positions to terms and back: the only place that knows how. Source: wire spec 1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TermGeometry {
    initial_term_id: TermId,
    term_length: TermLength,
    bits: u32,
}

impl TermGeometry {
    /// Number of term buffers in a log.
    pub const PARTITION_COUNT: usize = 3;

    /// Geometry of a stream that starts with `initial_term_id`.
    #[must_use]
    pub const fn new(initial_term_id: TermId, term_length: TermLength) -> Self {
        Self { initial_term_id, term_length, bits: term_length.bits() }
    }

    /// Id of the stream's first term.
    #[inline]
    #[must_use]
    pub const fn initial_term_id(&self) -> TermId {
        self.initial_term_id
    }

    /// Length of each term.
    #[inline]
    #[must_use]
    pub const fn term_length(&self) -> TermLength {
        self.term_length
    }

    /// Position of an offset in a term; the distance of the ids wraps and counts terms.
    #[inline]
    #[must_use]
    pub const fn position(&self, term_id: TermId, offset: TermOffset) -> Position {
        Position::new(((term_id.terms_since(self.initial_term_id) as i64) << self.bits) + offset.get() as i64)
    }

    /// The term that holds a position.
    #[inline]
    #[must_use]
    pub const fn term_id(&self, position: Position) -> TermId {
        self.initial_term_id.wrapping_add((position.get() >> self.bits) as i32)
    }

    /// Offset of a position in its term.
    #[inline]
    #[must_use]
    pub const fn term_offset(&self, position: Position) -> TermOffset {
        TermOffset::new((position.get() & self.term_length.mask()) as i32)
    }

    /// Number of terms before the one that holds a position.
    #[inline]
    #[must_use]
    pub const fn term_count(&self, position: Position) -> i32 {
        (position.get() >> self.bits) as i32
    }

    /// Which of the three term buffers holds a position, 0..=2.
    #[inline]
    #[must_use]
    pub const fn partition_index(&self, position: Position) -> usize {
        ((position.get() >> self.bits) as u64 % Self::PARTITION_COUNT as u64) as usize
    }

    /// Start of the term that holds a position.
    #[inline]
    #[must_use]
    pub const fn term_begin(&self, position: Position) -> Position {
        Position::new(position.get() & !self.term_length.mask())
    }

    /// Where streams with this geometry end.
    #[inline]
    #[must_use]
    pub const fn max_position(&self) -> Position {
        Position::new(self.term_length.max_position())
    }
}

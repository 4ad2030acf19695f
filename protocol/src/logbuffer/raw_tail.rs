//! The tail of one term, as its counter holds it.

use crate::types::{TermId, TermLength, TermOffset};

/// A tail counter: term id in the high half, offset in the low half, which may run past the end of the term.
/// Source: shared-memory spec 7.6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct RawTail(i64);

impl RawTail {
    /// Packs a term id and an offset.
    #[inline]
    #[must_use]
    pub const fn new(term_id: TermId, offset: TermOffset) -> Self {
        Self(((term_id.get() as i64) << 32) | (offset.get() as u32 as i64))
    }

    /// Wraps the value of a counter.
    #[inline]
    #[must_use]
    pub const fn from_raw(value: i64) -> Self {
        Self(value)
    }

    /// The value of the counter.
    #[inline]
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The term this tail belongs to.
    #[inline]
    #[must_use]
    pub const fn term_id(self) -> TermId {
        TermId::new((self.0 >> 32) as i32)
    }

    /// The low half as it stands, in bytes.
    #[inline]
    #[must_use]
    pub const fn low_half(self) -> usize {
        (self.0 & 0xFFFF_FFFF) as usize
    }

    /// Where the next frame goes, at most the length of the term.
    #[inline]
    #[must_use]
    pub const fn offset(self, term_length: TermLength) -> TermOffset {
        let offset = self.0 & 0xFFFF_FFFF;
        let length = term_length.get() as i64;
        TermOffset::new(if offset < length { offset } else { length } as i32)
    }
}

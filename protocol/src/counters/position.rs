//! A position that somebody else writes.

use crate::{
    memory::AtomicView,
    types::{CounterId, Position},
};

/// Read-only handle on one counter's value, most often a position. See [`AtomicCounter`](super::AtomicCounter).
#[derive(Clone, Debug)]
pub struct ReadablePosition {
    record: AtomicView,
    id: CounterId,
}

impl ReadablePosition {
    pub(super) fn over(record: AtomicView, id: CounterId) -> Self {
        Self { record, id }
    }

    /// Index of the counter in the counters buffers.
    #[inline]
    #[must_use]
    pub fn id(&self) -> CounterId {
        self.id
    }

    /// The value with acquire ordering; pairs with the owner's release stores.
    #[inline]
    #[must_use]
    pub fn get_acquire(&self) -> i64 {
        self.record.get_i64_acquire(0)
    }

    /// [`ReadablePosition::get_acquire`] as a position, in bytes.
    #[inline]
    #[must_use]
    pub fn position(&self) -> Position {
        Position::new(self.get_acquire())
    }
}

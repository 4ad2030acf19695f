//! A counter's value, ready for the hot path.

use super::{Confirmation, layout::VALUE_RECORD_LENGTH, position::ReadablePosition};
use crate::{memory::AtomicView, types::CounterId};

const VALUE_OFFSET: usize = 0;

/// Handle on the value of one counter, in its own 128 bytes so that writers do not disturb each other's cache lines.
///
/// The handle stays usable after the counter is freed, but then writes to whatever reuses the record: the owner stops
/// writing before it lets the counter be freed.
///
/// Threading: any thread may read. All verbs that write, except [`AtomicCounter::get_and_add`], are for the one thread
/// that owns the value.
#[derive(Clone, Debug)]
pub struct AtomicCounter {
    record: AtomicView,
    id: CounterId,
}

impl AtomicCounter {
    /// Handle on a value record of its own.
    pub(super) fn over(record: AtomicView, id: CounterId) -> Self {
        Self { record, id }
    }

    /// A counter that nobody else sees, with id -1: for tests and for callers without counters.
    #[must_use]
    pub fn detached() -> Self {
        Self { record: AtomicView::allocate(VALUE_RECORD_LENGTH), id: CounterId::NULL }
    }

    /// Index of the counter in the counters buffers.
    #[inline]
    #[must_use]
    pub fn id(&self) -> CounterId {
        self.id
    }

    /// The value, relaxed: what the owner last wrote, for the owner.
    #[inline]
    #[must_use]
    pub fn get(&self) -> i64 {
        self.record.get_i64(VALUE_OFFSET)
    }

    /// The value with acquire ordering; pairs with the owner's release stores.
    #[inline]
    #[must_use]
    pub fn get_acquire(&self) -> i64 {
        self.record.get_i64_acquire(VALUE_OFFSET)
    }

    /// Stores, relaxed: nothing is published with it.
    #[inline]
    pub fn set(&self, value: i64) {
        self.record.put_i64(VALUE_OFFSET, value);
    }

    /// Stores with release ordering.
    #[inline]
    pub fn set_release(&self, value: i64) {
        self.record.put_i64_release(VALUE_OFFSET, value);
    }

    /// Adds one, by the owner alone, with release ordering.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `delta`, wrapping, by the owner alone, with release ordering.
    #[inline]
    pub fn add(&self, delta: i64) {
        self.set_release(self.get().wrapping_add(delta));
    }

    /// Raises the value to `proposed` if that is more, by the owner alone, with release ordering; whether it did.
    #[inline]
    pub fn propose_max(&self, proposed: i64) -> bool {
        let raised = self.get() < proposed;
        if raised {
            self.set_release(proposed);
        }
        raised
    }

    /// Adds `delta`, wrapping, by any number of threads; returns the value before.
    #[inline]
    pub fn get_and_add(&self, delta: i64) -> i64 {
        self.record.fetch_add_i64(VALUE_OFFSET, delta)
    }

    /// Notes that what the value rests on was heard again, whether or not that changed it; by the owner alone.
    #[inline]
    pub fn confirm(&self, confirmation: Confirmation) {
        confirmation.write(&self.record);
    }

    /// That what the value rests on was heard, the last time; `None` for never.
    #[must_use]
    pub fn confirmation(&self) -> Option<Confirmation> {
        Confirmation::read(&self.record)
    }

    /// A handle on the same value that can only be read.
    #[must_use]
    pub fn readable(&self) -> ReadablePosition {
        ReadablePosition::over(self.record.clone(), self.id)
    }
}

//! The driver's side of the counters: allocation and reuse of ids.

use core::time::Duration;
use std::collections::VecDeque;

use super::{
    AtomicCounter, CountersReader,
    layout::{MAX_KEY_LENGTH, NOT_FREE_TO_REUSE, RecordState, Records, Slot},
};
use crate::{
    memory::AtomicView,
    sync::{Ordering, fence},
    types::{CounterId, CounterTypeId, EpochMillis},
};

/// Why a counter was not allocated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CountersError {
    /// Every id is in use or waits for its reuse.
    #[error(
        "all {count} counters are in use or within their reuse timeout; raise aeron.counters.buffer.length (128 bytes per counter)"
    )]
    Full {
        /// How many counters the buffers hold.
        count: usize,
    },
}

/// What a counter is to be. Longer keys and labels than fit are cut. Source: shared-memory spec 5.3, 5.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewCounter<'a> {
    /// Registered kind.
    pub type_id: CounterTypeId,
    /// Machine-readable name, at most 112 bytes.
    pub key: &'a [u8],
    /// Name for people, ASCII, at most 380 bytes.
    pub label: &'a [u8],
    /// Registration id that readers look the counter up by, together with the type; 0 for none.
    pub registration_id: i64,
    /// Client that asked for it; -1 for the driver's own, 0 for not set.
    pub owner_id: i64,
    /// What the counter refers to, by type; 0 for none.
    pub reference_id: i64,
}

/// Allocates, labels and frees counters. Owned by the one thread that does so, the driver's conductor.
#[derive(Debug)]
pub struct CountersManager {
    records: Records,
    reuse_timeout: Duration,
    never_used: usize,
    free: VecDeque<(Slot, EpochMillis)>,
}

impl CountersManager {
    /// Takes over two zeroed buffers. There is room for as many counters as both hold.
    ///
    /// A freed id is not used again for `reuse_timeout`, so that readers can notice.
    #[must_use]
    pub fn new(metadata: AtomicView, values: AtomicView, reuse_timeout: Duration) -> Self {
        Self { records: Records::new(metadata, values), reuse_timeout, never_used: 0, free: VecDeque::new() }
    }

    /// Allocates a counter with value 0. Source: shared-memory spec 5.3.
    ///
    /// Readers see it from the moment its state is stored (release), its registration id right after.
    ///
    /// # Errors
    /// [`CountersError::Full`] when no id is free now.
    pub fn allocate(
        &mut self,
        now: EpochMillis,
        new: &NewCounter<'_>,
    ) -> Result<AtomicCounter, CountersError> {
        let slot = self.next_slot(now)?;
        let records = &self.records;
        records.set_type_id(slot, new.type_id);
        records.set_free_for_reuse_deadline(slot, NOT_FREE_TO_REUSE);
        records.set_key(slot, &new.key[..new.key.len().min(MAX_KEY_LENGTH)]);
        records.set_label(slot, new.label);
        records.set_state_release(slot, RecordState::Allocated);
        records.set_registration_id_release(slot, new.registration_id);
        records.set_owner_id(slot, new.owner_id);
        records.set_reference_id(slot, new.reference_id);
        Ok(AtomicCounter::over(records.value_record(slot), slot.id()))
    }

    /// Frees a counter, to be reused after the timeout; whether it was allocated. Label and value stay in place.
    pub fn free(&mut self, id: CounterId, now: EpochMillis) -> bool {
        let Some(slot) = self.allocated(id) else {
            return false;
        };
        let deadline = now + self.reuse_timeout;
        self.records.set_state_release(slot, RecordState::Reclaimed);
        // A reader that has seen any of the stores below, or of the next life, then fences and looks again, sees this
        // state or a later one.
        fence(Ordering::Release);
        self.records.zero_key(slot);
        self.records.set_free_for_reuse_deadline(slot, deadline);
        self.free.push_back((slot, deadline));
        true
    }

    /// Replaces the label of an allocated counter; whether there was one.
    pub fn set_label(&mut self, id: CounterId, label: &[u8]) -> bool {
        self.allocated(id).map(|slot| self.records.set_label(slot, label)).is_some()
    }

    /// Appends to the label of an allocated counter as much as fits; whether there was one.
    pub fn append_label(&mut self, id: CounterId, text: &[u8]) -> bool {
        self.allocated(id).map(|slot| self.records.append_label(slot, text)).is_some()
    }

    /// Changes what an allocated counter refers to; whether there was one.
    pub fn set_reference_id(&mut self, id: CounterId, reference_id: i64) -> bool {
        self.allocated(id).map(|slot| self.records.set_reference_id(slot, reference_id)).is_some()
    }

    /// Handle on the value of an allocated counter.
    #[must_use]
    pub fn counter(&self, id: CounterId) -> Option<AtomicCounter> {
        let slot = self.allocated(id)?;
        Some(AtomicCounter::over(self.records.value_record(slot), id))
    }

    /// A reader of the same counters.
    #[must_use]
    pub fn reader(&self) -> CountersReader {
        CountersReader::over(self.records.clone())
    }

    /// How many counters the buffers hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.records.count()
    }

    fn allocated(&self, id: CounterId) -> Option<Slot> {
        self.records.slot(id).filter(|slot| self.records.state_acquire(*slot) == RecordState::Allocated)
    }

    fn next_slot(&mut self, now: EpochMillis) -> Result<Slot, CountersError> {
        let free_again = self.free.iter().position(|(_, deadline)| now >= *deadline);
        if let Some((slot, _)) = free_again.and_then(|index| self.free.remove(index)) {
            self.records.reset_values(slot);
            return Ok(slot);
        }
        let slot = self.records.slot(CounterId::new(self.never_used as i32));
        let slot = slot.ok_or_else(|| CountersError::Full { count: self.records.count() })?;
        self.never_used += 1;
        Ok(slot)
    }
}

//! The driver's side of the counters: allocation and reuse of ids.

use core::{fmt, ops::Range, time::Duration};
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
    /// The file system has no room for more.
    #[error(
        "no storage for more than {reserved} counters: free some in the Aeron directory's file system, or raise the shared memory size"
    )]
    Storage {
        /// How many counters have storage.
        reserved: usize,
    },
}

/// Sets storage aside for counters before they are first written to, where the file does not have it from the start.
///
/// Readers look one counter ahead of the last one in use, so that one has storage too.
pub struct CounterStorage {
    reserved: usize,
    step: usize,
    reserve: Box<dyn FnMut(Range<usize>) -> bool + Send>,
}

impl CounterStorage {
    /// Nothing is set aside yet; `reserve` does so for counters by their ids, `step` (1 and up) at a time, and says whether
    /// there was room.
    #[must_use]
    pub fn new(step: usize, reserve: Box<dyn FnMut(Range<usize>) -> bool + Send>) -> Self {
        Self { reserved: 0, step: step.max(1), reserve }
    }

    /// Whether the counter `id` and the one after it have storage.
    fn covers(&mut self, id: usize, capacity: usize) -> bool {
        let needed = (id + 2).min(capacity);
        if self.reserved < needed {
            let end = (self.reserved + self.step).max(needed).min(capacity);
            if !(self.reserve)(self.reserved..end) {
                return false;
            }
            self.reserved = end;
        }
        true
    }
}

impl fmt::Debug for CounterStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CounterStorage({} reserved)", self.reserved)
    }
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
    storage: Option<CounterStorage>,
}

impl CountersManager {
    /// Takes over two zeroed buffers. There is room for as many counters as both hold.
    ///
    /// A freed id is not used again for `reuse_timeout`, so that readers can notice; or until the wall clock goes back by
    /// as much.
    #[must_use]
    pub fn new(metadata: AtomicView, values: AtomicView, reuse_timeout: Duration) -> Self {
        let records = Records::new(metadata, values);
        Self { records, reuse_timeout, never_used: 0, free: VecDeque::new(), storage: None }
    }

    /// As [`CountersManager::new`], for buffers of which `storage` sets aside what is used.
    #[must_use]
    pub fn with_storage(self, storage: CounterStorage) -> Self {
        Self { storage: Some(storage), ..self }
    }

    /// Allocates a counter with value 0. Source: shared-memory spec 5.3.
    ///
    /// Readers see it from the moment its state is stored (release), its registration id right after.
    ///
    /// # Errors
    /// [`CountersError::Full`] when no id is free now, [`CountersError::Storage`] when there is no room for another one.
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
        // Far further away than it ever was, a deadline is of before the clock went back.
        let has_rested = |deadline| now >= deadline || now + 2 * self.reuse_timeout < deadline;
        let free_again = self.free.iter().position(|(_, deadline)| has_rested(*deadline));
        if let Some((slot, _)) = free_again.and_then(|index| self.free.remove(index)) {
            self.records.reset_values(slot);
            return Ok(slot);
        }
        let slot = self.records.slot(CounterId::new(self.never_used as i32));
        let slot = slot.ok_or_else(|| CountersError::Full { count: self.records.count() })?;
        if let Some(storage) = &mut self.storage
            && !storage.covers(self.never_used, self.records.count())
        {
            return Err(CountersError::Storage { reserved: storage.reserved });
        }
        self.never_used += 1;
        Ok(slot)
    }
}

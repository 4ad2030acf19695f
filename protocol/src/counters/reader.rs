//! Looking at counters, from any process.

use core::fmt;

use super::{
    AtomicCounter, Confirmation, ReadablePosition,
    layout::{MAX_KEY_LENGTH, RecordState, Records, Slot},
};
use crate::{
    memory::AtomicView,
    sync::{Ordering, fence},
    types::{CounterId, CounterTypeId, EpochMillis},
};

/// How often a record is read again when it changed under the reader.
const READ_ATTEMPTS: usize = 4;

/// A counter as it stood when it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CounterDescriptor {
    /// Index in the counters buffers.
    pub id: CounterId,
    /// Registered kind.
    pub type_id: CounterTypeId,
    /// The whole key field; see the key types of this module for its meaning.
    pub key: [u8; MAX_KEY_LENGTH],
    /// Name for people; bytes that are not UTF-8 replaced.
    pub label: String,
    /// What the counter is looked up by, together with its type.
    pub registration_id: i64,
    /// Client that asked for it; -1 for the driver's own, 0 for not set.
    pub owner_id: i64,
    /// What the counter refers to, by type.
    pub reference_id: i64,
    /// The value.
    pub value: i64,
    /// When what the value rests on was last heard, and who it waits for, where the driver tells.
    pub confirmation: Option<Confirmation>,
}

/// As AeronStat prints it: `id: value - label`.
impl fmt::Display for CounterDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}: {:>20} - {}", self.id.get(), self.value, self.label)
    }
}

/// Reads the counters of a driver, running or gone. No length or id found there is trusted.
///
/// A counter can be freed and its id reused between two calls: who cares compares the registration id again after
/// reading a value. Keys, labels and descriptors are read that way: never part of one counter and part of its successor.
#[derive(Clone, Debug)]
pub struct CountersReader {
    records: Records,
}

impl CountersReader {
    /// Attaches to the two buffers, of any length.
    #[must_use]
    pub fn new(metadata: AtomicView, values: AtomicView) -> Self {
        Self { records: Records::new(metadata, values) }
    }

    pub(super) fn over(records: Records) -> Self {
        Self { records }
    }

    /// How many counters the buffers hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.records.count()
    }

    /// Where a counter is in its life; `None` for an id outside the buffers. Acquire.
    #[must_use]
    pub fn state(&self, id: CounterId) -> Option<RecordState> {
        self.records.slot(id).map(|slot| self.records.state_acquire(slot))
    }

    /// The kind of an allocated counter.
    #[must_use]
    pub fn type_id(&self, id: CounterId) -> Option<CounterTypeId> {
        self.allocated(id).map(|slot| self.records.type_id(slot))
    }

    /// The key field of an allocated counter.
    #[must_use]
    pub fn key(&self, id: CounterId) -> Option<[u8; MAX_KEY_LENGTH]> {
        self.records.slot(id).and_then(|slot| self.read_allocated(slot, |_| self.records.key(slot)))
    }

    /// The label of an allocated counter; bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn label(&self, id: CounterId) -> Option<String> {
        self.records.slot(id).and_then(|slot| self.read_allocated(slot, |_| self.label_at(slot)))
    }

    /// The value of a counter, allocated or not; `None` for an id outside the buffers. Acquire.
    #[must_use]
    pub fn value(&self, id: CounterId) -> Option<i64> {
        self.records.slot(id).map(|slot| self.records.value_acquire(slot))
    }

    /// The registration id of a counter, allocated or not. Acquire.
    #[must_use]
    pub fn registration_id(&self, id: CounterId) -> Option<i64> {
        self.records.slot(id).map(|slot| self.records.registration_id_acquire(slot))
    }

    /// The owner id of a counter, allocated or not.
    #[must_use]
    pub fn owner_id(&self, id: CounterId) -> Option<i64> {
        self.records.slot(id).map(|slot| self.records.owner_id(slot))
    }

    /// The reference id of a counter, allocated or not.
    #[must_use]
    pub fn reference_id(&self, id: CounterId) -> Option<i64> {
        self.records.slot(id).map(|slot| self.records.reference_id(slot))
    }

    /// When the id can be used again; `i64::MAX` milliseconds while it is allocated. Acquire.
    #[must_use]
    pub fn free_for_reuse_deadline(&self, id: CounterId) -> Option<EpochMillis> {
        self.records.slot(id).map(|slot| self.records.free_for_reuse_deadline_acquire(slot))
    }

    /// Everything about an allocated counter, as one: what changed while it was read is read again.
    #[must_use]
    pub fn descriptor(&self, id: CounterId) -> Option<CounterDescriptor> {
        self.records.slot(id).and_then(|slot| self.descriptor_at(slot))
    }

    /// All allocated counters, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = CounterDescriptor> + '_ {
        self.used().filter_map(|slot| self.descriptor_at(slot))
    }

    /// The allocated counters of a type, in the order of their ids; the key types of this module read their keys.
    pub fn of_type(&self, type_id: CounterTypeId) -> impl Iterator<Item = CounterDescriptor> + '_ {
        self.iter().filter(move |counter| counter.type_id == type_id)
    }

    /// What is left of counters that were freed and whose ids nobody has been given yet: all but the key.
    /// Source: shared-memory spec 5.3.
    pub fn reclaimed(&self) -> impl Iterator<Item = CounterDescriptor> + '_ {
        self.used().filter_map(|slot| self.descriptor_in(slot, RecordState::Reclaimed))
    }

    /// The first allocated counter of a type with a registration id. Source: shared-memory spec 5.4.
    #[must_use]
    pub fn find(&self, type_id: CounterTypeId, registration_id: i64) -> Option<CounterId> {
        self.used()
            .find(|slot| {
                self.records.state_acquire(*slot) == RecordState::Allocated
                    && self.records.type_id(*slot) == type_id
                    && self.records.registration_id_acquire(*slot) == registration_id
            })
            .map(Slot::id)
    }

    /// Handle to read the value of a counter; `None` for an id outside the buffers.
    #[must_use]
    pub fn readable(&self, id: CounterId) -> Option<ReadablePosition> {
        self.records.slot(id).map(|slot| ReadablePosition::over(self.records.value_record(slot), id))
    }

    /// Handle to write the value of a counter that the caller owns (a subscriber position, a counter it added, its
    /// heartbeat); `None` for an id outside the buffers.
    #[must_use]
    pub fn writable(&self, id: CounterId) -> Option<AtomicCounter> {
        self.records.slot(id).map(|slot| AtomicCounter::over(self.records.value_record(slot), id))
    }

    /// Appends to the label of a counter that the caller owns, as a client does to its heartbeat, as much as fits;
    /// whether the counter is allocated.
    pub fn append_label(&self, id: CounterId, text: &[u8]) -> bool {
        self.allocated(id).map(|slot| self.records.append_label(slot, text)).is_some()
    }

    fn allocated(&self, id: CounterId) -> Option<Slot> {
        self.records.slot(id).filter(|slot| self.records.state_acquire(*slot) == RecordState::Allocated)
    }

    /// Ids up to the first that was never used.
    fn used(&self) -> impl Iterator<Item = Slot> + '_ {
        self.records.slots().take_while(|slot| self.records.state_acquire(*slot) != RecordState::Unused)
    }

    fn label_at(&self, slot: Slot) -> String {
        String::from_utf8_lossy(&self.records.label(slot)).into_owned()
    }

    fn descriptor_at(&self, slot: Slot) -> Option<CounterDescriptor> {
        self.descriptor_in(slot, RecordState::Allocated)
    }

    fn descriptor_in(&self, slot: Slot, state: RecordState) -> Option<CounterDescriptor> {
        self.read_whole(slot, state, |registration_id| CounterDescriptor {
            id: slot.id(),
            type_id: self.records.type_id(slot),
            key: self.records.key(slot),
            label: self.label_at(slot),
            registration_id,
            owner_id: self.records.owner_id(slot),
            reference_id: self.records.reference_id(slot),
            value: self.records.value_acquire(slot),
            confirmation: self.records.confirmation(slot),
        })
    }

    fn read_allocated<T>(&self, slot: Slot, read: impl Fn(i64) -> T) -> Option<T> {
        self.read_whole(slot, RecordState::Allocated, read)
    }

    /// Reads from a record in a state, again when the counter was freed or reused meanwhile; `None` when it is in
    /// another state, or changes all the time.
    fn read_whole<T>(&self, slot: Slot, state: RecordState, read: impl Fn(i64) -> T) -> Option<T> {
        for _ in 0..READ_ATTEMPTS {
            // Before the state, not after it: a registration id that was reset for the next life then comes with the
            // state of that life, and not with the one before.
            let registration_id = self.records.registration_id_acquire(slot);
            if self.records.state_acquire(slot) != state {
                return None;
            }
            let whole = read(registration_id);
            // Keeps the loads above before those below; pairs with the fence in the manager's `free`.
            fence(Ordering::Acquire);
            if self.records.state_acquire(slot) == state
                && self.records.registration_id_acquire(slot) == registration_id
            {
                return Some(whole);
            }
        }
        None
    }
}

//! Layout of counters and the accessors of their fields.
//!
//! ```text
//!  values buffer: 128 bytes per id             metadata buffer: 512 bytes per id
//!
//!  +0   value            i64                   +0    state          i32: 0 unused, 1 allocated, -1 reclaimed
//!  +8   registration id  i64                   +4    type id        i32
//!  +16  owner id         i64                   +8    free for reuse i64: epoch ms; i64::MAX while allocated
//!  +24  reference id     i64                   +16   key            112 bytes
//!  +32  confirmation, else padding             +128  label length   i32
//!                                              +132  label          380 bytes
//! ```
//!
//! Ids are dense: the first unused record ends the list. Source: shared-memory spec 5.1, 5.2. [`Confirmation`] is Epona's own.

use super::Confirmation;
use crate::{
    memory::AtomicView,
    types::{CounterId, CounterTypeId, EpochMillis},
};

/// Bytes of the values buffer per counter. Source: shared-memory spec 5.1.
pub const VALUE_RECORD_LENGTH: usize = 128;
/// Bytes of the metadata buffer per counter. Source: shared-memory spec 5.2.
pub const METADATA_RECORD_LENGTH: usize = 512;
/// Longest key, in bytes. Source: shared-memory spec 5.2.
pub const MAX_KEY_LENGTH: usize = 112;
/// Longest label, in bytes. Source: shared-memory spec 5.2.
pub const MAX_LABEL_LENGTH: usize = 380;
/// Reuse deadline of an allocated counter. Source: shared-memory spec 5.2.
pub const NOT_FREE_TO_REUSE: EpochMillis = EpochMillis::new(i64::MAX);

const VALUE_OFFSET: usize = 0;
const REGISTRATION_ID_OFFSET: usize = 8;
const OWNER_ID_OFFSET: usize = 16;
const REFERENCE_ID_OFFSET: usize = 24;

const STATE_OFFSET: usize = 0;
const TYPE_ID_OFFSET: usize = 4;
const FREE_FOR_REUSE_DEADLINE_OFFSET: usize = 8;
const KEY_OFFSET: usize = 16;
const LABEL_LENGTH_OFFSET: usize = 128;
const LABEL_OFFSET: usize = 132;

const _: () = assert!(KEY_OFFSET + MAX_KEY_LENGTH == LABEL_LENGTH_OFFSET);
const _: () = assert!(LABEL_OFFSET + MAX_LABEL_LENGTH == METADATA_RECORD_LENGTH);

/// Where a counter is in its life. Source: shared-memory spec 5.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordState {
    /// Never used; nor is any id after it.
    Unused,
    /// In use.
    Allocated,
    /// Freed; its id waits to be used again.
    Reclaimed,
}

impl RecordState {
    /// Reads a state; a number that is none counts as reclaimed: to be skipped.
    const fn from_raw(raw: i32) -> Self {
        match raw {
            0 => Self::Unused,
            1 => Self::Allocated,
            _ => Self::Reclaimed,
        }
    }

    const fn raw(self) -> i32 {
        match self {
            Self::Unused => 0,
            Self::Allocated => 1,
            Self::Reclaimed => -1,
        }
    }
}

/// The two buffers seen as records. The record of any [`Slot`] is inside both.
#[derive(Clone, Debug)]
pub(super) struct Records {
    metadata: AtomicView,
    values: AtomicView,
    count: usize,
}

/// A counter id known to have a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(usize);

impl Slot {
    pub(super) fn id(self) -> CounterId {
        CounterId::new(self.0 as i32)
    }

    fn value(self, field: usize) -> usize {
        self.0 * VALUE_RECORD_LENGTH + field
    }

    fn metadata(self, field: usize) -> usize {
        self.0 * METADATA_RECORD_LENGTH + field
    }
}

impl Records {
    pub(super) fn new(metadata: AtomicView, values: AtomicView) -> Self {
        let count = (metadata.len() / METADATA_RECORD_LENGTH)
            .min(values.len() / VALUE_RECORD_LENGTH)
            .min(i32::MAX as usize);
        Self { metadata, values, count }
    }

    /// How many counters there is room for.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn slot(&self, id: CounterId) -> Option<Slot> {
        usize::try_from(id.get()).ok().filter(|index| *index < self.count).map(Slot)
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.count).map(Slot)
    }

    /// The value record alone.
    pub(super) fn value_record(&self, slot: Slot) -> AtomicView {
        self.values.sub_view(slot.value(0), VALUE_RECORD_LENGTH)
    }

    pub(super) fn state_acquire(&self, slot: Slot) -> RecordState {
        RecordState::from_raw(self.metadata.get_i32_acquire(slot.metadata(STATE_OFFSET)))
    }

    pub(super) fn set_state_release(&self, slot: Slot, state: RecordState) {
        self.metadata.put_i32_release(slot.metadata(STATE_OFFSET), state.raw());
    }

    pub(super) fn type_id(&self, slot: Slot) -> CounterTypeId {
        CounterTypeId::new(self.metadata.get_i32(slot.metadata(TYPE_ID_OFFSET)))
    }

    pub(super) fn set_type_id(&self, slot: Slot, type_id: CounterTypeId) {
        self.metadata.put_i32(slot.metadata(TYPE_ID_OFFSET), type_id.get());
    }

    pub(super) fn free_for_reuse_deadline_acquire(&self, slot: Slot) -> EpochMillis {
        EpochMillis::new(self.metadata.get_i64_acquire(slot.metadata(FREE_FOR_REUSE_DEADLINE_OFFSET)))
    }

    pub(super) fn set_free_for_reuse_deadline(&self, slot: Slot, deadline: EpochMillis) {
        self.metadata.put_i64(slot.metadata(FREE_FOR_REUSE_DEADLINE_OFFSET), deadline.get());
    }

    pub(super) fn key(&self, slot: Slot) -> [u8; MAX_KEY_LENGTH] {
        let mut key = [0; MAX_KEY_LENGTH];
        self.metadata.read_relaxed(slot.metadata(KEY_OFFSET), &mut key);
        key
    }

    pub(super) fn set_key(&self, slot: Slot, key: &[u8]) {
        self.metadata.write_relaxed(slot.metadata(KEY_OFFSET), &key[..key.len().min(MAX_KEY_LENGTH)]);
    }

    pub(super) fn zero_key(&self, slot: Slot) {
        self.metadata.write_relaxed(slot.metadata(KEY_OFFSET), &[0; MAX_KEY_LENGTH]);
    }

    /// The label up to its length, and up to a NUL that a C driver left in it. Source: shared-memory spec 5.6.
    pub(super) fn label(&self, slot: Slot) -> Vec<u8> {
        let mut label = self.metadata.to_vec(slot.metadata(LABEL_OFFSET), self.label_length(slot));
        if let Some(end) = label.iter().position(|byte| *byte == 0) {
            label.truncate(end);
        }
        label
    }

    /// Replaces the label, cut to its maximum; the length is stored with release.
    pub(super) fn set_label(&self, slot: Slot, label: &[u8]) {
        let label = &label[..label.len().min(MAX_LABEL_LENGTH)];
        self.metadata.write_relaxed(slot.metadata(LABEL_OFFSET), label);
        self.metadata.put_i32_release(slot.metadata(LABEL_LENGTH_OFFSET), label.len() as i32);
    }

    /// Appends as much to the label as fits; the length is stored with release. How many bytes that were.
    pub(super) fn append_label(&self, slot: Slot, text: &[u8]) -> usize {
        let length = self.label_length(slot);
        let text = &text[..text.len().min(MAX_LABEL_LENGTH - length)];
        self.metadata.write_relaxed(slot.metadata(LABEL_OFFSET) + length, text);
        self.metadata.put_i32_release(slot.metadata(LABEL_LENGTH_OFFSET), (length + text.len()) as i32);
        text.len()
    }

    /// The label's length, whatever another process wrote there: 0 to the maximum. Acquire.
    fn label_length(&self, slot: Slot) -> usize {
        let length = self.metadata.get_i32_acquire(slot.metadata(LABEL_LENGTH_OFFSET));
        usize::try_from(length).map_or(0, |length| length.min(MAX_LABEL_LENGTH))
    }

    pub(super) fn value_acquire(&self, slot: Slot) -> i64 {
        self.values.get_i64_acquire(slot.value(VALUE_OFFSET))
    }

    pub(super) fn registration_id_acquire(&self, slot: Slot) -> i64 {
        self.values.get_i64_acquire(slot.value(REGISTRATION_ID_OFFSET))
    }

    pub(super) fn set_registration_id_release(&self, slot: Slot, registration_id: i64) {
        self.values.put_i64_release(slot.value(REGISTRATION_ID_OFFSET), registration_id);
    }

    pub(super) fn owner_id(&self, slot: Slot) -> i64 {
        self.values.get_i64(slot.value(OWNER_ID_OFFSET))
    }

    pub(super) fn set_owner_id(&self, slot: Slot, owner_id: i64) {
        self.values.put_i64(slot.value(OWNER_ID_OFFSET), owner_id);
    }

    pub(super) fn reference_id(&self, slot: Slot) -> i64 {
        self.values.get_i64(slot.value(REFERENCE_ID_OFFSET))
    }

    pub(super) fn set_reference_id(&self, slot: Slot, reference_id: i64) {
        self.values.put_i64(slot.value(REFERENCE_ID_OFFSET), reference_id);
    }

    pub(super) fn confirmation(&self, slot: Slot) -> Option<Confirmation> {
        Confirmation::read(&self.value_record(slot))
    }

    /// Clears the value record of a counter about to be used again. Source: shared-memory spec 5.3.
    pub(super) fn reset_values(&self, slot: Slot) {
        self.set_registration_id_release(slot, 0);
        self.set_owner_id(slot, 0);
        self.set_reference_id(slot, 0);
        Confirmation::clear(&self.value_record(slot));
        self.values.put_i64_release(slot.value(VALUE_OFFSET), 0);
    }
}

//! Layout of a broadcast buffer and the accessors of its fields.
//!
//! ```text
//!  0                                   capacity (a power of two)                       capacity + 128
//!  +-----------------------------------+--------------------------------------------------------+
//!  | record | record | ...             | trailer                                                |
//!  +-----------------------------------+--------------------------------------------------------+
//!
//!  trailer   +0 tail intent   +8 tail   +16 latest   (i64 positions; the rest is padding)
//!
//!  record    +0 length: i32, header and payload, not aligned
//!            +4 message type id: i32, -1 for padding up to the end of the buffer
//!            +8 payload; the next record starts at the next multiple of 8
//! ```
//!
//! What lies between `tail intent - capacity` and `tail` is intact. Source: shared-memory spec 4.1.

use crate::memory::AtomicView;

/// Length of the trailer, in bytes. Source: shared-memory spec 4.1.
pub const TRAILER_LENGTH: usize = 128;
/// Length of a record's header, in bytes. Source: shared-memory spec 4.1.
pub const HEADER_LENGTH: usize = 8;
/// Every record starts at a multiple of this, in bytes. Source: shared-memory spec 4.1.
pub const RECORD_ALIGNMENT: usize = 8;
/// Type id of a record without a message. Source: shared-memory spec 4.1.
pub const PADDING_MSG_TYPE_ID: i32 = -1;

const TAIL_INTENT_OFFSET: usize = 0;
const TAIL_OFFSET: usize = 8;
const LATEST_OFFSET: usize = 16;

/// A region that cannot hold a broadcast buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "broadcast buffer of {length} bytes: length less the trailer of 128 must be a power of two from 8 to 2^30; set the clients buffer length accordingly"
)]
pub struct CapacityError {
    /// Length of the region, in bytes.
    pub length: usize,
}

/// A region seen as a broadcast buffer; what transmitter and receivers share.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub(super) view: AtomicView,
    capacity: usize,
}

impl Buffer {
    pub(super) fn new(view: AtomicView) -> Result<Self, CapacityError> {
        let length = view.len();
        match length.checked_sub(TRAILER_LENGTH) {
            Some(capacity) if capacity.is_power_of_two() && (8..=1 << 30).contains(&capacity) => {
                Ok(Self { view, capacity })
            }
            _ => Err(CapacityError { length }),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn max_message_length(&self) -> usize {
        self.capacity / 8
    }

    /// Index of a position: in the buffer and aligned, whatever the position.
    pub(super) fn index(&self, position: i64) -> usize {
        position as usize & (self.capacity - RECORD_ALIGNMENT)
    }

    pub(super) fn tail_intent_acquire(&self) -> i64 {
        self.view.get_i64_acquire(self.capacity + TAIL_INTENT_OFFSET)
    }

    pub(super) fn set_tail_intent_release(&self, position: i64) {
        self.view.put_i64_release(self.capacity + TAIL_INTENT_OFFSET, position);
    }

    pub(super) fn tail(&self) -> i64 {
        self.view.get_i64(self.capacity + TAIL_OFFSET)
    }

    pub(super) fn tail_acquire(&self) -> i64 {
        self.view.get_i64_acquire(self.capacity + TAIL_OFFSET)
    }

    pub(super) fn set_tail_release(&self, position: i64) {
        self.view.put_i64_release(self.capacity + TAIL_OFFSET, position);
    }

    pub(super) fn latest_acquire(&self) -> i64 {
        self.view.get_i64_acquire(self.capacity + LATEST_OFFSET)
    }

    pub(super) fn set_latest_release(&self, position: i64) {
        self.view.put_i64_release(self.capacity + LATEST_OFFSET, position);
    }
}

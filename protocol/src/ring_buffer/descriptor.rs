//! Layout of a ring buffer and the accessors of its fields.
//!
//! ```text
//!  0                                   capacity (a power of two)                       capacity + 768
//!  +-----------------------------------+--------------------------------------------------------+
//!  | record | record | ...             | trailer                                                |
//!  +-----------------------------------+--------------------------------------------------------+
//!
//!  trailer   +0 padding   +128 tail position    +256 head cache position   +384 head position
//!                         +512 correlation counter                         +640 consumer heartbeat (epoch ms)
//!
//!  record    +0 length: i32, header and payload, not aligned; 0 unclaimed, < 0 claimed, > 0 committed
//!            +4 message type id: i32, 1 and up, -1 for padding
//!            +8 payload; the next record starts at the next multiple of 8
//! ```
//!
//! Positions are i64 byte counts that only grow; the index of one is its low bits. Free space is always zero.
//! Source: shared-memory spec 3.1, 3.2.

use crate::{
    memory::AtomicView,
    sync::{Ordering, fence},
    types::{CorrelationId, EpochMillis, align_usize},
};

/// Length of the trailer, in bytes. Source: shared-memory spec 3.1.
pub const TRAILER_LENGTH: usize = 768;
/// Length of a record's header, in bytes. Source: shared-memory spec 3.2.
pub const HEADER_LENGTH: usize = 8;
/// Every record starts at a multiple of this, in bytes. Source: shared-memory spec 3.2.
pub const RECORD_ALIGNMENT: usize = 8;
/// Smallest capacity, in bytes. Source: shared-memory spec 3.1.
pub const MIN_CAPACITY: usize = 8;
/// Type id of a record without a message. Source: shared-memory spec 3.2.
pub const PADDING_MSG_TYPE_ID: i32 = -1;

const TAIL_OFFSET: usize = 128;
const HEAD_CACHE_OFFSET: usize = 256;
const HEAD_OFFSET: usize = 384;
const CORRELATION_COUNTER_OFFSET: usize = 512;
const CONSUMER_HEARTBEAT_OFFSET: usize = 640;

/// A region that cannot hold a ring buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "ring buffer of {length} bytes: length less the trailer of 768 must be a power of two from 8 to 2^30; set the conductor buffer length accordingly"
)]
pub struct CapacityError {
    /// Length of the region, in bytes.
    pub length: usize,
}

/// Why a message was not written. Nothing has changed for other producers or the consumer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WriteError {
    /// The consumer has not yet made room; try again later.
    #[error("ring buffer is full")]
    Full,
    /// The payload can never fit.
    #[error(
        "message of {length} bytes exceeds the maximum of {max} bytes, an eighth of the ring buffer's capacity"
    )]
    TooLong {
        /// Length of the payload, in bytes.
        length: usize,
        /// Longest payload, in bytes.
        max: usize,
    },
    /// Type ids below 1 are reserved.
    #[error("message type id {0} is not positive")]
    InvalidTypeId(i32),
}

/// A region seen as a ring buffer; what producers and the consumer share.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    view: AtomicView,
    capacity: usize,
}

impl Ring {
    pub(super) fn new(view: AtomicView) -> Result<Self, CapacityError> {
        let length = view.len();
        match length.checked_sub(TRAILER_LENGTH) {
            Some(capacity) if capacity.is_power_of_two() && (MIN_CAPACITY..=1 << 30).contains(&capacity) => {
                Ok(Self { view, capacity })
            }
            _ => Err(CapacityError { length }),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn max_message_length(&self) -> usize {
        if self.capacity == MIN_CAPACITY { 0 } else { self.capacity / 8 }
    }

    pub(super) fn check_message(&self, msg_type_id: i32, length: usize) -> Result<(), WriteError> {
        if msg_type_id < 1 {
            return Err(WriteError::InvalidTypeId(msg_type_id));
        }
        let max = self.max_message_length();
        if length > max { Err(WriteError::TooLong { length, max }) } else { Ok(()) }
    }

    /// Index of a position: in the buffer and aligned, whatever the position.
    #[inline]
    pub(super) fn index(&self, position: i64) -> usize {
        position as usize & (self.capacity - RECORD_ALIGNMENT)
    }

    /// Bytes that can be claimed between two positions; more than the capacity when they are nonsense.
    #[inline]
    pub(super) fn available(&self, head: i64, tail: i64) -> i64 {
        self.capacity as i64 - i64::from(tail.wrapping_sub(head) as i32)
    }

    #[inline]
    pub(super) fn tail(&self) -> i64 {
        self.view.get_i64(self.capacity + TAIL_OFFSET)
    }

    #[inline]
    pub(super) fn tail_acquire(&self) -> i64 {
        self.view.get_i64_acquire(self.capacity + TAIL_OFFSET)
    }

    #[inline]
    pub(super) fn set_tail_release(&self, tail: i64) {
        self.view.put_i64_release(self.capacity + TAIL_OFFSET, tail);
    }

    #[inline]
    pub(super) fn compare_exchange_tail(&self, expected: i64, new: i64) -> bool {
        self.view.compare_exchange_i64(self.capacity + TAIL_OFFSET, expected, new)
    }

    #[inline]
    pub(super) fn head_cache_acquire(&self) -> i64 {
        self.view.get_i64_acquire(self.capacity + HEAD_CACHE_OFFSET)
    }

    #[inline]
    pub(super) fn set_head_cache_release(&self, head: i64) {
        self.view.put_i64_release(self.capacity + HEAD_CACHE_OFFSET, head);
    }

    #[inline]
    pub(super) fn head(&self) -> i64 {
        self.view.get_i64(self.capacity + HEAD_OFFSET)
    }

    #[inline]
    pub(super) fn head_acquire(&self) -> i64 {
        self.view.get_i64_acquire(self.capacity + HEAD_OFFSET)
    }

    #[inline]
    pub(super) fn set_head_release(&self, head: i64) {
        self.view.put_i64_release(self.capacity + HEAD_OFFSET, head);
    }

    pub(super) fn next_correlation_id(&self) -> CorrelationId {
        CorrelationId::new(self.view.fetch_add_i64(self.capacity + CORRELATION_COUNTER_OFFSET, 1))
    }

    pub(super) fn consumer_heartbeat_acquire(&self) -> EpochMillis {
        EpochMillis::new(self.view.get_i64_acquire(self.capacity + CONSUMER_HEARTBEAT_OFFSET))
    }

    pub(super) fn set_consumer_heartbeat_release(&self, time: EpochMillis) {
        self.view.put_i64_release(self.capacity + CONSUMER_HEARTBEAT_OFFSET, time.get());
    }

    /// Bytes claimed and not yet consumed; the head is read again until it stood still around the tail.
    pub(super) fn size(&self) -> usize {
        let mut head_before = self.head_acquire();
        loop {
            let tail = self.tail_acquire();
            let head = self.head_acquire();
            if head == head_before {
                return usize::try_from(tail.wrapping_sub(head)).map_or(0, |size| size.min(self.capacity));
            }
            head_before = head;
        }
    }

    #[inline]
    pub(super) fn record_length_acquire(&self, index: usize) -> i32 {
        self.view.get_i32_acquire(index)
    }

    #[inline]
    pub(super) fn msg_type_id(&self, index: usize) -> i32 {
        self.view.get_i32(index + 4)
    }

    #[inline]
    pub(super) fn set_msg_type_id(&self, index: usize, msg_type_id: i32) {
        self.view.put_i32(index + 4, msg_type_id);
    }

    /// Marks a record as claimed: the unblocker can see its length before anything else of it.
    #[inline]
    pub(super) fn begin_record(&self, index: usize, length: usize) {
        self.view.put_i32_release(index, -(length as i32));
        // Keeps the stores of type and payload behind the negative length. Without it they could show in a record
        // whose length still reads zero, which the unblocker would cut in two. Source: shared-memory spec 3.3, 13.
        fence(Ordering::Release);
    }

    /// Hands a record to the consumer; pairs with the consumer's acquire load of the length.
    #[inline]
    pub(super) fn commit_record(&self, index: usize, length: usize) {
        self.view.put_i32_release(index, length as i32);
    }

    pub(super) fn write_padding(&self, index: usize, length: usize) {
        self.begin_record(index, length);
        self.set_msg_type_id(index, PADDING_MSG_TYPE_ID);
        self.commit_record(index, length);
    }

    #[inline]
    pub(super) fn write_payload(&self, index: usize, offset: usize, payload: &[u8]) {
        self.view.write(index + HEADER_LENGTH + offset, payload);
    }

    #[inline]
    pub(super) fn read_payload(&self, index: usize, target: &mut [u8]) {
        self.view.read(index + HEADER_LENGTH, target);
    }

    #[inline]
    pub(super) fn zero(&self, index: usize, length: usize) {
        self.view.zero(index, length);
    }
}

/// Space that a payload takes with its header, in bytes.
#[inline]
pub(super) fn required_length(payload: usize) -> usize {
    align_usize(payload + HEADER_LENGTH, RECORD_ALIGNMENT)
}

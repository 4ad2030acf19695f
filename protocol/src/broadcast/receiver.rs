//! The reading end of a broadcast buffer.

use super::descriptor::{Buffer, CapacityError, HEADER_LENGTH, PADDING_MSG_TYPE_ID, RECORD_ALIGNMENT};
use crate::{
    memory::AtomicView,
    sync::{Ordering, fence},
    types::align_usize,
};

/// Why events have been lost. The receiver has moved on to the latest record and can be used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The transmitter went once round and overwrote records that were not read yet.
    #[error(
        "unable to keep up with broadcast: events were lost; poll the client more often or raise the clients buffer length"
    )]
    Lapped,
    /// A record's header makes no sense though nothing was overwritten.
    #[error("broadcast record at index {index} of {length} bytes is not a message")]
    Corrupt {
        /// Where the record starts in the buffer, in bytes.
        index: usize,
        /// The length it claims, in bytes.
        length: i32,
    },
}

/// A record that was found; its payload is to be copied and then [validated](Receiver::validate).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Message type id.
    pub msg_type_id: i32,
    /// Length of the payload, in bytes; within the buffer.
    pub length: usize,
    index: usize,
    position: i64,
}

/// One of any number of readers; each sees all records from the latest one at its creation on.
#[derive(Debug)]
pub struct Receiver {
    buffer: Buffer,
    next_record: i64,
    lapped_count: u64,
}

impl Receiver {
    /// Attaches to a region in use. The first record received is the last that was sent before, if any: callers
    /// filter by correlation id. Source: shared-memory spec 4.3.
    ///
    /// # Errors
    /// When the length of the region less the trailer is not a valid capacity.
    pub fn new(view: AtomicView) -> Result<Self, CapacityError> {
        let buffer = Buffer::new(view)?;
        let next_record = buffer.latest_acquire();
        Ok(Self { buffer, next_record, lapped_count: 0 })
    }

    /// Bytes for records.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Longest payload, in bytes.
    #[must_use]
    pub fn max_message_length(&self) -> usize {
        self.buffer.max_message_length()
    }

    /// How often the transmitter overtook this receiver.
    #[must_use]
    pub fn lapped_count(&self) -> u64 {
        self.lapped_count
    }

    /// Steps to the next record, if there is one. Source: shared-memory spec 4.3.
    ///
    /// # Errors
    /// [`ReceiveError::Lapped`] when records were overwritten before this call reached them,
    /// [`ReceiveError::Corrupt`] when the memory holds no record where one must be.
    pub fn receive_next(&mut self) -> Result<Option<Received>, ReceiveError> {
        if self.buffer.tail_acquire() <= self.next_record {
            return Ok(None);
        }
        if !self.is_intact(self.next_record) {
            return Err(self.lapped());
        }
        let mut record = self.record_at(self.next_record)?;
        if record.msg_type_id == PADDING_MSG_TYPE_ID {
            // The length of the padding says where to look next, so it must be known to be whole before it is used.
            self.validate(&record)?;
            record = self.record_at(self.next_record)?;
        }
        if record.length > self.max_message_length() || record.msg_type_id == PADDING_MSG_TYPE_ID {
            return Err(self.nonsense(record.position, record.index, (record.length + HEADER_LENGTH) as i32));
        }
        Ok(Some(record))
    }

    /// Copies the payload of a record; worth something only if [`Receiver::validate`] agrees afterwards.
    ///
    /// # Panics
    /// When `target` is longer than the payload: a bug of the caller.
    pub fn copy_payload(&self, record: &Received, target: &mut [u8]) {
        assert!(target.len() <= record.length, "target is longer than the payload");
        self.buffer.view.read_relaxed(record.index + HEADER_LENGTH, target);
    }

    /// Whether a record was still intact after it was copied.
    ///
    /// # Errors
    /// [`ReceiveError::Lapped`] when it was not: the copy must be thrown away.
    pub fn validate(&mut self, record: &Received) -> Result<(), ReceiveError> {
        // Keeps the loads of the copy before the load of the intent; pairs with the transmitter's fence.
        fence(Ordering::Acquire);
        if self.is_intact(record.position) { Ok(()) } else { Err(self.lapped()) }
    }

    fn is_intact(&self, position: i64) -> bool {
        self.buffer.tail_intent_acquire().wrapping_sub(position) < self.buffer.capacity() as i64
    }

    /// Reads the header at `position` and steps over the record.
    fn record_at(&mut self, position: i64) -> Result<Received, ReceiveError> {
        let index = self.buffer.index(position);
        let length = self.buffer.view.get_i32(index);
        let msg_type_id = self.buffer.view.get_i32(index + 4);
        match usize::try_from(length) {
            Ok(bytes) if bytes >= HEADER_LENGTH && bytes <= self.buffer.capacity() - index => {
                self.next_record = position.wrapping_add(align_usize(bytes, RECORD_ALIGNMENT) as i64);
                Ok(Received { msg_type_id, length: bytes - HEADER_LENGTH, index, position })
            }
            _ => Err(self.nonsense(position, index, length)),
        }
    }

    /// A header that cannot be: overwritten while it was read, or corrupt.
    #[cold]
    fn nonsense(&mut self, position: i64, index: usize, length: i32) -> ReceiveError {
        fence(Ordering::Acquire);
        if self.is_intact(position) {
            self.next_record = self.buffer.tail_acquire();
            ReceiveError::Corrupt { index, length }
        } else {
            self.lapped()
        }
    }

    #[cold]
    fn lapped(&mut self) -> ReceiveError {
        self.lapped_count += 1;
        self.next_record = self.buffer.latest_acquire();
        ReceiveError::Lapped
    }
}

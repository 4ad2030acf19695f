//! One producer, one consumer: as [`mpsc`](super::mpsc), without the compare-and-swap.

use super::descriptor::{CapacityError, HEADER_LENGTH, Ring, WriteError, required_length};
use crate::memory::AtomicView;

/// The writing end; the only one, so its verbs take `&mut self`.
#[derive(Debug)]
pub struct Producer {
    ring: Ring,
    /// The consumer's head when last looked at: refreshed only when space seems to have run out.
    head: i64,
}

impl Producer {
    /// Attaches to a region: zeroed, or left by an earlier producer that is gone.
    ///
    /// # Errors
    /// When the length of the region less the trailer is not a valid capacity.
    pub fn new(view: AtomicView) -> Result<Self, CapacityError> {
        let ring = Ring::new(view)?;
        let head = ring.head_acquire();
        Ok(Self { ring, head })
    }

    /// Bytes for records.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Longest payload, in bytes: an eighth of the capacity.
    #[must_use]
    pub fn max_message_length(&self) -> usize {
        self.ring.max_message_length()
    }

    /// Bytes written and not yet consumed, 0 to the capacity.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ring.size()
    }

    /// Writes one message.
    ///
    /// # Errors
    /// [`WriteError::Full`] until the consumer makes room; [`WriteError::TooLong`] and [`WriteError::InvalidTypeId`]
    /// for messages that can never be written.
    pub fn write(&mut self, msg_type_id: i32, payload: &[u8]) -> Result<(), WriteError> {
        self.ring.check_message(msg_type_id, payload.len())?;
        let required = required_length(payload.len());
        let tail = self.ring.tail();
        let mut index = self.ring.index(tail);
        let to_end = self.ring.capacity() - index;
        let padding = if required > to_end { to_end } else { 0 };
        if !self.has_room(tail, required, padding) {
            self.head = self.ring.head_acquire();
            if !self.has_room(tail, required, padding) {
                return Err(WriteError::Full);
            }
            self.ring.set_head_cache_release(self.head);
        }
        self.ring.set_tail_release(tail.wrapping_add((required + padding) as i64));
        if padding != 0 {
            self.ring.write_padding(index, padding);
            index = 0;
        }
        let length = HEADER_LENGTH + payload.len();
        self.ring.begin_record(index, length);
        self.ring.write_payload(index, 0, payload);
        self.ring.set_msg_type_id(index, msg_type_id);
        self.ring.commit_record(index, length);
        Ok(())
    }

    fn has_room(&self, tail: i64, required: usize, padding: usize) -> bool {
        required as i64 <= self.ring.available(self.head, tail)
            && (padding == 0 || required <= self.ring.index(self.head))
    }
}

//! The writing end of a broadcast buffer.

use super::descriptor::{Buffer, CapacityError, HEADER_LENGTH, PADDING_MSG_TYPE_ID, RECORD_ALIGNMENT};
use crate::{
    memory::AtomicView,
    sync::{Ordering, fence},
    types::align_usize,
};

/// Why a message was not transmitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransmitError {
    /// The payload can never fit.
    #[error(
        "message of {length} bytes exceeds the maximum of {max} bytes, an eighth of the broadcast buffer's capacity"
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

/// The only writer of a broadcast buffer.
#[derive(Debug)]
pub struct Transmitter {
    buffer: Buffer,
}

impl Transmitter {
    /// Attaches to a region: zeroed, or left by an earlier transmitter that is gone.
    ///
    /// # Errors
    /// When the length of the region less the trailer is not a valid capacity.
    pub fn new(view: AtomicView) -> Result<Self, CapacityError> {
        Buffer::new(view).map(|buffer| Self { buffer })
    }

    /// Bytes for records.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Longest payload, in bytes: an eighth of the capacity. Source: shared-memory spec 4.1.
    #[must_use]
    pub fn max_message_length(&self) -> usize {
        self.buffer.max_message_length()
    }

    /// Sends a message to every receiver. Source: shared-memory spec 4.2.
    ///
    /// # Errors
    /// Only for a message that can never be sent; there is no back pressure.
    pub fn transmit(&mut self, msg_type_id: i32, payload: &[u8]) -> Result<(), TransmitError> {
        if msg_type_id < 1 {
            return Err(TransmitError::InvalidTypeId(msg_type_id));
        }
        let max = self.max_message_length();
        if payload.len() > max {
            return Err(TransmitError::TooLong { length: payload.len(), max });
        }
        let buffer = &self.buffer;
        let length = HEADER_LENGTH + payload.len();
        let aligned = align_usize(length, RECORD_ALIGNMENT);
        let mut tail = buffer.tail();
        let mut index = buffer.index(tail);
        let to_end = buffer.capacity() - index;
        if to_end < aligned {
            self.announce(tail.wrapping_add((aligned + to_end) as i64));
            buffer.view.put_i32(index, to_end as i32);
            buffer.view.put_i32(index + 4, PADDING_MSG_TYPE_ID);
            tail = tail.wrapping_add(to_end as i64);
            index = 0;
        } else {
            self.announce(tail.wrapping_add(aligned as i64));
        }
        buffer.view.put_i32(index, length as i32);
        buffer.view.put_i32(index + 4, msg_type_id);
        // A receiver that is being lapped may be copying what was here.
        buffer.view.write_relaxed(index + HEADER_LENGTH, payload);
        buffer.set_latest_release(tail);
        buffer.set_tail_release(tail.wrapping_add(aligned as i64));
        Ok(())
    }

    /// Says how far the next stores reach before the first of them.
    fn announce(&self, tail_intent: i64) {
        self.buffer.set_tail_intent_release(tail_intent);
        // Keeps the stores of the record behind the intent. A receiver that copied any of them, then fenced and read
        // the intent, sees this one and knows that it was lapped. Source: shared-memory spec 4.2, 13.
        fence(Ordering::Release);
    }
}

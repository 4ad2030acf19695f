//! Many producers, one consumer: clients' commands to the driver.
//!
//! A producer moves the tail with a compare-and-swap and owns what it stepped over. It marks the record as claimed
//! (negative length), fills it, and commits (positive length). A producer that dies in between leaves a record that
//! [`Consumer::unblock`](super::Consumer::unblock) turns into padding.

use super::descriptor::{
    CapacityError, HEADER_LENGTH, PADDING_MSG_TYPE_ID, Ring, WriteError, required_length,
};
use crate::{
    memory::AtomicView,
    types::{CorrelationId, EpochMillis},
};

/// The writing end. Clone it for each thread, or share it: all verbs take `&self`.
#[derive(Clone, Debug)]
pub struct Producer {
    ring: Ring,
}

impl Producer {
    /// Attaches to a region: zeroed, or in use by others.
    ///
    /// # Errors
    /// When the length of the region less the trailer is not a valid capacity.
    pub fn new(view: AtomicView) -> Result<Self, CapacityError> {
        Ring::new(view).map(|ring| Self { ring })
    }

    /// Bytes for records.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Longest payload, in bytes: an eighth of the capacity. Source: shared-memory spec 3.2.
    #[must_use]
    pub fn max_message_length(&self) -> usize {
        self.ring.max_message_length()
    }

    /// Writes one message.
    ///
    /// # Errors
    /// [`WriteError::Full`] until the consumer makes room; [`WriteError::TooLong`] and [`WriteError::InvalidTypeId`]
    /// for messages that can never be written. Source: shared-memory spec 3.3.
    pub fn write(&self, msg_type_id: i32, payload: &[u8]) -> Result<(), WriteError> {
        self.ring.check_message(msg_type_id, payload.len())?;
        let index = self.claim(required_length(payload.len()))?;
        let length = HEADER_LENGTH + payload.len();
        self.ring.begin_record(index, length);
        self.ring.write_payload(index, 0, payload);
        self.ring.set_msg_type_id(index, msg_type_id);
        self.ring.commit_record(index, length);
        Ok(())
    }

    /// Claims space for a message of `length` bytes, to be filled in place and committed.
    ///
    /// # Errors
    /// As [`Producer::write`]. Source: shared-memory spec 3.3.
    pub fn try_claim(&self, msg_type_id: i32, length: usize) -> Result<Claim<'_>, WriteError> {
        self.ring.check_message(msg_type_id, length)?;
        let index = self.claim(required_length(length))?;
        self.ring.begin_record(index, HEADER_LENGTH + length);
        self.ring.set_msg_type_id(index, msg_type_id);
        Ok(Claim { ring: &self.ring, index, length, open: true })
    }

    /// Draws the next id from the sequence that all clients and the driver share; never the same twice.
    #[must_use]
    pub fn next_correlation_id(&self) -> CorrelationId {
        self.ring.next_correlation_id()
    }

    /// When the consumer last said that it lives: 0 before it started, -1 after it stopped, else epoch milliseconds.
    /// Acquire; pairs with [`Consumer::set_heartbeat`](super::Consumer::set_heartbeat).
    #[must_use]
    pub fn consumer_heartbeat(&self) -> EpochMillis {
        self.ring.consumer_heartbeat_acquire()
    }

    /// Bytes claimed and not yet consumed, 0 to the capacity.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ring.size()
    }

    /// Moves the tail over `required` bytes in one piece, and over the end of the buffer when they do not fit before it.
    fn claim(&self, required: usize) -> Result<usize, WriteError> {
        let ring = &self.ring;
        let mut head = ring.head_cache_acquire();
        loop {
            let tail = ring.tail_acquire();
            if required as i64 > ring.available(head, tail) {
                head = ring.head_acquire();
                if required as i64 > ring.available(head, tail) {
                    return Err(WriteError::Full);
                }
                ring.set_head_cache_release(head);
            }
            let index = ring.index(tail);
            let to_end = ring.capacity() - index;
            let padding = if required > to_end { to_end } else { 0 };
            if padding != 0 && required > ring.index(head) {
                head = ring.head_acquire();
                if required > ring.index(head) {
                    return Err(WriteError::Full);
                }
                ring.set_head_cache_release(head);
            }
            if ring.compare_exchange_tail(tail, tail.wrapping_add((required + padding) as i64)) {
                if padding == 0 {
                    return Ok(index);
                }
                ring.write_padding(index, padding);
                return Ok(0);
            }
        }
    }
}

/// Space of one message, owned by the claimant until committed or aborted; dropping it aborts.
///
/// A claimant that the driver took for dead loses the record: see [`Claim::commit`].
#[derive(Debug)]
#[must_use = "a claim that is dropped is aborted"]
pub struct Claim<'a> {
    ring: &'a Ring,
    index: usize,
    length: usize,
    open: bool,
}

impl Claim<'_> {
    /// Length of the payload, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Copies `bytes` into the payload at `offset`.
    ///
    /// # Panics
    /// When they reach outside the claim: a bug of the caller.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(
            offset <= self.length && bytes.len() <= self.length - offset,
            "{} bytes at {offset} reach outside a claim of {} bytes",
            bytes.len(),
            self.length
        );
        self.ring.write_payload(self.index, offset, bytes);
    }

    /// Hands the message to the consumer; whether the record was still claimed. It is not when the driver took this
    /// producer for dead and unblocked it: the message is lost then.
    pub fn commit(mut self) -> bool {
        self.finish(None)
    }

    /// Gives the space up: the consumer skips it. Whether the record was still claimed.
    pub fn abort(mut self) -> bool {
        self.finish(Some(PADDING_MSG_TYPE_ID))
    }

    fn finish(&mut self, msg_type_id: Option<i32>) -> bool {
        self.open = false;
        if self.ring.record_length_acquire(self.index) >= 0 {
            return false;
        }
        if let Some(msg_type_id) = msg_type_id {
            self.ring.set_msg_type_id(self.index, msg_type_id);
        }
        self.ring.commit_record(self.index, HEADER_LENGTH + self.length);
        true
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.open {
            self.finish(Some(PADDING_MSG_TYPE_ID));
        }
    }
}

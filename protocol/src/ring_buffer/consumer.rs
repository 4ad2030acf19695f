//! The reading end of a ring buffer.

use super::descriptor::{CapacityError, HEADER_LENGTH, PADDING_MSG_TYPE_ID, RECORD_ALIGNMENT, Ring};
use crate::{
    memory::AtomicView,
    types::{CorrelationId, EpochMillis, align_usize},
};

/// What a handler wants done with the message it was given. Source: shared-memory spec 3.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadAction {
    /// Leave this message for the next read, and stop.
    Abort,
    /// Consume this message, and stop.
    Break,
    /// Consume this message, free the space read so far at once, and go on.
    Commit,
    /// Consume this message, and go on.
    Continue,
}

/// The only reader of a ring buffer, and the side that keeps it flowing: heartbeat, unblocking.
#[derive(Debug)]
pub struct Consumer {
    ring: Ring,
    scratch: Box<[u8]>,
    corrupt_records: u64,
}

/// A committed record, as far as its header is to be believed.
enum Record {
    Message { msg_type_id: i32, length: usize },
    Padding,
    Corrupt,
}

impl Consumer {
    /// Attaches to a region: zeroed, or in use by producers.
    ///
    /// # Errors
    /// When the length of the region less the trailer is not a valid capacity.
    pub fn new(view: AtomicView) -> Result<Self, CapacityError> {
        let ring = Ring::new(view)?;
        let scratch = vec![0; ring.max_message_length()].into_boxed_slice();
        Ok(Self { ring, scratch, corrupt_records: 0 })
    }

    /// Bytes for records.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Bytes claimed by producers and not yet consumed, 0 to the capacity.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ring.size()
    }

    /// Bytes consumed since the beginning.
    #[must_use]
    pub fn consumer_position(&self) -> i64 {
        self.ring.head()
    }

    /// Bytes claimed by producers since the beginning. Acquire.
    #[must_use]
    pub fn producer_position(&self) -> i64 {
        self.ring.tail_acquire()
    }

    /// Records dropped because their header made no sense. Not zero means that a producer wrote where it must not.
    #[must_use]
    pub fn corrupt_records(&self) -> u64 {
        self.corrupt_records
    }

    /// Draws the next id from the sequence shared with the producers.
    #[must_use]
    pub fn next_correlation_id(&self) -> CorrelationId {
        self.ring.next_correlation_id()
    }

    /// Tells producers that this side lives (epoch milliseconds), or with -1 that it has stopped. Release.
    pub fn set_heartbeat(&self, time: EpochMillis) {
        self.ring.set_consumer_heartbeat_release(time);
    }

    /// What [`Consumer::set_heartbeat`] last said, by this or an earlier consumer.
    #[must_use]
    pub fn heartbeat(&self) -> EpochMillis {
        self.ring.consumer_heartbeat_acquire()
    }

    /// Hands up to `limit` messages to the handler, at most to the physical end of the buffer; how many.
    pub fn read(&mut self, limit: usize, mut handler: impl FnMut(i32, &[u8])) -> usize {
        self.controlled_read(limit, |msg_type_id, payload| {
            handler(msg_type_id, payload);
            ReadAction::Continue
        })
    }

    /// Hands up to `limit` messages to the handler, which says what becomes of each; how many were consumed.
    ///
    /// The handler gets the message type id and a private copy of the payload. Reads at most to the physical end of
    /// the buffer. Source: shared-memory spec 3.4.
    pub fn controlled_read(
        &mut self,
        limit: usize,
        mut handler: impl FnMut(i32, &[u8]) -> ReadAction,
    ) -> usize {
        let mut head = self.ring.head();
        let mut start = self.ring.index(head);
        let mut consumed = 0;
        let mut messages = 0;
        while messages < limit && start + consumed < self.ring.capacity() {
            let index = start + consumed;
            let Ok(length @ 1..) = usize::try_from(self.ring.record_length_acquire(index)) else {
                break;
            };
            match self.classify(index, length) {
                Record::Padding => consumed += align_usize(length, RECORD_ALIGNMENT),
                Record::Corrupt => {
                    self.corrupt_records += 1;
                    consumed += self.claimed_from(head.wrapping_add(consumed as i64), index);
                }
                Record::Message { msg_type_id, length: payload } => {
                    let payload = &mut self.scratch[..payload];
                    self.ring.read_payload(index, payload);
                    let action = handler(msg_type_id, payload);
                    if action == ReadAction::Abort {
                        break;
                    }
                    messages += 1;
                    consumed += align_usize(length, RECORD_ALIGNMENT);
                    match action {
                        ReadAction::Break => break,
                        ReadAction::Commit => {
                            head = self.release(head, start, consumed);
                            start += consumed;
                            consumed = 0;
                        }
                        ReadAction::Abort | ReadAction::Continue => {}
                    }
                }
            }
        }
        self.release(head, start, consumed);
        messages
    }

    /// Frees the producers from a record that its claimant never finished, by making it padding; whether it did.
    ///
    /// To be called only when the head has not moved for longer than any living producer needs while the tail is
    /// ahead of it. Source: shared-memory spec 3.5, with the signed scan of Java.
    pub fn unblock(&mut self) -> bool {
        let ring = &self.ring;
        let (head, tail) = (ring.head_acquire(), ring.tail_acquire());
        if head == tail {
            return false;
        }
        let (consumer_index, producer_index) = (ring.index(head), ring.index(tail));
        let length = ring.record_length_acquire(consumer_index);
        if length < 0 {
            let length = (length.unsigned_abs() as usize).min(ring.capacity() - consumer_index);
            ring.set_msg_type_id(consumer_index, PADDING_MSG_TYPE_ID);
            ring.commit_record(consumer_index, length);
            return true;
        }
        if length > 0 {
            return false;
        }
        let limit = if producer_index > consumer_index { producer_index } else { ring.capacity() };
        let is_zero = |index: &usize| ring.record_length_acquire(*index) == 0;
        let mut scan = (consumer_index + RECORD_ALIGNMENT..limit).step_by(RECORD_ALIGNMENT);
        let Some(next) = scan.find(|index| !is_zero(index)) else {
            return false;
        };
        // Looked at again from the far end: the claimant may have come back to life and begun to write.
        if !(consumer_index..next).step_by(RECORD_ALIGNMENT).rev().all(|index| is_zero(&index)) {
            return false;
        }
        ring.set_msg_type_id(consumer_index, PADDING_MSG_TYPE_ID);
        ring.commit_record(consumer_index, next - consumer_index);
        true
    }

    fn classify(&self, index: usize, length: usize) -> Record {
        if length < HEADER_LENGTH || length > self.ring.capacity() - index {
            return Record::Corrupt;
        }
        match self.ring.msg_type_id(index) {
            PADDING_MSG_TYPE_ID => Record::Padding,
            _ if length - HEADER_LENGTH > self.scratch.len() => Record::Corrupt,
            msg_type_id => Record::Message { msg_type_id, length: length - HEADER_LENGTH },
        }
    }

    /// How much to skip of a buffer whose records cannot be told apart: what is claimed, within the physical end.
    fn claimed_from(&self, position: i64, index: usize) -> usize {
        let to_end = self.ring.capacity() - index;
        let claimed = usize::try_from(self.ring.tail_acquire().wrapping_sub(position)).unwrap_or(0);
        align_usize(claimed.clamp(RECORD_ALIGNMENT, to_end), RECORD_ALIGNMENT)
    }

    /// Gives consumed space back: zeroed first, then the head with release, which producers acquire.
    fn release(&self, head: i64, start: usize, consumed: usize) -> i64 {
        if consumed == 0 {
            return head;
        }
        self.ring.zero(start, consumed);
        let head = head.wrapping_add(consumed as i64);
        self.ring.set_head_release(head);
        head
    }
}

//! A receiver that hands out private copies.

use super::{
    descriptor::CapacityError,
    receiver::{ReceiveError, Receiver},
};
use crate::memory::AtomicView;

const INITIAL_SCRATCH_LENGTH: usize = 4096;

/// A [`Receiver`] that copies each message and validates the copy before it hands it on.
#[derive(Debug)]
pub struct CopyReceiver {
    receiver: Receiver,
    scratch: Vec<u8>,
}

impl CopyReceiver {
    /// Attaches to a region in use; see [`Receiver::new`].
    ///
    /// # Errors
    /// When the length of the region less the trailer is not a valid capacity.
    pub fn new(view: AtomicView) -> Result<Self, CapacityError> {
        let receiver = Receiver::new(view)?;
        let scratch = vec![0; INITIAL_SCRATCH_LENGTH.min(receiver.max_message_length())];
        Ok(Self { receiver, scratch })
    }

    /// How often the transmitter overtook this receiver.
    #[must_use]
    pub fn lapped_count(&self) -> u64 {
        self.receiver.lapped_count()
    }

    /// Hands the next message, if there is one, to the handler: its type id and a private copy of the payload.
    /// How many messages that were: 0 or 1. Source: shared-memory spec 4.3.
    ///
    /// # Errors
    /// As [`Receiver::receive_next`] and [`Receiver::validate`]: events have been lost. A client ends then.
    pub fn receive(&mut self, handler: impl FnOnce(i32, &[u8])) -> Result<usize, ReceiveError> {
        let Some(record) = self.receiver.receive_next()? else {
            return Ok(0);
        };
        if self.scratch.len() < record.length {
            self.scratch.resize(record.length, 0);
        }
        let payload = &mut self.scratch[..record.length];
        self.receiver.copy_payload(&record, payload);
        self.receiver.validate(&record)?;
        handler(record.msg_type_id, payload);
        Ok(1)
    }
}

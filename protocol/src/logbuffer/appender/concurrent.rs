//! Appending beside other threads and processes.

use crate::{
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, MtuError, Position, TermId, TermOffset},
};

#[cfg(not(loom))]
use super::BufferClaim;
use super::{
    super::{LogBuffers, descriptor::partition_index, rotation::rotate},
    Batch, Gather, Layout, Payload, Refusal, Shared, Space, no_reserved_value,
};

/// Appends to a log that others append to as well.
///
/// Threading: `Sync`, all methods from any thread. Publishers take turns by an atomic add to the tail; whoever's space
/// reaches past the end of the term pads what is left of it. Source: shared-memory spec 8.2 to 8.6.
#[derive(Clone, Debug)]
pub struct ConcurrentAppender {
    shared: Shared,
}

impl ConcurrentAppender {
    /// An appender on a publication's log.
    ///
    /// # Errors
    /// When the log's metadata holds no valid MTU.
    pub fn new(log: LogBuffers) -> Result<Self, MtuError> {
        Ok(Self { shared: Shared::new(log)? })
    }

    /// The log that this appends to.
    #[must_use]
    pub const fn log(&self) -> &LogBuffers {
        &self.shared.log
    }

    /// Longest message that [`ConcurrentAppender::offer`] takes, in bytes.
    #[must_use]
    pub const fn max_message_length(&self) -> i32 {
        self.shared.max_message
    }

    /// Longest payload of one frame, and so of a claim, in bytes.
    #[must_use]
    pub const fn max_payload_length(&self) -> i32 {
        self.shared.max_payload
    }

    /// Where the next message goes.
    #[inline]
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.log.producer_position()
    }

    /// Appends a message while the stream is short of `limit`; the position of the message's end.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing of the message was appended then.
    #[inline]
    pub fn offer(&self, message: &[u8], limit: Position) -> Result<Position, Refusal> {
        self.append(message, limit, no_reserved_value)
    }

    /// [`ConcurrentAppender::offer`] of a message in parts.
    ///
    /// # Errors
    /// See [`Refusal`].
    #[inline]
    pub fn offer_parts(&self, parts: &[&[u8]], limit: Position) -> Result<Position, Refusal> {
        self.append(Gather::new(parts), limit, no_reserved_value)
    }

    /// Appends any payload, asking `reserved_value` for each frame's before it is committed: it gets the term, the
    /// frame's offset and its length.
    ///
    /// # Errors
    /// See [`Refusal`].
    #[inline]
    pub fn append<P: Payload>(
        &self,
        payload: P,
        limit: Position,
        reserved_value: impl FnMut(&AtomicView, TermOffset, i32) -> i64,
    ) -> Result<Position, Refusal> {
        let layout = self.shared.layout(payload.remaining())?;
        let space = self.reserve(layout, limit)?;
        self.shared.write(space, layout, payload, reserved_value);
        Ok(space.position)
    }

    /// Appends as many messages, from the first, as may begin before `limit` and fit the term, all of them by one claim:
    /// readers see all or none. A message of several frames goes in alone.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing was appended then.
    #[inline]
    pub fn offer_batch(&self, messages: &[&[u8]], limit: Position) -> Result<Batch, Refusal> {
        let position = self.position();
        match (self.shared.run(messages, position, limit), messages.first()) {
            (Some(run), _) => {
                let space = self.reserve(run.layout, limit)?;
                self.shared.write_run(space, &messages[..run.messages]);
                Ok(Batch { messages: run.messages, position: space.position })
            }
            (None, Some(long)) => Ok(Batch { messages: 1, position: self.offer(long, limit)? }),
            (None, None) => Ok(Batch { messages: 0, position }),
        }
    }

    /// Claims a frame with `length` bytes of payload, to be filled in place.
    ///
    /// # Errors
    /// See [`Refusal`].
    #[cfg(not(loom))]
    #[inline]
    pub fn claim(&self, length: usize, limit: Position) -> Result<BufferClaim<'_>, Refusal> {
        let layout = self.shared.claim_layout(length)?;
        let space = self.reserve(layout, limit)?;
        Ok(self.shared.claim(space, layout))
    }

    #[inline]
    fn reserve(&self, layout: Layout, limit: Position) -> Result<Space, Refusal> {
        let geometry = self.shared.geometry;
        let metadata = self.shared.log.metadata();
        let term_length = geometry.term_length();
        let term_count = metadata.active_term_count();
        let index = partition_index(term_count);
        let tail = metadata.tail(index);
        if tail.term_id().terms_since(geometry.initial_term_id()) != term_count {
            return Err(Refusal::AdminAction);
        }
        let position = geometry.position(tail.term_id(), tail.offset(term_length));
        if position >= limit {
            return Err(self.shared.at_limit(position, layout.length));
        }
        let claimed = metadata.advance_tail(index, layout.required);
        let (term_id, offset) = (claimed.term_id(), claimed.offset(term_length).get());
        if offset & (FRAME_ALIGNMENT - 1) != 0 {
            return Err(Refusal::Corrupt);
        }
        let resulting = offset + layout.required;
        if resulting > term_length.get() {
            return Err(self.end_of_log(index, term_id, offset, resulting));
        }
        let position = geometry.position(term_id, TermOffset::new(resulting));
        Ok(Space { index, start: claimed, position })
    }

    /// Source: shared-memory spec 8.4.
    #[cold]
    fn end_of_log(&self, index: usize, term_id: TermId, offset: i32, resulting: i32) -> Refusal {
        let geometry = self.shared.geometry;
        self.shared.pad_to_end(index, term_id, offset);
        if geometry.position(term_id, TermOffset::new(resulting)) >= geometry.max_position() {
            return Refusal::MaxPositionExceeded;
        }
        rotate(self.shared.log.metadata(), term_id.terms_since(geometry.initial_term_id()), term_id);
        Refusal::AdminAction
    }
}

//! Appending as the only one.

use crate::{
    frame::{
        data::layout::{SESSION_ID, STREAM_ID, TERM_ID, TERM_OFFSET, TYPE},
        frame_type,
    },
    memory::AtomicView,
    types::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT, MtuError, Position, TermId, TermOffset, align_frame},
};

#[cfg(not(loom))]
use super::BufferClaim;
use super::{
    super::{
        LogBuffers, RawTail,
        descriptor::{fragmented_length, partition_index},
        header::HEADER_LENGTH,
    },
    Batch, Gather, Layout, Payload, Refusal, Shared, Space, no_reserved_value,
};

/// Why a block of frames was not appended. Source: shared-memory spec 8.8.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// As for any other append.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A block is whole frames: a multiple of 32 bytes, and not empty.
    #[error("a block of {length} bytes is not a multiple of 32, at least one frame long")]
    NotFrames {
        /// Length of the block, in bytes.
        length: usize,
    },
    /// A block must not cross the end of a term.
    #[error("a block of {length} bytes is more than the {remaining} that are left of the term")]
    CrossesTerm {
        /// Length of the block, in bytes.
        length: usize,
        /// Bytes left of the active term.
        remaining: i32,
    },
    /// The first frame is not made for this place of this stream.
    #[error("the block's first frame has {field} {actual} where {expected} is due")]
    Mismatch {
        /// The field of the header.
        field: &'static str,
        /// What it holds.
        actual: i32,
        /// What it must hold.
        expected: i32,
    },
}

/// Appends to a log that nobody else appends to: the tail lives here and is only announced in shared memory.
///
/// Threading: one owner at a time. Source: shared-memory spec 8.7, 8.8.
#[derive(Debug)]
pub struct ExclusiveAppender {
    shared: Shared,
    term_id: TermId,
    term_offset: i32,
    term_begin: Position,
    index: usize,
}

impl ExclusiveAppender {
    /// An appender on a publication's log, from where its tail stands.
    ///
    /// # Errors
    /// When the log's metadata holds no valid MTU.
    pub fn new(log: LogBuffers) -> Result<Self, MtuError> {
        let shared = Shared::new(log)?;
        let geometry = shared.geometry;
        let index = partition_index(shared.log.metadata().active_term_count());
        let tail = shared.log.metadata().tail(index);
        let term_offset = tail.offset(geometry.term_length()).get() & !(FRAME_ALIGNMENT - 1);
        let term_begin = geometry.position(tail.term_id(), TermOffset::ZERO);
        Ok(Self { term_id: tail.term_id(), term_offset, term_begin, index, shared })
    }

    /// The log that this appends to.
    #[must_use]
    pub const fn log(&self) -> &LogBuffers {
        &self.shared.log
    }

    /// Longest message that [`ExclusiveAppender::offer`] takes, in bytes.
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
        self.term_begin + i64::from(self.term_offset)
    }

    /// Term that the next message goes to, unless it rotates.
    #[must_use]
    pub const fn term_id(&self) -> TermId {
        self.term_id
    }

    /// Offset in that term; the term's length when it is full.
    #[must_use]
    pub const fn term_offset(&self) -> TermOffset {
        TermOffset::new(self.term_offset)
    }

    /// Appends a message while the stream is short of `limit`; the position of the message's end.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing of the message was appended then.
    #[inline]
    pub fn offer(&mut self, message: &[u8], limit: Position) -> Result<Position, Refusal> {
        self.append(message, limit, no_reserved_value)
    }

    /// [`ExclusiveAppender::offer`] of a message in parts.
    ///
    /// # Errors
    /// See [`Refusal`].
    #[inline]
    pub fn offer_parts(&mut self, parts: &[&[u8]], limit: Position) -> Result<Position, Refusal> {
        self.append(Gather::new(parts), limit, no_reserved_value)
    }

    /// Appends any payload, asking `reserved_value` for each frame's before it is committed: it gets the term, the
    /// frame's offset and its length.
    ///
    /// # Errors
    /// See [`Refusal`].
    #[inline]
    pub fn append<P: Payload>(
        &mut self,
        payload: P,
        limit: Position,
        reserved_value: impl FnMut(&AtomicView, TermOffset, i32) -> i64,
    ) -> Result<Position, Refusal> {
        let layout = self.shared.layout(payload.remaining())?;
        let space = self.reserve(layout, limit)?;
        self.shared.write(space, layout, payload, reserved_value);
        Ok(space.position)
    }

    /// [`ConcurrentAppender::offer_batch`](super::ConcurrentAppender::offer_batch) by the only publisher.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing was appended then.
    #[inline]
    pub fn offer_batch(&mut self, messages: &[&[u8]], limit: Position) -> Result<Batch, Refusal> {
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
    pub fn claim(&mut self, length: usize, limit: Position) -> Result<BufferClaim<'_>, Refusal> {
        let layout = self.shared.claim_layout(length)?;
        let space = self.reserve(layout, limit)?;
        Ok(self.shared.claim(space, layout))
    }

    /// Appends a frame of padding with `length` bytes of payload, which readers skip; at most what the frames of the
    /// longest message take.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn append_padding(&mut self, length: usize, limit: Position) -> Result<Position, Refusal> {
        let max = fragmented_length(self.shared.max_message, self.shared.max_payload);
        let Some(length) = i32::try_from(length).ok().filter(|length| *length <= max) else {
            return Err(Refusal::TooLong { length, max });
        };
        let frame_length = length + DATA_HEADER_LENGTH;
        let layout = Layout { length, required: align_frame(frame_length), is_fragmented: false };
        let space = self.reserve(layout, limit)?;
        let term = self.shared.log.term(space.index);
        self.shared.template.write_padding(term, space.start.low_half(), frame_length, space.start.term_id());
        Ok(space.position)
    }

    /// Appends frames that were made elsewhere for exactly this place: the next term offset of the next term id, this
    /// session and stream.
    ///
    /// # Errors
    /// See [`BlockError`].
    pub fn offer_block(&mut self, block: &[u8], limit: Position) -> Result<Position, BlockError> {
        let length = block.len();
        let term_length = self.shared.geometry.term_length().get();
        if self.term_offset >= term_length {
            self.rotate()?;
        }
        if self.position() >= limit {
            let length = i32::try_from(length).unwrap_or(term_length).min(term_length);
            return Err(self.shared.at_limit(self.position(), length).into());
        }
        let remaining = term_length - self.term_offset;
        if length > remaining as usize {
            return Err(BlockError::CrossesTerm { length, remaining });
        }
        let Some((header, body)) = block.split_first_chunk::<HEADER_LENGTH>() else {
            return Err(BlockError::NotFrames { length });
        };
        if !length.is_multiple_of(FRAME_ALIGNMENT as usize) {
            return Err(BlockError::NotFrames { length });
        }
        self.check_block_header(header)?;
        let resulting = self.term_offset + length as i32;
        self.announce_tail(resulting);
        self.write_block(header, body);
        self.term_offset = resulting;
        Ok(self.position())
    }

    fn write_block(&self, header: &[u8; HEADER_LENGTH], body: &[u8]) {
        let term = self.shared.log.term(self.index);
        let at = self.term_offset as usize;
        let mut first_word = [0; 8];
        first_word.copy_from_slice(&header[..8]);
        term.write(at + HEADER_LENGTH, body);
        term.write(at + 8, &header[8..]);
        term.put_i64_release(at, i64::from_le_bytes(first_word));
    }

    fn check_block_header(&self, header: &[u8; HEADER_LENGTH]) -> Result<(), BlockError> {
        let field_at = |offset: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&header[offset..offset + 4]);
            i32::from_le_bytes(bytes)
        };
        let type_id = i32::from(u16::from_le_bytes([header[TYPE], header[TYPE + 1]]));
        let expectations = [
            ("term offset", field_at(TERM_OFFSET), self.term_offset),
            ("session id", field_at(SESSION_ID), self.shared.template.session_id().get()),
            ("stream id", field_at(STREAM_ID), self.shared.template.stream_id().get()),
            ("term id", field_at(TERM_ID), self.term_id.get()),
            ("type", type_id, i32::from(frame_type::DATA)),
        ];
        match expectations.into_iter().find(|(_, actual, expected)| actual != expected) {
            Some((field, actual, expected)) => Err(BlockError::Mismatch { field, actual, expected }),
            None => Ok(()),
        }
    }

    #[inline]
    fn reserve(&mut self, layout: Layout, limit: Position) -> Result<Space, Refusal> {
        let position = self.position();
        if position >= limit {
            return Err(self.shared.at_limit(position, layout.length));
        }
        let resulting = self.term_offset + layout.required;
        self.announce_tail(resulting);
        if resulting > self.shared.geometry.term_length().get() {
            return Err(self.end_of_log());
        }
        let start = RawTail::new(self.term_id, TermOffset::new(self.term_offset));
        self.term_offset = resulting;
        Ok(Space { index: self.index, start, position: self.position() })
    }

    #[inline]
    fn announce_tail(&self, offset: i32) {
        let tail = RawTail::new(self.term_id, TermOffset::new(offset));
        self.shared.log.metadata().set_tail(self.index, tail);
    }

    #[cold]
    fn end_of_log(&mut self) -> Refusal {
        self.shared.pad_to_end(self.index, self.term_id, self.term_offset);
        self.term_offset = self.shared.geometry.term_length().get();
        match self.rotate() {
            Ok(()) => Refusal::AdminAction,
            Err(refusal) => refusal,
        }
    }

    /// Moves on to the next term, which the driver has cleaned. Source: shared-memory spec 7.7.
    fn rotate(&mut self) -> Result<(), Refusal> {
        let geometry = self.shared.geometry;
        let next_begin = self.term_begin + i64::from(geometry.term_length().get());
        if next_begin >= geometry.max_position() {
            return Err(Refusal::MaxPositionExceeded);
        }
        let metadata = self.shared.log.metadata();
        self.term_id = self.term_id.next();
        self.term_offset = 0;
        self.term_begin = next_begin;
        let next_count = self.term_id.terms_since(geometry.initial_term_id());
        self.index = partition_index(next_count);
        self.announce_tail(0);
        metadata.set_active_term_count(next_count);
        Ok(())
    }
}

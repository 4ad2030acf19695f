//! Writing messages into a log.
//!
//! ```text
//!   offer ──► limit check ──► move the tail ──► fits the term?  ──yes──► write frames, commit each ──► position
//!                 │                                  │no
//!                 ▼                                  ▼
//!             refusal                  pad to the end, rotate ──► refusal "admin action": offer again
//! ```
//!
//! [`ConcurrentAppender`] shares the tail with other threads and processes, [`ExclusiveAppender`] owns it. Source:
//! shared-memory spec 8.1 to 8.8.

mod batch;
#[cfg(not(loom))]
mod claim;
mod concurrent;
mod exclusive;
mod payload;

pub use batch::Batch;
#[cfg(not(loom))]
pub use claim::BufferClaim;
pub use concurrent::ConcurrentAppender;
pub use exclusive::{BlockError, ExclusiveAppender};
pub use payload::{Gather, Payload};

use crate::{
    frame::{
        DataFlags,
        data::layout::{RESERVED_VALUE, TYPE},
        frame_type,
    },
    memory::AtomicView,
    types::{DATA_HEADER_LENGTH, MtuError, Position, TermGeometry, TermId, TermOffset, align_frame},
};

use super::{
    LogBuffers, RawTail,
    descriptor::fragmented_length,
    header::{HeaderTemplate, commit},
};

/// Why a message was not appended. Source: shared-memory spec 8.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The publication is at its limit and nobody is connected.
    #[error("nobody is connected to the publication")]
    NotConnected,
    /// The publication is at its limit: its consumers are behind. Try again later.
    #[error("back pressure: the consumers are behind the publication's limit")]
    BackPressured,
    /// The log moved on to its next term. Try again at once.
    #[error("the log is rotating to its next term, offer again")]
    AdminAction,
    /// The stream is used up: its last position is reached.
    #[error(
        "the stream has reached its last position; a new publication with a longer term-length lasts longer"
    )]
    MaxPositionExceeded,
    /// The message does not fit the log, or the frame when it is claimed.
    #[error("{length} bytes are more than the {max} that fit; a longer term-length or mtu allows more")]
    TooLong {
        /// Length of the message, in bytes.
        length: usize,
        /// The most that fits, in bytes.
        max: i32,
    },
    /// The tail counter in shared memory is damaged.
    #[error("the tail of the log buffer is not at a frame: its memory was overwritten")]
    Corrupt,
}

/// What both appenders know of their log.
#[derive(Clone, Debug)]
struct Shared {
    log: LogBuffers,
    geometry: TermGeometry,
    template: HeaderTemplate,
    max_payload: i32,
    max_message: i32,
}

/// How a message is laid out in the term.
#[derive(Clone, Copy)]
struct Layout {
    /// Length of the message, in bytes.
    length: i32,
    /// Bytes of term that its frames take.
    required: i32,
    is_fragmented: bool,
}

/// Space in a term that the tail has moved past.
#[derive(Clone, Copy)]
struct Space {
    index: usize,
    /// Its term and offset in one word: two 32-bit fields would be stored apart and loaded together, which stalls.
    start: RawTail,
    /// Position of the end of the space.
    position: Position,
}

impl Shared {
    fn new(log: LogBuffers) -> Result<Self, MtuError> {
        let max_payload = log.metadata().mtu()?.max_payload_length();
        let geometry = log.geometry();
        let max_message = geometry.term_length().max_message_length();
        Ok(Self { geometry, template: log.template(), max_payload, max_message, log })
    }

    #[inline]
    fn layout(&self, length: usize) -> Result<Layout, Refusal> {
        if length <= self.max_payload as usize {
            let length = length as i32;
            return Ok(Layout {
                length,
                required: align_frame(length + DATA_HEADER_LENGTH),
                is_fragmented: false,
            });
        }
        self.fragmented_layout(length)
    }

    #[inline(never)]
    fn fragmented_layout(&self, length: usize) -> Result<Layout, Refusal> {
        if length > self.max_message as usize {
            return Err(Refusal::TooLong { length, max: self.max_message });
        }
        let length = length as i32;
        let required = fragmented_length(length, self.max_payload);
        Ok(Layout { length, required, is_fragmented: true })
    }

    #[cfg(not(loom))]
    #[inline]
    fn claim_layout(&self, length: usize) -> Result<Layout, Refusal> {
        if length > self.max_payload as usize {
            return Err(Refusal::TooLong { length, max: self.max_payload });
        }
        self.layout(length)
    }

    /// Why a message of `length` bytes cannot go in at `position`, the limit. Source: shared-memory spec 8.5, 16.3.
    #[cold]
    fn at_limit(&self, position: Position, length: i32) -> Refusal {
        if position + i64::from(align_frame(length + DATA_HEADER_LENGTH)) >= self.geometry.max_position() {
            Refusal::MaxPositionExceeded
        } else if self.log.metadata().is_connected() {
            Refusal::BackPressured
        } else {
            Refusal::NotConnected
        }
    }

    fn pad_to_end(&self, index: usize, term_id: TermId, offset: i32) {
        let length = self.geometry.term_length().get() - offset;
        if length > 0 {
            self.template.write_padding(self.log.term(index), offset as usize, length, term_id);
        }
    }

    #[inline]
    fn write<P: Payload>(
        &self,
        space: Space,
        layout: Layout,
        payload: P,
        reserved_value: impl FnMut(&AtomicView, TermOffset, i32) -> i64,
    ) {
        let frames = Frames {
            term: self.log.term(space.index),
            template: self.template,
            term_id: space.start.term_id(),
            end: space.start.low_half() + layout.required as usize,
            payload,
            reserved_value,
        };
        let offset = space.start.low_half();
        if layout.is_fragmented {
            frames.write_fragments(offset, layout.length, self.max_payload);
        } else {
            // By value and inlined, so that nothing of it goes through memory.
            let mut frames = frames;
            frames.write_one(offset, layout.length, DataFlags::UNFRAGMENTED);
        }
    }
}

#[cfg(not(loom))]
impl Shared {
    #[inline]
    fn claim(&self, space: Space, layout: Layout) -> BufferClaim<'_> {
        let term = self.log.term(space.index);
        let frame_length = layout.length + DATA_HEADER_LENGTH;
        let kind = (DataFlags::UNFRAGMENTED, frame_type::DATA);
        self.template.begin(term, space.start.low_half(), frame_length, space.start.term_id(), kind);
        BufferClaim::new(term, space.start, layout.length, space.position)
    }
}

/// Writes the frames of one message.
struct Frames<'a, P, R> {
    term: &'a AtomicView,
    template: HeaderTemplate,
    term_id: TermId,
    /// Where the space for them ends.
    end: usize,
    payload: P,
    reserved_value: R,
}

/// A message whose publisher panicked between two of its stores would block the stream: what is not committed of it
/// becomes padding.
struct Unfinished<'a> {
    term: &'a AtomicView,
    template: HeaderTemplate,
    term_id: TermId,
    /// The frame that was begun.
    at: usize,
    frame_length: i32,
    end: usize,
}

impl Drop for Unfinished<'_> {
    #[cold]
    fn drop(&mut self) {
        let rest = self.at + align_frame(self.frame_length) as usize;
        if rest < self.end {
            self.template.write_padding(self.term, rest, (self.end - rest) as i32, self.term_id);
        }
        self.term.put_u16(self.at + TYPE, frame_type::PAD);
        commit(self.term, self.at, self.frame_length);
    }
}

impl<P: Payload, R: FnMut(&AtomicView, TermOffset, i32) -> i64> Frames<'_, P, R> {
    #[inline(always)]
    fn write_one(&mut self, at: usize, length: i32, flags: DataFlags) {
        let frame_length = length + DATA_HEADER_LENGTH;
        self.template.begin(self.term, at, frame_length, self.term_id, (flags, frame_type::DATA));
        self.payload.write_next(self.term, at + DATA_HEADER_LENGTH as usize, length as usize);
        let Self { term, template, term_id, end, .. } = *self;
        let unfinished = Unfinished { term, template, term_id, at, frame_length, end };
        let reserved = (self.reserved_value)(self.term, TermOffset::new(at as i32), frame_length);
        core::mem::forget(unfinished);
        self.term.put_i64(at + RESERVED_VALUE, reserved);
        commit(self.term, at, frame_length);
    }

    #[inline(never)]
    fn write_fragments(mut self, mut offset: usize, length: i32, max_payload: i32) {
        let mut flags = DataFlags::BEGIN;
        let mut remaining = length;
        while remaining > max_payload {
            self.write_one(offset, max_payload, flags);
            offset += (max_payload + DATA_HEADER_LENGTH) as usize;
            remaining -= max_payload;
            flags = DataFlags::NONE;
        }
        self.write_one(offset, remaining, flags.with(DataFlags::END));
    }
}

/// The reserved value of those who do not use it.
#[inline]
const fn no_reserved_value(_: &AtomicView, _: TermOffset, _: i32) -> i64 {
    0
}

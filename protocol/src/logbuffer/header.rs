//! The header of a frame in a term.
//!
//! ```text
//!   0        4       5       6       8             12          16          20         24               32
//!   ┌────────┬───────┬───────┬───────┬─────────────┬───────────┬───────────┬──────────┬────────────────┬───────
//!   │ length │version│ flags │ type  │ term offset │ session   │ stream    │ term id  │ reserved value │ payload
//!   └────────┴───────┴───────┴───────┴─────────────┴───────────┴───────────┴──────────┴────────────────┴───────
//! ```
//!
//! The length counts header and payload without the padding up to the next multiple of 32: 0 for a slot nobody wrote,
//! negative while its writer is at work, positive once committed. Source: shared-memory spec 7.4.

use crate::{
    frame::{
        DataFlags,
        data::layout::{FLAGS, RESERVED_VALUE, SESSION_ID, STREAM_ID, TERM_ID, TERM_OFFSET, TYPE, VERSION},
        frame_type,
    },
    memory::AtomicView,
    sync::{Ordering, fence},
    types::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT, SessionId, StreamId, TermId, TermOffset, align_frame},
};

/// Length of the header, in bytes.
pub const HEADER_LENGTH: usize = DATA_HEADER_LENGTH as usize;

/// A committed frame, lent by a read of its term.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    term: &'a AtomicView,
    offset: usize,
    frame_length: i32,
}

impl<'a> Fragment<'a> {
    /// The committed frame at `offset` of a term; `None` when there is none, or its length cannot be right.
    #[inline]
    #[must_use]
    pub fn at(term: &'a AtomicView, offset: TermOffset) -> Option<Self> {
        let end = term_length(term);
        if !is_frame_start(offset, end) {
            return None;
        }
        let frame_length = committed_length(term, offset.get(), end);
        (frame_length > 0).then(|| Self { term, offset: offset.index(), frame_length })
    }

    /// The frame's place and its length, both known to lie in the term.
    #[inline]
    pub(super) const fn known(term: &'a AtomicView, offset: usize, frame_length: i32) -> Self {
        Self { term, offset, frame_length }
    }

    /// What the publisher wrote.
    #[cfg(not(loom))]
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.term.fragment(self.offset + HEADER_LENGTH, self.payload_length())
    }

    /// The `length` bytes from the frame's first on, all of them in committed frames of the same term.
    #[cfg(not(loom))]
    #[inline]
    pub(super) fn bytes(&self, length: usize) -> &'a [u8] {
        self.term.fragment(self.offset, length)
    }

    /// Length of the payload, in bytes.
    #[inline]
    #[must_use]
    pub const fn payload_length(&self) -> usize {
        self.frame_length as usize - HEADER_LENGTH
    }

    /// Length of header and payload, in bytes.
    #[inline]
    #[must_use]
    pub const fn frame_length(&self) -> i32 {
        self.frame_length
    }

    /// Bytes of term that the frame takes: its length rounded up to a multiple of 32.
    #[inline]
    #[must_use]
    pub const fn aligned_length(&self) -> i32 {
        align_frame(self.frame_length)
    }

    /// Where the frame lies in its term.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> TermOffset {
        TermOffset::new(self.offset as i32)
    }

    /// Where the next frame starts.
    #[inline]
    #[must_use]
    pub const fn next_offset(&self) -> TermOffset {
        TermOffset::new(self.offset as i32 + align_frame(self.frame_length))
    }

    /// Version of the format.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.term.get_u8(self.offset + VERSION)
    }

    /// Flags of the frame.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> DataFlags {
        DataFlags::new(self.term.get_u8(self.offset + FLAGS))
    }

    /// Type of the frame, see [`frame_type`].
    #[inline]
    #[must_use]
    pub fn frame_type(&self) -> u16 {
        self.term.get_u16(self.offset + TYPE)
    }

    /// The offset that the header names; equal to [`Fragment::offset`] unless the frame is corrupt.
    #[inline]
    #[must_use]
    pub fn term_offset(&self) -> TermOffset {
        TermOffset::new(self.term.get_i32(self.offset + TERM_OFFSET))
    }

    /// Session of the stream.
    #[inline]
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        SessionId::new(self.term.get_i32(self.offset + SESSION_ID))
    }

    /// Stream id.
    #[inline]
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        StreamId::new(self.term.get_i32(self.offset + STREAM_ID))
    }

    /// Term that the frame was written in.
    #[inline]
    #[must_use]
    pub fn term_id(&self) -> TermId {
        TermId::new(self.term.get_i32(self.offset + TERM_ID))
    }

    /// The application's own eight bytes.
    #[inline]
    #[must_use]
    pub fn reserved_value(&self) -> i64 {
        self.term.get_i64(self.offset + RESERVED_VALUE)
    }

    /// A copy of the header.
    #[must_use]
    pub fn header_bytes(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        self.term.read(self.offset, &mut bytes);
        bytes
    }
}

/// Length of a term, in bytes.
#[inline]
pub(super) fn term_length(term: &AtomicView) -> i32 {
    i32::try_from(term.len()).unwrap_or(0)
}

/// Whether a frame may start at `offset` of a term of `end` bytes.
#[inline]
pub(super) const fn is_frame_start(offset: TermOffset, end: i32) -> bool {
    let offset = offset.get();
    offset >= 0 && offset < end && offset & (FRAME_ALIGNMENT - 1) == 0
}

/// Length of the committed frame at `offset`, or 0 when there is none or it would not fit before `end`.
#[inline]
pub(super) fn committed_length(term: &AtomicView, offset: i32, end: i32) -> i32 {
    let length = term.get_i32_acquire(offset as usize);
    if length >= DATA_HEADER_LENGTH && length <= end - offset { length } else { 0 }
}

/// What all frames of one publication have in common, ready to be stamped.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderTemplate {
    session_id: SessionId,
    stream_id: StreamId,
}

impl HeaderTemplate {
    pub(super) const fn new(session_id: SessionId, stream_id: StreamId) -> Self {
        Self { session_id, stream_id }
    }

    /// The template that a log's default header holds.
    #[cfg(not(loom))]
    pub(super) fn from_default_header(header: &[u8; HEADER_LENGTH]) -> Self {
        Self {
            session_id: SessionId::new(i32_at(header, SESSION_ID)),
            stream_id: StreamId::new(i32_at(header, STREAM_ID)),
        }
    }

    pub(super) const fn session_id(self) -> SessionId {
        self.session_id
    }

    pub(super) const fn stream_id(self) -> StreamId {
        self.stream_id
    }

    /// The header as log metadata holds it. Source: shared-memory spec 7.3.
    pub(super) fn default_header(self, initial_term_id: TermId) -> [u8; HEADER_LENGTH] {
        let mut header = [0; HEADER_LENGTH];
        header[..8].copy_from_slice(&first_word(0, DataFlags::UNFRAGMENTED, frame_type::DATA).to_le_bytes());
        let (second, third) = self.tail_words(0, initial_term_id);
        header[8..16].copy_from_slice(&second.to_le_bytes());
        header[16..24].copy_from_slice(&third.to_le_bytes());
        header
    }

    /// Marks a frame as being written and stamps its header; [`commit`] ends it. Source: shared-memory spec 8.3.
    ///
    /// The fence keeps every later store behind the negative length: whoever finds a slot of length 0, as unblocker
    /// and cleaner do, knows that nothing else of the frame is there yet.
    #[inline]
    pub(super) fn begin(
        self,
        term: &AtomicView,
        offset: usize,
        frame_length: i32,
        term_id: TermId,
        (flags, frame_type): (DataFlags, u16),
    ) {
        term.put_i64_release(offset, first_word(-frame_length, flags, frame_type));
        fence(Ordering::Release);
        self.stamp(term, offset, term_id);
    }

    /// Term offset, session, stream and term id, as two words: narrower stores or a copy would be slower.
    #[inline]
    fn stamp(self, term: &AtomicView, offset: usize, term_id: TermId) {
        let (second, third) = self.tail_words(offset as i32, term_id);
        term.put_i64(offset + 8, second);
        term.put_i64(offset + 16, third);
    }

    /// A frame of padding over a slot that is blocked or lost, visible with its last store.
    pub(super) fn patch_padding(self, term: &AtomicView, offset: usize, length: i32, term_id: TermId) {
        self.stamp(term, offset, term_id);
        term.put_i64(offset + RESERVED_VALUE, 0);
        term.put_i64_release(offset, first_word(length, DataFlags::UNFRAGMENTED, frame_type::PAD));
    }

    /// A whole frame of padding, committed.
    #[inline]
    pub(super) fn write_padding(self, term: &AtomicView, offset: usize, length: i32, term_id: TermId) {
        self.begin(term, offset, length, term_id, (DataFlags::UNFRAGMENTED, frame_type::PAD));
        commit(term, offset, length);
    }

    #[inline]
    const fn tail_words(self, term_offset: i32, term_id: TermId) -> (i64, i64) {
        (pair(term_offset, self.session_id.get()), pair(self.stream_id.get(), term_id.get()))
    }
}

/// Makes a frame visible.
#[inline]
pub(super) fn commit(term: &AtomicView, offset: usize, frame_length: i32) {
    term.put_i32_release(offset, frame_length);
}

#[inline]
const fn first_word(frame_length: i32, flags: DataFlags, frame_type: u16) -> i64 {
    pair(frame_length, ((frame_type as i32) << 16) | ((flags.get() as i32) << 8))
}

/// Two 32-bit fields as they lie side by side, low address first.
#[inline]
const fn pair(low: i32, high: i32) -> i64 {
    ((high as i64) << 32) | (low as u32 as i64)
}

#[cfg(not(loom))]
fn i32_at(header: &[u8; HEADER_LENGTH], offset: usize) -> i32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&header[offset..offset + 4]);
    i32::from_le_bytes(bytes)
}

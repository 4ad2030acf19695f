//! A claim: one frame to fill in place.

use core::ops::{Deref, DerefMut};

use crate::{
    doorbell::Doorbell,
    frame::{
        DataFlags,
        data::layout::{FLAGS, RESERVED_VALUE, TERM_ID, TYPE},
        frame_type,
    },
    memory::{AtomicView, ClaimedBytes},
    types::{DATA_HEADER_LENGTH, Position, TermId},
};

use super::super::{
    RawTail,
    header::{HEADER_LENGTH, commit},
};

/// One frame of a log, to be filled in place and committed. Until then it blocks the stream, so be quick; a claim that
/// is dropped uncommitted is aborted, which readers skip as padding.
///
/// Dereferences to the payload; its bytes are what cleaning left, normally zero. Source: shared-memory spec 8.6.
#[must_use = "a claim that is dropped is aborted"]
#[derive(Debug)]
pub struct BufferClaim<'a> {
    term: &'a AtomicView,
    offset: usize,
    frame_length: i32,
    term_id: TermId,
    position: Position,
    payload: ClaimedBytes<'a>,
    doorbell: Option<&'a Doorbell>,
}

impl<'a> BufferClaim<'a> {
    pub(super) fn new(term: &'a AtomicView, start: RawTail, length: i32, position: Position) -> Self {
        let (offset, term_id) = (start.low_half(), start.term_id());
        let payload = term.claimed(offset + HEADER_LENGTH, length as usize);
        Self {
            term,
            offset,
            frame_length: length + DATA_HEADER_LENGTH,
            term_id,
            position,
            payload,
            doorbell: None,
        }
    }

    /// Rings when the frame has become visible.
    pub const fn waking(mut self, doorbell: Option<&'a Doorbell>) -> Self {
        self.doorbell = doorbell;
        self
    }

    /// Position of the end of the frame, which the stream has reached once it is committed.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Sets the flags of the frame, [`DataFlags::UNFRAGMENTED`] unless set.
    pub fn set_flags(&mut self, flags: DataFlags) {
        if self.is_ours() {
            self.term.put_u8(self.offset + FLAGS, flags.get());
        }
    }

    /// Sets the type of the frame, [`frame_type::DATA`] unless set.
    pub fn set_frame_type(&mut self, type_id: u16) {
        if self.is_ours() {
            self.term.put_u16(self.offset + TYPE, type_id);
        }
    }

    /// Sets the application's own eight bytes in the header, 0 unless set.
    pub fn set_reserved_value(&mut self, value: i64) {
        if self.is_ours() {
            self.term.put_i64(self.offset + RESERVED_VALUE, value);
        }
    }

    /// The application's own eight bytes in the header.
    #[must_use]
    pub fn reserved_value(&self) -> i64 {
        self.term.get_i64(self.offset + RESERVED_VALUE)
    }

    /// Makes the frame visible; returns the position of its end.
    ///
    /// A claim that was held for so long that the driver has unblocked the stream (15 s by default) is lost: its place
    /// was padded, or is another frame's by now, and committing it does nothing.
    pub fn commit(self) -> Position {
        let position = self.position;
        self.finish();
        core::mem::forget(self);
        position
    }

    /// Commits the frame, if its place is still as the claim began it.
    fn finish(&self) {
        if self.is_ours() {
            commit(self.term, self.offset, self.frame_length);
            if let Some(doorbell) = self.doorbell {
                doorbell.ring_unfenced();
            }
        }
    }

    fn is_ours(&self) -> bool {
        self.term.get_i32(self.offset) == -self.frame_length
            && self.term.get_i32(self.offset + TERM_ID) == self.term_id.get()
    }

    /// Gives the frame up: readers skip it as padding.
    pub fn abort(self) {
        drop(self);
    }
}

impl Drop for BufferClaim<'_> {
    fn drop(&mut self) {
        self.set_frame_type(frame_type::PAD);
        self.finish();
    }
}

impl Deref for BufferClaim<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.payload
    }
}

impl DerefMut for BufferClaim<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.payload
    }
}

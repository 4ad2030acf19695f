//! Finding whole frames to hand out as one block.

#[cfg(not(loom))]
use crate::types::{SessionId, TermId};
use crate::{
    frame::{data::layout::TYPE, frame_type},
    memory::AtomicView,
    types::{TermOffset, align_frame},
};

use super::header::{Fragment, committed_length, is_frame_start, term_length};

/// Consecutive whole frames, or one padding frame on its own.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    first: Fragment<'a>,
    length: i32,
}

impl<'a> Block<'a> {
    /// Bytes of the block, a multiple of 32. Of padding only the header means anything.
    #[inline]
    #[must_use]
    pub const fn length(&self) -> i32 {
        self.length
    }

    /// The first frame.
    #[inline]
    #[must_use]
    pub const fn first(&self) -> Fragment<'a> {
        self.first
    }

    /// Where the next block starts.
    #[inline]
    #[must_use]
    pub const fn next_offset(&self) -> TermOffset {
        TermOffset::new(self.first.offset().get() + self.length)
    }
}

#[cfg(not(loom))]
impl<'a> Block<'a> {
    /// All bytes of the block, headers included.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.first.bytes(self.length as usize)
    }

    /// Session of the first frame.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.first.session_id()
    }

    /// Term of the first frame.
    #[must_use]
    pub fn term_id(&self) -> TermId {
        self.first.term_id()
    }
}

/// The committed frames from `offset` on that fit `length_limit` bytes; padding always comes as a block of its own and
/// may pass the limit. `None` when nothing is there, or the first frame is longer than the limit.
/// Source: shared-memory spec 9.4.
#[must_use]
pub fn scan_block(term: &AtomicView, offset: TermOffset, length_limit: i32) -> Option<Block<'_>> {
    let end = term_length(term);
    if !is_frame_start(offset, end) {
        return None;
    }
    let limit = offset.get().saturating_add(length_limit).min(end);
    let first = Fragment::at(term, offset)?;
    if first.frame_type() == frame_type::PAD {
        return Some(Block { first, length: first.aligned_length() });
    }
    let mut scanned = offset.get();
    while scanned < limit {
        let frame_length = committed_length(term, scanned, end);
        let next = scanned + align_frame(frame_length);
        let is_padding = term.get_u16(scanned as usize + TYPE) == frame_type::PAD;
        if frame_length == 0 || is_padding || next > limit {
            break;
        }
        scanned = next;
    }
    let length = scanned - offset.get();
    (length > 0).then_some(Block { first, length })
}

//! Getting a stream going again after a publisher died between claiming and committing.

use crate::{
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, Position, TermId, TermOffset},
};

use super::{
    LogBuffers, RawTail,
    descriptor::partition_index,
    header::{HEADER_LENGTH, HeaderTemplate, is_frame_start, term_length},
    rotation::rotate,
};

/// What unblocking a term did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unblocked {
    /// Nothing: the offset is not blocked, or nothing is known about how much is.
    No,
    /// Put padding over the blocked frame or region.
    Frame,
    /// Put padding over all the rest of the term: it must be rotated.
    ToEnd,
}

/// Unblocks a log at the position where its consumers have been stuck; whether anything was done.
///
/// Threading: by the driver's conductor, once the publisher has had its time to finish; publishers may race with it.
/// Source: shared-memory spec 8.10.
pub fn unblock_log(log: &LogBuffers, blocked: Position) -> bool {
    let Some((index, term_id, offset)) = log.frame_place(blocked) else { return false };
    let metadata = log.metadata();
    let blocked_count = log.geometry().term_count(blocked);
    let active_count = metadata.active_term_count();
    if offset == TermOffset::ZERO && active_count == blocked_count.wrapping_sub(1) {
        let active_tail = metadata.tail(partition_index(active_count));
        rotate(metadata, active_count, active_tail.term_id());
        return true;
    }
    let tail = metadata.tail(index);
    if tail.term_id() != term_id {
        return false;
    }
    match unblock_term(log, index, offset, tail) {
        Unblocked::No => false,
        Unblocked::Frame => true,
        Unblocked::ToEnd => {
            rotate(metadata, blocked_count, term_id);
            true
        }
    }
}

/// Unblocks the term in partition `index` at `blocked`, up to `tail`: a frame that was begun becomes padding of the same
/// length, a region that was only claimed becomes padding up to the next frame, or to the end of a full term.
///
/// A begun frame whose length cannot be right is left alone. Threading and source as of [`unblock_log`].
pub fn unblock_term(log: &LogBuffers, index: usize, blocked: TermOffset, tail: RawTail) -> Unblocked {
    let term = log.term(index);
    let end = term_length(term);
    if !is_frame_start(blocked, end) {
        return Unblocked::No;
    }
    let slot = Slot { term, template: log.template(), term_id: tail.term_id(), offset: blocked.get() };
    let frame_length = slot.length();
    if frame_length < 0 {
        return slot.finish_begun_frame(frame_length, end);
    }
    if frame_length > 0 {
        return Unblocked::No;
    }
    let tail_offset = tail.offset(log.geometry().term_length()).get();
    let mut next = slot.offset + FRAME_ALIGNMENT;
    while next < tail_offset && slot.length_at(next) == 0 {
        next += FRAME_ALIGNMENT;
    }
    slot.pad_claimed_region(next, tail_offset, end)
}

/// The blocked place of a term.
struct Slot<'a> {
    term: &'a AtomicView,
    template: HeaderTemplate,
    term_id: TermId,
    offset: i32,
}

impl Slot<'_> {
    fn length(&self) -> i32 {
        self.length_at(self.offset)
    }

    fn length_at(&self, offset: i32) -> i32 {
        self.term.get_i32_acquire(offset as usize)
    }

    fn finish_begun_frame(&self, negative_length: i32, end: i32) -> Unblocked {
        let length = negative_length.saturating_neg();
        if length < HEADER_LENGTH as i32 || length > end - self.offset {
            return Unblocked::No;
        }
        self.pad(length);
        Unblocked::Frame
    }

    /// `next` is the first slot after this one that is in use, or where the search for it ended.
    fn pad_claimed_region(&self, next: i32, tail_offset: i32, end: i32) -> Unblocked {
        if next < tail_offset {
            // A publisher may have begun behind our back: what was empty on the way out must be empty on the way back.
            if (self.offset..next).step_by(FRAME_ALIGNMENT as usize).rev().all(|at| self.length_at(at) == 0) {
                self.pad(next - self.offset);
                return Unblocked::Frame;
            }
        } else if next == end && self.length() == 0 {
            self.pad(end - self.offset);
            return Unblocked::ToEnd;
        }
        Unblocked::No
    }

    fn pad(&self, length: i32) {
        self.template.patch_padding(self.term, self.offset as usize, length, self.term_id);
    }
}

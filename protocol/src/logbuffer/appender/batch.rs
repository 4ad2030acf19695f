//! Several messages by one move of the tail.
//!
//! ```text
//!   claim of the sum ──► begin 1, write 1 ──► begin, write, commit 2 ... n ──► commit 1
//! ```
//!
//! Readers and senders wait at the first frame, so they find none of the batch before all of it, and do not take the
//! memory from under the publisher while it still writes there. Whoever dies in between leaves what a dead claim
//! leaves: one frame that was begun, and behind it whole frames, or space that nobody began.

use crate::{
    frame::{DataFlags, frame_type},
    types::{DATA_HEADER_LENGTH, Position, align_frame},
};

use super::{
    super::header::{HEADER_LENGTH, commit},
    Layout, Payload, Shared, Space,
};

/// Most bytes of term that one claim takes: as the longest message does, so that the half of the tail that holds the offset
/// cannot overflow however many publishers add to it at once.
const MAX_BATCH_LENGTH: i32 = 16 * 1024 * 1024;

/// How much of a batch went in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Messages appended, from the first; at least one, unless there was none to append.
    pub messages: usize,
    /// Position of the end of the last of them.
    pub position: Position,
}

/// The messages, from the first, that go in by one claim.
pub(super) struct Run {
    pub(super) messages: usize,
    pub(super) layout: Layout,
}

impl Shared {
    /// Those of one frame each which, starting at `position`, begin before `limit` and do not cross the term's end. The
    /// first is always one of them; `None` when it takes several frames.
    pub(super) fn run(&self, messages: &[&[u8]], position: Position, limit: Position) -> Option<Run> {
        let (first, others) = messages.split_first()?;
        if first.len() > self.max_payload as usize {
            return None;
        }
        let length = first.len() as i32;
        let mut required = align_frame(length + DATA_HEADER_LENGTH);
        let left = self.geometry.term_length().get() - self.geometry.term_offset(position).get();
        let room = left.min(MAX_BATCH_LENGTH);
        let before_limit = limit - position;
        let mut count = 1;
        for message in others {
            if message.len() > self.max_payload as usize || i64::from(required) >= before_limit {
                break;
            }
            let aligned = align_frame(message.len() as i32 + DATA_HEADER_LENGTH);
            if required + aligned > room {
                break;
            }
            required += aligned;
            count += 1;
        }
        Some(Run { messages: count, layout: Layout { length, required, is_fragmented: false } })
    }

    pub(super) fn write_run(&self, space: Space, messages: &[&[u8]]) {
        let Some((first, others)) = messages.split_first() else { return };
        let term = self.log.term(space.index);
        let term_id = space.start.term_id();
        let start = space.start.low_half();
        let kind = (DataFlags::UNFRAGMENTED, frame_type::DATA);
        let write = |at: usize, mut message: &[u8]| {
            let frame_length = message.len() as i32 + DATA_HEADER_LENGTH;
            self.template.begin(term, at, frame_length, term_id, kind);
            message.write_next(term, at + HEADER_LENGTH, message.len());
            frame_length
        };
        let first_length = write(start, first);
        let mut at = start + align_frame(first_length) as usize;
        for message in others {
            let frame_length = write(at, message);
            commit(term, at, frame_length);
            at += align_frame(frame_length) as usize;
        }
        commit(term, start, first_length);
    }
}

//! Finding what a receiver has not got.

use crate::{
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, TermOffset, align_frame},
};

use super::header::{committed_length, is_frame_start, term_length};

/// Missing bytes of a term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Where the first missing frame starts.
    pub offset: TermOffset,
    /// Missing bytes, a multiple of 32.
    pub length: i32,
}

/// What a scan for a gap found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GapScan {
    /// Everything before this offset is there.
    pub rebuilt_to: TermOffset,
    /// The first gap before the limit, if there is one; it starts at `rebuilt_to`.
    pub gap: Option<Gap>,
}

/// Walks the frames from `offset` up to `limit`, normally the high-water mark, to the first gap.
/// Source: shared-memory spec 9.9.
#[must_use]
pub fn scan_for_gap(term: &AtomicView, offset: TermOffset, limit: TermOffset) -> GapScan {
    let end = term_length(term);
    if !is_frame_start(offset, end) {
        return GapScan { rebuilt_to: offset, gap: None };
    }
    let limit = limit.get().min(end);
    let mut rebuilt = offset.get();
    while rebuilt < limit {
        let frame_length = committed_length(term, rebuilt, end);
        if frame_length == 0 {
            break;
        }
        rebuilt += align_frame(frame_length);
    }
    let rebuilt_to = TermOffset::new(rebuilt);
    if rebuilt >= limit {
        return GapScan { rebuilt_to, gap: None };
    }
    let mut gap_end = rebuilt + FRAME_ALIGNMENT;
    while gap_end < limit && term.get_i32_acquire(gap_end as usize) == 0 {
        gap_end += FRAME_ALIGNMENT;
    }
    GapScan { rebuilt_to, gap: Some(Gap { offset: rebuilt_to, length: gap_end - rebuilt }) }
}

//! Zeroing what consumers have left behind.

use crate::{
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, TermOffset},
};

use super::header::{is_frame_start, term_length};

/// Zeroes `length` bytes of a term from `offset` on, at most to its end; returns how many were zeroed.
///
/// The first eight bytes come last, with release ordering: until then the range still starts with a committed frame, and
/// whoever sees it start with zero sees all of it zero. A length that is not a multiple of 32 is rounded down.
/// Source: shared-memory spec 7.8, driver spec 3.4.
pub fn clean(term: &AtomicView, offset: TermOffset, length: i32) -> i32 {
    let end = term_length(term);
    if !is_frame_start(offset, end) {
        return 0;
    }
    let length = length.min(end - offset.get()) & !(FRAME_ALIGNMENT - 1);
    if length <= 0 {
        return 0;
    }
    term.zero(offset.index() + 8, length as usize - 8);
    term.put_i64_release(offset.index(), 0);
    length
}

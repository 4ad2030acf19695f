//! Giving up on lost frames of an unreliable stream.

use crate::types::{FRAME_ALIGNMENT, TermId};

use super::{
    Gap, LogBuffers,
    descriptor::partition_index,
    header::{is_frame_start, term_length},
};

/// Puts one frame of padding over a gap of an image, unless anything has arrived in it meanwhile; whether it did.
///
/// Threading: by the thread that inserts into this image. Source: shared-memory spec 8.10, driver spec 5.4.
#[must_use]
pub fn fill_gap(log: &LogBuffers, term_id: TermId, gap: Gap) -> bool {
    let term = log.term(partition_index(term_id.terms_since(log.geometry().initial_term_id())));
    let (start, end) = (gap.offset, term_length(term));
    let is_valid = is_frame_start(start, end)
        && gap.length >= FRAME_ALIGNMENT
        && gap.length <= end - start.get()
        && gap.length & (FRAME_ALIGNMENT - 1) == 0;
    let slots = || (start.index()..start.index() + gap.length as usize).step_by(FRAME_ALIGNMENT as usize);
    if !is_valid || slots().rev().any(|slot| term.get_i32_acquire(slot) != 0) {
        return false;
    }
    log.template().patch_padding(term, start.index(), gap.length, term_id);
    true
}

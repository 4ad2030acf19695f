//! Putting received frames where they belong, in terms that still hold what was there three terms before.
//!
//! ```text
//!              readers, gap scanner                nobody looks
//!   ├────────────────────────────────────────┼──────────────────────────────►
//!   │ frame │ frame │ 0 0 0 │ frame │ frame  │ 0 │ frames of an earlier term
//!                     gap              high-water mark
//! ```
//!
//! Whoever reads an image reads the length at its own position first, and goes on only where that is positive; so what lies
//! beyond the high-water mark is never seen as long as a zero stands there. Terms are not cleaned ahead, which would
//! fetch every cache line twice: what arrives overwrites them, and only gaps are zeroed.

use crate::{
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, Position, TermOffset},
};

use super::{
    LogBuffers,
    header::{HEADER_LENGTH, is_frame_start, term_length},
};

/// Moves the end of an image from its high-water mark, or from where zeroes end beyond it, to `end`, before frames that
/// start at `start` are inserted and the mark follows: what they leave out is a gap, and the image ends with a zero again.
///
/// All three are multiples of 32, `start <= end`; nothing happens unless `end` is ahead. Takes as long as zeroing the gap
/// does.
///
/// Threading: one receiver per image; whoever sees what is stored later with release ordering sees all of this.
/// Source: shared-memory spec 9.9, where terms are cleaned instead.
#[inline]
pub fn extend(log: &LogBuffers, zeroed_to: Position, start: Position, end: Position) {
    if end <= zeroed_to {
        return;
    }
    end_at(log, end);
    if start != zeroed_to {
        // What begins before may be refused, as something is there.
        zero_gap(log, zeroed_to, if start > zeroed_to { start } else { end });
    }
}

#[cold]
fn zero_gap(log: &LogBuffers, from: Position, to: Position) {
    end_at(log, to);
    let term_length = i64::from(log.geometry().term_length().get());
    let mut from = from;
    while from < to {
        let offset = log.geometry().term_offset(from);
        let length = (to - from).min(term_length - i64::from(offset.get()));
        log.term_at(from).zero(offset.index(), length as usize);
        from = from + length;
    }
}

#[inline]
fn end_at(log: &LogBuffers, position: Position) {
    log.term_at(position).put_i64(log.geometry().term_offset(position).index(), 0);
}

/// Copies the frames of a datagram, or of a run of consecutive datagrams, to `offset` of an image's term, unless a frame
/// is there already; whether it did. The first eight bytes come last, so a reader sees nothing of the packet before all.
///
/// What does not start with a header, or does not fit the term at this offset, is not inserted.
///
/// Threading: one receiver per image; readers load frame lengths with acquire. Source: shared-memory spec 9.9.
pub fn insert(term: &AtomicView, offset: TermOffset, packet: &[u8]) -> bool {
    let end = term_length(term);
    let fits = is_frame_start(offset, end) && packet.len() <= (end - offset.get()) as usize;
    let Some((header, body)) = packet.split_first_chunk::<HEADER_LENGTH>() else { return false };
    let at = offset.index();
    if !fits || !packet.len().is_multiple_of(FRAME_ALIGNMENT as usize) || term.get_i32(at) != 0 {
        return false;
    }
    let (first_word, rest_of_header) = header.split_at(8);
    let mut word = [0; 8];
    word.copy_from_slice(first_word);
    term.write(at + HEADER_LENGTH, body);
    term.write(at + 8, rest_of_header);
    term.put_i64_release(at, i64::from_le_bytes(word));
    true
}

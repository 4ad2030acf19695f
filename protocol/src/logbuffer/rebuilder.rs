//! Putting received frames where they belong.

use crate::{
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, TermOffset},
};

use super::header::{HEADER_LENGTH, is_frame_start, term_length};

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

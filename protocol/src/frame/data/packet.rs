//! Which datagrams of DATA frames may enter a term buffer. Runs once per received datagram: no allocation, one pass.

use super::{LENGTH, layout};
use crate::{
    frame::{fields::Field, header::FrameError, header::frame_type},
    types::{FRAME_ALIGNMENT, TermLength, TermOffset},
};

/// A valid datagram's extent in its term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketLength {
    /// Bytes that the frames take in the term, a trailing PAD's skipped range included; 0 for a heartbeat.
    pub in_term: i32,
    /// Frames in the datagram; 0 for a heartbeat.
    pub frames: u32,
}

impl PacketLength {
    const HEARTBEAT: Self = Self { in_term: 0, frames: 0 };

    /// Whether the datagram moves nothing: only a heartbeat does.
    #[inline]
    #[must_use]
    pub const fn is_heartbeat(&self) -> bool {
        self.in_term == 0
    }
}

/// Checks a datagram of DATA and PAD frames before it is copied into a term at `term_offset`, the first header's.
///
/// Each frame must have a length of at least its header, be DATA or PAD, state the offset at which it stands, and end
/// within the term; together they must fill the datagram, except that a last PAD reaches beyond it. Session, stream
/// and term of inner frames are taken on trust, as in Aeron. Source: wire spec 10.5 step 3, 15.1.
///
/// # Errors
/// Too short, unaligned, or a frame that breaks one of these rules.
#[inline]
pub fn validate_packet(
    datagram: &[u8],
    term_offset: TermOffset,
    term_length: TermLength,
) -> Result<PacketLength, FrameError> {
    if !term_offset.is_frame_start_in(term_length) {
        return Err(FrameError::TermOffset);
    }
    let Some(first) = datagram.first_chunk::<LENGTH>() else {
        return Err(FrameError::TooShort);
    };
    if datagram.len() == LENGTH && i32::read(first, layout::FRAME_LENGTH) == 0 {
        return Ok(PacketLength::HEARTBEAT);
    }
    walk(datagram, term_offset, term_length)
}

fn walk(
    datagram: &[u8],
    term_offset: TermOffset,
    term_length: TermLength,
) -> Result<PacketLength, FrameError> {
    let start = i64::from(term_offset.get());
    let mut in_term = 0_i64;
    let mut frames = 0;
    let mut rest = datagram;
    while let Some(frame) = rest.first_chunk::<LENGTH>() {
        let frame_length: i32 = Field::read(frame, layout::FRAME_LENGTH);
        let type_id: u16 = Field::read(frame, layout::TYPE);
        let offset: i32 = Field::read(frame, layout::TERM_OFFSET);
        if frame_length < LENGTH as i32 {
            return Err(FrameError::FrameLength);
        }
        if type_id > frame_type::DATA {
            return Err(FrameError::WrongKind);
        }
        if i64::from(offset) != start + in_term {
            return Err(FrameError::TermOffset);
        }
        let aligned = aligned(frame_length);
        in_term += aligned;
        if start + in_term > i64::from(term_length.get()) {
            return Err(FrameError::PastEndOfTerm);
        }
        frames += 1;
        match rest.get(aligned as usize..) {
            Some(after) => rest = after,
            // Only the header of a PAD travels, so it is the last frame when it skips anything.
            None if type_id == frame_type::PAD => {
                rest = &[];
                break;
            }
            None => return Err(FrameError::Truncated),
        }
    }
    if !rest.is_empty() {
        return Err(FrameError::UnalignedDatagram);
    }
    // Within the term, so within i32.
    Ok(PacketLength { in_term: in_term as i32, frames })
}

/// Rounds any positive frame length up to the frame alignment without wrapping.
#[inline]
fn aligned(frame_length: i32) -> i64 {
    let mask = i64::from(FRAME_ALIGNMENT) - 1;
    (i64::from(frame_length) + mask) & !mask
}

/// Datagrams that follow each other without a gap, and so can enter the term in one copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketRun {
    /// How many datagrams; at least 1.
    pub datagrams: usize,
    /// Bytes that they take in the receive buffer.
    pub bytes: usize,
    /// Bytes that they take in the term, a trailing PAD's skipped range included; 0 for a heartbeat.
    pub in_term: i32,
    /// Frames in all of them; 0 for a heartbeat.
    pub frames: u32,
}

/// Checks the first of several datagrams that one receive brought back to back, and counts how many after it belong to
/// the same session, stream and term and continue exactly where it ends.
///
/// `received` holds datagrams of `segment_length` bytes each, the last maybe shorter, as receive coalescing delivers
/// them; `term_offset` is that of the first. A heartbeat stands alone, and nothing follows a PAD that skips bytes. What
/// ends a run is not judged: it is the first of the next one.
///
/// # Errors
/// As [`validate_packet`] for the first datagram.
pub fn validate_run(
    received: &[u8],
    segment_length: usize,
    term_offset: TermOffset,
    term_length: TermLength,
) -> Result<PacketRun, FrameError> {
    let mut segments = received.chunks(segment_length.max(1));
    let first = segments.next().ok_or(FrameError::TooShort)?;
    let packet = validate_packet(first, term_offset, term_length)?;
    let mut run =
        PacketRun { datagrams: 1, bytes: first.len(), in_term: packet.in_term, frames: packet.frames };
    if packet.is_heartbeat() {
        return Ok(run);
    }
    for segment in segments {
        // After a PAD that skips bytes the term has more of the run than the buffer.
        if run.in_term as usize != run.bytes || !same_stream_and_term(first, segment) {
            break;
        }
        let Ok(next) = validate_packet(segment, term_offset + run.in_term, term_length) else { break };
        if next.is_heartbeat() {
            break;
        }
        run.datagrams += 1;
        run.bytes += segment.len();
        run.in_term += next.in_term;
        run.frames += next.frames;
    }
    Ok(run)
}

/// Whether both begin with frames of one session, stream and term, and of the only version.
#[inline]
fn same_stream_and_term(first: &[u8], other: &[u8]) -> bool {
    const IDS: core::ops::Range<usize> = layout::SESSION_ID..layout::RESERVED_VALUE;
    match (first.first_chunk::<LENGTH>(), other.first_chunk::<LENGTH>()) {
        (Some(first), Some(other)) => {
            first[IDS] == other[IDS] && other[layout::VERSION] == first[layout::VERSION]
        }
        _ => false,
    }
}

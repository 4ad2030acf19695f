//! Finding what a sender may put on the wire: whole frames, a datagram or a run of datagrams at a time.

use crate::{
    frame::{data::layout::TYPE, frame_type},
    memory::AtomicView,
    types::{DATA_HEADER_LENGTH, TermOffset, align_frame},
};

use super::header::{committed_length, is_frame_start, term_length};

/// What a scan for one datagram found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Availability {
    /// No committed frame.
    Nothing,
    /// The first frame is longer than the limit: this many bytes.
    Blocked(i32),
    /// Whole frames.
    Datagram {
        /// Bytes to send from the scanned offset on, a multiple of 32.
        length: i32,
        /// Bytes of padding to skip after them, which are not sent.
        padding: i32,
    },
}

/// Whole frames from `offset` on, up to `limit` bytes and the end of the term. A frame of padding counts with its
/// header, ends the scan, and the rest of it is skipped. Source: wire spec 1.5, shared-memory spec 9.9.
#[inline]
#[must_use]
pub fn scan_for_availability(term: &AtomicView, offset: TermOffset, limit: i32) -> Availability {
    let end = term_length(term);
    if !is_frame_start(offset, end) {
        return Availability::Nothing;
    }
    let start = offset.get();
    let limit = limit.min(end - start);
    let mut length = 0;
    let mut padding = 0;
    // The end of the term bounds this even when no byte may be sent: a blocked scan still looks at one frame.
    while padding == 0 && (length < limit || length == 0) {
        let frame_length = committed_length(term, start + length, end);
        if frame_length == 0 {
            break;
        }
        let is_padding = term.get_u16((start + length) as usize + TYPE) == frame_type::PAD;
        let aligned = align_frame(frame_length);
        let sent = if is_padding { DATA_HEADER_LENGTH } else { aligned };
        if length + sent > limit {
            if length == 0 {
                return Availability::Blocked(sent);
            }
            break;
        }
        length += sent;
        padding = aligned - sent;
    }
    if length == 0 { Availability::Nothing } else { Availability::Datagram { length, padding } }
}

/// Datagrams by which a scan has the lengths of frames fetched ahead: each is a line of its own, that nobody guesses.
const DATAGRAMS_AHEAD: usize = 3;

/// Datagrams that lie one after the other in a term: all `segment` bytes long but the last, which may be shorter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// Bytes to send from the scanned offset on.
    pub length: i32,
    /// Length of each datagram but the last.
    pub segment: i32,
    /// Number of datagrams.
    pub datagrams: usize,
    /// Bytes of padding to skip after the last datagram, which are not sent.
    pub padding: i32,
    /// Whether the run ended because the next frame is longer than what is left of `window`, or than a datagram.
    pub blocked: bool,
}

impl Run {
    /// How far the run moves the sender position, in bytes.
    #[inline]
    #[must_use]
    pub const fn advance(&self) -> i32 {
        self.length + self.padding
    }
}

/// Up to `max_datagrams` datagrams of at most `mtu` bytes each, together at most `window` bytes, that one call to the
/// kernel can send with segmentation offload: a datagram shorter than the first ends the run, a longer one starts the
/// next. Each datagram is cut as [`scan_for_availability`] cuts it.
#[must_use]
pub fn scan_run(term: &AtomicView, offset: TermOffset, window: i32, mtu: i32, max_datagrams: usize) -> Run {
    let mut run = Run::default();
    while run.datagrams < max_datagrams && (run.datagrams == 0 || run.length < window) {
        let limit = mtu.min(window - run.length);
        match scan_for_availability(term, offset + run.length, limit) {
            Availability::Nothing => break,
            Availability::Blocked(_) => {
                run.blocked = true;
                break;
            }
            Availability::Datagram { length, .. } if run.datagrams > 0 && length > run.segment => break,
            Availability::Datagram { length, padding } => {
                if run.datagrams == 0 {
                    run.segment = length;
                }
                run.length += length;
                run.datagrams += 1;
                run.padding = padding;
                term.prefetch((offset + run.length).index() + DATAGRAMS_AHEAD * run.segment as usize);
                if length < run.segment || padding > 0 {
                    break;
                }
            }
        }
    }
    run
}

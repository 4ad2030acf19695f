//! Storage for a log ahead of who writes it.
//!
//! A log is made of pages that the system finds, clears and maps when somebody first writes there, who waits for it: of
//! messages of 64 bytes one in sixty-four, some microseconds longer. Whoever has the time goes ahead here.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::types::Position;

use super::{LogBuffers, descriptor::PARTITION_COUNT};

/// Furthest ahead of the position, bytes.
const AHEAD: i64 = 256 << 10;

/// What is touched begins and ends at multiples of this, bytes: a page of most machines, and a part of every term.
const PIECE: i64 = 4 << 10;

/// Goes ahead of a position through all terms of a log, once: as far as the position has come itself, so that a log that
/// is hardly written to keeps to hardly any storage.
///
/// Threading: `Sync`; to be used by one thread at a time. Others may write to the log meanwhile.
#[derive(Debug)]
pub struct PreTouch {
    touched: AtomicI64,
    start: Position,
    most: i64,
}

impl PreTouch {
    /// Nothing is touched yet of a log that is written to from `start` on. Goes the whole way at a time.
    #[must_use]
    pub const fn new(start: Position) -> Self {
        Self { touched: AtomicI64::new(start.get()), start, most: AHEAD }
    }

    /// [`PreTouch::new`] that goes a page at a time, for who has other work waiting.
    #[must_use]
    pub const fn in_steps(start: Position) -> Self {
        Self { most: PIECE, ..Self::new(start) }
    }

    /// The log is being written to at `position`: goes ahead of it, unless that has been done. What there is no storage
    /// for is passed over; whoever is to write there will know.
    #[inline]
    pub fn reach(&self, log: &LogBuffers, position: Position) {
        let ahead = (position - self.start).min(AHEAD);
        let touched = self.touched.load(Ordering::Relaxed);
        let to = position.get().saturating_add(ahead);
        if ahead > 0 && to > touched {
            self.touch(log, touched.max(position.get()), to);
        }
    }

    #[cold]
    fn touch(&self, log: &LogBuffers, from: i64, to: i64) {
        let term_length = i64::from(log.geometry().term_length().get());
        if from - self.start.get() >= PARTITION_COUNT as i64 * term_length {
            self.touched.store(i64::MAX, Ordering::Relaxed);
            return;
        }
        let from = from & !(PIECE - 1);
        let left_in_term = term_length - (from & (term_length - 1));
        let length = ((to - from).min(self.most) + PIECE - 1) & !(PIECE - 1);
        let start = Position::new(from);
        let (offset, length) = (log.geometry().term_offset(start).index(), length.min(left_in_term));
        let _ = log.term_at(start).fault_in(offset, length as usize);
        self.touched.store(from + length, Ordering::Relaxed);
    }
}

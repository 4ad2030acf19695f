//! What a quiet publication is looked at for: a frame where the next one goes, or something that is due.
//!
//! Watches lie side by side, apart from the publications: looking at many of them is one pass over memory, in which the
//! loads from the terms overlap.

use epona_protocol::{
    logbuffer::LogBuffers,
    memory::AtomicView,
    types::{Nanos, Position},
};

/// Looked at instead of the publication, at the cost of one cache line of the term.
#[derive(Debug)]
pub(super) struct Watch {
    term: AtomicView,
    offset: usize,
    position: Position,
    due: Nanos,
}

impl Watch {
    /// Watches for a frame at `position`; due at once.
    pub(super) fn new(log: &LogBuffers, position: Position) -> Self {
        let offset = log.geometry().term_offset(position).index();
        Self { term: log.term_at(position).clone(), offset, position, due: Nanos::new(i64::MIN) }
    }

    /// Whether there is a frame, or something is due.
    #[inline]
    pub(super) fn is_due(&self, now: Nanos) -> bool {
        now >= self.due || self.has_frame()
    }

    /// Whether a frame was committed: its length, stored last, is above 0. Source: shared-memory spec 8.1.
    #[inline]
    pub(super) fn has_frame(&self) -> bool {
        self.term.get_i32_acquire(self.offset) > 0
    }

    /// Fetches what [`Watch::has_frame`] is going to read.
    #[inline]
    pub(super) fn prefetch(&self) {
        self.term.prefetch(self.offset);
    }

    /// Makes something due at once.
    #[inline]
    pub(super) fn stir(&mut self) {
        self.due = Nanos::new(i64::MIN);
    }

    /// Watches for a frame at `position`, and for the time `due`.
    pub(super) fn set(&mut self, log: &LogBuffers, position: Position, due: Nanos) {
        if self.position != position {
            *self = Self::new(log, position);
        }
        self.due = due;
    }
}

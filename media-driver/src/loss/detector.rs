//! What is missing from an image, and when to ask for it: one gap after another, or several at a time.

use epona_protocol::types::{Nanos, Position, TermGeometry};

use super::{FeedbackDelay, Gap, MultiGap, Retry, Scan, SingleGap, Terms};

/// Watches one image for loss; the conductor's.
#[derive(Debug)]
pub enum Detector {
    /// Its first gap, as Aeron does: of groups, whose receivers must not all ask, and where settings say so.
    Single(SingleGap),
    /// As many as settings allow.
    Multi(MultiGap),
}

impl Detector {
    /// For one gap at a time.
    #[must_use]
    pub const fn single(delay: FeedbackDelay) -> Self {
        Self::Single(SingleGap::new(delay))
    }

    /// For up to `max_gaps`, from `join` on.
    #[must_use]
    pub fn multi(join: Position, max_gaps: usize, first: core::time::Duration, retry: Retry) -> Self {
        Self::Multi(MultiGap::new(join, max_gaps, first, retry))
    }

    /// Looks for gaps between `rebuild` and the high-water mark and gives those to `report` that are to be asked for, or
    /// filled, now.
    #[inline]
    pub fn scan(
        &mut self,
        geometry: &TermGeometry,
        rebuild: Position,
        hwm: Position,
        now: Nanos,
        terms: &impl Terms,
        mut report: impl FnMut(Gap),
    ) -> Scan {
        match self {
            Self::Single(first) => first.scan(geometry, rebuild, hwm, now, terms, &mut report),
            Self::Multi(gaps) => gaps.scan(geometry, rebuild, hwm, now, terms, &mut report),
        }
    }
}

//! Finds the first gap of an image and decides when to report it. Source: wire spec 3.1.

use epona_protocol::{
    logbuffer::GapScan,
    types::{Nanos, Position, TermGeometry, TermOffset},
};

use super::{FeedbackDelay, Gap};

/// What a scan decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Scan {
    /// Everything before this has arrived; at or after where the scan started, at most the end of that term.
    pub(super) rebuild_position: Position,
    /// Whether a new gap appeared, for congestion control; once per gap.
    pub(super) loss_found: bool,
    /// A gap to ask for, or to fill, now.
    pub(super) report: Option<Gap>,
}

/// Watches one image for loss. Only its first gap is ever active; a gap that grows or shrinks is a new gap.
#[derive(Debug)]
pub struct SingleGap {
    delay: FeedbackDelay,
    active: Option<Gap>,
    expiry: Nanos,
}

impl SingleGap {
    /// A detector that has found nothing yet.
    #[must_use]
    pub(super) const fn new(delay: FeedbackDelay) -> Self {
        Self { delay, active: None, expiry: Nanos::new(0) }
    }

    /// Looks for a gap between `rebuild` and the high-water mark, within the term of `rebuild`.
    ///
    /// `scan_term(from, limit)` is [`scan_for_gap`](epona_protocol::logbuffer::scan_for_gap) on the term buffer that holds
    /// `rebuild`; it is called only when something may be missing, with `from < limit <= term length`.
    #[inline]
    pub(super) fn scan(
        &mut self,
        geometry: &TermGeometry,
        rebuild: Position,
        hwm: Position,
        now: Nanos,
        scan_term: impl FnOnce(TermOffset, TermOffset) -> GapScan,
    ) -> Scan {
        if rebuild >= hwm {
            return Scan { rebuild_position: rebuild, loss_found: false, report: None };
        }
        let term_begin = geometry.term_begin(rebuild);
        let term_length = geometry.term_length().get();
        let limit = (hwm - term_begin).min(i64::from(term_length)) as i32;
        let found = scan_term(geometry.term_offset(rebuild), TermOffset::new(limit));
        // Frame lengths come from memory that other processes map: no frame moves the rebuild past its term.
        let offset = found.rebuilt_to.get().min(term_length);
        let rebuild_position = term_begin + i64::from(offset);
        let Some(missing) = found.gap else {
            return Scan { rebuild_position, loss_found: false, report: None };
        };
        let term_id = geometry.term_id(rebuild);
        let gap = Gap { term_id, offset: missing.offset, length: missing.length };
        let (loss_found, report) = self.on_gap(gap, now);
        Scan { rebuild_position, loss_found, report }
    }

    fn on_gap(&mut self, gap: Gap, now: Nanos) -> (bool, Option<Gap>) {
        let is_new = self.active != Some(gap);
        if is_new {
            self.active = Some(gap);
            self.expiry = now + self.delay.first();
        }
        if now < self.expiry {
            return (is_new, None);
        }
        self.expiry = now + self.delay.retry();
        (is_new, Some(gap))
    }
}

#[cfg(test)]
mod tests;

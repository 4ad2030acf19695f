//! Finds the first gap of an image and decides when to report it. Source: wire spec 3.1.

use epona_protocol::types::{Nanos, Position, TermGeometry};

use super::{FeedbackDelay, Gap, Scan, Terms, terms::View};

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

    /// See [`Detector::scan`](super::Detector::scan); looks no further than the end of the term of `rebuild`.
    #[inline]
    pub(super) fn scan(
        &mut self,
        geometry: &TermGeometry,
        rebuild: Position,
        hwm: Position,
        now: Nanos,
        terms: &impl Terms,
        report: &mut impl FnMut(Gap),
    ) -> Scan {
        if rebuild >= hwm {
            return Scan { rebuild_position: rebuild, loss_found: false };
        }
        let view = View { geometry, terms };
        let (rebuild_position, end) = view.scan(rebuild, hwm);
        let loss_found = end.is_some_and(|end| self.on_gap(view.gap(rebuild_position, end), now, report));
        Scan { rebuild_position, loss_found }
    }

    /// Reports the first gap when it is time; whether it is a new one.
    fn on_gap(&mut self, gap: Gap, now: Nanos, report: &mut impl FnMut(Gap)) -> bool {
        let is_new = self.active != Some(gap);
        if is_new {
            self.active = Some(gap);
            self.expiry = now + self.delay.first();
        }
        if now >= self.expiry {
            report(gap);
            self.expiry = now + self.delay.retry();
        }
        is_new
    }
}

#[cfg(test)]
mod tests;

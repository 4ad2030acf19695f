//! Finds all gaps of an image, up to a bound, and asks for each by itself.
//!
//! ```text
//!   ██████████░░░░░██████░░███████████████░░░░░░░░████████░░██░░██████
//!             ▲    ▲     ▲ ▲              ▲       ▲       ▲           ▲
//!             begin end  begin end        begin   end     frontier    high-water mark
//!             rebuild position
//! ```
//!
//! Below the frontier everything has arrived or belongs to a gap; it stands where the bound on gaps was reached, or at the
//! high-water mark. What is known is not looked at again: a scan reads the gaps, and what is new beyond the frontier.
//! Gaps are kept apart at the ends of terms, as a NAK names one term.

use core::time::Duration;

use epona_protocol::types::{Nanos, Position, TermGeometry};

use super::{Gap, Retry, Scan, Terms, terms::View};

/// Missing bytes of one term, in positions.
#[derive(Clone, Copy, Debug)]
struct Missing {
    begin: Position,
    end: Position,
    /// When to ask for it.
    due: Nanos,
    /// When it was asked for first.
    asked: Option<Nanos>,
    /// Whether it was asked for more than once, or has been answered in part.
    is_answer_ambiguous: bool,
}

impl Missing {
    const fn new(begin: Position, end: Position, due: Nanos) -> Self {
        Self { begin, end, due, asked: None, is_answer_ambiguous: false }
    }

    fn waited(&self, now: Nanos) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| now.since(asked))
    }

    /// Something of it has arrived.
    fn on_answer(&mut self, retry: &mut Retry, now: Nanos) {
        let Some(asked) = self.asked else { return };
        retry.on_answer(asked, now, !self.is_answer_ambiguous);
        self.is_answer_ambiguous = true;
        self.due = self.due.max(now + retry.delay(Duration::ZERO));
    }

    fn on_asked(&mut self, retry: &Retry, now: Nanos) {
        self.is_answer_ambiguous |= self.asked.is_some();
        self.asked = self.asked.or(Some(now));
        self.due = now + retry.delay(self.waited(now));
    }
}

/// Watches one image for loss.
#[derive(Debug)]
pub struct MultiGap {
    /// In order, apart from each other or by the end of a term.
    gaps: Vec<Missing>,
    max_gaps: usize,
    frontier: Position,
    /// The high-water mark when congestion control last heard of loss: what was lost before that is the same loss.
    loss_known_to: Position,
    first: Duration,
    retry: Retry,
}

impl MultiGap {
    pub(super) fn new(join: Position, max_gaps: usize, first: Duration, retry: Retry) -> Self {
        let max_gaps = max_gaps.max(1);
        Self {
            gaps: Vec::with_capacity(max_gaps),
            max_gaps,
            frontier: join,
            loss_known_to: join,
            first,
            retry,
        }
    }

    /// See [`Detector::scan`](super::Detector::scan).
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
        self.frontier = self.frontier.max(rebuild);
        if self.gaps.is_empty() && self.frontier >= hwm {
            return Scan { rebuild_position: self.frontier, loss_found: false };
        }
        let view = View { geometry, terms };
        self.review(rebuild, now, &view);
        let loss_found = self.advance(rebuild, hwm, now, &view);
        self.ask(now, &view, report);
        let rebuild_position = self.gaps.first().map_or(self.frontier, |gap| gap.begin).max(rebuild);
        Scan { rebuild_position, loss_found }
    }

    /// Looks what has become of the gaps that are known.
    fn review(&mut self, rebuild: Position, now: Nanos, view: &View<'_, impl Terms>) {
        let mut at = 0;
        while at < self.gaps.len() {
            let gap = self.gaps[at];
            let left = if gap.end <= rebuild { None } else { first_gap(view, gap.begin, gap.end).1 };
            // Without room for a further gap a hole in this one waits.
            let is_full = self.gaps.len() >= self.max_gaps;
            if left.is_some_and(|(begin, end)| begin == gap.begin && (end == gap.end || is_full)) {
                at += 1;
                continue;
            }
            let mut rest = self.gaps.remove(at);
            rest.on_answer(&mut self.retry, now);
            if left.is_some() {
                at = self.split(at, rest, now, view);
            }
        }
    }

    /// Puts what a gap still misses where it was: data that arrived behind a part of it tells that this part was lost
    /// again, the last part may still be on its way. The place after it.
    fn split(&mut self, mut at: usize, mut rest: Missing, now: Nanos, view: &View<'_, impl Terms>) -> usize {
        while let (_, Some((begin, end))) = first_gap(view, rest.begin, rest.end) {
            rest.begin = begin;
            if end == rest.end || self.gaps.len() + 1 >= self.max_gaps {
                self.gaps.insert(at, rest);
                return at + 1;
            }
            self.gaps.insert(at, Missing::new(begin, end, now + self.first));
            rest.begin = end;
            at += 1;
        }
        at
    }

    /// Looks at what has arrived beyond the frontier, and beyond what was missing there; whether data was lost that nobody
    /// has heard of.
    fn advance(&mut self, rebuild: Position, hwm: Position, now: Nanos, view: &View<'_, impl Terms>) -> bool {
        // No window reaches further, whatever other processes write into the counter.
        let limit = hwm.min(rebuild + i64::from(view.geometry.term_length().get()));
        let mut loss_found = false;
        while self.frontier < limit && self.gaps.len() < self.max_gaps {
            let (complete_to, gap) = first_gap(view, self.frontier, limit);
            let Some((begin, end)) = gap else {
                if complete_to <= self.frontier {
                    break;
                }
                self.frontier = complete_to;
                continue;
            };
            self.frontier = end;
            self.add(begin, end, now, view.geometry);
            if begin >= self.loss_known_to {
                loss_found = true;
                self.loss_known_to = hwm;
            }
        }
        loss_found
    }

    /// A gap that begins where the last one ends makes that one longer: a new one, as in Aeron.
    fn add(&mut self, begin: Position, end: Position, now: Nanos, geometry: &TermGeometry) {
        let due = now + self.first;
        match self.gaps.last_mut() {
            Some(last) if last.end == begin && begin != geometry.term_begin(begin) => {
                *last = Missing::new(last.begin, end, due);
            }
            _ => self.gaps.push(Missing::new(begin, end, due)),
        }
    }

    fn ask(&mut self, now: Nanos, view: &View<'_, impl Terms>, report: &mut impl FnMut(Gap)) {
        for gap in self.gaps.iter_mut().filter(|gap| now >= gap.due) {
            report(view.gap(gap.begin, gap.end));
            gap.on_asked(&self.retry, now);
        }
    }
}

/// Up to where everything is there from `from` on, and the first gap after it, within the term and before `limit`.
fn first_gap(
    view: &View<'_, impl Terms>,
    from: Position,
    limit: Position,
) -> (Position, Option<(Position, Position)>) {
    let limit = limit.min(view.term_end(from));
    let (begin, end) = view.scan(from, limit);
    let gap = end.map(|end| {
        // A datagram is written from its back to its front, so what was found may lie within a frame to be.
        let is_its_end = end >= limit || view.terms.starts_frame(end);
        (begin, if is_its_end { end.min(limit) } else { limit })
    });
    (begin, gap)
}

#[cfg(test)]
mod tests;

//! What is missing from an image, and when to ask for it: one gap after another, or several at a time.

use epona_protocol::{
    frame::Nak,
    logbuffer::{Fragment, GapScan, LogBuffers, scan_for_gap},
    types::{Nanos, Position, SessionId, StreamId, TermGeometry, TermId, TermOffset},
};

use super::{FeedbackDelay, MultiGap, Retry, SingleGap};

/// Missing bytes of one term: as a detector finds them, or, unchecked, as a NAK asks for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The term that misses them.
    pub term_id: TermId,
    /// Where they start; a frame starts there.
    pub offset: TermOffset,
    /// How many; from a detector a multiple of 32, above 0 and within the term.
    pub length: i32,
}

impl From<Nak> for Gap {
    fn from(nak: Nak) -> Self {
        Self { term_id: nak.term_id, offset: nak.term_offset, length: nak.length }
    }
}

/// What a scan found, beside the gaps that it reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scan {
    /// Everything before this has arrived; at or after where the scan started.
    pub rebuild_position: Position,
    /// Whether data was lost that congestion control has not heard of.
    pub loss_found: bool,
}

/// The terms of an image, as a detector looks at them.
pub trait Terms {
    /// [`scan_for_gap`] in the term that holds `from`, which is called only with `from < limit`, both in that term or its
    /// end.
    fn scan(&self, from: Position, limit: Position) -> GapScan;

    /// Whether what lies there is a whole frame, and not a part of one that is being written around it.
    fn starts_frame(&self, at: Position) -> bool;
}

/// The terms of one stream in its log.
#[derive(Clone, Copy, Debug)]
pub struct ImageTerms<'a> {
    /// The log that the receiver inserts into.
    pub log: &'a LogBuffers,
    /// How positions map to its terms.
    pub geometry: TermGeometry,
    /// Session that every frame names.
    pub session_id: SessionId,
    /// Stream that every frame names.
    pub stream_id: StreamId,
}

impl Terms for ImageTerms<'_> {
    fn scan(&self, from: Position, limit: Position) -> GapScan {
        let offset = self.geometry.term_offset(from);
        let length = (limit - from).min(i64::from(i32::MAX) - i64::from(offset.get()));
        scan_for_gap(self.log.term_at(from), offset, offset + length as i32)
    }

    fn starts_frame(&self, at: Position) -> bool {
        let offset = self.geometry.term_offset(at);
        Fragment::at(self.log.term_at(at), offset).is_some_and(|frame| {
            frame.term_offset() == offset
                && frame.term_id() == self.geometry.term_id(at)
                && (frame.session_id(), frame.stream_id()) == (self.session_id, self.stream_id)
        })
    }
}

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
            Self::Single(first) => {
                let begin = geometry.term_begin(rebuild);
                let scan = first.scan(geometry, rebuild, hwm, now, |from, limit| {
                    terms.scan(begin + i64::from(from.get()), begin + i64::from(limit.get()))
                });
                scan.report.into_iter().for_each(report);
                Scan { rebuild_position: scan.rebuild_position, loss_found: scan.loss_found }
            }
            Self::Multi(gaps) => gaps.scan(geometry, rebuild, hwm, now, terms, &mut report),
        }
    }
}

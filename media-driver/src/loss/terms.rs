//! The terms of an image, as what looks for gaps sees them.

use epona_protocol::{
    frame::Nak,
    logbuffer::{Fragment, GapScan, LogBuffers, scan_for_gap},
    types::{Position, SessionId, StreamId, TermGeometry, TermId, TermOffset},
};

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

/// Terms with their geometry: all by position.
#[derive(Debug)]
pub(super) struct View<'a, T> {
    pub(super) geometry: &'a TermGeometry,
    pub(super) terms: &'a T,
}

impl<T: Terms> View<'_, T> {
    /// End of the term that holds a position.
    pub(super) fn term_end(&self, position: Position) -> Position {
        self.geometry.term_begin(position) + i64::from(self.geometry.term_length().get())
    }

    /// Up to where everything is there from `from` on, and the end of what is missing then: within the term of `from`, and
    /// before `limit`, which lies beyond `from`.
    #[inline]
    pub(super) fn scan(&self, from: Position, limit: Position) -> (Position, Option<Position>) {
        let (term_begin, term_end) = (self.geometry.term_begin(from), self.term_end(from));
        let found = self.terms.scan(from, limit.min(term_end));
        // Frame lengths come from memory that other processes map: no frame reaches beyond its term.
        let complete_to = (term_begin + i64::from(found.rebuilt_to.get())).min(term_end);
        (complete_to, found.gap.map(|gap| complete_to + i64::from(gap.length)))
    }

    /// What is missing between two positions of one term.
    pub(super) fn gap(&self, begin: Position, end: Position) -> Gap {
        Gap {
            term_id: self.geometry.term_id(begin),
            offset: self.geometry.term_offset(begin),
            length: (end - begin) as i32,
        }
    }
}

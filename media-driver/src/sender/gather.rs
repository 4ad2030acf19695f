//! What publications of one endpoint have to send in a turn, handed to the kernel together: a call costs more than what most
//! of many streams have to send.
//!
//! ```text
//!   found      | a a a a' | b b b' | c c'      each letter a datagram, the last of a run (') maybe shorter
//!   handed on  | a a a b b c | a' b' c'        those of one length side by side, which the kernel takes as one message
//! ```
//!
//! Datagrams of a publication keep their order; between publications there is none.

use std::{cmp::Reverse, net::SocketAddr};

use arrayvec::ArrayVec;
use epona_protocol::{
    logbuffer::{LogBuffers, Run, scan_run},
    types::{Mtu, Nanos, Position},
};

use super::{endpoint::SendEndpoint, sent::Sent};
use crate::{
    endpoint_id::SendEndpointId,
    media::{MAX_BATCH, SendRun},
};

/// Bytes that are handed over at once: about what one message to the kernel carries.
const ENOUGH: usize = 64 * 1024;

/// Least room for runs with which one more publication is taken in.
const LEAST_ROOM: usize = 4;

/// Where datagrams go: on an endpoint, to the address that a publication has learned.
pub(super) type Way = (SendEndpointId, Option<SocketAddr>);

/// A run on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Whose it is.
    slot: usize,
    /// Grows with each run of the publication, from 0 on, by more than one.
    rank: usize,
    /// Where it starts in the stream.
    start: Position,
    run: Run,
}

impl Piece {
    /// The slot of the publication whose it is.
    #[inline]
    pub(super) const fn slot(&self) -> usize {
        self.slot
    }

    /// Whether the publication has none before it.
    #[inline]
    pub(super) const fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Bytes on the wire.
    #[inline]
    pub(super) const fn bytes(&self) -> usize {
        self.run.length as usize
    }

    /// Where the next one starts.
    #[inline]
    pub(super) fn end(&self) -> Position {
        self.start + i64::from(self.run.advance())
    }

    /// Takes off the last datagram, where it is shorter than the others.
    #[inline]
    fn split_off_tail(&mut self) -> Option<Self> {
        let Run { length, segment, datagrams, .. } = self.run;
        let whole = segment * (datagrams as i32 - 1);
        let last = length - whole;
        if datagrams < 2 || last == segment {
            return None;
        }
        let tail = Run { length: last, segment: last, datagrams: 1, ..self.run };
        self.run = Run { length: whole, datagrams: datagrams - 1, padding: 0, ..self.run };
        Some(Self { slot: self.slot, rank: self.rank + 1, start: self.end(), run: tail })
    }

    #[inline]
    fn send_run<'a>(&self, log: &'a LogBuffers) -> SendRun<'a> {
        let offset = log.geometry().term_offset(self.start).index();
        SendRun {
            bytes: log.term_at(self.start).bytes(offset, self.run.length as usize),
            segment_size: self.run.segment as usize,
            destination: None,
        }
    }
}

/// What a publication may send in a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Bytes that the receivers have room for.
    pub(super) window: i64,
    /// Longest datagram.
    pub(super) mtu: Mtu,
    /// Most datagrams.
    pub(super) datagrams: usize,
    /// Most of them in a run.
    pub(super) run: usize,
}

/// What was found of a publication.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// Bytes to send.
    pub(super) bytes: usize,
    /// Whether there is more, for which receivers have no room.
    pub(super) is_blocked: bool,
}

/// Runs of several publications.
#[derive(Debug)]
pub(super) struct Gather {
    way: Option<Way>,
    pieces: ArrayVec<Piece, MAX_BATCH>,
    bytes: usize,
    publications: usize,
}

impl Gather {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { way: None, pieces: ArrayVec::new_const(), bytes: 0, publications: 0 }
    }

    /// Where what is here goes, if anything is.
    #[inline]
    pub(super) fn way(&self) -> Option<Way> {
        self.way
    }

    /// Whether there is room for a publication's data.
    #[inline]
    pub(super) fn takes(&self, way: Way) -> bool {
        self.way.is_none_or(|own| own == way)
            && self.bytes < ENOUGH
            && self.pieces.remaining_capacity() >= LEAST_ROOM
    }

    /// Takes in what the publication in a slot has from `start` on.
    #[inline]
    pub(super) fn fill(
        &mut self,
        way: Way,
        slot: usize,
        log: &LogBuffers,
        start: Position,
        allowance: Allowance,
    ) -> Found {
        let Allowance { mut window, mtu, mut datagrams, run: most } = allowance;
        let term = log.term_at(start);
        let mut offset = log.geometry().term_offset(start);
        let mut found = Found::default();
        let mut position = start;
        let mut rank = 0;
        while datagrams > 0 && !self.pieces.is_full() {
            if window <= 0 {
                // A window that this very batch has used up counts only if the next turn finds it closed still.
                found.is_blocked = rank == 0;
                break;
            }
            let limit = window.min(i64::from(i32::MAX)) as i32;
            let run = scan_run(term, offset, limit, mtu.get(), most.min(datagrams));
            found.is_blocked = run.blocked;
            if run.datagrams == 0 {
                break;
            }
            self.pieces.push(Piece { slot, rank, start: position, run });
            rank += 2;
            found.bytes += run.length as usize;
            offset = offset + run.advance();
            position = position + i64::from(run.advance());
            window -= i64::from(run.advance());
            datagrams -= run.datagrams;
            if run.blocked || run.padding > 0 || offset.index() >= term.len() {
                break;
            }
        }
        if rank > 0 {
            self.way = Some(way);
            self.bytes += found.bytes;
            self.publications += 1;
        }
        found
    }

    /// Sends what is here, of the logs that publications' slots have.
    pub(super) fn send<'a>(
        &mut self,
        now: Nanos,
        endpoint: &mut SendEndpoint,
        log_of: impl Fn(usize) -> Option<&'a LogBuffers>,
    ) -> Sent {
        // While the socket takes only a part, that would always be the same publications'.
        if self.publications > 1 && !endpoint.was_short() {
            self.arrange();
        }
        let mut runs = ArrayVec::<SendRun<'_>, MAX_BATCH>::new_const();
        for piece in &self.pieces {
            if let Some(log) = log_of(piece.slot) {
                runs.push(piece.send_run(log));
            }
        }
        endpoint.send(now, &mut runs, self.way.and_then(|(_, learned)| learned))
    }

    /// What was sent: each piece, and whether all of it was accepted.
    #[inline]
    pub(super) fn outcomes(&self, sent: Sent) -> impl Iterator<Item = (&Piece, bool)> {
        let accepted = match sent {
            Sent::All | Sent::Partly => usize::MAX,
            Sent::Short { accepted } | Sent::Failed { accepted } => accepted,
            Sent::Nowhere => 0,
        };
        let mut datagrams = 0;
        self.pieces.iter().map(move |piece| {
            datagrams += piece.run.datagrams;
            (piece, datagrams <= accepted)
        })
    }

    /// Forgets what is here.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        (self.way, self.bytes, self.publications) = (None, 0, 0);
    }

    /// Brings datagrams of one length together: whole ones first, then the shorter ones that end a run.
    fn arrange(&mut self) {
        for index in 0..self.pieces.len() {
            if self.pieces.is_full() {
                break;
            }
            if let Some(tail) = self.pieces[index].split_off_tail() {
                self.pieces.push(tail);
            }
        }
        self.pieces.sort_unstable_by_key(|piece| (piece.rank, Reverse(piece.run.segment), piece.slot));
    }
}

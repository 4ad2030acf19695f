//! `multi-gap-loss`: gaps at regular distances in one term, each lost once, for every session.
//!
//! ```text
//!   offset 0        radix           2 * radix        ...   total * radix
//!   |---------------|xxxx|----------|xxxx|---------- ... --|xxxx|
//!                   |<-->| gap-length
//! ```

use std::collections::HashMap;

use epona_protocol::types::{Nanos, SessionId, StreamId};

use super::{
    Fate, Interceptor,
    arguments::{ArgumentError, Arguments},
    data_frame,
};

#[derive(Clone, Debug)]
pub(super) struct MultiGapLoss {
    term_id: i32,
    /// Distance of gaps, a power of two.
    radix: i64,
    gap_length: i64,
    /// Offset after which nothing more is lost.
    limit: i64,
    /// What each session has lost up to, so that retransmissions pass.
    lost_to: HashMap<(StreamId, SessionId), i64>,
}

impl MultiGapLoss {
    pub(super) fn parse(arguments: &Arguments<'_>) -> Result<Self, ArgumentError> {
        let term_id = arguments.number("term-id", 0, "a 32-bit number")?;
        let radix: u32 = arguments.number("gap-radix", 0, "an unsigned 32-bit number")?;
        let gap_length: u32 = arguments.number("gap-length", 0, "an unsigned 32-bit number")?;
        let total: u32 = arguments.number("total-gaps", 0, "an unsigned 32-bit number")?;
        let gap_length = i64::from(gap_length);
        // The limit counts with the radix as given, as in Aeron.
        let limit = i64::from(total).saturating_mul(i64::from(radix)).saturating_add(gap_length);
        let radix = i64::try_from(u64::from(radix).next_power_of_two()).unwrap_or(i64::MAX);
        Ok(Self { term_id, radix, gap_length, limit, lost_to: HashMap::new() })
    }

    /// Whether a frame touches the gap at its start, or the next one.
    fn hits_gap(&self, offset: i64, end: i64) -> bool {
        let before = offset & -self.radix;
        let next = before + self.radix;
        let starts_on_gap = offset == before;
        let starts_in_gap = offset < before + self.gap_length;
        let reaches_next_gap = end > next && offset < next + self.gap_length;
        (before > 0 && (starts_on_gap || starts_in_gap)) || reaches_next_gap
    }
}

impl Interceptor for MultiGapLoss {
    fn judge(&mut self, _now: Nanos, datagram: &[u8]) -> Fate {
        let Some(frame) = data_frame(datagram).filter(|frame| frame.term_id().get() == self.term_id) else {
            return Fate::Pass;
        };
        let offset = i64::from(frame.term_offset().get());
        if offset > self.limit {
            return Fate::Pass;
        }
        let end = offset + datagram.len() as i64;
        let lost_to = *self.lost_to.entry((frame.stream_id(), frame.session_id())).or_insert(offset);
        if lost_to > offset || !self.hits_gap(offset, end) {
            return Fate::Pass;
        }
        self.lost_to.insert((frame.stream_id(), frame.session_id()), end);
        Fate::Drop
    }
}

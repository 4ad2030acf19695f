//! `fixed-loss`: one range of one term is lost once, for every session.

use std::collections::HashMap;

use epona_protocol::types::{Nanos, SessionId, StreamId};

use super::{
    Fate, Interceptor,
    arguments::{ArgumentError, Arguments},
    data_frame,
};

#[derive(Clone, Debug)]
pub(super) struct FixedLoss {
    term_id: i32,
    /// End of the range to lose, as an offset in the term.
    limit: i64,
    /// What each session has lost up to, so that retransmissions pass.
    lost_to: HashMap<(StreamId, SessionId), i64>,
}

impl FixedLoss {
    pub(super) fn parse(arguments: &Arguments<'_>) -> Result<Self, ArgumentError> {
        let term_id = arguments.number("term-id", 0, "a 32-bit number")?;
        let offset: i32 = arguments.number("term-offset", 0, "a 32-bit number")?;
        let length: u32 = arguments.number("length", 0, "an unsigned 32-bit number")?;
        let limit = i64::from(offset) + i64::from(length);
        Ok(Self { term_id, limit, lost_to: HashMap::new() })
    }
}

impl Interceptor for FixedLoss {
    // As in Aeron, the loss starts with the first datagram seen in the term, even if that lies before the offset.
    fn judge(&mut self, _now: Nanos, datagram: &[u8]) -> Fate {
        let Some(frame) = data_frame(datagram).filter(|frame| frame.term_id().get() == self.term_id) else {
            return Fate::Pass;
        };
        let offset = i64::from(frame.term_offset().get());
        let end = offset + datagram.len() as i64;
        let lost_to = self.lost_to.entry((frame.stream_id(), frame.session_id())).or_insert(offset);
        if *lost_to < self.limit && offset <= *lost_to && *lost_to < end {
            *lost_to = end;
            return Fate::Drop;
        }
        Fate::Pass
    }
}

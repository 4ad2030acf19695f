//! Decides which NAKs of a publication are answered, and when. Source: wire spec 3.4.
//!
//! A resend that was decided lingers for a while, so that the NAKs of other receivers, and repeated ones, for the same
//! data bring nothing more. Unicast has one slot, reused for whatever the receiver asks next; a group has several.

use core::time::Duration;

use epona_protocol::types::{Nanos, Position, TermGeometry, TermId, TermLength, TermOffset};

use crate::{flow_control::FlowControl, loss::Gap};

/// Data to send again: a part of one term, cut to what flow control allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resend {
    /// The term.
    pub term_id: TermId,
    /// Where to start; a frame is expected there.
    pub offset: TermOffset,
    /// How many bytes, above 0; the end may lie inside a frame.
    pub length: i32,
}

impl Resend {
    /// Whether a sender at `sender_position` still has the data, and has sent it before: the start lies at most half a
    /// term and a longest message behind. Otherwise nothing is sent, and nobody told. Source: wire spec 3.4.
    #[must_use]
    pub fn is_allowed(&self, sender_position: Position, geometry: &TermGeometry) -> bool {
        let term_length = geometry.term_length();
        let reach = i64::from(term_length.get() / 2) + i64::from(term_length.max_message_length());
        let start = geometry.position(self.term_id, self.offset);
        let behind = sender_position - start;
        start >= Position::ZERO && 0 < behind && behind <= reach
    }

    fn covers(&self, term_id: TermId, offset: TermOffset) -> bool {
        let distance = i64::from(offset.get()) - i64::from(self.offset.get());
        self.term_id == term_id && (0..i64::from(self.length)).contains(&distance)
    }
}

/// What becomes of a NAK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NakOutcome {
    /// Send this now.
    Resend(Resend),
    /// It will come out of [`RetransmitHandler::process_timeouts`].
    Delayed,
    /// The data is about to be sent, or was just sent.
    Known,
    /// It asks for nothing.
    Empty,
    /// It points outside the term: count an invalid packet.
    Invalid,
    /// All slots are taken: count a retransmit overflow.
    Overflow,
}

/// How a publication treats NAKs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetransmitConfig {
    /// From a NAK to the resend; zero answers at once.
    pub delay: Duration,
    /// From a resend until the same data may be sent again.
    pub linger: Duration,
    /// `None` for unicast; else how many resends a multicast or multi-destination publication has under way, 1..=256.
    pub max_resends: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Free,
    Delayed,
    Lingering,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    state: State,
    resend: Resend,
    expiry: Nanos,
}

impl Slot {
    const FREE: Self = Self {
        state: State::Free,
        resend: Resend { term_id: TermId::new(0), offset: TermOffset::ZERO, length: 0 },
        expiry: Nanos::new(0),
    };
}

/// The resends of one publication that are under way.
#[derive(Debug)]
pub struct RetransmitHandler {
    slots: Box<[Slot]>,
    active: usize,
    delay: Duration,
    linger: Duration,
    is_group: bool,
}

impl RetransmitHandler {
    /// A handler with nothing under way.
    #[must_use]
    pub fn new(config: &RetransmitConfig) -> Self {
        let slots = config.max_resends.unwrap_or(1).max(1);
        Self {
            slots: vec![Slot::FREE; usize::from(slots)].into_boxed_slice(),
            active: 0,
            delay: config.delay,
            linger: config.linger,
            is_group: config.max_resends.is_some(),
        }
    }

    /// A receiver misses `gap`; nothing is assumed about its values.
    pub fn on_nak(
        &mut self,
        gap: Gap,
        flow_control: &FlowControl,
        term_length: TermLength,
        now: Nanos,
    ) -> NakOutcome {
        if !gap.offset.is_frame_start_in(term_length) || gap.length < 0 {
            return NakOutcome::Invalid;
        }
        if gap.length == 0 {
            return NakOutcome::Empty;
        }
        let index = match self.slot_for(gap) {
            Ok(index) => index,
            Err(outcome) => return outcome,
        };
        let length = flow_control.max_retransmission_length(gap.offset, gap.length, term_length);
        let resend = Resend { term_id: gap.term_id, offset: gap.offset, length };
        let (state, expiry, outcome) = if self.delay.is_zero() {
            (State::Lingering, now + self.linger, NakOutcome::Resend(resend))
        } else {
            (State::Delayed, now + self.delay, NakOutcome::Delayed)
        };
        if matches!(self.slots[index].state, State::Free) {
            self.active += 1;
        }
        self.slots[index] = Slot { state, resend, expiry };
        outcome
    }

    /// Gives the delayed resends that are due to `resend`, and forgets what has lingered long enough. Call it once per
    /// duty cycle; how much was done.
    #[inline]
    pub fn process_timeouts(&mut self, now: Nanos, resend: impl FnMut(Resend)) -> usize {
        if self.active == 0 {
            return 0;
        }
        self.process_active(now, resend)
    }

    fn process_active(&mut self, now: Nanos, mut resend: impl FnMut(Resend)) -> usize {
        let mut work_count = 0;
        for slot in &mut self.slots {
            if now <= slot.expiry {
                continue;
            }
            match slot.state {
                State::Free => continue,
                State::Delayed => {
                    resend(slot.resend);
                    slot.state = State::Lingering;
                    slot.expiry = now + self.linger;
                }
                State::Lingering => {
                    slot.state = State::Free;
                    self.active -= 1;
                }
            }
            work_count += 1;
        }
        work_count
    }

    /// When [`RetransmitHandler::process_timeouts`] next has something to do; at the end of time when nothing is under
    /// way.
    #[must_use]
    pub fn next_timeout(&self) -> Nanos {
        let mut next = Nanos::new(i64::MAX);
        if self.active > 0 {
            let under_way = self.slots.iter().filter(|slot| !matches!(slot.state, State::Free));
            under_way.for_each(|slot| next = next.min(slot.expiry));
        }
        next
    }

    /// Only the start of the gap decides whether it is known: one that starts earlier is answered in full.
    fn slot_for(&self, gap: Gap) -> Result<usize, NakOutcome> {
        if self.active == 0 {
            return Ok(0);
        }
        let mut free = None;
        for (index, slot) in self.slots.iter().enumerate() {
            match slot.state {
                State::Free => free = free.or(Some(index)),
                _ if slot.resend.covers(gap.term_id, gap.offset) => return Err(NakOutcome::Known),
                _ => {}
            }
        }
        if self.is_group { free.ok_or(NakOutcome::Overflow) } else { Ok(0) }
    }
}

#[cfg(test)]
mod tests;

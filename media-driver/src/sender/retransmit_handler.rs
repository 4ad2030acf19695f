//! Decides which NAKs of a publication are answered, and when. Source: wire spec 3.4.
//!
//! A resend that was decided lingers for a while, so that the NAKs of other receivers, and repeated ones, for the same
//! data bring nothing more. On unicast the only receiver may always ask for something else, and what was sent longest ago
//! is forgotten for it; a group overflows.

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

    fn end(&self) -> i64 {
        i64::from(self.offset.get()) + i64::from(self.length)
    }

    fn covers(&self, term_id: TermId, offset: TermOffset) -> bool {
        let offset = i64::from(offset.get());
        self.term_id == term_id && i64::from(self.offset.get()) <= offset && offset < self.end()
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
    /// From a resend until the same data may be sent again, at most.
    pub linger: Duration,
    /// Resends that are under way at a time, 1..=256.
    pub max_resends: usize,
    /// Several receivers, of a multicast or multi-destination publication.
    pub is_group: bool,
}

const NEVER: Nanos = Nanos::new(i64::MAX);

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
    /// No slot expires before this.
    next_timeout: Nanos,
    delay: Duration,
    max_linger: Duration,
    linger: Duration,
    is_group: bool,
    is_adaptive: bool,
}

impl RetransmitHandler {
    /// A handler with nothing under way.
    #[must_use]
    pub fn new(config: &RetransmitConfig) -> Self {
        Self {
            slots: vec![Slot::FREE; config.max_resends.max(1)].into_boxed_slice(),
            active: 0,
            next_timeout: NEVER,
            delay: config.delay,
            max_linger: config.linger,
            linger: config.linger,
            is_group: config.is_group,
            is_adaptive: !config.is_group && config.max_resends > 1,
        }
    }

    /// A round trip takes no longer than this, to the only receiver if there is but one: its NAKs for what was sent again
    /// so long ago know that it has not arrived.
    pub fn on_round_trip(&mut self, at_most: Duration) {
        if self.is_adaptive {
            self.linger = at_most.min(self.max_linger);
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
        self.next_timeout = self.next_timeout.min(expiry);
        outcome
    }

    /// Gives the delayed resends that are due to `resend`, and forgets what has lingered long enough. Call it once per
    /// duty cycle; how much was done.
    #[inline]
    pub fn process_timeouts(&mut self, now: Nanos, resend: impl FnMut(Resend)) -> usize {
        if now <= self.next_timeout {
            return 0;
        }
        self.process_active(now, resend)
    }

    fn process_active(&mut self, now: Nanos, mut resend: impl FnMut(Resend)) -> usize {
        let mut work_count = 0;
        self.next_timeout = NEVER;
        for slot in &mut self.slots {
            match slot.state {
                State::Free => continue,
                State::Delayed if now > slot.expiry => {
                    resend(slot.resend);
                    slot.state = State::Lingering;
                    slot.expiry = now + self.linger;
                    work_count += 1;
                }
                State::Lingering if now > slot.expiry => {
                    slot.state = State::Free;
                    self.active -= 1;
                    work_count += 1;
                    continue;
                }
                State::Delayed | State::Lingering => {}
            }
            self.next_timeout = self.next_timeout.min(slot.expiry);
        }
        work_count
    }

    /// When [`RetransmitHandler::process_timeouts`] next has something to do, or earlier; at the end of time when nothing
    /// is under way.
    #[must_use]
    pub const fn next_timeout(&self) -> Nanos {
        self.next_timeout
    }

    /// Only the start of the gap decides whether it is known: one that starts earlier is answered in full. But where a
    /// single receiver asks for several gaps at a time, it may lose a part of what was sent again: a gap that ends before
    /// that did is answered, as there is something behind it.
    fn slot_for(&self, gap: Gap) -> Result<usize, NakOutcome> {
        if self.active == 0 {
            return Ok(0);
        }
        let gap_end = i64::from(gap.offset.get()) + i64::from(gap.length);
        let is_known = |sent: &Resend| {
            sent.covers(gap.term_id, gap.offset) && (!self.is_adaptive || gap_end >= sent.end())
        };
        let (mut free, mut oldest) = (None, 0);
        for (index, slot) in self.slots.iter().enumerate() {
            match slot.state {
                State::Free => free = free.or(Some(index)),
                _ if is_known(&slot.resend) => return Err(NakOutcome::Known),
                _ if slot.expiry < self.slots[oldest].expiry => oldest = index,
                _ => {}
            }
        }
        match free {
            Some(free) => Ok(free),
            None if self.is_group => Err(NakOutcome::Overflow),
            None => Ok(oldest),
        }
    }
}

#[cfg(test)]
mod tests;

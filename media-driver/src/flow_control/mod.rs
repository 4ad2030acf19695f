//! How far a sender may go: one strategy per network publication, told of what receivers say, asked for the limit.
//!
//! To add a strategy: one file that implements the trait `Strategy`, one line where [`spec`] names strategies.
//! Everything runs on the sender. Source: wire spec 5, driver spec 7.1.

mod max;
mod min;
mod observer;
pub mod spec;
mod tagged;

use core::fmt;
use std::net::SocketAddr;

use epona_protocol::{
    frame::{StatusMessageFlags, StatusMessageView},
    types::{GroupTag, Nanos, Position, ReceiverId, TermGeometry, TermLength, TermOffset},
};

use self::{max::Max, min::Min, tagged::Tagged};
pub use observer::GroupObserver;
pub use spec::{FlowControlConfig, GroupOptions, SpecError, Supplier};

/// What an accepted status message says about its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiverStatus {
    /// Who sent it.
    pub receiver_id: ReceiverId,
    /// Where its slowest subscriber is.
    pub position: Position,
    /// Bytes that it accepts from there, 0..=half a term.
    pub window: i32,
    /// Whether it leaves the stream.
    pub end_of_stream: bool,
    /// Which group it belongs to, if it says.
    pub group_tag: Option<GroupTag>,
    /// Where it came from.
    pub source: SocketAddr,
}

impl ReceiverStatus {
    /// What a validated status message of a stream with this geometry says.
    #[inline]
    #[must_use]
    pub fn of(message: &StatusMessageView<'_>, geometry: &TermGeometry, source: SocketAddr) -> Self {
        let (term_id, offset) = (message.consumption_term_id(), message.consumption_term_offset());
        Self {
            receiver_id: message.receiver_id(),
            position: geometry.position(term_id, offset),
            window: message.receiver_window(),
            end_of_stream: message.flags().contains(StatusMessageFlags::END_OF_STREAM),
            group_tag: message.group_tag(),
            source,
        }
    }

    /// Whether the position makes sense to a sender at `sender_position`: from half a term behind it to one and a half
    /// terms ahead, both included. Others are dropped and counted as rejected. Source: wire spec 5.2, 15.1.
    #[inline]
    #[must_use]
    pub fn is_plausible(&self, sender_position: Position, term_length: TermLength) -> bool {
        let (half, term) = (i64::from(term_length.get() / 2), i64::from(term_length.get()));
        let ahead = self.position - sender_position;
        -half <= ahead && ahead <= term + half
    }

    /// Where the receiver's window ends.
    #[inline]
    #[must_use]
    pub fn window_end(&self) -> Position {
        self.position + i64::from(self.window)
    }
}

/// The verbs of a strategy; what is not overridden does nothing and keeps the limit.
trait Strategy: fmt::Debug {
    /// The new limit after a status message without the setup flag; never before `limit`.
    fn on_status_message(&mut self, status: &ReceiverStatus, limit: Position, now: Nanos) -> Position;

    /// A receiver asks for a SETUP frame.
    fn on_trigger_send_setup(&mut self, _group_tag: Option<GroupTag>) {}

    /// An elicited SETUP frame is about to be sent.
    fn on_setup(&mut self, _limit: Position, _now: Nanos) {}

    /// A receiver rejected the stream.
    fn on_error(&mut self, _receiver_id: ReceiverId) {}

    /// The new limit after a duty cycle that sent no data.
    fn on_idle(&mut self, limit: Position, _now: Nanos) -> Position {
        limit
    }

    /// When the passing of time next changes what `on_idle` answers.
    fn next_timeout(&self) -> Nanos {
        Nanos::new(i64::MAX)
    }

    /// The receiver that sets the limit, as far as is known.
    fn pacemaker(&self) -> Option<SocketAddr>;

    fn has_required_receivers(&self) -> bool {
        true
    }

    fn receiver_count(&self) -> Option<usize> {
        None
    }

    fn reads_group_tags(&self) -> bool {
        false
    }

    /// Who is to hear of receivers that join and leave.
    fn observe(&mut self, _observer: GroupObserver) {}
}

/// The flow control of one publication: a strategy, and how much one NAK may bring back.
#[derive(Debug)]
pub struct FlowControl {
    strategy: Box<dyn Strategy + Send>,
    retransmit_window_multiple: i64,
}

impl FlowControl {
    /// Receiver window that retransmission assumes, in bytes, whatever the receivers are configured with.
    /// Source: wire spec 3.4.
    pub const ASSUMED_RECEIVER_WINDOW: i32 = 128 * 1024;

    /// The fastest receiver sets the pace; `rrwm` is the retransmit receiver window multiple, 1 and up.
    #[must_use]
    pub fn max(rrwm: i64) -> Self {
        Self { strategy: Box::new(Max::default()), retransmit_window_multiple: rrwm }
    }

    /// The slowest receiver sets the pace.
    #[must_use]
    pub fn min(options: &GroupOptions) -> Self {
        Self { strategy: Box::new(Min::new(options)), retransmit_window_multiple: options.rrwm }
    }

    /// The slowest of the receivers with a certain group tag sets the pace.
    #[must_use]
    pub fn tagged(group_tag: GroupTag, options: &GroupOptions) -> Self {
        let strategy = Box::new(Tagged::new(group_tag, options));
        Self { strategy, retransmit_window_multiple: options.rrwm }
    }

    /// Tells of receivers that join and leave, where the strategy tracks any.
    pub fn observe(&mut self, observer: GroupObserver) {
        self.strategy.observe(observer);
    }

    /// The new sender limit after an accepted status message without the setup flag; never before `limit`.
    #[inline]
    pub fn on_status_message(&mut self, status: &ReceiverStatus, limit: Position, now: Nanos) -> Position {
        self.strategy.on_status_message(status, limit, now)
    }

    /// A status message with the setup flag arrived.
    pub fn on_trigger_send_setup(&mut self, group_tag: Option<GroupTag>) {
        self.strategy.on_trigger_send_setup(group_tag);
    }

    /// An elicited SETUP frame is about to be sent while the sender limit is `limit`.
    pub fn on_setup(&mut self, limit: Position, now: Nanos) {
        self.strategy.on_setup(limit, now);
    }

    /// An ERR frame arrived: the receiver leaves the group at the next idle cycle.
    pub fn on_error(&mut self, receiver_id: ReceiverId) {
        self.strategy.on_error(receiver_id);
    }

    /// The new sender limit after a duty cycle that sent no data. It may go back: a group can turn out slower.
    #[inline]
    pub fn on_idle(&mut self, limit: Position, now: Nanos) -> Position {
        self.strategy.on_idle(limit, now)
    }

    /// When the passing of time next changes what [`FlowControl::on_idle`] answers, unless receivers report before; at
    /// the end of time when it never does.
    #[must_use]
    pub fn next_timeout(&self) -> Nanos {
        self.strategy.next_timeout()
    }

    /// Where the receiver is that sets the limit: the slowest of a group, else the last to move it.
    #[must_use]
    pub fn pacemaker(&self) -> Option<SocketAddr> {
        self.strategy.pacemaker()
    }

    /// Whether enough receivers are there for the publication to count as connected.
    #[inline]
    #[must_use]
    pub fn has_required_receivers(&self) -> bool {
        self.strategy.has_required_receivers()
    }

    /// Receivers in the group, for the counter `fc-receivers`; `None` when the strategy does not track any and has no
    /// such counter.
    #[must_use]
    pub fn receiver_count(&self) -> Option<usize> {
        self.strategy.receiver_count()
    }

    /// Whether feedback that is no group tag is an error worth recording.
    /// See [`StatusMessageView::has_unknown_feedback`].
    #[must_use]
    pub fn reads_group_tags(&self) -> bool {
        self.strategy.reads_group_tags()
    }

    /// How many of the `requested` bytes a NAK at `offset` brings back: at most to the end of the term, and at most
    /// `rrwm` assumed receiver windows. Source: wire spec 3.4.
    #[must_use]
    pub fn max_retransmission_length(
        &self,
        offset: TermOffset,
        requested: i32,
        term_length: TermLength,
    ) -> i32 {
        let window = i64::from(Self::ASSUMED_RECEIVER_WINDOW.min(term_length.get() / 2));
        let cap = window.saturating_mul(self.retransmit_window_multiple);
        let to_term_end = i64::from(term_length.get() - offset.get());
        cap.min(to_term_end).min(i64::from(requested)) as i32
    }
}

#[cfg(test)]
mod tests;

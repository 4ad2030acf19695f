//! Who joins and leaves a group, told to the event log.

use std::sync::Arc;

use epona_protocol::types::{Nanos, ReceiverId, SessionId, StreamId};

use crate::event_log::{DriverEvent, EventLog};

/// The group of one publication, as the event log names it.
#[derive(Clone, Debug)]
pub struct GroupObserver {
    /// Where to tell.
    pub events: EventLog,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The channel, as the client wrote it.
    pub channel: Arc<str>,
}

impl GroupObserver {
    /// A receiver joined; `count` of them now.
    pub(super) fn joined(&self, receiver: ReceiverId, count: usize, now: Nanos) {
        self.tell(DriverEvent::FlowControlReceiverAdded, receiver, count, now);
    }

    /// A receiver left; `count` of them now.
    pub(super) fn left(&self, receiver: ReceiverId, count: usize, now: Nanos) {
        self.tell(DriverEvent::FlowControlReceiverRemoved, receiver, count, now);
    }

    fn tell(&self, event: DriverEvent, receiver: ReceiverId, count: usize, now: Nanos) {
        let stream = (self.session_id, self.stream_id);
        self.events.receiver(event, receiver, count, stream, &self.channel, now);
    }
}

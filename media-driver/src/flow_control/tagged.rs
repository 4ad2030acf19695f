//! [`Min`] among the receivers with a certain group tag; the others follow as well as they can.
//! Source: wire spec 5.4.

use std::net::SocketAddr;

use epona_protocol::types::{GroupTag, Nanos, Position, ReceiverId};

use super::{GroupObserver, GroupOptions, Min, ReceiverStatus, Strategy};

/// A group whose members name it in their status messages.
#[derive(Debug)]
pub(super) struct Tagged {
    group_tag: GroupTag,
    group: Min,
}

impl Tagged {
    pub(super) fn new(group_tag: GroupTag, options: &GroupOptions) -> Self {
        Self { group_tag, group: Min::new(options) }
    }

    fn is_member(&self, group_tag: Option<GroupTag>) -> bool {
        group_tag == Some(self.group_tag)
    }
}

impl Strategy for Tagged {
    fn on_status_message(&mut self, status: &ReceiverStatus, limit: Position, now: Nanos) -> Position {
        self.group.on_group_status(status, self.is_member(status.group_tag), limit, now)
    }

    fn on_trigger_send_setup(&mut self, group_tag: Option<GroupTag>) {
        self.group.on_group_trigger(self.is_member(group_tag));
    }

    fn on_setup(&mut self, limit: Position, now: Nanos) {
        self.group.on_setup(limit, now);
    }

    fn on_error(&mut self, receiver_id: ReceiverId) {
        self.group.on_error(receiver_id);
    }

    fn on_idle(&mut self, limit: Position, now: Nanos) -> Position {
        self.group.on_idle(limit, now)
    }

    fn next_timeout(&self) -> Nanos {
        self.group.next_timeout()
    }

    fn pacemaker(&self) -> Option<SocketAddr> {
        self.group.pacemaker()
    }

    fn has_required_receivers(&self) -> bool {
        self.group.has_required_receivers()
    }

    fn receiver_count(&self) -> Option<usize> {
        self.group.receiver_count()
    }

    fn reads_group_tags(&self) -> bool {
        true
    }

    fn observe(&mut self, observer: GroupObserver) {
        self.group.observe(observer);
    }
}

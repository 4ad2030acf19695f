//! The slowest receiver sets the pace, as long as it reports. Source: wire spec 5.4.

use core::time::Duration;
use std::net::SocketAddr;

use epona_protocol::types::{GroupTag, Nanos, Position, ReceiverId};

use super::{GroupObserver, GroupOptions, ReceiverStatus, Strategy};

#[derive(Debug)]
struct Receiver {
    id: ReceiverId,
    source: SocketAddr,
    window_end: Position,
    last_heard: Nanos,
    is_leaving: bool,
}

/// The limit held for a joiner, from the SETUP sent for it until it joins or the receiver timeout has passed.
#[derive(Clone, Copy, Debug)]
struct Hold {
    limit: Position,
    since: Nanos,
}

/// Tracks every receiver of the group by its id.
#[derive(Debug)]
pub(super) struct Min {
    receivers: Vec<Receiver>,
    receiver_timeout: Duration,
    group_min_size: usize,
    is_setup_triggered: bool,
    hold: Option<Hold>,
    observer: Option<GroupObserver>,
}

impl Min {
    pub(super) fn new(options: &GroupOptions) -> Self {
        Self {
            receivers: Vec::with_capacity(4),
            receiver_timeout: options.receiver_timeout,
            group_min_size: options.group_min_size as usize,
            is_setup_triggered: false,
            hold: None,
            observer: None,
        }
    }

    /// [`Strategy::on_status_message`], where only a member of the group is tracked.
    pub(super) fn on_group_status(
        &mut self,
        status: &ReceiverStatus,
        is_member: bool,
        limit: Position,
        now: Nanos,
    ) -> Position {
        let mut slowest = self.held_limit(now);
        let mut is_known = false;
        for receiver in &mut self.receivers {
            if is_member && receiver.id == status.receiver_id {
                receiver.window_end = status.window_end();
                receiver.source = status.source;
                receiver.last_heard = now;
                receiver.is_leaving = status.end_of_stream;
                is_known = true;
            }
            slowest = slowest.min(receiver.window_end);
        }
        if is_member && !is_known && !status.end_of_stream && self.may_join(status, slowest) {
            self.add(status, now);
            slowest = slowest.min(status.window_end());
        }
        if self.receivers.len() < self.group_min_size {
            limit
        } else if self.receivers.is_empty() {
            limit.max(status.window_end())
        } else {
            limit.max(slowest)
        }
    }

    /// Remembers that a member asked for a SETUP frame.
    pub(super) const fn on_group_trigger(&mut self, is_member: bool) {
        self.is_setup_triggered |= is_member;
    }

    /// A receiver more than a window behind may not pull the group back.
    fn may_join(&self, status: &ReceiverStatus, slowest: Position) -> bool {
        self.receivers.is_empty() || status.window_end() >= slowest - i64::from(status.window)
    }

    fn add(&mut self, status: &ReceiverStatus, now: Nanos) {
        self.receivers.push(Receiver {
            id: status.receiver_id,
            source: status.source,
            window_end: status.window_end(),
            last_heard: now,
            is_leaving: false,
        });
        self.hold = None;
        if let Some(observer) = &self.observer {
            observer.joined(status.receiver_id, self.receivers.len(), now);
        }
    }

    /// The limit held for a joiner, or no limit.
    fn held_limit(&mut self, now: Nanos) -> Position {
        match self.hold {
            Some(hold) if hold.since + self.receiver_timeout < now => {
                self.hold = None;
                Position::MAX
            }
            Some(hold) => hold.limit,
            None => Position::MAX,
        }
    }
}

impl Strategy for Min {
    fn on_status_message(&mut self, status: &ReceiverStatus, limit: Position, now: Nanos) -> Position {
        self.on_group_status(status, true, limit, now)
    }

    fn on_trigger_send_setup(&mut self, _group_tag: Option<GroupTag>) {
        self.on_group_trigger(true);
    }

    fn on_setup(&mut self, limit: Position, now: Nanos) {
        if self.is_setup_triggered && !self.receivers.is_empty() {
            self.hold = Some(Hold { limit, since: now });
        }
        self.is_setup_triggered = false;
    }

    fn on_error(&mut self, receiver_id: ReceiverId) {
        for receiver in self.receivers.iter_mut().filter(|receiver| receiver.id == receiver_id) {
            receiver.is_leaving = true;
        }
    }

    fn on_idle(&mut self, limit: Position, now: Nanos) -> Position {
        let timeout = self.receiver_timeout;
        let mut slowest = self.held_limit(now);
        let Self { receivers, observer, .. } = self;
        let mut count = receivers.len();
        receivers.retain(|receiver| {
            let stays = !receiver.is_leaving && receiver.last_heard + timeout >= now;
            if stays {
                slowest = slowest.min(receiver.window_end);
            } else {
                count -= 1;
                if let Some(observer) = observer {
                    observer.left(receiver.id, count, now);
                }
            }
            stays
        });
        let is_led = self.has_required_receivers() && !self.receivers.is_empty();
        if is_led { slowest } else { limit }
    }

    fn next_timeout(&self) -> Nanos {
        let oldest = self
            .receivers
            .iter()
            .map(|receiver| receiver.last_heard)
            .chain(self.hold.map(|hold| hold.since))
            .min();
        oldest.map_or(Nanos::new(i64::MAX), |oldest| oldest + self.receiver_timeout)
    }

    fn pacemaker(&self) -> Option<SocketAddr> {
        self.receivers.iter().min_by_key(|receiver| receiver.window_end).map(|slowest| slowest.source)
    }

    fn has_required_receivers(&self) -> bool {
        self.receivers.len() >= self.group_min_size
    }

    fn receiver_count(&self) -> Option<usize> {
        Some(self.receivers.len())
    }

    fn observe(&mut self, observer: GroupObserver) {
        self.observer = Some(observer);
    }
}

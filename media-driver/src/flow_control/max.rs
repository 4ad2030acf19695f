//! The fastest receiver sets the pace: unicast, and multicast by default. Source: wire spec 5.3.

use std::net::SocketAddr;

use epona_protocol::types::{Nanos, Position};

use super::{ReceiverStatus, Strategy};

/// The limit is the furthest window end that any receiver has announced; who that was is kept for those who ask.
#[derive(Debug, Default)]
pub(super) struct Max {
    fastest: Option<SocketAddr>,
}

impl Strategy for Max {
    fn on_status_message(&mut self, status: &ReceiverStatus, limit: Position, _now: Nanos) -> Position {
        if status.window_end() >= limit {
            self.fastest = Some(status.source);
        }
        limit.max(status.window_end())
    }

    fn pacemaker(&self) -> Option<SocketAddr> {
        self.fastest
    }
}

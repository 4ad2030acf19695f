//! The fastest receiver sets the pace: unicast, and multicast by default. Source: wire spec 5.3.

use epona_protocol::types::{Nanos, Position};

use super::{ReceiverStatus, Strategy};

/// Keeps no state: the limit is the furthest window end that any receiver has announced.
#[derive(Debug)]
pub(super) struct Max;

impl Strategy for Max {
    fn on_status_message(&mut self, status: &ReceiverStatus, limit: Position, _now: Nanos) -> Position {
        limit.max(status.window_end())
    }
}

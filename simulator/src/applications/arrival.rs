//! A message as it arrived.

use epona_client::Header;
use epona_protocol::types::{Position, SessionId, StreamId};

/// What a subscriber gets of a message.
pub(super) struct Arrival {
    pub(super) session: SessionId,
    pub(super) stream: StreamId,
    pub(super) position: Position,
    /// What the publisher, or a driver that stamps what it receives, left in the header.
    pub(super) reserved: i64,
    pub(super) payload: Vec<u8>,
}

impl Arrival {
    pub(super) fn of(payload: &[u8], header: &Header<'_>) -> Self {
        Self {
            session: header.session_id(),
            stream: header.stream_id(),
            position: header.position(),
            reserved: header.reserved_value(),
            payload: payload.to_vec(),
        }
    }
}

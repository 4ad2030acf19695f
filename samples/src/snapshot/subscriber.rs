//! Subscribers of a stream, by their positions.

use epona_protocol::types::{ClientId, CounterTypeId, Position, RegistrationId, SessionId, StreamId};
use serde::Serialize;

use super::{Snapshot, json, stream::whole_channel};

/// A subscription as it reads one stream.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Subscriber {
    #[serde(serialize_with = "json::number")]
    pub(crate) registration_id: RegistrationId,
    #[serde(serialize_with = "json::number")]
    pub(crate) client_id: ClientId,
    #[serde(skip)]
    pub(crate) session_id: SessionId,
    #[serde(skip)]
    pub(crate) stream_id: StreamId,
    pub(crate) channel: String,
    /// How far it has read.
    #[serde(serialize_with = "json::number")]
    pub(crate) position: Position,
}

impl Subscriber {
    /// Whether it reads a publication on this driver, of whatever media.
    pub(crate) fn is_spy(&self) -> bool {
        self.channel.starts_with("aeron-spy:")
    }

    pub(crate) fn is_ipc(&self) -> bool {
        self.channel.starts_with("aeron:ipc")
    }
}

/// All of them, in the order of their counters' ids.
pub(super) fn subscribers(snapshot: &Snapshot) -> Vec<Subscriber> {
    snapshot
        .stream_counters()
        .filter(|(counter, _)| counter.type_id == CounterTypeId::SUBSCRIBER_POSITION)
        .map(|(counter, key)| Subscriber {
            registration_id: RegistrationId::new(key.registration_id),
            client_id: ClientId::new(counter.owner_id),
            session_id: key.session_id,
            stream_id: key.stream_id,
            channel: whole_channel(counter.type_id, &counter.label, &key.channel).to_owned(),
            position: Position::new(counter.value),
        })
        .collect()
}

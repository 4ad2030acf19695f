//! Who reads a stream, as counters tell it.

use std::fmt;

use epona_protocol::{
    counters::{CounterDescriptor, CountersReader, StreamKey, heartbeat_client_name},
    types::{ClientId, CounterId, CounterTypeId, Position, RegistrationId, SessionId, StreamId},
};

/// A subscription as it reads one stream on this driver: its position, and how far that is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The counter that holds the position.
    pub counter_id: CounterId,
    /// Label of that counter: registration id, session, stream, channel and where it joined.
    pub label: String,
    /// The subscription.
    pub registration_id: RegistrationId,
    /// Client that owns the subscription.
    pub client_id: ClientId,
    /// What that client calls itself, if it does; see [`Context::client_name`](crate::Context::client_name).
    pub client_name: Option<String>,
    /// How far it has read.
    pub position: Position,
    /// Bytes between that and where the publisher is, headers and padding included.
    pub behind: i64,
    /// What the position refers to: the image, or the publication for IPC and spies.
    pub(super) reference_id: i64,
}

impl Consumer {
    /// Subscribers of a stream, over whatever media, in the order of their counters.
    pub(super) fn of_stream(
        counters: &CountersReader,
        (session_id, stream_id): (SessionId, StreamId),
        publisher: Position,
    ) -> Vec<Self> {
        let of_stream = counters.of_type(CounterTypeId::SUBSCRIBER_POSITION).filter_map(|counter| {
            let key = StreamKey::decode(&counter.key)?;
            let is_meant = key.session_id == session_id && key.stream_id == stream_id;
            is_meant.then(|| (RegistrationId::new(key.registration_id), counter))
        });
        of_stream.map(|(id, counter)| Self::new(counters, id, counter, publisher)).collect()
    }

    /// The subscriber of a stream that left last, while its counter's id has not been given to another.
    pub(super) fn last_of_stream(
        counters: &CountersReader,
        (session_id, stream_id): (SessionId, StreamId),
        publisher: Position,
    ) -> Option<Self> {
        let positions =
            counters.reclaimed().filter(|counter| counter.type_id == CounterTypeId::SUBSCRIBER_POSITION);
        // Freeing a counter clears its key and leaves the label: `sub-pos: <registration> <session> <stream> ...`.
        let of_stream = positions.filter_map(|counter| {
            let mut words = counter.label.split(' ').skip(1).map(str::parse::<i64>);
            let id = RegistrationId::new(words.next()?.ok()?);
            let is_meant = words.next()?.ok()? == i64::from(session_id.get())
                && words.next()?.ok()? == i64::from(stream_id.get());
            is_meant.then_some((id, counter))
        });
        of_stream
            .max_by_key(|(_, counter)| counters.free_for_reuse_deadline(counter.id))
            .map(|(id, counter)| Self::new(counters, id, counter, publisher))
    }

    fn new(
        counters: &CountersReader,
        registration_id: RegistrationId,
        counter: CounterDescriptor,
        publisher: Position,
    ) -> Self {
        let client_id = ClientId::new(counter.owner_id);
        let mut heartbeats = counters.of_type(CounterTypeId::CLIENT_HEARTBEAT);
        let own = heartbeats.find(|heartbeat| heartbeat.registration_id == counter.owner_id);
        Self {
            counter_id: counter.id,
            registration_id,
            client_id,
            client_name: own.and_then(|own| heartbeat_client_name(&own.label).map(str::to_owned)),
            position: Position::new(counter.value),
            behind: publisher - Position::new(counter.value),
            reference_id: counter.reference_id,
            label: counter.label,
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subscription {} of client {}", self.registration_id, self.client_id)?;
        if let Some(name) = &self.client_name {
            write!(f, " '{name}'")?;
        }
        write!(
            f,
            " at position {} (counter {}, {} bytes behind)",
            self.position, self.counter_id, self.behind
        )
    }
}

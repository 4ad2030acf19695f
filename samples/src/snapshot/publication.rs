//! Publications: how far written, how far sent, how far allowed.

use std::collections::BTreeMap;

use epona_protocol::{
    counters::{CounterDescriptor, StreamKey},
    types::{ClientId, CounterTypeId, Position, RegistrationId, SessionId, StreamId},
};
use serde::Serialize;

use super::{Snapshot, Subscriber, json, stream::whole_channel, subscriber};

/// A publication on this driver.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Publication {
    #[serde(serialize_with = "json::number")]
    pub(crate) registration_id: RegistrationId,
    #[serde(serialize_with = "json::number")]
    pub(crate) client_id: ClientId,
    pub(crate) is_exclusive: bool,
    #[serde(serialize_with = "json::number")]
    pub(crate) session_id: SessionId,
    #[serde(serialize_with = "json::number")]
    pub(crate) stream_id: StreamId,
    pub(crate) channel: String,
    /// How far it has been written, as the conductor last saw it.
    #[serde(serialize_with = "json::number")]
    pub(crate) position: Position,
    /// How far it may be written.
    #[serde(serialize_with = "json::number")]
    pub(crate) limit: Position,
    /// What sends it; none for IPC.
    pub(crate) sender: Option<Sender>,
    /// Subscribers on this driver that read its log: of IPC, and spies.
    pub(crate) subscribers: Vec<Subscriber>,
}

/// The sending side of a network publication.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sender {
    /// How far it has been sent.
    #[serde(serialize_with = "json::number")]
    pub(crate) position: Position,
    /// How far flow control lets it be sent.
    #[serde(serialize_with = "json::number")]
    pub(crate) limit: Position,
    /// How often flow control held it up.
    pub(crate) back_pressure_events: i64,
    pub(crate) naks_received: i64,
    /// Receivers that flow control tracks, where it does.
    pub(crate) receivers: Option<i64>,
}

impl Publication {
    /// Bytes that can be written before back pressure; 0 or less when there is back pressure, or no receiver.
    pub(crate) const fn window(&self) -> i64 {
        self.limit.get().wrapping_sub(self.position.get())
    }
}

impl Sender {
    /// Bytes that can be sent before flow control stops it.
    pub(crate) const fn window(&self) -> i64 {
        self.limit.get().wrapping_sub(self.position.get())
    }

    /// Bytes that were written up to `position` and are not sent; negative when the sample of that position is old.
    pub(crate) const fn backlog(&self, position: Position) -> i64 {
        position.get().wrapping_sub(self.position.get())
    }
}

/// Counters of one publication, by type.
type ByType<'a> = BTreeMap<i32, (&'a CounterDescriptor, StreamKey<'a>)>;

pub(super) fn publications(snapshot: &Snapshot) -> Vec<Publication> {
    let mut counters: BTreeMap<i64, ByType<'_>> = BTreeMap::new();
    for (counter, key) in snapshot.stream_counters() {
        if matches!(counter.type_id.get(), 1 | 2 | 9 | 12 | 13 | 17 | 19) {
            counters.entry(key.registration_id).or_default().insert(counter.type_id.get(), (counter, key));
        }
    }
    let mut publications: Vec<_> = counters.values().filter_map(publication).collect();
    for subscriber in subscriber::subscribers(snapshot) {
        if let Some(publication) = publications.iter_mut().find(|publication| reads(&subscriber, publication))
        {
            publication.subscribers.push(subscriber);
        }
    }
    publications
}

/// A publication of what counters there are; `None` without a limit, which every publication has.
fn publication(counters: &ByType<'_>) -> Option<Publication> {
    let value = |type_id: CounterTypeId| counters.get(&type_id.get()).map(|(counter, _)| counter.value);
    let (limit, key) = counters.get(&CounterTypeId::PUBLISHER_LIMIT.get())?;
    let sampled = counters.get(&CounterTypeId::PUBLISHER_POSITION.get()).map(|(counter, _)| *counter);
    let sender = value(CounterTypeId::SENDER_POSITION).map(|position| Sender {
        position: Position::new(position),
        limit: Position::new(value(CounterTypeId::SENDER_LIMIT).unwrap_or(position)),
        back_pressure_events: value(CounterTypeId::SENDER_BPE).unwrap_or_default(),
        naks_received: value(CounterTypeId::SENDER_NAKS_RECEIVED).unwrap_or_default(),
        receivers: value(CounterTypeId::FLOW_CONTROL_RECEIVERS),
    });
    Some(Publication {
        registration_id: RegistrationId::new(key.registration_id),
        client_id: ClientId::new(limit.owner_id),
        is_exclusive: sampled.is_some_and(|counter| counter.label.starts_with("pub-pos (exclusive)")),
        session_id: key.session_id,
        stream_id: key.stream_id,
        channel: whole_channel(limit.type_id, &limit.label, &key.channel).to_owned(),
        position: Position::new(sampled.map_or(0, |counter| counter.value)),
        limit: Position::new(limit.value),
        sender,
        subscribers: Vec::new(),
    })
}

/// Whether a subscriber reads the publication's own log.
fn reads(subscriber: &Subscriber, publication: &Publication) -> bool {
    let same_stream =
        (subscriber.session_id, subscriber.stream_id) == (publication.session_id, publication.stream_id);
    same_stream && if publication.sender.is_some() { subscriber.is_spy() } else { subscriber.is_ipc() }
}

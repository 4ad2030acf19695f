//! Publications: how far written, how far sent, how far allowed.

use std::net::SocketAddr;

use epona_client::Receivers;
use epona_protocol::types::{
    ClientId, CounterTypeId, EpochMillis, Position, RegistrationId, SessionId, StreamId,
};
use serde::Serialize;

use super::{
    Snapshot, Subscriber, age_ms, json,
    stream::{CounterGroup, counter_groups},
    subscriber,
};

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
    /// Where the receiver is that sets the limit; none as for the age.
    pub(crate) pacemaker: Option<SocketAddr>,
    /// How long ago the driver heard the last status message, in milliseconds; none before the first, and of drivers that
    /// do not tell.
    pub(crate) status_message_age_ms: Option<i64>,
}

impl Publication {
    /// Bytes that can be written before back pressure; 0 or less when there is back pressure, or no receiver.
    pub(crate) const fn window(&self) -> i64 {
        self.limit.get().wrapping_sub(self.position.get())
    }
}

impl Publication {
    /// Whether the driver knows of anybody who receives. While it does not, it lets the publisher go no further than it
    /// has sent; else only a subscriber here that is behind the sender keeps the limit as low. Source: driver spec 3.3.
    pub(crate) fn is_received(&self) -> bool {
        let is_behind = |sender: Sender| self.subscribers.iter().any(|each| each.position < sender.position);
        match self.sender {
            Some(sender) => self.limit > sender.position || is_behind(sender),
            None => !self.subscribers.is_empty(),
        }
    }

    /// Its receivers, as far as its channel and counters name them.
    pub(crate) fn receivers(&self) -> Receivers {
        let (tracked, pacemaker) =
            self.sender.map_or((None, None), |sender| (sender.receivers, sender.pacemaker));
        Receivers::of(&self.channel, tracked, pacemaker)
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

/// Counters that publications have.
const TYPES: [CounterTypeId; 7] = [
    CounterTypeId::PUBLISHER_LIMIT,
    CounterTypeId::SENDER_POSITION,
    CounterTypeId::SENDER_LIMIT,
    CounterTypeId::PUBLISHER_POSITION,
    CounterTypeId::SENDER_BPE,
    CounterTypeId::FLOW_CONTROL_RECEIVERS,
    CounterTypeId::SENDER_NAKS_RECEIVED,
];

pub(super) fn publications(snapshot: &Snapshot) -> Vec<Publication> {
    let groups = counter_groups(snapshot, &TYPES);
    let mut publications: Vec<_> =
        groups.into_iter().filter_map(|counters| publication(counters, snapshot.taken)).collect();
    for subscriber in subscriber::subscribers(snapshot) {
        if let Some(publication) = publications.iter_mut().find(|publication| reads(&subscriber, publication))
        {
            publication.subscribers.push(subscriber);
        }
    }
    publications
}

/// A publication of what counters there are; `None` without a limit, which every publication has.
fn publication(counters: CounterGroup<'_>, now: EpochMillis) -> Option<Publication> {
    let limit = counters.get(CounterTypeId::PUBLISHER_LIMIT)?;
    let sampled = counters.get(CounterTypeId::PUBLISHER_POSITION);
    let last_status_message = counters.get(CounterTypeId::SENDER_LIMIT).and_then(|limit| limit.confirmation);
    let sender = counters.value(CounterTypeId::SENDER_POSITION).map(|position| Sender {
        position: Position::new(position),
        limit: Position::new(counters.value(CounterTypeId::SENDER_LIMIT).unwrap_or(position)),
        back_pressure_events: counters.value(CounterTypeId::SENDER_BPE).unwrap_or_default(),
        naks_received: counters.value(CounterTypeId::SENDER_NAKS_RECEIVED).unwrap_or_default(),
        receivers: counters.value(CounterTypeId::FLOW_CONTROL_RECEIVERS),
        pacemaker: last_status_message.and_then(|last| last.by),
        status_message_age_ms: last_status_message.map(|last| age_ms(last.at, now)),
    });
    Some(Publication {
        registration_id: counters.registration_id,
        client_id: ClientId::new(limit.owner_id),
        is_exclusive: sampled.is_some_and(|counter| counter.label.starts_with("pub-pos (exclusive)")),
        session_id: counters.session_id,
        stream_id: counters.stream_id,
        channel: counters.channel,
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

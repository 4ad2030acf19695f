//! Images: what arrived, what is complete, who has read it.

use std::collections::BTreeMap;

use epona_protocol::types::{CounterTypeId, Position, RegistrationId, SessionId, StreamId};
use serde::Serialize;

use super::{Snapshot, Subscriber, json, stream::whole_channel, subscriber};

/// A stream from elsewhere as this driver receives it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Image {
    #[serde(serialize_with = "json::number")]
    pub(crate) correlation_id: RegistrationId,
    #[serde(serialize_with = "json::number")]
    pub(crate) session_id: SessionId,
    #[serde(serialize_with = "json::number")]
    pub(crate) stream_id: StreamId,
    pub(crate) channel: String,
    /// Up to where something arrived, gaps or not.
    #[serde(serialize_with = "json::number")]
    pub(crate) high_water_mark: Position,
    /// Up to where it is complete.
    #[serde(serialize_with = "json::number")]
    pub(crate) position: Position,
    pub(crate) naks_sent: i64,
    pub(crate) subscribers: Vec<Subscriber>,
}

impl Image {
    /// Bytes between the first gap and what arrived last; 0 without a gap.
    pub(crate) const fn missing(&self) -> i64 {
        self.high_water_mark.get().wrapping_sub(self.position.get())
    }
}

pub(super) fn images(snapshot: &Snapshot) -> Vec<Image> {
    let mut images: BTreeMap<i64, Image> = BTreeMap::new();
    for (counter, key) in snapshot.stream_counters() {
        if !matches!(
            counter.type_id,
            CounterTypeId::RECEIVER_HWM
                | CounterTypeId::RECEIVER_POSITION
                | CounterTypeId::RECEIVER_NAKS_SENT
        ) {
            continue;
        }
        let image = images.entry(key.registration_id).or_insert_with(|| Image {
            correlation_id: RegistrationId::new(key.registration_id),
            session_id: key.session_id,
            stream_id: key.stream_id,
            channel: whole_channel(counter.type_id, &counter.label, &key.channel).to_owned(),
            high_water_mark: Position::ZERO,
            position: Position::ZERO,
            naks_sent: 0,
            subscribers: Vec::new(),
        });
        match counter.type_id {
            CounterTypeId::RECEIVER_HWM => image.high_water_mark = Position::new(counter.value),
            CounterTypeId::RECEIVER_POSITION => image.position = Position::new(counter.value),
            _ => image.naks_sent = counter.value,
        }
    }
    let mut images: Vec<_> = images.into_values().collect();
    for subscriber in subscriber::subscribers(snapshot) {
        let is_remote = !subscriber.is_spy() && !subscriber.is_ipc();
        if is_remote && let Some(image) = image_of(&subscriber, &mut images) {
            image.subscribers.push(subscriber);
        }
    }
    images
}

/// The image that a subscriber reads: of its session and stream, and of those the one with its channel.
fn image_of<'a>(subscriber: &Subscriber, images: &'a mut [Image]) -> Option<&'a mut Image> {
    let is_candidate =
        |image: &Image| (image.session_id, image.stream_id) == (subscriber.session_id, subscriber.stream_id);
    let exact = images.iter().position(|image| is_candidate(image) && image.channel == subscriber.channel);
    let index = exact.or_else(|| images.iter().position(is_candidate))?;
    images.get_mut(index)
}

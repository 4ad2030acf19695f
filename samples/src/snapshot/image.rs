//! Images: what arrived, what is complete, who has read it.

use epona_protocol::types::{CounterTypeId, Position, RegistrationId, SessionId, StreamId};
use serde::Serialize;

use super::{
    Snapshot, Subscriber, json,
    stream::{CounterGroup, counter_groups},
    subscriber,
};

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

/// Counters that images have.
const TYPES: [CounterTypeId; 3] =
    [CounterTypeId::RECEIVER_HWM, CounterTypeId::RECEIVER_POSITION, CounterTypeId::RECEIVER_NAKS_SENT];

pub(super) fn images(snapshot: &Snapshot) -> Vec<Image> {
    let image = |counters: CounterGroup<'_>| {
        let value = |type_id| counters.value(type_id).unwrap_or_default();
        Image {
            correlation_id: counters.registration_id,
            session_id: counters.session_id,
            stream_id: counters.stream_id,
            high_water_mark: Position::new(value(CounterTypeId::RECEIVER_HWM)),
            position: Position::new(value(CounterTypeId::RECEIVER_POSITION)),
            naks_sent: value(CounterTypeId::RECEIVER_NAKS_SENT),
            subscribers: Vec::new(),
            channel: counters.channel,
        }
    };
    let mut images: Vec<_> = counter_groups(snapshot, &TYPES).into_iter().map(image).collect();
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

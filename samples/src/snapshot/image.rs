//! Images: what arrived, what is complete, who has read it.

use epona_protocol::types::{CounterTypeId, Position, RegistrationId, SessionId, StreamId};
use serde::Serialize;

use super::{
    History, Mark, Snapshot, Subscriber, json,
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

    /// Whether it waits for lost bytes: some are missing, and it stands still or asks for them. What arrives is counted
    /// before it is found complete, so a stream that flows may miss some at any one look.
    pub(crate) fn waits_for_loss(&self, history: &History) -> bool {
        let stands = history.still(Mark::Image(self.correlation_id)).is_some();
        let asks = history.rate(Mark::Naks(self.correlation_id)).is_some_and(|rate| rate > 0.0);
        self.missing() > 0 && (stands || asks)
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

#[cfg(test)]
mod tests {
    use epona_protocol::types::EpochMillis;

    use super::*;

    #[test]
    fn what_is_missing_is_loss_once_the_image_stands_still_or_asks_for_it() {
        let waits = |positions: [i64; 2], naks: [i64; 2], high_water_mark| {
            let id = RegistrationId::new(7);
            let mut history = History::default();
            for ((time, position), naks) in (0..).zip(positions).zip(naks) {
                history.note(Mark::Image(id), EpochMillis::new(time), position);
                history.note(Mark::Naks(id), EpochMillis::new(time), naks);
            }
            let image = Image {
                correlation_id: id,
                session_id: SessionId::new(1),
                stream_id: StreamId::new(1),
                channel: String::new(),
                high_water_mark: Position::new(high_water_mark),
                position: Position::new(positions[1]),
                naks_sent: naks[1],
                subscribers: Vec::new(),
            };
            image.waits_for_loss(&history)
        };
        assert!(!waits([0, 64], [0, 0], 128), "it flows");
        assert!(!waits([64, 64], [0, 0], 64), "nothing is missing");
        assert!(waits([64, 64], [0, 0], 128), "it stands still");
        assert!(waits([0, 64], [3, 4], 128), "it asks");
        assert!(!waits([0, 64], [4, 4], 128), "it has asked long ago");
    }
}

//! Positions by stream, as StreamStat has them.

use std::collections::BTreeMap;

use epona_protocol::{
    counters::CounterDescriptor,
    types::{CounterTypeId, RegistrationId, SessionId, StreamId},
};
use serde::Serialize;

use super::{Snapshot, json};

/// Counters with one session, stream and channel.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stream {
    #[serde(serialize_with = "json::number")]
    pub(crate) session_id: SessionId,
    #[serde(serialize_with = "json::number")]
    pub(crate) stream_id: StreamId,
    /// The channel, longer than a key could hold where a label has more of it.
    pub(crate) channel: String,
    /// In the order of the counters' ids.
    pub(crate) positions: Vec<StreamPosition>,
}

/// One counter of a stream.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StreamPosition {
    /// What the label begins with, such as `snd-pos`.
    pub(crate) name: String,
    #[serde(serialize_with = "json::number")]
    pub(crate) type_id: CounterTypeId,
    #[serde(serialize_with = "json::number")]
    pub(crate) registration_id: RegistrationId,
    pub(crate) value: i64,
}

/// The counters of one publication or one image, which share a registration id.
#[derive(Debug)]
pub(super) struct CounterGroup<'a> {
    pub(super) registration_id: RegistrationId,
    pub(super) session_id: SessionId,
    pub(super) stream_id: StreamId,
    pub(super) channel: String,
    by_type: BTreeMap<i32, &'a CounterDescriptor>,
}

impl<'a> CounterGroup<'a> {
    /// The counter of a type, if there is one.
    pub(super) fn get(&self, type_id: CounterTypeId) -> Option<&'a CounterDescriptor> {
        self.by_type.get(&type_id.get()).copied()
    }

    /// The value of a counter, if there is one.
    pub(super) fn value(&self, type_id: CounterTypeId) -> Option<i64> {
        self.get(type_id).map(|counter| counter.value)
    }
}

/// Groups counters of some types, in the order of registration ids.
pub(super) fn counter_groups<'a>(snapshot: &'a Snapshot, types: &[CounterTypeId]) -> Vec<CounterGroup<'a>> {
    let mut groups = BTreeMap::new();
    for (counter, key) in snapshot.stream_counters().filter(|(counter, _)| types.contains(&counter.type_id)) {
        let group = groups.entry(key.registration_id).or_insert_with(|| CounterGroup {
            registration_id: RegistrationId::new(key.registration_id),
            session_id: key.session_id,
            stream_id: key.stream_id,
            channel: whole_channel(counter.type_id, &counter.label, &key.channel).to_owned(),
            by_type: BTreeMap::new(),
        });
        group.by_type.insert(counter.type_id.get(), counter);
    }
    groups.into_values().collect()
}

/// Whether a counter's key names a stream. Source: shared-memory spec 5.7.
pub(crate) const fn is_about_stream(type_id: CounterTypeId) -> bool {
    matches!(type_id.get(), 1..=5 | 9 | 10 | 12 | 13 | 17 | 19 | 20)
}

/// Whether StreamStat lists a counter. Source: StreamStat.java, isStreamCounterType.
const fn is_listed(type_id: CounterTypeId) -> bool {
    is_about_stream(type_id) && !matches!(type_id.get(), 10 | 17)
}

pub(super) fn streams(snapshot: &Snapshot) -> Vec<Stream> {
    let mut streams = BTreeMap::new();
    for (counter, key) in snapshot.stream_counters().filter(|(counter, _)| is_listed(counter.type_id)) {
        let place = (key.session_id, key.stream_id, key.channel.clone().into_owned());
        let stream = streams.entry(place).or_insert_with(|| Stream {
            session_id: key.session_id,
            stream_id: key.stream_id,
            channel: String::new(),
            positions: Vec::new(),
        });
        let channel = whole_channel(counter.type_id, &counter.label, &key.channel);
        if channel.len() > stream.channel.len() {
            channel.clone_into(&mut stream.channel);
        }
        stream.positions.push(StreamPosition {
            name: counter.label.split(':').next().unwrap_or_default().to_owned(),
            type_id: counter.type_id,
            registration_id: RegistrationId::new(key.registration_id),
            value: counter.value,
        });
    }
    streams.into_values().collect()
}

/// The channel as the label has it, which is longer than the key can be. Source: StreamStat.java,
/// extractChannelInformation; it begins at `aeron:`, here at `aeron-spy:` too.
pub(super) fn whole_channel<'a>(type_id: CounterTypeId, label: &'a str, key: &'a str) -> &'a str {
    let Some(begin) = label.find("aeron-spy:").or_else(|| label.find("aeron:")) else {
        return key;
    };
    let channel = &label[begin..];
    match channel.rfind(" @") {
        Some(end) if type_id == CounterTypeId::SUBSCRIBER_POSITION => &channel[..end],
        _ => channel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_taken_from_the_label_without_the_join_position() {
        let subscriber = CounterTypeId::SUBSCRIBER_POSITION;
        let label = "sub-pos: 9 7 1001 aeron:udp?endpoint=host:1|alias=a @b @4096";
        assert_eq!(whole_channel(subscriber, label, "cut"), "aeron:udp?endpoint=host:1|alias=a @b");
        let label = "sub-pos: 9 7 1001 aeron-spy:aeron:udp?endpoint=host:1 @0";
        assert_eq!(whole_channel(subscriber, label, "cut"), "aeron-spy:aeron:udp?endpoint=host:1");
        let sender = CounterTypeId::SENDER_POSITION;
        assert_eq!(whole_channel(sender, "snd-pos: 9 7 1001 aeron:ipc @0", "cut"), "aeron:ipc @0");
        assert_eq!(whole_channel(sender, "snd-pos", "aeron:ipc"), "aeron:ipc");
    }
}

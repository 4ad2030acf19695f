//! Sockets of the driver.

use epona_protocol::{
    counters::{ChannelKey, ChannelStatus, LocalSocketAddressKey},
    types::{CounterId, CounterTypeId},
};
use serde::Serialize;

use super::{Snapshot, json};

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    Send,
    Receive,
}

/// A channel endpoint.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Endpoint {
    /// Its status counter.
    #[serde(serialize_with = "json::number")]
    pub(crate) channel_status_id: CounterId,
    pub(crate) direction: Direction,
    pub(crate) channel: String,
    /// Raw value of the status; 1 is active.
    pub(crate) status: i64,
    /// Addresses that it is bound to.
    pub(crate) local_addresses: Vec<String>,
    /// How many destinations it sends to, where it has several.
    pub(crate) destinations: Option<i64>,
}

impl Endpoint {
    pub(crate) const fn is_active(&self) -> bool {
        matches!(ChannelStatus::from_value(self.status), Some(ChannelStatus::Active))
    }
}

pub(super) fn endpoints(snapshot: &Snapshot) -> Vec<Endpoint> {
    let directions = [
        (CounterTypeId::SEND_CHANNEL_STATUS, Direction::Send),
        (CounterTypeId::RECEIVE_CHANNEL_STATUS, Direction::Receive),
    ];
    let mut endpoints = Vec::new();
    for (type_id, direction) in directions {
        for counter in snapshot.of_type(type_id) {
            let Some(key) = ChannelKey::decode(&counter.key) else { continue };
            endpoints.push(Endpoint {
                channel_status_id: counter.id,
                direction,
                channel: key.channel.into_owned(),
                status: counter.value,
                local_addresses: local_addresses(snapshot, counter.id),
                destinations: (direction == Direction::Send)
                    .then(|| destinations(snapshot, counter.registration_id))
                    .flatten(),
            });
        }
    }
    endpoints
}

fn local_addresses(snapshot: &Snapshot, channel_status_id: CounterId) -> Vec<String> {
    snapshot
        .of_type(CounterTypeId::LOCAL_SOCKET_ADDRESS)
        .filter_map(|counter| LocalSocketAddressKey::decode(&counter.key))
        .filter(|key| key.channel_status_id == channel_status_id)
        .map(|key| key.address.into_owned())
        .collect()
}

fn destinations(snapshot: &Snapshot, registration_id: i64) -> Option<i64> {
    let mut counters = snapshot.of_type(CounterTypeId::MDC_DESTINATIONS);
    counters.find(|counter| counter.registration_id == registration_id).map(|counter| counter.value)
}

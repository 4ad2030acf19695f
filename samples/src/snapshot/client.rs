//! Clients, by their heartbeats.

use epona_protocol::{
    counters::HeartbeatKey,
    types::{ClientId, CounterTypeId, EpochMillis},
};
use serde::Serialize;

use super::{Snapshot, age_ms, json};

/// A client of the driver.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Client {
    #[serde(serialize_with = "json::number")]
    pub(crate) id: ClientId,
    /// What the client calls itself, if it does.
    pub(crate) name: Option<String>,
    /// Version of the client library, if it says so.
    pub(crate) version: Option<String>,
    /// When it last told the driver that it lives.
    #[serde(rename = "heartbeat_ms", serialize_with = "json::number")]
    pub(crate) heartbeat: EpochMillis,
    /// How long ago that was, in milliseconds.
    pub(crate) heartbeat_age_ms: i64,
}

pub(super) fn clients(snapshot: &Snapshot) -> Vec<Client> {
    let heartbeats = snapshot.of_type(CounterTypeId::CLIENT_HEARTBEAT);
    heartbeats
        .filter_map(|counter| {
            Some(Client {
                id: HeartbeatKey::decode(&counter.key)?.client_id,
                name: between(&counter.label, " name=", " version="),
                version: between(&counter.label, " version=", " commit="),
                heartbeat: EpochMillis::new(counter.value),
                heartbeat_age_ms: age_ms(EpochMillis::new(counter.value), snapshot.taken),
            })
        })
        .collect()
}

/// The text between two marks of a label, or up to its end; `None` when there is nothing.
fn between(label: &str, begin: &str, end: &str) -> Option<String> {
    let (_, rest) = label.split_once(begin)?;
    let text = rest.split_once(end).map_or(rest, |(text, _)| text);
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_are_read_off_the_label_where_a_client_put_them() {
        let label = "client-heartbeat: id=7 name=risk engine version=1.54.0 commit=abc";
        assert_eq!(between(label, " name=", " version=").as_deref(), Some("risk engine"));
        assert_eq!(between(label, " version=", " commit=").as_deref(), Some("1.54.0"));
        assert_eq!(between("client-heartbeat: id=7 name= version=1", " name=", " version="), None);
        assert_eq!(between("client-heartbeat: id=7", " name=", " version="), None);
    }
}

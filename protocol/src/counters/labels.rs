//! Labels of the driver's counters: what a counter belongs to, for people. Source: shared-memory spec 5.6, 5.7.
//!
//! What exceeds 380 bytes is cut when the counter is allocated.

use core::fmt::Display;

use crate::types::{ClientId, CounterId, Position, SessionId, StreamId};

/// Label of a counter with key A: `<name>: <registrationId> <sessionId> <streamId> <channel>`.
#[must_use]
pub fn stream_label(
    name: &str,
    registration_id: i64,
    session_id: SessionId,
    stream_id: StreamId,
    channel: &str,
) -> String {
    format!("{name}: {registration_id} {session_id} {stream_id} {channel}")
}

/// Label of a subscriber position: [`stream_label`] and ` @<joinPosition>`.
#[must_use]
pub fn subscriber_position_label(
    registration_id: i64,
    session_id: SessionId,
    stream_id: StreamId,
    channel: &str,
    join_position: Position,
) -> String {
    format!("sub-pos: {registration_id} {session_id} {stream_id} {channel} @{join_position}")
}

/// Label of a counter with key B: `<name>: <channel>`.
#[must_use]
pub fn channel_label(name: &str, channel: &str) -> String {
    format!("{name}: {channel}")
}

/// [`channel_label`] of a channel status once the socket is bound: `<name>: <channel> <address:port>`.
#[must_use]
pub fn bound_channel_label(name: &str, channel: &str, bound: &dyn Display) -> String {
    format!("{name}: {channel} {bound}")
}

/// Label of a counter with key C: `<name>: <channelStatusId> <address:port>`.
#[must_use]
pub fn local_socket_address_label(name: &str, channel_status_id: CounterId, address: &dyn Display) -> String {
    format!("{name}: {channel_status_id} {address}")
}

/// Label of a client's heartbeat as the driver makes it: `client-heartbeat: id=<clientId>`.
#[must_use]
pub fn heartbeat_label(client_id: ClientId) -> String {
    format!("client-heartbeat: id={client_id}")
}

/// What a client appends to the label of its heartbeat: ` name=<name> version=<version> commit=<sha>`.
#[must_use]
pub fn heartbeat_label_suffix(client_name: &str, version: &str, commit: &str) -> String {
    format!(" name={client_name} version={version} commit={commit}")
}

/// What a client calls itself in the label of its heartbeat; `None` where it does not.
#[must_use]
pub fn heartbeat_client_name(label: &str) -> Option<&str> {
    let (_, rest) = label.split_once(" name=")?;
    let name = rest.rsplit_once(" version=").map_or(rest, |(name, _)| name);
    (!name.is_empty()).then_some(name)
}

/// Label of the count of name resolver neighbors.
#[must_use]
pub fn resolver_neighbors_label(bound: &dyn Display) -> String {
    format!("Resolver neighbors: bound {bound}")
}

/// Label of the count of name resolver cache entries.
#[must_use]
pub fn resolver_cache_label(name: &str) -> String {
    format!("Resolver cache entries: name={name}")
}

/// Label of a counter with key F.
#[must_use]
pub fn bootstrap_neighbor_label(name: &str, resolved: &dyn Display) -> String {
    format!("Bootstrap neighbor: name={name} resolved={resolved}")
}

/// Label of a counter with key G.
#[must_use]
pub fn name_entry_label(name: &str, initial_resolution_host: &str, re_resolution_host: &str) -> String {
    format!(
        "NameEntry{{name='{name}', initialResolutionHost='{initial_resolution_host}', reResolutionHost='{re_resolution_host}'}}"
    )
}

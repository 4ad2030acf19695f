//! What the counters say about a channel's sockets. Source: shared-memory spec 5.9, 9.8.

use epona_protocol::{
    counters::{ChannelStatus, CountersReader, LocalSocketAddressKey},
    types::{CounterId, CounterTypeId},
    uri::{ChannelUri, ControlMode, Media},
};

/// State of a channel by its status counter; `None` for a channel without one.
pub(crate) fn channel(counters: &CountersReader, status_id: CounterId) -> Option<ChannelStatus> {
    if status_id == CounterId::NULL {
        return None;
    }
    counters.value(status_id).and_then(ChannelStatus::from_value)
}

/// Addresses that an active channel is bound to.
pub(crate) fn local_addresses(counters: &CountersReader, status_id: CounterId) -> Vec<String> {
    if channel(counters, status_id) != Some(ChannelStatus::Active) {
        return Vec::new();
    }
    counters
        .iter()
        .filter(|counter| {
            counter.type_id == CounterTypeId::LOCAL_SOCKET_ADDRESS
                && counter.value == ChannelStatus::Active.value()
        })
        .filter_map(|counter| {
            let key = LocalSocketAddressKey::decode(&counter.key)?;
            let is_meant = key.channel_status_id == status_id && !key.address.is_empty();
            is_meant.then(|| key.address.into_owned())
        })
        .collect()
}

/// A channel whose endpoint asks for any port, with the port that it got; see
/// [`Subscription::try_resolve_channel_endpoint_port`](crate::Subscription::try_resolve_channel_endpoint_port).
pub(crate) fn resolve_endpoint_port(channel: &str, local_addresses: &[String]) -> Option<String> {
    let unchanged = || Some(String::from(channel));
    let Ok(mut uri) = ChannelUri::parse(channel) else { return unchanged() };
    let asks_for_any_port = uri.endpoint().is_some_and(|endpoint| endpoint.ends_with(":0"));
    if uri.media() != Media::Udp || !asks_for_any_port || uri.control_mode() == ControlMode::Manual {
        return unchanged();
    }
    let resolved = local_addresses.first()?;
    uri.put("endpoint", resolved).ok()?;
    Some(uri.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_resolved_only_where_any_was_asked_for() {
        let bound = [String::from("127.0.0.1:40123")];
        let resolved = resolve_endpoint_port("aeron:udp?endpoint=localhost:0|alias=x", &bound);
        assert_eq!(resolved.as_deref(), Some("aeron:udp?endpoint=127.0.0.1:40123|alias=x"));
        assert_eq!(resolve_endpoint_port("aeron:udp?endpoint=localhost:0", &[]), None);
        for unchanged in [
            "aeron:udp?endpoint=localhost:20121",
            "aeron:ipc",
            "aeron:udp?endpoint=localhost:0|control-mode=manual|control=localhost:1",
            "not a channel",
        ] {
            assert_eq!(resolve_endpoint_port(unchanged, &bound).as_deref(), Some(unchanged));
        }
    }
}

//! Channels as clients write them: every typed getter, and the URI reads the same after it was shown.
#![no_main]

use epona_protocol::uri::{
    ChannelUri,
    address::{HostPort, Interface},
    keys,
    units::{format_duration, format_size, parse_duration, parse_integer, parse_size},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut uri) = ChannelUri::parse_bytes(bytes) else { return };
    assert_eq!(ChannelUri::parse(&uri.to_string()), Ok(uri.clone()));
    for (key, value) in uri.params() {
        let _ = (uri.size(key), uri.duration(key), uri.bool(key), uri.timestamp_offset(key));
        let _ = (uri.i32(key), uri.i64(key), uri.integer_within(key, -1, 255));
        let _ = (HostPort::parse(value), Interface::parse(value), parse_integer(value));
        // Suffixes wrap on the way in, so only what was read can be shown and read again.
        if let Ok(size) = parse_size(value) {
            assert_eq!(parse_size(&format_size(size)), Ok(size));
        }
        if let Ok(duration) = parse_duration(value) {
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
    let _ = (uri.control_mode(), uri.ttl(), uri.channel_tag(), uri.entity_tag(), uri.session_id());
    let _ = (uri.stream_id(), uri.mtu(), uri.term_length(), uri.initial_term_id(), uri.term_id());
    let _ = (uri.term_offset(), uri.max_resend(), uri.response_correlation_id(), uri.group());
    let _ = (uri.group_tag(), uri.socket_tos());
    uri.resolve_wildcard_port(40_123);
    if uri.put(keys::ALIAS, "another").is_ok() {
        assert_eq!(uri.get(keys::ALIAS), Some("another"));
    }
    uri.remove(keys::ENDPOINT);
    assert_eq!(uri.endpoint(), None);
});

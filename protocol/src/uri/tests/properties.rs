//! No panic on any text, and round trips.

use core::time::Duration;

use proptest::prelude::*;

use super::parse;
use crate::uri::{
    address::{HostPort, Interface},
    units::{format_duration, format_size, parse_duration, parse_integer, parse_size},
    *,
};

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,60}", params in "[a-c=|?,:{}\\[\\]/%0-9.x-]{0,60}") {
        for text in [&text, &params] {
            let _ = (parse_size(text), parse_duration(text), parse_integer(text));
            let _ = (HostPort::parse(text), Interface::parse(text), ChannelUri::parse(text));
        }
        let _ = ChannelUri::parse(&format!("aeron:udp?{text}"));
        if let Ok(uri) = ChannelUri::parse(&format!("aeron:udp?tags={params}|session-id={params}|mtu={params}")) {
            let _ = (uri.channel_tag(), uri.entity_tag(), uri.session_id(), uri.mtu());
        }
    }

    #[test]
    fn what_parses_displays_as_the_same_uri(
        is_spy: bool,
        is_ipc: bool,
        params in prop::collection::vec(("[a-d]|endpoint|mtu", "[a-z0-9=?,:]{1,6}"), 0..6),
    ) {
        let mut uri = ChannelUri::new(if is_ipc { Media::Ipc } else { Media::Udp });
        uri.set_spy(is_spy);
        let joined: Vec<_> = params.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let text = format!("{uri}{}{}", if is_ipc && !params.is_empty() { "?" } else { "" }, joined.join("|"));
        let parsed = parse(&text);
        prop_assert_eq!(parsed.to_string(), &*text);
        prop_assert_eq!(parsed.params().count(), params.len());
    }

    #[test]
    fn put_then_get_gives_the_value_and_leaves_the_others(
        params in prop::collection::vec(("[a-c]|ttl", "[a-z]{1,3}"), 0..6),
        key in "[a-c]|ttl",
    ) {
        let joined: Vec<_> = params.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let before = parse(&format!("aeron:ipc?{}", joined.join("|")));
        let mut after = before.clone();
        after.put(&key, "new").unwrap();
        prop_assert_eq!(after.get(&key), Some("new"));
        prop_assert_eq!(after.params().filter(|(name, _)| *name == key).count(), 1);
        let others = |uri: &ChannelUri| -> Vec<(String, String)> {
            uri.params().filter(|(name, _)| *name != key).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
        };
        prop_assert_eq!(others(&before), others(&after));
    }

    #[test]
    fn formatted_units_parse_back(value in 0..=i64::MAX as u64, shift in 0_u32..40) {
        let value = (value >> shift) << shift;
        prop_assert_eq!(parse_size(&format_size(value)), Ok(value));
        let duration = Duration::from_nanos(value);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
}

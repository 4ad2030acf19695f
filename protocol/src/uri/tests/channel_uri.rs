//! Acceptance as in the C driver 1.54.

use super::parse;
use crate::uri::*;

fn syntax_error(uri: &str) -> SyntaxError {
    match ChannelUri::parse(uri) {
        Err(UriError::Syntax { reason, .. }) => reason,
        other => panic!("{uri}: {other:?}"),
    }
}

#[test]
fn parses_medium_prefix_and_parameters_in_order() {
    let uri = parse("aeron-spy:aeron:udp?endpoint=224.10.9.9:40124|unknown=a=b?c|interface=127.0.0.1");
    assert_eq!((uri.media(), uri.is_spy()), (Media::Udp, true));
    assert_eq!(uri.endpoint(), Some("224.10.9.9:40124"));
    assert_eq!(uri.get("unknown"), Some("a=b?c"));
    assert_eq!(uri.params().map(|(key, _)| key).collect::<Vec<_>>(), ["endpoint", "unknown", "interface"]);
    for ipc in ["aeron:ipc", "aeron:ipc?", "aeron:ipc?alias=x"] {
        assert_eq!(parse(ipc).media(), Media::Ipc);
    }
    // Names without a value at the very end are dropped, as is a trailing separator.
    for bare in ["aeron:udp?", "aeron:udp?endpoint"] {
        assert_eq!(parse(bare), ChannelUri::new(Media::Udp));
    }
    assert_eq!(parse("aeron:udp?alias=x|").params().count(), 1);
}

#[test]
fn refuses_what_the_c_driver_refuses() {
    for bad in [
        "",
        "aeron",
        "aeron:",
        "aeron:udp",
        "aeron:udpx?a=b",
        "aeron:ipcx",
        "aeron:tcp?a=b",
        "AERON:ipc",
        "aeron-spy:",
        "aeron-spy:udp?a=b",
        "spy:aeron:ipc",
        " aeron:ipc",
    ] {
        assert_eq!(syntax_error(bad), SyntaxError::SchemeOrMedia, "{bad}");
    }
    for (bad, reason) in [
        ("aeron:udp?=b", SyntaxError::EmptyKey),
        ("aeron:udp?a=b|=c", SyntaxError::EmptyKey),
        ("aeron:udp?a|b=c", SyntaxError::EndOfKey),
        ("aeron:udp?|", SyntaxError::EndOfKey),
        ("aeron:udp?endpoint=|a=b", SyntaxError::EmptyValue { key: "endpoint".to_owned() }),
        ("aeron:udp?endpoint=", SyntaxError::EmptyValue { key: "endpoint".to_owned() }),
    ] {
        assert_eq!(syntax_error(bad), reason, "{bad}");
    }
    assert!(ChannelUri::parse_bytes(b"aeron:ipc?alias=\xff").unwrap_err().is_syntax());
}

#[test]
fn accepts_4095_bytes_and_no_more() {
    let longest = format!("aeron:ipc?alias={}", "x".repeat(MAX_LENGTH - 16));
    assert_eq!(parse(&longest).get(keys::ALIAS).unwrap().len(), MAX_LENGTH - 16);
    assert!(ChannelUri::parse(&format!("{SPY_PREFIX}{longest}")).is_ok());
    assert_eq!(syntax_error(&format!("{longest}x")), SyntaxError::TooLong { length: 4096, max: 4095 });
    let error = ChannelUri::parse(&format!("{longest}x")).unwrap_err().to_string();
    assert!(error.len() < 400 && error.contains("4096") && error.contains("4095"), "{error}");
}

#[test]
fn the_first_duplicate_counts_but_the_last_of_addresses_and_tags() {
    let uri = parse("aeron:udp?mtu=1408|mtu=64|endpoint=a:1|endpoint=b:2|tags=1|tags=2,3");
    assert_eq!(uri.get(keys::MTU), Some("1408"));
    assert_eq!(uri.endpoint(), Some("b:2"));
    assert_eq!((uri.channel_tag(), uri.entity_tag()), (Ok(Some(2)), Ok(Some(3))));
    assert_eq!(parse("aeron:ipc?mtux=64|mt=64").get(keys::MTU), None);
}

#[test]
fn put_replaces_in_place_and_remove_takes_every_occurrence() {
    let mut uri = parse("aeron:udp?endpoint=a:1|mtu=64|endpoint=b:2");
    uri.put("endpoint", "c:3").unwrap();
    uri.put("alias", "x").unwrap();
    assert_eq!(uri.to_string(), "aeron:udp?endpoint=c:3|mtu=64|alias=x");
    let mut uri = parse("aeron:udp?endpoint=a:1|mtu=64|endpoint=b:2");
    assert_eq!(uri.remove("endpoint").as_deref(), Some("b:2"));
    assert_eq!(uri.remove("endpoint"), None);
    assert_eq!(uri.to_string(), "aeron:udp?mtu=64");
    for (key, value) in [("", "x"), ("a=b", "x"), ("a|b", "x"), ("a?b", "x"), ("a", ""), ("a", "x|y")] {
        assert!(uri.put(key, value).unwrap_err().is_syntax(), "{key}={value}");
    }
    assert_eq!(uri.to_string(), "aeron:udp?mtu=64");
}

#[test]
fn a_wildcard_port_gives_way_to_the_one_chosen() {
    let mut uri = parse("aeron:udp?mtu=64|endpoint=localhost:0");
    uri.resolve_wildcard_port(40_123);
    uri.resolve_wildcard_port(50_000);
    assert_eq!(uri.to_string(), "aeron:udp?mtu=64|endpoint=localhost:40123");
}

#[test]
fn names_of_parameters_match_exactly() {
    let uri: ChannelUri = "aeron:udp?endpoints=a:1|ENDPOINT=b:2|endpoin=c:3|mtus=2k|xmtu=4k".parse().unwrap();
    assert_eq!((uri.endpoint(), uri.mtu()), (None, Ok(None)));
    assert_eq!((uri.get("endpoints"), uri.get("xmtu")), (Some("a:1"), Some("4k")));
    assert!(
        "aeron:udp?endpoint=a:1|mtu=".parse::<ChannelUri>().unwrap_err().is_syntax(),
        "the last value is empty"
    );
}

//! Acceptance as in the C driver 1.54, values by type, and round trips.

use core::time::Duration;
use std::net::IpAddr;

use proptest::prelude::*;

use super::{
    address::{Host, HostPort, Interface},
    units::{UnitError, format_duration, format_size, parse_duration, parse_integer, parse_size},
    *,
};
use crate::types::{
    CorrelationId, GroupTag, Mtu, MtuError, Position, SessionId, StreamId, TermId, TermLength,
    TermLengthError,
};

fn parse(uri: &str) -> ChannelUri {
    ChannelUri::parse(uri).unwrap()
}

fn syntax_error(uri: &str) -> SyntaxError {
    match ChannelUri::parse(uri) {
        Err(UriError::Syntax { reason, .. }) => reason,
        other => panic!("{uri}: {other:?}"),
    }
}

fn value_error<T: core::fmt::Debug>(result: Result<T, UriError>) -> ValueError {
    match result {
        Err(UriError::Value { reason, .. }) => reason,
        other => panic!("{other:?}"),
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
    assert_eq!(syntax_error(&format!("{longest}x")), SyntaxError::TooLong { length: 4096 });
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
fn typed_getters_read_what_is_there() {
    let uri = parse(
        "aeron:udp?endpoint=h:1|control-mode=dynamic|ttl=300|tags=,7|mtu=8k|term-length=1G|init-term-id=-5|\
         term-id=0x10|term-offset=64|session-id=tag:42|stream-id=-1|linger=2s|sparse=false|max-resend=256|\
         response-correlation-id=prototype|group=infer|gtag=-9|so-tos=255|rcv-wnd=128k|nak-delay=100|\
         media-rcv-ts-offset=reserved|channel-snd-ts-offset=8",
    );
    assert_eq!(uri.control_mode(), ControlMode::Dynamic);
    assert_eq!(uri.ttl(), Ok(Some(255)));
    assert_eq!((uri.channel_tag(), uri.entity_tag()), (Ok(None), Ok(Some(7))));
    assert_eq!(uri.mtu(), Ok(Some(Mtu::new(8192).unwrap())));
    assert_eq!(uri.term_length(), Ok(Some(TermLength::MAX)));
    assert_eq!(uri.initial_term_id(), Ok(Some(TermId::new(-5))));
    assert_eq!(uri.term_id(), Ok(Some(TermId::new(16))));
    assert_eq!(uri.term_offset(), Ok(Some(64)));
    assert_eq!(uri.session_id(), Ok(Some(SessionIdParam::Tag(42))));
    assert_eq!(uri.stream_id(), Ok(Some(StreamId::new(-1))));
    assert_eq!(uri.duration(keys::LINGER), Ok(Some(Duration::from_secs(2))));
    assert_eq!(uri.bool(keys::SPARSE), Ok(Some(false)));
    assert_eq!(uri.max_resend(), Ok(Some(256)));
    assert_eq!(uri.response_correlation_id(), Ok(Some(ResponseCorrelation::Prototype)));
    assert_eq!(uri.group(), Some(InferableBool::Infer));
    assert_eq!(uri.group_tag(), Ok(Some(GroupTag::new(-9))));
    assert_eq!(uri.socket_tos(), Ok(Some(255)));
    assert_eq!(uri.size(keys::RECEIVER_WINDOW), Ok(Some(131_072)));
    assert_eq!(uri.duration(keys::NAK_DELAY), Ok(Some(Duration::from_nanos(100))));
    assert_eq!(
        uri.timestamp_offset(keys::MEDIA_RECEIVE_TIMESTAMP_OFFSET),
        Ok(Some(TimestampOffset::ReservedValue))
    );
    assert_eq!(
        uri.timestamp_offset(keys::CHANNEL_SEND_TIMESTAMP_OFFSET),
        Ok(Some(TimestampOffset::Payload(8)))
    );
    assert_eq!(uri.bool(keys::EOS), Ok(None));
    assert_eq!(
        parse("aeron:ipc?session-id=-7").session_id(),
        Ok(Some(SessionIdParam::Id(SessionId::new(-7))))
    );
    assert_eq!(parse("aeron:ipc?response-correlation-id=-1").response_correlation_id(), Ok(None));
    assert_eq!(
        parse("aeron:ipc?response-correlation-id=9").response_correlation_id(),
        Ok(Some(ResponseCorrelation::Id(CorrelationId::new(9))))
    );
}

#[test]
fn typed_getters_refuse_values_beyond_their_limits() {
    let uri = |params: &str| parse(&format!("aeron:udp?{params}"));
    assert_eq!(value_error(uri("mtu=1400").mtu()), ValueError::Mtu(MtuError(1400)));
    assert_eq!(value_error(uri("mtu=x").mtu()), ValueError::Unit(UnitError::NotASize));
    assert_eq!(
        value_error(uri("term-length=100k").term_length()),
        ValueError::TermLength(TermLengthError(102_400))
    );
    assert_eq!(value_error(uri("sparse=yes").bool(keys::SPARSE)), ValueError::NotABool);
    assert_eq!(value_error(uri("so-tos=256").socket_tos()), ValueError::OutOfRange { min: 0, max: 255 });
    assert_eq!(value_error(uri("so-tos=-1").socket_tos()), ValueError::OutOfRange { min: 0, max: 255 });
    assert_eq!(value_error(uri("max-resend=0").max_resend()), ValueError::OutOfRange { min: 1, max: 256 });
    assert_eq!(value_error(uri("max-resend=257").max_resend()), ValueError::OutOfRange { min: 1, max: 256 });
    assert_eq!(value_error(uri("session-id=tag:").session_id()), ValueError::NotASessionId);
    assert_eq!(value_error(uri("session-id=2147483648").session_id()), ValueError::NotASessionId);
    assert_eq!(value_error(uri("term-offset=33").term_offset()), ValueError::NotAFrameStart);
    assert!(uri("term-offset=-32").term_offset().is_err());
    assert_eq!(
        value_error(uri("response-correlation-id=-2").response_correlation_id()),
        ValueError::NotAResponseCorrelation
    );
    assert!(!uri("linger=5parsecs").duration(keys::LINGER).unwrap_err().is_syntax());
    for bad_tag in ["-1", "x"] {
        assert!(uri(&format!("tags={bad_tag},5")).channel_tag().unwrap_err().is_syntax());
    }
    let text = uri("mtu=1400").mtu().unwrap_err().to_string();
    assert!(text.contains("mtu=1400") && text.contains("65504"), "{text}");
}

#[test]
fn the_builder_writes_every_parameter() {
    let second = Duration::from_secs(1);
    let uri = ChannelUriBuilder::udp()
        .spy()
        .endpoint("e:1")
        .interface("{lo}")
        .control("c:2")
        .control_mode(ControlMode::Manual)
        .ttl(4)
        .tags(1, Some(2))
        .alias("a b")
        .mtu(Mtu::new(1408).unwrap())
        .session_id(SessionId::new(-3))
        .stream_id(StreamId::new(10))
        .linger(second)
        .publication_window(65_536)
        .sparse(true)
        .eos(false)
        .spies_simulate_connection(true)
        .tagged_flow_control(GroupTag::new(101), Some(2), Some(Duration::from_millis(500)))
        .max_resend(8)
        .response_correlation_id(CorrelationId::new(5))
        .response_endpoint("r:3")
        .reliable(false)
        .congestion_control("cubic")
        .receiver_window(131_072)
        .nak_delay(Duration::from_micros(1500))
        .tether(false)
        .rejoin(false)
        .group(InferableBool::True)
        .group_tag(GroupTag::new(101))
        .socket_send_buffer(1)
        .socket_receive_buffer(2)
        .socket_tos(3)
        .ats(false)
        .untethered_window_limit_timeout(second)
        .untethered_linger_timeout(second)
        .untethered_resting_timeout(second)
        .media_receive_timestamp_offset(TimestampOffset::ReservedValue)
        .channel_receive_timestamp_offset(TimestampOffset::Payload(0))
        .channel_send_timestamp_offset(TimestampOffset::Payload(8))
        .initial_position(Position::new(65_536 * 2 + 96), TermId::new(i32::MAX), TermLength::MIN)
        .build()
        .unwrap();
    let text = "aeron-spy:aeron:udp?endpoint=e:1|interface={lo}|control=c:2|control-mode=manual|ttl=4|tags=1,2|\
        alias=a b|mtu=1408|session-id=-3|stream-id=10|linger=1s|pub-wnd=65536|sparse=true|eos=false|ssc=true|\
        fc=tagged,g:101/2,t:500ms|max-resend=8|response-correlation-id=5|response-endpoint=r:3|reliable=false|\
        cc=cubic|rcv-wnd=131072|nak-delay=1500us|tether=false|rejoin=false|group=true|gtag=101|so-sndbuf=1|\
        so-rcvbuf=2|so-tos=3|ats=false|untethered-window-limit-timeout=1s|untethered-linger-timeout=1s|\
        untethered-resting-timeout=1s|media-rcv-ts-offset=reserved|channel-rcv-ts-offset=0|\
        channel-snd-ts-offset=8|term-length=65536|init-term-id=2147483647|term-id=-2147483647|term-offset=96";
    assert_eq!(uri.to_string(), text);
    assert_eq!(parse(text), uri);
}

#[test]
fn the_builder_writes_the_variants_of_a_parameter() {
    let ipc = ChannelUriBuilder::ipc;
    for (builder, text) in [
        (ipc(), "aeron:ipc"),
        (ipc().tags(5, None), "aeron:ipc?tags=5"),
        (ipc().control_mode(ControlMode::Response).control_mode(ControlMode::None), "aeron:ipc"),
        (ipc().session_id_param(SessionIdParam::Tag(4)), "aeron:ipc?session-id=tag:4"),
        (
            ipc().response_correlation(ResponseCorrelation::Prototype),
            "aeron:ipc?response-correlation-id=prototype",
        ),
        (ipc().min_flow_control(None, None), "aeron:ipc?fc=min"),
        (ipc().min_flow_control(Some(3), Some(Duration::from_secs(10))), "aeron:ipc?fc=min,g:/3,t:10s"),
        (ipc().tagged_flow_control(GroupTag::new(-5), None, None), "aeron:ipc?fc=tagged,g:-5"),
        (ipc().flow_control("max,rrwm:8"), "aeron:ipc?fc=max,rrwm:8"),
        (ipc().mtu(Mtu::new(64).unwrap()).mtu(Mtu::new(96).unwrap()), "aeron:ipc?mtu=96"),
        (parse("aeron:ipc?alias=x").into(), "aeron:ipc?alias=x"),
    ] {
        assert_eq!(builder.build().unwrap().to_string(), text);
    }
    assert_eq!(ChannelUriBuilder::udp().build().unwrap().to_string(), "aeron:udp?");
}

#[test]
fn the_builder_reports_the_first_unusable_value() {
    let error = ChannelUriBuilder::udp().alias("a|b").endpoint("").build().unwrap_err();
    assert!(error.to_string().contains("'a|b'"), "{error}");
    for position in [-32, 33] {
        let builder = ChannelUriBuilder::ipc().initial_position(
            Position::new(position),
            TermId::new(0),
            TermLength::MIN,
        );
        assert_eq!(value_error(builder.build()), ValueError::NotAFrameStart);
    }
    assert!(ChannelUriBuilder::ipc().alias(&"x".repeat(5000)).build().unwrap_err().is_syntax());
}

#[test]
fn sizes_take_binary_suffixes_of_either_case() {
    for (text, size) in [
        ("0", 0),
        ("1408", 1408),
        ("64k", 65_536),
        ("2K", 2048),
        ("16m", 16 << 20),
        ("1G", 1 << 30),
        ("9007199254740991k", 9_007_199_254_740_991 * 1024),
        ("8589934591g", 8_589_934_591 << 30),
    ] {
        assert_eq!(parse_size(text), Ok(size), "{text}");
    }
    for bad in ["", "k", "-1", "+1", " 1", "1 k", "64kb", "1t", "0x10", "1.5m"] {
        assert_eq!(parse_size(bad), Err(UnitError::NotASize), "{bad}");
    }
    for large in ["9007199254740992k", "8589934592g", "9223372036854775808", "99999999999999999999"] {
        assert_eq!(parse_size(large), Err(UnitError::SizeTooLarge), "{large}");
    }
    for (size, text) in
        [(0, "0"), (1408, "1408"), (65_536, "64k"), (3 << 20, "3m"), (1 << 30, "1g"), (1536, "1536")]
    {
        assert_eq!(format_size(size), text);
    }
}

#[test]
fn durations_take_suffixes_and_default_to_nanoseconds() {
    for (text, nanos) in [
        ("0", 0),
        ("1000", 1000),
        ("7ns", 7),
        ("5us", 5000),
        ("5US", 5000),
        ("100ms", 100_000_000),
        ("5s", 5_000_000_000),
        ("9223372037s", i64::MAX as u64),
        ("99999999999999999999", i64::MAX as u64),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
    for bad in ["", "s", "-1s", "5 s", "5m", "5u", "5sec", "5h", "1.5s"] {
        assert_eq!(parse_duration(bad), Err(UnitError::NotADuration), "{bad}");
    }
    for (nanos, text) in
        [(0, "0ns"), (999, "999ns"), (1_500_000, "1500us"), (100_000_000, "100ms"), (5_000_000_000, "5s")]
    {
        assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
    }
}

#[test]
fn integers_are_read_as_in_c() {
    for (text, value) in [
        ("0", 0),
        ("-5", -5),
        ("+5", 5),
        ("0x1F", 31),
        ("-0x10", -16),
        ("017", 15),
        ("00", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(parse_integer(text), Ok(value), "{text}");
    }
    for bad in ["", "-", "--5", "0x", "0x-1", "08", "5x", " 5", "1e3", "five"] {
        assert_eq!(parse_integer(bad), Err(UnitError::NotAnInteger), "{bad}");
    }
    for large in ["9223372036854775808", "-9223372036854775809", "0x1ffffffffffffffff"] {
        assert_eq!(parse_integer(large), Err(UnitError::IntegerTooLarge), "{large}");
    }
}

fn address(text: &str) -> Host<'static> {
    Host::Address(text.parse::<IpAddr>().unwrap())
}

#[test]
fn hosts_and_ports_come_apart() {
    for (text, host, port) in [
        ("127.0.0.1:40123", address("127.0.0.1"), 40_123),
        ("[::1]:0", address("::1"), 0),
        ("[fe80::1%eth0]:65535", address("fe80::1"), 65_535),
        ("some.host:24", Host::Name("some.host"), 24),
        ("256.0.0.1:1", Host::Name("256.0.0.1"), 1),
    ] {
        assert_eq!(HostPort::parse(text), Ok(HostPort { host, port }), "{text}");
    }
    for bad in [
        "",
        ":",
        ":1",
        "host",
        "host:",
        "host:x",
        "host:-1",
        "host:+1",
        "host:65536",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1",
        "[]:1",
    ] {
        let error = HostPort::parse(bad).unwrap_err();
        assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
    }
    for text in ["[::1]:5", "10.0.0.1:0", "name:7"] {
        assert_eq!(HostPort::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn interfaces_come_apart() {
    let at = |host, port, prefix| Interface::Address { host, port, prefix };
    for (text, interface) in [
        ("127.0.0.1", at(address("127.0.0.1"), 0, None)),
        ("127.0.0.0/24", at(address("127.0.0.0"), 0, Some(24))),
        ("192.168.1.1:4000/0", at(address("192.168.1.1"), 4000, Some(0))),
        ("[::1]:1234/48", at(address("::1"), 1234, Some(48))),
        ("[fe80::1%lo]/128", at(address("fe80::1"), 0, Some(128))),
        ("localhost/", at(Host::Name("localhost"), 0, None)),
        ("{eth0}", Interface::Named { name: "eth0", port: 0 }),
        ("{fifteen-letters}:99", Interface::Named { name: "fifteen-letters", port: 99 }),
    ] {
        assert_eq!(Interface::parse(text), Ok(interface), "{text}");
    }
    for bad in [
        "",
        "/24",
        "1.2.3.4/33",
        "[::1]/129",
        "[::1]/999",
        "1.2.3.4/x",
        "1.2.3.4:",
        "1.2.3.4:x",
        "{}",
        "{eth0",
        "{eth0}x",
        "{eth0}:",
        "{sixteen--letters}",
        "{eth0}:123456",
        "[::1]x",
    ] {
        assert!(Interface::parse(bad).is_err(), "{bad}");
    }
}

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

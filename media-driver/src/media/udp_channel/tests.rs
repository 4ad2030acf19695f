use std::net::IpAddr;

use epona_protocol::command::ErrorCode;

use super::*;
use crate::{
    config::Network,
    media::{Affinity, address::Identity},
    name_resolution::{DefaultNameResolver, NameQuery, NameResolver, ResolutionError},
};

/// Knows `localhost` and hosts that carry their address in their name; asks no network.
#[derive(Debug)]
struct Names;

impl NameResolver for Names {
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        let known = match query.name {
            "localhost" => Some("127.0.0.1"),
            "ip6-localhost" => Some("::1"),
            name => name.strip_prefix("host-"),
        };
        known.and_then(|text| text.parse().ok()).ok_or_else(|| ResolutionError::UnknownHost {
            parameter: query.parameter.into(),
            name: query.name.into(),
            reason: "no such host".into(),
        })
    }
}

fn resolver() -> ChannelResolver {
    ChannelResolver::new(Box::new(Names))
}

fn resolve(text: &str) -> Result<UdpChannel, ChannelError> {
    resolver().resolve(text, ChannelPurpose::Endpoint)
}

fn channel(params: &str) -> UdpChannel {
    resolve(&format!("aeron:udp?{params}")).unwrap_or_else(|error| panic!("{error}"))
}

fn has_ipv6() -> bool {
    let available = std::net::UdpSocket::bind("[::1]:0").is_ok();
    if !available {
        eprintln!("skipped: there is no IPv6 loopback interface on this machine");
    }
    available
}

/// local, remote data, remote control.
fn addresses(params: &str) -> [String; 3] {
    let channel = channel(params);
    [channel.local(), channel.remote_data(), channel.remote_control()]
        .map(|found| Identity(found).to_string())
}

#[test]
fn unicast_addresses_come_from_interface_and_endpoint() {
    for (params, local, remote) in [
        ("endpoint=localhost:40124", "0.0.0.0:0", "127.0.0.1:40124"),
        ("interface=localhost:40123|endpoint=localhost:40124", "127.0.0.1:40123", "127.0.0.1:40124"),
        ("interface=localhost|endpoint=localhost:40124", "127.0.0.1:0", "127.0.0.1:40124"),
        ("interface=0.0.0.0|endpoint=localhost:40124", "0.0.0.0:0", "127.0.0.1:40124"),
        ("interface=0.0.0.0:9/8|endpoint=localhost:40124", "0.0.0.0:9", "127.0.0.1:40124"),
        ("interface=[::]|endpoint=[::1]:40124", "[::]:0", "[::1]:40124"),
        ("endpoint=[::1]:40124", "[::]:0", "[::1]:40124"),
        ("endpoint=host-10.1.2.3:5", "0.0.0.0:0", "10.1.2.3:5"),
        ("control=10.0.0.1:7|endpoint=10.0.0.2:8", "10.0.0.1:7", "10.0.0.2:8"),
        ("control=10.0.0.1:7|control-mode=dynamic", "10.0.0.1:7", "0.0.0.0:0"),
        ("control=[::1]:7|control-mode=dynamic", "[::1]:7", "[::]:0"),
        ("control-mode=manual", "0.0.0.0:0", "0.0.0.0:0"),
        ("tags=5", "0.0.0.0:0", "0.0.0.0:0"),
    ] {
        assert_eq!(addresses(params), [local, remote, remote], "{params}");
        let channel = channel(params);
        assert!(!channel.is_multicast(), "{params}");
        assert_eq!(channel.has_explicit_endpoint(), params.contains("endpoint="), "{params}");
        assert_eq!(channel.has_explicit_control(), params.contains("control="), "{params}");
    }
}

#[test]
fn a_multicast_channel_has_a_control_group_an_interface_and_a_ttl() {
    let params = "interface=localhost|endpoint=224.10.9.9:40124|ttl=9";
    assert_eq!(addresses(params), ["127.0.0.1:0", "224.10.9.9:40124", "224.10.9.10:40124"]);
    let channel = channel(params);
    assert!(channel.is_multicast() && channel.has_group_semantics() && channel.interface_index() > 0);
    assert_eq!(channel.ttl(), 9);
    assert_eq!(resolve("aeron:udp?interface=localhost|endpoint=224.10.9.9:1|ttl=300").unwrap().ttl(), 255);
    let with_control = "aeron:udp?interface=localhost|endpoint=224.0.1.1:40124|control=127.0.0.1:40124";
    assert!(!resolve(with_control).unwrap().has_explicit_control(), "a group has its control group");
}

#[test]
fn canonical_forms_are_those_of_aeron() {
    for (params, form) in [
        ("endpoint=192.168.0.1:20000", "UDP-0.0.0.0:0-192.168.0.1:20000"),
        ("interface=127.0.0.1|endpoint=192.168.0.1:20000", "UDP-127.0.0.1:0-192.168.0.1:20000"),
        ("interface=127.0.0.1:40455|endpoint=192.168.0.1:20000", "UDP-127.0.0.1:40455-192.168.0.1:20000"),
        ("interface=localhost|endpoint=localhost:20000", "UDP-127.0.0.1:0-localhost:20000"),
        ("interface=127.0.0.1:40455|endpoint=[fe80::5246]:20000", "UDP-127.0.0.1:40455-[fe80::5246]:20000"),
        ("interface=127.0.0.1:40455|endpoint=224.0.1.1:20000", "UDP-127.0.0.1:40455-224.0.1.1:20000"),
        ("interface=localhost|endpoint=224.0.1.1:20000", "UDP-127.0.0.1:0-224.0.1.1:20000"),
        ("interface=127.0.0.0:40455/29|endpoint=224.0.1.1:20000", "UDP-127.0.0.1:40455-224.0.1.1:20000"),
        ("interface=localhost/29|endpoint=224.0.1.1:20000", "UDP-127.0.0.1:0-224.0.1.1:20000"),
        ("interface=localhost|endpoint=host-224.0.1.1:4|control=localhost:4", "UDP-127.0.0.1:0-224.0.1.1:4"),
        ("control=localhost:1|endpoint=host-10.0.0.1:2", "UDP-localhost:1-host-10.0.0.1:2"),
        ("control=localhost:1|control-mode=dynamic", "UDP-localhost:1-0.0.0.0:0"),
        ("control=[::1]:1|control-mode=dynamic", "UDP-[::1]:1-[::]:0"),
        ("tags=1001|endpoint=127.0.0.1:0", "UDP-0.0.0.0:0-127.0.0.1:0#1001"),
        ("tags=1001|endpoint=127.0.0.1:9999|control=127.0.0.1:0", "UDP-127.0.0.1:0-127.0.0.1:9999#1001"),
        ("tags=1001|endpoint=[::1]:0", "UDP-[::]:0-[::1]:0#1001"),
        ("tags=1001,7", "UDP-0.0.0.0:0-0.0.0.0:0#1001"),
        ("tags=1001|endpoint=localhost:5", "UDP-0.0.0.0:0-localhost:5"),
        ("endpoint=127.0.0.1:0", "UDP-0.0.0.0:0-127.0.0.1:0-0"),
        ("endpoint=127.0.0.1:9999|control=127.0.0.1:0", "UDP-127.0.0.1:0-127.0.0.1:9999-0"),
        ("control-mode=manual", "UDP-0.0.0.0:0-0.0.0.0:0-0"),
    ] {
        assert_eq!(channel(params).canonical_form(), form, "{params}");
    }
}

#[test]
fn canonical_forms_of_ipv6_groups_print_addresses_in_brackets() {
    if !has_ipv6() {
        return;
    }
    for (params, form) in [
        ("interface=[::1]|endpoint=[FF01::FD]:20000", "UDP-[::1]:0-[ff01::fd]:20000"),
        ("interface=[::1]:54321/64|endpoint=[FF01::FD]:20000", "UDP-[::1]:54321-[ff01::fd]:20000"),
        ("endpoint=192.168.0.1:20000|interface=[::1]", "UDP-[::1]:0-192.168.0.1:20000"),
    ] {
        assert_eq!(channel(params).canonical_form(), form, "{params}");
    }
}

#[test]
fn channels_that_leave_a_port_open_are_numbered_unless_they_are_destinations() {
    let mut resolver = resolver();
    let mut form = |purpose| {
        resolver.resolve("aeron:udp?endpoint=127.0.0.1:0", purpose).unwrap().canonical_form().to_owned()
    };
    assert_eq!(form(ChannelPurpose::Endpoint), "UDP-0.0.0.0:0-127.0.0.1:0-0");
    assert_eq!(form(ChannelPurpose::Destination), "UDP-0.0.0.0:0-127.0.0.1:0");
    assert_eq!(form(ChannelPurpose::Endpoint), "UDP-0.0.0.0:0-127.0.0.1:0-1");
}

#[test]
fn errors_carry_the_codes_that_aeron_gives() {
    use ErrorCode::{GenericError, InvalidChannel, UnknownHost};
    for (text, code, part) in [
        ("unknownudp://localhost:40124", InvalidChannel, "invalid channel"),
        ("aeron:udp", InvalidChannel, "invalid channel"),
        ("aeron:udp?endpoint=", InvalidChannel, "invalid channel"),
        ("aeron:ipc", InvalidChannel, "must use UDP URIs"),
        ("aeron:udp?control-mode=dynamic", InvalidChannel, "explicit control expected"),
        ("aeron:udp?mtu=1408", InvalidChannel, "must specify endpoint"),
        ("aeron:udp?interface=localhost", InvalidChannel, "must specify endpoint"),
        ("aeron:udp?control-mode=whatever", InvalidChannel, "must specify endpoint"),
        ("aeron:udp?endpoint=localhost:1|tags=abc", InvalidChannel, "channel tag"),
        (
            "aeron:udp?endpoint=nowhere:1",
            UnknownHost,
            "unresolved - endpoint=nowhere: Unable to resolve host: ",
        ),
        (
            "aeron:udp?endpoint=localhost:1|control=nowhere:1",
            UnknownHost,
            "unresolved - control=nowhere: Unable to resolve host: ",
        ),
        ("aeron:udp?endpoint=localhost:1|interface=nowhere", UnknownHost, "interface=nowhere"),
        ("aeron:udp?endpoint=localhost", GenericError, "port"),
        ("aeron:udp?endpoint=localhost:x", GenericError, "port"),
        ("aeron:udp?endpoint=localhost:65536", GenericError, "port"),
        ("aeron:udp?endpoint=224.10.9.8:40124", GenericError, "must be odd"),
        (
            "aeron:udp?endpoint=localhost:1|interface=172.31.255.1",
            GenericError,
            "could not find matching interface",
        ),
        ("aeron:udp?endpoint=localhost:1|interface={nope0}", GenericError, "unknown interface nope0"),
        ("aeron:udp?endpoint=localhost:1|interface={}", GenericError, "interface"),
        ("aeron:udp?endpoint=localhost:1|ats=maybe", GenericError, "ats=maybe"),
        ("aeron:udp?endpoint=localhost:1|so-sndbuf=x", GenericError, "so-sndbuf=x"),
        ("aeron:udp?endpoint=localhost:1|so-rcvbuf=-1", GenericError, "so-rcvbuf=-1"),
        ("aeron:udp?endpoint=localhost:1|so-tos=256", GenericError, "so-tos=256"),
        ("aeron:udp?endpoint=localhost:1|so-tos=-1", GenericError, "so-tos=-1"),
        ("aeron:udp?endpoint=localhost:1|rcv-wnd=1q", GenericError, "rcv-wnd=1q"),
        ("aeron:udp?endpoint=localhost:1|channel-snd-ts-offset=x", GenericError, "channel-snd-ts-offset=x"),
    ] {
        let error = resolve(text).expect_err(text);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(part) && error.to_string().contains(text), "{error}");
    }
}

#[test]
fn timestamps_closer_than_eight_bytes_are_refused() {
    let offsets = |params: &str| resolve(&format!("aeron:udp?endpoint=localhost:0|{params}"));
    let found = offsets("media-rcv-ts-offset=reserved|channel-snd-ts-offset=0|channel-rcv-ts-offset=8");
    let expected = TimestampOffsets {
        media_receive: Some(TimestampOffset::ReservedValue),
        channel_receive: Some(TimestampOffset::Payload(8)),
        channel_send: Some(TimestampOffset::Payload(0)),
    };
    assert_eq!(found.unwrap().timestamps(), expected);
    for (params, overlap) in [
        ("media-rcv-ts-offset=2|channel-rcv-ts-offset=9", "media-rcv-ts-offset and channel-rcv-ts-offset"),
        ("media-rcv-ts-offset=14|channel-snd-ts-offset=19", "media-rcv-ts-offset and channel-snd-ts-offset"),
        (
            "channel-snd-ts-offset=3|channel-rcv-ts-offset=10",
            "channel-rcv-ts-offset and channel-snd-ts-offset",
        ),
    ] {
        let error = offsets(params).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{overlap} overlap")), "{error}");
    }
}

#[test]
fn socket_parameters_are_read_and_win_over_the_configuration() {
    let network = Network { traffic_class: Some(1), multicast_ttl: 3, ..Network::default() };
    let given = channel("endpoint=localhost:1|so-sndbuf=8k|so-rcvbuf=4k|so-tos=184|rcv-wnd=2k|ats=false");
    assert_eq!((given.send_buffer(), given.receive_buffer(), given.receiver_window()), (8192, 4096, 2048));
    assert_eq!((given.traffic_class(), given.ats()), (Some(184), Some(false)));
    let bare = channel("endpoint=localhost:1");
    let effective = |channel: &UdpChannel| {
        (
            channel.effective_send_buffer(&network),
            channel.effective_receive_buffer(&network),
            channel.effective_receiver_window(&network),
            channel.effective_traffic_class(&network),
        )
    };
    assert_eq!(effective(&given), (8192, 4096, 2048, Some(184)));
    assert_eq!(effective(&bare), (0, 128 << 10, 128 << 10, Some(1)));
}

#[test]
fn sender_sockets_connect_to_a_sole_explicit_endpoint_only() {
    let network = Network::default();
    let connect = |params: &str, network: &Network| {
        let channel = channel(params);
        channel.send_spec(network, channel.send_bind()).connect.map(|peer| peer.to_string())
    };
    assert_eq!(connect("endpoint=localhost:5", &network).as_deref(), Some("127.0.0.1:5"));
    assert_eq!(connect("endpoint=localhost:5|control=localhost:6", &network).as_deref(), Some("127.0.0.1:5"));
    assert_eq!(connect("control=localhost:5|control-mode=dynamic", &network), None);
    assert_eq!(connect("control-mode=manual|endpoint=localhost:5", &network), None);
    assert_eq!(connect("control=localhost:5|control-mode=response", &network), None);
    let off = Network { connect_sockets: false, ..network };
    assert_eq!(connect("endpoint=localhost:5", &off), None);
}

#[test]
fn sockets_bind_where_the_wire_specification_says() {
    let network = Network::default();
    let group = channel("interface=localhost|endpoint=224.10.9.9:40124|ttl=2");
    let spec = group.send_spec(&network, group.send_bind());
    assert_eq!((spec.affinity, spec.bind.to_string()), (Affinity::Sender, "224.10.9.10:40124".into()));
    let multicast = spec.multicast.unwrap();
    assert_eq!(
        (multicast.group, multicast.interface.to_string(), multicast.ttl),
        (spec.bind, "127.0.0.1:0".into(), 2)
    );
    let spec = group.receive_spec(&group, &network, group.receive_bind());
    assert_eq!((spec.bind.to_string(), spec.connect), ("224.10.9.9:40124".into(), None));

    let control = channel("control=10.0.0.1:7|endpoint=10.0.0.2:8");
    assert_eq!(control.send_bind().to_string(), "10.0.0.1:7");
    assert_eq!(control.receive_bind().to_string(), "10.0.0.2:8");
}

#[test]
fn destinations_inherit_socket_parameters_of_their_subscription() {
    let endpoint = channel("control-mode=manual|so-rcvbuf=8k|so-sndbuf=4k|so-tos=7|media-rcv-ts-offset=0");
    let destination = channel("endpoint=localhost:5|so-rcvbuf=1m");
    let spec = destination.receive_spec(&endpoint, &Network::default(), destination.receive_bind());
    assert_eq!((spec.receive_buffer, spec.send_buffer, spec.traffic_class), (8192, 4096, Some(7)));
    assert!(spec.media_timestamps);
}

#[test]
fn equal_tags_mean_equal_channels_or_an_error() {
    let existing = channel("tags=1|control=127.0.0.1:5|endpoint=127.0.0.1:6|control-mode=dynamic");
    let matches =
        |params: &str| channel(params).matches_tag(&existing, None, None).map_err(|error| error.to_string());
    assert_eq!(matches("tags=2"), Ok(false));
    assert_eq!(matches("endpoint=127.0.0.1:6"), Ok(false), "no tag");
    assert_eq!(matches("tags=1"), Ok(true), "all wildcard");
    assert_eq!(matches("tags=1|control=127.0.0.1:5|endpoint=127.0.0.1:6"), Ok(true));
    let error = matches("tags=1|control-mode=manual").unwrap_err();
    assert!(error.contains("matching tag 1 has mismatched control-mode"), "{error}");
    let error = matches("tags=1|endpoint=127.0.0.1:7").unwrap_err();
    assert!(error.contains("mismatched endpoint or control"), "{error}");
    let moved = channel("tags=1|control=127.0.0.1:5|endpoint=127.0.0.1:9");
    let now = Some("127.0.0.1:9".parse().unwrap());
    assert_eq!(moved.matches_tag(&existing, None, now), Ok(true), "the current address counts");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_resolver_panic(
        keys in proptest::collection::vec(0..12_usize, 1..4),
        values in proptest::collection::vec("[\\[\\]{}0-9a-fx:./%,-]{0,12}", 4),
        junk in ".{0,40}",
    ) {
        const KEYS: [&str; 12] = [
            "endpoint", "interface", "control", "control-mode", "tags", "ttl", "so-tos", "so-rcvbuf", "rcv-wnd", "ats",
            "channel-snd-ts-offset", "media-rcv-ts-offset",
        ];
        let params: Vec<_> = keys.iter().zip(&values).map(|(key, value)| format!("{}={value}", KEYS[*key])).collect();
        let _ = resolve(&format!("aeron:udp?{}", params.join("|")));
        let _ = resolve(&format!("aeron:udp?endpoint=127.0.0.1:1|{}", params.join("|")));
        let _ = resolve(&junk);
    }
}

#[test]
fn names_of_the_operating_system_resolve() {
    let mut resolver = ChannelResolver::new(Box::new(DefaultNameResolver));
    let channel =
        resolver.resolve("aeron-spy:aeron:udp?endpoint=localhost:7", ChannelPurpose::Endpoint).unwrap();
    assert_eq!(channel.remote_data().to_string(), "127.0.0.1:7");
    assert!(channel.uri().is_spy());
    let query = NameQuery { name: "localhost:8", parameter: "endpoint", is_re_resolution: true };
    assert_eq!(resolver.resolve_address(query).unwrap().to_string(), "127.0.0.1:8");
}

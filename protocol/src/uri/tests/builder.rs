//! What the builder writes and refuses.

use core::time::Duration;

use super::{parse, value_error};
use crate::{
    types::{GroupTag, Mtu, Position, RegistrationId, SessionId, StreamId, TermId, TermLength},
    uri::*,
};

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
        .response_correlation_id(RegistrationId::new(5))
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

//! Values by type, and their limits.

use core::time::Duration;

use super::{parse, value_error};
use crate::{
    types::{
        CorrelationId, GroupTag, Mtu, MtuError, SessionId, StreamId, TermId, TermLength, TermLengthError,
    },
    uri::{units::UnitError, *},
};

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

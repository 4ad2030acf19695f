//! The bytes of the spec and of the Aeron C driver and client.

use epona_protocol::{
    logbuffer::{
        LogBuffers, LogKind, LogMetadata, LogParameters, PageSize, RawTail, SocketBuffer,
        appender::{ConcurrentAppender, ExclusiveAppender},
        descriptor::{file_length, fragmented_length},
    },
    memory::AtomicView,
    types::{Mtu, RegistrationId, SessionId, StreamId, TermId, TermLength},
};

use crate::support::{FAR, MTU, at, bytes_of, log, log_near_end, parameters};

const SPEC_METADATA: &str = "
    00 00 00 00 78 56 34 12 00 00 00 00 76 56 34 12 00 00 00 00 77 56 34 12 00 00 00 00 00 00 00 00";
const SPEC_METADATA_FROM_256: &str = "
    07 00 00 00 00 00 00 00 78 56 34 12 20 00 00 00 80 05 00 00 00 00 01 00 00 10 00 00 00 80 00 00
    00 00 00 00 00 00 00 00 00 40 03 00 00 40 03 00 00 00 00 00 00 40 03 00 00 40 03 00 10 00 00 00
    00 00 00 00 00 c0 01 00 00 00 00 00 ef be ad de e9 03 00 00 78 56 34 12 00 00 00 00 00 00 00 00";
const SPEC_METADATA_FROM_448: &str = "
    ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff 00 f2 05 2a 01 00 00 00 00 f2 05 2a 01 00 00 00
    00 e4 0b 54 02 00 00 00 00 00 00 00 01 01 00 00 00 01 00 00 ff ff ff ff ff ff ff ff 00 00 00 00";

/// What the golden driver gives every publication.
fn golden_parameters(kind: LogKind) -> LogParameters {
    let mtu = Mtu::new(i64::from(MTU)).unwrap();
    LogParameters {
        publication_window_length: 32_768,
        send_buffer: SocketBuffer { os_default: 212_992, ..SocketBuffer::default() },
        receive_buffer: SocketBuffer { os_default: 212_992, ..SocketBuffer::default() },
        linger_timeout_ns: 5_000_000_000,
        untethered_window_limit_timeout_ns: 5_000_000_000,
        untethered_linger_timeout_ns: 5_000_000_000,
        untethered_resting_timeout_ns: 10_000_000_000,
        sparse: true,
        signal_eos: true,
        ..LogParameters::new(kind, RegistrationId::new(2), mtu, TermLength::MIN)
    }
}

fn metadata_bytes(metadata: &LogMetadata) -> Vec<u8> {
    metadata.view().to_vec(0, 4096)
}

fn assert_metadata(log: &LogBuffers, golden: &str) {
    let bytes = metadata_bytes(log.metadata());
    for (line, (ours, theirs)) in bytes.chunks(16).zip(bytes_of(golden).chunks(16)).enumerate() {
        assert_eq!(ours, theirs, "at {}", line * 16);
    }
    assert!(bytes[512..].iter().all(|byte| *byte == 0));
}

#[test]
fn metadata_of_a_new_log_matches_the_spec() {
    let view = AtomicView::allocate(4096);
    let metadata = LogMetadata::over(view);
    let buffer = SocketBuffer { length: 0, os_default: 212_992, os_max: 212_992 };
    let parameters = LogParameters {
        initial_term_id: TermId::new(0x1234_5678),
        publication_window_length: 32_768,
        send_buffer: buffer,
        receive_buffer: buffer,
        max_resend: 16,
        linger_timeout_ns: 5_000_000_000,
        untethered_window_limit_timeout_ns: 5_000_000_000,
        untethered_linger_timeout_ns: -1,
        untethered_resting_timeout_ns: 10_000_000_000,
        sparse: true,
        signal_eos: true,
        ..parameters(LogKind::ExclusivePublication)
    };
    parameters.initialise(&metadata);
    let mut expected = bytes_of(SPEC_METADATA);
    expected.resize(128, 0);
    expected.extend(i64::MAX.to_le_bytes());
    expected.resize(256, 0);
    expected.extend(bytes_of(SPEC_METADATA_FROM_256));
    expected.resize(448, 0);
    expected.extend(bytes_of(SPEC_METADATA_FROM_448));
    expected.resize(4096, 0);
    assert_eq!(metadata_bytes(&metadata), expected);
}

#[test]
fn metadata_reads_back_what_was_written() {
    let metadata = log().metadata().clone();
    assert_eq!(metadata.kind(), Some(LogKind::ConcurrentPublication));
    assert_eq!(metadata.registration_id(), RegistrationId::new(7));
    assert_eq!(metadata.mtu().unwrap().get(), MTU);
    assert_eq!(metadata.term_length(), Ok(TermLength::MIN));
    assert_eq!(metadata.page_size(), Ok(PageSize::MIN));
    assert_eq!((metadata.entity_tag(), metadata.response_correlation_id()), (-1, -1));
    assert!(!metadata.is_connected() && !metadata.is_revoked());
    assert_eq!(metadata.end_of_stream_position(), FAR);
    metadata.set_connected(true);
    metadata.set_revoked();
    metadata.set_active_transport_count(2);
    metadata.set_end_of_stream_position(log().producer_position());
    assert!(metadata.is_connected() && metadata.is_revoked());
    assert_eq!((metadata.active_transport_count(), metadata.end_of_stream_position().get()), (2, 0));
}

#[test]
fn the_udp_publication_of_the_c_driver_is_reproduced_byte_for_byte() {
    let log = LogBuffers::on_heap(&LogParameters {
        session_id: SessionId::new(1_000_001),
        stream_id: StreamId::new(1001),
        initial_term_id: TermId::new(100),
        ..golden_parameters(LogKind::ConcurrentPublication)
    });
    let appender = ConcurrentAppender::new(log.clone()).unwrap();
    for length in [0_usize, 100, 1376, 3000] {
        let message: Vec<u8> = (0..length).map(|index| index as u8).collect();
        appender.offer(&message, FAR).unwrap();
    }
    log.metadata().set_connected(true);
    let golden = bytes_of(include_str!("../golden/term-udp-publication.hex"));
    assert_eq!(log.term(0).to_vec(0, golden.len()), golden);
    assert_metadata(&log, include_str!("../golden/log-metadata-udp-publication.hex"));
    assert_eq!(appender.position().get(), 4704);
}

#[test]
fn the_exclusive_ipc_publication_of_the_c_driver_is_reproduced_byte_for_byte() {
    let log = LogBuffers::on_heap(&LogParameters {
        registration_id: RegistrationId::new(4),
        session_id: SessionId::new(-1_574_918_258),
        stream_id: StreamId::new(1002),
        initial_term_id: TermId::new(616_456_083),
        ..golden_parameters(LogKind::ExclusivePublication)
    });
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    for length in [16_usize, 100, 5000] {
        let message: Vec<u8> = (0..length).map(|index| (index * 3) as u8).collect();
        appender.offer(&message, FAR).unwrap();
    }
    log.metadata().set_connected(true);
    let golden = bytes_of(include_str!("../golden/term-ipc-publication.hex"));
    assert_eq!(log.term(0).to_vec(0, golden.len()), golden);
    assert_metadata(&log, include_str!("../golden/log-metadata-ipc-publication.hex"));
}

#[test]
fn the_image_of_the_c_driver_is_reproduced_byte_for_byte() {
    let log = LogBuffers::on_heap(&LogParameters {
        registration_id: RegistrationId::new(11),
        session_id: SessionId::new(1_000_001),
        stream_id: StreamId::new(1001),
        initial_term_id: TermId::new(100),
        publication_window_length: 0,
        receiver_window_length: 131_072,
        entity_tag: 0,
        response_correlation_id: 0,
        linger_timeout_ns: 0,
        rejoin: true,
        reliable: true,
        signal_eos: false,
        tether: true,
        ..golden_parameters(LogKind::Image)
    });
    log.metadata().set_active_transport_count(1);
    assert_metadata(&log, include_str!("../golden/log-metadata-udp-image.hex"));
}

#[test]
fn a_frame_matches_the_spec() {
    let parameters =
        LogParameters { initial_term_id: TermId::new(0x1234_5678), ..parameters(LogKind::Image) };
    let log = LogBuffers::on_heap(&LogParameters { kind: LogKind::ConcurrentPublication, ..parameters });
    let appender = ConcurrentAppender::new(log.clone()).unwrap();
    appender.offer(&[0; 160], FAR).unwrap();
    appender.offer(b"hello", FAR).unwrap();
    let expected =
        "25 00 00 00 00 c0 01 00 c0 00 00 00 ef be ad de e9 03 00 00 78 56 34 12 00 00 00 00 00 00 00 00
        68 65 6c 6c 6f 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
    assert_eq!(log.term(0).to_vec(192, 64), bytes_of(expected));
}

#[test]
fn arithmetic_matches_the_spec() {
    for (length, expected) in [(0, 0), (1, 64), (1376, 1408), (1377, 1472), (2752, 2816), (5000, 5152)] {
        assert_eq!(fragmented_length(length, 1376), expected, "{length}");
    }
    for (term, page, expected) in [
        (65_536, 4096, 200_704),
        (16_777_216, 4096, 50_335_744),
        (67_108_864, 4096, 201_330_688),
        (65_536, 2_097_152, 2_097_152),
        (1_073_741_824, 4096, 3_221_229_568),
    ] {
        let (term, page) = (TermLength::new(term).unwrap(), PageSize::new(page).unwrap());
        assert_eq!(file_length(term, page), expected);
    }
    assert_eq!(RawTail::new(TermId::new(-1), at(96)).get(), 0xffff_ffff_0000_0060_u64 as i64);
    assert_eq!(RawTail::new(TermId::new(0x1234_5679), at(4128)).get(), 0x1234_5679_0000_1020);
    let overrun = RawTail::new(TermId::new(-3), at(70_000));
    assert_eq!((overrun.term_id(), overrun.offset(TermLength::MIN)), (TermId::new(-3), at(65_536)));
    let metadata = log().metadata().clone();
    let tails: [u64; 3] = core::array::from_fn(|index| metadata.tail(index).get() as u64);
    assert_eq!(tails, [0, 0xFFFF_FFFE_0000_0000, 0xFFFF_FFFF_0000_0000]);
    for bad in [0, 4095, 4097, 2048, 1 << 31, -4096] {
        assert!(PageSize::new(bad).is_err());
    }
}

#[test]
fn a_start_position_sets_the_tails_of_its_round() {
    let log = log_near_end(5, 4, 32);
    let metadata = log.metadata();
    assert_eq!(metadata.active_term_count(), 4);
    assert_eq!(metadata.tail(1), RawTail::new(TermId::new(9), at(65_504)));
    assert_eq!(metadata.tail(2), RawTail::new(TermId::new(7), at(0)));
    assert_eq!(metadata.tail(0), RawTail::new(TermId::new(8), at(0)));
    assert_eq!(log.producer_position().get(), 4 * 65_536 + 65_504);
}

//! Vectors of wire spec 12.

use super::{RECEIVER, SESSION, STREAM, entry};
use crate::{
    frame::*,
    types::{GroupTag, Position, SessionId, StreamId, TermGeometry, TermId, TermLength, TermOffset},
};

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn emitted(length: usize, emit: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut buffer = vec![0xaa; length];
    assert_eq!(emit(&mut buffer), length);
    buffer
}

fn header_vector(hex: &str, expected: DataHeader) {
    let golden = bytes(hex);
    assert_eq!(DataHeader::parse(&golden), Ok(expected));
    assert_eq!(emitted(data::LENGTH, |buffer| expected.emit(buffer)), golden[..data::LENGTH]);
}

fn heartbeat(flags: DataFlags) -> DataHeader {
    DataHeader::heartbeat(SESSION, STREAM, TermId::new(7), TermOffset::new(128), flags)
}

#[test]
fn data_matches_the_spec() {
    let golden = "25 00 00 00 00 c0 01 00 40 00 00 00 44 33 22 11
        e9 03 00 00 ef be ad de 00 00 00 00 00 00 00 00
        68 65 6c 6c 6f 00 00 00 00 00 00 00 00 00 00 00
        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
    let header = DataHeader {
        frame_length: 37,
        flags: DataFlags::UNFRAGMENTED,
        is_padding: false,
        term_offset: TermOffset::new(64),
        session_id: SESSION,
        stream_id: STREAM,
        term_id: TermId::new(-559_038_737),
        reserved_value: 0,
    };
    header_vector(golden, header);
    let golden = bytes(golden);
    let view = DataView::new(&golden).unwrap();
    assert_eq!(view.payload(), b"hello");
    assert!(!view.is_heartbeat());
    let packet = data::validate_packet(&golden, TermOffset::new(64), TermLength::MIN).unwrap();
    assert_eq!((packet.in_term, packet.frames), (64, 1));
}

#[test]
fn a_first_fragment_matches_the_spec() {
    header_vector(
        "80 05 00 00 00 80 01 00 00 00 00 00 44 33 22 11 e9 03 00 00 07 00 00 00 ff ff ff ff ff ff ff ff",
        DataHeader {
            frame_length: 1408,
            flags: DataFlags::BEGIN,
            is_padding: false,
            term_offset: TermOffset::ZERO,
            session_id: SESSION,
            stream_id: STREAM,
            term_id: TermId::new(7),
            reserved_value: -1,
        },
    );
}

#[test]
fn heartbeats_match_the_spec() {
    for (flags, flag_byte) in [
        (DataFlags::UNFRAGMENTED, "c0"),
        (DataFlags::HEARTBEAT_EOS, "e0"),
        (DataFlags::HEARTBEAT_REVOKED, "f0"),
    ] {
        let golden = format!(
            "00 00 00 00 00 {flag_byte} 01 00 80 00 00 00 44 33 22 11
             e9 03 00 00 07 00 00 00 00 00 00 00 00 00 00 00"
        );
        header_vector(&golden, heartbeat(flags));
        let golden = bytes(&golden);
        assert!(DataView::new(&golden).unwrap().is_heartbeat());
        let packet = data::validate_packet(&golden, TermOffset::new(128), TermLength::MIN).unwrap();
        assert!(packet.is_heartbeat());
    }
    assert!(DataFlags::HEARTBEAT_REVOKED.contains(DataFlags::EOS.with(DataFlags::REVOKED)));
    assert!(!DataFlags::HEARTBEAT_EOS.contains(DataFlags::REVOKED));
}

#[test]
fn padding_matches_the_spec_and_advances_past_its_datagram() {
    let golden =
        "00 04 00 00 00 c0 00 00 00 fc 00 00 44 33 22 11 e9 03 00 00 07 00 00 00 00 00 00 00 00 00 00 00";
    let header = DataHeader {
        frame_length: 1024,
        is_padding: true,
        term_offset: TermOffset::new(64_512),
        ..heartbeat(DataFlags::UNFRAGMENTED)
    };
    header_vector(golden, header);
    let golden = bytes(golden);
    assert_eq!(classify(&golden), Ok(FrameKind::Pad));
    let packet = data::validate_packet(&golden, header.term_offset, TermLength::MIN).unwrap();
    assert_eq!((packet.in_term, packet.frames), (1024, 1));
}

#[test]
fn setup_matches_the_spec() {
    let plain = Setup {
        flags: SetupFlags::GROUP,
        term_offset: TermOffset::new(4096),
        session_id: SESSION,
        stream_id: STREAM,
        initial_term_id: TermId::new(5),
        active_term_id: TermId::new(7),
        term_length: 65_536,
        mtu: 1408,
        ttl: 8,
    };
    let response = Setup {
        flags: SetupFlags::SEND_RESPONSE_SETUP,
        term_offset: TermOffset::ZERO,
        initial_term_id: TermId::new(-5),
        active_term_id: TermId::new(-5),
        term_length: 16 << 20,
        ttl: 0,
        ..plain
    };
    for (golden, setup) in [
        (
            "28 00 00 00 00 40 05 00 00 10 00 00 44 33 22 11 e9 03 00 00 05 00 00 00 07 00 00 00 00 00 01 00
             80 05 00 00 08 00 00 00",
            plain,
        ),
        (
            "28 00 00 00 00 80 05 00 00 00 00 00 44 33 22 11 e9 03 00 00 fb ff ff ff fb ff ff ff 00 00 00 01
             80 05 00 00 00 00 00 00",
            response,
        ),
    ] {
        assert_eq!(Setup::parse(&bytes(golden)), Ok(setup));
        assert_eq!(emitted(setup::LENGTH, |buffer| setup.emit(buffer)), bytes(golden));
    }
    let geometry: TermGeometry = plain.validate().unwrap();
    assert_eq!(geometry.position(plain.active_term_id, plain.term_offset), Position::new(135_168));
}

#[test]
fn status_messages_match_the_spec() {
    let plain = StatusMessage {
        flags: StatusMessageFlags::NONE,
        session_id: SESSION,
        stream_id: STREAM,
        consumption_term_id: TermId::new(7),
        consumption_term_offset: TermOffset::new(4096),
        receiver_window: 32_768,
        receiver_id: RECEIVER,
        group_tag: None,
    };
    let end = StatusMessage {
        flags: StatusMessageFlags::END_OF_STREAM,
        consumption_term_offset: TermOffset::new(8192),
        ..plain
    };
    let eliciting = StatusMessage::eliciting_setup(SessionId::new(0), StreamId::new(0), RECEIVER, None);
    for (golden, sm) in [
        (
            "24 00 00 00 00 00 03 00 44 33 22 11 e9 03 00 00 07 00 00 00 00 10 00 00 00 80 00 00 08 07 06 05
             04 03 02 01",
            plain,
        ),
        (
            "2c 00 00 00 00 00 03 00 44 33 22 11 e9 03 00 00 07 00 00 00 00 10 00 00 00 80 00 00 08 07 06 05
             04 03 02 01 65 00 00 00 00 00 00 00",
            StatusMessage { group_tag: Some(GroupTag::new(101)), ..plain },
        ),
        (
            "24 00 00 00 00 80 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 08 07 06 05
             04 03 02 01",
            eliciting,
        ),
        (
            "24 00 00 00 00 40 03 00 44 33 22 11 e9 03 00 00 07 00 00 00 00 20 00 00 00 80 00 00 08 07 06 05
             04 03 02 01",
            end,
        ),
    ] {
        assert_eq!(StatusMessage::parse(&bytes(golden)), Ok(sm));
        assert_eq!(emitted(sm.length(), |buffer| sm.emit(buffer)), bytes(golden));
        assert_eq!(sm.validate(TermLength::MIN), Ok(()));
    }
}

#[test]
fn nak_matches_the_spec() {
    let golden = bytes("1c 00 00 00 00 00 02 00 44 33 22 11 e9 03 00 00 07 00 00 00 00 10 00 00 00 0b 00 00");
    let nak = Nak {
        session_id: SESSION,
        stream_id: STREAM,
        term_id: TermId::new(7),
        term_offset: TermOffset::new(4096),
        length: 2816,
    };
    assert_eq!(Nak::parse(&golden), Ok(nak));
    assert_eq!(emitted(nak::LENGTH, |buffer| nak.emit(buffer)), golden);
    assert_eq!(nak.validate(TermLength::MIN), Ok(()));
}

#[test]
fn errors_match_the_spec() {
    let tagged = ErrorFrame {
        session_id: SESSION,
        stream_id: STREAM,
        receiver_id: RECEIVER,
        group_tag: Some(GroupTag::new(101)),
        error_code: 13,
        text: b"rejected",
    };
    let golden = bytes(
        "30 00 00 00 00 08 04 00 44 33 22 11 e9 03 00 00 08 07 06 05 04 03 02 01 65 00 00 00 00 00 00 00
         0d 00 00 00 08 00 00 00 72 65 6a 65 63 74 65 64",
    );
    assert_eq!(ErrorFrame::parse(&golden), Ok(tagged));
    assert_eq!(emitted(tagged.length(), |buffer| tagged.emit(buffer)), golden);

    let untagged = bytes(
        "30 00 00 00 00 00 04 00 44 33 22 11 e9 03 00 00 08 07 06 05 04 03 02 01 00 00 00 00 00 00 00 00
         0d 00 00 00 08 00 00 00 72 65 6a 65 63 74 65 64",
    );
    assert_eq!(ErrorFrame::parse(&untagged), Ok(ErrorFrame { group_tag: None, ..tagged }));
}

#[test]
fn rttm_matches_the_spec_and_its_reply_echoes_it() {
    let request = Rttm {
        flags: RttmFlags::REPLY,
        session_id: SESSION,
        stream_id: STREAM,
        echo_timestamp: 1_000_000_000,
        reception_delta: 0,
        receiver_id: RECEIVER,
    };
    for (flag_byte, rttm) in [("80", request), ("00", request.reply(0))] {
        let golden = bytes(&format!(
            "28 00 00 00 00 {flag_byte} 06 00 44 33 22 11 e9 03 00 00 00 ca 9a 3b 00 00 00 00 00 00 00 00 00 00 00 00
             08 07 06 05 04 03 02 01"
        ));
        assert_eq!(Rttm::parse(&golden), Ok(rttm));
        assert_eq!(emitted(rttm::LENGTH, |buffer| rttm.emit(buffer)), golden);
    }
}

#[test]
fn response_setup_matches_the_spec() {
    let golden = bytes("14 00 00 00 00 00 0b 00 44 33 22 11 e9 03 00 00 88 77 66 55");
    let frame = ResponseSetup {
        session_id: SESSION,
        stream_id: STREAM,
        response_session_id: SessionId::new(0x5566_7788),
    };
    assert_eq!(ResponseSetup::parse(&golden), Ok(frame));
    assert_eq!(emitted(response_setup::LENGTH, |buffer| frame.emit(buffer)), golden);
}

#[test]
fn resolutions_match_the_spec() {
    let own = ResolutionEntry { flags: ResolutionFlags::SELF, ..entry("nodeA", "0.0.0.0", 8050, 0) };
    let gossip = vec![entry("nodeB", "192.168.1.10", 8050, 1500), entry("n6", "::1", 8051, 20)];
    for (golden, entries) in [
        (
            "20 00 00 00 00 00 07 00 01 80 72 1f 00 00 00 00 00 00 00 00 05 00 6e 6f 64 65 41 00 00 00 00 00",
            vec![own],
        ),
        (
            "40 00 00 00 00 00 07 00 01 00 72 1f dc 05 00 00 c0 a8 01 0a 05 00 6e 6f 64 65 42 00 00 00 00 00
             02 00 73 1f 14 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 02 00 6e 36 00 00 00 00",
            gossip,
        ),
    ] {
        let golden = bytes(golden);
        let view = ResolutionView::parse(&golden).unwrap();
        assert_eq!(view.entries().collect::<Result<Vec<_>, _>>().unwrap(), entries);

        let mut buffer = vec![0xaa; 100];
        let mut writer = ResolutionWriter::new(&mut buffer);
        assert!(writer.is_empty());
        assert!(entries.iter().all(|entry| writer.push(entry)));
        let length = writer.length();
        assert_eq!(buffer[..length], golden);
    }
}

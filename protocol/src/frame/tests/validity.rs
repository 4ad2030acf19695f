//! Limits within which datagrams and fields are valid.

use super::{RECEIVER, SESSION, STREAM, entry};
use crate::{
    frame::*,
    types::{GroupTag, TermId, TermLength, TermOffset},
};

#[test]
fn datagrams_shorter_than_their_kind_are_refused() {
    for kind in [
        FrameKind::Pad,
        FrameKind::Data,
        FrameKind::Nak,
        FrameKind::StatusMessage,
        FrameKind::Error,
        FrameKind::Setup,
        FrameKind::Rttm,
        FrameKind::Resolution,
        FrameKind::AtsStatusMessage,
        FrameKind::ResponseSetup,
    ] {
        let mut datagram = vec![0; kind.min_length()];
        datagram[layout::TYPE..][..2].copy_from_slice(&kind.type_id().to_le_bytes());
        assert_eq!(classify(&datagram), Ok(kind));
        assert_eq!(classify(&datagram[..kind.min_length() - 1]), Err(FrameError::TooShort), "{kind:?}");
    }
}

#[test]
fn a_frame_length_beyond_the_datagram_is_refused_but_for_data_and_setup() {
    let with_length = |kind: FrameKind, length: i32| {
        let mut datagram = vec![0; 64];
        datagram[..4].copy_from_slice(&length.to_le_bytes());
        datagram[layout::TYPE..][..2].copy_from_slice(&kind.type_id().to_le_bytes());
        classify(&datagram)
    };
    for kind in [
        FrameKind::Nak,
        FrameKind::StatusMessage,
        FrameKind::Error,
        FrameKind::Rttm,
        FrameKind::Resolution,
        FrameKind::AtsStatusMessage,
        FrameKind::ResponseSetup,
    ] {
        assert_eq!(with_length(kind, 64), Ok(kind));
        assert_eq!(with_length(kind, 65), Err(FrameError::FrameLength), "{kind:?}");
    }
    for kind in [FrameKind::Data, FrameKind::Pad, FrameKind::Setup] {
        assert_eq!(with_length(kind, 65), Ok(kind));
        assert_eq!(with_length(kind, -1), Err(FrameError::FrameLength), "{kind:?}");
    }
}

#[test]
fn unknown_versions_and_types_and_unaligned_data_are_refused() {
    let mut datagram = [0; 65];
    datagram[layout::TYPE] = 1;
    assert_eq!(classify(&datagram[..64]), Ok(FrameKind::Data));
    assert_eq!(classify(&datagram), Err(FrameError::UnalignedDatagram));
    for type_id in [0x08_u16, 0x09, 0x0c, 0xffff, 0x0101] {
        datagram[layout::TYPE..][..2].copy_from_slice(&type_id.to_le_bytes());
        assert_eq!(classify(&datagram[..64]), Err(FrameError::UnknownType), "{type_id:#x}");
    }
    datagram[layout::TYPE..][..2].copy_from_slice(&[1, 0]);
    datagram[layout::VERSION] = 1;
    assert_eq!(classify(&datagram[..64]), Err(FrameError::UnknownVersion));
}

#[test]
fn a_well_formed_frame_of_transport_security_is_ignored_and_not_invalid() {
    let mut datagram = [0; 36];
    datagram[layout::TYPE] = 0x0a;
    assert!(matches!(decode(&datagram), Ok(Frame::Ignored)));
}

#[test]
fn a_frame_of_another_kind_does_not_parse() {
    let mut buffer = [0; 40];
    let nak = Nak {
        session_id: SESSION,
        stream_id: STREAM,
        term_id: TermId::new(0),
        term_offset: TermOffset::ZERO,
        length: 0,
    };
    nak.emit(&mut buffer);
    assert_eq!(Setup::parse(&buffer), Err(FrameError::WrongKind));
    assert_eq!(DataHeader::parse(&buffer), Err(FrameError::WrongKind));
    assert_eq!(Nak::parse(&buffer), Ok(nak), "trailing bytes are ignored");
}

#[test]
fn a_setup_is_valid_within_the_limits_of_its_parameters() {
    let setup = |term_length: i32, term_offset: i32, mtu: i32| {
        let setup = Setup {
            flags: SetupFlags::NONE,
            term_offset: TermOffset::new(term_offset),
            session_id: SESSION,
            stream_id: STREAM,
            initial_term_id: TermId::new(0),
            active_term_id: TermId::new(0),
            term_length,
            mtu,
            ttl: 0,
        };
        setup.validate().map(|geometry| geometry.term_length().get())
    };
    for (term_length, term_offset, mtu) in [(65_536, 65_504, 32), (1 << 30, 0, 65_504)] {
        assert_eq!(setup(term_length, term_offset, mtu), Ok(term_length));
    }
    for term_length in [0, -65_536, 32_768, 65_537, i32::MIN, i32::MAX] {
        assert_eq!(setup(term_length, 0, 1408), Err(FrameError::TermLength), "{term_length}");
    }
    for term_offset in [-32, 16, 65_536] {
        assert_eq!(setup(65_536, term_offset, 1408), Err(FrameError::TermOffset), "{term_offset}");
    }
    for mtu in [0, -32, 33, 65_536] {
        assert_eq!(setup(65_536, 0, mtu), Err(FrameError::Mtu), "{mtu}");
    }
}

#[test]
fn a_status_message_is_valid_up_to_a_window_of_half_a_term() {
    let valid = |offset: i32, receiver_window: i32| {
        let elicit = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None);
        let sm =
            StatusMessage { consumption_term_offset: TermOffset::new(offset), receiver_window, ..elicit };
        sm.validate(TermLength::MIN)
    };
    assert_eq!(valid(65_504, 32_768), Ok(()));
    assert_eq!(valid(0, 32_769), Err(FrameError::ReceiverWindow));
    assert_eq!(valid(0, -1), Err(FrameError::ReceiverWindow));
    for offset in [65_536, -32, 8] {
        assert_eq!(valid(offset, 0), Err(FrameError::TermOffset), "{offset}");
    }
}

#[test]
fn a_group_tag_counts_only_in_a_frame_of_44_bytes() {
    let tagged = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, Some(GroupTag::new(5)));
    let mut buffer = [0; 52];
    tagged.emit(&mut buffer);
    for (frame_length, tag, is_unknown) in [
        (36, None, false),
        (40, None, true),
        (44, tagged.group_tag, false),
        (52, None, true),
        (0, None, false),
    ] {
        buffer[0] = frame_length;
        let view = StatusMessageView::new(&buffer).unwrap();
        assert_eq!((view.group_tag(), view.has_unknown_feedback()), (tag, is_unknown), "{frame_length}");
    }
}

#[test]
fn a_nak_is_valid_up_to_the_end_of_the_term() {
    let valid = |term_offset: i32, length: i32| {
        let nak = Nak {
            session_id: SESSION,
            stream_id: STREAM,
            term_id: TermId::new(0),
            term_offset: TermOffset::new(term_offset),
            length,
        };
        nak.validate(TermLength::MIN)
    };
    assert_eq!(valid(0, 65_536), Ok(()));
    assert_eq!(valid(65_504, 32), Ok(()));
    assert_eq!(valid(32, 0), Ok(()));
    for (offset, length) in [(0, 65_537), (32, 65_536), (32, i32::MAX), (0, -1)] {
        assert_eq!(valid(offset, length), Err(FrameError::NakRange), "{offset} {length}");
    }
    for offset in [65_536, -32, 31] {
        assert_eq!(valid(offset, 0), Err(FrameError::TermOffset), "{offset}");
    }
}

#[test]
fn error_text_is_cut_when_sent_and_checked_when_received() {
    let long = [b'x'; 2000];
    let error = ErrorFrame {
        session_id: SESSION,
        stream_id: STREAM,
        receiver_id: RECEIVER,
        group_tag: None,
        error_code: 13,
        text: &long,
    };
    let mut buffer = [0; 2048];
    assert_eq!(error.emit(&mut buffer), error::MAX_LENGTH);
    let received = ErrorFrame::parse(&buffer[..error::MAX_LENGTH]).unwrap();
    assert_eq!(received.text, &long[..error::MAX_TEXT_LENGTH]);

    // Text length at 36, frame length at 0.
    for (frame_length, text_length) in [(1064_i32, 1024_i32), (1063, -1), (140, 101), (i32::MAX, 1023)] {
        buffer[..4].copy_from_slice(&frame_length.to_le_bytes());
        buffer[36..40].copy_from_slice(&text_length.to_le_bytes());
        let view = ErrorView::new(&buffer[..1000]).unwrap();
        assert_eq!(view.text(), Err(FrameError::ErrorText), "{frame_length} {text_length}");
    }
}

#[test]
fn resolution_stops_at_the_first_entry_that_makes_no_sense() {
    let mut buffer = [0; 128];
    let mut writer = ResolutionWriter::new(&mut buffer);
    for name in ["a", "b", "c"] {
        assert!(writer.push(&entry(name, "10.0.0.1", 1, 0)));
    }
    let length = writer.length();
    assert_eq!(length, 8 + 3 * 16);
    let outcomes = |datagram: &[u8]| -> Vec<Result<Vec<u8>, FrameError>> {
        let view = ResolutionView::new(datagram).unwrap();
        view.entries().map(|read| read.map(|entry| entry.name.to_vec())).collect()
    };
    let second = 8 + 16;
    assert_eq!(outcomes(&buffer[..length]).len(), 3);
    assert_eq!(
        outcomes(&buffer[..length - 1])[1..],
        [Ok(b"b".to_vec()), Err(FrameError::ResolutionEntry)],
        "cut off"
    );
    for (at, value, expected) in [
        (second, 3, FrameError::ResolutionType),
        (second + 13, 0x80, FrameError::ResolutionEntry),
        (second + 12, 200, FrameError::ResolutionEntry),
    ] {
        let mut bad = buffer;
        bad[at] = value;
        assert_eq!(outcomes(&bad[..length]), [Ok(b"a".to_vec()), Err(expected)], "byte {at}");
    }
}

#[test]
fn a_resolution_entry_that_does_not_fit_is_left_out() {
    let mut buffer = [0; 40];
    let mut writer = ResolutionWriter::new(&mut buffer);
    assert!(writer.push(&entry("a", "10.0.0.1", 1, 0)));
    assert!(!writer.push(&entry("too-long", "10.0.0.1", 1, 0)));
    assert!(writer.push(&entry("b", "10.0.0.1", 1, 0)));
    assert_eq!(writer.length(), 40);
    assert_eq!(ResolutionView::parse(&buffer).unwrap().entries().count(), 2);
    let endless = "x".repeat(40_000);
    let mut buffer = vec![0; 60_000];
    assert!(!ResolutionWriter::new(&mut buffer).push(&entry(&endless, "::1", 1, 0)));
}

//! Round trips of any values, and no panic on any bytes.

use proptest::prelude::*;

use crate::{
    frame::*,
    types::{GroupTag, ReceiverId, SessionId, StreamId, TermId, TermLength, TermOffset},
};

proptest! {
    #[test]
    fn control_frames_come_back_as_they_were_sent(
        numbers: [i32; 6],
        ids: [i64; 3],
        bits: u8,
        tag: Option<i64>,
        text in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let [a, b, c, d, e, f] = numbers;
        let (session_id, stream_id) = (SessionId::new(a), StreamId::new(b));
        let group_tag = tag.map(GroupTag::new);
        let receiver_id = ReceiverId::new(ids[0]);
        let mut buffer = [0; 256];

        let nak =
            Nak { session_id, stream_id, term_id: TermId::new(c), term_offset: TermOffset::new(d), length: e };
        let length = nak.emit(&mut buffer);
        prop_assert_eq!(Nak::parse(&buffer[..length]), Ok(nak));

        let sm = StatusMessage {
            flags: StatusMessageFlags::new(bits),
            session_id,
            stream_id,
            consumption_term_id: TermId::new(c),
            consumption_term_offset: TermOffset::new(d),
            receiver_window: e,
            receiver_id,
            group_tag,
        };
        let length = sm.emit(&mut buffer);
        prop_assert_eq!(StatusMessage::parse(&buffer[..length]), Ok(sm));

        let setup = Setup {
            flags: SetupFlags::new(bits),
            term_offset: TermOffset::new(c),
            session_id,
            stream_id,
            initial_term_id: TermId::new(d),
            active_term_id: TermId::new(e),
            term_length: f,
            mtu: a,
            ttl: b,
        };
        let length = setup.emit(&mut buffer);
        prop_assert_eq!(Setup::parse(&buffer[..length]), Ok(setup));

        let rttm = Rttm {
            flags: RttmFlags::new(bits),
            session_id,
            stream_id,
            echo_timestamp: ids[1],
            reception_delta: ids[2],
            receiver_id,
        };
        let length = rttm.emit(&mut buffer);
        prop_assert_eq!(Rttm::parse(&buffer[..length]), Ok(rttm));

        let response = ResponseSetup { session_id, stream_id, response_session_id: SessionId::new(c) };
        let length = response.emit(&mut buffer);
        prop_assert_eq!(ResponseSetup::parse(&buffer[..length]), Ok(response));

        let error = ErrorFrame { session_id, stream_id, receiver_id, group_tag, error_code: c, text: &text };
        let length = error.emit(&mut buffer);
        prop_assert_eq!(ErrorFrame::parse(&buffer[..length]), Ok(error));
    }

    #[test]
    fn resolution_entries_come_back_as_they_were_sent(
        entries in prop::collection::vec((any::<std::net::IpAddr>(), any::<u16>(), any::<i32>(), "[a-z]{0,40}"), 0..8),
    ) {
        let entries: Vec<_> = entries
            .iter()
            .map(|(address, port, age_in_ms, name)| ResolutionEntry {
                flags: ResolutionFlags::SELF,
                port: *port,
                age_in_ms: *age_in_ms,
                address: *address,
                name: name.as_bytes(),
            })
            .collect();
        let mut buffer = [0xaa; 1024];
        let mut writer = ResolutionWriter::new(&mut buffer);
        prop_assert!(entries.iter().all(|entry| writer.push(entry)));
        let length = writer.length();
        let read: Result<Vec<_>, _> = ResolutionView::new(&buffer[..length]).unwrap().entries().collect();
        prop_assert_eq!(read, Ok(entries));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in 0..12_u8,
        is_plausible: bool,
    ) {
        if is_plausible && bytes.len() >= HEADER_LENGTH {
            bytes[1..5].fill(0);
            bytes[6] = kind;
            bytes[7] = 0;
        }
        match decode(&bytes) {
            Ok(Frame::Data(data)) => {
                let _ = (data.to_frame(), data.payload(), data.is_heartbeat());
            }
            Ok(Frame::Error(error)) => {
                let _ = error.to_frame();
            }
            Ok(Frame::StatusMessage(sm)) => {
                let _ = (sm.to_frame().validate(TermLength::MAX), sm.has_unknown_feedback());
            }
            Ok(Frame::Nak(nak)) => {
                let _ = nak.to_frame().validate(TermLength::MIN);
            }
            Ok(Frame::Setup(setup)) => {
                let _ = setup.to_frame().validate();
            }
            Ok(Frame::Resolution(resolution)) => {
                prop_assert!(resolution.entries().count() <= bytes.len());
            }
            Ok(Frame::Rttm(_) | Frame::ResponseSetup(_) | Frame::Ignored) | Err(_) => {}
        }
    }
}

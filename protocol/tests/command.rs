//! Commands and events against the bytes of the spec and of the Aeron C driver and client.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a helper of tests may panic")]

use core::net::SocketAddr;

use epona_protocol::{
    command::{
        AvailableImage, Command, CommandError, ErrorCode, Event, Fault, PublicationError, PublicationReady,
        Request, command_id, event_id,
    },
    types::{
        ClientId, CorrelationId, CounterId, CounterTypeId, GroupTag, Position, ReceiverId, RegistrationId,
        SessionId, StreamId,
    },
};
use proptest::prelude::*;

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Type id, name and payload of each record of a golden file.
fn golden(file: &str) -> Vec<(i32, String, Vec<u8>)> {
    let records = file.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.split(' ');
        let type_id = words.next().unwrap().trim_start_matches("0x");
        let type_id = i32::from_str_radix(type_id, 16).unwrap();
        (type_id, words.next().unwrap().to_owned(), bytes_of(words.next().unwrap()))
    });
    records.collect()
}

fn encoded(command: &Command<'_>) -> Vec<u8> {
    let mut out = vec![0xAA; 3];
    command.encode(&mut out);
    out
}

fn encoded_event(event: &Event<'_>) -> Vec<u8> {
    let mut out = vec![0xAA; 3];
    event.encode(&mut out);
    out
}

fn command(request: Request<'_>) -> Command<'_> {
    Command { client_id: ClientId::new(1), correlation_id: CorrelationId::new(2), request }
}

fn every_request() -> Vec<Request<'static>> {
    let id = RegistrationId::new(12);
    let stream_id = StreamId::new(1001);
    let channel = "aeron:udp?endpoint=localhost:20121";
    vec![
        Request::AddPublication { stream_id, channel },
        Request::AddExclusivePublication { stream_id, channel },
        Request::RemovePublication { registration_id: id, revoke: true },
        Request::AddSubscription { stream_id, channel: "" },
        Request::RemoveSubscription { registration_id: id },
        Request::ClientKeepalive,
        Request::ClientClose,
        Request::AddDestination { registration_id: id, channel },
        Request::RemoveDestination { registration_id: id, channel },
        Request::RemoveDestinationById {
            registration_id: id,
            destination_registration_id: RegistrationId::new(13),
        },
        Request::AddReceiveDestination { registration_id: id, channel },
        Request::RemoveReceiveDestination { registration_id: id, channel },
        Request::AddCounter { type_id: CounterTypeId::new(1101), key: b"abcde", label: b"a label" },
        Request::AddStaticCounter {
            registration_id: id,
            type_id: CounterTypeId::new(1102),
            key: b"abcd",
            label: b"x",
        },
        Request::RemoveCounter { registration_id: id },
        Request::TerminateDriver { token: b"secret" },
        Request::RejectImage {
            image_id: CorrelationId::new(11),
            position: Position::new(4704),
            reason: b"no",
        },
        Request::NextAvailableSessionId { stream_id },
    ]
}

fn every_event() -> Vec<Event<'static>> {
    let correlation_id = CorrelationId::new(7);
    let counter_id = CounterId::new(46);
    let stream_id = StreamId::new(1001);
    let session_id = SessionId::new(-559_038_737);
    let ready = PublicationReady {
        correlation_id,
        original_registration_id: RegistrationId::new(7),
        session_id,
        stream_id,
        limit_id: CounterId::new(47),
        channel_status_id: CounterId::NULL,
        log_file_name: "/dev/shm/aeron-u/publications/7.logbuffer",
    };
    let error = PublicationError {
        registration_id: RegistrationId::new(2),
        destination_registration_id: None,
        session_id,
        stream_id,
        receiver_id: ReceiverId::new(-1),
        group_tag: Some(GroupTag::new(101)),
        source: Some(SocketAddr::from(([127, 0, 0, 1], 24_325))),
        error_code: ErrorCode::ImageRejected,
        message: b"golden reject",
    };
    vec![
        Event::Error { correlation_id, error_code: ErrorCode::Other(99), message: b"no such thing" },
        Event::AvailableImage(AvailableImage {
            image_id: CorrelationId::new(12),
            session_id,
            stream_id,
            subscription_id: RegistrationId::new(9),
            position_id: CounterId::new(53),
            log_file_name: "/dev/shm/aeron-u/images/12.logbuffer",
            source_identity: "127.0.0.1:40456",
        }),
        Event::UnavailableImage {
            image_id: CorrelationId::new(12),
            subscription_id: RegistrationId::new(9),
            stream_id,
            channel: "aeron:ipc",
        },
        Event::PublicationReady(ready),
        Event::ExclusivePublicationReady(ready),
        Event::SubscriptionReady { correlation_id, channel_status_id: counter_id },
        Event::OperationSuccess { correlation_id },
        Event::CounterReady { correlation_id, counter_id },
        Event::UnavailableCounter { registration_id: RegistrationId::new(7), counter_id },
        Event::StaticCounter { correlation_id, counter_id },
        Event::ClientTimeout { client_id: ClientId::new(3) },
        Event::PublicationError(error),
        Event::PublicationError(PublicationError {
            source: Some("[::1]:8050".parse().unwrap()),
            destination_registration_id: Some(RegistrationId::new(14)),
            group_tag: None,
            ..error
        }),
        Event::PublicationError(PublicationError { source: None, message: b"", ..error }),
        Event::NextAvailableSessionId { correlation_id, session_id },
    ]
}

#[test]
fn add_publication_matches_the_spec() {
    let request = Request::AddPublication { stream_id: StreamId::new(1001), channel: "aeron:ipc" };
    let expected = "01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 e9 03 00 00 09 00 00 00
        61 65 72 6f 6e 3a 69 70 63";
    assert_eq!(encoded(&command(request)), bytes_of(expected));
    assert_eq!(command(request).type_id(), 1);
}

#[test]
fn publication_ready_and_available_image_match_the_spec() {
    let ready =
        "07 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00 ef be ad de e9 03 00 00 2f 00 00 00 ff ff ff ff
        29 00 00 00 2f 64 65 76 2f 73 68 6d 2f 61 65 72 6f 6e 2d 75 2f 70 75 62 6c 69 63 61 74 69 6f 6e
        73 2f 37 2e 6c 6f 67 62 75 66 66 65 72";
    assert_eq!(encoded_event(&every_event()[3]), bytes_of(ready));
    let image =
        "0c 00 00 00 00 00 00 00 ef be ad de e9 03 00 00 09 00 00 00 00 00 00 00 35 00 00 00 24 00 00 00
        2f 64 65 76 2f 73 68 6d 2f 61 65 72 6f 6e 2d 75 2f 69 6d 61 67 65 73 2f 31 32 2e 6c 6f 67 62 75
        66 66 65 72 0f 00 00 00 31 32 37 2e 30 2e 30 2e 31 3a 34 30 34 35 36";
    assert_eq!(encoded_event(&every_event()[1]), bytes_of(image));
}

#[test]
fn commands_of_the_c_client_parse_and_encode_back() {
    for (type_id, name, bytes) in golden(include_str!("golden/commands.txt")) {
        let command = Command::parse(type_id, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(command.type_id(), type_id);
        let mut expected = bytes.clone();
        match command.request {
            // The C client leaves a field unwritten that nobody reads, and we write -1.
            Request::AddSubscription { .. } => expected[16..24].fill(0xFF),
            // It also rounds the reason up, which readers must ignore.
            Request::RejectImage { reason, .. } => expected.truncate((36 + reason.len()).max(40)),
            _ => {}
        }
        assert_eq!(encoded(&command), expected, "{name}");
    }
}

#[test]
fn commands_of_the_c_client_mean_what_was_asked() {
    let records = golden(include_str!("golden/commands.txt"));
    let parsed = |name: &str, nth: usize| {
        let (type_id, _, bytes) = records.iter().filter(|record| record.1 == name).nth(nth).unwrap();
        Command::parse(*type_id, bytes).unwrap()
    };
    assert_eq!(
        parsed("ADD_EXCLUSIVE_PUBLICATION", 0).request,
        Request::AddExclusivePublication {
            stream_id: StreamId::new(1002),
            channel: "aeron:ipc?term-length=64k|alias=golden-ipc"
        }
    );
    assert_eq!(
        parsed("ADD_COUNTER", 0).request,
        Request::AddCounter {
            type_id: CounterTypeId::new(1101),
            key: &[1, 2, 3, 4, 5, 6],
            label: b"golden counter"
        }
    );
    assert_eq!(
        parsed("REJECT_IMAGE", 0).request,
        Request::RejectImage {
            image_id: CorrelationId::new(11),
            position: Position::new(4704),
            reason: b"golden reject"
        }
    );
    let removed = |nth| match parsed("REMOVE_PUBLICATION", nth).request {
        Request::RemovePublication { registration_id, revoke } => (registration_id.get(), revoke),
        other => panic!("{other:?}"),
    };
    assert_eq!((removed(0), removed(1)), ((12, false), (14, true)));
    let close = parsed("CLIENT_CLOSE", 0);
    assert_eq!((close.request, close.correlation_id.get()), (Request::ClientClose, -1));
}

#[test]
fn events_of_the_c_driver_parse_and_encode_back() {
    for (type_id, name, bytes) in golden(include_str!("golden/events.txt")) {
        let event = Event::parse(type_id, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(event.type_id(), type_id);
        let mut expected = bytes.clone();
        if let Event::AvailableImage(image) = event {
            // The C driver leaves garbage in the padding before the source identity.
            let end = 32 + image.log_file_name.len();
            expected[end..end.next_multiple_of(4)].fill(0);
        }
        assert_eq!(encoded_event(&event), expected, "{name}");
    }
}

#[test]
fn events_of_the_c_driver_mean_what_happened() {
    let records = golden(include_str!("golden/events.txt"));
    let parsed = |name: &str| {
        let (type_id, _, bytes) = records.iter().find(|record| record.1 == name).unwrap();
        Event::parse(*type_id, bytes).unwrap()
    };
    assert_eq!(
        parsed("ON_PUBLICATION_ERROR"),
        Event::PublicationError(PublicationError {
            registration_id: RegistrationId::new(2),
            destination_registration_id: None,
            session_id: SessionId::new(1_000_001),
            stream_id: StreamId::new(1001),
            receiver_id: ReceiverId::new(8_328_869_500_434_457_441),
            group_tag: None,
            source: Some(SocketAddr::from(([127, 0, 0, 1], 24_325))),
            error_code: ErrorCode::ImageRejected,
            message: b"golden reject",
        })
    );
    assert_eq!(
        parsed("ON_AVAILABLE_IMAGE"),
        Event::AvailableImage(AvailableImage {
            image_id: CorrelationId::new(4),
            session_id: SessionId::new(-1_574_918_258),
            stream_id: StreamId::new(1002),
            subscription_id: RegistrationId::new(5),
            position_id: CounterId::new(59),
            log_file_name: "/dev/shm/aeron-golden/publications/4.logbuffer",
            source_identity: "aeron:ipc",
        })
    );
    let Event::Error { correlation_id, error_code, .. } = parsed("ON_ERROR") else { panic!() };
    assert_eq!((correlation_id.get(), error_code), (10, ErrorCode::GenericError));
}

#[test]
fn every_command_and_event_comes_back_from_its_bytes() {
    for request in every_request() {
        let command = command(request);
        assert_eq!(Command::parse(command.type_id(), &encoded(&command)), Ok(command));
    }
    for event in every_event() {
        assert_eq!(Event::parse(event.type_id(), &encoded_event(&event)), Ok(event));
    }
}

#[test]
fn every_cut_of_a_record_is_malformed_or_lost_only_padding() {
    for request in every_request() {
        let command = command(request);
        let bytes = encoded(&command);
        for length in 0..bytes.len() {
            match Command::parse(command.type_id(), &bytes[..length]) {
                Ok(parsed) if length == 24 && command.type_id() == command_id::REMOVE_PUBLICATION => {
                    let Request::RemovePublication { revoke, .. } = parsed.request else { panic!() };
                    assert!(!revoke, "without flags nothing is revoked");
                }
                Ok(parsed) => {
                    assert_eq!((parsed, command.type_id()), (command, command_id::REJECT_IMAGE));
                    assert!(length >= 38, "36 and the reason are needed");
                }
                Err(error) => {
                    assert_eq!(error.error_code(), ErrorCode::MalformedCommand);
                    assert_eq!(error.client_id, (length >= 8).then_some(ClientId::new(1)));
                    assert_eq!(error.correlation_id, (length >= 16).then_some(CorrelationId::new(2)));
                }
            }
        }
    }
    for event in every_event() {
        let bytes = encoded_event(&event);
        let padding = usize::from(bytes.len() == 72) * 4;
        for length in 0..bytes.len() - padding {
            assert!(Event::parse(event.type_id(), &bytes[..length]).is_err(), "{event:?} cut to {length}");
        }
    }
}

#[test]
fn bytes_after_the_last_field_are_ignored() {
    for request in every_request() {
        let command = command(request);
        let mut bytes = encoded(&command);
        bytes.extend([0xAA; 9]);
        match Command::parse(command.type_id(), &bytes) {
            Ok(parsed) => assert_eq!(parsed, command),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn short_records_are_padded_for_stock_peers() {
    let rejection =
        Request::RejectImage { image_id: CorrelationId::new(1), position: Position::ZERO, reason: b"" };
    assert_eq!(encoded(&command(rejection)).len(), 40);
    let shortest = every_event().into_iter().rfind(|event| event.type_id() == event_id::ON_PUBLICATION_ERROR);
    assert_eq!(encoded_event(&shortest.unwrap()).len(), 72);
}

#[test]
fn embedded_lengths_must_fit_the_record() {
    let request = Request::AddPublication { stream_id: StreamId::new(1), channel: "aeron:ipc" };
    for (value, is_valid) in
        [(9, true), (8, true), (10, false), (-1, false), (i32::MIN, false), (i32::MAX, false)]
    {
        let mut bytes = encoded(&command(request));
        bytes[20..24].copy_from_slice(&i32::to_le_bytes(value));
        let parsed = Command::parse(command_id::ADD_PUBLICATION, &bytes);
        assert_eq!(parsed.is_ok(), is_valid, "{value}");
        if let Err(error) = parsed {
            assert_eq!(error.fault, Fault::FieldLength { field: "channel", value, available: 9 });
            assert!(error.to_string().contains(&value.to_string()));
        }
    }
}

#[test]
fn a_channel_that_is_no_text_is_malformed() {
    let mut bytes =
        encoded(&command(Request::AddPublication { stream_id: StreamId::new(1), channel: "abc" }));
    bytes[24] = 0xFF;
    let error = Command::parse(command_id::ADD_PUBLICATION, &bytes).unwrap_err();
    assert_eq!(error.fault, Fault::NotText { field: "channel" });
}

#[test]
fn unknown_types_say_so_and_keep_the_correlation_id() {
    let bytes = encoded(&command(Request::ClientKeepalive));
    let error: CommandError = Command::parse(0x13, &bytes).unwrap_err();
    assert_eq!((error.fault, error.error_code()), (Fault::UnknownType, ErrorCode::UnknownCommandTypeId));
    assert_eq!(error.correlation_id, Some(CorrelationId::new(2)));
    assert_eq!(Event::parse(0x0F0E, &bytes).unwrap_err().fault, Fault::UnknownType);
}

#[test]
fn error_codes_convert_both_ways() {
    for code in -1..=20 {
        assert_eq!(ErrorCode::from(code).get(), code);
        assert_eq!(matches!(ErrorCode::from(code), ErrorCode::Other(_)), !(0..=14).contains(&code));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_parsing_panic(type_id in 0..0x14_i32, event_id in 0x0F00..0x0F10_i32, bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Command::parse(type_id, &bytes);
        let _ = Event::parse(event_id, &bytes);
    }

    #[test]
    fn damaged_records_parse_or_fail_cleanly(which in 0..18_usize, at in 0..80_usize, value in any::<u8>()) {
        let command = command(every_request()[which]);
        let mut bytes = encoded(&command);
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(parsed) = Command::parse(command.type_id(), &bytes) {
            let again = encoded(&parsed);
            prop_assert_eq!(Command::parse(parsed.type_id(), &again), Ok(parsed));
        }
    }
}

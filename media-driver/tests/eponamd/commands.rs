//! Commands that no client of ours would send, written straight into the driver's ring buffer.

use epona_client::{ClientId, CorrelationId};
use epona_protocol::{
    broadcast::CopyReceiver,
    command::{Command, ErrorCode, Event, Request, command_id},
    counters::SystemCounter,
    ring_buffer::{WriteError, mpsc::Producer},
    types::{RegistrationId, StreamId},
};

use crate::{
    process::{Driver, until, workspace},
    traffic::exchange,
};

/// A hand that writes commands, and an ear for their answers.
struct Hand {
    producer: Producer,
    events: CopyReceiver,
}

impl Hand {
    fn of(driver: &Driver) -> Self {
        let cnc = driver.cnc();
        Self {
            producer: Producer::new(cnc.to_driver()).unwrap(),
            events: CopyReceiver::new(cnc.to_clients()).unwrap(),
        }
    }

    fn write(&self, type_id: i32, record: &[u8]) {
        until("the command is written", || match self.producer.write(type_id, record) {
            Ok(()) => Some(()),
            Err(WriteError::Full) => None,
            Err(error) => panic!("{error}"),
        });
    }

    /// Correlation id and code of each error up to the answer to a command that is right.
    fn errors(&mut self) -> Vec<(i64, ErrorCode)> {
        let marker = self.producer.next_correlation_id();
        let request = Request::NextAvailableSessionId { stream_id: StreamId::new(1) };
        let mut record = Vec::new();
        Command { client_id: ClientId::new(-9), correlation_id: marker, request }.encode(&mut record);
        self.write(request.type_id(), &record);
        let mut errors = Vec::new();
        until("the marker is answered", || {
            let mut is_marker = false;
            let received =
                self.events.receive(|type_id, bytes| match Event::parse(type_id, bytes).unwrap() {
                    Event::Error { correlation_id, error_code, .. } => {
                        errors.push((correlation_id.get(), error_code));
                    }
                    Event::NextAvailableSessionId { correlation_id, .. } => {
                        is_marker = correlation_id == marker
                    }
                    _ => {}
                });
            received.unwrap();
            is_marker.then_some(())
        });
        errors
    }
}

/// Every kind of command, well formed; none of them adds anything.
fn requests() -> Vec<Request<'static>> {
    let registration_id = RegistrationId::new(404);
    let destination_registration_id = RegistrationId::new(405);
    let (stream_id, channel) = (StreamId::new(1), "aeron:udp?endpoint=nowhere");
    let destination = "aeron:udp?endpoint=127.0.0.1:20404";
    let type_id = epona_client::CounterTypeId::new(1000);
    let (key, label) = (&[1, 2, 3, 4, 5][..], &b"label"[..]);
    vec![
        Request::AddPublication { stream_id, channel },
        Request::RemovePublication { registration_id, revoke: true },
        Request::AddExclusivePublication { stream_id, channel },
        Request::AddSubscription { stream_id, channel },
        Request::RemoveSubscription { registration_id },
        Request::AddDestination { registration_id, channel: destination },
        Request::RemoveDestination { registration_id, channel: destination },
        Request::AddReceiveDestination { registration_id, channel: destination },
        Request::RemoveReceiveDestination { registration_id, channel: destination },
        Request::AddCounter { type_id, key, label },
        Request::AddStaticCounter { registration_id, type_id, key, label },
        Request::RemoveCounter { registration_id },
        Request::RejectImage {
            image_id: CorrelationId::new(404),
            position: epona_client::Position::ZERO,
            reason: b"a long enough reason",
        },
        Request::RemoveDestinationById { registration_id, destination_registration_id },
        Request::NextAvailableSessionId { stream_id },
    ]
}

fn encode(request: Request<'_>, correlation_id: i64) -> Vec<u8> {
    let mut record = Vec::new();
    Command { client_id: ClientId::new(-7), correlation_id: CorrelationId::new(correlation_id), request }
        .encode(&mut record);
    record
}

#[test]
fn unknown_commands_are_answered_with_their_code_and_recorded() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let mut hand = Hand::of(&driver);
    let record = encode(Request::ClientKeepalive, 33);
    for type_id in [0x13, 0x7F, 0x0F01, i32::MAX] {
        hand.write(type_id, &record);
        assert_eq!(hand.errors(), [(33, ErrorCode::UnknownCommandTypeId)], "type {type_id:#x}");
    }
    hand.write(0x7F, &[1, 2, 3]);
    assert_eq!(hand.errors(), [], "without a correlation id nobody can be answered");
    assert!(driver.errors().iter().any(|text| text.starts_with("(-6)")), "{:?}", driver.errors());
    assert_eq!(driver.counter(SystemCounter::Errors), 5);
}

#[test]
fn requests_for_what_does_not_exist_are_answered_with_its_kind() {
    use ErrorCode::{GenericError, UnknownCounter, UnknownPublication, UnknownSubscription};
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let mut hand = Hand::of(&driver);
    for request in requests() {
        let expected = match request {
            Request::RemovePublication { .. }
            | Request::AddDestination { .. }
            | Request::RemoveDestination { .. }
            | Request::RemoveDestinationById { .. } => UnknownPublication,
            Request::RemoveSubscription { .. }
            | Request::AddReceiveDestination { .. }
            | Request::RemoveReceiveDestination { .. } => UnknownSubscription,
            Request::RemoveCounter { .. } => UnknownCounter,
            Request::RejectImage { .. } => GenericError,
            _ => continue,
        };
        hand.write(request.type_id(), &encode(request, 44));
        assert_eq!(hand.errors(), [(44, expected)], "{request:?}");
    }
}

#[test]
fn commands_cut_at_any_byte_are_answered_as_malformed_and_the_driver_lives_on() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &[]);
    let mut hand = Hand::of(&driver);
    for request in requests() {
        let record = encode(request, 55);
        for length in 0..record.len() {
            hand.write(request.type_id(), &record[..length]);
            let errors = hand.errors();
            match length {
                0..16 => assert_eq!(errors, [], "{request:?} cut to {length}"),
                // Without its flags, and with a shorter reason, these are the commands of other versions.
                24 if matches!(request, Request::RemovePublication { .. }) => {}
                _ => assert_eq!(errors, [(55, ErrorCode::MalformedCommand)], "{request:?} cut to {length}"),
            }
        }
    }
    assert!(driver.errors().iter().any(|text| text.starts_with("(-7)")), "{:?}", driver.errors());
    assert!(driver.counter(SystemCounter::Errors) > 0);
}

#[test]
fn commands_of_random_bytes_harm_nobody() {
    let workspace = workspace();
    let mut driver = Driver::start(&workspace, &[]);
    let aeron = driver.connect();
    let mut subscription = aeron.add_subscription("aeron:ipc", 1).unwrap();
    let publication = aeron.add_publication("aeron:ipc", 1).unwrap();
    let mut hand = Hand::of(&driver);
    let mut random = fastrand::Rng::with_seed(20_25);
    for round in 0..3000 {
        let mut record = if round % 2 == 0 {
            (0..random.usize(..200)).map(|_| random.u8(..)).collect()
        } else {
            // Closer to a command: one with a few bytes changed.
            let requests = requests();
            let mut record = encode(requests[random.usize(..requests.len())], 66);
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..record.len());
                record[at] = random.u8(..);
            }
            record
        };
        // Not by chance the client that is to survive, nor what it has added.
        if record.len() >= 8 {
            record[7] |= 0x80;
        }
        let type_id = [random.i32(1..0x20), random.i32(1..)][usize::from(random.u8(..) < 16)];
        // These are about things by their ids alone, and the ids are small numbers.
        if !matches!(type_id, command_id::REMOVE_SUBSCRIPTION | command_id::REJECT_IMAGE) {
            hand.write(type_id, &record);
        }
        if round % 50 == 0 {
            hand.errors();
        }
    }
    hand.errors();
    exchange(&publication, &mut subscription, 50);
    assert!(driver.is_running());
    assert_eq!(driver.stderr(), "");
}

#[test]
fn a_client_that_dies_while_it_writes_a_command_blocks_others_not_for_long() {
    let workspace = workspace();
    let driver = Driver::start(
        &workspace,
        &["-Daeron.client.liveness.timeout=5s", "-Daeron.publication.unblock.timeout=6s"],
    );
    let mut hand = Hand::of(&driver);
    std::mem::forget(hand.producer.try_claim(command_id::ADD_SUBSCRIPTION, 100).unwrap());
    assert_eq!(hand.errors(), [], "what was written after it is carried out");
    assert_eq!(driver.counter(SystemCounter::UnblockedCommands), 1);
}

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use epona_client::{ClientError, CorrelationId, CounterTypeId, ErrorCode, OfferError, RegistrationId};
use epona_protocol::{
    command::{Event, PublicationError, Request, command_id},
    logbuffer::LogKind,
};

use crate::fake_driver::{CHANNEL, FakeDriver, INITIAL_TERM, SESSION, STREAM, World, position};

#[test]
fn an_add_sends_the_command_and_becomes_a_publication_when_ready() {
    let mut world = World::new();
    let mut pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    assert!(pending.poll().unwrap().is_none());
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::ADD_PUBLICATION);
    let command = recorded.command();
    assert_eq!(command.client_id, world.aeron.client_id());
    assert_eq!(command.correlation_id.as_registration_id(), pending.registration_id());
    let Request::AddPublication { stream_id, channel } = command.request else { panic!("{command:?}") };
    assert_eq!((stream_id.get(), channel), (STREAM, CHANNEL));

    let log = world.driver.create_publication(LogKind::ConcurrentPublication, command.correlation_id);
    let original = CorrelationId::new(12345);
    let ready = FakeDriver::publication_ready(command.correlation_id, original, log.limit.id(), &log.path);
    world.driver.send(&Event::PublicationReady(ready));
    let publication = world.answer(&mut pending).unwrap();
    assert!(pending.poll().unwrap().is_none(), "the publication was taken");
    assert_eq!((publication.channel(), publication.stream_id().get()), (CHANNEL, STREAM));
    assert_eq!(publication.session_id(), SESSION);
    assert_eq!(publication.original_registration_id(), RegistrationId::new(12345));
    assert!(!publication.is_original() && publication.is_connected() && !publication.is_closed());
    assert_eq!(publication.initial_term_id(), INITIAL_TERM);
    assert_eq!((publication.max_payload_length(), publication.max_message_length()), (1376, 8192));
    assert_eq!(publication.max_possible_position(), position(65536 << 31));
    assert_eq!((publication.position_limit_id(), publication.channel_status()), (log.limit.id(), None));
}

#[test]
fn a_refused_add_answers_with_the_drivers_words() {
    let world = &mut World::new();
    let mut pending = world.aeron.add_publication_async("aeron:udp?endpoint=nowhere", STREAM).unwrap();
    world.step().unwrap();
    let correlation_id = world.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
    world.driver.send(&Event::Error {
        correlation_id,
        error_code: ErrorCode::UnknownHost,
        message: b"cannot resolve nowhere",
    });
    let error = world.answer(&mut pending).unwrap_err();
    let ClientError::Registration { registration_id, code, message, .. } = &error else { panic!("{error}") };
    assert_eq!((*registration_id, *code), (pending.registration_id(), ErrorCode::UnknownHost));
    assert_eq!((message.as_str(), error.code()), ("cannot resolve nowhere", 9));
    assert!(error.to_string().contains("aeron:udp?endpoint=nowhere"), "{error}");
}

#[test]
fn an_add_that_is_not_answered_in_time_fails_and_is_taken_back() {
    let mut world = World::new();
    let mut pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    world.driver.expect_command(command_id::ADD_PUBLICATION);
    world.run(Duration::from_secs(10));
    assert!(pending.poll().unwrap().is_none(), "not before the driver timeout has passed");
    world.run(Duration::from_millis(60));
    let error = pending.poll().unwrap_err();
    assert!(matches!(error, ClientError::RegistrationTimeout { .. }), "{error}");
    let removal = world.driver.expect_command(command_id::REMOVE_PUBLICATION);
    let Request::RemovePublication { registration_id, revoke } = removal.command().request else { panic!() };
    assert_eq!((registration_id, revoke), (pending.registration_id(), false));
}

#[test]
fn an_answer_of_another_kind_is_not_taken_for_the_right_one() {
    let mut world = World::new();
    let mut pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    let correlation_id = world.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
    world.driver.send(&Event::OperationSuccess { correlation_id });
    world.step().unwrap();
    assert!(pending.poll().unwrap().is_none());
}

#[test]
fn a_pending_add_that_is_dropped_is_removed_once_the_driver_has_made_it() {
    let mut world = World::new();
    let pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    let id = world.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
    drop(pending);
    world.step().unwrap();
    assert!(world.driver.next_command().is_none(), "the driver may still refuse it");
    let log = world.driver.create_publication(LogKind::ConcurrentPublication, id);
    let ready = FakeDriver::publication_ready(id, id, log.limit.id(), &log.path);
    world.driver.send(&Event::PublicationReady(ready));
    world.step().unwrap();
    world.step().unwrap();
    world.driver.expect_command(command_id::REMOVE_PUBLICATION);
}

#[test]
fn an_answer_that_nobody_took_is_removed() {
    let mut world = World::new();
    let pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    let id = world.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
    let log = world.driver.create_publication(LogKind::ConcurrentPublication, id);
    let ready = FakeDriver::publication_ready(id, id, log.limit.id(), &log.path);
    world.driver.send(&Event::PublicationReady(ready));
    world.step().unwrap();
    drop(pending);
    world.step().unwrap();
    world.driver.expect_command(command_id::REMOVE_PUBLICATION);
}

#[test]
fn a_log_that_cannot_be_mapped_fails_the_add_and_gives_the_publication_back() {
    let mut world = World::new();
    let mut pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    let id = world.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
    let path = world.driver.log_path(99);
    std::fs::write(&path, b"too short").unwrap();
    let ready = FakeDriver::publication_ready(id, id, epona_client::CounterId::new(0), &path);
    world.driver.send(&Event::PublicationReady(ready));
    let error = world.answer(&mut pending).unwrap_err();
    assert!(matches!(error, ClientError::LogBuffer { .. }), "{error}");
    world.step().unwrap();
    world.driver.expect_command(command_id::REMOVE_PUBLICATION);
}

#[test]
fn a_closed_publication_answers_closed_and_is_removed_once() {
    let mut world = World::new();
    let (publication, _driver) = world.add_publication();
    let clone = publication.clone();
    clone.close();
    assert_eq!(publication.offer(b"x"), Err(OfferError::Closed));
    assert_eq!(publication.try_claim(1).unwrap_err(), OfferError::Closed);
    assert_eq!(
        (publication.position(), publication.position_limit()),
        (Err(OfferError::Closed), Err(OfferError::Closed))
    );
    assert!(publication.is_closed() && !publication.is_connected());
    let id = publication.registration_id();
    drop((publication, clone));
    world.step().unwrap();
    let removal = world.driver.expect_command(command_id::REMOVE_PUBLICATION);
    assert_eq!(removal.command().request, Request::RemovePublication { registration_id: id, revoke: false });
    assert!(world.driver.next_command().is_none());
}

#[test]
fn a_publication_lives_until_its_last_clone_is_dropped() {
    let mut world = World::new();
    let (publication, _driver) = world.add_publication();
    let clone = publication.clone();
    drop(publication);
    world.step().unwrap();
    assert!(world.driver.next_command().is_none());
    clone.offer(b"x").unwrap();
    drop(clone);
    world.step().unwrap();
    world.driver.expect_command(command_id::REMOVE_PUBLICATION);
}

#[test]
fn revoking_tells_the_driver_so() {
    let mut world = World::new();
    let (publication, _log) = world.add_exclusive_publication();
    let (mut set, _log) = world.add_exclusive_publication();
    publication.revoke();
    set.set_revoke_on_close(true);
    drop(set);
    world.step().unwrap();
    for _ in 0..2 {
        let removal = world.driver.expect_command(command_id::REMOVE_PUBLICATION);
        assert!(matches!(removal.command().request, Request::RemovePublication { revoke: true, .. }));
    }
}

#[test]
fn publications_that_share_a_log_share_its_tail() {
    let mut world = World::new();
    let (first, driver) = world.add_publication();
    let mut pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    let id = world.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
    let original = CorrelationId::new(first.registration_id().get());
    let ready = FakeDriver::publication_ready(id, original, driver.limit.id(), &driver.path);
    world.driver.send(&Event::PublicationReady(ready));
    let second = world.answer(&mut pending).unwrap();
    assert_ne!(first.registration_id(), second.registration_id());
    first.offer(b"first").unwrap();
    assert_eq!(second.offer(b"second"), Ok(position(128)));
    drop(first);
    world.step().unwrap();
    assert_eq!(second.offer(b"third"), Ok(position(192)));
}

#[test]
fn destinations_go_by_the_original_registration_id() {
    let mut world = World::new();
    let (publication, _driver) = world.add_publication();
    let mut added = publication.add_destination("aeron:udp?endpoint=localhost:7").unwrap();
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::ADD_DESTINATION);
    let correlation_id = recorded.command().correlation_id;
    let Request::AddDestination { registration_id, channel } = recorded.command().request else { panic!() };
    assert_eq!(
        (registration_id, channel),
        (publication.original_registration_id(), "aeron:udp?endpoint=localhost:7")
    );
    world.driver.send(&Event::OperationSuccess { correlation_id });
    let destination = world.answer(&mut added).unwrap();
    assert_eq!(destination, correlation_id.as_registration_id());

    let mut removed = publication.remove_destination_by_id(destination).unwrap();
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::REMOVE_DESTINATION_BY_ID);
    let Request::RemoveDestinationById { destination_registration_id, .. } = recorded.command().request
    else {
        panic!()
    };
    assert_eq!(destination_registration_id, destination);
    world.driver.send(&Event::Error {
        correlation_id: recorded.command().correlation_id,
        error_code: ErrorCode::UnknownPublication,
        message: b"gone",
    });
    assert!(matches!(world.answer(&mut removed), Err(ClientError::Registration { .. })));

    let _taken_back = publication.remove_destination("aeron:udp?endpoint=localhost:7").unwrap();
    world.step().unwrap();
    world.driver.expect_command(command_id::REMOVE_DESTINATION);
}

#[test]
fn handlers_hear_of_new_publications_and_of_rejections() {
    let (heard, rejected) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (new, new_exclusive, errors) = (Arc::clone(&heard), Arc::clone(&heard), Arc::clone(&rejected));
    let mut world = World::with(|context| {
        context
            .on_new_publication(move |publication| {
                assert_eq!((publication.channel.as_str(), publication.session_id), (CHANNEL, SESSION));
                new.fetch_add(1, Ordering::Relaxed);
            })
            .on_new_exclusive_publication(move |_| {
                new_exclusive.fetch_add(10, Ordering::Relaxed);
            })
            .on_publication_error(move |error| {
                assert_eq!(
                    (error.error_code, error.message.as_str()),
                    (ErrorCode::ImageRejected, "too slow")
                );
                errors.fetch_add(1, Ordering::Relaxed);
            })
    });
    let (publication, _log) = world.add_publication();
    let (_exclusive, _log) = world.add_exclusive_publication();
    assert_eq!(heard.load(Ordering::Relaxed), 11);
    world.driver.send(&Event::PublicationError(PublicationError {
        registration_id: publication.original_registration_id(),
        destination_registration_id: None,
        session_id: SESSION,
        stream_id: publication.stream_id(),
        receiver_id: epona_client::ReceiverId::new(1),
        group_tag: None,
        source: None,
        error_code: ErrorCode::ImageRejected,
        message: b"too slow",
    }));
    world.step().unwrap();
    assert_eq!(rejected.load(Ordering::Relaxed), 1);
}

#[test]
fn a_command_is_active_until_it_is_answered_or_given_up() {
    let mut world = World::new();
    assert!(!world.aeron.has_active_commands());
    let mut pending = world.aeron.add_counter_async(CounterTypeId::new(1001), b"", "x").unwrap();
    let id = pending.registration_id();
    assert!(world.aeron.is_command_active(id) && world.aeron.has_active_commands());
    world.step().unwrap();
    assert!(world.aeron.is_command_active(id));
    let correlation_id = world.driver.expect_command(command_id::ADD_COUNTER).command().correlation_id;
    world.driver.send(&Event::Error { correlation_id, error_code: ErrorCode::GenericError, message: b"no" });
    assert!(world.answer(&mut pending).is_err());
    assert!(!world.aeron.is_command_active(id) && !world.aeron.has_active_commands());

    let late = world.aeron.add_counter_async(CounterTypeId::new(1001), b"", "y").unwrap();
    world.aeron.close();
    assert!(!world.aeron.is_command_active(late.registration_id()));
}

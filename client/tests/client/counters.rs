use std::sync::{Arc, Mutex};

use epona_client::{
    ClientError, CounterEvent, CounterId, CounterTypeId, ErrorCode, RegistrationId, SessionId,
};
use epona_protocol::command::{Event, Request, command_id};

use crate::fake_driver::World;

const TYPE: CounterTypeId = CounterTypeId::new(1001);

#[test]
fn a_counter_is_added_written_read_and_removed() {
    let mut world = World::new();
    let mut pending = world.aeron.add_counter_async(TYPE, &[1, 2, 3], "orders").unwrap();
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::ADD_COUNTER);
    let request = Request::AddCounter { type_id: TYPE, key: &[1, 2, 3], label: b"orders" };
    assert_eq!(recorded.command().request, request);
    let correlation_id = recorded.command().correlation_id;
    let in_driver = world.driver.counter(TYPE, correlation_id.get(), world.aeron.client_id().get());
    world.driver.send(&Event::CounterReady { correlation_id, counter_id: in_driver.id() });
    let counter = world.answer(&mut pending).unwrap();
    assert_eq!((counter.id(), counter.registration_id()), (in_driver.id(), pending.registration_id()));
    counter.set(5);
    assert_eq!(counter.get_and_add(2), 5);
    assert!(counter.propose_max(9) && !counter.propose_max(8));
    assert_eq!((counter.get(), in_driver.get_acquire(), counter.is_static()), (9, 9, false));
    assert_eq!(counter.label().as_deref(), Some("counter"));
    assert_eq!(world.aeron.counters_reader().value(counter.id()), Some(9));
    let registration_id = counter.registration_id();
    counter.close();
    world.step().unwrap();
    let removal = world.driver.expect_command(command_id::REMOVE_COUNTER);
    assert_eq!(removal.command().request, Request::RemoveCounter { registration_id });
}

#[test]
fn a_counter_that_was_closed_elsewhere_no_longer_writes() {
    let mut world = World::new();
    let mut pending = world.aeron.add_counter_async(TYPE, &[], "x").unwrap();
    world.step().unwrap();
    let correlation_id = world.driver.expect_command(command_id::ADD_COUNTER).command().correlation_id;
    let in_driver = world.driver.counter(TYPE, correlation_id.get(), 0);
    world.driver.send(&Event::CounterReady { correlation_id, counter_id: in_driver.id() });
    let counter = world.answer(&mut pending).unwrap();
    world.aeron.remove(counter.registration_id());
    world.step().unwrap();
    counter.set(1);
    counter.get_and_add(1);
    assert!(counter.is_closed() && !counter.propose_max(7));
    assert_eq!((in_driver.get_acquire(), counter.label()), (0, None));
}

#[test]
fn a_static_counter_keeps_the_callers_id_and_is_never_removed() {
    let mut world = World::new();
    let registration_id = RegistrationId::new(4242);
    let mut pending = world.aeron.add_static_counter_async(TYPE, b"key", "static", registration_id).unwrap();
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::ADD_STATIC_COUNTER);
    let request = Request::AddStaticCounter { registration_id, type_id: TYPE, key: b"key", label: b"static" };
    assert_eq!(recorded.command().request, request);
    let in_driver = world.driver.counter(TYPE, 4242, -1);
    let correlation_id = recorded.command().correlation_id;
    world.driver.send(&Event::StaticCounter { correlation_id, counter_id: in_driver.id() });
    let counter = world.answer(&mut pending).unwrap();
    assert!(counter.is_static());
    assert_eq!(counter.registration_id(), registration_id);
    drop(counter);
    world.step().unwrap();
    assert!(world.driver.next_command().is_none());
}

#[test]
fn handlers_hear_of_all_counters_of_all_clients() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (come, gone) = (Arc::clone(&heard), Arc::clone(&heard));
    let mut world = World::with(|context| {
        context
            .on_available_counter(move |event| come.lock().unwrap().push((true, *event)))
            .on_unavailable_counter(move |event| gone.lock().unwrap().push((false, *event)))
    });
    let event = CounterEvent { registration_id: RegistrationId::new(77), counter_id: CounterId::new(3) };
    world.driver.send(&Event::CounterReady {
        correlation_id: epona_client::CorrelationId::new(77),
        counter_id: CounterId::new(3),
    });
    world.driver.send(&Event::UnavailableCounter {
        registration_id: RegistrationId::new(77),
        counter_id: CounterId::new(3),
    });
    world.step().unwrap();
    assert_eq!(*heard.lock().unwrap(), [(true, event), (false, event)]);
}

#[test]
fn handlers_added_later_are_called_too_until_they_are_removed() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let heard = Arc::clone(&heard);
        move || heard.lock().unwrap().push(text)
    };
    let (of_context, come, gone, closed) = (note("context"), note("come"), note("gone"), note("closed"));
    let mut world = World::with(|context| context.on_available_counter(move |_| of_context()));
    let come = world.aeron.add_available_counter_handler(move |_| come()).unwrap();
    let _panics = world.aeron.add_unavailable_counter_handler(|_| panic!("survived")).unwrap();
    world.aeron.add_unavailable_counter_handler(move |_| gone()).unwrap();
    world.aeron.add_close_handler(closed).unwrap();
    let (id, counter_id) = (epona_client::CorrelationId::new(77), CounterId::new(3));
    world.driver.send(&Event::CounterReady { correlation_id: id, counter_id });
    let registration_id = id.as_registration_id();
    world.driver.send(&Event::UnavailableCounter { registration_id, counter_id });
    world.step().unwrap();
    world.aeron.remove(come);
    world.driver.send(&Event::CounterReady { correlation_id: id, counter_id });
    world.step().unwrap();
    world.aeron.close();
    assert_eq!(*heard.lock().unwrap(), ["context", "come", "gone", "context", "closed"]);
    assert!(world.aeron.add_close_handler(|| {}).is_err());
}

#[test]
fn a_session_id_is_asked_of_the_driver() {
    let mut world = World::new();
    let mut pending = world.aeron.next_session_id_async(5).unwrap();
    let mut refused = world.aeron.next_session_id_async(6).unwrap();
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::GET_NEXT_AVAILABLE_SESSION_ID);
    let correlation_id = recorded.command().correlation_id;
    world.driver.send(&Event::NextAvailableSessionId { correlation_id, session_id: SessionId::new(-3) });
    let recorded = world.driver.expect_command(command_id::GET_NEXT_AVAILABLE_SESSION_ID);
    let correlation_id = recorded.command().correlation_id;
    world.driver.send(&Event::Error { correlation_id, error_code: ErrorCode::NotSupported, message: b"old" });
    assert_eq!(world.answer(&mut pending).unwrap(), SessionId::new(-3));
    assert!(matches!(refused.poll(), Err(ClientError::Registration { code: ErrorCode::NotSupported, .. })));
}

#[test]
fn a_request_that_can_never_be_sent_is_refused_and_the_next_one_goes_through() {
    let mut world = World::new();
    let mut pending = world.aeron.add_counter_async(TYPE, &[0; 4096], "too long for the ring").unwrap();
    let mut next = world.aeron.add_counter_async(TYPE, &[], "fits").unwrap();
    let error = world.answer(&mut pending).unwrap_err();
    assert!(matches!(error, ClientError::RequestTooLong { .. }), "{error}");
    world.driver.expect_command(command_id::ADD_COUNTER);
    assert!(next.poll().unwrap().is_none());
}

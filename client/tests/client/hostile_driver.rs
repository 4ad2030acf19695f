use std::sync::{Arc, Mutex};

use epona_client::{ClientError, CorrelationId};
use epona_protocol::command::{Event, command_id, event_id};
use proptest::{collection::vec, prelude::*};

use crate::fake_driver::{CHANNEL, STREAM, World};

type Errors = Arc<Mutex<Vec<ClientError>>>;

fn watched() -> (World, Errors) {
    let errors = Errors::default();
    let seen = Arc::clone(&errors);
    (World::with(|context| context.on_error(move |error| seen.lock().unwrap().push(error.clone()))), errors)
}

#[test]
fn lost_events_end_the_client() {
    let (mut world, errors) = watched();
    world.step().unwrap();
    for number in 0..2000 {
        world.driver.send(&Event::OperationSuccess { correlation_id: CorrelationId::new(number) });
    }
    let cause = world.step().unwrap_err();
    assert!(matches!(cause, ClientError::Lapped), "{cause}");
    assert_eq!((cause.code(), errors.lock().unwrap().len(), world.aeron.is_closed()), (1006, 1, true));
}

#[test]
fn an_event_cut_short_is_reported_and_dropped() {
    let (mut world, errors) = watched();
    world.driver.events.transmit(event_id::ON_PUBLICATION_READY, &[0; 20]).unwrap();
    world.step().unwrap();
    let errors = errors.lock().unwrap();
    let [ClientError::MalformedEvent { type_id, .. }] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(*type_id, event_id::ON_PUBLICATION_READY);
    assert!(errors[0].to_string().contains("0x0f03"), "{}", errors[0]);
}

#[test]
fn an_unknown_event_is_ignored() {
    let (mut world, errors) = watched();
    world.driver.events.transmit(0x0F42, b"news").unwrap();
    assert_eq!(world.step().unwrap(), 1);
    assert!(errors.lock().unwrap().is_empty());
}

#[test]
fn answers_to_other_clients_are_ignored() {
    let (mut world, errors) = watched();
    let mut pending = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    world.driver.expect_command(command_id::ADD_PUBLICATION);
    let correlation_id = world.driver.commands.next_correlation_id();
    let error_code = epona_client::ErrorCode::GenericError;
    world.driver.send(&Event::Error { correlation_id, error_code, message: b"not yours" });
    world.step().unwrap();
    assert!(pending.poll().unwrap().is_none() && errors.lock().unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_event_whatever_ends_or_breaks_the_client(
        events in vec((0x0F00..0x0F10_i32, vec(any::<u8>(), 0..120), any::<bool>()), 1..12),
    ) {
        let (mut world, _errors) = watched();
        let _publication = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
        let subscription = world.add_subscription_after_publication();
        let mut subscription = subscription;
        for (type_id, mut payload, names_the_subscription) in events {
            if names_the_subscription && payload.len() >= 24 {
                payload[16..24].copy_from_slice(&subscription.registration_id().get().to_le_bytes());
            }
            if type_id == event_id::ON_CLIENT_TIMEOUT {
                continue;
            }
            world.driver.events.transmit(type_id, &payload).unwrap();
        }
        world.step().unwrap();
        subscription.poll(|_, _| {}, 10);
        prop_assert!(!world.aeron.is_closed());
    }
}

impl World {
    fn add_subscription_after_publication(&mut self) -> epona_client::Subscription {
        self.step().unwrap();
        self.driver.expect_command(command_id::ADD_PUBLICATION);
        self.add_subscription()
    }
}

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use epona_client::{ClientError, Context, EpochMillis, OfferError, Pending, Publication};
use epona_protocol::{
    command::{Event, command_id},
    counters::{MAX_LABEL_LENGTH, RecordState},
};

use crate::fake_driver::{CHANNEL, STREAM, World};

type Errors = Arc<Mutex<Vec<ClientError>>>;

fn watched() -> (World, Errors) {
    let errors = Errors::default();
    let seen = Arc::clone(&errors);
    let configure = |context: Context| {
        context.client_name("risk").on_error(move |error| seen.lock().unwrap().push(error.clone()))
    };
    (World::with(configure), errors)
}

/// The client must end, with this cause, told once; everything of it answers closed.
fn assert_ended(world: &mut World, errors: &Errors, is_cause: fn(&ClientError) -> bool, code: i32) {
    let cause = world.step().unwrap_err();
    assert!(is_cause(&cause), "{cause}");
    assert_eq!((cause.code(), cause.is_fatal()), (code, true));
    let after = world.step().unwrap_err();
    let ClientError::Closed { cause: Some(kept) } = &after else { panic!("{after}") };
    assert!(is_cause(kept), "{after}");
    assert_eq!(errors.lock().unwrap().len(), 1, "told once");
    assert!(world.aeron.is_closed() && is_cause(&world.aeron.failure().unwrap()));
    let refused = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap_err();
    assert!(refused.to_string().contains(&cause.to_string()), "{refused}");
    assert_eq!(refused.code(), 1005);
    assert!(world.driver.next_command().is_none(), "nothing is sent any more");
}

#[test]
fn the_heartbeat_counter_is_labelled_once_and_kept_up() {
    let (mut world, _errors) = watched();
    world.run(Duration::from_secs(2));
    let heartbeat = world.driver.heartbeat_counter(&world.aeron);
    let before = world.driver.now.epoch;
    world.run(Duration::from_millis(100));
    assert!(heartbeat.get_acquire() >= before.get(), "found at the next look");
    world.run(Duration::from_secs(3));
    assert!(world.driver.now.epoch.get() - heartbeat.get_acquire() <= 540);
    let label = world.aeron.counters_reader().label(heartbeat.id()).unwrap();
    let start = format!("client-heartbeat: id={} name=risk version=", world.aeron.client_id());
    assert!(label.starts_with(&start) && label.contains(" commit="), "{label}");
    assert_eq!(label.matches("name=").count(), 1, "{label}");
}

#[test]
fn the_longest_name_is_in_the_label_whole_and_a_label_without_room_takes_what_fits() {
    let name = "n".repeat(epona_client::MAX_CLIENT_NAME_LENGTH);
    let mut world = World::with(|context| context.client_name(name.clone()));
    let heartbeat = world.driver.heartbeat_counter(&world.aeron);
    world.run(Duration::from_millis(1100));
    let label = world.aeron.counters_reader().label(heartbeat.id()).unwrap();
    let start = format!("client-heartbeat: id={} name={name} version=", world.aeron.client_id());
    assert!(label.starts_with(&start) && label.contains(" commit="), "{label}");

    let mut world = World::with(|context| context.client_name(name.clone()));
    let full = "x".repeat(MAX_LABEL_LENGTH - 10);
    let heartbeat = world.driver.heartbeat_counter_labelled(&world.aeron, &full);
    world.run(Duration::from_millis(1100));
    let label = world.aeron.counters_reader().label(heartbeat.id()).unwrap();
    assert_eq!(label, format!("{full} name=nnnn"));
}

#[test]
fn heartbeats_keep_to_the_interval() {
    let mut world = World::with(|context| context.keepalive_interval(Duration::from_secs(1)));
    let heartbeat = world.driver.heartbeat_counter(&world.aeron);
    world.run(Duration::from_millis(1100));
    let first = heartbeat.get_acquire();
    assert_ne!(first, 0);
    world.run(Duration::from_millis(900));
    assert_eq!(heartbeat.get_acquire(), first);
    world.run(Duration::from_millis(200));
    assert!(heartbeat.get_acquire() > first);
}

#[test]
fn a_silent_driver_ends_the_client_after_the_driver_timeout() {
    let (mut world, errors) = watched();
    let (publication, _log) = world.add_publication();
    for _ in 0..100 {
        world.driver.pass_without_sign_of_life(Duration::from_millis(100));
        world.step().unwrap();
    }
    world.driver.pass_without_sign_of_life(Duration::from_millis(600));
    assert_ended(&mut world, &errors, |cause| matches!(cause, ClientError::DriverTimeout { .. }), 1000);
    assert_eq!(publication.offer(b"x"), Err(OfferError::Closed));
}

#[test]
fn a_driver_that_shuts_down_ends_the_client_at_the_next_look() {
    let (mut world, errors) = watched();
    let mut subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    world.driver.commands.set_heartbeat(EpochMillis::new(-1));
    world.driver.pass_without_sign_of_life(Duration::from_millis(600));
    assert_ended(&mut world, &errors, |cause| matches!(cause, ClientError::DriverTimeout { .. }), 1000);
    assert!(errors.lock().unwrap()[0].to_string().contains("shut down"));
    assert!(subscription.is_closed() && subscription.images().is_empty());
    drop((subscription, image));
}

#[test]
fn a_client_that_the_driver_gave_up_ends() {
    let (mut world, errors) = watched();
    world.driver.send(&Event::ClientTimeout { client_id: epona_client::ClientId::new(123_456) });
    world.step().unwrap();
    let client_id = world.aeron.client_id();
    world.driver.send(&Event::ClientTimeout { client_id });
    assert_ended(&mut world, &errors, |cause| matches!(cause, ClientError::ClientTimeout), 1001);
}

#[test]
fn a_conductor_that_was_not_run_for_too_long_ends() {
    let (mut world, errors) = watched();
    world.step().unwrap();
    world.driver.pass(Duration::from_secs(10));
    world.step().unwrap();
    world.driver.pass(Duration::from_millis(10_001));
    let is_cause = |cause: &ClientError| matches!(cause, ClientError::ConductorServiceTimeout { .. });
    assert_ended(&mut world, &errors, is_cause, 1002);
}

#[test]
fn a_heartbeat_counter_that_was_freed_or_reused_ends_the_client() {
    let (mut world, errors) = watched();
    let heartbeat = world.driver.heartbeat_counter(&world.aeron);
    world.run(Duration::from_secs(1));
    world.driver.counters.free(heartbeat.id(), world.driver.now.epoch);
    assert_eq!(world.aeron.counters_reader().state(heartbeat.id()), Some(RecordState::Reclaimed));
    world.driver.pass(Duration::from_millis(600));
    assert_ended(&mut world, &errors, |cause| matches!(cause, ClientError::HeartbeatCounterLost), 1000);
}

#[test]
fn pending_requests_fail_with_the_cause_when_the_client_ends() {
    let (mut world, _errors) = watched();
    let mut sent = world.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    world.driver.expect_command(command_id::ADD_PUBLICATION);
    let client_id = world.aeron.client_id();
    world.driver.send(&Event::ClientTimeout { client_id });
    assert!(matches!(world.step(), Err(ClientError::ClientTimeout)));
    let error = sent.poll().unwrap_err();
    assert!(matches!(&error, ClientError::Closed { cause: Some(_) }), "{error}");
}

/// More adds than the driver's command buffer takes.
fn add_too_many(world: &World) -> Vec<Pending<Publication>> {
    let channel = format!("aeron:ipc?alias={}", "x".repeat(1500));
    (0..12).map(|_| world.aeron.add_publication_async(&channel, STREAM).unwrap()).collect()
}

#[test]
fn requests_wait_for_room_in_the_command_buffer() {
    let (mut world, _errors) = watched();
    let _pending = add_too_many(&world);
    let mut sent = 0;
    for _ in 0..4 {
        world.step().unwrap();
        while world.driver.next_command().is_some() {
            sent += 1;
        }
    }
    assert_eq!(sent, 12);
}

#[test]
fn requests_that_find_no_room_in_the_command_buffer_fail_in_the_end() {
    let (mut world, _errors) = watched();
    let mut pending = add_too_many(&world);
    world.run(Duration::from_millis(10_100));
    let outcomes: Vec<_> = pending.iter_mut().map(|each| each.poll().unwrap_err()).collect();
    let full = outcomes.iter().filter(|error| matches!(error, ClientError::CommandBufferFull { .. })).count();
    let late =
        outcomes.iter().filter(|error| matches!(error, ClientError::RegistrationTimeout { .. })).count();
    assert!(full >= 1 && late >= 9 && full + late == 12, "{full} full, {late} late");
    for _ in 0..late {
        world.driver.expect_command(command_id::ADD_PUBLICATION);
    }
    world.step().unwrap();
    for _ in 0..late {
        world.driver.expect_command(command_id::REMOVE_PUBLICATION);
    }
    assert!(world.driver.next_command().is_none(), "what was never sent need not be removed");
}

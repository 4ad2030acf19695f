use std::time::Duration;

use epona_client::{
    ChannelStatus, ClientId, Context, CounterTypeId, HeldBy, OfferError, Position, Publication,
    PublicationExplanation, ReceiverPlace,
};
use epona_protocol::{
    counters::{AtomicCounter, Confirmation, NewCounter, StreamKey, stream_label, subscriber_position_label},
    logbuffer::appender::ConcurrentAppender,
    types::{EpochMillis, StreamId},
};

use crate::fake_driver::{CHANNEL, DriverLog, SESSION, STREAM, TERM_LENGTH, World, position};

const WINDOW: i64 = TERM_LENGTH as i64 / 2;
const LATER: Duration = Duration::from_secs(4);

/// A counter of the publication's stream, as a driver makes it.
fn stream_counter(
    world: &mut World,
    type_id: CounterTypeId,
    id: i64,
    reference_id: i64,
    value: i64,
) -> AtomicCounter {
    let stream_id = StreamId::new(STREAM);
    let key =
        StreamKey { registration_id: id, session_id: SESSION, stream_id, channel: CHANNEL.into() }.encode();
    let label = if type_id == CounterTypeId::SUBSCRIBER_POSITION {
        subscriber_position_label(id, SESSION, stream_id, CHANNEL, Position::ZERO)
    } else {
        stream_label(type_id.label_name().unwrap(), id, SESSION, stream_id, CHANNEL)
    };
    let new = NewCounter {
        type_id,
        key: &key,
        label: label.as_bytes(),
        registration_id: id,
        owner_id: world.aeron.client_id().get(),
        reference_id,
    };
    let counter = world.driver.counters.allocate(world.driver.now.epoch, &new).unwrap();
    counter.set_release(value);
    counter
}

/// Offers until the limit is reached.
fn fill(publication: &Publication) {
    while publication.offer(&[0; 992]).is_ok() {}
}

/// A publication over the network that has filled its window: how far it was sent, and how far that is allowed.
fn back_pressured(sent: i64, allowed: i64) -> (World, Publication, DriverLog) {
    let mut world = World::with(|context: Context| context.client_name("risk"));
    let (publication, log) = world.add_publication();
    let id = publication.registration_id().get();
    stream_counter(&mut world, CounterTypeId::SENDER_POSITION, id, 0, sent);
    stream_counter(&mut world, CounterTypeId::SENDER_LIMIT, id, 0, allowed);
    stream_counter(&mut world, CounterTypeId::SENDER_BPE, id, 0, 3);
    fill(&publication);
    (world, publication, log)
}

fn limit_of_sender(world: &World, publication: &Publication) -> AtomicCounter {
    let counters = world.aeron.counters_reader();
    let id = counters.find(CounterTypeId::SENDER_LIMIT, publication.registration_id().get()).unwrap();
    counters.writable(id).unwrap()
}

#[test]
fn a_full_receiver_window_is_named_with_endpoint_and_age() {
    let (mut world, publication, _log) = back_pressured(1024, 1024);
    world.run(LATER);
    let explanation = publication.explain();
    assert_eq!(explanation.next_offer, Err(OfferError::BackPressured));
    assert_eq!((explanation.position, explanation.limit), (position(WINDOW), position(WINDOW)));
    assert!(explanation.limit_age > LATER / 2, "{:?}", explanation.limit_age);
    let HeldBy::Receivers(window) = &explanation.held_by else { panic!("{explanation:?}") };
    assert_eq!(window.receivers.place, ReceiverPlace::Endpoint("localhost:20121".to_owned()));
    assert_eq!((window.behind, window.back_pressure_events), (WINDOW - 1024, 3));
    let text = explanation.to_string();
    for part in
        ["stream 1001", "back pressured", "has not moved for", "localhost:20121", "window full at 1024"]
    {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn the_last_status_message_is_told_of_where_the_driver_tells_it() {
    let (mut world, publication, _log) = back_pressured(1024, 1024);
    let limit = limit_of_sender(&world, &publication);
    assert_eq!(publication.explain().status_message_age, None, "as with a driver of Aeron's");
    assert!(publication.explain().to_string().ends_with("; no status message known of"));
    let by = Some("10.1.0.7:20121".parse().unwrap());
    limit.confirm(Confirmation { at: world.driver.now.epoch, by });
    world.run(LATER);
    let explanation = publication.explain();
    let age = explanation.status_message_age.unwrap();
    assert!(age > LATER / 2 && age <= LATER, "{age:?}");
    let text = explanation.to_string();
    assert!(
        text.contains("; last status message ") && text.contains("localhost:20121, 10.1.0.7:20121"),
        "{text}"
    );
}

#[test]
fn the_receiver_that_was_last_there_is_named_once_it_has_gone() {
    let (world, publication, log) = back_pressured(1024, 1024);
    let by = Some("10.1.0.7:20121".parse().unwrap());
    limit_of_sender(&world, &publication).confirm(Confirmation { at: world.driver.now.epoch, by });
    log.log.metadata().set_connected(false);
    let explanation = publication.explain();
    assert_eq!((&explanation.held_by, explanation.pacemaker), (&HeldBy::Nobody(None), by));
    assert!(explanation.to_string().ends_with("; the last receiver was 10.1.0.7:20121"), "{explanation}");
}

#[test]
fn times_of_status_messages_that_cannot_be_are_no_age_or_none() {
    let (mut world, publication, _log) = back_pressured(1024, 1024);
    world.run(LATER);
    let limit = limit_of_sender(&world, &publication);
    for (time, age) in [(i64::MAX, Some(Duration::ZERO)), (-1, None), (i64::MIN, None), (0, None)] {
        limit.confirm(Confirmation { at: EpochMillis::new(time), by: None });
        assert_eq!(publication.explain().status_message_age, age, "{time}");
    }
    limit.confirm(Confirmation { at: EpochMillis::new(1), by: None });
    assert!(publication.explain().status_message_age.unwrap() > Duration::from_secs(1_000_000_000));
}

#[test]
fn a_window_too_small_for_the_next_datagram_is_full() {
    let (_world, publication, _log) = back_pressured(1024, 1024 + 64);
    assert!(matches!(publication.explain().held_by, HeldBy::Receivers(_)));
}

#[test]
fn a_sender_that_has_room_is_behind_itself() {
    let (_world, publication, _log) = back_pressured(1024, 8192);
    let behind = WINDOW - 1024;
    assert_eq!(publication.explain().held_by, HeldBy::Sender { position: position(1024), behind });
}

#[test]
fn the_receivers_own_subscription_is_named_where_this_driver_has_it() {
    let (mut world, publication, _log) = back_pressured(4096, 4096);
    stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 70, 700, 2048);
    stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 71, 700, 1024);
    let explanation = publication.explain();
    let HeldBy::Receivers(window) = &explanation.held_by else { panic!("{explanation:?}") };
    let subscriber = window.subscriber.as_ref().unwrap();
    assert_eq!((subscriber.registration_id.get(), subscriber.behind), (71, WINDOW - 1024));
}

#[test]
fn a_spy_behind_the_sender_is_the_one_that_is_waited_for() {
    let (mut world, publication, _log) = back_pressured(4096, 4096);
    let id = publication.registration_id().get();
    stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 70, id, 64);
    let HeldBy::Subscriber(spy) = publication.explain().held_by else { panic!("not a subscriber") };
    assert_eq!((spy.registration_id.get(), spy.position), (70, position(64)));
}

#[test]
fn the_slowest_subscriber_over_ipc_is_named_with_its_client() {
    let mut world = World::with(|context: Context| context.client_name("risk"));
    let (publication, _log) = world.add_publication();
    let heartbeat = world.aeron.clone();
    world.driver.heartbeat_counter(&heartbeat);
    world.run(Duration::from_secs(1));
    let id = publication.registration_id().get();
    stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 70, id, 2048);
    let slow = stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 71, id, 1024);
    fill(&publication);
    let explanation = publication.explain();
    let HeldBy::Subscriber(consumer) = &explanation.held_by else { panic!("{explanation:?}") };
    assert_eq!((consumer.counter_id, consumer.registration_id.get()), (slow.id(), 71));
    assert_eq!(
        (consumer.client_id, consumer.client_name.as_deref()),
        (world.aeron.client_id(), Some("risk"))
    );
    assert_eq!((consumer.position, consumer.behind), (position(1024), WINDOW - 1024));
    assert!(consumer.label.starts_with("sub-pos: 71 "), "{}", consumer.label);
    let text = explanation.to_string();
    assert!(text.contains("waits for subscription 71") && text.contains("'risk'"), "{text}");
}

#[test]
fn an_open_publication_says_how_much_room_is_left() {
    let mut world = World::new();
    let (publication, _log) = world.add_publication();
    let id = publication.registration_id().get();
    stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 70, id, 0);
    let explanation = publication.explain();
    assert_eq!((explanation.next_offer, &explanation.held_by), (Ok(()), &HeldBy::Conductor));
    assert!(explanation.to_string().contains(&format!("open, {WINDOW} bytes")), "{explanation}");
}

#[test]
fn a_disconnected_publication_says_since_when_and_who_was_last_there() {
    let mut world = World::new();
    let (publication, log) = world.add_publication();
    let id = publication.registration_id().get();
    publication.offer(&[0; 32]).unwrap();
    let first = stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 70, id, 0);
    let last = stream_counter(&mut world, CounterTypeId::SUBSCRIBER_POSITION, 71, id, 64);
    world.driver.counters.free(first.id(), world.driver.now.epoch);
    world.run(Duration::from_secs(1));
    world.driver.counters.free(last.id(), world.driver.now.epoch);
    log.log.metadata().set_connected(false);
    log.limit.set_release(64);
    world.run(LATER);
    let explanation = publication.explain();
    assert_eq!((explanation.next_offer, explanation.is_connected), (Err(OfferError::NotConnected), false));
    assert!(explanation.connection_age > LATER / 2 && explanation.connection_age < 2 * LATER);
    let HeldBy::Nobody(Some(gone)) = &explanation.held_by else { panic!("{explanation:?}") };
    assert_eq!((gone.registration_id.get(), gone.position), (71, position(64)));
    assert_eq!(gone.client_id, ClientId::new(world.aeron.client_id().get()));
    let text = explanation.to_string();
    assert!(text.contains("not connected for") && text.contains("the last was subscription 71"), "{text}");
}

#[test]
fn a_publication_that_nobody_ever_read_says_so() {
    let mut world = World::new();
    let (publication, log) = world.add_publication();
    log.log.metadata().set_connected(false);
    log.limit.set_release(0);
    assert_eq!(publication.explain().held_by, HeldBy::Nobody(None));
}

#[test]
fn the_end_of_a_term_is_told_from_back_pressure() {
    let mut world = World::new();
    let (publication, log) = world.add_publication();
    log.limit.set_release(2 * i64::from(TERM_LENGTH));
    while publication.position().unwrap() < position(i64::from(TERM_LENGTH)) {
        publication.offer(&[0; 992]).unwrap();
    }
    assert_eq!(publication.explain().next_offer, Err(OfferError::AdminAction));
}

#[test]
fn an_exclusive_publication_explains_itself_and_a_closed_one_says_so() {
    let mut world = World::new();
    let (mut publication, _log) = world.add_exclusive_publication();
    publication.offer(b"hello").unwrap();
    let explanation: PublicationExplanation = publication.explain();
    assert_eq!((explanation.position, explanation.next_offer), (position(64), Ok(())));
    world.aeron.close();
    let explanation = publication.explain();
    assert_eq!(explanation.next_offer, Err(OfferError::Closed));
    assert!(explanation.to_string().ends_with(": the publication is closed"), "{explanation}");
}

#[test]
fn a_subscription_says_what_is_unread_and_what_was_lost() {
    let mut world = World::new();
    let mut pending = world.aeron.add_subscription_async(CHANNEL, STREAM).unwrap();
    let channel = world.active_channel();
    world.confirm_subscription(channel);
    let subscription = world.answer(&mut pending).unwrap();
    let text = subscription.explain().to_string();
    assert!(text.contains("socket active") && text.contains("no publication has been heard of"), "{text}");

    let image = world.add_image(&subscription);
    let id = image.id.get();
    stream_counter(&mut world, CounterTypeId::RECEIVER_POSITION, id, 0, 96);
    stream_counter(&mut world, CounterTypeId::RECEIVER_HWM, id, 0, 4096);
    let naks = stream_counter(&mut world, CounterTypeId::RECEIVER_NAKS_SENT, id, 0, 2);
    assert_eq!(naks.get_acquire(), 2);
    image.position.set_release(32);
    let explanation = subscription.explain();
    assert_eq!(explanation.channel_status, Some(ChannelStatus::Active));
    let [only] = &explanation.images[..] else { panic!("{explanation:?}") };
    assert_eq!((only.unread, only.missing, only.naks_sent, only.is_end_of_stream), (64, 4000, 2, false));
    let text = explanation.to_string();
    assert!(text.contains("64 bytes unread") && text.contains("within the next 4000 bytes"), "{text}");
}

#[test]
fn what_is_unread_over_ipc_is_up_to_the_publisher() {
    let mut world = World::new();
    let subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    let appender = ConcurrentAppender::new(image.log.clone()).unwrap();
    appender.offer(b"hello", Position::MAX).unwrap();
    let explanation = subscription.explain();
    assert_eq!((explanation.images[0].unread, explanation.images[0].missing), (64, 0));
    world.aeron.close();
    assert!(subscription.explain().to_string().ends_with("closed"));
}

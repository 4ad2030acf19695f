use std::sync::{Arc, Mutex};

use epona_client::{
    ChannelStatus, ClientError, CorrelationId, CounterId, CounterTypeId, ErrorCode, ImageHandlers, Position,
    SessionId,
};
use epona_protocol::{
    command::{Event, Request, command_id},
    counters::{LocalSocketAddressKey, NewCounter},
    logbuffer::{LogKind, appender::ExclusiveAppender},
};

use crate::fake_driver::{CHANNEL, DriverImage, SESSION, STREAM, World, only_image};

fn publish(image: &DriverImage, messages: &[&[u8]]) {
    let mut appender = ExclusiveAppender::new(image.log.clone()).unwrap();
    for message in messages {
        appender.offer(message, Position::MAX).unwrap();
    }
}

#[test]
fn an_add_sends_the_command_and_becomes_a_subscription_when_ready() {
    let mut world = World::new();
    let mut pending = world.aeron.add_subscription_async(CHANNEL, STREAM).unwrap();
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::ADD_SUBSCRIPTION);
    let Request::AddSubscription { stream_id, channel } = recorded.command().request else { panic!() };
    assert_eq!((stream_id.get(), channel), (STREAM, CHANNEL));
    let correlation_id = recorded.command().correlation_id;
    world.driver.send(&Event::SubscriptionReady { correlation_id, channel_status_id: CounterId::NULL });
    let mut subscription = world.answer(&mut pending).unwrap();
    assert_eq!((subscription.channel(), subscription.stream_id().get()), (CHANNEL, STREAM));
    assert_eq!(subscription.registration_id(), pending.registration_id());
    assert!(!subscription.is_connected() && !subscription.is_closed() && subscription.images().is_empty());
    assert_eq!((subscription.channel_status(), subscription.poll(|_, _| panic!("no image"), 10)), (None, 0));
}

#[test]
fn an_image_is_announced_polled_and_withdrawn() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (available, unavailable) = (Arc::clone(&log), Arc::clone(&log));
    let mut world = World::with(|context| {
        context
            .on_available_image(move |image| {
                available.lock().unwrap().push(format!(
                    "+{} {}",
                    image.session_id(),
                    image.source_identity()
                ));
            })
            .on_unavailable_image(move |image| {
                assert!(image.is_closed());
                unavailable.lock().unwrap().push(format!("-{} at {}", image.session_id(), image.position()));
            })
    });
    let mut subscription = world.add_subscription();
    let driver = world.add_image(&subscription);
    assert!(subscription.is_connected());
    publish(&driver, &[b"one", b"two"]);

    let mut seen = Vec::new();
    let fragments = subscription.poll(
        |payload, header| {
            seen.push((payload.to_vec(), header.position().get(), header.reserved_value()));
            assert_eq!((header.session_id(), header.stream_id().get()), (SESSION, STREAM));
            assert_eq!(header.image().source_identity(), "127.0.0.1:4001");
        },
        10,
    );
    assert_eq!((fragments, driver.position.get_acquire()), (2, 128));
    assert_eq!(seen, [(b"one".to_vec(), 64, 0), (b"two".to_vec(), 128, 0)]);
    let image = only_image(&mut subscription);
    assert_eq!((image.position().get(), image.join_position().get(), image.mtu_length()), (128, 0, 1408));
    assert_eq!((image.correlation_id(), image.subscriber_position_id()), (driver.id, driver.position.id()));

    world.driver.withdraw_image(subscription.registration_id(), driver.id);
    world.step().unwrap();
    assert!(!subscription.is_connected() && subscription.images().is_empty());
    assert_eq!(*log.lock().unwrap(), ["+-77 127.0.0.1:4001", "--77 at 128"]);
}

#[test]
fn handlers_of_a_subscription_come_before_those_of_the_context() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let log = Arc::clone(&log);
        move |_: &epona_client::Image| log.lock().unwrap().push(text)
    };
    let (default, own) = (note("default"), note("own"));
    let gone = note("gone");
    let mut world = World::with(|context| context.on_available_image(default).on_unavailable_image(gone));
    let handlers = ImageHandlers::new().on_available(own);
    let mut pending = world.aeron.add_subscription_with_async(CHANNEL, STREAM, handlers).unwrap();
    world.confirm_subscription(CounterId::NULL);
    let first = world.answer(&mut pending).unwrap();
    let second = world.add_subscription();
    let image = world.add_image(&first);
    world.add_image(&second);
    world.driver.withdraw_image(first.registration_id(), image.id);
    world.step().unwrap();
    let again = world.add_image(&first);
    drop(again);
    assert_eq!(*log.lock().unwrap(), ["own", "default", "gone", "own"]);
}

#[test]
fn images_of_unknown_subscriptions_are_ignored_and_the_same_image_comes_once() {
    let mut world = World::new();
    let mut subscription = world.add_subscription();
    world.driver.create_image(epona_client::RegistrationId::new(999), "127.0.0.1:1");
    world.step().unwrap();
    assert!(subscription.images().is_empty());
    let image = world.add_image(&subscription);
    let path = world.driver.log_path(image.id.get());
    let id = CorrelationId::new(image.id.get());
    let registration_id = subscription.registration_id();
    world.driver.announce_image(registration_id, id, SESSION, image.position.id(), &path, "again");
    world.step().unwrap();
    assert_eq!(subscription.images().len(), 1);
}

#[test]
fn one_image_log_serves_two_subscriptions_with_a_position_each() {
    let mut world = World::new();
    let (mut first, mut second) = (world.add_subscription(), world.add_subscription());
    let image = world.add_image(&first);
    let position = world.driver.counter(CounterTypeId::SUBSCRIBER_POSITION, 0, 0);
    let path = world.driver.log_path(image.id.get());
    let (id, second_id) = (CorrelationId::new(image.id.get()), second.registration_id());
    world.driver.announce_image(second_id, id, SESSION, position.id(), &path, "127.0.0.1:4001");
    world.step().unwrap();
    publish(&image, &[b"both"]);
    assert_eq!((first.poll(|_, _| {}, 10), second.poll(|_, _| {}, 10)), (1, 1));
    drop(first);
    world.step().unwrap();
    assert_eq!(second.poll(|_, _| {}, 10), 0);
    assert_eq!(position.get_acquire(), 64);
}

#[test]
fn polls_start_with_another_image_each_time() {
    let mut world = World::new();
    let mut subscription = world.add_subscription();
    let images: Vec<_> = (0..3)
        .map(|number| {
            let id = world.driver.commands.next_correlation_id();
            let (log, path) = world.driver.create_log(LogKind::Image, id.get());
            let position = world.driver.counter(CounterTypeId::SUBSCRIBER_POSITION, 0, 0);
            let registration_id = subscription.registration_id();
            world.driver.announce_image(
                registration_id,
                id,
                SessionId::new(number),
                position.id(),
                &path,
                "x",
            );
            DriverImage { id: id.as_registration_id(), log, position }
        })
        .collect();
    world.step().unwrap();
    images.iter().for_each(|image| publish(image, &[b"1", b"2", b"3"]));
    let mut order = Vec::new();
    for _ in 0..4 {
        subscription.poll(|_, header| order.push(header.image().session_id().get()), 2);
    }
    assert_eq!(order, [0, 0, 1, 1, 2, 2, 0, 1]);
    assert_eq!(subscription.poll(|_, _| {}, 10), 1);
}

#[test]
fn a_dropped_subscription_is_removed_and_its_images_end() {
    let closed = Arc::new(Mutex::new(0));
    let count = Arc::clone(&closed);
    let mut world = World::with(|context| context.on_unavailable_image(move |_| *count.lock().unwrap() += 1));
    let subscription = world.add_subscription();
    world.add_image(&subscription);
    let id = subscription.registration_id();
    subscription.close();
    world.step().unwrap();
    let removal = world.driver.expect_command(command_id::REMOVE_SUBSCRIPTION);
    assert_eq!(removal.command().request, Request::RemoveSubscription { registration_id: id });
    assert_eq!(*closed.lock().unwrap(), 1);
}

#[test]
fn a_subscription_removed_by_its_id_goes_silent() {
    let mut world = World::new();
    let mut subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    publish(&image, &[b"unread"]);
    world.aeron.remove(subscription.registration_id());
    world.step().unwrap();
    world.driver.expect_command(command_id::REMOVE_SUBSCRIPTION);
    assert!(subscription.is_closed());
    assert_eq!(subscription.poll(|_, _| panic!("closed"), 10), 0);
    drop(subscription);
    world.step().unwrap();
    assert!(world.driver.next_command().is_none());
}

#[test]
fn the_channel_tells_its_status_and_addresses_once_bound() {
    let mut world = World::new();
    let status_id = world.active_channel();
    let mut pending = world.aeron.add_subscription_async("aeron:udp?endpoint=localhost:0", STREAM).unwrap();
    world.confirm_subscription(status_id);
    let subscription = world.answer(&mut pending).unwrap();
    assert_eq!(subscription.channel_status(), Some(ChannelStatus::Active));
    assert_eq!(subscription.try_resolve_channel_endpoint_port(), None);
    let key =
        LocalSocketAddressKey { channel_status_id: status_id, address: "127.0.0.1:40456".into() }.encode();
    let new = NewCounter {
        type_id: CounterTypeId::LOCAL_SOCKET_ADDRESS,
        key: &key,
        label: b"rcv-local-sockaddr",
        registration_id: 0,
        owner_id: 0,
        reference_id: 0,
    };
    let address = world.driver.counters.allocate(world.driver.now.epoch, &new).unwrap();
    assert!(subscription.local_socket_addresses().is_empty(), "not before the address is active");
    address.set_release(ChannelStatus::Active.value());
    assert_eq!(subscription.local_socket_addresses(), ["127.0.0.1:40456"]);
    assert_eq!(subscription.resolved_endpoint().as_deref(), Some("127.0.0.1:40456"));
    let resolved = subscription.try_resolve_channel_endpoint_port();
    assert_eq!(resolved.as_deref(), Some("aeron:udp?endpoint=127.0.0.1:40456"));
}

#[test]
fn a_channel_that_fails_says_so_and_is_reported_to_those_who_use_it() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&errors);
    let mut world =
        World::with(|context| context.on_error(move |error| seen.lock().unwrap().push(error.to_string())));
    let status_id = world.active_channel();
    let mut pending = world.aeron.add_subscription_async(CHANNEL, STREAM).unwrap();
    world.confirm_subscription(status_id);
    let subscription = world.answer(&mut pending).unwrap();
    for (id, is_reported) in [(status_id.get() + 1, false), (status_id.get(), true)] {
        world.driver.send(&Event::Error {
            correlation_id: CorrelationId::new(id.into()),
            error_code: ErrorCode::ChannelEndpointError,
            message: b"the socket broke",
        });
        world.step().unwrap();
        let told = std::mem::take(&mut *errors.lock().unwrap());
        assert_eq!(told.len(), usize::from(is_reported), "{told:?}");
        assert!(told.iter().all(|text| text.contains(CHANNEL) && text.contains("the socket broke")));
    }
    let status = world.aeron.counters_reader().writable(status_id).unwrap();
    status.set_release(ChannelStatus::Errored.value());
    assert_eq!(subscription.channel_status(), Some(ChannelStatus::Errored));
}

#[test]
fn rejecting_an_image_names_it_its_position_and_the_reason() {
    let mut world = World::new();
    let mut subscription = world.add_subscription();
    let driver = world.add_image(&subscription);
    publish(&driver, &[b"read"]);
    subscription.poll(|_, _| {}, 1);
    let image = only_image(&mut subscription);
    let mut pending = image.reject("no").unwrap();
    assert!(image.reject(&"x".repeat(1024)).unwrap_err().to_string().contains("1023"));
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::REJECT_IMAGE);
    let command = recorded.command();
    assert_eq!(command.client_id, world.aeron.client_id());
    let Request::RejectImage { image_id, position, reason } = command.request else { panic!() };
    assert_eq!((image_id.as_registration_id(), position.get(), reason), (driver.id, 64, b"no".as_slice()));
    world.driver.send(&Event::OperationSuccess { correlation_id: command.correlation_id });
    world.answer(&mut pending).unwrap();
}

#[test]
fn sources_are_added_and_removed_by_the_subscriptions_id() {
    let mut world = World::new();
    let subscription = world.add_subscription();
    let mut added = subscription.add_destination("aeron:udp?endpoint=localhost:8").unwrap();
    let _removed = subscription.remove_destination("aeron:udp?endpoint=localhost:8").unwrap();
    world.step().unwrap();
    let recorded = world.driver.expect_command(command_id::ADD_RCV_DESTINATION);
    let Request::AddReceiveDestination { registration_id, .. } = recorded.command().request else { panic!() };
    assert_eq!(registration_id, subscription.registration_id());
    world.driver.send(&Event::OperationSuccess { correlation_id: recorded.command().correlation_id });
    assert_eq!(world.answer(&mut added).unwrap(), recorded.command().correlation_id.as_registration_id());
    world.driver.expect_command(command_id::REMOVE_RCV_DESTINATION);
}

#[test]
fn an_image_whose_log_cannot_be_mapped_is_reported() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&errors);
    let mut world =
        World::with(|context| context.on_error(move |error| seen.lock().unwrap().push(error.clone())));
    let mut subscription = world.add_subscription();
    let path = world.driver.log_path(4711);
    let position = world.driver.counter(CounterTypeId::SUBSCRIBER_POSITION, 0, 0);
    let (registration_id, id) = (subscription.registration_id(), CorrelationId::new(4711));
    world.driver.announce_image(registration_id, id, SESSION, position.id(), &path, "x");
    world.driver.announce_image(registration_id, id, SESSION, CounterId::new(9999), &path, "x");
    world.step().unwrap();
    assert!(subscription.images().is_empty());
    let errors = errors.lock().unwrap();
    assert!(matches!(errors[0], ClientError::LogBuffer { .. }), "{}", errors[0]);
    assert!(matches!(errors[1], ClientError::MalformedEvent { .. }), "{}", errors[1]);
}

use std::time::Duration;

use epona_media_driver::duty_cycle::DutyCycle;
use epona_protocol::{
    command::{ErrorCode, Request},
    counters::SystemCounter,
    logbuffer::{LogBuffers, LogKind},
    types::{CorrelationId, CounterTypeId, Position, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exclusive, exists, publication, subscription};

/// A driver that publishes to itself: publication, subscription, and the image's id, counter and log.
struct Stream {
    driver: Driver,
    publication: i64,
    subscription: i64,
    image: i64,
    log: String,
}

fn connected(published: &str, subscribed: &str) -> Stream {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(subscribed);
    let (publication, told) = driver.publish(published);
    let [Told::Publication(_), Told::Available { image, subscription: of, log, source, .. }] = &told[..]
    else {
        panic!("no image: {told:?}")
    };
    assert_eq!(*of, subscription);
    let bound =
        driver.counters().into_iter().find(|c| c.label.starts_with("snd-local-sockaddr")).unwrap().label;
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    assert!(
        source.starts_with("127.0.0.1:") && port(source) == port(&bound),
        "{bound} sends, {source} is heard"
    );
    let (image, log) = (*image, log.clone());
    Stream { driver, publication, subscription, image, log }
}

#[test]
fn an_image_is_announced_to_every_subscription_that_matches() {
    let mut driver = Driver::new();
    let (first, _) = driver.subscribe(UDP);
    let (second, _) = driver.ask_as(2, subscription(UDP, STREAM));
    let (session, _) = driver.subscribe(&format!("{UDP}|session-id=9"));
    let (other_session, _) = driver.subscribe(&format!("{UDP}|session-id=8"));
    driver.ask(subscription(UDP, STREAM + 1));
    let (_, told) = driver.publish(&format!("{UDP}|session-id=9"));
    let mut subscriptions = Vec::new();
    for told in &told[1..] {
        let Told::Available { subscription, session: 9, .. } = told else { panic!("{told:?}") };
        subscriptions.push(*subscription);
    }
    assert_eq!(subscriptions, [first, second, session], "not {other_session}");
    let hwm = driver.counter(CounterTypeId::RECEIVER_HWM);
    assert_eq!(hwm.owner_id, CLIENT, "of the first subscription that matches");
    driver.remove_subscription(first);
    driver.settle();
    let positions = driver.counters().into_iter().filter(|c| c.type_id == CounterTypeId::SUBSCRIBER_POSITION);
    let mut owners: Vec<_> = positions.map(|c| (c.registration_id, c.owner_id, c.reference_id)).collect();
    owners.sort_unstable();
    let image = hwm.registration_id;
    assert_eq!(owners, [(second, 2, image), (session, CLIENT, image)]);
}

#[test]
fn a_late_subscription_joins_the_image_where_the_slowest_is() {
    let Stream { mut driver, image, log, .. } = connected(UDP, UDP);
    let (late, told) = driver.subscribe(UDP);
    assert!(
        matches!(&told[..], [Told::Subscription { .. }, Told::Available { image: same, subscription, log: path, .. }]
        if (*same, *subscription, path) == (image, late, &log)),
        "{told:?}"
    );
}

#[test]
fn an_image_starts_where_its_publication_says() {
    let channel = format!("{UDP}|init-term-id=5|term-id=7|term-offset=96|term-length=64k");
    let Stream { driver, subscription, log, .. } = connected(&channel, UDP);
    let joined = 2 * 65_536 + 96;
    for kind in
        [CounterTypeId::RECEIVER_HWM, CounterTypeId::RECEIVER_POSITION, CounterTypeId::SUBSCRIBER_POSITION]
    {
        assert_eq!(driver.counter(kind).value, joined, "{kind:?}");
    }
    let label = driver.counter(CounterTypeId::SUBSCRIBER_POSITION).label;
    assert!(
        label.starts_with(&format!("sub-pos: {subscription} ")) && label.ends_with(&format!("@{joined}"))
    );
    let log = LogBuffers::open_to_read(log.as_ref()).unwrap();
    assert_eq!(log.metadata().initial_term_id().get(), 5);
}

#[test]
fn the_metadata_of_an_image_tells_how_it_is_received() {
    let subscribed = format!(
        "{UDP}|reliable=false|rejoin=false|tether=false|sparse=false|group=true|rcv-wnd=64k|\
                              untethered-linger-timeout=4s"
    );
    let Stream { driver: _driver, log, image, .. } = connected(UDP, &subscribed);
    let log = LogBuffers::open_to_read(log.as_ref()).unwrap();
    let metadata = log.metadata();
    assert_eq!((metadata.kind(), metadata.registration_id().get()), (Some(LogKind::Image), image));
    let flags = (metadata.is_reliable(), metadata.is_rejoin(), metadata.is_tethered(), metadata.is_sparse());
    assert_eq!((flags, metadata.is_group()), ((false, false, false, false), true));
    assert_eq!((metadata.receiver_window_length(), metadata.publication_window_length()), (65_536, 0));
    assert_eq!(
        (metadata.entity_tag(), metadata.response_correlation_id(), metadata.linger_timeout_ns()),
        (0, 0, 0)
    );
    assert_eq!(metadata.untethered_linger_timeout_ns(), 4_000_000_000);
    assert_eq!(metadata.untethered_window_limit_timeout_ns(), 5_000_000_000);
    assert_eq!(metadata.untethered_resting_timeout_ns(), 10_000_000_000);
}

#[test]
fn an_image_becomes_unavailable_when_its_publication_has_ended() {
    let Stream { mut driver, publication, subscription, image, log } = connected(UDP, UDP);
    driver.remove_publication(publication);
    driver.wait_alive(Duration::from_secs(4), CLIENT);
    assert_eq!(driver.told(), [Told::Unavailable { image, subscription, channel: UDP.into() }]);
    assert!(exists(&log), "clients may still have it mapped");
    driver.wait_alive(Duration::from_secs(14), CLIENT);
    assert!(!exists(&log));
    let kinds: Vec<_> = driver.counters().iter().map(|c| c.type_id).collect();
    let left = [
        CounterTypeId::RECEIVE_CHANNEL_STATUS,
        CounterTypeId::LOCAL_SOCKET_ADDRESS,
        CounterTypeId::CLIENT_HEARTBEAT,
    ];
    assert_eq!(kinds, left);
}

#[test]
fn a_publication_can_be_taken_off_again_and_again() {
    let mut driver = Driver::new();
    driver.subscribe(UDP);
    for _ in 0..3 {
        let (publication, told) = driver.publish(UDP);
        assert!(matches!(told[..], [Told::Publication(_), Told::Available { .. }]), "{told:?}");
        driver.remove_publication(publication);
        driver.wait_alive(Duration::from_secs(9), CLIENT);
        assert!(matches!(driver.told()[..], [Told::Unavailable { .. }]));
    }
}

#[test]
fn rejecting_an_image_is_done_at_once_and_told_to_the_publisher_later() {
    let Stream { mut driver, publication, image, .. } = connected(UDP, UDP);
    let reject = Request::RejectImage {
        image_id: CorrelationId::new(image),
        position: Position::new(0),
        reason: b"unwanted",
    };
    let id = driver.send_as(CLIENT, reject);
    driver.turn_of_control();
    assert_eq!(driver.told(), [Told::Success(id)]);
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    let told = driver.told();
    assert!(
        told.iter().any(|told| matches!(told, Told::PublicationError { publication: of, code, text, .. }
            if *of == publication && *code == ErrorCode::ImageRejected && text == "unwanted")),
        "{told:?}"
    );
    assert_eq!(driver.system(SystemCounter::ImagesRejected), 1);
}

#[test]
fn an_image_whose_subscription_goes_while_its_log_is_mapped_is_dropped_with_its_log() {
    let mut driver = Driver::new();
    let (first, _) = driver.subscribe(UDP);
    driver.send_as(CLIENT, publication(UDP, STREAM));
    for _ in 0..3 {
        driver.turn_of_control();
    }
    // The setup asks for an image; the agent is busy elsewhere.
    for _ in 0..10 {
        driver.turn_without_agent();
    }
    let remove = Request::RemoveSubscription { registration_id: RegistrationId::new(first) };
    driver.send_as(CLIENT, remove);
    driver.turn_of_conductor();
    driver.roles.native_resource_agent.do_work(driver.now);
    assert!(driver.logs().iter().any(|log| log.starts_with("images/")), "now it has mapped the log");
    driver.settle();
    let told = driver.told();
    assert!(driver.logs().iter().all(|log| log.starts_with("publications/")), "{:?}", driver.logs());
    let kinds: Vec<_> = driver.counters().iter().map(|c| c.type_id).collect();
    assert!(!kinds.contains(&CounterTypeId::RECEIVER_HWM), "{told:?} {kinds:?}");
    assert_eq!(driver.errors(), Vec::<String>::new(), "nobody wants it any more: that is no error");
    let (_, told) = driver.subscribe(UDP);
    driver.wait(Duration::from_millis(300));
    assert!(matches!(driver.told()[..], [Told::Available { .. }]), "a new one gets it: {told:?}");
}

#[test]
fn a_multicast_group_connects_its_publication_and_subscription() {
    let channel = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1";
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(channel);
    let (_, told) = driver.publish(channel);
    let published = LogBuffers::open_to_read(told[0].ready().log.as_ref()).unwrap();
    driver.wait(Duration::from_millis(500));
    let Told::Available { subscription: of, log, .. } = &told[1] else { panic!("{told:?}") };
    let received = LogBuffers::open_to_read(log.as_ref()).unwrap();
    assert!(*of == subscription && received.metadata().is_group() && published.metadata().is_group());
    driver.wait(Duration::from_millis(500));
    assert!(published.metadata().is_connected());
}

#[test]
fn cubic_congestion_control_shows_its_window() {
    let channel = format!("{UDP}|cc=cubic");
    let Stream { mut driver, image, subscription, .. } = connected(UDP, &channel);
    let is_cubic = |c: &epona_protocol::counters::CounterDescriptor| c.type_id == CounterTypeId::PER_IMAGE;
    let shown: Vec<_> = driver.counters().into_iter().filter(is_cubic).collect();
    assert_eq!(shown.len(), 2, "{:?}", driver.labels());
    for (counter, name) in shown.iter().zip(["rcv-cc-cubic-rtt", "rcv-cc-cubic-wnd"]) {
        assert!(counter.label.starts_with(&format!("{name}: {image} ")), "{}", counter.label);
        assert!(counter.label.ends_with(&channel) && counter.owner_id == -1);
    }
    assert!(
        shown[0].value == 0 && shown[1].value >= 1408,
        "no round trip was measured; a window of some datagrams"
    );
    driver.remove_subscription(subscription);
    driver.wait_alive(Duration::from_secs(25), CLIENT);
    assert!(!driver.counters().iter().any(is_cubic));
}

#[test]
fn longer_frames_than_the_window_of_the_receiver_make_no_image() {
    let mut driver = Driver::new();
    driver.subscribe(&format!("{UDP}|rcv-wnd=2k"));
    let (_, told) = driver.publish(&format!("{UDP}|mtu=4k"));
    driver.wait_alive(Duration::from_secs(3), CLIENT);
    let told = [told, driver.told()].concat();
    assert!(matches!(told[..], [Told::Publication(_)]), "{told:?}");
    let log = LogBuffers::open_to_read(told[0].ready().log.as_ref()).unwrap();
    assert!(!log.metadata().is_connected());
    let errors = driver.errors();
    assert!(errors.iter().any(|text| text.contains("4096") && text.contains("2048")), "{errors:?}");
    let (_, told) = driver.ask(publication(UDP, STREAM + 1));
    assert_eq!(told.len(), 1);
}

#[test]
fn a_stream_has_no_more_sessions_than_the_limit_until_one_of_them_closes() {
    let mut driver = Driver::with(|context| context.network.stream_session_limit = 2);
    let other_channel = "aeron:udp?endpoint=127.0.0.1:24326";
    driver.subscribe(UDP);
    driver.subscribe(other_channel);
    driver.ask(subscription(UDP, STREAM + 1));
    let (first, _) = driver.publish_exclusively(UDP);
    driver.publish_exclusively(UDP);
    let (_, told) = driver.publish_exclusively(UDP);
    let third = told[0].ready().session;
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    assert_eq!((told.len(), driver.told().len()), (1, 0), "the third is not received: {told:?}");
    assert!(driver.errors().iter().any(|error| error.contains("session limit")), "{:?}", driver.errors());
    for request in [exclusive(other_channel, STREAM), exclusive(UDP, STREAM + 1)] {
        let (_, told) = driver.ask(request);
        assert!(matches!(told[1], Told::Available { .. }), "another channel, another stream: {told:?}");
    }
    driver.remove_publication(first);
    driver.wait_alive(Duration::from_secs(20), CLIENT);
    let told = driver.told();
    let come =
        told.iter().filter(|told| matches!(told, Told::Available { session, .. } if *session == third));
    assert_eq!(come.count(), 1, "{told:?}");
}

//! Subscriptions whose destinations are added and removed: MDS.

use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    counters::{CounterDescriptor, LocalSocketAddressKey, SystemCounter},
    logbuffer::LogBuffers,
    types::{CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, publication, refusal, subscription};

const MANUAL: &str = "aeron:udp?control-mode=manual";
const FIRST: &str = "aeron:udp?endpoint=127.0.0.1:24325";
const SECOND: &str = "aeron:udp?endpoint=127.0.0.1:24326";
const SPY: &str = "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325";

fn add(subscription: i64, channel: &str) -> Request<'_> {
    Request::AddReceiveDestination { registration_id: RegistrationId::new(subscription), channel }
}

fn remove(subscription: i64, channel: &str) -> Request<'_> {
    Request::RemoveReceiveDestination { registration_id: RegistrationId::new(subscription), channel }
}

/// Changes destinations and makes sure that this is answered by success first; what else was told.
fn change(driver: &mut Driver, request: Request<'_>) -> Vec<Told> {
    let (id, mut told) = driver.ask(request);
    assert_eq!(told.remove(0), Told::Success(id), "{request:?}");
    told
}

/// A driver with a subscription that has these destinations.
fn subscribed(destinations: &[&str]) -> (Driver, i64) {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(MANUAL);
    for destination in destinations {
        assert_eq!(change(&mut driver, add(subscription, destination)), []);
    }
    (driver, subscription)
}

fn of_type(driver: &Driver, type_id: CounterTypeId) -> Vec<CounterDescriptor> {
    driver.counters().into_iter().filter(|counter| counter.type_id == type_id).collect()
}

/// Addresses that the receiver's sockets are bound to.
fn addresses(driver: &Driver) -> Vec<String> {
    let addresses = of_type(driver, CounterTypeId::LOCAL_SOCKET_ADDRESS).into_iter();
    let received = addresses.filter(|counter| counter.label.starts_with("rcv-local-sockaddr"));
    received.map(|counter| LocalSocketAddressKey::decode(&counter.key).unwrap().address.into()).collect()
}

/// The images of which clients were told, with the subscription that has them.
fn available(told: &[Told]) -> Vec<(i64, i64)> {
    let image = |told: &Told| match told {
        Told::Available { image, subscription, .. } => Some((*image, *subscription)),
        _ => None,
    };
    told.iter().filter_map(image).collect()
}

#[test]
fn a_subscription_with_manual_control_has_a_channel_but_no_socket_yet() {
    let (driver, subscription) = subscribed(&[]);
    let status = driver.counter(CounterTypeId::RECEIVE_CHANNEL_STATUS);
    assert_eq!((status.registration_id, status.value), (subscription, 1));
    assert_eq!(status.label, "rcv-channel: aeron:udp?control-mode=manual ");
    assert_eq!(addresses(&driver), Vec::<String>::new());
}

#[test]
fn each_destination_shows_the_address_that_it_is_bound_to_under_its_subscription() {
    let (driver, subscription) = subscribed(&["aeron:udp?endpoint=127.0.0.1:0", SECOND]);
    let status = driver.counter(CounterTypeId::RECEIVE_CHANNEL_STATUS);
    let shown = of_type(&driver, CounterTypeId::LOCAL_SOCKET_ADDRESS);
    assert_eq!(shown.len(), 2);
    for counter in &shown {
        assert_eq!((counter.registration_id, counter.owner_id, counter.value), (subscription, 0, 1));
        let key = LocalSocketAddressKey::decode(&counter.key).unwrap();
        assert_eq!(key.channel_status_id, status.id);
        assert_eq!(counter.label, format!("rcv-local-sockaddr: {} {}", status.id, key.address));
        assert!(!key.address.ends_with(":0"), "{}", key.address);
    }
    assert!(addresses(&driver).contains(&"127.0.0.1:24326".to_owned()));
}

/// MDS-08
#[test]
fn the_sockets_of_destinations_have_the_buffers_and_the_traffic_class_of_the_subscription() {
    let mut driver = Driver::new();
    let (subscription, _) = driver.subscribe(&format!("{MANUAL}|so-rcvbuf=256k|so-sndbuf=96k|so-tos=7"));
    for channel in [FIRST, SECOND] {
        change(&mut driver, add(subscription, channel));
    }
    let opened = driver.opened.lock().unwrap();
    assert_eq!(opened.len(), 2, "{opened:?}");
    for spec in &*opened {
        let asked = (spec.receive_buffer, spec.send_buffer, spec.traffic_class);
        assert_eq!(asked, (256 << 10, 96 << 10, Some(7)), "{spec:?}");
    }
}

#[test]
fn streams_arrive_by_every_destination_and_one_that_is_removed_brings_no_more() {
    let (mut driver, subscription) = subscribed(&[FIRST, SECOND]);
    for (count, channel) in (1..).zip([FIRST, SECOND]) {
        let (_, told) = driver.publish(channel);
        assert_eq!(available(&told).len(), 1, "{channel}: {told:?}");
        assert_eq!(of_type(&driver, CounterTypeId::RECEIVER_HWM).len(), count);
    }
    assert_eq!(change(&mut driver, remove(subscription, FIRST)), []);
    assert_eq!(addresses(&driver), ["127.0.0.1:24326"]);
    driver.wait_alive(Duration::from_secs(12), CLIENT);
    let gone = driver.told();
    assert!(matches!(gone[..], [Told::Unavailable { .. }]), "its stream has fallen silent: {gone:?}");
    let (_, told) = driver.ask(subscription_to(FIRST));
    assert!(matches!(told[0], Told::Subscription { .. }), "its port is free: {told:?}");
}

fn subscription_to(channel: &str) -> Request<'_> {
    subscription(channel, STREAM + 1)
}

#[test]
fn streams_with_the_same_parameters_are_one_image_which_ends_when_all_have_ended() {
    let (mut driver, subscription) = subscribed(&[FIRST, SECOND]);
    let same = "session-id=7|init-term-id=3|term-id=3|term-offset=0|term-length=64k|linger=0s";
    let (first, told) = driver.publish(&format!("{FIRST}|{same}"));
    let images = available(&told);
    assert_eq!(images.len(), 1, "{told:?}");
    let Some(Told::Available { log, .. }) = told.iter().find(|told| matches!(told, Told::Available { .. }))
    else {
        panic!("{told:?}")
    };
    let log = LogBuffers::open_to_read(log.as_ref()).unwrap();
    let (second, told) = driver.publish(&format!("{SECOND}|{same}"));
    assert_eq!(available(&told), [], "it is the same image: {told:?}");
    driver.wait_alive(Duration::from_secs(1), CLIENT);
    assert_eq!(log.metadata().active_transport_count(), 2);

    driver.remove_publication(first);
    driver.wait_alive(Duration::from_secs(4), CLIENT);
    assert_eq!(driver.told(), [], "the other one goes on");
    driver.remove_publication(second);
    driver.wait_alive(Duration::from_secs(4), CLIENT);
    let channel = MANUAL.to_owned();
    assert_eq!(driver.told(), [Told::Unavailable { image: images[0].0, subscription, channel }]);
}

#[test]
fn destinations_are_refused_for_unknown_subscriptions_and_for_those_without_manual_control() {
    let (mut driver, manual) = subscribed(&[]);
    let (plain, _) = driver.subscribe(UDP);
    for (id, code, reason) in [
        (99, ErrorCode::UnknownSubscription, "99"),
        (plain, ErrorCode::InvalidChannel, "channel does not allow manual control"),
    ] {
        for channel in [SECOND, SPY, "aeron:ipc"] {
            let (_, told) = driver.ask(add(id, channel));
            let (found, text) = refusal(&told);
            assert!(found == code && text.contains(reason), "{channel}: {text}");
        }
        let (_, told) = driver.ask(remove(id, SECOND));
        let (found, text) = refusal(&told);
        assert!(found == code && text.contains(reason), "{text}");
    }
    for channel in [SPY, "aeron:ipc"] {
        let (_, told) = driver.ask(remove(manual, channel));
        assert_eq!(refusal(&told).0, ErrorCode::UnknownSubscription, "it was never added: {channel}");
    }
    assert_eq!(addresses(&driver).len(), 1, "of the plain subscription");
}

#[test]
fn destinations_that_cannot_be_are_refused_with_a_reason_and_leave_nothing() {
    use ErrorCode::{GenericError as Generic, InvalidChannel as Channel, UnknownHost};
    let (mut driver, subscription) = subscribed(&[]);
    let before = driver.labels();
    for (channel, code, reason) in [
        ("nonsense", Channel, "nonsense"),
        ("aeron:ipc?tether=maybe", Generic, "tether=maybe"),
        ("aeron-spy:aeron:ipc", Channel, ""),
        ("aeron:udp?alias=x", Channel, "endpoint, control, tags"),
        ("aeron:udp?endpoint=no-such-host.invalid:1", UnknownHost, "no-such-host.invalid"),
        ("aeron:udp?endpoint=10.9.9.9:1", Generic, "10.9.9.9:1"),
        ("aeron:udp?endpoint=127.0.0.1:1|ats=true", Generic, "ats=true"),
        ("aeron:udp?endpoint=127.0.0.1:1|mtu=1408", Channel, "must not contain the key: mtu"),
        ("aeron:udp?endpoint=127.0.0.1:1|rcv-wnd=64k", Channel, "rcv-wnd"),
        ("aeron:udp?endpoint=127.0.0.1:1|so-rcvbuf=64k", Channel, "so-rcvbuf"),
        ("aeron:udp?endpoint=127.0.0.1:1|so-sndbuf=64k", Channel, "so-sndbuf"),
        ("aeron:udp?endpoint=127.0.0.1:1|so-tos=8", Channel, "so-tos"),
        ("aeron:udp?endpoint=127.0.0.1:1|response-correlation-id=7", Channel, "response-correlation-id"),
        ("aeron:udp?endpoint=127.0.0.1:1|control-mode=response", Channel, "control-mode=response"),
    ] {
        let (_, told) = driver.ask(add(subscription, channel));
        let (found, text) = refusal(&told);
        assert_eq!(found, code, "{channel}: {text}");
        assert!(text.contains(reason), "{channel}: {text}");
        assert_eq!(driver.labels(), before, "{channel}");
    }
    assert_eq!(change(&mut driver, add(subscription, "aeron:udp?endpoint=127.0.0.1:1")), []);
    for channel in ["nonsense", "aeron:udp?alias=x"] {
        let (_, told) = driver.ask(remove(subscription, channel));
        assert_eq!(refusal(&told).0, Channel, "{channel}");
    }
    assert_eq!(change(&mut driver, remove(subscription, SECOND)), [], "none such is no error");
    assert_eq!(addresses(&driver), ["127.0.0.1:1"]);
}

#[test]
fn two_destinations_on_one_port_are_refused_and_the_first_stays() {
    let (mut driver, subscription) = subscribed(&[FIRST]);
    let (_, told) = driver.ask(add(subscription, FIRST));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("24325"), "{text}");
    let (_, told) = driver.publish(FIRST);
    assert_eq!(available(&told).len(), 1);
}

#[test]
fn closing_the_subscription_closes_all_its_destinations() {
    let (mut driver, subscription) = subscribed(&[FIRST, SECOND, SPY, "aeron:ipc"]);
    driver.publish(FIRST);
    driver.publish("aeron:ipc");
    driver.remove_subscription(subscription);
    driver.wait_alive(Duration::from_secs(3), CLIENT);
    assert_eq!(addresses(&driver), Vec::<String>::new());
    for type_id in [CounterTypeId::RECEIVE_CHANNEL_STATUS, CounterTypeId::SUBSCRIBER_POSITION] {
        assert_eq!(of_type(&driver, type_id).len(), 0);
    }
    let (again, told) = driver.subscribe(MANUAL);
    assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
    for channel in [FIRST, SECOND] {
        assert_eq!(change(&mut driver, add(again, channel)), [], "{channel} was free again");
    }
}

#[test]
fn a_client_that_falls_silent_leaves_no_destination() {
    let (mut driver, _) = subscribed(&[FIRST, SPY, "aeron:ipc"]);
    driver.wait(Duration::from_secs(15));
    assert_eq!(driver.system(SystemCounter::ClientTimeouts), 1);
    assert_eq!(driver.labels(), Vec::<String>::new());
}

#[test]
fn a_destination_that_is_local_reads_publications_that_are_there_already() {
    for (channel, destination) in [(FIRST, SPY), ("aeron:ipc", "aeron:ipc")] {
        let mut driver = Driver::new();
        let (subscription, _) = driver.subscribe(MANUAL);
        let (publication, _) = driver.publish(channel);
        let told = change(&mut driver, add(subscription, destination));
        assert_eq!(available(&told), [(publication, subscription)], "{destination}");
        let Told::Available { source, .. } = &told[0] else { panic!("{told:?}") };
        assert_eq!(source, "aeron:ipc");
    }
}

#[test]
fn a_destination_that_is_local_reads_publications_that_come_later_until_they_are_closed() {
    for (channel, destination) in [(FIRST, SPY), ("aeron:ipc", "aeron:ipc")] {
        let (mut driver, subscription) = subscribed(&[destination]);
        let (publication, told) = driver.publish(channel);
        assert_eq!(available(&told), [(publication, subscription)], "{destination}");
        driver.remove_publication(publication);
        driver.wait_alive(Duration::from_secs(8), CLIENT);
        let (image, channel) = (publication, destination.to_owned());
        assert_eq!(driver.told(), [Told::Unavailable { image, subscription, channel }]);
    }
}

#[test]
fn removing_a_local_destination_ends_its_images_at_once() {
    for (channel, destination) in [(FIRST, SPY), ("aeron:ipc", "aeron:ipc")] {
        let (mut driver, subscription) = subscribed(&[destination]);
        let (image, _) = driver.publish(channel);
        let other = format!("{destination}{}alias=x", if destination.contains('?') { '|' } else { '?' });
        let (_, told) = driver.ask(remove(subscription, &other));
        assert_eq!(refusal(&told).0, ErrorCode::UnknownSubscription, "not as it was written: {other}");
        let told = change(&mut driver, remove(subscription, destination));
        let channel = destination.to_owned();
        assert_eq!(told, [Told::Unavailable { image, subscription, channel }]);
        assert_eq!(of_type(&driver, CounterTypeId::SUBSCRIBER_POSITION).len(), 0);
    }
}

#[test]
fn a_publication_that_two_destinations_reach_is_one_image_until_both_are_removed() {
    let named = "aeron:ipc?alias=again";
    let (mut driver, subscription) = subscribed(&["aeron:ipc", named]);
    let (image, told) = driver.publish("aeron:ipc");
    assert_eq!(available(&told), [(image, subscription)]);
    let told = change(&mut driver, remove(subscription, "aeron:ipc"));
    assert_eq!(available(&told), [(image, subscription)], "the other one has it now: {told:?}");
    let told = change(&mut driver, remove(subscription, named));
    assert_eq!(told, [Told::Unavailable { image, subscription, channel: named.into() }]);
}

#[test]
fn a_local_destination_for_one_session_reads_that_session_only() {
    let (mut driver, subscription) = subscribed(&["aeron:ipc?session-id=8"]);
    let (_, told) = driver.publish("aeron:ipc?session-id=9");
    assert_eq!(available(&told), []);
    let (publication, told) = driver.publish_exclusively("aeron:ipc?session-id=8");
    assert_eq!(available(&told), [(publication, subscription)]);
}

#[test]
fn subscriptions_with_one_tag_share_their_destinations() {
    let mut driver = Driver::new();
    let (first, _) = driver.subscribe(&format!("{MANUAL}|tags=5"));
    let (second, _) = driver.subscribe(&format!("{MANUAL}|tags=5"));
    let (third, _) = driver.subscribe("aeron:udp?tags=5");
    assert_eq!(of_type(&driver, CounterTypeId::RECEIVE_CHANNEL_STATUS).len(), 1);
    change(&mut driver, add(first, FIRST));
    change(&mut driver, add(third, SECOND));
    for channel in [FIRST, SECOND] {
        let (_, told) = driver.publish(channel);
        let subscriptions: Vec<_> =
            available(&told).into_iter().map(|(_, subscription)| subscription).collect();
        assert_eq!(subscriptions, [first, second, third], "{channel}");
    }
}

#[test]
fn subscriptions_with_manual_control_never_share_with_others() {
    let mut driver = Driver::new();
    driver.subscribe(MANUAL);
    driver.subscribe(MANUAL);
    driver.subscribe(FIRST);
    let (manual, told) = driver.subscribe(&format!("{FIRST}|control-mode=manual"));
    assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
    assert_eq!(of_type(&driver, CounterTypeId::RECEIVE_CHANNEL_STATUS).len(), 4);
    change(&mut driver, add(manual, SECOND));
    let (_, told) = driver.subscribe(&format!("{FIRST}|tags=3"));
    assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
    let (_, told) = driver.ask(publication(SECOND, STREAM));
    assert_eq!(available(&told).len(), 1, "{told:?}");
}

#[test]
fn a_subscription_that_shares_by_tag_is_compared_only_while_there_is_one_socket() {
    let mut driver = Driver::new();
    let (first, _) = driver.subscribe(&format!("{MANUAL}|tags=5|so-rcvbuf=128k"));
    let greedy = "aeron:udp?tags=5|so-rcvbuf=64k|rcv-wnd=32k";
    let (_, told) = driver.subscribe(greedy);
    assert!(matches!(told[..], [Told::Subscription { .. }]), "there is none yet: {told:?}");
    change(&mut driver, add(first, FIRST));
    let (_, told) = driver.subscribe(greedy);
    assert!(refusal(&told).1.contains("so-rcvbuf=65536"), "{told:?}");
    change(&mut driver, add(first, SECOND));
    let (_, told) = driver.subscribe(greedy);
    assert!(matches!(told[..], [Told::Subscription { .. }]), "{told:?}");
}

#[test]
fn the_window_of_a_subscription_must_fit_the_sockets_that_it_will_have() {
    let mut driver = Driver::new();
    let (_, told) = driver.subscribe(&format!("{MANUAL}|rcv-wnd=256k|so-rcvbuf=128k"));
    let (code, text) = refusal(&told);
    assert!(code == ErrorCode::GenericError && text.contains("SO_RCVBUF 131072"), "{text}");
    assert_eq!(driver.labels(), Vec::<String>::new());
}

#[test]
fn a_destination_added_to_a_subscription_that_closes_meanwhile_is_refused() {
    let (mut driver, subscription) = subscribed(&[]);
    driver.send_as(CLIENT, add(subscription, FIRST));
    driver.turn_of_conductor();
    driver.wait_without_agent(Duration::from_secs(12));
    driver.settle();
    let told = driver.told();
    assert!(
        matches!(told[..], [Told::ClientTimeout(_), Told::CounterGone(..), Told::Error { .. }]),
        "{told:?}"
    );
    assert_eq!(driver.labels(), Vec::<String>::new());
}

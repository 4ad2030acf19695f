//! Outages shorter and longer than the timeout of neighbours that tell each other names.

use super::link::{PATIENT, assert_one_image, set_link, stay_down};
use crate::common::{
    Maker, cnc,
    ends::{AnyPublisher, AnySubscriber, assert_complete, connect, eventually, exchange, try_publisher},
    hosts::{PORT, driver_on, for_each_pairing, in_network, publish, subscribe},
    type_id,
};
use epona_peers::{
    namespace::{Host, Network},
    party::DriverKind,
    process::DriverProcess,
};

for_each_pairing! {
    #[test]
    fn a_name_is_known_while_the_link_to_its_driver_is_down_for_less_than_the_timeout() {
        in_network(|network| a_name_survives_a_short_outage(network, KINDS));
    }

    #[test]
    fn a_name_is_forgotten_after_the_timeout_and_found_again_while_its_streams_go_on() {
        in_network(|network| a_name_comes_back_after_a_long_outage(network, KINDS));
    }
}

/// Where drivers of these tests gossip.
const GOSSIP_PORT: u16 = PORT + 2;

/// The first driver, and the third, which starts from it: each with a name, and `timeout` for who is silent.
fn gossiping(network: &Network, kinds: [DriverKind; 3], timeout: &str) -> [DriverProcess; 2] {
    let at = |host: &Host| format!("{}:{GOSSIP_PORT}", host.address());
    let [from, _, other] = network.hosts() else { panic!("three hosts") };
    let start = |host: &Host, kind, name, more: &[(&str, &str)]| {
        let interface = at(host);
        let settings = [
            ("aeron.name.resolver.supplier", "driver"),
            ("aeron.driver.resolver.name", name),
            ("aeron.driver.resolver.interface", &interface),
            ("aeron.driver.resolver.neighbor.timeout", timeout),
            ("aeron.driver.resolver.self.resolution.interval", "100ms"),
            ("aeron.driver.resolver.neighbor.resolution.interval", "200ms"),
        ];
        driver_on(host, kind, &[&settings[..], PATIENT, more].concat())
    };
    let seed = start(from, kinds[0], "from.example.invalid", &[]);
    let neighbor = [("aeron.driver.resolver.bootstrap.neighbor", at(from))];
    let other = start(other, kinds[2], "other.example.invalid", &[(neighbor[0].0, &neighbor[0].1)]);
    [seed, other]
}

/// How many names and neighbours a driver knows.
fn known(driver: &DriverProcess) -> (i64, i64) {
    let cnc = cnc(driver);
    let value = |type_id, label| cnc.counter(type_id, label).expect("a counter of the resolver").value;
    (
        value(type_id::RESOLVER_CACHE_ENTRIES, "Resolver cache entries"),
        value(type_id::RESOLVER_NEIGHBORS, "Resolver neighbors"),
    )
}

/// A stream from the first host to the third, which the publisher calls by its name; on a port of its own.
fn stream_by_name(drivers: &[DriverProcess; 2], host: &Host, port: u16) -> (AnyPublisher, AnySubscriber) {
    let [from, other] = drivers;
    let subscription = subscribe(other, &format!("aeron:udp?endpoint={}:{port}", host.address()));
    (publish(from, &format!("aeron:udp?endpoint=other.example.invalid:{port}|term-length=64k")), subscription)
}

/// Shorter than the timeout of a neighbour: its name stands for it all along.
fn a_name_survives_a_short_outage(network: &Network, kinds: [DriverKind; 3]) {
    let drivers = gossiping(network, kinds, "600s");
    let host = &network.hosts()[2];
    eventually("each knows the other", || drivers.iter().all(|driver| known(driver) == (1, 1)));
    let (mut publication, mut subscription) = stream_by_name(&drivers, host, PORT);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..50);
    set_link(network, false);
    stay_down(&drivers[1], &mut publication, &mut [&mut subscription]);
    let (mut late, mut late_subscription) = stream_by_name(&drivers, host, PORT + 1);
    assert!(!late.is_connected());
    assert!(drivers.iter().all(|driver| known(driver) == (1, 1)));
    set_link(network, true);
    exchange(&mut publication, &mut [&mut subscription], 50..350);
    connect(&mut late, &mut [&mut late_subscription]);
    exchange(&mut late, &mut [&mut late_subscription], 0..300);
    assert!(drivers.iter().all(|driver| known(driver) == (1, 1)));
}

/// Longer than the timeout of a neighbour: its name is nobody's until it is heard again. A stream that was there before
/// goes on.
fn a_name_comes_back_after_a_long_outage(network: &Network, kinds: [DriverKind; 3]) {
    let drivers = gossiping(network, kinds, "2s");
    let host = &network.hosts()[2];
    let from = &drivers[0];
    eventually("each knows the other", || drivers.iter().all(|driver| known(driver) == (1, 1)));
    let (mut publication, mut subscription) = stream_by_name(&drivers, host, PORT);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..50);
    set_link(network, false);
    eventually("each has forgotten the other", || drivers.iter().all(|driver| known(driver) == (0, 0)));
    let by_name = format!("aeron:udp?endpoint=other.example.invalid:{}", PORT + 1);
    assert!(try_publisher(Maker::of(from.kind()), from, &by_name).is_err(), "a name that nobody has");
    set_link(network, true);
    eventually("each knows the other again", || drivers.iter().all(|driver| known(driver) == (1, 1)));
    exchange(&mut publication, &mut [&mut subscription], 50..350);
    assert_complete(&subscription, 350);
    assert_one_image(&mut subscription);
    let (mut publication, mut subscription) = stream_by_name(&drivers, host, PORT + 1);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..300);
}

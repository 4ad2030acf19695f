//! Hosts of a network, with a driver each. They need root and the program `ip`; without them tests say so and pass.

use super::{
    Maker,
    ends::{AnyPublisher, AnySubscriber, publisher, subscriber},
    skip::skipped,
    stream_counter, type_id,
};
use epona_peers::{
    namespace::{Host, Network},
    party::DriverKind,
    process::DriverProcess,
};

/// The ports of a network of its own are all free.
pub(crate) const PORT: u16 = 24_500;

/// Messages that no window holds: several terms of 64 KiB.
pub(crate) const MANY: u32 = 600;

/// Tests for `KINDS` of drivers, a publishing one and two receiving ones, of which the second is the one that something
/// happens to: Aeron's alone, ours publishing, ours receiving.
#[allow(unused_macros, reason = "each test program uses its own part")]
macro_rules! for_each_pairing {
    (@ $name:ident: $from:ident -> $one:ident, $other:ident; $($test:item)+) => {
        mod $name {
            use super::*;

            const KINDS: [DriverKind; 3] = [DriverKind::$from, DriverKind::$one, DriverKind::$other];

            $($test)+
        }
    };
    ($($test:item)+) => {
        for_each_pairing!(@ control: Aeron -> Aeron, Aeron; $($test)+);
        for_each_pairing!(@ our_publisher: Epona -> Epona, Aeron; $($test)+);
        for_each_pairing!(@ our_receiver: Aeron -> Aeron, Epona; $($test)+);
    };
}

#[allow(unused_imports, reason = "each test program uses its own part")]
pub(crate) use for_each_pairing;

/// Runs a test with three hosts, where there can be any.
pub(crate) fn in_network(test: impl FnOnce(&Network)) {
    in_network_of(3, test);
}

pub(crate) fn in_network_of(hosts: usize, test: impl FnOnce(&Network)) {
    match Network::obstacle() {
        Some(obstacle) => skipped(&format!("no hosts of their own for the drivers: {obstacle}")),
        None => {
            test(&Network::new(hosts).unwrap_or_else(|error| panic!("network of {hosts} hosts: {error}")))
        }
    }
}

pub(crate) fn multicast() -> String {
    format!("aeron:udp?endpoint=224.20.30.39:{PORT}|interface=10.77.0.0/24|term-length=64k")
}

pub(crate) fn unicast(to: &Host) -> String {
    format!("aeron:udp?endpoint={}:{PORT}|term-length=64k", to.address())
}

/// A driver on each host.
pub(crate) fn drivers<const HOSTS: usize>(
    network: &Network,
    kinds: [DriverKind; HOSTS],
    settings: &[(&str, &str)],
) -> [DriverProcess; HOSTS] {
    let mut hosts = network.hosts().iter();
    kinds.map(|kind| driver_on(hosts.next().expect("a host for each driver"), kind, settings))
}

/// A driver on a host; states that depend on its timers change soon.
pub(crate) fn driver_on(host: &Host, kind: DriverKind, settings: &[(&str, &str)]) -> DriverProcess {
    let quick = [("aeron.timer.interval", "50ms"), ("aeron.rcv.status.message.timeout", "50ms")];
    let settings: Vec<_> = quick.iter().chain(settings).copied().collect();
    DriverProcess::spawn_on(host, kind, &settings).unwrap_or_else(|error| panic!("{kind:?}: {error}"))
}

pub(crate) fn publish(driver: &DriverProcess, channel: &str) -> AnyPublisher {
    publisher(Maker::of(driver.kind()), driver, channel)
}

pub(crate) fn subscribe(driver: &DriverProcess, channel: &str) -> AnySubscriber {
    subscriber(Maker::of(driver.kind()), driver, channel)
}

/// How many receivers the flow control of a stream follows.
pub(crate) fn followed(from: &DriverProcess, session: i32) -> Option<i64> {
    stream_counter(from, type_id::FLOW_CONTROL_RECEIVERS, session)
}

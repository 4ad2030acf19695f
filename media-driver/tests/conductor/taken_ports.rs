//! Ports that another process on the host has, until it gives them up.

use std::{net::Ipv4Addr, time::Duration};

use epona_media_driver::media::simulated::SimulatedNetwork;
use epona_protocol::{
    command::{ErrorCode, Request},
    counters::CounterDescriptor,
    types::{CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, Told, UDP, refusal};

const MANUAL: &str = "aeron:udp?control-mode=manual";
const LEARNING: &str = "aeron:udp?control=127.0.0.1:24325|control-mode=dynamic";
const BOUND: &str = "aeron:udp?endpoint=127.0.0.1:24326|interface=127.0.0.1:24325";

/// What the counter of a channel says that works. Source: shared-memory spec 5.9.
const ACTIVE: i64 = 1;

fn is_status(counter: &CounterDescriptor) -> bool {
    matches!(counter.type_id, CounterTypeId::SEND_CHANNEL_STATUS | CounterTypeId::RECEIVE_CHANNEL_STATUS)
}

/// Asks a driver for a socket on port 24325 in each way that there is.
fn ask_for_port(driver: &mut Driver, way: usize) -> Vec<Told> {
    match way {
        0 => driver.subscribe(UDP).1,
        1 => driver.publish(LEARNING).1,
        2 => driver.publish(BOUND).1,
        _ => {
            let (subscription, told) = driver.subscribe(MANUAL);
            assert!(matches!(told.last(), Some(Told::Subscription { .. })), "{told:?}");
            let registration_id = RegistrationId::new(subscription);
            driver.ask(Request::AddReceiveDestination { registration_id, channel: UDP }).1
        }
    }
}

#[test]
fn a_port_that_another_process_has_is_told_and_can_be_had_when_it_is_free() {
    for way in 0..4 {
        let network = SimulatedNetwork::new(5);
        let host = Ipv4Addr::new(10, 0, 0, 1);
        let mut other = Driver::on(&network, host, |_| {});
        let mut driver = Driver::on(&network, host, |_| {});
        let (taken, _) = other.subscribe(UDP);
        let told = ask_for_port(&mut driver, way);
        let (code, text) = refusal(&told[told.len() - 1..]);
        assert!(code == ErrorCode::GenericError && text.contains("24325"), "{way}: {text}");
        assert!(driver.errors().iter().any(|error| error.contains("24325")), "{way}: it is recorded");
        let addresses = |driver: &Driver| {
            driver.counters().iter().filter(|c| c.type_id == CounterTypeId::LOCAL_SOCKET_ADDRESS).count()
        };
        assert_eq!(addresses(&driver), 0, "{way}: nothing is left of it");
        // As with Aeron C there is no endpoint whose status could say more; the one that others wait for is that of a
        // subscription which has no destination yet.
        let statuses: Vec<_> = driver.counters().into_iter().filter(is_status).collect();
        assert!(statuses.len() == usize::from(way == 3), "{way}: {statuses:?}");
        assert!(statuses.iter().all(|status| status.value == ACTIVE), "{way}: {statuses:?}");

        other.remove_subscription(taken);
        other.wait_alive(Duration::from_secs(1), CLIENT);
        let told = ask_for_port(&mut driver, way);
        assert!(!told.iter().any(|told| matches!(told, Told::Error { .. })), "{way}: {told:?}");
        assert_eq!(addresses(&driver), 1, "{way}");
        assert!(driver.counters().iter().filter(|counter| is_status(counter)).all(|c| c.value == ACTIVE));
    }
}

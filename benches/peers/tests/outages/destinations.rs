//! Outages shorter and longer than the timeout of destinations that were learned.

use super::link::{FEW, PATIENT, assert_one_image, exchange_gently, flowing, set_link, stay_down, turn};
use crate::common::{
    destinations,
    ends::{AnySubscriber, assert_complete, eventually, exchange, message},
    hosts::{MANY, PORT, drivers, for_each_pairing, in_network},
    system_counter,
};
use epona_peers::{namespace::Network, party::DriverKind, party::Offer};
use std::time::{Duration, Instant};

/// Silence after which a destination is forgotten. Source: C `aeron_udp_destination_tracker.h`; no setting changes it.
const DESTINATION_TIMEOUT: Duration = Duration::from_secs(5);

for_each_pairing! {
    #[test]
    fn a_destination_that_was_learned_stays_while_a_link_is_down_for_less_than_its_timeout() {
        in_network(|network| a_short_outage_keeps_a_destination(network, KINDS));
    }

    #[test]
    fn a_destination_that_was_learned_is_forgotten_after_its_timeout_and_learned_again() {
        in_network(|network| a_long_outage_forgets_a_destination(network, KINDS));
    }
}

/// A publisher that learns its destinations, and what two hosts subscribe to in order to be learned.
fn learned(network: &Network) -> (String, [String; 2]) {
    let [from, one, other] = [0, 1, 2].map(|host| network.hosts()[host].address());
    let control = format!("control={from}:{PORT}|control-mode=dynamic|term-length=64k");
    let at = |host: &str| format!("aeron:udp?endpoint={host}:{}|{control}", PORT + 1);
    (format!("aeron:udp?{control}"), [at(&one), at(&other)])
}

/// Shorter than the timeout of a destination: it stays, and what it missed is sent again.
fn a_short_outage_keeps_a_destination(network: &Network, kinds: [DriverKind; 3]) {
    let drivers = drivers(network, kinds, PATIENT);
    let (to_all, [at_one, at_other]) = learned(network);
    let (mut publication, mut both) = flowing(&drivers, &to_all, [&at_one, &at_other]);
    let mut both = both.each_mut();
    let [from, _, other] = &drivers;
    assert_eq!(destinations(from), 2);
    let cut = Instant::now();
    set_link(network, false);
    exchange(&mut publication, &mut [both[0]], 50..50 + FEW);
    stay_down(other, &mut publication, &mut both);
    let left = destinations(from);
    set_link(network, true);
    // The outage was as long as the test was on the processor, which may be longer than it meant to.
    assert!(left == 2 || cut.elapsed() >= DESTINATION_TIMEOUT, "{left} destinations");
    eventually("everything has arrived", || {
        turn(&mut publication, &mut both);
        both.iter().all(|subscription| subscription.messages().len() == 50 + FEW as usize)
    });
    exchange_gently(&mut publication, &mut both, 50 + FEW..MANY);
    for subscription in both {
        assert_complete(subscription, MANY);
        assert_one_image(subscription);
    }
    assert!(system_counter(from, "Retransmits sent") > 0);
}

/// Longer than the timeout of a destination: it is forgotten, and learned again as soon as it is heard; what it missed is
/// sent again.
fn a_long_outage_forgets_a_destination(network: &Network, kinds: [DriverKind; 3]) {
    let drivers = drivers(network, kinds, PATIENT);
    let (to_all, [at_one, at_other]) = learned(network);
    let (mut publication, mut both) = flowing(&drivers, &to_all, [&at_one, &at_other]);
    let mut both = both.each_mut();
    let from = &drivers[0];
    assert_eq!(destinations(from), 2);
    set_link(network, false);
    let mut next = 50;
    eventually("the destination is forgotten", || {
        // A destination is looked at when something is sent.
        if next < 50 + FEW && matches!(publication.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        turn(&mut publication, &mut both);
        destinations(from) == 1
    });
    exchange(&mut publication, &mut [both[0]], next..50 + FEW);
    set_link(network, true);
    eventually("the destination is learned again, and everything has arrived", || {
        turn(&mut publication, &mut both);
        let has_all = |subscription: &&mut AnySubscriber| subscription.messages().len() == 50 + FEW as usize;
        destinations(from) == 2 && both.iter().all(has_all)
    });
    exchange_gently(&mut publication, &mut both, 50 + FEW..MANY);
    for subscription in both {
        assert_complete(subscription, MANY);
        assert_one_image(subscription);
    }
    assert!(publication.is_connected());
}

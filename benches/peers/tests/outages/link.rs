//! A link that goes down and comes up again, and what goes on at both of its ends meanwhile.

use crate::common::{
    ends::{AnyPublisher, AnySubscriber, connect, eventually, exchange, message},
    hosts::{publish, subscribe},
    system_counter,
};
use epona_peers::{namespace::Network, party::Offer, process::DriverProcess};

/// Messages that half a window holds.
pub(super) const FEW: u32 = 20;

/// Settings with which every outage is a short one, however slow the machine.
pub(super) const PATIENT: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "600s"), ("aeron.publication.connection.timeout", "600s")];

/// Settings with which an outage of more than five seconds is a long one; no less, as the machine may sleep for a while.
pub(super) const IMPATIENT: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "5s"), ("aeron.publication.connection.timeout", "5s")];

/// A publisher at the first of the drivers and subscribers at the last of them, which have the first fifty messages.
#[track_caller]
pub(super) fn flowing<const RECEIVERS: usize>(
    drivers: &[DriverProcess; 3],
    to: &str,
    from: [&str; RECEIVERS],
) -> (AnyPublisher, [AnySubscriber; RECEIVERS]) {
    let mut receiving = drivers[3 - RECEIVERS..].iter();
    let mut subscriptions =
        from.map(|channel| subscribe(receiving.next().expect("a driver for each"), channel));
    let mut publication = publish(&drivers[0], to);
    connect(&mut publication, &mut subscriptions.each_mut());
    exchange_gently(&mut publication, &mut subscriptions.each_mut(), 0..50);
    (publication, subscriptions)
}

/// A driver's host gets its link back, or loses it.
pub(super) fn set_link(network: &Network, is_up: bool) {
    network.set_link(&network.hosts()[2], is_up).unwrap();
}

/// Waits for a second or more: until a receiver has sent twenty status messages in vain.
#[track_caller]
pub(super) fn stay_down(
    far: &DriverProcess,
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
) {
    let sent = || system_counter(far, "Status Messages sent");
    let before = sent();
    eventually("status messages are lost", || {
        turn(publication, subscriptions);
        sent() >= before + 20
    });
}

/// Gives turns, and has everybody poll.
pub(super) fn turn(publication: &mut AnyPublisher, subscriptions: &mut [&mut AnySubscriber]) {
    publication.turn();
    for subscription in subscriptions {
        subscription.turn();
        subscription.poll();
    }
}

/// [`exchange`] in portions, none of which is more than a window: a receiver that flow control has lost sight of for a
/// while is not overrun.
#[track_caller]
pub(super) fn exchange_gently(
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
    wanted: std::ops::Range<u32>,
) {
    let end = wanted.end;
    for first in wanted.step_by(FEW as usize) {
        exchange(publication, subscriptions, first..end.min(first + FEW));
    }
}

/// The same image all the time.
#[track_caller]
pub(super) fn assert_one_image(subscription: &mut AnySubscriber) {
    let images = subscription.take_image_events();
    assert_eq!(images.len(), 1, "one image all the time: {images:?}");
}

/// Offers messages from `next` on until the window is full, and what `until` says; the number of the next one.
#[track_caller]
pub(super) fn fill_window(
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
    mut next: u32,
    mut until: impl FnMut(&AnyPublisher) -> bool,
) -> u32 {
    eventually("the publisher is held back, as nobody answers", || {
        turn(publication, subscriptions);
        match publication.offer(&message(next)) {
            Offer::Sent(_) => next += 1,
            Offer::BackPressured | Offer::NotConnected => return until(publication),
            Offer::AdminAction => {}
            other => panic!("message {next}: {other:?}"),
        }
        false
    });
    next
}

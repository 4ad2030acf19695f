//! Outages shorter and longer than the timeouts of images and of connections.

use super::link::{IMPATIENT, PATIENT, assert_one_image, fill_window, flowing, set_link, stay_down, turn};
use crate::common::{
    ends::{AnyPublisher, assert_complete, connect, eventually, exchange, message, numbers},
    hosts::{drivers, for_each_pairing, in_network, multicast, publish, subscribe, unicast},
    system_counter,
};
use epona_peers::{namespace::Network, party::DriverKind, party::Offer};

/// Settings with which only publications take an outage of more than two seconds for a long one.
const PATIENT_IMAGES: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "600s"), ("aeron.publication.connection.timeout", "2s")];

/// Settings with which only images take an outage of more than two seconds for a long one.
const PATIENT_PUBLICATIONS: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "2s"), ("aeron.publication.connection.timeout", "600s")];

for_each_pairing! {
    #[test]
    fn a_multicast_stream_goes_on_after_a_link_was_down_for_less_than_the_timeouts() {
        in_network(|network| a_short_outage_is_made_good(network, KINDS, &multicast()));
    }

    #[test]
    fn a_unicast_stream_goes_on_after_a_link_was_down_for_less_than_the_timeouts() {
        in_network(|network| {
            let channel = unicast(&network.hosts()[2]);
            a_short_outage_is_made_good(network, KINDS, &channel);
        });
    }

    #[test]
    fn a_multicast_stream_goes_on_in_its_image_when_only_the_publication_has_given_up() {
        in_network(|network| the_image_outlives_the_connection(network, KINDS, &multicast()));
    }

    #[test]
    fn a_unicast_stream_goes_on_in_its_image_when_only_the_publication_has_given_up() {
        in_network(|network| {
            let channel = unicast(&network.hosts()[2]);
            the_image_outlives_the_connection(network, KINDS, &channel);
        });
    }

    #[test]
    fn a_multicast_stream_goes_on_in_a_new_image_when_only_the_image_has_given_up() {
        in_network(|network| the_connection_outlives_the_image(network, KINDS, &multicast()));
    }

    #[test]
    fn a_unicast_stream_goes_on_in_a_new_image_when_only_the_image_has_given_up() {
        in_network(|network| {
            let channel = unicast(&network.hosts()[2]);
            the_connection_outlives_the_image(network, KINDS, &channel);
        });
    }

    #[test]
    fn a_unicast_stream_starts_anew_after_a_link_was_down_for_longer_than_the_timeouts() {
        in_network(|network| {
            let channel = unicast(&network.hosts()[2]);
            a_long_outage_starts_anew(network, KINDS, &channel);
        });
    }
}

/// A short outage costs time and nothing else: the image stays, what was lost is sent again.
fn a_short_outage_is_made_good(network: &Network, kinds: [DriverKind; 3], channel: &str) {
    let drivers = drivers(network, kinds, PATIENT);
    let (mut publication, [mut subscription]) = flowing(&drivers, channel, [channel]);
    set_link(network, false);
    let next =
        fill_window(&mut publication, &mut [&mut subscription], 50, |publication| publication.is_connected());
    stay_down(&drivers[2], &mut publication, &mut [&mut subscription]);
    set_link(network, true);
    eventually("everything has arrived", || {
        turn(&mut publication, &mut [&mut subscription]);
        subscription.messages().len() == next as usize
    });
    exchange(&mut publication, &mut [&mut subscription], next..next + 300);
    assert_complete(&subscription, next + 300);
    assert_one_image(&mut subscription);
    assert!(publication.is_connected());
}

/// Longer than the connection timeout, shorter than the image's: what was under way is sent again into the same image.
fn the_image_outlives_the_connection(network: &Network, kinds: [DriverKind; 3], channel: &str) {
    let drivers = drivers(network, kinds, PATIENT_IMAGES);
    let (mut publication, [mut subscription]) = flowing(&drivers, channel, [channel]);
    set_link(network, false);
    let given_up = |publication: &AnyPublisher| !publication.is_connected();
    let next = fill_window(&mut publication, &mut [&mut subscription], 50, given_up);
    assert_eq!(publication.offer(&message(next)), Offer::NotConnected);
    assert_eq!(subscription.image_count(), 1, "the image waits");
    set_link(network, true);
    eventually("everything has arrived", || {
        turn(&mut publication, &mut [&mut subscription]);
        publication.is_connected() && subscription.messages().len() == next as usize
    });
    exchange(&mut publication, &mut [&mut subscription], next..next + 300);
    assert_complete(&subscription, next + 300);
    assert_one_image(&mut subscription);
    // Nothing was under way only where the machine slept from the cut to the timeout.
    assert!(next == 50 || system_counter(&drivers[0], "Retransmits sent") > 0);
}

/// Longer than the image's timeout, shorter than that of the connection: the publisher never notices. A new image begins
/// where the stream is by then, and says so: what is missing is what its join position tells, and nothing else.
fn the_connection_outlives_the_image(network: &Network, kinds: [DriverKind; 3], channel: &str) {
    let [from, _, other] = drivers(network, kinds, PATIENT_PUBLICATIONS);
    let mut subscription = subscribe(&other, channel);
    let mut publication = publish(&from, channel);
    connect(&mut publication, &mut [&mut subscription]);
    // Where the frame of each message starts, and where it ends.
    let mut frames = Vec::new();
    let mut offer_next = |publication: &mut AnyPublisher| {
        let number = u32::try_from(frames.len()).unwrap();
        let message = message(number);
        match publication.offer(&message) {
            Offer::Sent(end) => frames.push((end - frame_length(&message), end)),
            Offer::BackPressured => return false,
            Offer::AdminAction => {}
            other => panic!("message {number}: {other:?}"),
        }
        true
    };
    eventually("the stream flows", || {
        offer_next(&mut publication);
        turn(&mut publication, &mut [&mut subscription]);
        subscription.messages().len() >= 50
    });
    set_link(network, false);
    eventually("the image is lost, and the window full", || {
        turn(&mut publication, &mut [&mut subscription]);
        !offer_next(&mut publication) && subscription.image_count() == 0
    });
    assert!(publication.is_connected(), "the publisher waits");
    let before = subscription.messages().len();
    set_link(network, true);
    eventually("the stream flows again", || {
        offer_next(&mut publication);
        turn(&mut publication, &mut [&mut subscription]);
        subscription.messages().len() >= before + 300
    });
    let received = numbers(subscription.messages());
    let images = subscription.take_image_events();
    let joined: Vec<_> =
        images.iter().filter(|image| image.available).map(|image| image.join_position).collect();
    assert!(joined.len() >= 2, "{images:?}");
    for pair in received.windows(2) {
        let is_next = pair[1] == pair[0] + 1;
        let is_told = pair[1] > pair[0] && {
            let (before, first) = (frames[pair[1] as usize - 1], frames[pair[1] as usize]);
            // They differ where padding fills a term.
            joined.contains(&before.1) || joined.contains(&first.0)
        };
        assert!(is_next || is_told, "message {} after {}, joined at {joined:?}", pair[1], pair[0]);
    }
    assert!(publication.is_connected());
}

/// Length of a message in a log, in bytes: each takes one frame.
fn frame_length(message: &[u8]) -> i64 {
    (32 + message.len()).next_multiple_of(32) as i64
}

/// A long outage ends the image and the connection; both come back with the link, and the stream goes on from there.
fn a_long_outage_starts_anew(network: &Network, kinds: [DriverKind; 3], channel: &str) {
    let drivers = drivers(network, kinds, IMPATIENT);
    let (mut publication, [mut subscription]) = flowing(&drivers, channel, [channel]);
    set_link(network, false);
    eventually("both sides have given the other up", || {
        publication.turn();
        subscription.turn();
        !publication.is_connected() && subscription.image_count() == 0
    });
    assert_eq!(publication.offer(&message(50)), Offer::NotConnected);
    set_link(network, true);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 50..350);
    assert_complete(&subscription, 350);
    let images = subscription.take_image_events();
    let comings: Vec<_> = images.iter().map(|image| image.available).collect();
    // More than once each where the machine slept for as long as an outage takes.
    assert!(comings.starts_with(&[true, false]) && comings.ends_with(&[true]), "{comings:?}");
}

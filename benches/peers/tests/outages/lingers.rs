//! Outages shorter and longer than a publication lingers that was closed while the link was down.

use super::link::{FEW, PATIENT, flowing, set_link, stay_down, turn};
use crate::common::{
    ends::{AnyPublisher, AnySubscriber, assert_complete, eventually, publish_all},
    hosts::{drivers, for_each_pairing, in_network, unicast},
    stream_counter, system_counter, type_id,
};
use epona_peers::{namespace::Network, party::DriverKind, process::DriverProcess};

for_each_pairing! {
    #[test]
    fn a_closed_publication_sends_again_what_was_lost_while_a_link_was_down_for_less_than_it_lingers() {
        in_network(|network| a_short_outage_is_lingered_through(network, KINDS));
    }

    #[test]
    fn a_closed_publication_goes_while_a_link_is_down_for_longer_than_it_lingers() {
        in_network(|network| a_long_outage_is_not_lingered_through(network, KINDS));
    }
}

/// A publication that was closed with its last messages lost on a link that is down, its session, and its subscription, which
/// has the fifty before.
fn closed_while_down(
    network: &Network,
    drivers: &[DriverProcess; 3],
    linger: &str,
) -> (AnyPublisher, i32, AnySubscriber) {
    let channel = unicast(&network.hosts()[2]);
    let (mut publication, [mut subscription]) =
        flowing(drivers, &format!("{channel}|linger={linger}"), [&channel]);
    let session = publication.session_id();
    set_link(network, false);
    let end = publish_all(&mut publication, 50..50 + FEW, &mut || subscription.turn());
    eventually("everything was sent in vain", || {
        turn(&mut publication, &mut [&mut subscription]);
        stream_counter(&drivers[0], type_id::SENDER_POSITION, session) == Some(end)
    });
    publication.close();
    (publication, session, subscription)
}

/// Shorter than the linger: what was lost is sent again, and the stream ends as it does without an outage.
fn a_short_outage_is_lingered_through(network: &Network, kinds: [DriverKind; 3]) {
    let drivers = drivers(network, kinds, PATIENT);
    let (mut publication, session, mut subscription) = closed_while_down(network, &drivers, "600s");
    stay_down(&drivers[2], &mut publication, &mut [&mut subscription]);
    assert_eq!(subscription.messages().len(), 50);
    set_link(network, true);
    eventually("everything has arrived, and the stream has ended at both ends", || {
        turn(&mut publication, &mut [&mut subscription]);
        let is_there = stream_counter(&drivers[0], type_id::SENDER_POSITION, session).is_some();
        subscription.messages().len() == 50 + FEW as usize && subscription.image_count() == 0 && !is_there
    });
    assert_complete(&subscription, 50 + FEW);
    assert!(system_counter(&drivers[0], "Retransmits sent") > 0);
    let images: Vec<_> = subscription.take_image_events().iter().map(|image| image.available).collect();
    assert_eq!(images, [true, false], "one image all the time");
}

/// Longer than the linger: the publication has gone, and with it what was lost; the image waits for its own timeout.
fn a_long_outage_is_not_lingered_through(network: &Network, kinds: [DriverKind; 3]) {
    let drivers = drivers(network, kinds, PATIENT);
    let (mut publication, session, mut subscription) = closed_while_down(network, &drivers, "1s");
    eventually("the publication has gone", || {
        turn(&mut publication, &mut [&mut subscription]);
        stream_counter(&drivers[0], type_id::SENDER_POSITION, session).is_none()
    });
    set_link(network, true);
    stay_down(&drivers[2], &mut publication, &mut [&mut subscription]);
    assert_complete(&subscription, 50);
    assert_eq!(subscription.image_count(), 1, "the image waits");
}

//! Links that go down and up, for less and for more than each timeout: those of images and connections, of receivers that
//! flow control follows, of destinations that were learned, of neighbours that gossip.
//!
//! A link stays down until a driver is seen to have given up, where the outage is a long one. Where it is a short one the
//! timeout is so far away that no machine is too slow.

mod common;

use common::{
    Maker, cnc, destinations,
    ends::{AnyPublisher, AnySubscriber, connect, eventually, exchange, message, numbers, try_publisher},
    hosts::{PORT, driver_on, drivers, followed, in_network, multicast, publish, subscribe, unicast},
    stream_counter, system_counter, type_id,
};
use epona_peers::{
    namespace::{Host, Network},
    party::Offer,
    process::{
        DriverKind::{self, Aeron, Epona},
        DriverProcess,
    },
};
use std::time::{Duration, Instant};

/// Messages that no window holds: several terms of 64 KiB.
const MANY: u32 = 600;

/// Messages that half a window holds.
const FEW: u32 = 20;

/// Silence after which a destination is forgotten. Source: C `aeron_udp_destination_tracker.h`; no setting changes it.
const DESTINATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the tests of this file for a publishing driver and two receiving ones; the second loses its link.
macro_rules! outages {
    ($name:ident: $from:ident -> $one:ident, $other:ident) => {
        mod $name {
            use super::*;

            const KINDS: [DriverKind; 3] = [$from, $one, $other];

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

            #[test]
            fn a_multicast_stream_goes_on_at_others_while_a_link_is_down_for_longer_than_the_timeouts() {
                in_network(|network| others_go_on_during_a_long_outage(network, KINDS));
            }

            #[test]
            fn min_flow_control_waits_for_a_host_whose_link_is_down_for_less_than_its_timeout() {
                in_network(|network| a_short_outage_is_waited_for(network, KINDS, "fc=min,t:600s", ""));
            }

            #[test]
            fn tagged_flow_control_waits_for_a_host_whose_link_is_down_for_less_than_its_timeout() {
                in_network(|network| {
                    a_short_outage_is_waited_for(network, KINDS, "fc=tagged,g:9,t:600s", "|gtag=9");
                });
            }

            #[test]
            fn min_flow_control_goes_on_without_a_host_after_its_timeout_and_follows_it_again() {
                in_network(|network| a_long_outage_is_not_waited_for(network, KINDS, "fc=min,t:3s", ""));
            }

            #[test]
            fn tagged_flow_control_goes_on_without_a_host_after_its_timeout_and_follows_it_again() {
                in_network(|network| {
                    a_long_outage_is_not_waited_for(network, KINDS, "fc=tagged,g:9,t:3s", "|gtag=9");
                });
            }

            #[test]
            fn a_destination_that_was_learned_stays_while_a_link_is_down_for_less_than_its_timeout() {
                in_network(|network| a_short_outage_keeps_a_destination(network, KINDS));
            }

            #[test]
            fn a_destination_that_was_learned_is_forgotten_after_its_timeout_and_learned_again() {
                in_network(|network| a_long_outage_forgets_a_destination(network, KINDS));
            }

            #[test]
            fn a_name_is_known_while_the_link_to_its_driver_is_down_for_less_than_the_timeout() {
                in_network(|network| a_name_survives_a_short_outage(network, KINDS));
            }

            #[test]
            fn a_name_is_forgotten_after_the_timeout_and_found_again_while_its_streams_go_on() {
                in_network(|network| a_name_comes_back_after_a_long_outage(network, KINDS));
            }
        }
    };
}

outages!(control: Aeron -> Aeron, Aeron);
outages!(our_publisher: Epona -> Epona, Aeron);
outages!(our_receiver: Aeron -> Aeron, Epona);

/// Settings with which every outage is a short one, however slow the machine.
const PATIENT: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "600s"), ("aeron.publication.connection.timeout", "600s")];

/// Settings with which an outage of more than five seconds is a long one; no less, as the machine may sleep for a while.
const IMPATIENT: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "5s"), ("aeron.publication.connection.timeout", "5s")];

/// Settings with which only publications take an outage of more than two seconds for a long one.
const PATIENT_IMAGES: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "600s"), ("aeron.publication.connection.timeout", "2s")];

/// Settings with which only images take an outage of more than two seconds for a long one.
const PATIENT_PUBLICATIONS: &[(&str, &str)] =
    &[("aeron.image.liveness.timeout", "2s"), ("aeron.publication.connection.timeout", "600s")];

/// Length of a message in a log, in bytes: each takes one frame.
fn frame_length(message: &[u8]) -> i64 {
    (32 + message.len()).next_multiple_of(32) as i64
}

/// A driver's host gets its link back, or loses it.
fn set_link(network: &Network, is_up: bool) {
    network.set_link(&network.hosts()[2], is_up).unwrap();
}

/// Waits for a second or more: until a receiver has sent twenty status messages in vain.
#[track_caller]
fn stay_down(far: &DriverProcess, publication: &mut AnyPublisher, subscriptions: &mut [&mut AnySubscriber]) {
    let sent = || system_counter(far, "Status Messages sent");
    let before = sent();
    eventually("status messages are lost", || {
        turn(publication, subscriptions);
        sent() >= before + 20
    });
}

/// Gives turns, and has everybody poll.
fn turn(publication: &mut AnyPublisher, subscriptions: &mut [&mut AnySubscriber]) {
    publication.turn();
    for subscription in subscriptions {
        subscription.turn();
        subscription.poll();
    }
}

/// [`exchange`] in portions, none of which is more than a window: a receiver that flow control has lost sight of for a
/// while is not overrun.
#[track_caller]
fn exchange_gently(
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
    wanted: std::ops::Range<u32>,
) {
    let end = wanted.end;
    for first in wanted.step_by(FEW as usize) {
        exchange(publication, subscriptions, first..end.min(first + FEW));
    }
}

/// Everything from the first message on, and nothing twice.
#[track_caller]
fn assert_complete(subscription: &AnySubscriber, count: u32) {
    assert_eq!(numbers(subscription.messages()), (0..count).collect::<Vec<_>>());
}

/// The same image all the time.
#[track_caller]
fn assert_one_image(subscription: &mut AnySubscriber) {
    let images = subscription.take_image_events();
    assert_eq!(images.len(), 1, "one image all the time: {images:?}");
}

/// Offers messages from `next` on until the window is full, and what `until` says; the number of the next one.
#[track_caller]
fn fill_window(
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

/// A short outage costs time and nothing else: the image stays, what was lost is sent again.
fn a_short_outage_is_made_good(network: &Network, kinds: [DriverKind; 3], channel: &str) {
    let [from, _, other] = drivers(network, kinds, PATIENT);
    let mut subscription = subscribe(&other, channel);
    let mut publication = publish(&from, channel);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..50);
    set_link(network, false);
    let next =
        fill_window(&mut publication, &mut [&mut subscription], 50, |publication| publication.is_connected());
    stay_down(&other, &mut publication, &mut [&mut subscription]);
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
    let [from, _, other] = drivers(network, kinds, PATIENT_IMAGES);
    let mut subscription = subscribe(&other, channel);
    let mut publication = publish(&from, channel);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..50);
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
    assert!(next == 50 || system_counter(&from, "Retransmits sent") > 0);
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

/// A long outage ends the image and the connection; both come back with the link, and the stream goes on from there.
fn a_long_outage_starts_anew(network: &Network, kinds: [DriverKind; 3], channel: &str) {
    let [from, _, other] = drivers(network, kinds, IMPATIENT);
    let mut subscription = subscribe(&other, channel);
    let mut publication = publish(&from, channel);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..50);
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

fn others_go_on_during_a_long_outage(network: &Network, kinds: [DriverKind; 3]) {
    let [from, one, other] = drivers(network, kinds, IMPATIENT);
    let (mut near, mut far) = (subscribe(&one, &multicast()), subscribe(&other, &multicast()));
    let mut publication = publish(&from, &format!("{}|fc=min,t:5s", multicast()));
    connect(&mut publication, &mut [&mut near, &mut far]);
    exchange(&mut publication, &mut [&mut near, &mut far], 0..50);
    set_link(network, false);
    // In which the client of the other one gets its turns.
    await_followed(&from, 1, &mut publication, &mut [&mut near, &mut far]);
    exchange(&mut publication, &mut [&mut near], 50..MANY);
    eventually("the host without a link has lost its image", || {
        publication.turn();
        near.turn();
        far.turn();
        far.image_count() == 0
    });
    set_link(network, true);
    // It joins where the stream is now; what it missed in the meantime is gone for it.
    far.poll();
    connect(&mut publication, &mut [&mut near, &mut far]);
    await_followed(&from, 2, &mut publication, &mut [&mut near, &mut far]);
    exchange(&mut publication, &mut [&mut near, &mut far], MANY..MANY + 300);
    assert_complete(&near, MANY + 300);
}

/// Waits until the stream's flow control follows so many receivers.
#[track_caller]
fn await_followed(
    from: &DriverProcess,
    receivers: i64,
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
) {
    let session = publication.session_id();
    eventually(&format!("{receivers} are followed"), || {
        turn(publication, subscriptions);
        followed(from, session) == Some(receivers)
    });
}

/// How far a publisher may send, compared with what the host that loses its link has room for. That host tells how far it
/// has read at every quarter of a window.
fn limit(from: &DriverProcess, far: &DriverProcess, publication: &AnyPublisher) -> Limit {
    let session = publication.session_id();
    let window = (publication.term_length() / 2) as i64;
    let limit = stream_counter(from, type_id::SENDER_LIMIT, session).expect("a limit");
    let room = stream_counter(far, type_id::SUBSCRIBER_POSITION, session).expect("a position") + window;
    match room - limit {
        ..0 => Limit::Beyond,
        behind if behind <= window / 4 => Limit::OfFar,
        _ => Limit::Before,
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Limit {
    Before,
    OfFar,
    Beyond,
}

/// Two hosts that are followed have what was published; the second of them loses its link.
#[track_caller]
fn cut_off_while_followed(
    network: &Network,
    [from, far]: [&DriverProcess; 2],
    publication: &mut AnyPublisher,
    subscriptions: &mut [&mut AnySubscriber],
) {
    connect(publication, subscriptions);
    await_followed(from, 2, publication, subscriptions);
    exchange_gently(publication, subscriptions, 0..50);
    eventually("both have told how far they have read", || {
        turn(publication, subscriptions);
        limit(from, far, publication) == Limit::OfFar
    });
    set_link(network, false);
}

/// Shorter than the timeout of a receiver: the publisher waits for who does not answer, and everybody gets everything.
fn a_short_outage_is_waited_for(network: &Network, kinds: [DriverKind; 3], flow_control: &str, tag: &str) {
    let [from, one, other] = drivers(network, kinds, PATIENT);
    let channel = multicast() + tag;
    let (mut near, mut far) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|{flow_control}"));
    let mut both = [&mut near, &mut far];
    cut_off_while_followed(network, [&from, &other], &mut publication, &mut both);
    let next = fill_window(&mut publication, &mut both, 50, |publication| {
        let sent = stream_counter(&from, type_id::SENDER_POSITION, publication.session_id());
        let read = stream_counter(&one, type_id::SUBSCRIBER_POSITION, publication.session_id());
        read == sent
    });
    stay_down(&other, &mut publication, &mut both);
    assert!(next < MANY, "the publisher does not wait");
    assert_eq!(limit(&from, &other, &publication), Limit::OfFar, "the host without a link limits");
    assert_eq!(followed(&from, publication.session_id()), Some(2));
    set_link(network, true);
    eventually("everything has arrived", || {
        turn(&mut publication, &mut both);
        both.iter().all(|subscription| subscription.messages().len() == next as usize)
    });
    exchange(&mut publication, &mut both, next..next + 300);
    for subscription in both {
        assert_complete(subscription, next + 300);
        assert_one_image(subscription);
    }
    assert_eq!(followed(&from, publication.session_id()), Some(2));
    assert!(publication.is_connected());
}

/// Longer than the timeout of a receiver: the publisher goes on without it; when it is back it is followed again, and what
/// it missed, which is less than its window, is sent again.
fn a_long_outage_is_not_waited_for(network: &Network, kinds: [DriverKind; 3], flow_control: &str, tag: &str) {
    let [from, one, other] = drivers(network, kinds, PATIENT);
    let channel = multicast() + tag;
    let (mut near, mut far) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|{flow_control}"));
    let mut both = [&mut near, &mut far];
    cut_off_while_followed(network, [&from, &other], &mut publication, &mut both);
    await_followed(&from, 1, &mut publication, &mut both);
    exchange(&mut publication, &mut [both[0]], 50..50 + FEW);
    eventually("the publisher may send more than the host without a link has room for", || {
        turn(&mut publication, &mut both);
        limit(&from, &other, &publication) == Limit::Beyond
    });
    set_link(network, true);
    await_followed(&from, 2, &mut publication, &mut both);
    eventually("everything has arrived", || {
        turn(&mut publication, &mut both);
        both.iter().all(|subscription| subscription.messages().len() == 50 + FEW as usize)
    });
    exchange_gently(&mut publication, &mut both, 50 + FEW..MANY);
    for subscription in both {
        assert_complete(subscription, MANY);
        assert_one_image(subscription);
    }
    assert!(system_counter(&from, "Retransmits sent") > 0);
    assert!(publication.is_connected());
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
    let [from, one, other] = drivers(network, kinds, PATIENT);
    let (to_all, [at_one, at_other]) = learned(network);
    let (mut near, mut far) = (subscribe(&one, &at_one), subscribe(&other, &at_other));
    let mut publication = publish(&from, &to_all);
    let mut both = [&mut near, &mut far];
    connect(&mut publication, &mut both);
    exchange_gently(&mut publication, &mut both, 0..50);
    assert_eq!(destinations(&from), 2);
    let cut = Instant::now();
    set_link(network, false);
    exchange(&mut publication, &mut [both[0]], 50..50 + FEW);
    stay_down(&other, &mut publication, &mut both);
    let left = destinations(&from);
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
    assert!(system_counter(&from, "Retransmits sent") > 0);
}

/// Longer than the timeout of a destination: it is forgotten, and learned again as soon as it is heard; what it missed is
/// sent again.
fn a_long_outage_forgets_a_destination(network: &Network, kinds: [DriverKind; 3]) {
    let [from, one, other] = drivers(network, kinds, PATIENT);
    let (to_all, [at_one, at_other]) = learned(network);
    let (mut near, mut far) = (subscribe(&one, &at_one), subscribe(&other, &at_other));
    let mut publication = publish(&from, &to_all);
    let mut both = [&mut near, &mut far];
    connect(&mut publication, &mut both);
    exchange_gently(&mut publication, &mut both, 0..50);
    assert_eq!(destinations(&from), 2);
    set_link(network, false);
    let mut next = 50;
    eventually("the destination is forgotten", || {
        // A destination is looked at when something is sent.
        if next < 50 + FEW && matches!(publication.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        turn(&mut publication, &mut both);
        destinations(&from) == 1
    });
    exchange(&mut publication, &mut [both[0]], next..50 + FEW);
    set_link(network, true);
    eventually("the destination is learned again, and everything has arrived", || {
        turn(&mut publication, &mut both);
        let has_all = |subscription: &&mut AnySubscriber| subscription.messages().len() == 50 + FEW as usize;
        destinations(&from) == 2 && both.iter().all(has_all)
    });
    exchange_gently(&mut publication, &mut both, 50 + FEW..MANY);
    for subscription in both {
        assert_complete(subscription, MANY);
        assert_one_image(subscription);
    }
    assert!(publication.is_connected());
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

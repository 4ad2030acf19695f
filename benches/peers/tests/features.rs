//! What channels ask of two drivers, one of each maker: each feature in both directions, after a control with Aeron on both
//! sides.

mod common;

use common::{
    Maker, STREAM, cnc, driver,
    ends::{
        AnyPublisher, AnySubscriber, connect, eventually, exchange, numbers, publish_all, publisher,
        subscriber, try_publisher, try_subscriber,
    },
    lossy, settings, stream_counter, system_counter, type_id, udp_channel,
};
use epona_peers::{
    net,
    party::{
        DriverKind::{self, Aeron, Epona},
        Offer,
    },
    process::DriverProcess,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the tests of this file that need two drivers: where it is published and to where; the clients are of the maker
/// named beside each driver.
macro_rules! pairing {
    ($name:ident: $publisher:ident on $from:ident -> $to:ident to $subscriber:ident) => {
        mod $name {
            use super::*;

            const PAIR: Pair =
                Pair { publisher: Maker::$publisher, from: $from, to: $to, subscriber: Maker::$subscriber };

            #[test]
            fn a_subscription_to_one_session_hears_no_other() {
                one_session_is_heard(PAIR);
            }

            #[test]
            fn an_unreliable_stream_skips_what_is_lost_and_asks_for_nothing() {
                loss_is_skipped(PAIR);
            }

            #[test]
            fn a_rejected_image_is_told_with_its_reason_and_comes_back() {
                a_rejected_image_comes_back(PAIR);
            }

            #[test]
            fn a_rejected_image_does_not_come_back_without_rejoin() {
                a_rejected_image_stays_away(PAIR);
            }

            #[test]
            fn a_rejection_names_the_group_tag_of_the_receiver() {
                a_rejection_names_the_tag(PAIR);
            }

            #[test]
            fn a_revoked_publication_ends_at_once_and_says_so() {
                a_revoked_publication_ends(PAIR);
            }

            #[test]
            fn a_stream_starts_at_the_position_that_its_channel_names() {
                a_stream_starts_at_its_position(PAIR);
            }

            #[test]
            fn a_wildcard_port_is_bound_within_its_range_and_found_by_the_client() {
                a_wildcard_port_is_found(PAIR);
            }

            #[test]
            fn a_closed_publication_lingers_until_its_receiver_has_everything() {
                a_closed_publication_lingers(PAIR);
            }

            #[test]
            fn an_image_outlives_a_publication_that_does_not_signal_its_end() {
                without_eos_an_image_stays(PAIR);
            }

            #[test]
            fn streams_flow_over_ipv6() {
                ipv6_carries_streams(PAIR);
            }

            #[test]
            fn timestamps_are_written_where_the_channels_say() {
                timestamps_are_written(PAIR);
            }

            #[test]
            fn sessions_beyond_the_limit_wait_for_another_to_end() {
                sessions_are_limited(PAIR);
            }

            #[test]
            fn publishing_and_subscribing_driver_swap_streams_in_dedicated_threads() {
                streams_cross(PAIR, "DEDICATED", "DEDICATED");
            }
        }
    };
}

pairing!(control: Aeron on Aeron -> Aeron to Aeron);
pairing!(theirs_to_ours: Aeron on Aeron -> Epona to Aeron);
pairing!(ours_to_theirs: Aeron on Epona -> Aeron to Aeron);
pairing!(our_clients_ours_to_theirs: Epona on Epona -> Aeron to Epona);
pairing!(our_clients_theirs_to_ours: Epona on Aeron -> Epona to Epona);

#[test]
fn our_driver_swaps_streams_with_theirs_in_every_threading_mode() {
    let pair = Pair { publisher: Maker::Aeron, from: Epona, to: Aeron, subscriber: Maker::Aeron };
    for mode in ["SHARED", "SHARED_NETWORK"] {
        streams_cross(pair, mode, "DEDICATED");
    }
}

/// Who publishes on which driver to whom on which.
#[derive(Clone, Copy)]
struct Pair {
    publisher: Maker,
    from: DriverKind,
    to: DriverKind,
    subscriber: Maker,
}

impl Pair {
    fn drivers(self, more: &[(&'static str, &str)]) -> (DriverProcess, DriverProcess) {
        (driver(self.from, &settings(more)), driver(self.to, &settings(more)))
    }

    fn publish(self, from: &DriverProcess, channel: &str) -> AnyPublisher {
        publisher(self.publisher, from, channel)
    }

    fn subscribe(self, to: &DriverProcess, channel: &str) -> AnySubscriber {
        subscriber(self.subscriber, to, channel)
    }
}

fn one_session_is_heard(pair: Pair) {
    let (from, to) = pair.drivers(&[]);
    let channel = udp_channel();
    let mut red = pair.publish(&from, &format!("{channel}|session-id=-2000000001"));
    let mut blue = pair.publish(&from, &format!("{channel}|session-id=77777"));
    let mut of_red = pair.subscribe(&to, &format!("{channel}|session-id=-2000000001"));
    let mut of_blue = pair.subscribe(&to, &format!("{channel}|session-id=77777"));
    let mut of_none = pair.subscribe(&to, &format!("{channel}|session-id=5"));
    connect(&mut red, &mut [&mut of_red]);
    connect(&mut blue, &mut [&mut of_blue]);
    exchange(&mut red, &mut [&mut of_red], 0..50);
    exchange(&mut blue, &mut [&mut of_blue], 100..150);
    for (subscription, session, wanted) in
        [(&mut of_red, -2_000_000_001, 0..50), (&mut of_blue, 77_777, 100..150)]
    {
        subscription.poll();
        assert_eq!(numbers(subscription.messages()), wanted.collect::<Vec<_>>());
        let images = subscription.take_image_events();
        assert_eq!(images.iter().map(|image| image.session_id).collect::<Vec<_>>(), [session]);
    }
    of_none.turn();
    assert_eq!(of_none.image_count(), 0);
}

fn loss_is_skipped(pair: Pair) {
    const COUNT: u32 = 500;
    let from = driver(pair.from, &settings(&[]));
    let to = driver(pair.to, &[settings(&[]), lossy(common::SEED)].concat());
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &format!("{channel}|reliable=false"));
    let mut publication = pair.publish(&from, &channel);
    connect(&mut publication, &mut [&mut subscription]);
    let end = publish_all(&mut publication, 0..COUNT, &mut || {
        subscription.turn();
        subscription.poll();
    });
    let session = publication.session_id();
    eventually("the subscriber is at the end of the stream", || {
        publication.turn();
        subscription.turn();
        subscription.poll();
        stream_counter(&to, type_id::SUBSCRIBER_POSITION, session) == Some(end)
    });
    let heard = numbers(subscription.messages());
    assert!(heard.len() < COUNT as usize, "something was lost");
    assert!(heard.len() > COUNT as usize / 2, "only {} of {COUNT} arrived", heard.len());
    assert!(heard.is_sorted_by(|one, next| one < next), "in order: {heard:?}");
    assert!(system_counter(&to, "Loss gap fills") > 0);
    assert_eq!(system_counter(&to, "NAKs sent"), 0);
}

/// Error code of a rejected image. Source: driver spec 2.13.
const IMAGE_REJECTED: i32 = 13;

fn a_rejected_image_comes_back(pair: Pair) {
    let (from, to) = pair.drivers(&[("aeron.image.liveness.timeout", "1s")]);
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &channel);
    let mut publication = pair.publish(&from, &channel);
    // Another client of the publishing driver, which the rejection does not concern.
    let mut bystander = pair.publish(&from, &udp_channel());
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..20);
    subscription.take_image_events();
    subscription.reject(publication.session_id(), "not today").unwrap();

    let mut errors = Vec::new();
    eventually("the publisher is told", || {
        publication.turn();
        subscription.turn();
        bystander.turn();
        errors.extend(publication.take_publication_errors());
        !errors.is_empty()
    });
    let error = errors.remove(0);
    assert_eq!((error.error_code, error.message.as_str()), (IMAGE_REJECTED, "not today"));
    assert_eq!((error.session_id, error.stream_id), (publication.session_id(), STREAM));
    assert_eq!(error.registration_id, publication.registration_id());
    assert_eq!(error.group_tag, -1);
    assert!(error.source.is_some_and(|source| source.ip().is_loopback()), "{error:?}");

    let mut images = Vec::new();
    eventually("the image has gone and come back", || {
        publication.turn();
        subscription.turn();
        images.extend(subscription.take_image_events());
        images.len() >= 2
    });
    let session = publication.session_id();
    assert_eq!(
        images.iter().map(|image| (image.available, image.session_id)).collect::<Vec<_>>(),
        [(false, session), (true, session)]
    );
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 20..40);
    assert_eq!(publication.take_publication_errors(), [], "it is told once");
    assert_eq!(bystander.take_publication_errors().len(), 0, "it is told to whom it concerns");
    assert_eq!(system_counter(&to, "Images rejected"), 1);
    assert!(system_counter(&to, "Error Frames sent") > 0);
    assert!(system_counter(&from, "Error Frames received") > 0);
}

fn a_rejected_image_stays_away(pair: Pair) {
    let (from, to) = pair.drivers(&[("aeron.image.liveness.timeout", "1s")]);
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &format!("{channel}|rejoin=false"));
    let mut publication = pair.publish(&from, &channel);
    connect(&mut publication, &mut [&mut subscription]);
    subscription.reject(publication.session_id(), "never").unwrap();
    eventually("the image has gone", || {
        publication.turn();
        subscription.turn();
        subscription.image_count() == 0
    });
    let heartbeats = system_counter(&from, "Heartbeats sent");
    eventually("the publisher has gone on for long", || {
        publication.turn();
        subscription.turn();
        system_counter(&from, "Heartbeats sent") > heartbeats + 15
    });
    assert_eq!(subscription.image_count(), 0);
}

fn a_rejection_names_the_tag(pair: Pair) {
    let (from, to) = pair.drivers(&[]);
    let channel =
        format!("aeron:udp?endpoint=224.20.30.39:{}|interface=127.0.0.1", net::free_port().unwrap());
    let mut subscription = pair.subscribe(&to, &format!("{channel}|gtag=-70000000007"));
    let mut publication = pair.publish(&from, &format!("{channel}|fc=tagged,g:-70000000007/1"));
    connect(&mut publication, &mut [&mut subscription]);
    let reason = "x".repeat(500);
    subscription.reject(publication.session_id(), &reason).unwrap();
    let mut errors = Vec::new();
    eventually("the publisher is told, and is connected no more", || {
        publication.turn();
        subscription.turn();
        errors.extend(publication.take_publication_errors());
        !errors.is_empty() && !publication.is_connected()
    });
    assert_eq!((errors[0].group_tag, &errors[0].message), (-70_000_000_007, &reason));
}

fn a_revoked_publication_ends(pair: Pair) {
    // Neither the end of the stream nor silence would end the image in time.
    let (from, to) = pair.drivers(&[("aeron.image.liveness.timeout", "3600s")]);
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &channel);
    let mut publication = pair.publish(&from, &channel);
    connect(&mut publication, &mut [&mut subscription]);
    exchange(&mut publication, &mut [&mut subscription], 0..20);
    subscription.take_image_events();
    // Nobody consumes these.
    publish_all(&mut publication, 20..40, &mut || ());
    publication.revoke();
    let mut images = Vec::new();
    eventually("the image has gone", || {
        publication.turn();
        subscription.turn();
        images.extend(subscription.take_image_events());
        !images.is_empty()
    });
    assert!(!images[0].available && images[0].revoked, "{images:?}");
    assert_eq!(subscription.messages().len(), 20);
    assert_eq!(system_counter(&from, "Publications Revoked"), 1);
    assert_eq!(system_counter(&to, "Publication Images Revoked"), 1);
}

fn a_stream_starts_at_its_position(pair: Pair) {
    let (from, to) = pair.drivers(&[]);
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &channel);
    // The last term id there is, and the first one after it.
    let start = "init-term-id=2147483647|term-id=-2147483647|term-offset=65472";
    let mut publication = pair.publish(&from, &format!("{channel}|{start}|session-id=4711"));
    connect(&mut publication, &mut [&mut subscription]);
    let joined = subscription.take_image_events().remove(0);
    assert_eq!((joined.session_id, joined.join_position), (4711, 2 * 65_536 + 65_472));
    let end = publish_all(&mut publication, 0..1, &mut || ());
    assert_eq!(end, 2 * 65_536 + 65_472 + 64);
    eventually("the first message is there", || {
        subscription.turn();
        subscription.poll();
        subscription.messages().len() == 1
    });
    exchange(&mut publication, &mut [&mut subscription], 1..300);
    assert_eq!(numbers(subscription.messages()), (0..300).collect::<Vec<_>>());
}

/// Neighbouring ports of which nobody else is given one: a driver takes any of its range, needed elsewhere or not.
fn neighbouring_ports() -> [u16; 2] {
    let mut port = net::free_port().unwrap();
    loop {
        let next = net::free_port().unwrap();
        if next == port + 1 {
            return [port, next];
        }
        port = next;
    }
}

fn a_wildcard_port_is_found(pair: Pair) {
    let [first, last] = neighbouring_ports();
    let range = format!("{first} {last}");
    let (from, to) = pair.drivers(&[("aeron.receiver.wildcard.port.range", range.as_str())]);
    for (address, resolved) in [("127.0.0.1:0", "127.0.0.1:"), ("[::1]:0", "[::1]:")] {
        let mut subscription = pair.subscribe(&to, &format!("aeron:udp?endpoint={address}"));
        let mut channel = None;
        eventually("the port is known", || {
            subscription.turn();
            channel = subscription.resolved_channel();
            channel.as_ref().is_some_and(|channel| !channel.contains(address))
        });
        let channel = channel.unwrap();
        let port = channel.split(resolved).nth(1).and_then(|rest| rest.split('|').next());
        let port: u16 = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{channel}"));
        assert!((first..=last).contains(&port), "{channel} is not between {first} and {last}");
        let mut publication = pair.publish(&from, &channel);
        connect(&mut publication, &mut [&mut subscription]);
        exchange(&mut publication, &mut [&mut subscription], 0..20);
    }
    let nowhere = try_publisher(pair.publisher, &from, "aeron:udp?endpoint=127.0.0.1:0");
    assert!(nowhere.is_err(), "a publication has to say where it goes");
}

fn a_closed_publication_lingers(pair: Pair) {
    const COUNT: u32 = 40;
    let from = driver(pair.from, &settings(&[]));
    let to = driver(pair.to, &[settings(&[]), lossy(common::SEED)].concat());
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &channel);
    let mut publication = pair.publish(&from, &format!("{channel}|linger=3600s"));
    connect(&mut publication, &mut [&mut subscription]);
    let session = publication.session_id();
    publish_all(&mut publication, 0..COUNT, &mut || ());
    publication.close();
    eventually("everything has arrived", || {
        publication.turn();
        subscription.turn();
        subscription.poll();
        subscription.messages().len() == COUNT as usize
    });
    assert_eq!(numbers(subscription.messages()), (0..COUNT).collect::<Vec<_>>());
    // The only receiver says that it has seen the end, so there is nothing to linger for.
    eventually("the publication has gone", || {
        publication.turn();
        subscription.turn();
        subscription.poll();
        stream_counter(&from, type_id::SENDER_POSITION, session).is_none()
    });
}

fn without_eos_an_image_stays(pair: Pair) {
    let (from, to) = pair.drivers(&[("aeron.image.liveness.timeout", "3600s")]);
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &channel);
    let mut silent = pair.publish(&from, &format!("{channel}|eos=false|linger=1s"));
    let mut polite = pair.publish(&from, &format!("{channel}|linger=1s"));
    connect(&mut silent, &mut [&mut subscription]);
    eventually("both images are there", || {
        polite.turn();
        subscription.turn();
        subscription.image_count() == 2
    });
    let sessions = [silent.session_id(), polite.session_id()];
    silent.close();
    polite.close();
    eventually("both publications have gone", || {
        silent.turn();
        polite.turn();
        subscription.turn();
        sessions.iter().all(|&session| stream_counter(&from, type_id::SENDER_POSITION, session).is_none())
    });
    eventually("the image of the one that said so has gone", || {
        subscription.turn();
        subscription.image_count() == 1
    });
    let gone: Vec<_> =
        subscription.take_image_events().into_iter().filter(|image| !image.available).collect();
    assert_eq!(gone.iter().map(|image| image.session_id).collect::<Vec<_>>(), [sessions[1]]);
}

fn ipv6_carries_streams(pair: Pair) {
    let (from, to) = pair.drivers(&[]);
    let channel = format!("aeron:udp?endpoint=[::1]:{}|term-length=64k", net::free_port().unwrap());
    let mut subscription = pair.subscribe(&to, &channel);
    let mut publication = pair.publish(&from, &channel);
    connect(&mut publication, &mut [&mut subscription]);
    let joined = subscription.take_image_events().remove(0);
    assert!(joined.source_identity.starts_with("[::1]:"), "{joined:?}");
    exchange(&mut publication, &mut [&mut subscription], 0..300);
}

fn timestamps_are_written(pair: Pair) {
    const COUNT: usize = 50;
    let (from, to) = pair.drivers(&[]);
    let channel = udp_channel();
    let mut subscription =
        pair.subscribe(&to, &format!("{channel}|media-rcv-ts-offset=8|channel-rcv-ts-offset=16"));
    let mut publication = pair.publish(&from, &format!("{channel}|channel-snd-ts-offset=0"));
    connect(&mut publication, &mut [&mut subscription]);
    let before = now_ns();
    let mut sent = 0;
    eventually("everything has arrived", || {
        publication.turn();
        subscription.turn();
        subscription.poll();
        if sent < COUNT && matches!(publication.offer(&[0xAB; 100]), Offer::Sent(_)) {
            sent += 1;
        }
        subscription.messages().len() == COUNT
    });
    let after = now_ns();
    for received in subscription.messages() {
        let stamp = |offset: usize| i64::from_le_bytes(received[offset..offset + 8].try_into().unwrap());
        let (sent, media, channel) = (stamp(0), stamp(8), stamp(16));
        for (what, stamp) in [("send", sent), ("media receive", media), ("channel receive", channel)] {
            assert!((before..=after).contains(&stamp), "{what} time {stamp}, not in {before}..={after}");
        }
        assert!(sent <= channel, "sent at {sent}, received at {channel}");
        assert!(received[24..].iter().all(|&byte| byte == 0xAB), "nothing else is written");
    }
    let overlapping = format!("{channel}|media-rcv-ts-offset=8|channel-rcv-ts-offset=12");
    assert!(try_subscriber(pair.subscriber, &to, &overlapping).is_err(), "stamps overlap");
}

fn now_ns() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since_1970.as_nanos()).unwrap()
}

fn sessions_are_limited(pair: Pair) {
    let (from, to) = pair.drivers(&[("aeron.driver.stream.session.limit", "2")]);
    let channel = udp_channel();
    let mut subscription = pair.subscribe(&to, &channel);
    let publish = || pair.publish(&from, &format!("{channel}|linger=100ms"));
    let mut publications = vec![publish(), publish()];
    let setups = |publications: &mut Vec<AnyPublisher>, subscription: &mut AnySubscriber| {
        publications.iter_mut().for_each(|publication| publication.turn());
        subscription.turn();
    };
    let connected = |publications: &[AnyPublisher]| {
        publications.iter().filter(|publication| publication.is_connected()).count()
    };
    // One after the other: a burst of setups gets past the limit of Aeron C.
    eventually("two are connected", || {
        setups(&mut publications, &mut subscription);
        connected(&publications) == 2
    });
    publications.push(publish());
    let status_messages = system_counter(&to, "Status Messages sent");
    eventually("two are connected still, after a while", || {
        setups(&mut publications, &mut subscription);
        system_counter(&to, "Status Messages sent") > status_messages + 20
    });
    assert_eq!(connected(&publications), 2);
    assert_eq!(subscription.image_count(), 2);
    let ended = publications.iter().position(|publication| publication.is_connected()).unwrap();
    let mut ended = publications.remove(ended);
    ended.close();
    eventually("the third has taken its place", || {
        ended.turn();
        setups(&mut publications, &mut subscription);
        connected(&publications) == 2 && subscription.image_count() == 2
    });
}

/// A stream each way between two drivers in the given threading modes.
fn streams_cross(pair: Pair, from_mode: &'static str, to_mode: &'static str) {
    let from = driver(pair.from, &settings(&[("aeron.threading.mode", from_mode)]));
    let to = driver(pair.to, &settings(&[("aeron.threading.mode", to_mode)]));
    for (publishing, subscribing) in [(&from, &to), (&to, &from)] {
        let channel = udp_channel();
        let mut subscription = pair.subscribe(subscribing, &channel);
        let mut publication = pair.publish(publishing, &channel);
        connect(&mut publication, &mut [&mut subscription]);
        exchange(&mut publication, &mut [&mut subscription], 0..500);
    }
    for driver in [&from, &to] {
        assert_eq!(cnc(driver).errors(), [], "{:?}", driver.kind());
    }
}

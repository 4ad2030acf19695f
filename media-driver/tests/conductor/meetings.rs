//! Which subscriptions hear which publications within one driver: over IPC, and as spies.

use std::time::Duration;

use epona_protocol::{
    command::Request,
    counters::{CounterDescriptor, SystemCounter},
    types::{CounterTypeId, RegistrationId},
};

use crate::harness::{CLIENT, Driver, STREAM, Told, UDP, exclusive, publication, subscription};

const IPC: &str = "aeron:ipc";

/// A way for publications and subscriptions to meet without a network.
struct Meeting {
    published: &'static str,
    subscribed: &'static str,
}

const MEETINGS: [Meeting; 2] = [
    Meeting { published: "aeron:ipc?alias=p", subscribed: "aeron:ipc?alias=s" },
    Meeting {
        published: "aeron:udp?endpoint=127.0.0.1:24325",
        subscribed: "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325",
    },
];

/// Image and subscription of each meeting that was told.
fn met(told: &[Told]) -> Vec<(i64, i64)> {
    let images = told.iter().filter_map(|told| match told {
        Told::Available { image, subscription, .. } => Some((*image, *subscription)),
        _ => None,
    });
    images.collect()
}

#[test]
fn they_meet_whoever_comes_first() {
    for Meeting { published, subscribed } in MEETINGS {
        let mut driver = Driver::new();
        let (first, _) = driver.subscribe(subscribed);
        let (id, told) = driver.publish(published);
        assert_eq!(met(&told), [(id, first)]);
        let (second, told) = driver.subscribe(subscribed);
        assert_eq!(met(&told), [(id, second)]);
        let positions: Vec<_> = driver
            .counters()
            .into_iter()
            .filter(|c| c.type_id == CounterTypeId::SUBSCRIBER_POSITION)
            .map(|c| (c.registration_id, c.reference_id))
            .collect();
        assert_eq!(positions, [(first, id), (second, id)], "positions refer to the publication");
    }
}

#[test]
fn several_subscriptions_meet_one_publication_and_one_subscription_several() {
    for Meeting { published, subscribed } in MEETINGS {
        let mut driver = Driver::new();
        let (one, _) = driver.subscribe(subscribed);
        let (two, _) = driver.ask_as(2, subscription(subscribed, STREAM));
        driver.ask(subscription(subscribed, STREAM + 1));
        let publications = [0; 3].map(|_| {
            let (id, told) = driver.publish_exclusively(published);
            assert_eq!(met(&told), [(id, one), (id, two)]);
            id
        });
        let (shared, told) = driver.publish(published);
        assert_eq!(met(&told), [(shared, one), (shared, two)]);
        let (late, told) = driver.subscribe(subscribed);
        let mut all = met(&told);
        all.sort_unstable();
        let expected: Vec<_> = publications.into_iter().chain([shared]).map(|id| (id, late)).collect();
        assert_eq!(all, expected);
    }
}

#[test]
fn a_publication_that_is_added_again_is_not_met_again() {
    for Meeting { published, subscribed } in MEETINGS {
        let mut driver = Driver::new();
        let (subscription, _) = driver.subscribe(subscribed);
        let (id, _) = driver.publish(published);
        let (_, told) = driver.publish(published);
        assert!(matches!(&told[..], [Told::Publication(ready)] if ready.original == id), "{told:?}");
        let (_, told) = driver.ask_as(2, publication(published, STREAM));
        assert_eq!(met(&told), []);
        let positions =
            driver.counters().into_iter().filter(|c| c.type_id == CounterTypeId::SUBSCRIBER_POSITION);
        assert_eq!(positions.map(|c| c.registration_id).collect::<Vec<_>>(), [subscription]);
    }
}

#[test]
fn a_subscription_to_a_session_meets_that_one_only_whoever_comes_first() {
    for Meeting { published, subscribed } in MEETINGS {
        let with_session = |channel: &str, id: i32| {
            let separator = if channel.contains('?') { '|' } else { '?' };
            format!("{channel}{separator}session-id={id}")
        };
        let mut driver = Driver::new();
        let (before, _) = driver.subscribe(&with_session(subscribed, 7));
        let (other, _) = driver.subscribe(&with_session(subscribed, 8));
        let (seven, told) = driver.publish_exclusively(&with_session(published, 7));
        assert_eq!(met(&told), [(seven, before)]);
        let (eight, told) = driver.publish_exclusively(&with_session(published, 8));
        assert_eq!(met(&told), [(eight, other)]);
        let (after, told) = driver.subscribe(&with_session(subscribed, 7));
        assert_eq!(met(&told), [(seven, after)]);
        let (_, told) = driver.subscribe(&with_session(subscribed, 9));
        assert_eq!(met(&told), []);
        assert!(matches!(driver.remove_subscription(after)[..], [Told::Success(_)]));
    }
}

#[test]
fn over_ipc_who_comes_later_joins_where_the_slowest_is_and_a_spy_where_the_sender_is() {
    for Meeting { published, subscribed } in MEETINGS {
        let mut driver = Driver::new();
        let (first, _) = driver.subscribe(subscribed);
        driver.subscribe(subscribed);
        driver.publish(published);
        let set = |driver: &Driver, counter: &CounterDescriptor, position: i64| {
            driver.reader().writable(counter.id).unwrap().set_release(position);
        };
        for counter in driver.counters() {
            match counter.type_id {
                CounterTypeId::SUBSCRIBER_POSITION if counter.registration_id == first => {
                    set(&driver, &counter, 64);
                }
                CounterTypeId::SUBSCRIBER_POSITION => set(&driver, &counter, 4096),
                CounterTypeId::SENDER_POSITION => set(&driver, &counter, 1024),
                _ => {}
            }
        }
        driver.settle();
        let (late, told) = driver.subscribe(subscribed);
        let Told::Available { position, .. } = told[1] else { panic!("{told:?}") };
        let counters = driver.counters();
        let joined = counters.iter().find(|c| c.id == position).unwrap();
        let expected = if subscribed.starts_with("aeron-spy") { 1024 } else { 64 };
        assert_eq!((joined.registration_id, joined.value), (late, expected), "{subscribed}");
    }
}

#[test]
fn subscriptions_go_with_a_silent_client_and_stay_with_a_live_one() {
    for Meeting { published, subscribed } in MEETINGS {
        let mut driver = Driver::new();
        driver.ask_as(2, publication(published, STREAM));
        let (alive, _) = driver.subscribe(subscribed);
        driver.ask_as(3, subscription(subscribed, STREAM));
        driver.told();
        for _ in 0..13 {
            driver.send_with(2, -1, Request::ClientKeepalive);
            driver.wait_alive(Duration::from_secs(1), CLIENT);
        }
        assert_eq!(driver.system(SystemCounter::ClientTimeouts), 1);
        let positions =
            driver.counters().into_iter().filter(|c| c.type_id == CounterTypeId::SUBSCRIBER_POSITION);
        assert_eq!(positions.map(|c| c.registration_id).collect::<Vec<_>>(), [alive]);
    }
}

#[test]
fn a_spy_with_a_tag_meets_its_publication_before_and_after_it_and_when_it_is_made_again() {
    let spied = "aeron-spy:aeron:udp?tags=9";
    let published = format!("{UDP}|tags=9|linger=0s");
    let mut driver = Driver::new();
    let (before, _) = driver.subscribe(spied);
    for _ in 0..2 {
        let (id, told) = driver.publish(&published);
        assert_eq!(met(&told), [(id, before)]);
        let (after, told) = driver.subscribe(spied);
        assert_eq!(met(&told), [(id, after)]);
        driver.remove_subscription(after);
        driver.remove_publication(id);
        driver.wait_alive(Duration::from_secs(6), CLIENT);
        let gone = Told::Unavailable { image: id, subscription: before, channel: spied.into() };
        assert_eq!(driver.told(), [gone]);
    }
}

#[test]
fn spies_of_other_channels_and_streams_meet_nothing() {
    let mut driver = Driver::new();
    for spied in ["aeron-spy:aeron:udp?endpoint=127.0.0.1:1", "aeron-spy:aeron:udp?tags=8"] {
        driver.subscribe(spied);
    }
    driver.ask(subscription(&format!("aeron-spy:{UDP}"), STREAM + 1));
    driver.subscribe(IPC);
    let (_, told) = driver.publish(&format!("{UDP}|tags=9"));
    assert_eq!(met(&told), []);
}

#[test]
fn a_spy_meets_the_exclusive_publications_of_its_stream_only() {
    let mut driver = Driver::new();
    let (spy, _) = driver.subscribe(&format!("aeron-spy:{UDP}"));
    let (first, told) = driver.ask(exclusive(UDP, STREAM));
    assert_eq!(met(&told), [(first, spy)]);
    let (_, told) = driver.ask(exclusive(UDP, STREAM + 1));
    assert_eq!(met(&told), []);
    let (second, told) = driver.ask(exclusive(UDP, STREAM));
    assert_eq!(met(&told), [(second, spy)]);
    driver.ask(Request::RemovePublication { registration_id: RegistrationId::new(first), revoke: false });
    driver.wait_alive(Duration::from_secs(2), CLIENT);
    let told = driver.told();
    assert!(matches!(told[..], [Told::Unavailable { image, .. }] if image == first), "{told:?}");
}

#[test]
fn a_spy_is_never_for_responses() {
    let mut driver = Driver::new();
    driver.publish(UDP);
    driver.settle();
    driver.told();
    let (_, told) = driver.subscribe(&format!("aeron-spy:{UDP}|control-mode=response"));
    assert!(matches!(told[..], [Told::Subscription { .. }, Told::Available { .. }]), "{told:?}");
}

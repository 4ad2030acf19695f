//! Parameters of channels whose effect is seen in how a stream flows.

use std::time::Duration;

use epona_client::{OfferError, Publication};
use epona_protocol::{
    counters::SystemCounter,
    types::{CounterTypeId, Nanos},
};

use crate::world::{World, offer, to};

const GROUP: &str = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1|term-length=64k";
const NAK: u16 = 2;

/// Bytes of one frame of [`message`].
const FRAME: i64 = 1024;

fn message() -> Vec<u8> {
    vec![7; 992]
}

/// Offers until the publisher is held back; the position that it has come to.
fn fill(publication: &Publication) -> i64 {
    loop {
        match publication.offer(&message()) {
            Ok(_) => {}
            Err(OfferError::BackPressured) => return publication.position().unwrap().get(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_publisher_is_held_back_by_the_window_of_its_channel() {
    for (option, window) in [("", 32 * FRAME), ("|pub-wnd=4k", 4 * FRAME), ("|pub-wnd=16k", 16 * FRAME)] {
        for channel in [to(1, 20121), "aeron:ipc?alias=x".into()] {
            let is_ipc = channel.starts_with("aeron:ipc");
            let mut world = World::new(2);
            let (publisher, subscriber) = (world.connect(0), world.connect(usize::from(!is_ipc)));
            let subscription = world.subscribe(&subscriber, &channel, 7);
            let publication = world.publish(&publisher, &(channel + option), 7);
            world.meet(&publication, &subscription);
            assert_eq!(fill(&publication), window, "{option}: before the driver has had a turn");
        }
    }
}

#[test]
fn a_sender_is_held_back_by_the_window_of_the_subscribed_channel() {
    for (option, window) in [("", 32 * FRAME), ("|rcv-wnd=4k", 4 * FRAME), ("|rcv-wnd=16k", 16 * FRAME)] {
        let mut world = World::new(2);
        let (publisher, subscriber) = (world.connect(0), world.connect(1));
        let mut subscription = world.subscribe(&subscriber, &(to(1, 20121) + option), 7);
        let publication = world.publish(&publisher, &to(1, 20121), 7);
        world.meet(&publication, &subscription);
        let sent = |world: &mut World| {
            for _ in 0..300 {
                offer(&publication, &message());
                world.turn();
            }
            world.counters(0, CounterTypeId::SENDER_POSITION)[0].value
        };
        assert_eq!(sent(&mut world), window, "{option}: nothing was read");
        assert_eq!(subscription.poll(|_, _| {}, 1000) as i64, window / FRAME);
        assert_eq!(sent(&mut world), 2 * window, "{option}: all was read");
    }
}

#[test]
fn a_group_has_as_many_ranges_sent_again_at_a_time_as_its_channel_says() {
    for (option, overflows) in [("|max-resend=1", true), ("|max-resend=16", false), ("", false)] {
        let mut world = World::new(3);
        let [publisher, one, two] = [0, 1, 2].map(|host| world.connect(host));
        let mut subscriptions = [world.subscribe(&one, GROUP, 7), world.subscribe(&two, GROUP, 7)];
        let publication = world.publish(&publisher, &format!("{GROUP}|fc=min,g:/2{option}"), 7);
        subscriptions.iter().for_each(|subscription| world.meet(&publication, subscription));
        for round in 1..=20 {
            // Each host misses another message.
            for host in [1, 2, 0] {
                if host > 0 {
                    world.set_loss(0, host, 1.0);
                }
                world.until("taken", || offer(&publication, &message()).then_some(()));
                world.turn();
                if host > 0 {
                    world.set_loss(0, host, 0.0);
                }
            }
            let mut received = [0; 2];
            world.until("all of the round", || {
                for (subscription, received) in subscriptions.iter_mut().zip(&mut received) {
                    *received += subscription.poll(|_, _| {}, 10);
                }
                (received == [3, 3]).then_some(())
            });
            world.run(Duration::from_millis(100));
            assert!(world.system(0, SystemCounter::RetransmitsSent) >= 2 * round);
        }
        let count = world.system(0, SystemCounter::RetransmitOverflow);
        assert_eq!(count > 0, overflows, "{option}: {count}");
    }
}

/// How long a gap was there before it was asked for, for several gaps.
fn delays_of_naks(channel: &str, option: &str) -> Vec<Duration> {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let mut subscription = world.subscribe(&subscriber, &format!("{channel}{option}"), 7);
    let publication = world.publish(&publisher, channel, 7);
    world.meet(&publication, &subscription);
    let naks = (0..20).map(|_| {
        world.set_loss(0, 1, 1.0);
        world.until("taken", || offer(&publication, &message()).then_some(()));
        world.turn();
        world.set_loss(0, 1, 0.0);
        world.network.record(true);
        world.until("taken", || offer(&publication, &message()).then_some(()));
        let seen: Nanos = world.now.nanos;
        let mut received = 0;
        world.until("both", || {
            received += subscription.poll(|_, _| {}, 10);
            (received == 2).then_some(())
        });
        let is_nak = |bytes: &[u8]| bytes[6..8] == NAK.to_le_bytes();
        let trace = world.network.take_trace();
        let first = trace.iter().find(|entry| is_nak(&entry.bytes)).expect("a NAK");
        first.at.since(seen)
    });
    naks.collect()
}

#[test]
fn receivers_of_a_group_take_their_time_to_ask_and_others_do_not_whatever_the_address_is() {
    let unicast = to(1, 20121);
    for (channel, option, is_group) in [
        (&*unicast, "", false),
        (&unicast, "|group=false", false),
        (&unicast, "|group=infer", false),
        (&unicast, "|group=true", true),
        (GROUP, "", true),
        (GROUP, "|group=true", true),
        (GROUP, "|group=false", false),
    ] {
        let delays = delays_of_naks(channel, option);
        let longest = delays.iter().max().unwrap();
        assert_eq!(*longest > Duration::from_millis(3), is_group, "{channel}{option}: {delays:?}");
    }
}

/// The C driver takes it and does nothing with it. Source: driver spec 2.4, 13.
#[test]
fn a_stream_id_in_a_channel_changes_nothing() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let channel = to(1, 20121) + "|stream-id=8";
    let mut subscription = world.subscribe(&subscriber, &channel, 7);
    let publication = world.publish(&publisher, &channel, 7);
    assert_eq!(publication.stream_id().get(), 7);
    world.meet(&publication, &subscription);
    world.exchange(&publication, &mut [&mut subscription], 10);
}

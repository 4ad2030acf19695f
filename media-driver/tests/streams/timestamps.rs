//! Times of sending and receiving in messages.

use epona_client::Subscription;
use epona_protocol::types::Nanos;

use crate::world::{World, offer, to};

const SENT: std::ops::Range<usize> = 0..8;
const RECEIVED: std::ops::Range<usize> = 8..16;

fn time(bytes: &[u8]) -> i64 {
    i64::from_le_bytes(bytes.try_into().unwrap())
}

/// Whether a time was taken since another one; that of the simulated network is the world's.
#[track_caller]
fn assert_is_since(stamp: &[u8], begun: Nanos, world: &World) {
    let stamp = Nanos::new(time(stamp));
    assert!((begun..=world.now.nanos).contains(&stamp), "{stamp:?}, begun at {begun:?}");
}

/// A message whose first sixteen bytes leave room for times.
fn message(number: usize) -> Vec<u8> {
    let length = [16, 100, 1376, 1377, 5000][number % 5];
    (0..length).map(|at| if at < 16 { 0 } else { (number * 7 + at) as u8 }).collect()
}

/// Receives so many messages whole, and checks all but their times.
fn receive(world: &mut World, subscription: &mut Subscription, count: usize) -> Vec<Vec<u8>> {
    let mut received: Vec<Vec<u8>> = Vec::new();
    let mut assembler =
        epona_client::FragmentAssembler::new(|payload: &[u8], _: &epona_client::Header<'_>| {
            received.push(payload.to_vec());
        });
    let mut polled = 0;
    let expected: usize = (0..count).map(|number| message(number).len().div_ceil(1376)).sum();
    world.until("all fragments", || {
        polled += subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 20);
        (polled == expected).then_some(())
    });
    for (number, payload) in received.iter().enumerate() {
        assert_eq!(payload[16..], message(number)[16..], "message {number}");
    }
    assert_eq!(received.len(), count);
    received
}

#[test]
fn every_message_tells_when_it_was_sent_and_received_and_is_whole() {
    for manual in [false, true] {
        let mut world = World::new(2);
        let before = world.now.nanos;
        let (publisher, subscriber) = (world.connect(0), world.connect(1));
        let offset = "|channel-rcv-ts-offset=8";
        let mut subscription = if manual {
            let channel = format!("aeron:udp?control-mode=manual{offset}");
            let subscription = world.subscribe(&subscriber, &channel, 7);
            world.complete(subscription.add_destination("aeron:udp?endpoint=10.0.0.2:20121")).unwrap();
            subscription
        } else {
            world.subscribe(&subscriber, &(to(1, 20121) + offset), 7)
        };
        let publication = if manual {
            let channel = "aeron:udp?control-mode=manual|term-length=64k|channel-snd-ts-offset=0";
            let publication = world.publish(&publisher, channel, 7);
            world.complete(publication.add_destination("aeron:udp?endpoint=10.0.0.2:20121")).unwrap();
            publication
        } else {
            world.publish(&publisher, &(to(1, 20121) + "|channel-snd-ts-offset=0"), 7)
        };
        world.meet(&publication, &subscription);
        world.set_loss(0, 1, 0.2);
        for number in 0..10 {
            world.until("taken", || offer(&publication, &message(number)).then_some(()));
        }
        for message in receive(&mut world, &mut subscription, 10) {
            assert_is_since(&message[SENT], before, &world);
            assert_is_since(&message[RECEIVED], Nanos::new(time(&message[SENT])), &world);
        }
    }
}

#[test]
fn a_stream_that_comes_by_two_destinations_is_stamped_by_either() {
    let mut world = World::new(3);
    let begun = world.now.nanos;
    let (one, other, subscriber) = (world.connect(0), world.connect(2), world.connect(1));
    let manual = "aeron:udp?control-mode=manual|channel-rcv-ts-offset=8";
    let mut subscription = world.subscribe(&subscriber, manual, 7);
    for port in [20121, 20122] {
        let destination = format!("aeron:udp?endpoint=10.0.0.2:{port}");
        world.complete(subscription.add_destination(&destination)).unwrap();
    }
    let same = "|session-id=5|init-term-id=0|term-id=0|term-offset=0|channel-snd-ts-offset=0";
    let publications =
        [world.publish(&one, &(to(1, 20121) + same), 7), world.publish(&other, &(to(1, 20122) + same), 7)];
    for publication in &publications {
        world.meet(publication, &subscription);
    }
    // Either way loses what the other brings.
    for host in [0, 2] {
        world.set_loss(host, 1, 0.3);
    }
    for number in 0..10 {
        for publication in &publications {
            world.until("taken", || offer(publication, &message(number)).then_some(()));
        }
    }
    assert_eq!(subscription.image_count(), 1);
    for message in receive(&mut world, &mut subscription, 10) {
        assert_is_since(&message[SENT], begun, &world);
        assert_is_since(&message[RECEIVED], begun, &world);
    }
    assert_eq!(subscription.images()[0].active_transport_count(), 2, "both were heard");
}

#[test]
fn times_in_the_reserved_value_leave_messages_of_any_length_alone() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let mut sent = world.subscribe(&subscriber, &to(1, 20121), 7);
    let mut received = world.subscribe(&subscriber, &(to(1, 20122) + "|channel-rcv-ts-offset=reserved"), 7);
    let stamped = world.publish(&publisher, &(to(1, 20121) + "|channel-snd-ts-offset=reserved"), 7);
    let plain = world.publish(&publisher, &to(1, 20122), 7);
    let begun = world.now.nanos.get();
    for (publication, subscription) in [(stamped, &mut sent), (plain, &mut received)] {
        world.meet(&publication, subscription);
        for length in [0, 1, 7, 8] {
            world.until("taken", || offer(&publication, &vec![9; length]).then_some(()));
        }
        let mut lengths = Vec::new();
        world.until("all", || {
            subscription.poll(
                |payload, header| {
                    assert!(header.reserved_value() >= begun);
                    assert_eq!(payload, vec![9; payload.len()]);
                    lengths.push(payload.len());
                },
                10,
            );
            (lengths.len() == 4).then_some(())
        });
        assert_eq!(lengths, [0, 1, 7, 8]);
    }
}

#[test]
fn nothing_is_stamped_that_nobody_asked_for_or_that_has_no_room() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let mut plain = world.subscribe(&subscriber, &to(1, 20121), 7);
    let mut far = world.subscribe(&subscriber, &(to(1, 20122) + "|channel-rcv-ts-offset=1000"), 7);
    for (channel, subscription) in
        [(to(1, 20121), &mut plain), (to(1, 20122) + "|channel-snd-ts-offset=900", &mut far)]
    {
        let publication = world.publish(&publisher, &channel, 7);
        world.meet(&publication, subscription);
        for number in 0..2 {
            world.until("taken", || offer(&publication, &message(number)).then_some(()));
        }
        for (number, received) in receive(&mut world, subscription, 2).iter().enumerate() {
            assert_eq!(*received, message(number));
        }
    }
}

//! Everything arrives once and in order, however it is lost, delayed or held back.

use std::time::Duration;

use epona_client::{OfferError, Publication, Subscription};
use epona_protocol::{
    counters::SystemCounter,
    types::{Nanos, Position},
};

use crate::world::{LENGTHS, World, message, offer, to};

const NAK: u16 = 2;
const STATUS_MESSAGE: u16 = 3;

/// Payload of one frame of the default MTU.
const FULL: usize = 1376;

/// Numbers of the messages that a subscription has, each the first eight bytes.
fn numbers(subscription: &mut Subscription) -> Vec<u64> {
    let mut numbers = Vec::new();
    subscription.poll(|payload, _| numbers.push(u64::from_le_bytes(payload[..8].try_into().unwrap())), 100);
    numbers
}

fn numbered(number: u64, length: usize) -> Vec<u8> {
    [&number.to_le_bytes()[..], &vec![0xA5; length - 8]].concat()
}

/// Offers numbered messages of a frame each, all of which must be taken at once.
fn send(publication: &Publication, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert!(offer(publication, &numbered(number, FULL)), "message {number}");
    }
}

/// Two hosts with a stream from the first to the second.
fn stream(subscribed: &str) -> (World, Publication, Subscription) {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let subscription = world.subscribe(&subscriber, &(to(1, 20121) + subscribed), 7);
    let publication = world.publish(&publisher, &to(1, 20121), 7);
    world.meet(&publication, &subscription);
    (world, publication, subscription)
}

#[test]
fn bytes_received_are_those_of_all_datagrams_and_bytes_sent_those_of_data_and_heartbeats() {
    let mut world = World::new(2);
    world.network.record(true);
    let (publisher, subscriber) = (world.connect(0), world.connect(1));
    let mut subscription = world.subscribe(&subscriber, &to(1, 20121), 7);
    let publication = world.publish(&publisher, &to(1, 20121), 7);
    world.exchange(&publication, &mut [&mut subscription], 50);
    world.run(Duration::from_secs(1));
    let (mut of_data, mut in_all) = (0, 0);
    for entry in world.network.take_trace() {
        let is_data = entry.bytes[6] < 2;
        let length = entry.bytes.len() as i64;
        if entry.source.ip() == crate::world::address(0) {
            in_all += length;
            of_data += if is_data { length } else { 0 };
        }
    }
    assert!(of_data > 50_000);
    assert_eq!(world.system(0, SystemCounter::BytesSent), of_data);
    assert_eq!(world.system(1, SystemCounter::BytesReceived), in_all);
}

/// DAT-01
#[test]
fn terms_end_with_a_frame_with_the_shortest_padding_and_with_a_longer_one() {
    const TERM: i64 = 65_536;
    for (length, padding) in [(992, 0), (704, 32), (FULL, 768)] {
        let frame = length as i64 + 32;
        assert_eq!(TERM % frame, padding);
        for channel in [to(1, 20121), "aeron:ipc?alias=x".into()] {
            let is_ipc = channel.starts_with("aeron:ipc");
            let mut world = World::new(2);
            let (publisher, subscriber) = (world.connect(0), world.connect(usize::from(!is_ipc)));
            let mut subscription = world.subscribe(&subscriber, &channel, 7);
            let publication = world.publish(&publisher, &channel, 7);
            world.meet(&publication, &subscription);
            let count = (3 * (TERM / frame) + 1) as u64;
            let (mut sent, mut received) = (0, Vec::new());
            world.until("all", || {
                sent += u64::from(sent < count && offer(&publication, &numbered(sent, length)));
                received.extend(numbers(&mut subscription));
                (received.len() as u64 == count).then_some(())
            });
            assert_eq!(received, (0..count).collect::<Vec<_>>(), "{channel} {length}");
            let end = Position::new(3 * TERM + frame);
            assert_eq!((publication.position(), subscription.images()[0].position()), (Ok(end), end));
        }
    }
}

#[test]
fn a_large_gap_takes_one_nak_and_is_sent_again_once() {
    let (mut world, publication, mut subscription) = stream("|nak-delay=5ms");
    world.network.record(true);
    send(&publication, 0..1);
    world.run(Duration::from_millis(20));
    world.set_loss(0, 1, 1.0);
    send(&publication, 1..18);
    world.run(Duration::from_millis(20));
    world.set_loss(0, 1, 0.0);
    send(&publication, 18..19);
    let mut received = Vec::new();
    world.until("all", || {
        received.extend(numbers(&mut subscription));
        (received.len() == 19).then_some(())
    });
    assert_eq!(received, (0..19).collect::<Vec<_>>());
    world.run(Duration::from_millis(200));
    assert_eq!(world.sent(NAK), 1);
    assert_eq!(world.system(1, SystemCounter::NaksSent), 1);
    assert_eq!(world.system(0, SystemCounter::RetransmitsSent), 1);
    assert_eq!(world.system(0, SystemCounter::RetransmittedBytes), 17 * 1408);
}

#[test]
fn a_nak_waits_as_long_as_the_channel_says() {
    for delay in [20, 70] {
        let (mut world, publication, mut subscription) = stream(&format!("|nak-delay={delay}ms"));
        world.set_loss(0, 1, 1.0);
        send(&publication, 0..1);
        world.run(Duration::from_millis(3));
        world.set_loss(0, 1, 0.0);
        world.network.record(true);
        send(&publication, 1..2);
        let seen = world.now.nanos;
        world.run(Duration::from_millis(200));
        assert_eq!(numbers(&mut subscription), [0, 1]);
        let naks: Vec<Nanos> =
            world.network.take_trace().iter().filter(|e| e.bytes[6] == 2).map(|e| e.at).collect();
        let waited = naks[0].since(seen).as_millis();
        assert!(naks.len() == 1 && (delay..delay + 5).contains(&waited), "{delay} ms: {waited} ms");
    }
}

#[test]
fn several_gaps_are_filled_one_after_the_other() {
    let (mut world, publication, mut subscription) = stream("");
    for number in 0..20 {
        world.set_loss(0, 1, if number % 3 == 1 { 1.0 } else { 0.0 });
        send(&publication, number..number + 1);
        world.turn();
    }
    world.set_loss(0, 1, 0.0);
    let mut received = Vec::new();
    world.until("all", || {
        received.extend(numbers(&mut subscription));
        (received.len() == 20).then_some(())
    });
    assert_eq!(received, (0..20).collect::<Vec<_>>());
    assert!(world.system(1, SystemCounter::NaksSent) >= 7, "one for each gap at least");
}

#[test]
fn everything_arrives_in_spite_of_loss_in_both_directions() {
    let (mut world, publication, mut subscription) = stream("");
    world.set_loss(0, 1, 0.2);
    world.set_loss(1, 0, 0.2);
    world.exchange(&publication, &mut [&mut subscription], 300);
    assert!(world.system(0, SystemCounter::RetransmitsSent) > 0);
}

/// DAT-08
#[test]
fn a_stream_that_is_not_reliable_goes_on_over_what_was_lost_without_asking_for_it() {
    const COUNT: u64 = 300;
    let (mut world, publication, mut subscription) = stream("|reliable=false");
    world.set_loss(0, 1, 0.2);
    let (mut sent, mut received) = (0, Vec::new());
    world.until("the end", || {
        sent += u64::from(sent < COUNT && offer(&publication, &numbered(sent, FULL)));
        received.extend(numbers(&mut subscription));
        let is_at_end = subscription.images()[0].position() == publication.position().unwrap();
        (sent == COUNT && is_at_end).then_some(())
    });
    assert!(received.is_sorted_by(|one, next| one < next), "{received:?}");
    assert!(received.len() > 100 && received.len() < COUNT as usize, "{}", received.len());
    assert!(world.system(1, SystemCounter::LossGapFills) > 0);
    assert_eq!(world.system(1, SystemCounter::NaksSent), 0);
    assert_eq!(world.system(0, SystemCounter::RetransmitsSent), 0);
}

#[test]
fn a_slow_subscriber_holds_the_publisher_back_and_loses_nothing() {
    for channel in [to(1, 20121), "aeron:ipc".into()] {
        let is_ipc = channel == "aeron:ipc";
        let mut world = World::new(2);
        let (publisher, subscriber) = (world.connect(0), world.connect(usize::from(!is_ipc)));
        let mut slow = world.subscribe(&subscriber, &channel, 7);
        let mut quick = world.subscribe(&subscriber, &channel, 7);
        let publication = world.publish(&publisher, &channel, 7);
        world.meet(&publication, &slow);
        let (mut sent, mut held_back, mut turns) = (0, 0, 0);
        let (mut by_slow, mut by_quick) = (Vec::new(), Vec::new());
        world.until("all", || {
            turns += 1;
            match if sent < 500 {
                publication.offer(&numbered(sent, FULL))
            } else {
                Err(OfferError::NotConnected)
            } {
                Ok(_) => sent += 1,
                Err(OfferError::BackPressured) => held_back += 1,
                Err(_) => {}
            }
            by_quick.extend(numbers(&mut quick));
            if turns % 4 == 0 {
                slow.poll(|payload, _| by_slow.push(u64::from_le_bytes(payload[..8].try_into().unwrap())), 1);
            }
            (by_slow.len() == 500).then_some(())
        });
        let all: Vec<u64> = (0..500).collect();
        assert!(by_slow == all && by_quick == all && held_back > 0, "{channel}: {held_back}");
        assert_eq!(world.system(1, SystemCounter::FlowControlOverRuns), 0);
        assert_eq!(world.system(1, SystemCounter::NaksSent), 0);
    }
}

#[test]
fn a_stream_that_was_at_rest_for_long_goes_on_at_full_speed() {
    const MESSAGES: u64 = 500;
    let (mut world, publication, mut subscription) = stream(&to(1, 20121));
    for round in 0..3 {
        world.run(Duration::from_secs(3));
        // Now no time passes, so that nothing gets better by waiting.
        world.step = Duration::ZERO;
        let (mut sent, mut received) = (0, 0);
        for _ in 0..4 * MESSAGES {
            sent += u64::from(sent < MESSAGES && publication.offer(&numbered(sent, FULL)).is_ok());
            received += numbers(&mut subscription).len() as u64;
            world.turn();
        }
        assert_eq!((sent, received), (MESSAGES, MESSAGES), "round {round}");
        world.step = Duration::from_millis(1);
    }
}

#[test]
fn who_subscribes_in_the_middle_of_a_lossy_stream_receives_it_from_there() {
    let (mut world, publication, mut first) = stream("");
    world.set_loss(0, 1, 0.1);
    let subscriber = world.connect(1);
    let (mut sent, mut by_first) = (0, Vec::new());
    for _ in 0..3 {
        let mut late = world.subscribe(&subscriber, &to(1, 20121), 7);
        world.until("joined", || late.is_connected().then_some(()));
        let mut by_late = Vec::new();
        let until = sent + 200;
        world.until("all", || {
            sent += u64::from(sent < until && offer(&publication, &numbered(sent, 100)));
            by_first.extend(numbers(&mut first));
            by_late.extend(numbers(&mut late));
            (by_first.len() as u64 == until && by_late.last() == Some(&(until - 1))).then_some(())
        });
        let expected: Vec<u64> = (by_late[0]..until).collect();
        assert_eq!(by_late, expected);
        late.close();
        world.run(Duration::from_millis(50));
    }
    assert_eq!(by_first, (0..sent).collect::<Vec<_>>());
}

#[test]
fn ten_pairs_echo_at_the_same_time() {
    const ROUNDS: u64 = 40;
    let mut world = World::new(2);
    let (here, there) = (world.connect(0), world.connect(1));
    let mut pairs: Vec<_> = (0..10)
        .map(|pair| {
            let (ping, pong) = (to(1, 20121), to(0, 20122));
            let echo = world.subscribe(&there, &ping, pair);
            let answers = world.subscribe(&here, &pong, pair);
            let back = world.publish(&there, &pong, pair);
            let out = world.publish(&here, &ping, pair);
            (out, echo, back, answers, 0, 0)
        })
        .collect();
    world.until("all rounds", || {
        for (pair, (out, echo, back, answers, sent, answered)) in pairs.iter_mut().enumerate() {
            let text = |round: u64| numbered(round * 10 + pair as u64, 300);
            if sent == answered && *sent < ROUNDS && back.is_connected() && offer(out, &text(*sent)) {
                *sent += 1;
            }
            echo.poll(|payload, _| assert!(offer(back, payload), "one message is under way at most"), 10);
            answers.poll(
                |payload, _| {
                    assert_eq!(payload, text(*answered));
                    *answered += 1;
                },
                10,
            );
        }
        pairs.iter().all(|pair| pair.5 == ROUNDS).then_some(())
    });
}

#[test]
fn ping_and_pong_go_on_with_a_pong_that_starts_anew() {
    let mut world = World::new(2);
    let here = world.connect(0);
    let (ping, pong) = (to(1, 20121) + "|linger=0s", to(0, 20122) + "|linger=0s");
    let mut answers = world.subscribe(&here, &pong, 7);
    let out = world.publish(&here, &ping, 7);
    for start in 0..3 {
        let there = world.connect(1);
        let mut echo = world.subscribe(&there, &ping, 7);
        let back = world.publish(&there, &pong, 7);
        world.until("both ways are connected", || {
            (out.is_connected() && back.is_connected() && echo.is_connected() && answers.is_connected())
                .then_some(())
        });
        for round in 0..50 {
            let sent = numbered(start * 100 + round, 300);
            world.until("taken", || offer(&out, &sent).then_some(()));
            let mut answered = Vec::new();
            world.until("an answer", || {
                echo.poll(|payload, _| assert!(offer(&back, payload), "one is under way at most"), 10);
                answers.poll(|payload, _| answered.push(payload.to_vec()), 10);
                (!answered.is_empty()).then_some(())
            });
            assert_eq!(answered, [sent], "start {start}, round {round}");
        }
        there.close();
        world
            .until("the ping has noticed", || (!out.is_connected() && !answers.is_connected()).then_some(()));
    }
}

#[test]
fn status_messages_keep_coming_while_a_stream_is_idle() {
    let (mut world, publication, mut subscription) = stream("");
    world.network.record(true);
    world.run(Duration::from_secs(2));
    assert!(world.sent(STATUS_MESSAGE) >= 9, "every 200 ms");
    assert!(publication.is_connected());
    world.exchange(&publication, &mut [&mut subscription], LENGTHS.len());
    assert_eq!(message(1).len(), 1);
}

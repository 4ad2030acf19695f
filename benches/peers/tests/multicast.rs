//! Multicast on the loopback, between drivers of both makers: who hears what, and who holds the publisher back.
//!
//! Every test names its publishing driver and the receiving ones; rows with Aeron alone are the control.

mod common;

use common::{
    Maker, driver,
    ends::{
        self, AnyPublisher, AnySubscriber, connect, eventually, exchange, message, numbers, publish_past,
        publisher, subscriber,
    },
    lossy, stream_counter, system_counter, type_id,
};
use epona_peers::{
    net,
    party::{
        DriverKind::{self, Aeron, Epona},
        Offer,
    },
    process::DriverProcess,
};

/// Runs the tests of this file for a publishing driver and two receiving ones; the second is the slow one, the late one
/// or the one that dies.
macro_rules! group {
    ($name:ident: $from:ident -> $one:ident, $other:ident) => {
        mod $name {
            use super::*;

            const GROUP: Group = Group { from: $from, one: $one, other: $other };

            #[test]
            fn every_subscriber_on_every_host_hears_everything() {
                everybody_hears_everything(GROUP);
            }

            #[test]
            fn an_interface_is_chosen_by_prefix_and_by_name() {
                an_interface_is_chosen(GROUP);
            }

            #[test]
            fn two_groups_on_one_port_are_kept_apart() {
                two_groups_are_kept_apart(GROUP);
            }

            #[test]
            fn lost_data_is_asked_for_and_sent_again() {
                loss_is_repaired(GROUP);
            }

            #[test]
            fn a_late_joiner_hears_everything_from_where_it_joins() {
                a_late_joiner_hears_the_rest(GROUP);
            }

            #[test]
            fn max_flow_control_follows_the_fastest_receiver() {
                max_follows_the_fastest(GROUP);
            }

            #[test]
            fn min_flow_control_follows_the_slowest_receiver() {
                the_slow_one_holds_back(GROUP, "fc=min", "");
            }

            #[test]
            fn min_flow_control_lets_a_receiver_go_that_falls_silent() {
                a_silent_receiver_is_let_go(GROUP);
            }

            #[test]
            fn tagged_flow_control_follows_the_receivers_with_the_tag() {
                the_slow_one_holds_back(GROUP, "fc=tagged,g:101", "|gtag=101");
            }

            #[test]
            fn tagged_flow_control_does_not_wait_for_receivers_without_the_tag() {
                the_untagged_one_is_left_behind(GROUP);
            }

            #[test]
            fn a_group_of_two_is_connected_while_there_are_two_with_min() {
                a_group_needs_its_size(GROUP, "fc=min,g:/2", "");
            }

            #[test]
            fn a_group_of_two_is_connected_while_there_are_two_with_the_tag() {
                a_group_needs_its_size(GROUP, "fc=tagged,g:101/2", "|gtag=101");
            }
        }
    };
}

group!(control: Aeron -> Aeron, Aeron);
group!(our_receivers: Aeron -> Epona, Epona);
group!(their_receivers: Epona -> Aeron, Aeron);
group!(our_slow_receiver_in_a_mixed_group: Epona -> Aeron, Epona);

/// Kinds of the publishing driver and of two receiving ones.
#[derive(Clone, Copy)]
struct Group {
    from: DriverKind,
    one: DriverKind,
    other: DriverKind,
}

/// Settings of this file: states that depend on the drivers' timers change soon.
fn settings() -> Vec<(&'static str, String)> {
    vec![("aeron.timer.interval", "50ms".to_owned()), ("aeron.rcv.status.message.timeout", "50ms".to_owned())]
}

fn quick(kind: DriverKind) -> DriverProcess {
    driver(kind, &settings())
}

/// A channel of a group with a port of its own.
fn group_channel() -> String {
    let port = net::free_port().expect("a free port");
    format!("aeron:udp?endpoint=224.20.30.39:{port}|interface=127.0.0.1|term-length=64k")
}

fn publish(driver: &DriverProcess, channel: &str) -> AnyPublisher {
    publisher(Maker::of(driver.kind()), driver, channel)
}

fn subscribe(driver: &DriverProcess, channel: &str) -> AnySubscriber {
    subscriber(Maker::of(driver.kind()), driver, channel)
}

fn everybody_hears_everything(group: Group) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let channel = group_channel();
    // One by a client of the driver's maker, one by a stock client.
    let mut first = subscribe(&one, &channel);
    let mut second = subscriber(Maker::Aeron, &one, &channel);
    let mut third = subscribe(&other, &channel);
    // On the publisher's own host too, where the driver hears itself.
    let mut fourth = subscribe(&from, &channel);
    // Nobody is left behind: two subscribers of one host are one receiver.
    let mut publication = publish(&from, &format!("{channel}|fc=min,g:/3"));
    let mut all = [&mut first, &mut second, &mut third, &mut fourth];
    connect(&mut publication, &mut all);
    exchange(&mut publication, &mut all, 0..500);
    for driver in [&from, &one, &other] {
        assert_eq!(common::cnc(driver).errors(), [], "{:?}", driver.kind());
    }
}

fn an_interface_is_chosen(group: Group) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let address = format!("aeron:udp?endpoint=224.20.30.39:{}", net::free_port().unwrap());
    let mut first = subscribe(&one, &format!("{address}|interface=127.0.0.0/8"));
    let mut second = subscribe(&other, &format!("{address}|interface={{lo}}"));
    for interface in ["{lo}", "localhost", "127.0.0.1/24"] {
        let mut publication = publish(&from, &format!("{address}|interface={interface}|fc=min,g:/2"));
        let mut all = [&mut first, &mut second];
        connect(&mut publication, &mut all);
        exchange(&mut publication, &mut all, 0..20);
        publication.close();
    }
    for interface in ["{nosuchinterface}", "192.0.2.77"] {
        let refused =
            ends::try_publisher(Maker::of(from.kind()), &from, &format!("{address}|interface={interface}"));
        assert!(refused.is_err(), "there is no interface {interface}");
    }
}

fn two_groups_are_kept_apart(group: Group) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let port = net::free_port().unwrap();
    let channel = |group: &str| format!("aeron:udp?endpoint={group}:{port}|interface=127.0.0.1");
    let (red, blue) = (channel("224.20.30.39"), channel("224.20.30.43"));
    for receiving in [&one, &other] {
        let (mut of_red, mut of_blue) = (subscribe(receiving, &red), subscribe(receiving, &blue));
        let (mut to_red, mut to_blue) = (publish(&from, &red), publish(&from, &blue));
        connect(&mut to_red, &mut [&mut of_red]);
        connect(&mut to_blue, &mut [&mut of_blue]);
        exchange(&mut to_red, &mut [&mut of_red], 0..50);
        exchange(&mut to_blue, &mut [&mut of_blue], 100..150);
        // What was not for it would have come by now: the drivers handled both groups in the same turns.
        of_red.poll();
        of_blue.poll();
        assert_eq!(numbers(of_red.messages()), (0..50).collect::<Vec<_>>());
        assert_eq!(numbers(of_blue.messages()), (100..150).collect::<Vec<_>>());
        assert_eq!((of_red.image_count(), of_blue.image_count()), (1, 1));
    }
}

fn loss_is_repaired(group: Group) {
    let losing = |kind, seed| driver(kind, &[settings(), lossy(seed)].concat());
    let from = losing(group.from, common::SEED);
    let (one, other) = (losing(group.one, common::SEED + 1), losing(group.other, common::SEED + 2));
    let channel = group_channel();
    let (mut first, mut second) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|fc=min,g:/2"));
    let mut all = [&mut first, &mut second];
    connect(&mut publication, &mut all);
    exchange(&mut publication, &mut all, 0..600);
    assert!(system_counter(&from, "Retransmits sent") > 0);
    for receiving in [&one, &other] {
        assert!(system_counter(receiving, "NAKs sent") > 0, "{:?} lost something", receiving.kind());
    }
}

fn a_late_joiner_hears_the_rest(group: Group) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let channel = group_channel();
    let mut early = subscribe(&one, &channel);
    let mut publication = publish(&from, &format!("{channel}|fc=min"));
    connect(&mut publication, &mut [&mut early]);
    exchange(&mut publication, &mut [&mut early], 0..200);

    let mut late = subscribe(&other, &channel);
    let mut next = 200;
    eventually("the late joiner is there, while the stream goes on", || {
        if matches!(publication.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        publication.turn();
        early.turn();
        early.poll();
        late.turn();
        late.image_count() == 1
    });
    let joined = late.take_image_events().remove(0);
    assert!(joined.join_position > 0, "{joined:?}");
    let end = next + 300;
    eventually("both have heard the end of the stream", || {
        if next < end && matches!(publication.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        publication.turn();
        for subscriber in [&mut early, &mut late] {
            subscriber.turn();
            subscriber.poll();
        }
        let heard_all =
            |subscriber: &AnySubscriber| numbers(subscriber.messages()).last() == Some(&(end - 1));
        next == end && heard_all(&early) && heard_all(&late)
    });
    assert_eq!(numbers(early.messages()), (0..end).collect::<Vec<_>>());
    let heard = numbers(late.messages());
    assert!(heard[0] >= 200, "the late joiner heard {}, which was sent before it came", heard[0]);
    assert_eq!(heard, (heard[0]..end).collect::<Vec<_>>());
}

/// Messages that no window holds: several terms of 64 KiB.
const MANY: u32 = 600;

fn max_follows_the_fastest(group: Group) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let channel = group_channel();
    let (mut fast, mut slow) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|fc=max"));
    connect(&mut publication, &mut [&mut fast, &mut slow]);
    let sent = publish_past(&from, &mut publication, &mut fast, &mut slow, MANY);
    assert_eq!(sent, MANY, "the slow one does not matter");
    eventually("the fast one has heard everything", || {
        fast.turn();
        fast.poll();
        fast.messages().len() == MANY as usize
    });
    assert_eq!(numbers(fast.messages()), (0..MANY).collect::<Vec<_>>());
    eventually("the slow one was overrun", || system_counter(&other, "Flow control over runs") > 0);
    assert_eq!(system_counter(&one, "Flow control over runs"), 0);
}

fn the_slow_one_holds_back(group: Group, flow_control: &str, tag: &str) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let channel = group_channel() + tag;
    let (mut fast, mut slow) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|{flow_control},t:60s"));
    connect(&mut publication, &mut [&mut fast, &mut slow]);
    let session = publication.session_id();
    eventually("both are followed", || {
        publication.turn();
        stream_counter(&from, type_id::FLOW_CONTROL_RECEIVERS, session) == Some(2)
    });

    let sent = publish_past(&from, &mut publication, &mut fast, &mut slow, MANY);
    assert!(sent < MANY, "the slow one does not hold the publisher back");
    // The receiver that limits is the one whose position and window make the sender's limit.
    let limit = stream_counter(&from, type_id::SENDER_LIMIT, session).unwrap();
    let position = |host| stream_counter(host, type_id::SUBSCRIBER_POSITION, session).unwrap();
    let window = (publication.term_length() / 2) as i64;
    assert_eq!(limit, position(&other) + window);
    assert!(position(&one) > position(&other));
    assert_eq!(system_counter(&other, "Flow control over runs"), 0);

    let mut next = sent;
    eventually("both have heard everything", || {
        if next < MANY && matches!(publication.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        publication.turn();
        for subscriber in [&mut fast, &mut slow] {
            subscriber.turn();
            subscriber.poll();
        }
        [&fast, &slow].iter().all(|subscriber| subscriber.messages().len() == MANY as usize)
    });
    for subscriber in [&fast, &slow] {
        assert_eq!(numbers(subscriber.messages()), (0..MANY).collect::<Vec<_>>());
    }
}

fn a_silent_receiver_is_let_go(group: Group) {
    let (from, one, mut other) = (quick(group.from), quick(group.one), quick(group.other));
    let channel = group_channel();
    let (mut survivor, mut victim) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|fc=min,t:2s"));
    connect(&mut publication, &mut [&mut survivor, &mut victim]);
    let session = publication.session_id();
    let receivers = || stream_counter(&from, type_id::FLOW_CONTROL_RECEIVERS, session);
    eventually("both are followed", || {
        publication.turn();
        receivers() == Some(2)
    });
    other.kill().unwrap();
    exchange(&mut publication, &mut [&mut survivor], 0..MANY);
    eventually("one is followed", || {
        publication.turn();
        survivor.turn();
        receivers() == Some(1)
    });
    assert!(publication.is_connected());
    // Its client has nobody to say goodbye to.
    std::mem::forget(victim);
}

fn the_untagged_one_is_left_behind(group: Group) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let channel = group_channel();
    let mut fast = subscribe(&one, &format!("{channel}|gtag=101"));
    let mut slow = subscribe(&other, &channel);
    let mut publication = publish(&from, &format!("{channel}|fc=tagged,g:101/1"));
    connect(&mut publication, &mut [&mut fast, &mut slow]);
    let sent = publish_past(&from, &mut publication, &mut fast, &mut slow, MANY);
    assert_eq!(sent, MANY, "the one without the tag does not matter");
    let session = publication.session_id();
    assert_eq!(stream_counter(&from, type_id::FLOW_CONTROL_RECEIVERS, session), Some(1));
}

fn a_group_needs_its_size(group: Group, flow_control: &str, tag: &str) {
    let (from, one, other) = (quick(group.from), quick(group.one), quick(group.other));
    let channel = group_channel() + tag;
    let mut publication = publish(&from, &format!("{channel}|{flow_control}"));
    let mut first = subscribe(&one, &channel);
    eventually("the first receiver has spoken several times", || {
        publication.turn();
        first.turn();
        first.image_count() == 1 && system_counter(&from, "Status Messages received") > 3
    });
    assert!(!publication.is_connected(), "one is not enough");
    assert_eq!(publication.offer(&message(0)), Offer::NotConnected);

    let mut second = subscribe(&other, &channel);
    connect(&mut publication, &mut [&mut first, &mut second]);
    exchange(&mut publication, &mut [&mut first, &mut second], 0..100);

    second.close();
    eventually("one is not enough any more", || {
        publication.turn();
        first.turn();
        second.turn();
        !publication.is_connected()
    });
    assert_eq!(publication.offer(&message(100)), Offer::NotConnected);
}

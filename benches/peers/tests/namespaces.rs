//! Hosts on a switch, with a driver each: receivers that are slow or die, peers that move, packets and their marks. Links
//! that go down and up: `outages`.

mod common;

use common::{
    ends::{AnySubscriber, assert_complete, connect, eventually, exchange, message, publish_past},
    hosts::{
        MANY, PORT, drivers, followed, for_each_pairing, in_network, in_network_of, multicast, publish,
        subscribe,
    },
    skip::skipped,
    stream_counter, system_counter, type_id,
};
use epona_client::Context;
use epona_peers::{
    namespace::{Host, Network},
    party::{DriverKind, Offer},
    process::DriverProcess,
};
use std::process::Command;

for_each_pairing! {
    #[test]
    fn min_flow_control_waits_for_a_slow_host_until_it_is_killed() {
        in_network(|network| {
            the_slow_host_holds_back_until_killed(network, KINDS, "fc=min,t:2s", "")
        });
    }

    #[test]
    fn tagged_flow_control_waits_for_a_slow_host_until_it_is_killed() {
        in_network(|network| {
            the_slow_host_holds_back_until_killed(network, KINDS, "fc=tagged,g:9,t:2s", "|gtag=9");
        });
    }

    #[test]
    fn max_flow_control_waits_neither_for_a_slow_host_nor_for_a_dead_one() {
        in_network(|network| the_slow_host_is_left_behind(network, KINDS, "fc=max", ""));
    }

    #[test]
    fn tagged_flow_control_waits_for_no_host_without_the_tag() {
        in_network(|network| {
            the_slow_host_is_left_behind(network, KINDS, "fc=tagged,g:9/1", "|gtag=9")
        });
    }

    #[test]
    fn min_flow_control_waits_for_a_slow_host_and_for_a_dead_one_until_its_timeout() {
        in_network_of(4, |network| {
            one_is_slow_and_another_dies(network, KINDS, "fc=min,t:2s", ["", ""])
        });
    }

    #[test]
    fn tagged_flow_control_waits_for_a_slow_host_and_for_a_dead_one_until_its_timeout() {
        in_network_of(4, |network| {
            let tags = ["|gtag=9", "|gtag=9"];
            one_is_slow_and_another_dies(network, KINDS, "fc=tagged,g:9,t:2s", tags);
        });
    }

    #[test]
    fn max_flow_control_waits_for_neither_of_a_slow_host_and_a_dead_one() {
        in_network_of(4, |network| one_is_slow_and_another_dies(network, KINDS, "fc=max", ["", ""]));
    }

    #[test]
    fn tagged_flow_control_waits_for_neither_of_a_slow_host_and_a_dead_one_without_the_tag() {
        in_network_of(4, |network| {
            one_is_slow_and_another_dies(network, KINDS, "fc=tagged,g:9/1", ["|gtag=9", ""]);
        });
    }

    #[test]
    fn receivers_that_moved_to_another_host_are_sent_to_where_their_name_points_now() {
        in_network(|network| receivers_move(network, KINDS));
    }

    #[test]
    fn a_source_that_moved_to_another_host_is_heard_from_where_its_name_points_now() {
        in_network(|network| the_source_moves(network, KINDS));
    }

    #[test]
    fn a_multicast_stream_reaches_every_host_over_ipv6() {
        in_network(|network| every_host_hears_everything_over_ipv6(network, KINDS));
    }

    #[test]
    fn time_to_live_and_traffic_class_are_on_every_packet() {
        in_network(|network| packets_are_marked(network, KINDS));
    }
}

/// Both receivers count: the slow one limits, which the counters tell, until it is dead for longer than the timeout.
fn the_slow_host_holds_back_until_killed(
    network: &Network,
    kinds: [DriverKind; 3],
    flow_control: &str,
    tag: &str,
) {
    let [from, one, mut other] = drivers(network, kinds, &[]);
    let channel = multicast() + tag;
    let (mut fast, mut slow) = (subscribe(&one, &channel), subscribe(&other, &channel));
    let mut publication = publish(&from, &format!("{channel}|{flow_control}"));
    connect(&mut publication, &mut [&mut fast, &mut slow]);
    let session = publication.session_id();
    eventually("both are followed", || {
        publication.turn();
        followed(&from, session) == Some(2)
    });
    let sent = publish_past(&from, &mut publication, &mut fast, &mut slow, MANY);
    assert!(sent < MANY, "the slow host does not hold the publisher back");
    let limit = || stream_counter(&from, type_id::SENDER_LIMIT, session).unwrap();
    let position =
        |host: &DriverProcess| stream_counter(host, type_id::SUBSCRIBER_POSITION, session).unwrap();
    let window = (publication.term_length() / 2) as i64;
    eventually("the slow host is the one that limits", || limit() == position(&other) + window);
    assert!(limit() < position(&one) + window, "the fast host is not");

    other.kill().unwrap();
    let mut next = sent;
    eventually("the fast host has everything", || {
        if next < MANY && matches!(publication.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        publication.turn();
        fast.turn();
        fast.poll();
        fast.messages().len() == MANY as usize
    });
    assert_complete(&fast, MANY);
    assert_eq!(followed(&from, session), Some(1));
    assert!(publication.is_connected());
    let limit = stream_counter(&from, type_id::SENDER_LIMIT, session).unwrap();
    assert!(limit > position(&one), "the host that is left limits now");
    // Its client has nobody to say goodbye to.
    std::mem::forget(slow);
}

/// Only the first receiver counts; the other is slow at first and dead in the end.
fn the_slow_host_is_left_behind(network: &Network, kinds: [DriverKind; 3], flow_control: &str, tag: &str) {
    let [from, one, mut other] = drivers(network, kinds, &[]);
    let mut fast = subscribe(&one, &format!("{}{tag}", multicast()));
    let mut slow = subscribe(&other, &multicast());
    let mut publication = publish(&from, &format!("{}|{flow_control}", multicast()));
    connect(&mut publication, &mut [&mut fast, &mut slow]);
    let sent = publish_past(&from, &mut publication, &mut fast, &mut slow, MANY);
    assert_eq!(sent, MANY, "the slow host does not matter");
    eventually("the fast host has everything", || {
        fast.turn();
        fast.poll();
        fast.messages().len() == MANY as usize
    });
    eventually("the slow host was overrun", || system_counter(&other, "Flow control over runs") > 0);
    let session = publication.session_id();
    let limit = || stream_counter(&from, type_id::SENDER_LIMIT, session).unwrap();
    let read = |host: &DriverProcess| stream_counter(host, type_id::SUBSCRIBER_POSITION, session);
    let window = (publication.term_length() / 2) as i64;
    let near = |read: i64| (read..=read + window).contains(&limit());
    assert!(read(&one).is_some_and(near), "the fast host sets the limit: {} of {:?}", limit(), read(&one));
    // It may have lost its image already, as its packets are all beyond its window.
    assert!(read(&other).is_none_or(|read| limit() > read + window), "the slow host does not");
    other.kill().unwrap();
    exchange(&mut publication, &mut [&mut fast], MANY..2 * MANY);
    assert_complete(&fast, 2 * MANY);
    std::mem::forget(slow);
}

/// Three receiving hosts: one is killed, one is slow, one is neither; with the group tags of the latter and of the others.
fn one_is_slow_and_another_dies(
    network: &Network,
    kinds: [DriverKind; 3],
    flow_control: &str,
    [tag, of_others]: [&str; 2],
) {
    let [from, one, other] = kinds;
    let [from, near, one, mut other] = drivers(network, [from, other, one, other], &[]);
    let mut fast = subscribe(&near, &format!("{}{tag}", multicast()));
    let mut slow = subscribe(&one, &format!("{}{of_others}", multicast()));
    let mut victim = subscribe(&other, &format!("{}{of_others}", multicast()));
    let mut publication = publish(&from, &format!("{}|{flow_control}", multicast()));
    connect(&mut publication, &mut [&mut fast, &mut slow, &mut victim]);
    let session = publication.session_id();
    let limit = || stream_counter(&from, type_id::SENDER_LIMIT, session).unwrap();
    let read = |host: &DriverProcess| stream_counter(host, type_id::SUBSCRIBER_POSITION, session).unwrap();
    let window = (publication.term_length() / 2) as i64;
    let waits = !flow_control.starts_with("fc=max") && tag == of_others;
    if waits {
        eventually("all are followed", || {
            publication.turn();
            [&mut fast, &mut slow, &mut victim].iter_mut().for_each(|subscriber| subscriber.turn());
            followed(&from, session) == Some(3)
        });
    }
    other.kill().unwrap();
    // Its client has nobody to say goodbye to.
    std::mem::forget(victim);
    let mut sent = publish_past(&from, &mut publication, &mut fast, &mut slow, MANY);
    assert_eq!(sent < MANY, waits, "{sent} were sent");
    if waits {
        assert_eq!(limit(), window, "neither the slow host nor the dead one has read anything");
        eventually("the dead one is let go", || {
            publication.turn();
            fast.turn();
            slow.turn();
            followed(&from, session) == Some(2)
        });
        // More than a quarter of its window, of which it tells, and less than the fast host has read.
        slow.poll();
        slow.poll();
        eventually("the slow host is the one that limits", || {
            publication.turn();
            fast.turn();
            slow.turn();
            let (told, read) = (limit() - window, read(&one));
            told > 0 && (told..=told + window / 4).contains(&read)
        });
        assert!(limit() < read(&near) + window, "the fast host is not");
    } else {
        eventually("the slow host was overrun", || system_counter(&one, "Flow control over runs") > 0);
    }
    eventually("everything is sent, and read by who is waited for", || {
        if sent < MANY && matches!(publication.offer(&message(sent)), Offer::Sent(_)) {
            sent += 1;
        }
        publication.turn();
        fast.turn();
        fast.poll();
        slow.turn();
        if waits {
            slow.poll();
        }
        let has_all = |subscriber: &AnySubscriber| subscriber.messages().len() == MANY as usize;
        has_all(&fast) && (!waits || has_all(&slow))
    });
    assert_complete(&fast, MANY);
    if waits {
        assert_complete(&slow, MANY);
    }
    assert!(publication.is_connected());
}

/// A name that stands for the second host, and for the third when the driver's table is told so.
const TABLE: &[(&str, &str)] = &[
    ("aeron.name.resolver.supplier", "csv_table"),
    ("aeron.name.resolver.init.args", "server,10.77.0.2,10.77.0.3"),
    ("aeron.publication.connection.timeout", "1s"),
    ("aeron.image.liveness.timeout", "1s"),
];

/// The name stands for the third host from now on.
fn point_to_the_third_host(driver: &DriverProcess) {
    let context = Context::new().dir(driver.dir());
    let aeron = epona_client::Aeron::connect(context).expect("a client");
    let counters = aeron.counters_reader();
    let row = counters.iter().find(|counter| counter.label.starts_with("NameEntry{name='server'"));
    counters.writable(row.expect("a row of the table").id).expect("a counter").set_release(1);
}

/// A publication by name, and one with a destination that has a name, both reach the second host and then, when that has
/// died and the name has moved, the third.
fn receivers_move(network: &Network, kinds: [DriverKind; 3]) {
    let [from, mut one, other] = drivers(network, kinds, TABLE);
    let ports = [PORT, PORT + 1];
    let by_name = ports.map(|port| format!("aeron:udp?endpoint=server:{port}|term-length=64k"));
    let subscribe_at = |driver: &DriverProcess, host: usize| {
        let address = network.hosts()[host].address();
        ports.map(|port| subscribe(driver, &format!("aeron:udp?endpoint={address}:{port}")))
    };
    let mut first = subscribe_at(&one, 1);
    let mut publications =
        [publish(&from, &by_name[0]), publish(&from, "aeron:udp?control-mode=manual|term-length=64k")];
    publications[1].add_destination(&by_name[1]);
    for (publication, subscription) in publications.iter_mut().zip(&mut first) {
        connect(publication, &mut [subscription]);
        exchange(publication, &mut [subscription], 0..50);
    }
    one.kill().unwrap();
    point_to_the_third_host(&from);
    let mut second = subscribe_at(&other, 2);
    eventually("both streams have moved", || {
        publications.iter_mut().for_each(|publication| publication.turn());
        second.iter_mut().for_each(|subscription| subscription.turn());
        publications.iter().all(|publication| publication.is_connected())
            && second.iter().all(|subscription| subscription.image_count() == 1)
    });
    for (publication, subscription) in publications.iter_mut().zip(&mut second) {
        exchange(publication, &mut [subscription], 50..350);
    }
    assert_eq!(system_counter(&from, "Resolution changes"), 2);
    std::mem::forget(first);
}

/// A subscription that asks its source by name, and one with such a destination, hear the second host and then, when that
/// has died and the name has moved, the third.
fn the_source_moves(network: &Network, kinds: [DriverKind; 3]) {
    let [to, mut one, other] = drivers(network, kinds, TABLE);
    let ports = [PORT, PORT + 1];
    let here = network.hosts()[0].address();
    let by_name = ports.map(|port| {
        format!("aeron:udp?endpoint={here}:{port}|control=server:{}|control-mode=dynamic", port + 10)
    });
    let publish_at = |driver: &DriverProcess, host: usize| {
        let address = network.hosts()[host].address();
        ports.map(|port| {
            let control = format!("control={address}:{}|control-mode=dynamic", port + 10);
            publish(driver, &format!("aeron:udp?{control}|term-length=64k"))
        })
    };
    let mut subscriptions = [subscribe(&to, &by_name[0]), subscribe(&to, "aeron:udp?control-mode=manual")];
    subscriptions[1].add_destination(&by_name[1]);
    let mut first = publish_at(&one, 1);
    for (publication, subscription) in first.iter_mut().zip(&mut subscriptions) {
        connect(publication, &mut [subscription]);
        exchange(publication, &mut [subscription], 0..50);
    }
    one.kill().unwrap();
    point_to_the_third_host(&to);
    let mut second = publish_at(&other, 2);
    eventually("both subscriptions hear the new source", || {
        second.iter_mut().for_each(|publication| publication.turn());
        subscriptions.iter_mut().for_each(|subscription| subscription.turn());
        second.iter().all(|publication| publication.is_connected())
    });
    for (publication, subscription) in second.iter_mut().zip(&mut subscriptions) {
        exchange(publication, &mut [subscription], 50..350);
    }
    assert_eq!(system_counter(&to, "Resolution changes"), 2);
    std::mem::forget(first);
}

fn every_host_hears_everything_over_ipv6(network: &Network, kinds: [DriverKind; 3]) {
    let [from, one, other] = drivers(network, kinds, &[]);
    let group = format!("aeron:udp?endpoint=[ff02::3:5]:{PORT}|term-length=64k");
    let mut by_prefix = subscribe(&one, &format!("{group}|interface=[fd77::]/64"));
    let mut by_name = subscribe(&other, &format!("{group}|interface={{eth0}}"));
    let address = network.hosts()[0].address_v6();
    let mut publication = publish(&from, &format!("{group}|interface=[{address}]|fc=min,g:/2"));
    let mut all = [&mut by_prefix, &mut by_name];
    connect(&mut publication, &mut all);
    exchange(&mut publication, &mut all, 0..300);
}

/// What a capture says of a packet: source address, time to live, traffic class.
fn captured(line: &str) -> Option<(String, u8, u8)> {
    let mut fields = line.split(';');
    let (source, ttl, class) = (fields.next()?, fields.next()?, fields.next()?);
    let class = u8::from_str_radix(class.trim_start_matches("0x"), 16).ok()?;
    Some((source.to_owned(), ttl.parse().ok()?, class))
}

fn packets_are_marked(network: &Network, kinds: [DriverKind; 3]) {
    if !Command::new("tshark").arg("-v").output().is_ok_and(|output| output.status.success()) {
        skipped("tshark is not installed, so nothing is captured");
        return;
    }
    let [from, _, other] = drivers(network, kinds, &[]);
    let mut subscription = subscribe(&other, &format!("{}|so-tos=40", multicast()));
    let mut publication = publish(&from, &format!("{}|ttl=7|so-tos=184", multicast()));
    connect(&mut publication, &mut [&mut subscription]);
    let output = Command::new("ip")
        .args(["netns", "exec", network.hosts()[2].namespace(), "tshark", "-l", "-q", "-i", "eth0"])
        .args(["-a", "duration:3", "-f", &format!("udp port {PORT}"), "-T", "fields"])
        .args(["-E", "separator=;", "-e", "ip.src", "-e", "ip.ttl", "-e", "ip.dsfield"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let packets: Vec<_> = text.lines().filter_map(captured).collect();
    let of = |host: &Host| packets.iter().filter(|packet| packet.0 == host.address()).collect::<Vec<_>>();
    let (data, status) = (of(&network.hosts()[0]), of(&network.hosts()[2]));
    assert!(!data.is_empty() && !status.is_empty(), "nothing captured: {text}");
    assert!(data.iter().all(|packet| (packet.1, packet.2) == (7, 184)), "{data:?}");
    assert!(status.iter().all(|packet| packet.2 == 40), "{status:?}");
    drop((publication, subscription));
}

use epona_protocol::memory::SharedBytes;

use super::*;
use crate::media::{
    Affinity, Multicast, ReceiveBuffers, SendRun, Transport, TransportFactory, TransportSpec,
    interface::find_by_network, timestamps::TimeOfDay,
};

const ALICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const BOB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

fn at(millis: i64) -> Nanos {
    Nanos::new(millis * 1_000_000)
}

fn bind(network: &SimulatedNetwork, host: IpAddr, address: &str) -> Box<dyn Transport> {
    let spec = TransportSpec::bound(Affinity::Receiver, address.parse().unwrap());
    network.host(host).open(&spec).unwrap()
}

fn connect(network: &SimulatedNetwork, host: IpAddr, peer: &str) -> Box<dyn Transport> {
    let spec = TransportSpec::bound(Affinity::Sender, "0.0.0.0:0".parse().unwrap());
    network.host(host).open(&TransportSpec { connect: Some(peer.parse().unwrap()), ..spec }).unwrap()
}

fn send(transport: &mut Box<dyn Transport>, now: Nanos, bytes: &[u8], to: Option<SocketAddr>) {
    let outcome = transport.send_batch(now, &[SendRun::datagram(SharedBytes::from_slice(bytes), to)]);
    assert!(outcome.datagrams == 1 && outcome.error.is_none(), "{outcome:?}");
}

fn receive(transport: &mut Box<dyn Transport>, now: Nanos) -> Vec<(Vec<u8>, SocketAddr)> {
    let mut found = Vec::new();
    let mut buffers = ReceiveBuffers::new(4, 2048);
    while transport
        .recv_batch(now, &mut buffers, &mut |received| found.push((received.bytes.to_vec(), received.source)))
        .more
    {}
    found
}

#[test]
fn datagrams_travel_between_hosts_and_answers_find_their_way_back() {
    let network = SimulatedNetwork::new(1);
    let mut bob = bind(&network, BOB, "0.0.0.0:40123");
    let mut alice = connect(&network, ALICE, "10.0.0.2:40123");
    send(&mut alice, at(0), b"ping", None);
    let found = receive(&mut bob, at(0));
    let source = SocketAddr::new(ALICE, alice.local_address().port());
    assert_eq!(found, [(b"ping".to_vec(), source)]);
    send(&mut bob, at(1), b"pong", Some(source));
    assert_eq!(receive(&mut alice, at(1)), [(b"pong".to_vec(), "10.0.0.2:40123".parse().unwrap())]);
}

#[test]
fn datagrams_that_arrive_together_come_as_one_where_that_was_asked_for() {
    let network = SimulatedNetwork::new(1);
    let spec = |port| TransportSpec::bound(Affinity::Receiver, SocketAddr::new(BOB, port));
    let mut joining = network.host(BOB).open(&TransportSpec { offload: true, ..spec(7) }).unwrap();
    let mut plain = network.host(BOB).open(&spec(8)).unwrap();
    let [mut alice, mut other] = ["10.0.0.1:40124", "10.0.0.1:40125"].map(|own| bind(&network, ALICE, own));
    for port in [7, 8].map(|port| Some(SocketAddr::new(BOB, port))) {
        for bytes in [&b"aaa"[..], b"bbb", b"c", b"ddd", b"eeeee", b"ff"] {
            send(&mut alice, at(0), bytes, port);
        }
        send(&mut other, at(0), b"gg", port);
        send(&mut other, at(1), b"hh", port);
    }
    let read = |transport| receive(transport, at(2)).into_iter().map(|(bytes, _)| bytes).collect::<Vec<_>>();
    assert_eq!(read(&mut joining), [&b"aaabbbc"[..], b"ddd", b"eeeeeff", b"gg", b"hh"]);
    assert_eq!(read(&mut plain), [&b"aaa"[..], b"bbb", b"c", b"ddd", b"eeeee", b"ff", b"gg", b"hh"]);
    assert!(joining.offload().is_on() && !plain.offload().is_on());
}

#[test]
fn loopback_addresses_stay_on_their_host() {
    let network = SimulatedNetwork::new(1);
    let mut here = bind(&network, ALICE, "127.0.0.1:7");
    let mut elsewhere = bind(&network, BOB, "127.0.0.1:7");
    let mut alice = connect(&network, ALICE, "127.0.0.1:7");
    send(&mut alice, at(0), b"x", None);
    assert_eq!((receive(&mut here, at(0)).len(), receive(&mut elsewhere, at(0)).len()), (1, 0));
}

#[test]
fn a_datagram_arrives_when_its_time_has_come() {
    let network = SimulatedNetwork::new(1);
    network.set_conditions(Conditions { delay: Duration::from_millis(5), ..Conditions::default() });
    let mut bob = bind(&network, BOB, "10.0.0.2:1");
    let mut alice = connect(&network, ALICE, "10.0.0.2:1");
    send(&mut alice, at(10), b"x", None);
    assert_eq!(network.next_delivery(), Some(at(15)));
    assert_eq!(receive(&mut bob, at(14)), []);
    assert_eq!(receive(&mut bob, at(15)).len(), 1);
    assert_eq!(network.next_delivery(), None);
}

#[test]
fn a_cut_link_loses_everything_in_its_direction_only() {
    let network = SimulatedNetwork::new(1);
    network.set_link(ALICE, BOB, Conditions { loss: 1.0, ..Conditions::default() });
    let mut bob = bind(&network, BOB, "10.0.0.2:1");
    let mut alice = bind(&network, ALICE, "10.0.0.1:1");
    send(&mut alice, at(0), b"x", Some("10.0.0.2:1".parse().unwrap()));
    send(&mut bob, at(0), b"y", Some("10.0.0.1:1".parse().unwrap()));
    assert_eq!((receive(&mut bob, at(0)).len(), receive(&mut alice, at(0)).len()), (0, 1));
}

#[test]
fn a_group_reaches_every_member_and_no_one_else() {
    let network = SimulatedNetwork::new(1);
    let group = |address: &str, connect: Option<&str>| {
        let group: SocketAddr = address.parse().unwrap();
        let interface = "10.0.0.1:0".parse().unwrap();
        let multicast = Some(Multicast { group, interface, interface_index: 1, ttl: 0 });
        let connect = connect.map(|peer| peer.parse().unwrap());
        let spec = TransportSpec { multicast, connect, ..TransportSpec::bound(Affinity::Receiver, group) };
        network.host(ALICE).open(&spec).unwrap()
    };
    let mut members = [group("224.0.1.1:9", None), group("224.0.1.1:9", None)];
    let mut control = group("224.0.1.2:9", Some("224.0.1.1:9"));
    send(&mut control, at(0), b"data", None);
    for member in &mut members {
        assert_eq!(receive(member, at(0)).len(), 1);
    }
    send(&mut members[0], at(0), b"status", Some("224.0.1.2:9".parse().unwrap()));
    assert_eq!(receive(&mut control, at(0)).len(), 1);
    assert_eq!(receive(&mut members[1], at(0)), []);
}

#[test]
fn interfaces_are_those_of_the_host_and_times_those_of_the_turn() {
    let network = SimulatedNetwork::new(1);
    let interfaces = network.host(ALICE).interfaces().up().unwrap();
    let to_network = find_by_network(&interfaces, BOB, 24, 7).unwrap();
    assert_eq!((to_network.address, to_network.index), (SocketAddr::new(ALICE, 7), 2));
    let loopback = find_by_network(&interfaces, "127.0.0.1".parse().unwrap(), 32, 0).unwrap();
    assert!(loopback.address.ip().is_loopback());

    network.set_conditions(Conditions { delay: Duration::from_millis(5), ..Conditions::default() });
    let spec = TransportSpec::bound(Affinity::Receiver, "10.0.0.2:1".parse().unwrap());
    let mut bob = network.host(BOB).open(&TransportSpec { media_timestamps: true, ..spec }).unwrap();
    let mut alice = connect(&network, ALICE, "10.0.0.2:1");
    send(&mut alice, at(10), b"x", None);
    let (mut buffers, mut arrived) = (ReceiveBuffers::new(4, 2048), None);
    let outcome = bob.recv_batch(at(20), &mut buffers, &mut |received| arrived = received.timestamp_ns);
    assert_eq!((outcome.messages, arrived), (1, Some(at(15).get())));
    assert_eq!(bob.time_of_day(), TimeOfDay::Turn);
}

#[test]
fn taken_ports_foreign_addresses_and_closed_sockets_behave_as_in_a_kernel() {
    let network = SimulatedNetwork::new(1);
    let open = |address: &str| {
        let spec = TransportSpec::bound(Affinity::Receiver, address.parse().unwrap());
        network.host(ALICE).open(&spec).map_err(|error| error.source.kind())
    };
    let taken = open("10.0.0.1:5").unwrap();
    assert_eq!(open("0.0.0.0:5").unwrap_err(), std::io::ErrorKind::AddrInUse);
    assert_eq!(open("10.0.0.2:5").unwrap_err(), std::io::ErrorKind::AddrNotAvailable);
    drop(taken);
    assert!(open("0.0.0.0:5").is_ok());
}

fn storm(seed: u64) -> (Vec<TraceEntry>, Vec<Vec<u8>>) {
    let network = SimulatedNetwork::new(seed);
    network.record(true);
    network.set_conditions(Conditions {
        loss: 0.2,
        duplication: 0.2,
        reordering: 0.3,
        delay: Duration::from_millis(1),
        reordering_delay: Duration::from_millis(5),
    });
    let mut bob = bind(&network, BOB, "10.0.0.2:1");
    let mut alice = connect(&network, ALICE, "10.0.0.2:1");
    let mut found = Vec::new();
    for step in 0..200 {
        send(&mut alice, at(step), &step.to_le_bytes(), None);
        found.extend(receive(&mut bob, at(step)).into_iter().map(|(bytes, _)| bytes));
    }
    while let Some(next) = network.next_delivery() {
        found.extend(receive(&mut bob, next).into_iter().map(|(bytes, _)| bytes));
    }
    (network.take_trace(), found)
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another_one() {
    let (trace, found) = storm(7);
    assert_eq!(storm(7), (trace.clone(), found.clone()));
    assert_ne!(storm(8).0, trace);
    let count = |wanted: fn(&Event) -> bool| trace.iter().filter(|entry| wanted(&entry.event)).count();
    let (lost, twice) = (count(|e| matches!(e, Event::Lost)), count(|e| matches!(e, Event::Duplicated(_))));
    assert!(lost > 10 && twice > 10, "{lost} lost, {twice} doubled");
    assert_eq!(found.len(), 200 - lost + twice);
    assert!(!found.is_sorted_by_key(|bytes| i64::from_le_bytes(bytes[..].try_into().unwrap())), "reordered");
}

/// Takes what starts with `t`, and changes what starts with `c`.
#[derive(Debug)]
struct ByFirstByte;

impl Meddler for ByFirstByte {
    fn meddle(&mut self, _: Nanos, from: IpAddr, to: IpAddr, bytes: &mut Vec<u8>) -> Fate {
        assert_eq!((from, to), (ALICE, BOB));
        match bytes[0] {
            b't' => Fate::Taken,
            b'c' => {
                bytes.truncate(1);
                Fate::Altered
            }
            _ => Fate::Untouched,
        }
    }
}

#[test]
fn a_meddler_takes_and_changes_what_it_likes_and_that_is_on_record() {
    let network = SimulatedNetwork::new(1);
    network.set_meddler(ByFirstByte);
    network.record(true);
    let mut bob = bind(&network, BOB, "10.0.0.2:1");
    let mut alice = connect(&network, ALICE, "10.0.0.2:1");
    assert_eq!((network.sockets(ALICE), network.sockets(BOB)), (1, 1));
    for bytes in [b"take", b"cut!", b"pass"] {
        send(&mut alice, at(0), bytes, None);
    }
    let found: Vec<_> = receive(&mut bob, at(0)).into_iter().map(|(bytes, _)| bytes).collect();
    assert_eq!(found, [b"c".to_vec(), b"pass".to_vec()]);
    let events: Vec<_> = network.take_trace().iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::Taken, Event::Altered(at(0)), Event::Sent(at(0))]);
    drop((alice, bob));
    assert_eq!((network.sockets(ALICE), network.sockets(BOB)), (0, 0));
}

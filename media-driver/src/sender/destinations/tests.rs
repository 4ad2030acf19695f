//! Acceptance lines MDC-02, MDC-04, NAM-03.

use std::io;

use epona_protocol::memory::SharedBytes;
use proptest::prelude::*;

use super::*;
use crate::testing::{Wire, ms};

const NOW: Nanos = Nanos::new(1_000_000_000);

fn address(host: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, host], port).into()
}

fn id(id: i64) -> RegistrationId {
    RegistrationId::new(id)
}

fn receiver(id: i64) -> ReceiverId {
    ReceiverId::new(id)
}

/// Destinations and the wire that they are sent to on.
struct World {
    destinations: Destinations,
    count: AtomicCounter,
    wire: Wire,
    failure: Option<SendFailure>,
}

impl World {
    fn manual() -> Self {
        Self::of(Destinations::manual)
    }

    fn dynamic() -> Self {
        Self::of(Destinations::dynamic)
    }

    fn of(make: impl FnOnce(AtomicCounter) -> Destinations) -> Self {
        let count = AtomicCounter::detached();
        Self { destinations: make(count.clone()), count, wire: Wire::default(), failure: None }
    }

    fn add(&mut self, registration_id: i64, name: &str, address: Option<SocketAddr>) {
        let destination =
            ManualDestination { registration_id: id(registration_id), name: name.into(), address };
        self.destinations.add(destination, NOW);
    }

    /// Destinations 10.0.0.1:1 and so on.
    fn with_destinations(count: u8) -> Self {
        let mut world = Self::manual();
        for host in 1..=count {
            world.add(host.into(), &address(host, 1).to_string(), Some(address(host, 1)));
        }
        world
    }

    /// Sends datagrams of these first bytes; who got what.
    fn send(&mut self, now: Nanos, datagrams: &[u8]) -> (Sent, Vec<(SocketAddr, u8)>) {
        let runs: Vec<_> = datagrams
            .chunks(1)
            .map(|datagram| SendRun::datagram(SharedBytes::from_slice(datagram), None))
            .collect();
        let sent = self.destinations.send(now, self.wire.transport().as_mut(), &runs, &mut self.failure);
        let got = self.wire.take_runs();
        (sent, got.iter().map(|run| (run.destination.unwrap(), run.bytes[0])).collect())
    }

    fn sent_to(&mut self, now: Nanos) -> Vec<SocketAddr> {
        self.send(now, &[7]).1.into_iter().map(|(destination, _)| destination).collect()
    }
}

#[test]
fn every_destination_gets_everything_and_another_is_first_each_time() {
    let mut world = World::with_destinations(3);
    for first in [0, 1, 2, 0, 1] {
        let order: Vec<u8> = (0..3).map(|i| (first + i) % 3 + 1).collect();
        let expected: Vec<_> =
            order.iter().flat_map(|host| [(address(*host, 1), 8), (address(*host, 1), 9)]).collect();
        assert_eq!(world.send(NOW, &[8, 9]), (Sent::All, expected));
    }
}

#[test]
fn datagrams_for_several_destinations_share_a_call() {
    for (destinations, datagrams, calls) in [(1, 1, 1), (10, 1, 1), (16, 4, 1), (40, 4, 3), (2, 64, 2)] {
        let mut world = World::with_destinations(destinations);
        let (sent, got) = world.send(NOW, &vec![7; datagrams]);
        assert_eq!((sent, got.len()), (Sent::All, usize::from(destinations) * datagrams));
        assert_eq!(world.wire.take_calls(), calls, "{destinations} destinations, {datagrams} datagrams");
    }
}

#[test]
fn a_destination_that_refuses_holds_up_no_other_and_is_named() {
    let mut world = World::with_destinations(3);
    world.wire.block(address(2, 1), Some(io::ErrorKind::NetworkUnreachable));
    let (sent, got) = world.send(NOW, &[7]);
    assert_eq!((sent, got), (Sent::Partly, vec![(address(1, 1), 7), (address(3, 1), 7)]));
    let failure = world.failure.take().unwrap();
    assert_eq!(failure.destination, Some(address(2, 1)));
    assert_eq!(failure.error.kind(), io::ErrorKind::NetworkUnreachable);
}

#[test]
fn a_full_socket_buffer_that_holds_up_one_destination_is_no_error() {
    let mut world = World::with_destinations(2);
    world.wire.block(address(1, 1), None);
    assert_eq!(world.send(NOW, &[7]), (Sent::Partly, vec![(address(2, 1), 7)]));
    assert!(world.failure.is_none());
}

#[test]
fn what_nobody_takes_does_not_count_as_sent() {
    for (error, expected) in [
        (None, Sent::Short { accepted: 0 }),
        (Some(io::ErrorKind::NetworkDown), Sent::Failed { accepted: 0 }),
    ] {
        let mut world = World::with_destinations(2);
        world.wire.block(address(1, 1), error);
        world.wire.block(address(2, 1), error);
        assert_eq!(world.send(NOW, &[7]), (expected, vec![]));
    }
}

#[test]
fn without_anybody_to_send_to_all_is_sent() {
    for mut world in [World::manual(), World::dynamic()] {
        assert_eq!(world.send(NOW, &[7]), (Sent::All, vec![]));
    }
    let mut world = World::manual();
    world.add(1, "nowhere:1", None);
    assert_eq!(world.send(NOW, &[7]), (Sent::All, vec![]));
    assert_eq!(world.count.get(), 1, "it counts, though");
}

#[test]
fn manual_destinations_are_removed_by_name_by_address_and_by_id() {
    let mut world = World::manual();
    let (a, b) = (address(1, 1), address(2, 1));
    for (registration_id, name, address) in
        [(1, "a:1", a), (2, "alias-of-a:1", a), (3, "b:1", b), (4, "b:1", b)]
    {
        world.add(registration_id, name, Some(address));
    }
    assert_eq!(world.count.get(), 4);
    assert!(world.destinations.remove("a:1", Some(a)), "the one of that name, not the last one there");
    assert!(world.destinations.registration_id_of(receiver(0), a) == Some(id(2)));
    assert!(world.destinations.remove("10.0.0.1:1", Some(a)), "no such name, but there is that address");
    assert!(!world.destinations.remove("10.0.0.1:1", Some(a)) && !world.destinations.remove("x:1", None));
    assert!(world.destinations.remove_by_id(id(3)) && !world.destinations.remove_by_id(id(3)));
    assert_eq!((world.count.get(), world.sent_to(NOW)), (1, vec![b]));
}

#[test]
fn a_destination_whose_name_stands_for_another_address_by_now_is_removed_all_the_same() {
    let mut world = World::manual();
    world.add(1, "moved:1", Some(address(1, 1)));
    world.add(2, "unknown:1", None);
    assert!(world.destinations.remove("moved:1", Some(address(9, 1))));
    assert!(world.destinations.remove("unknown:1", None));
    assert_eq!(world.count.get(), 0);
}

#[test]
fn a_manual_destination_learns_its_receiver_and_then_knows_it_by_id_and_port() {
    let mut world = World::manual();
    let at = address(1, 5);
    world.add(11, "a:5", Some(at));
    assert_eq!(world.destinations.on_status_message(receiver(1), address(2, 5), NOW), Learned::Nothing);
    let of = |world: &World, id, source| world.destinations.registration_id_of(receiver(id), source);
    assert_eq!(of(&world, 1, address(2, 5)), None, "another address, and the receiver is not known yet");
    world.destinations.on_status_message(receiver(1), at, NOW);
    assert_eq!(of(&world, 1, at), Some(id(11)));
    assert_eq!(of(&world, 1, address(2, 5)), Some(id(11)), "the address may change");
    assert_eq!((of(&world, 1, address(1, 6)), of(&world, 2, at)), (None, None), "id and port may not");
    assert_eq!(world.count.get(), 1);
}

#[test]
fn status_messages_add_destinations_by_receiver_and_port() {
    let mut world = World::dynamic();
    let mut hear = |id, from| world.destinations.on_status_message(receiver(id), from, NOW);
    assert_eq!(hear(1, address(1, 5)), Learned::Destination);
    assert_eq!(hear(1, address(1, 5)), Learned::Nothing);
    assert_eq!(hear(1, address(2, 5)), Learned::Nothing, "the same receiver on another of its addresses");
    assert_eq!(hear(1, address(1, 6)), Learned::Destination, "another port is another socket");
    assert_eq!(hear(2, address(1, 5)), Learned::Destination, "another receiver behind the same address");
    assert_eq!(world.count.get(), 3);
    assert_eq!(world.sent_to(NOW), [address(1, 5), address(1, 6), address(1, 5)]);
    assert_eq!(
        world.destinations.registration_id_of(receiver(1), address(1, 5)),
        None,
        "nobody registered it"
    );
}

#[test]
fn a_learned_destination_is_forgotten_after_5_s_of_silence_and_a_manual_one_never() {
    let mut world = World::dynamic();
    for host in 1..=3 {
        world.destinations.on_status_message(receiver(host.into()), address(host, 1), NOW);
    }
    world.sent_to(NOW);
    world.destinations.on_status_message(receiver(2), address(2, 1), NOW + ms(3000));
    assert_eq!(world.sent_to(NOW + ms(5000)).len(), 3);
    let just_over = Duration::from_nanos(1);
    assert_eq!(world.sent_to(NOW + ms(5000) + just_over), [address(2, 1)]);
    assert_eq!(world.count.get(), 1);
    assert_eq!(world.sent_to(NOW + ms(8000)), [address(2, 1)]);
    assert!(world.sent_to(NOW + ms(8000) + just_over).is_empty());
    assert_eq!(world.count.get(), 0);

    let mut world = World::with_destinations(1);
    assert_eq!(world.sent_to(NOW + ms(1_000_000)), [address(1, 1)]);
}

#[test]
fn a_flood_of_receivers_fills_the_room_and_no_more_until_some_fall_silent() {
    let mut world = World::dynamic();
    let most = MAX_LEARNED_DESTINATIONS as i64;
    let mut hear = |id: i64, now| world.destinations.on_status_message(receiver(id), address(1, 1), now);
    for id in 0..most {
        assert_eq!(hear(id, NOW), Learned::Destination);
    }
    assert_eq!(hear(most, NOW), Learned::TooMany { is_first: true });
    assert_eq!(hear(most + 1, NOW), Learned::TooMany { is_first: false });
    assert_eq!(hear(0, NOW + ms(1000)), Learned::Nothing, "those who are there stay");
    assert_eq!(world.count.get(), most);
    assert_eq!(world.sent_to(NOW + ms(5500)), [address(1, 1)]);
    assert_eq!(
        world.destinations.on_status_message(receiver(most), address(1, 1), NOW + ms(5500)),
        Learned::Destination
    );
}

#[test]
fn destinations_that_fell_silent_are_given_once_per_5_s_to_be_resolved_again() {
    let mut world = World::manual();
    let (a, b) = (address(1, 1), address(2, 1));
    world.add(1, "a:1", Some(a));
    world.add(2, "b:1", Some(b));
    world.add(3, "unknown:1", None);
    let silent = |world: &mut World, now| {
        world.destinations.take_silent(now).map(|d| (d.name.to_string(), d.address)).collect::<Vec<_>>()
    };
    assert_eq!(silent(&mut world, NOW + ms(5000)), []);
    world.destinations.on_status_message(receiver(1), a, NOW + ms(5000));
    let expected = [("b:1".to_owned(), Some(b)), ("unknown:1".to_owned(), None)];
    assert_eq!(silent(&mut world, NOW + ms(5001)), expected);
    assert_eq!(silent(&mut world, NOW + ms(10_000)), []);
    assert_eq!(silent(&mut world, NOW + ms(10_002)).len(), 3);

    let mut world = World::dynamic();
    world.destinations.on_status_message(receiver(1), a, NOW);
    assert_eq!(silent(&mut world, NOW + ms(9000)), [], "a learned destination has no name");
    assert!(world.sent_to(NOW + ms(9000)).is_empty(), "and was not refreshed by asking");
}

#[test]
fn a_new_address_goes_to_every_destination_of_that_name() {
    let mut world = World::manual();
    world.add(1, "moving:1", Some(address(1, 1)));
    world.add(2, "moving:1", None);
    world.add(3, "moving:12", Some(address(3, 1)));
    assert_eq!(world.destinations.update("moving:1", address(9, 1)), 2);
    assert_eq!(world.sent_to(NOW), [address(9, 1), address(9, 1), address(3, 1)]);
    assert_eq!(world.destinations.update("gone:1", address(9, 1)), 0);
}

#[test]
fn destinations_are_added_by_hand_only_where_they_are_not_learned() {
    let mut world = World::dynamic();
    world.add(1, "a:1", Some(address(1, 1)));
    assert!(world.sent_to(NOW).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whoever is not blocked gets each datagram once and in order, wherever calls begin and end.
    #[test]
    fn blocked_destinations_cost_the_others_nothing(
        blocked in prop::collection::vec(prop::option::of(any::<bool>()), 0..90),
        datagrams in 1_u8..=64,
        sends in 1..4,
    ) {
        let mut world = World::with_destinations(blocked.len() as u8);
        for (host, fault) in (1..).zip(&blocked) {
            if let Some(has_error) = fault {
                world.wire.block(address(host, 1), has_error.then_some(io::ErrorKind::HostUnreachable));
            }
        }
        let free = blocked.iter().filter(|fault| fault.is_none()).count();
        let has_error = blocked.contains(&Some(true));
        let expected = match (free, blocked.len() - free) {
            (_, 0) => Sent::All,
            (0, _) if has_error => Sent::Failed { accepted: 0 },
            (0, _) => Sent::Short { accepted: 0 },
            _ => Sent::Partly,
        };
        let bytes: Vec<u8> = (0..datagrams).collect();
        for _ in 0..sends {
            let (sent, mut got) = world.send(NOW, &bytes);
            prop_assert_eq!(sent, expected);
            prop_assert_eq!(world.failure.take().is_some(), has_error);
            got.sort_by_key(|(destination, _)| *destination);
            let wanted: Vec<_> = (1..)
                .zip(&blocked)
                .filter(|(_, fault)| fault.is_none())
                .flat_map(|(host, _)| bytes.iter().map(move |byte| (address(host, 1), *byte)))
                .collect();
            prop_assert_eq!(got, wanted);
        }
    }
}

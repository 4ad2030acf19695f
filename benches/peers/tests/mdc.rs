//! Publications with several destinations between makers: one subscriber beside the publisher, one on the other driver.
//!
//! The rows with Aeron alone are the control: they prove the harness, not us.

mod common;

use std::{cell::RefCell, collections::VecDeque};

use common::{
    SEED, STREAM, client, destinations, driver,
    ends::{eventually, message, numbers},
    lossy, system_counter,
};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    net,
    party::{Client, Destination, DriverKind, Offer, Publication, Result, Sharing, Subscription},
    process::DriverProcess,
    transfer::{self, Plan},
};

/// Terms that the stream passes through.
const TERMS: usize = 4;

/// Subscriptions that must all get the same messages: one is handed over when all of them have it.
struct Alike<S>(Vec<(S, VecDeque<Vec<u8>>)>);

impl<S: Subscription> Subscription for Alike<S> {
    fn poll_messages<F: FnMut(&[u8])>(&mut self, limit: usize, mut on_message: F) -> usize {
        let mut fragments = 0;
        for (subscription, waiting) in &mut self.0 {
            fragments += subscription.poll_messages(limit, |message| waiting.push_back(message.to_vec()));
        }
        while self.0.iter().all(|(_, waiting)| !waiting.is_empty()) {
            let mut messages = self.0.iter_mut().filter_map(|(_, waiting)| waiting.pop_front());
            let first = messages.next().expect("none is empty");
            assert!(messages.all(|message| message == first), "subscribers got different messages");
            on_message(&first);
        }
        fragments
    }

    fn poll_fragments<F: FnMut(&[u8])>(&mut self, _limit: usize, _on_fragment: F) -> usize {
        unreachable!("these tests take whole messages")
    }

    fn image_count(&self) -> usize {
        self.0.iter().map(|(subscription, _)| subscription.image_count()).min().unwrap_or(0)
    }

    fn registration_id(&self) -> i64 {
        self.0[0].0.registration_id()
    }

    fn add_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()> {
        self.0.iter_mut().try_for_each(|(subscription, _)| subscription.add_destination(channel, turn))
    }

    fn remove_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()> {
        self.0.iter_mut().try_for_each(|(subscription, _)| subscription.remove_destination(channel, turn))
    }

    fn reject(&mut self, session_id: i32, reason: &str) -> Result<()> {
        self.0.iter_mut().try_for_each(|(subscription, _)| subscription.reject(session_id, reason))
    }

    fn resolved_channel(&self) -> Option<String> {
        self.0[0].0.resolved_channel()
    }
}

fn port() -> u16 {
    net::free_port().expect("a free port")
}

/// A publisher and a subscriber on one driver, another subscriber on another driver.
struct World<P: Client, S: Client> {
    publisher: P,
    near: S,
    far: S,
}

impl<P: Client, S: Client> World<P, S> {
    fn new(from: &DriverProcess, to: &DriverProcess) -> Self {
        Self { publisher: client(from), near: client(from), far: client(to) }
    }

    fn subscribe(&mut self, channels: [&str; 2]) -> Alike<S::Subscription> {
        let subscribe = |client: &mut S, channel: &str| {
            let subscription = client.add_subscription(channel, STREAM, &mut || ()).expect("subscription");
            (subscription, VecDeque::new())
        };
        let Self { near, far, .. } = self;
        Alike(vec![subscribe(near, channels[0]), subscribe(far, channels[1])])
    }

    fn publish(&mut self, channel: &str) -> P::Publication {
        self.publisher.add_publication(channel, STREAM, Sharing::Exclusive, &mut || ()).expect("publication")
    }

    fn exchange(&mut self, publication: &mut P::Publication, subscriptions: &mut Alike<S::Subscription>) {
        let Self { publisher, near, far } = self;
        let mut turn = || {
            publisher.do_work();
            near.do_work();
            far.do_work();
        };
        let plan = Plan { seed: SEED, terms: TERMS, claim: false };
        transfer::run(&plan, publication, subscriptions, &mut turn).unwrap_or_else(|fault| panic!("{fault}"));
    }

    fn is_without_errors(&mut self) {
        for errors in [self.publisher.take_errors(), self.near.take_errors(), self.far.take_errors()] {
            assert_eq!(errors, Vec::<String>::new());
        }
    }
}

fn dynamic<P: Client, S: Client>(from: &DriverProcess, to: &DriverProcess) {
    let mut world = World::<P, S>::new(from, to);
    let control = format!("control=127.0.0.1:{}", port());
    let mut publication =
        world.publish(&format!("aeron:udp?{control}|control-mode=dynamic|fc=min|term-length=64k"));
    let subscribed = format!("aeron:udp?endpoint=127.0.0.1:0|{control}|control-mode=dynamic");
    let mut subscriptions = world.subscribe([&subscribed, &subscribed]);
    world.exchange(&mut publication, &mut subscriptions);
    assert_eq!(destinations(from), 2);
    world.is_without_errors();
}

fn manual<P: Client, S: Client>(from: &DriverProcess, to: &DriverProcess) {
    let mut world = World::<P, S>::new(from, to);
    let channels = [port(), port()].map(|port| format!("aeron:udp?endpoint=127.0.0.1:{port}"));
    let mut subscriptions = world.subscribe([&channels[0], &channels[1]]);
    let mut publication = world.publish("aeron:udp?control-mode=manual|fc=min|term-length=64k");
    let mut added = Vec::new();
    for channel in &channels {
        let added_id = world.publisher.add_destination(&publication, channel, &mut || ());
        added.push(added_id.expect("add a destination"));
    }
    world.exchange(&mut publication, &mut subscriptions);
    assert_eq!(destinations(from), 2);
    let second = Destination::Id(added[1]);
    world.publisher.remove_destination(&publication, second, &mut || ()).expect("remove a destination");
    let publisher = RefCell::new(&mut world.publisher);
    let mut turn = || {
        publisher.borrow_mut().do_work();
    };
    transfer::until("one destination is left", &mut turn, || destinations(from) == 1).unwrap();
    let refused =
        publisher.borrow_mut().add_destination(&publication, "aeron:udp?endpoint=127.0.0.1:0", &mut || ());
    assert!(refused.is_err_and(|error| error.message.contains("port=0")), "a reason reaches the client");
    assert!(publication.is_connected());
}

/// A destination on the other driver comes and goes while the stream flows to one beside the publisher: nobody misses
/// anything while it is there.
fn destinations_come_and_go<P: Client, S: Client>(from: &DriverProcess, to: &DriverProcess) {
    let mut world = World::<P, S>::new(from, to);
    let channels = [port(), port()].map(|port| format!("aeron:udp?endpoint=127.0.0.1:{port}"));
    let subscriptions = world.subscribe([&channels[0], &channels[1]]).0;
    let mut ends = subscriptions.into_iter().map(|(subscription, _)| (subscription, Vec::new()));
    let (mut steady, mut guest) = (ends.next().expect("two"), ends.next().expect("two"));
    let World { mut publisher, mut near, mut far } = world;
    let mut publication = publisher
        .add_publication(
            // Who was removed counts until its image has gone.
            "aeron:udp?control-mode=manual|fc=min,t:1s|term-length=64k",
            STREAM,
            Sharing::Exclusive,
            &mut || (),
        )
        .expect("publication");
    publisher.add_destination(&publication, &channels[0], &mut || ()).expect("a destination");
    let mut sent = 0;
    for by_channel in [false, true] {
        let id = publisher.add_destination(&publication, &channels[1], &mut || ()).expect("a destination");
        guest.1.clear();
        for is_there in [true, false] {
            eventually("the guest has come or gone", || {
                sent += u32::from(matches!(publication.offer(&message(sent)), Offer::Sent(_)));
                publisher.do_work();
                near.do_work();
                far.do_work();
                for (subscription, received) in [&mut steady, &mut guest] {
                    subscription.poll_messages(16, |text| received.push(text.to_vec()));
                }
                if is_there { guest.1.len() > 200 } else { guest.0.image_count() == 0 }
            });
            if is_there {
                // Some messages are on their way.
                for _ in 0..10 {
                    sent += u32::from(matches!(publication.offer(&message(sent)), Offer::Sent(_)));
                }
                let gone = if by_channel { Destination::Channel(&channels[1]) } else { Destination::Id(id) };
                publisher.remove_destination(&publication, gone, &mut || ()).expect("remove a destination");
            }
        }
        let heard = numbers(&guest.1);
        let expected: Vec<_> = (heard[0]..).take(heard.len()).collect();
        assert_eq!(heard, expected, "without a gap while it was there, by channel: {by_channel}");
        assert_eq!(destinations(from), 1);
    }
    eventually("the other has everything", || {
        publisher.do_work();
        near.do_work();
        steady.0.poll_messages(16, |text| steady.1.push(text.to_vec()));
        steady.1.len() == sent as usize
    });
    assert_eq!(numbers(&steady.1), (0..sent).collect::<Vec<_>>());
    assert!(publication.is_connected());
}

/// The tests of one pairing: publisher `P` on a driver, subscribers `S` there and on another driver.
macro_rules! pairing {
    ($name:ident: $publisher:ty, $from:ident -> $to:ident, $subscriber:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn to_subscribers_that_make_themselves_known() {
                let (from, to) = (driver(DriverKind::$from, &[]), driver(DriverKind::$to, &[]));
                dynamic::<$publisher, $subscriber>(&from, &to);
            }

            #[test]
            fn to_subscribers_that_are_added() {
                let (from, to) = (driver(DriverKind::$from, &[]), driver(DriverKind::$to, &[]));
                manual::<$publisher, $subscriber>(&from, &to);
            }

            #[test]
            fn to_subscribers_that_are_added_and_removed_while_the_stream_flows() {
                let soon = [("aeron.image.liveness.timeout", "1s".to_owned())];
                let (from, to) = (driver(DriverKind::$from, &soon), driver(DriverKind::$to, &soon));
                destinations_come_and_go::<$publisher, $subscriber>(&from, &to);
            }

            #[test]
            fn with_loss_at_both() {
                let from = driver(DriverKind::$from, &lossy(SEED));
                let to = driver(DriverKind::$to, &lossy(SEED + 1));
                dynamic::<$publisher, $subscriber>(&from, &to);
                assert!(system_counter(&from, "Retransmits sent") > 0, "something was lost and sent again");
            }
        }
    };
}

pairing!(control: AeronClient, Aeron -> Aeron, AeronClient);
pairing!(our_clients_on_their_drivers: EponaClient, Aeron -> Aeron, EponaClient);
pairing!(their_clients_on_our_drivers: AeronClient, Epona -> Epona, AeronClient);
pairing!(ours_to_theirs: EponaClient, Epona -> Aeron, AeronClient);
pairing!(theirs_to_ours: AeronClient, Aeron -> Epona, EponaClient);

//! Multi-destination subscriptions across drivers: one subscription at a driver of one maker, its sources at drivers of
//! the other, and clients of both makers that add and remove the destinations.

mod common;

use common::{SEED, STREAM, client, cnc, driver, lossy, type_id};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    net,
    party::{Client, DriverKind, Offer, Publication, Sharing, Subscription},
    process::DriverProcess,
    transfer::{self, Plan},
};

const MANUAL: &str = "aeron:udp?control-mode=manual";

/// Counter type of the addresses that sockets are bound to.
const LOCAL_ADDRESS: i32 = 14;

fn port() -> u16 {
    net::free_port().expect("a free port")
}

fn unicast() -> String {
    format!("aeron:udp?endpoint=127.0.0.1:{}", port())
}

/// Addresses that the receiver of a driver listens on.
fn listening(process: &DriverProcess) -> usize {
    let counters = cnc(process).counters();
    let is_receiver = |label: &str| label.starts_with("rcv-local-sockaddr");
    counters.iter().filter(|counter| counter.type_id == LOCAL_ADDRESS && is_receiver(&counter.label)).count()
}

/// A client's turns as a closure.
fn turns_of<C: Client>(client: &mut C) -> impl FnMut() {
    || {
        client.do_work();
    }
}

/// A client with a subscription that has some destinations.
fn subscribe<C: Client>(process: &DriverProcess, destinations: &[&str]) -> (C, C::Subscription) {
    let mut subscriber: C = client(process);
    let mut subscription = subscriber.add_subscription(MANUAL, STREAM, &mut || ()).expect("a subscription");
    for destination in destinations {
        let mut turn = turns_of(&mut subscriber);
        subscription.add_destination(destination, &mut turn).expect("a destination");
    }
    (subscriber, subscription)
}

/// One stream after the other comes whole by each kind of destination.
fn streams_by_every_kind_of_destination<C: Client>(from: DriverKind, to: DriverKind) {
    let sender = driver(from, &[]);
    let receiver = driver(to, &lossy(SEED));
    let near = unicast();
    let group = format!("aeron:udp?endpoint=224.20.31.45:{}|interface=127.0.0.1", port());
    let dynamic = format!("aeron:udp?control=127.0.0.1:{}|control-mode=dynamic", port());
    let heard = dynamic.replace("aeron:udp?", "aeron:udp?endpoint=127.0.0.1:0|");
    let (mut subscriber, mut subscription) = subscribe::<C>(&receiver, &[&near, &group, &heard]);
    assert_eq!(listening(&receiver), 3);
    for channel in [near, group, dynamic] {
        let mut publisher: AeronClient = client(&sender);
        let terms = format!("{channel}|term-length=64k");
        let mut publication =
            publisher.add_publication(&terms, STREAM, Sharing::Exclusive, &mut || ()).expect("a publication");
        let mut turn = transfer::turns(&mut publisher, &mut subscriber);
        let plan = Plan { seed: SEED, terms: 2, claim: false };
        transfer::run(&plan, &mut publication, &mut subscription, &mut turn)
            .unwrap_or_else(|fault| panic!("{channel}: {fault}"));
        drop(publication);
        transfer::until("its image goes", &mut turn, || subscription.image_count() == 0).unwrap();
    }
    assert_eq!(subscriber.take_errors(), Vec::<String>::new());
}

/// Two sources of one stream are one image, which outlives the first of them; a removed destination closes its socket.
fn two_paths_of_one_stream<C: Client>(from: DriverKind, to: DriverKind) {
    let sources = [driver(from, &[]), driver(from, &[])];
    let receiver = driver(to, &[]);
    let paths = [unicast(), unicast()];
    let (mut subscriber, mut subscription) = subscribe::<C>(&receiver, &[&paths[0], &paths[1]]);
    let mut clients = [client::<AeronClient>(&sources[0]), client(&sources[1])];
    let same = "session-id=7|init-term-id=3|term-id=3|term-offset=0|term-length=64k|linger=0s";
    let mut publications: Vec<_> = clients
        .iter_mut()
        .zip(&paths)
        .map(|(publisher, path)| {
            let channel = format!("{path}|{same}");
            publisher
                .add_publication(&channel, STREAM, Sharing::Exclusive, &mut || ())
                .expect("a publication")
        })
        .collect();
    let mut read = Vec::new();
    let mut offer_all = |publications: &mut [<AeronClient as Client>::Publication],
                         subscriber: &mut C,
                         subscription: &mut C::Subscription,
                         numbers: std::ops::Range<u32>| {
        for number in numbers.clone() {
            for publication in &mut *publications {
                let mut turn = || {
                    subscriber.do_work();
                    subscription.poll_messages(16, |message| read.push(message.to_vec()));
                };
                let message = [number.to_le_bytes(); 25].concat();
                let mut is_sent = || matches!(publication.offer(&message), Offer::Sent(_));
                transfer::until("a message is taken", &mut turn, &mut is_sent).unwrap();
            }
        }
        let end = numbers.end as usize;
        transfer::until("all are read", &mut turns_of(subscriber), || {
            subscription.poll_messages(16, |message| read.push(message.to_vec()));
            read.len() >= end
        })
        .unwrap();
        let expected = (0..numbers.end).map(|number| [number.to_le_bytes(); 25].concat());
        assert!(read.iter().cloned().eq(expected), "each once and in order");
    };
    offer_all(&mut publications, &mut subscriber, &mut subscription, 0..200);
    assert_eq!(subscription.image_count(), 1);

    drop(publications.remove(0));
    {
        let mut turn = turns_of(&mut subscriber);
        subscription.remove_destination(&paths[0], &mut turn).expect("a removed destination");
        transfer::until("its socket is closed", &mut turn, || listening(&receiver) == 1).unwrap();
    }
    offer_all(&mut publications, &mut subscriber, &mut subscription, 200..300);
    assert_eq!(subscription.image_count(), 1);
    drop(publications);
    let mut turn = turns_of(&mut subscriber);
    transfer::until("the stream ends", &mut turn, || subscription.image_count() == 0).unwrap();
}

/// Publications of the subscriber's own driver, as spy and over IPC, and refusals.
fn local_destinations<C: Client>(to: DriverKind) {
    let receiver = driver(to, &[]);
    let spied = unicast();
    let spy = format!("aeron-spy:{spied}");
    let (mut subscriber, mut subscription) = subscribe::<C>(&receiver, &[&spy, "aeron:ipc"]);
    let mut publisher: AeronClient = client(&receiver);
    for (channel, destination) in [
        ("aeron:ipc?term-length=64k".to_owned(), "aeron:ipc"),
        (format!("{spied}|ssc=true|term-length=64k"), &*spy),
    ] {
        let mut publication = publisher
            .add_publication(&channel, STREAM, Sharing::Exclusive, &mut || ())
            .expect("a publication");
        {
            let mut turn = transfer::turns(&mut publisher, &mut subscriber);
            let plan = Plan { seed: SEED, terms: 2, claim: true };
            transfer::run(&plan, &mut publication, &mut subscription, &mut turn)
                .unwrap_or_else(|fault| panic!("{channel}: {fault}"));
        }
        let mut turn = turns_of(&mut subscriber);
        subscription.remove_destination(destination, &mut turn).expect("a removed destination");
        // Aeron's driver names no image when the destination was a spy, so that its clients keep it.
        if to == DriverKind::Epona || destination == "aeron:ipc" {
            transfer::until("its image goes at once", &mut turn, || subscription.image_count() == 0).unwrap();
        }
    }
    assert_eq!(cnc(&receiver).counter(type_id::SUBSCRIBER_POSITION, ""), None);

    let mut plain = subscriber.add_subscription(&unicast(), STREAM, &mut || ()).expect("a subscription");
    let mut turn = turns_of(&mut subscriber);
    let refused = plain.add_destination(&unicast(), &mut turn).expect_err("it takes none").to_string();
    assert!(refused.contains("does not allow manual control"), "{refused}");
    let odd = format!("{}|mtu=1408", unicast());
    let refused = subscription.add_destination(&odd, &mut turn).expect_err("mtu is not for it").to_string();
    assert!(refused.contains("mtu"), "{refused}");
    subscription.remove_destination(&unicast(), &mut turn).expect("one that is not there is no error");
}

/// Runs the tests of this file for the sources' and the subscriber's driver, and the subscriber's client.
macro_rules! pair {
    ($name:ident: $from:ident => $to:ident, $client:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn streams_come_whole_by_every_kind_of_destination() {
                streams_by_every_kind_of_destination::<$client>(DriverKind::$from, DriverKind::$to);
            }

            #[test]
            fn two_paths_of_one_stream_are_one_image() {
                two_paths_of_one_stream::<$client>(DriverKind::$from, DriverKind::$to);
            }

            #[test]
            fn publications_of_the_same_driver_are_destinations_too() {
                local_destinations::<$client>(DriverKind::$to);
            }
        }
    };
}

pair!(aeron_to_aeron: Aeron => Aeron, AeronClient);
pair!(aeron_to_epona_by_aerons_client: Aeron => Epona, AeronClient);
pair!(aeron_to_epona_by_our_client: Aeron => Epona, EponaClient);
pair!(epona_to_aeron_by_our_client: Epona => Aeron, EponaClient);

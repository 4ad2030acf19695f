//! What channels and commands ask of one driver and its client, of either maker: spies, untethered subscriptions, traffic
//! classes, session ids, counters.

mod common;

use common::{
    Maker, STREAM, client, cnc, driver,
    ends::{
        connect, eventually, exchange, message, numbers, publisher, subscriber, try_publisher, try_subscriber,
    },
    settings, stream_counter, type_id, udp_channel,
};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    net,
    party::DriverKind::{self, Aeron, Epona},
    party::{Client, Counter, Offer, Publication, Sharing},
};

/// Runs the tests of this file that need one driver and one client.
macro_rules! on_driver {
    ($name:ident: $client:ident on $kind:ident) => {
        mod $name {
            use super::*;

            const HOST: Host = Host { maker: Maker::$client, kind: $kind };

            #[test]
            fn a_spy_hears_what_is_sent() {
                a_spy_listens(HOST);
            }

            #[test]
            fn spies_alone_connect_a_publication_only_if_its_channel_says_so() {
                spies_simulate_a_connection(HOST);
            }

            #[test]
            fn a_slow_untethered_subscriber_rests_and_rejoins() {
                an_untethered_subscriber_rests(HOST);
            }

            #[test]
            fn a_traffic_class_is_taken_and_must_agree_on_one_endpoint() {
                a_traffic_class_must_agree(HOST);
            }
        }
    };
}

on_driver!(their_client_on_their_driver: Aeron on Aeron);
on_driver!(their_client_on_our_driver: Aeron on Epona);
on_driver!(our_client_on_their_driver: Epona on Aeron);
on_driver!(our_client_on_our_driver: Epona on Epona);

/// Runs the tests of this file about commands, for a client on a kind of driver.
macro_rules! commands {
    ($name:ident: $client:ty, $kind:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn a_session_id_is_handed_out_that_nobody_uses() {
                a_session_id_is_handed_out::<$client>($kind);
            }

            #[test]
            fn counters_live_as_long_as_their_client_and_static_ones_longer() {
                counters_live_and_die::<$client>($kind);
            }
        }
    };
}

commands!(commands_of_their_client_on_their_driver: AeronClient, Aeron);
commands!(commands_of_their_client_on_our_driver: AeronClient, Epona);
commands!(commands_of_our_client_on_their_driver: EponaClient, Aeron);
commands!(commands_of_our_client_on_our_driver: EponaClient, Epona);

/// A client's maker on a kind of driver.
#[derive(Clone, Copy)]
struct Host {
    maker: Maker,
    kind: DriverKind,
}

fn a_spy_listens(host: Host) {
    let driver = driver(host.kind, &settings(&[]));
    let channel = udp_channel();
    let spied = format!("aeron-spy:{channel}");
    let mut before = subscriber(host.maker, &driver, &spied);
    let mut publication = publisher(host.maker, &driver, &format!("{channel}|tags=4001"));
    let mut after = subscriber(host.maker, &driver, "aeron-spy:aeron:udp?tags=4001");
    let mut of_session =
        subscriber(host.maker, &driver, &format!("{spied}|session-id={}", publication.session_id()));
    let mut of_nobody = subscriber(host.maker, &driver, &format!("{spied}|session-id=12345"));
    let mut network = subscriber(host.maker, &driver, &channel);
    let mut all = [&mut before, &mut after, &mut of_session, &mut network];
    connect(&mut publication, &mut all);
    exchange(&mut publication, &mut all, 0..300);
    of_nobody.turn();
    assert_eq!(of_nobody.image_count(), 0);
    let image = before.take_image_events().remove(0);
    assert_eq!(image.source_identity, "aeron:ipc");
    publication.close();
    eventually("the spies have lost their images", || {
        publication.turn();
        for subscriber in [&mut before, &mut after, &mut of_session] {
            subscriber.turn();
        }
        [&before, &after, &of_session].iter().all(|spy| spy.image_count() == 0)
    });
}

fn spies_simulate_a_connection(host: Host) {
    let driver = driver(host.kind, &settings(&[]));
    let alone = udp_channel();
    let mut spy = subscriber(host.maker, &driver, &format!("aeron-spy:{alone}"));
    let mut unheard = publisher(host.maker, &driver, &alone);
    eventually("the spy has its image", || {
        spy.turn();
        spy.image_count() == 1
    });
    assert!(!unheard.is_connected(), "a spy alone is nobody");
    assert_eq!(unheard.offer(b"anybody?"), Offer::NotConnected);

    let simulated = udp_channel();
    let mut spy = subscriber(host.maker, &driver, &format!("aeron-spy:{simulated}"));
    let mut publication = publisher(host.maker, &driver, &format!("{simulated}|ssc=true"));
    connect(&mut publication, &mut [&mut spy]);
    exchange(&mut publication, &mut [&mut spy], 0..500);
    let mut network = subscriber(host.maker, &driver, &simulated);
    connect(&mut publication, &mut [&mut spy, &mut network]);
    exchange(&mut publication, &mut [&mut spy, &mut network], 500..600);
    network.close();
    eventually("the network subscriber has left", || {
        publication.turn();
        network.turn();
        spy.turn();
        stream_counter(&driver, type_id::RECEIVER_POSITION, publication.session_id()).is_none()
    });
    exchange(&mut publication, &mut [&mut spy], 600..900);
    spy.close();
    eventually("nobody is left", || {
        publication.turn();
        network.turn();
        spy.turn();
        !publication.is_connected()
    });
}

fn an_untethered_subscriber_rests(host: Host) {
    let driver = driver(host.kind, &settings(&[]));
    let channel = udp_channel();
    let timeouts = "untethered-window-limit-timeout=500ms|untethered-linger-timeout=300ms|\
                    untethered-resting-timeout=700ms";
    let mut tethered = subscriber(host.maker, &driver, &format!("{channel}|{timeouts}"));
    let mut slow = subscriber(host.maker, &driver, &format!("{channel}|{timeouts}|tether=false"));
    let mut publication = publisher(host.maker, &driver, &channel);
    connect(&mut publication, &mut [&mut tethered, &mut slow]);
    let mut next = 0;
    let mut images = slow.take_image_events();
    eventually("the slow one has been let go and taken back", || {
        publication.turn();
        if matches!(publication.offer(&message(next)), Offer::Sent(_)) {
            next += 1;
        }
        tethered.turn();
        tethered.poll();
        slow.turn();
        images.extend(slow.take_image_events());
        images.len() >= 3
    });
    let availability: Vec<_> = images.iter().map(|image| image.available).collect();
    assert_eq!(availability, [true, false, true]);
    assert!(images[2].join_position >= images[0].join_position);
    eventually("the tethered one hears everything", || {
        publication.turn();
        tethered.turn();
        tethered.poll();
        slow.turn();
        slow.poll();
        tethered.messages().len() == next as usize
    });
    assert_eq!(numbers(tethered.messages()), (0..next).collect::<Vec<_>>());
}

fn a_traffic_class_must_agree(host: Host) {
    let driver = driver(host.kind, &settings(&[]));
    for channel in [udp_channel(), format!("aeron:udp?endpoint=[::1]:{}", net::free_port().unwrap())] {
        let mut publication = publisher(host.maker, &driver, &format!("{channel}|so-tos=184"));
        let mut subscription = subscriber(host.maker, &driver, &format!("{channel}|so-tos=40"));
        connect(&mut publication, &mut [&mut subscription]);
        exchange(&mut publication, &mut [&mut subscription], 0..20);
        // What says nothing shares the endpoint; what disagrees does not.
        let _shared = publisher(host.maker, &driver, &channel);
        for differs in ["so-tos=40", "so-tos=0"] {
            assert!(
                try_publisher(host.maker, &driver, &format!("{channel}|{differs}")).is_err(),
                "{differs}"
            );
        }
        assert!(try_subscriber(host.maker, &driver, &format!("{channel}|so-tos=184")).is_err());
    }
}

fn a_session_id_is_handed_out<C: Client>(kind: DriverKind) {
    let driver = driver(kind, &[]);
    let mut client: C = client(&driver);
    let mut handed_out = Vec::new();
    for _ in 0..3 {
        let session_id = client.next_session_id(STREAM, &mut || ()).unwrap();
        assert!(!handed_out.contains(&session_id), "{session_id} again, after {handed_out:?}");
        assert!(!(-1..=1000).contains(&session_id), "{session_id} is reserved");
        let channel = format!("{}|session-id={session_id}", udp_channel());
        let publication = client.add_publication(&channel, STREAM, Sharing::Exclusive, &mut || ()).unwrap();
        assert_eq!(publication.session_id(), session_id);
        handed_out.push(session_id);
    }
    assert!(client.take_errors().is_empty());
}

fn counters_live_and_die<C: Client>(kind: DriverKind) {
    const KIND: i32 = 1207;
    let driver = driver(kind, &[]);
    let reader = cnc(&driver);
    let found = |label: &str| reader.counter(KIND, label);
    let mut one: C = client(&driver);
    let mut other: C = client(&driver);
    let counter = one.add_counter(KIND, b"the key", "mortal", &mut || ()).unwrap();
    counter.set(42);
    let entry = found("mortal").unwrap();
    assert_eq!((entry.id, entry.value, &entry.key[..7]), (counter.id(), 42, &b"the key"[..]));

    let lasting = one.add_static_counter(KIND, b"static key", "lasting", 9007, &mut || ()).unwrap();
    lasting.set(7);
    let again = other.add_static_counter(KIND, b"another key", "another label", 9007, &mut || ()).unwrap();
    assert_eq!(again.id(), lasting.id(), "one counter for one type and registration id");
    let different = other.add_static_counter(KIND, b"", "different", 9008, &mut || ()).unwrap();
    assert_ne!(different.id(), lasting.id());

    let second = one.add_counter(KIND, b"", "closed by hand", &mut || ()).unwrap();
    drop(second);
    eventually("a closed counter is freed", || {
        one.do_work();
        found("closed by hand").is_none()
    });
    drop((counter, lasting, one));
    eventually("the counters of a closed client are freed", || {
        other.do_work();
        found("mortal").is_none()
    });
    assert_eq!(found("lasting").map(|entry| entry.value), Some(7));
    assert!(other.take_errors().is_empty());
}

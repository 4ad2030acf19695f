//! Clients and drivers that end without saying so.

mod common;

use common::{Exchange, STREAM, client, driver};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    net,
    party::{Client, DriverKind, Offer, Publication, Sharing, Subscription},
    process::DriverProcess,
    transfer,
};
use std::{cell::RefCell, time::Duration};

/// Runs the tests of this file for a client on a kind of driver.
macro_rules! pairing {
    ($name:ident: $client:ty, $kind:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn a_client_notices_that_its_driver_was_killed_and_a_new_driver_takes_over() {
                a_killed_driver_is_noticed::<$client>(DriverKind::$kind);
            }

            #[test]
            fn a_claim_of_a_dead_client_is_unblocked_over_ipc() {
                a_dead_claim_is_unblocked::<$client>(DriverKind::$kind, "aeron:ipc");
            }

            #[test]
            fn a_claim_of_a_dead_client_is_unblocked_over_udp() {
                a_dead_claim_is_unblocked::<$client>(DriverKind::$kind, &common::udp_channel());
            }
        }
    };
}

fn a_killed_driver_is_noticed<C: Client>(kind: DriverKind) {
    let scratch = net::scratch_dir().unwrap();
    let dir = scratch.path().join("driver");
    let mut process = DriverProcess::spawn_in(kind, &dir, &[]).unwrap();
    let mut orphan = C::connect_within(&dir, Duration::from_secs(5)).unwrap();
    let mut publication =
        orphan.add_publication("aeron:ipc", STREAM, Sharing::Concurrent, &mut || ()).unwrap();
    process.kill().unwrap();
    let orphan = RefCell::new(orphan);
    let mut turn = || {
        orphan.borrow_mut().do_work();
    };
    transfer::until("the client closes itself", &mut turn, || orphan.borrow().is_closed()).unwrap();
    assert_eq!(publication.offer(b"anybody?"), Offer::Closed);
    let errors = orphan.borrow_mut().take_errors();
    assert!(!errors.is_empty(), "the error handler is told why");

    let successor = DriverProcess::spawn_in(kind, &dir, &[]).unwrap();
    drop((publication, orphan));
    Exchange::new(Sharing::Concurrent, 1).run::<C, C>(&successor, &successor, "aeron:ipc");
}

/// A client claims and is never heard of again; another publishes to the same session, a third listens.
fn a_dead_claim_is_unblocked<C: Client>(kind: DriverKind, channel: &str) {
    let process = driver(
        kind,
        &[
            ("aeron.client.liveness.timeout", "4s".to_owned()),
            ("aeron.publication.unblock.timeout", "5s".to_owned()),
        ],
    );
    let mut listener: C = client(&process);
    let mut survivor: C = client(&process);
    let mut victim: C = client(&process);
    let mut subscription = listener.add_subscription(channel, STREAM, &mut || ()).unwrap();
    let mut doomed = victim.add_publication(channel, STREAM, Sharing::Concurrent, &mut || ()).unwrap();
    let mut publication = survivor.add_publication(channel, STREAM, Sharing::Concurrent, &mut || ()).unwrap();
    assert_eq!(doomed.session_id(), publication.session_id(), "one stream");

    let mut turn = || {
        listener.do_work();
        survivor.do_work();
    };
    transfer::until("connected", &mut turn, || doomed.is_connected() && publication.is_connected()).unwrap();
    // A publication is connected before its limit is known.
    transfer::until("room", &mut turn, || matches!(publication.offer(b"before"), Offer::Sent(_))).unwrap();
    assert!(matches!(doomed.abandon_claim(100), Offer::Sent(_)));
    // What a killed process leaves: no close, no heartbeat, nothing.
    std::mem::forget((doomed, victim));
    assert!(matches!(publication.offer(b"after"), Offer::Sent(_)));

    let mut received = Vec::new();
    transfer::until("both messages around the dead claim", &mut turn, || {
        subscription.poll_messages(10, |message| received.push(message.to_vec()));
        received.len() == 2
    })
    .unwrap();
    assert_eq!(received, [b"before".to_vec(), b"after".to_vec()]);
    assert!(common::system_counter(&process, "Unblocked Publications") > 0);
}

pairing!(control: AeronClient, Aeron);
pairing!(our_client_on_their_driver: EponaClient, Aeron);
pairing!(their_client_on_our_driver: AeronClient, Epona);
pairing!(our_client_on_our_driver: EponaClient, Epona);

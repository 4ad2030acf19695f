//! Every pairing of makers exchanges seeded messages and gets every byte.
//!
//! A row of the table: who publishes, on whose driver, to whose driver, to whom. The rows with Aeron alone are the
//! control: they prove the harness, not us.

mod common;

use common::{Exchange, driver, lossy, system_counter, udp_channel};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    party::DriverKind,
    party::{Client, Sharing},
};

/// Terms passed through without loss: several rotations over all three partitions.
const TERMS: usize = 9;

/// Terms passed through with loss, where every gap costs time.
const TERMS_WITH_LOSS: usize = 5;

/// Over UDP: publisher `P` on a driver of kind `from`, subscriber `S` on a driver of kind `to`.
fn udp<P: Client, S: Client>(from: DriverKind, to: DriverKind, sharing: Sharing) {
    let (from, to) = (driver(from, &[]), driver(to, &[]));
    let offered = Exchange::new(sharing, TERMS).run::<P, S>(&from, &to, &udp_channel());
    let claimed = Exchange::new(sharing, TERMS).claiming().run::<P, S>(&from, &to, &udp_channel());
    assert_eq!(offered, claimed, "offering and claiming are two ways to the same stream");
}

/// As `udp`, with each driver losing five per cent of what it receives.
fn udp_with_loss<P: Client, S: Client>(from: DriverKind, to: DriverKind, sharing: Sharing) {
    let (from, to) = (driver(from, &lossy(common::SEED)), driver(to, &lossy(common::SEED + 1)));
    Exchange::new(sharing, TERMS_WITH_LOSS).run::<P, S>(&from, &to, &udp_channel());
    assert!(system_counter(&from, "Retransmits sent") > 0, "something was lost and sent again");
}

/// Both clients on one driver of kind `on`, over shared memory.
fn ipc<P: Client, S: Client>(on: DriverKind, sharing: Sharing) {
    let driver = driver(on, &[]);
    let offered = Exchange::new(sharing, TERMS).run::<P, S>(&driver, &driver, "aeron:ipc?alias=offer");
    let claimed = Exchange::new(sharing, TERMS).claiming().run::<P, S>(
        &driver,
        &driver,
        "aeron:ipc?alias=claim|session-id=77",
    );
    assert_eq!(offered, claimed, "offering and claiming are two ways to the same stream");
}

/// The tests of one pairing, concurrent and exclusive.
macro_rules! pairing {
    ($name:ident: $publisher:ty, $from:ident -> $to:ident, $subscriber:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn concurrent_over_udp() {
                udp::<$publisher, $subscriber>(DriverKind::$from, DriverKind::$to, Sharing::Concurrent);
            }

            #[test]
            fn exclusive_over_udp() {
                udp::<$publisher, $subscriber>(DriverKind::$from, DriverKind::$to, Sharing::Exclusive);
            }

            #[test]
            fn concurrent_over_udp_with_loss() {
                udp_with_loss::<$publisher, $subscriber>(
                    DriverKind::$from,
                    DriverKind::$to,
                    Sharing::Concurrent,
                );
            }

            #[test]
            fn exclusive_over_udp_with_loss() {
                udp_with_loss::<$publisher, $subscriber>(
                    DriverKind::$from,
                    DriverKind::$to,
                    Sharing::Exclusive,
                );
            }
        }
    };
}

/// The same over shared memory, where there is one driver.
macro_rules! ipc_pairing {
    ($name:ident: $publisher:ty, $on:ident, $subscriber:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn concurrent_over_ipc() {
                ipc::<$publisher, $subscriber>(DriverKind::$on, Sharing::Concurrent);
            }

            #[test]
            fn exclusive_over_ipc() {
                ipc::<$publisher, $subscriber>(DriverKind::$on, Sharing::Exclusive);
            }
        }
    };
}

pairing!(control: AeronClient, Aeron -> Aeron, AeronClient);
ipc_pairing!(ipc_control: AeronClient, Aeron, AeronClient);

pairing!(our_publisher_on_their_driver: EponaClient, Aeron -> Aeron, AeronClient);
pairing!(our_subscriber_on_their_driver: AeronClient, Aeron -> Aeron, EponaClient);
pairing!(our_clients_on_their_driver: EponaClient, Aeron -> Aeron, EponaClient);
ipc_pairing!(our_ipc_publisher_on_their_driver: EponaClient, Aeron, AeronClient);
ipc_pairing!(our_ipc_subscriber_on_their_driver: AeronClient, Aeron, EponaClient);
ipc_pairing!(our_ipc_clients_on_their_driver: EponaClient, Aeron, EponaClient);

pairing!(their_clients_on_our_driver: AeronClient, Epona -> Epona, AeronClient);
pairing!(our_clients_on_our_driver: EponaClient, Epona -> Epona, EponaClient);
pairing!(our_publisher_on_our_driver: EponaClient, Epona -> Epona, AeronClient);
pairing!(our_subscriber_on_our_driver: AeronClient, Epona -> Epona, EponaClient);
pairing!(their_driver_to_ours: AeronClient, Aeron -> Epona, AeronClient);
pairing!(our_driver_to_theirs: AeronClient, Epona -> Aeron, AeronClient);
pairing!(theirs_to_ours: AeronClient, Aeron -> Epona, EponaClient);
pairing!(ours_to_theirs: EponaClient, Epona -> Aeron, AeronClient);
ipc_pairing!(their_ipc_clients_on_our_driver: AeronClient, Epona, AeronClient);
ipc_pairing!(our_ipc_clients_on_our_driver: EponaClient, Epona, EponaClient);
ipc_pairing!(our_ipc_publisher_on_our_driver: EponaClient, Epona, AeronClient);
ipc_pairing!(our_ipc_subscriber_on_our_driver: AeronClient, Epona, EponaClient);

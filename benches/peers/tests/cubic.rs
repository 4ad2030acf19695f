//! CUBIC congestion control across drivers: the stream arrives whole under loss, and the receiver's driver measures
//! round trips that the sender's driver answers.

mod common;

use common::{Exchange, SEED, STREAM, client, cnc, driver, lossy, type_id, udp_channel};
use epona_peers::{
    aeron::{AeronClient, CounterEntry},
    party::{Client, DriverKind, Sharing},
    process::DriverProcess,
    transfer::{self, Plan},
};

/// Driver settings under which CUBIC measures. Not in TCP mode at Aeron's driver, which does not limit what that mode
/// gives: on a fast network the window overflows, and the stream stands still.
fn measuring(kind: DriverKind, supplier: &str) -> Vec<(&'static str, String)> {
    vec![
        ("aeron.congestioncontrol.supplier", supplier.to_owned()),
        ("aeron.cubiccongestioncontrol.measurertt", "true".to_owned()),
        ("aeron.cubiccongestioncontrol.tcpmode", (kind == DriverKind::Epona).to_string()),
        ("aeron.cubiccongestioncontrol.initialrtt", "1ms".to_owned()),
    ]
}

/// The counters of CUBIC at a driver: round trip and window.
fn cubic_counters(process: &DriverProcess) -> Vec<CounterEntry> {
    let counters = cnc(process).counters();
    counters.into_iter().filter(|counter| counter.type_id == type_id::PER_IMAGE).collect()
}

/// A transfer from a driver of one kind to a lossy one of another, whose window `channel` or `supplier` put to CUBIC.
fn a_stream_under_cubic(from: DriverKind, to: DriverKind, supplier: &str, parameters: &str) {
    let sender = driver(from, &[]);
    let receiver = driver(to, &[lossy(SEED), measuring(to, supplier)].concat());
    let channel = udp_channel();
    let subscribed = format!("{channel}{parameters}");
    let mut publisher: AeronClient = client(&sender);
    let mut subscriber: AeronClient = client(&receiver);
    let mut subscription = subscriber.add_subscription(&subscribed, STREAM, &mut || ()).unwrap();
    let mut publication =
        publisher.add_publication(&channel, STREAM, Sharing::Exclusive, &mut || ()).unwrap();
    let plan = Plan { seed: SEED, terms: 4, claim: false };
    let mut turn = transfer::turns(&mut publisher, &mut subscriber);
    transfer::run(&plan, &mut publication, &mut subscription, &mut turn).unwrap();

    transfer::until("a round trip", &mut turn, || cubic_counters(&receiver)[0].value > 0).unwrap();
    let counters = cubic_counters(&receiver);
    assert_eq!(counters.len(), 2, "{counters:?}");
    for (counter, name) in counters.iter().zip(["rcv-cc-cubic-rtt: ", "rcv-cc-cubic-wnd: "]) {
        assert!(counter.label.starts_with(name) && counter.label.ends_with(&subscribed), "{counter:?}");
    }
    assert!(counters[0].value < 30_000_000_000, "less than the test may take: {counters:?}");
    let (datagram, half_a_term) = (1408, 32 * 1024);
    assert!((datagram..=half_a_term).contains(&counters[1].value), "{counters:?}");
    assert_eq!(cubic_counters(&sender), []);
}

/// Runs the tests of this file for a sender's and a receiver's driver.
macro_rules! pair {
    ($name:ident: $from:ident => $to:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn a_channel_asks_for_cubic() {
                a_stream_under_cubic(DriverKind::$from, DriverKind::$to, "default", "|cc=cubic");
            }

            #[test]
            fn the_receiving_driver_insists_on_cubic() {
                a_stream_under_cubic(DriverKind::$from, DriverKind::$to, "cubic", "");
            }
        }
    };
}

pair!(aeron_to_aeron: Aeron => Aeron);
pair!(aeron_to_epona: Aeron => Epona);
pair!(epona_to_aeron: Epona => Aeron);

#[test]
fn a_static_window_measures_nothing() {
    let receiver = driver(DriverKind::Epona, &measuring(DriverKind::Epona, "default"));
    let sender = driver(DriverKind::Aeron, &[]);
    Exchange::new(Sharing::Exclusive, 1).run::<AeronClient, AeronClient>(&sender, &receiver, &udp_channel());
    assert_eq!(cubic_counters(&receiver), []);
}

//! Wireshark's Aeron dissector as a second opinion: it decodes every frame of a capture and finds none malformed.
//!
//! The traffic of a lossy exchange passes through a tap that records it. Without `tshark` the tests say so and pass.

mod common;

use common::{STREAM, client, driver, lossy, skip::skipped};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    net,
    party::DriverKind,
    party::{Client, Sharing},
    tap::Tap,
    transfer::{self, Plan},
};
use std::{collections::BTreeMap, path::Path, process::Command};

/// What the dissector made of one datagram.
#[derive(Debug)]
struct Dissection {
    protocols: String,
    malformed: bool,
    info: String,
}

fn has_tshark() -> bool {
    let found = Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skipped("tshark is not installed, so no second opinion on the wire format");
    }
    found
}

fn dissect(capture: &Path) -> Vec<Dissection> {
    let output = Command::new("tshark")
        .args(["--enable-heuristic", "aeron_udp", "-T", "fields", "-E", "separator=;"])
        .args(["-e", "frame.protocols", "-e", "_ws.malformed", "-e", "_ws.col.Info", "-r"])
        .arg(capture)
        .output()
        .expect("tshark starts");
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| {
            let mut fields = line.splitn(3, ';').map(str::to_owned);
            let mut next = || fields.next().unwrap_or_default();
            let (protocols, malformed, info) = (next(), next(), next());
            Dissection { protocols, malformed: !malformed.is_empty(), info }
        })
        .collect()
}

/// Asserts that every datagram is Aeron's and sound; how often each kind of frame occurs.
fn judge(dissections: &[Dissection]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for (index, dissection) in dissections.iter().enumerate() {
        let decoded = dissection.protocols.split(':').any(|protocol| protocol == "aeron");
        assert!(decoded && !dissection.malformed, "datagram {}: {dissection:?}", index + 1);
        for kind in ["Setup", "Data", "Pad", "Status", "NAK"] {
            if dissection.info.contains(kind) {
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    kinds
}

#[test]
fn the_dissector_decodes_a_capture_of_the_reference_driver() {
    if !has_tshark() {
        return;
    }
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/unicast.pcap");
    let dissections = dissect(&capture);
    assert_eq!(dissections.len(), 48, "datagrams of the golden capture");
    let kinds = judge(&dissections);
    assert_eq!(kinds.get("Setup"), Some(&5));
    assert_eq!(kinds.get("Status"), Some(&13));
}

/// Captures a lossy exchange between two drivers of kind `kind` and has it judged.
fn every_frame_is_decoded<C: Client>(kind: DriverKind) {
    if !has_tshark() {
        return;
    }
    let scratch = net::scratch_dir().unwrap();
    let (from, to) = (driver(kind, &lossy(common::SEED)), driver(kind, &lossy(common::SEED + 1)));
    let mut subscriber: C = client(&to);
    let mut publisher: C = client(&from);
    let port = net::free_port().unwrap();
    let mut tap = Tap::new(port, &scratch.path().join("exchange.pcap")).unwrap();
    let incoming = format!("aeron:udp?endpoint=127.0.0.1:{port}");
    let outgoing = format!("aeron:udp?endpoint=127.0.0.1:{}|term-length=64k", tap.port().unwrap());
    let mut subscription = subscriber.add_subscription(&incoming, STREAM, &mut || ()).unwrap();
    let mut publication =
        publisher.add_publication(&outgoing, STREAM, Sharing::Exclusive, &mut || ()).unwrap();
    let plan = Plan { seed: common::SEED, terms: 4, claim: false };
    let mut turn = || {
        publisher.do_work();
        subscriber.do_work();
        tap.do_work().unwrap();
    };
    transfer::run(&plan, &mut publication, &mut subscription, &mut turn).unwrap();

    let (capture, datagrams) = tap.finish().unwrap();
    let dissections = dissect(&capture);
    assert_eq!(dissections.len(), datagrams, "nothing escapes the dissector");
    let kinds = judge(&dissections);
    for kind in ["Setup", "Data", "Pad", "Status", "NAK"] {
        assert!(kinds.contains_key(kind), "no {kind} among {kinds:?}");
    }
}

#[test]
fn every_frame_between_their_drivers_is_decoded() {
    every_frame_is_decoded::<AeronClient>(DriverKind::Aeron);
}

#[test]
fn every_frame_between_our_drivers_is_decoded() {
    every_frame_is_decoded::<EponaClient>(DriverKind::Epona);
}

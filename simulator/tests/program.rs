//! The program `epona-sim`: what it prints, and the captures that it writes.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    process::{Command, Output},
};

/// A seed whose datagrams arrive as they were sent, or not at all; none is an error frame, of which Wireshark knows another
/// layout.
const WITHOUT_DAMAGE: &str = "8";

fn epona_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_epona-sim")).args(arguments).output().expect("epona-sim runs")
}

#[test]
fn prints_one_object_with_the_figures() {
    let output = epona_sim(&["--seeds", "2", "--from", "5", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: BTreeSet<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "checks",
        "failures",
        "faults",
        "messages",
        "seeds",
        "simulated_hours",
        "wall_seconds",
        "worst_recovery_ms",
    ];
    assert_eq!(keys, BTreeSet::from(expected));
    assert_eq!((report["seeds"].as_u64(), report["failures"].as_u64()), (Some(2), Some(0)));
    assert!(report["messages"].as_u64() > Some(100) && report["checks"].as_u64() > Some(1000), "{report}");
    assert!(report["faults"]["loss"].as_u64() > Some(0), "{report}");
    assert!(report["worst_recovery_ms"].is_number(), "{report}");
}

#[test]
fn traces_a_world_and_writes_its_datagrams_for_wireshark() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("world.pcap");
    let output = epona_sim(&["--seed", WITHOUT_DAMAGE, "--trace", "--pcap", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let trace = String::from_utf8(output.stderr).unwrap();
    let datagrams = |kind: &str| trace.lines().filter(|line| line.contains(kind)).count();
    assert!(datagrams(" SETUP ") > 0 && datagrams(" DATA ") > 0 && datagrams(" SM ") > 0);

    let Ok(dissected) = Command::new("tshark")
        .args(["-r", file.to_str().unwrap(), "-d", "udp.port==1-65535,aeron"])
        .args(["-T", "fields", "-e", "aeron.setup.term_length", "-e", "aeron.sm.receiver_window"])
        .args(["-e", "ip.src", "-e", "_ws.malformed"])
        .output()
    else {
        let _ = writeln!(io::stderr(), "SKIPPED captures read by Wireshark: tshark is not installed");
        return;
    };
    assert!(dissected.status.success(), "{dissected:?}");
    let text = String::from_utf8(dissected.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.iter().any(|row| row[0] == "65536"), "a setup with its term length");
    assert!(rows.iter().any(|row| !row[1].is_empty()), "a status message with its window");
    assert!(rows.iter().all(|row| row[2].starts_with("10.0.0.") && row[3].is_empty()), "nothing malformed");
    assert_eq!(
        rows.len(),
        trace.lines().filter(|line| line.contains(" > 10.0.0.") || line.contains(" > 224.")).count()
    );
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let output = epona_sim(&["--seed", "5", "--pcap", "/nowhere/world.pcap"]);
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("/nowhere/world.pcap"), "{text}");
}

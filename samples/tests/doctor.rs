//! `epona doctor`: what it predicts happens.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use std::{
    fs,
    net::UdpSocket,
    path::Path,
    process::{Command, Stdio},
};

use epona_media_driver::EmbeddedDriver;
use harness::{Ended, Epona, free_channel, run, skipped};
use serde_json::Value;

/// What was found, by check.
struct Findings(Vec<Value>);

impl Findings {
    fn of(ended: &Ended) -> Self {
        Self(serde_json::from_str(&ended.stdout.join("")).unwrap())
    }

    fn verdicts(&self, check: &str) -> Vec<&str> {
        let of_check = self.0.iter().filter(|finding| finding["check"] == check);
        of_check.map(|finding| finding["verdict"].as_str().unwrap()).collect()
    }

    fn found(&self, check: &str) -> String {
        let found = self.0.iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("{check} in {:#?}", self.0)).to_string()
    }
}

fn doctor(directory: &Path, args: &[&str]) -> (Ended, Findings) {
    let ended = run(directory, &[&["doctor", "--format", "json"], args].concat());
    let findings = Findings::of(&ended);
    let fails = findings.0.iter().any(|finding| finding["verdict"] == "fail");
    assert_eq!(ended.code, Some(i32::from(fails)), "{ended:?}");
    for finding in &findings.0 {
        assert_eq!(finding.get("advice").is_some(), finding["verdict"] != "ok", "{finding}");
    }
    (ended, findings)
}

#[test]
fn people_see_every_check_with_its_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(directory.path(), &["doctor", "-Daeron.term.buffer.length=64k"]);
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    for check in [
        "settings",
        "directory",
        "shared memory",
        "socket buffers",
        "offload",
        "multicast",
        "processors",
        "open files",
    ] {
        assert!(ended.stdout.iter().any(|line| line.contains(&format!(" {check} "))), "{check} in {ended:?}");
    }
}

#[test]
fn a_running_driver_is_recognised_and_needs_no_room_for_another() {
    let driver = EmbeddedDriver::launch().unwrap();
    let (_, findings) = doctor(driver.directory(), &["-Daeron.term.buffer.length=64k"]);
    let found = findings.found("directory");
    assert!(found.contains(&format!("pid {}", std::process::id())), "{found}");
    assert!(
        !findings.found("shared memory").contains("for the driver"),
        "{}",
        findings.found("shared memory")
    );
}

#[test]
fn more_streams_than_fit_are_told_beforehand() {
    let directory = tempfile::tempdir().unwrap();
    let (ended, findings) =
        doctor(directory.path(), &["--channel", "aeron:ipc?term-length=1g", "--streams", "1000000"]);
    assert_eq!(findings.verdicts("shared memory"), ["fail"]);
    let found = findings.found("shared memory");
    for part in ["aeron.term.buffer.length", "now 16m", "raise the shared memory size", "available"] {
        assert!(found.contains(part), "{part} in {found}");
    }
    assert!(ended.stderr[0].starts_with("Error: ") && ended.stderr.len() == 1, "{ended:?}");
}

#[test]
fn settings_are_checked_as_the_driver_does() {
    let directory = tempfile::tempdir().unwrap();
    let (_, findings) = doctor(directory.path(), &["-Daeron.mtu.length=7", "-Daeron.socket.so_rcvbuff=1m"]);
    let verdicts = findings.verdicts("settings");
    assert!(verdicts.contains(&"warn"), "{verdicts:?}");
    let (_, findings) =
        doctor(directory.path(), &["-Daeron.threading.mode=SHARED", "-Daeron.counters.buffer.length=1"]);
    assert!(
        findings.verdicts("settings").contains(&"fail") || findings.verdicts("settings").contains(&"warn")
    );
    let ended = run(directory.path(), &["doctor", "nothing.properties"]).expect_code(1);
    assert_eq!(ended.stderr, ["Error: cannot read nothing.properties: it does not exist"]);
    let ended = run(directory.path(), &["doctor", "-Dnonsense"]).expect_code(1);
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
}

#[test]
fn another_version_of_cnc_fails() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = vec![0; 8192];
    bytes[2] = 9;
    fs::write(directory.path().join("cnc.dat"), bytes).unwrap();
    let (_, findings) = doctor(directory.path(), &[]);
    assert_eq!(findings.verdicts("directory"), ["fail"]);
    assert!(findings.found("directory").contains("version 9.0.0"));
}

#[test]
fn channels_are_opened_as_the_driver_would() {
    let directory = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = format!("aeron:udp?endpoint={}", taken.local_addr().unwrap());
    let free = free_channel();
    for (channel, verdict, part) in [
        (free.as_str(), "ok", "can be opened"),
        (&taken, "warn", "127.0.0.1"),
        ("aeron:udp?endpoint=nowhere.invalid:4000", "fail", "nowhere.invalid"),
        ("aeron:udp?endpoint=224.20.30.40:4000", "fail", "odd"),
        ("aeron:udp?endpoint=224.20.30.39:4000|interface=203.0.113.0/24", "fail", "203.0.113.0"),
        ("aeron:udp?endpoint=127.0.0.1:4000|rcv-wnd=1g|so-rcvbuf=1g", "fail", "rcv-wnd"),
    ] {
        let (_, findings) = doctor(directory.path(), &["--channel", channel]);
        assert_eq!(findings.verdicts("channel"), [verdict], "{channel}");
        assert!(findings.found("channel").contains(part), "{part} in {}", findings.found("channel"));
    }
}

#[test]
fn a_datagram_goes_to_a_group_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let (_, findings) = doctor(directory.path(), &["--interface", "localhost"]);
    assert_eq!(findings.verdicts("multicast"), ["ok"], "{}", findings.found("multicast"));
    let (_, findings) = doctor(directory.path(), &["--interface", "203.0.113.7"]);
    assert_eq!(findings.verdicts("channel"), ["fail"]);
}

/// Runs the program where a shell command has made the world small; there is no way out to the network.
fn in_small_world(script: &str, args: &[&str]) -> Ended {
    let mut command = Command::new("unshare");
    command.args(["-m", "-n", "sh", "-c", &format!("ip link set lo up && {script} \"$0\" \"$@\"")]);
    let mut epona = Epona::spawn(command.arg(env!("CARGO_BIN_EXE_epona")).args(args).env_remove("AERON_DIR"));
    epona.close_input();
    epona.end()
}

/// Whether this user may have namespaces and mount in them.
fn may_isolate() -> bool {
    let trial = Command::new("unshare")
        .args(["-m", "-n", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /dev/shm && ip link set lo up"])
        .stderr(Stdio::null())
        .status();
    trial.is_ok_and(|status| status.success())
}

#[test]
fn what_it_predicts_happens() {
    if !may_isolate() {
        return skipped("this user may not make namespaces and mount in them");
    }
    let channel = free_channel();
    // A driver inside the program, in a /dev/shm that goes with it: without a subscriber it publishes nothing, and fails before or waits.
    let publish = ["pub", "--embedded", "always", "--messages", "1", "--channel", &channel];
    for (script, check, failure) in [
        ("mount -t tmpfs -o size=1m tmpfs /dev/shm && exec", "shared memory", "No space left on device"),
        ("mount -t tmpfs tmpfs /dev/shm && ulimit -f 1000 && exec", "file length", "limit"),
        ("mount -t tmpfs tmpfs /dev/shm && exec prlimit --nofile=5", "open files", "Too many open files"),
    ] {
        let examined = in_small_world(script, &["doctor", "--format", "json"]);
        assert_eq!(Findings::of(&examined).verdicts(check), ["fail"], "{examined:?}");
        assert_eq!(examined.code, Some(1), "{examined:?}");
        let published = in_small_world(script, &publish);
        // Files too long end a process by a signal, of which it cannot tell.
        let is_told = published.stderr.iter().any(|line| line.contains(failure));
        assert!(is_told || published.code.is_none(), "{published:?}");
    }
    let (script, large) =
        ("mount -t tmpfs -o size=50m tmpfs /dev/shm && exec", "-Daeron.term.buffer.length=16m");
    let findings = |args: &[&str]| {
        Findings::of(&in_small_world(script, &[&["doctor", "--format", "json"], args].concat()))
    };
    assert_eq!(
        findings(&[large]).verdicts("shared memory"),
        ["fail"],
        "room for the driver, not for a stream"
    );
    let refused = in_small_world(script, &[&publish[..6], &[&format!("{channel}|term-length=16m")]].concat());
    let told = |line: &String| line.matches("insufficient storage").count();
    assert_eq!(refused.stderr.iter().map(told).max(), Some(1), "said, and said once: {refused:?}");
    assert_ne!(findings(&["-Daeron.term.buffer.length=1m"]).verdicts("shared memory"), ["fail"]);
}

#[test]
fn multicast_that_has_no_way_is_told() {
    if !may_isolate() {
        return skipped("this user may not make namespaces and mount in them");
    }
    let examined = in_small_world("exec", &["doctor", "--format", "json", "--interface", "127.0.0.1"]);
    assert_eq!(Findings::of(&examined).verdicts("multicast"), ["ok"], "{examined:?}");
    let channel = "aeron:udp?endpoint=224.20.30.39:4000|interface=10.1.0.0/16";
    let examined = in_small_world("exec", &["doctor", "--format", "json", "--channel", channel]);
    assert_eq!(Findings::of(&examined).verdicts("channel"), ["fail"], "{examined:?}");
}

//! `epona throughput`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use epona_media_driver::EmbeddedDriver;
use harness::{Ended, Epona, free_channel, run};
use serde_json::Value;

/// The lines of JSON; the last is the summary.
fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks that so many messages went out and came in.
fn check_summary(ended: Ended, messages: u64, length: u64) {
    let ended = ended.expect_code(0);
    let summary = lines(&ended).pop().unwrap();
    assert_eq!(summary["kind"], "summary", "{ended:?}");
    for side in ["published", "received"] {
        assert_eq!(summary[side]["messages"], messages, "{ended:?}");
        assert_eq!(summary[side]["bytes"], messages * length, "{ended:?}");
        assert!(summary[side]["messages_per_second"].as_f64().unwrap() > 0.0, "{ended:?}");
    }
    assert_eq!(summary["lost"], 0, "{ended:?}");
}

#[test]
fn without_a_driver_both_sides_have_one_of_their_own_and_say_so() {
    let directory = tempfile::tempdir().unwrap();
    for (channel, streams, length, told) in [
        (free_channel(), 1, 32, "one per side"),
        (free_channel(), 3, 5000, "one per side"),
        ("aeron:ipc".to_owned(), 2, 8, "one"),
    ] {
        let (streams_text, length_text) = (streams.to_string(), length.to_string());
        let args = ["throughput", "--channel", &channel, "--messages", "500", "--duration", "60s"];
        let more = ["--streams", &streams_text, "--length", &length_text, "--format", "json"];
        let ended = run(directory.path(), &[args.as_slice(), &more].concat());
        let note = format!("starting {told} inside this process");
        assert!(ended.stderr.iter().any(|line| line.contains(&note)), "{ended:?}");
        check_summary(ended, 500 * streams, length);
    }
}

#[test]
fn a_driver_that_runs_is_used() {
    let driver = EmbeddedDriver::launch().unwrap();
    let channel = free_channel();
    let args =
        ["throughput", "--channel", &channel, "--messages", "2000", "--duration", "60s", "--format", "json"];
    let ended = run(driver.directory(), &args);
    assert!(!ended.stderr.iter().any(|line| line.contains("No media driver")), "{ended:?}");
    check_summary(ended, 2000, 32);
}

#[test]
fn people_get_a_line_each_second_and_a_summary() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(directory.path(), &["throughput", "--channel", &free_channel(), "--duration", "2500ms"]);
    let ended = ended.expect_code(0);
    assert!(
        ended.stdout[0].contains("published msg/s") && ended.stdout[0].contains("received msg/s"),
        "{ended:?}"
    );
    assert!(ended.stdout.iter().filter(|line| line.contains(" s  ")).count() >= 2, "{ended:?}");
    assert_eq!(ended.stdout.last().unwrap(), "all messages arrived, in order", "{ended:?}");
}

#[test]
fn each_side_can_run_in_a_process_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let channel = free_channel();
    let both = ["throughput", "--channel", &channel, "--streams", "2", "--format", "json"];
    let mut subscriber = Epona::start(
        directory.path(),
        &[both.as_slice(), &["--only", "subscriber", "--duration", "3600s"]].concat(),
    );
    subscriber.await_note("Waiting for `epona throughput --only publisher`");
    let publisher =
        [both.as_slice(), &["--only", "publisher", "--messages", "1000", "--duration", "3600s"]].concat();
    let published = run(directory.path(), &publisher).expect_code(0);
    let summary = lines(&published).pop().unwrap();
    assert_eq!(summary["published"]["messages"], 2000, "{published:?}");
    assert_eq!(summary.get("received"), None, "{published:?}");
    let mut messages = 0;
    while messages < 2000 {
        messages += received_messages(&subscriber.await_output());
    }
    subscriber.interrupt();
    let received = subscriber.end().expect_code(0);
    let summary = lines(&received).pop().unwrap();
    assert_eq!(
        (&summary["received"]["messages"], &summary["lost"]),
        (&2000.into(), &0.into()),
        "{received:?}"
    );
}

/// Messages that came in during a line's interval.
fn received_messages(line: &str) -> u64 {
    let line: Value = serde_json::from_str(line).unwrap();
    line["received"]["messages"].as_u64().unwrap()
}

#[test]
fn ctrl_c_ends_the_measurement_with_its_summary_and_the_wait_without() {
    let directory = tempfile::tempdir().unwrap();
    let channel = free_channel();
    let mut both =
        Epona::start(directory.path(), &["throughput", "--channel", &channel, "--duration", "3600s"]);
    while !both.await_output().contains(" s ") {}
    both.interrupt();
    let ended = both.end().expect_code(0);
    assert!(ended.stdout.iter().any(|line| line.starts_with("published ")), "{ended:?}");

    let mut lonely =
        Epona::start(directory.path(), &["throughput", "--channel", &channel, "--only", "publisher"]);
    lonely.await_note("Waiting for");
    lonely.interrupt();
    let ended = lonely.end().expect_code(130);
    assert!(ended.stdout.is_empty(), "{ended:?}");
}

#[test]
fn a_message_longer_than_the_stream_takes_is_told_the_limit() {
    let driver = EmbeddedDriver::launch().unwrap();
    let args = ["throughput", "--channel", "aeron:ipc?term-length=64k", "--length", "8193"];
    let ended = run(driver.directory(), &args).expect_code(1);
    let told = ended.stderr.last().unwrap();
    assert!(told.contains("Error: message of 8193 bytes") && told.contains("term-length"), "{ended:?}");
}

#[test]
fn one_side_with_a_driver_of_its_own_is_no_use_for_ipc() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(directory.path(), &["throughput", "--channel", "aeron:ipc", "--only", "publisher"])
        .expect_code(1);
    assert!(ended.stderr.last().unwrap().contains("start `eponamd`"), "{ended:?}");
}

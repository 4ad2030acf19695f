//! `epona pub` to `epona sub`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use epona_media_driver::EmbeddedDriver;
use harness::{Epona, Signal, free_channel, run};

#[test]
fn lines_of_standard_input_come_out_on_standard_output_without_a_driver_around() {
    let directory = tempfile::tempdir().unwrap();
    let channel = free_channel();
    let mut sub = Epona::start(directory.path(), &["sub", "--channel", &channel, "--messages", "4"]);
    sub.await_note("Subscribed to");
    let mut publisher = Epona::start(directory.path(), &["pub", "--channel", &channel]);
    let long = "fragmented ".repeat(2000);
    publisher.write(&format!("one\n\n{long}\nlast without an end"));
    publisher.close_input();
    let published = publisher.end().expect_code(0);
    assert!(published.stderr.contains(&String::from("Published 4 messages.")), "{published:?}");
    assert!(published.stdout.is_empty(), "{published:?}");
    let printed = sub.end().expect_code(0);
    assert_eq!(printed.stdout, ["one", "", &long, "last without an end"]);
    assert!(printed.stderr[0].starts_with("No media driver in "), "{printed:?}");
}

#[test]
fn a_line_arrives_while_the_input_is_still_open() {
    let driver = EmbeddedDriver::launch().unwrap();
    let mut sub = Epona::start(driver.directory(), &["sub", "--channel", "aeron:ipc"]);
    let mut publisher = Epona::start(driver.directory(), &["pub", "--channel", "aeron:ipc"]);
    for line in ["first", "second"] {
        publisher.write(&format!("{line}\n"));
        assert_eq!(sub.await_output(), line);
    }
    publisher.close_input();
    publisher.end().expect_code(0);
    sub.interrupt();
    sub.end().expect_code(0);
}

#[test]
fn generated_messages_arrive_as_json_in_order() {
    let driver = EmbeddedDriver::launch().unwrap();
    for channel in [free_channel(), String::from("aeron:ipc")] {
        let args = ["--embedded", "never", "--stream", "-7", "--channel", &channel, "--messages", "500"];
        let sub = Epona::start(driver.directory(), &[["sub", "--format", "json"].as_slice(), &args].concat());
        let publisher =
            Epona::start(driver.directory(), &[["pub", "--length", "48"].as_slice(), &args].concat());
        publisher.end().expect_code(0);
        let printed = sub.end().expect_code(0);
        assert_eq!(printed.stdout.len(), 500);
        for (number, line) in (1..).zip(&printed.stdout) {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(message["text"].as_str().unwrap().starts_with(&format!("{number} abc")), "{line}");
            assert_eq!(
                (message["length"].as_u64(), message["stream"].as_i64()),
                (Some(48), Some(-7)),
                "{line}"
            );
            assert_eq!(message["position"].as_u64(), Some(96 * number), "{line}");
        }
    }
}

#[test]
fn ctrl_c_ends_both_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut sub = Epona::start(directory.path(), &["sub", "--channel", &free_channel()]);
    let mut publisher = Epona::start(directory.path(), &["pub", "--channel", &free_channel()]);
    sub.await_note("Subscribed to");
    sub.interrupt();
    sub.end().expect_code(0);
    publisher.await_note("Waiting for a subscriber");
    publisher.interrupt();
    publisher.end().expect_code(130);
}

#[test]
fn a_terminal_that_closes_and_a_request_to_terminate_end_it_like_ctrl_c() {
    for signal in [Signal::HUP, Signal::TERM] {
        let directory = tempfile::tempdir().unwrap();
        let mut sub = Epona::start(directory.path(), &["sub", "--channel", &free_channel()]);
        sub.await_note("Subscribed to");
        sub.signal(signal);
        sub.end().expect_code(0);
    }
}

#[test]
fn a_publisher_that_waits_for_input_ends_with_ctrl_c() {
    let driver = EmbeddedDriver::launch().unwrap();
    let mut sub = Epona::start(driver.directory(), &["sub", "--channel", "aeron:ipc"]);
    let mut publisher = Epona::start(driver.directory(), &["pub", "--channel", "aeron:ipc"]);
    publisher.write("one\n");
    assert_eq!(sub.await_output(), "one");
    publisher.interrupt();
    publisher.end().expect_code(130);
    sub.interrupt();
    sub.end().expect_code(0);
}

#[test]
fn messages_that_are_too_long_are_refused_before_anybody_subscribes() {
    let driver = EmbeddedDriver::launch().unwrap();
    for (channel, length, max) in
        [("aeron:ipc?term-length=64k", "8193", "8192"), (&free_channel(), "40000000", "2097152")]
    {
        let args = ["pub", "--channel", channel, "--messages", "1", "--length", length];
        let ended = run(driver.directory(), &args).expect_code(1);
        let told = &ended.stderr[0];
        for part in [&format!("Error: message of {length} bytes"), max, "term-length"] {
            assert!(told.contains(part), "{part} in {ended:?}");
        }
    }
}

#[test]
fn a_line_that_is_too_long_is_told_the_limit_and_the_way_out() {
    let driver = EmbeddedDriver::launch().unwrap();
    let channel = "aeron:ipc?term-length=64k";
    let mut sub = Epona::start(driver.directory(), &["sub", "--channel", channel]);
    let mut publisher = Epona::start(driver.directory(), &["pub", "--channel", channel]);
    publisher.write(&"x".repeat(8193));
    publisher.close_input();
    let ended = publisher.end().expect_code(1);
    let told = ended.stderr.last().unwrap();
    for part in ["Error: message of 8193 bytes", "8192", "65536", "term-length"] {
        assert!(told.contains(part), "{part} in {ended:?}");
    }
    sub.await_note("Subscribed to");
    sub.interrupt();
    sub.end().expect_code(0);
}

#[test]
fn the_end_of_the_driver_is_told_once() {
    let driver = EmbeddedDriver::launch().unwrap();
    let mut sub = Epona::start(driver.directory(), &["sub", "--channel", "aeron:ipc"]);
    sub.await_note("Subscribed to");
    driver.close().unwrap();
    let ended = sub.end().expect_code(1);
    let told = ended.stderr.iter().filter(|line| line.contains("the media driver is gone")).count();
    assert_eq!(told, 1, "{ended:?}");
}

//! `epona ping`, with and without `epona pong` and a driver.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use std::fs;

use epona_media_driver::{Context, EmbeddedDriver, config::ThreadingMode};
use harness::{Ended, Epona, free_channel, run};

const KEYS: [&str; 6] =
    ["bare_socket_rtt_us", "channel", "length", "messages", "messages_per_second", "rtt_us"];

/// Checks that what was printed is one measurement of `messages`, and makes sense.
fn check_measurement(ended: Ended, messages: u64, length: u64, channel: &str) {
    let ended = ended.expect_code(0);
    assert_eq!(ended.stdout.len(), 1, "{ended:?}");
    let json: serde_json::Value = serde_json::from_str(&ended.stdout[0]).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, KEYS);
    assert_eq!((json["messages"].as_u64(), json["length"].as_u64()), (Some(messages), Some(length)));
    assert_eq!(json["channel"], channel);
    assert!(json["messages_per_second"].as_f64().unwrap() > 0.0);
    for percentiles in [&json["rtt_us"], &json["bare_socket_rtt_us"]] {
        let ascending: Vec<f64> = ["p50", "p90", "p99", "p99_9", "p99_99", "max"]
            .iter()
            .map(|name| percentiles[*name].as_f64().unwrap())
            .collect();
        assert!(ascending[0] > 0.0 && ascending.is_sorted(), "{percentiles}");
    }
}

#[test]
fn without_a_driver_it_measures_all_the_same_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (channel, back) = (free_channel(), free_channel());
    let ended = run(
        directory.path(),
        &[
            "ping",
            "--channel",
            &channel,
            "--pong-channel",
            &back,
            "--messages",
            "300",
            "--warmup",
            "50",
            "--format",
            "json",
        ],
    );
    let announced = format!("No media driver in {}: starting one per side", directory.path().display());
    assert!(ended.stderr.iter().any(|line| line.starts_with(&announced)), "{ended:?}");
    check_measurement(ended, 300, 32, &channel);
}

#[test]
fn a_pong_that_hears_before_it_is_heard_is_waited_for() {
    // Messages arrive at once through shared memory. The answers' stream is up at ping when its setup has arrived, and
    // at pong only when the status message for it has: half a second later.
    let mut context = Context::default().threading_mode(ThreadingMode::Shared);
    context.interceptors.incoming = Some("delay".into());
    context.interceptors.delay_args = Some("delay=500ms".into());
    let driver = EmbeddedDriver::launch_with(context).unwrap();
    let back = free_channel();
    let channels = ["ping", "--channel", "aeron:ipc", "--pong-channel", &back];
    let few = ["--messages", "2", "--warmup", "0", "--format", "json"];
    let ended = run(driver.directory(), &[channels.as_slice(), &few].concat());
    check_measurement(ended, 2, 32, "aeron:ipc");
}

#[test]
fn people_get_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(
        directory.path(),
        &[
            "ping",
            "--embedded",
            "always",
            "--channel",
            &free_channel(),
            "--pong-channel",
            &free_channel(),
            "--messages",
            "100",
            "--warmup",
            "0",
        ],
    )
    .expect_code(0);
    for start in ["100 messages of 32 B, ", "round trip (us)      p50", "epona  ", "bare UDP socket  "] {
        assert!(ended.stdout.iter().any(|line| line.starts_with(start)), "{start:?} in {ended:?}");
    }
}

#[test]
fn messages_of_many_fragments_come_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let channel = free_channel();
    let ended = run(
        directory.path(),
        &[
            "ping",
            "--embedded",
            "always",
            "--channel",
            &channel,
            "--pong-channel",
            &free_channel(),
            "--messages",
            "50",
            "--warmup",
            "5",
            "--length",
            "100000",
            "--format",
            "json",
        ],
    );
    check_measurement(ended, 50, 100_000, &channel);
}

#[test]
fn a_rate_is_kept_and_the_distribution_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let (channel, file) = (free_channel(), directory.path().join("ping.hgrm"));
    let ended = run(
        directory.path(),
        &[
            "ping",
            "--embedded",
            "always",
            "--channel",
            &channel,
            "--pong-channel",
            &free_channel(),
            "--messages",
            "400",
            "--warmup",
            "20",
            "--rate",
            "2000",
            "--histogram",
            file.to_str().unwrap(),
            "--format",
            "json",
        ],
    );
    let json: serde_json::Value = serde_json::from_str(&ended.stdout[0]).unwrap();
    // The last message is due 399 intervals after the first, so it can only take longer.
    assert!(json["messages_per_second"].as_f64().unwrap() <= 400.0 / 399.0 * 2000.0, "{json}");
    check_measurement(ended, 400, 32, &channel);
    let text = fs::read_to_string(file).unwrap();
    assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"), "{text}");
    assert!(text.contains("Total count    =          400]"), "{text}");
}

#[test]
fn ipc_stays_within_one_embedded_driver() {
    let directory = tempfile::tempdir().unwrap();
    let ended = run(
        directory.path(),
        &[
            "ping",
            "--channel",
            "aeron:ipc",
            "--pong-channel",
            "aeron:ipc",
            "--messages",
            "300",
            "--warmup",
            "50",
            "--format",
            "json",
        ],
    );
    check_measurement(ended, 300, 32, "aeron:ipc");
}

#[test]
fn a_driver_that_runs_is_used() {
    let driver = EmbeddedDriver::launch().unwrap();
    for channel in [free_channel(), String::from("aeron:ipc")] {
        let back = if channel == "aeron:ipc" { channel.clone() } else { free_channel() };
        let ended = run(
            driver.directory(),
            &[
                "ping",
                "--channel",
                &channel,
                "--pong-channel",
                &back,
                "--messages",
                "100",
                "--warmup",
                "10",
                "--format",
                "json",
            ],
        );
        assert!(!ended.stderr.iter().any(|line| line.contains("No media driver")), "{ended:?}");
        check_measurement(ended, 100, 32, &channel);
    }
}

#[test]
fn a_pong_in_another_process_answers_ping_after_ping() {
    let driver = EmbeddedDriver::launch().unwrap();
    for (channel, back) in
        [(free_channel(), free_channel()), (String::from("aeron:ipc"), String::from("aeron:ipc"))]
    {
        let both = ["--embedded", "never", "--channel", &channel, "--pong-channel", &back];
        let mut pong = Epona::start(driver.directory(), &[["pong"].as_slice(), &both].concat());
        pong.await_note("Sending back");
        for length in ["16", "5000"] {
            let few = ["--messages", "100", "--warmup", "10", "--format", "json", "--length", length];
            let ended = run(driver.directory(), &[["ping"].as_slice(), &both, &few].concat());
            check_measurement(ended, 100, length.parse().unwrap(), &channel);
        }
        pong.interrupt();
        pong.end().expect_code(0);
    }
}

#[test]
fn a_pong_with_a_driver_of_its_own_is_found_by_its_port() {
    let directory = tempfile::tempdir().unwrap();
    let (channel, back) = (free_channel(), free_channel());
    let both = ["--channel", &channel, "--pong-channel", &back];
    let mut pong = Epona::start(directory.path(), &[["pong"].as_slice(), &both].concat());
    pong.await_note("Sending back");
    let few = ["--messages", "100", "--warmup", "10", "--format", "json"];
    let ended = run(directory.path(), &[["ping"].as_slice(), &both, &few].concat());
    assert!(ended.stderr.iter().any(|line| line.contains("starting one inside")), "{ended:?}");
    check_measurement(ended, 100, 32, &channel);
    pong.interrupt();
    pong.end().expect_code(0);
}

#[test]
fn ctrl_c_ends_a_measurement_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut ping = Epona::start(
        directory.path(),
        &[
            "ping",
            "--channel",
            &free_channel(),
            "--pong-channel",
            &free_channel(),
            "--messages",
            "1000000000000",
            "--warmup",
            "1",
        ],
    );
    ping.await_note("warm-up");
    ping.interrupt();
    let ended = ping.end().expect_code(130);
    assert!(ended.stdout.is_empty(), "{ended:?}");
}

#[test]
fn ctrl_c_ends_the_wait_for_a_pong() {
    let driver = EmbeddedDriver::launch().unwrap();
    let mut ping = Epona::start(
        driver.directory(),
        &["ping", "--embedded", "never", "--channel", &free_channel(), "--pong-channel", &free_channel()],
    );
    ping.await_note("Waiting for `epona pong`");
    ping.interrupt();
    ping.end().expect_code(130);
}

#[test]
fn a_plot_is_drawn_beside_the_bare_socket() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ping.svg");
    let args = [
        "ping",
        "--channel",
        "aeron:ipc",
        "--pong-channel",
        "aeron:ipc",
        "--messages",
        "200",
        "--warmup",
        "10",
    ];
    run(directory.path(), &[&args[..], &["--plot", file.to_str().unwrap()]].concat()).expect_code(0);
    let svg = fs::read_to_string(&file).unwrap();
    for part in ["<svg ", "32 B over aeron:ipc", "bare UDP socket", "</svg>"] {
        assert!(svg.contains(part), "{part} in {svg:.500}");
    }
    let ended = run(directory.path(), &["ping", "--plot", "/nowhere/at/all.svg"]).expect_code(1);
    assert!(
        ended.stderr.len() == 1 && ended.stderr[0].contains("cannot write the plot to /nowhere/at/all.svg"),
        "{ended:?}"
    );
}

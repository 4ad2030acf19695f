//! What a driver logs of its events, where, and that it makes no difference otherwise.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    process::{Driver, until, workspace},
    traffic::{exchange, free_port},
};

fn udp(parameters: &str) -> String {
    format!("aeron:udp?endpoint=127.0.0.1:{}{parameters}", free_port())
}

/// Sends messages through a driver with these settings and ends it; its log, without the first line.
fn logged(workspace: &TempDir, settings: &[&str], channel: &str) -> Vec<String> {
    let file = workspace.path().join("events.log");
    let to_file = format!("-Daeron.event.log.filename={}", file.display());
    let driver = Driver::start(workspace, &[settings, &[&to_file]].concat());
    let aeron = driver.connect();
    let mut subscription = aeron.add_subscription(channel, 7).unwrap();
    let publication = aeron.add_publication(channel, 7).unwrap();
    exchange(&publication, &mut subscription, 100);
    drop((publication, subscription));
    aeron.close();
    driver.end_healthy();
    lines(&file)
}

fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let first = lines.remove(0);
    assert!(first.contains("] log started 20") && first.ends_with('}'), "{first}");
    for line in &lines {
        assert!(line.starts_with('[') && line.contains("] DRIVER: ") && text.ends_with('\n'), "{line}");
    }
    lines
}

#[track_caller]
fn assert_logged(lines: &[String], event: &str, text: &str) {
    let found = lines.iter().any(|line| line.contains(&format!(" DRIVER: {event} [")) && line.contains(text));
    assert!(found, "no {event} with {text} in\n{}", lines.join("\n"));
}

#[test]
fn the_life_of_a_stream_is_logged_from_command_to_command() {
    let workspace = workspace();
    let channel = udp("");
    let lines = logged(&workspace, &["-Daeron.event.log=all", "--threading-mode=DEDICATED"], &channel);
    let named = format!("channel={channel}");
    for (event, text) in [
        ("CMD_IN_ADD_SUBSCRIPTION", named.as_str()),
        ("CMD_OUT_SUBSCRIPTION_READY", "channelStatusCounterId="),
        ("RECEIVE_CHANNEL_CREATION", "remoteData: 127.0.0.1:"),
        ("CMD_IN_ADD_PUBLICATION", &named),
        ("NAME_RESOLUTION_LOOKUP", "isReLookup=false resolvedName=127.0.0.1:"),
        ("SEND_CHANNEL_CREATION", "remoteData: 127.0.0.1:"),
        ("CMD_OUT_PUBLICATION_READY", "logFileName="),
        ("CMD_OUT_COUNTER_READY", "counterId="),
        ("FRAME_OUT", "type=SETUP"),
        ("FRAME_IN", "type=SETUP"),
        ("CMD_OUT_AVAILABLE_IMAGE", "sourceIdentity=127.0.0.1:"),
        ("FRAME_OUT", "type=SM"),
        ("FRAME_IN", "receiverWindowLength="),
        ("FRAME_OUT", "type=DATA"),
        ("FRAME_IN", "type=DATA"),
        ("CMD_IN_CLIENT_CLOSE", "clientId="),
    ] {
        assert_logged(&lines, event, text);
    }
    assert!(!lines.iter().any(|line| line.contains("were lost")));
}

#[test]
fn events_are_selected_and_left_out_by_name() {
    let workspace = workspace();
    let settings =
        ["-Daeron.event.log=admin,FRAME_OUT", "-Daeron.event.log.disable=CMD_IN_ADD_SUBSCRIPTION,1"];
    let lines = logged(&workspace, &settings, &udp(""));
    assert_logged(&lines, "CMD_IN_ADD_PUBLICATION", "streamId=7");
    assert_logged(&lines, "FRAME_OUT", "type=DATA");
    for left_out in ["CMD_IN_ADD_SUBSCRIPTION", "FRAME_IN"] {
        assert!(!lines.iter().any(|line| line.contains(&format!(" {left_out} ["))), "{left_out}");
    }
}

/// DRV-17
#[test]
fn datagrams_larger_than_a_record_of_the_log_do_no_harm() {
    let workspace = workspace();
    let lines = logged(&workspace, &["-Daeron.event.log=all"], &udp("|mtu=65504|term-length=1m"));
    assert_logged(&lines, "FRAME_OUT", "type=DATA");
}

#[test]
fn loss_is_logged_as_naks_and_what_is_sent_again() {
    let workspace = workspace();
    let settings = [
        "-Daeron.event.log=NAK_SENT,NAK_RECEIVED,RESEND",
        "-Daeron.udp.channel.incoming.interceptors=loss",
        "-Daeron.udp.channel.transport.bindings.loss.args=rate=0.2|seed=7|recv-msg-mask=0x2",
    ];
    let channel = udp("");
    let lines = logged(&workspace, &settings, &channel);
    let named = format!("channel={channel}");
    for event in ["NAK_SENT", "NAK_RECEIVED", "RESEND"] {
        assert_logged(&lines, event, &named);
    }
}

#[test]
fn a_subscription_that_falls_behind_is_logged() {
    let workspace = workspace();
    let file = workspace.path().join("events.log");
    let to_file = format!("-Daeron.event.log.filename={}", file.display());
    let settings = [
        "-Daeron.event.log=admin",
        "-Daeron.untethered.window.limit.timeout=200ms",
        "-Daeron.untethered.linger.timeout=200ms",
        "-Daeron.untethered.resting.timeout=200ms",
        &to_file,
    ];
    let driver = Driver::start(&workspace, &settings);
    let aeron = driver.connect();
    let mut reader = aeron.add_subscription("aeron:ipc", 7).unwrap();
    let _slow = aeron.add_subscription("aeron:ipc?tether=false", 7).unwrap();
    let publication = aeron.add_publication("aeron:ipc", 7).unwrap();
    let logged = |event: &str, text: &str| {
        let lines = fs::read_to_string(&file).unwrap_or_default();
        lines.lines().any(|line| line.contains(event) && line.contains(text))
    };
    until("it falls behind", || {
        let _ = publication.offer(&[0; 4000]);
        reader.poll(|_, _| (), 10);
        logged("UNTETHERED_SUBSCRIPTION_STATE_CHANGE", "ACTIVE -> LINGER").then_some(())
    });
    until("it rests", || logged("UNTETHERED_SUBSCRIPTION_STATE_CHANGE", "LINGER -> RESTING").then_some(()));
}

#[test]
fn without_a_file_events_go_to_standard_output() {
    let workspace = workspace();
    let mut driver = Driver::start(&workspace, &["-Daeron.event.log=CMD_IN_ADD_SUBSCRIPTION"]);
    driver.connect().add_subscription("aeron:ipc", 1).unwrap();
    until("logged", || driver.stdout().contains("DRIVER: CMD_IN_ADD_SUBSCRIPTION [").then_some(()));
    driver.signal("TERM");
    assert_eq!(driver.wait().code(), Some(15));
    assert!(driver.stdout().contains("Shutting down driver...\n"));
}

#[test]
fn a_full_file_is_put_aside() {
    let workspace = workspace();
    let settings = ["-Daeron.event.log=all", "-Daeron.event.log.file.max.length=4k"];
    logged(&workspace, &settings, &udp(""));
    assert!(lines(&workspace.path().join("events.log.1")).len() > 10);
}

#[test]
fn an_unknown_event_is_told_and_a_file_that_cannot_be_opened_ends_the_start() {
    let first = workspace();
    let driver = Driver::start(&first, &["-Daeron.event.log=FRAME_IN,frame_out"]);
    driver.cnc();
    until("told", || {
        driver.stderr().contains("WARNING: aeron.event.log names no event 'frame_out'").then_some(())
    });
    let second = workspace();
    let text =
        Driver::start(&second, &["-Daeron.event.log=all", "-Daeron.event.log.filename=/nowhere/x"]).refusal();
    assert!(text.contains("/nowhere/x") && text.contains("aeron.event.log.filename"), "{text}");
}

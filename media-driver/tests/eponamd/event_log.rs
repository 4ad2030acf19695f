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

/// A driver that logs all but datagrams to a file, and a way to wait for what that says.
struct Logged {
    driver: Driver,
    file: std::path::PathBuf,
}

impl Logged {
    fn start(workspace: &TempDir, settings: &[&str]) -> Self {
        let file = workspace.path().join("events.log");
        let to_file = format!("-Daeron.event.log.filename={}", file.display());
        let driver = Driver::start(workspace, &[&["-Daeron.event.log=admin", &to_file], settings].concat());
        Self { driver, file }
    }

    #[track_caller]
    fn await_line(&self, event: &str, text: &str) -> String {
        until(&format!("{event} with {text}"), || {
            let lines = fs::read_to_string(&self.file).unwrap_or_default();
            let is_it = |line: &&str| line.contains(&format!(" DRIVER: {event} [")) && line.contains(text);
            lines.lines().find(is_it).map(str::to_owned)
        })
    }
}

#[test]
fn receivers_of_a_group_and_the_end_of_a_revoked_stream_are_logged() {
    let workspace = workspace();
    let logged = Logged::start(&workspace, &[]);
    let aeron = logged.driver.connect();
    let group = format!("aeron:udp?endpoint=224.20.30.51:{}|interface=127.0.0.1", free_port());
    let channel = format!("{group}|fc=min,t:1s");
    let mut subscription = aeron.add_subscription(&group, 7).unwrap();
    let mut publication = aeron.add_exclusive_publication(&channel, 7).unwrap();
    let session = format!("sessionId={} streamId=7 channel={channel}", publication.session_id());
    let line = logged.await_line("FLOW_CONTROL_RECEIVER_ADDED", &session);
    assert!(line.contains("]: receiverCount=1 receiverId="), "{line}");
    until("a message is taken", || publication.offer(b"read").ok());
    until("a message is read", || (subscription.poll(|_, _| (), 1) == 1).then_some(()));
    let position = publication.position().unwrap();
    publication.revoke();
    let text = format!("revokedPos={position} {session}");
    logged.await_line("PUBLICATION_REVOKE", &text);
    let image = session.replace(&channel, &group);
    logged.await_line("PUBLICATION_IMAGE_REVOKE", &format!("revokedPos={position} {image}"));

    let publication = aeron.add_exclusive_publication(&channel, 8).unwrap();
    let other = aeron.add_subscription(&group, 8).unwrap();
    let session = format!("sessionId={} streamId=8 channel={channel}", publication.session_id());
    logged.await_line("FLOW_CONTROL_RECEIVER_ADDED", &session);
    drop(other);
    let line = logged.await_line("FLOW_CONTROL_RECEIVER_REMOVED", &session);
    assert!(line.contains("]: receiverCount=0 receiverId="), "{line}");
}

#[test]
fn other_drivers_that_are_heard_of_and_forgotten_are_logged() {
    let (first, second) = (workspace(), workspace());
    let ports = [free_port(), free_port()];
    let settings = |name: &str, port: u16, neighbor: u16| {
        [
            "-Daeron.name.resolver.supplier=driver".to_owned(),
            format!("-Daeron.driver.resolver.name={name}"),
            format!("-Daeron.driver.resolver.interface=127.0.0.1:{port}"),
            format!("-Daeron.driver.resolver.bootstrap.neighbor=127.0.0.1:{neighbor}"),
            "-Daeron.driver.resolver.neighbor.timeout=3s".to_owned(),
        ]
    };
    let of_one = settings("one", ports[0], ports[1]);
    let logged = Logged::start(&first, &of_one.each_ref().map(String::as_str));
    let of_other = settings("other", ports[1], ports[0]);
    let other = Driver::start(&second, &of_other.each_ref().map(String::as_str));
    let address = format!("127.0.0.1:{}", ports[1]);
    logged.await_line("NAME_RESOLUTION_NEIGHBOR_ADDED", &address);
    drop(other);
    logged.await_line("NAME_RESOLUTION_NEIGHBOR_REMOVED", &address);
}

#[test]
fn a_subscription_that_falls_behind_is_logged() {
    let workspace = workspace();
    let logged = Logged::start(
        &workspace,
        &[
            "-Daeron.untethered.window.limit.timeout=200ms",
            "-Daeron.untethered.linger.timeout=200ms",
            "-Daeron.untethered.resting.timeout=200ms",
        ],
    );
    let aeron = logged.driver.connect();
    let mut reader = aeron.add_subscription("aeron:ipc", 7).unwrap();
    let _slow = aeron.add_subscription("aeron:ipc?tether=false", 7).unwrap();
    let publication = aeron.add_publication("aeron:ipc", 7).unwrap();
    until("it falls behind", || {
        let _ = publication.offer(&[0; 4000]);
        reader.poll(|_, _| (), 10);
        let lines = fs::read_to_string(&logged.file).unwrap_or_default();
        lines.contains("ACTIVE -> LINGER").then_some(())
    });
    logged.await_line("UNTETHERED_SUBSCRIPTION_STATE_CHANGE", "ACTIVE -> LINGER");
    logged.await_line("UNTETHERED_SUBSCRIPTION_STATE_CHANGE", "LINGER -> RESTING");
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

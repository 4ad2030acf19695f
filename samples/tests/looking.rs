//! Commands that look at a driver's directory: `stat`, `streams`, `backlog`, `errors`, `loss`, `driver`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use std::{fs, path::Path, thread};

use epona_client::{Aeron, Context, ExclusivePublication, OfferError, Subscription};
use epona_media_driver::{
    EmbeddedDriver, MediaDriver,
    config::{self, TerminationValidator, ThreadingMode},
};
use epona_protocol::{error_log::DistinctErrorLog, memory::AtomicView, types::EpochMillis};
use harness::{Epona, await_that, free_channel, run};
use serde_json::Value;

const LOOKING: [&str; 6] = ["stat", "streams", "backlog", "errors", "loss", "driver"];

/// A driver with one stream from a client named `source` to one named `risk`.
struct World {
    driver: EmbeddedDriver,
    publication: ExclusivePublication,
    subscription: Subscription,
    _clients: (Aeron, Aeron),
}

impl World {
    fn new(channel: &str) -> Self {
        let driver = EmbeddedDriver::launch().unwrap();
        let client = |name| Aeron::connect(Context::new().dir(driver.directory()).client_name(name)).unwrap();
        let (source, risk) = (client("source"), client("risk"));
        let subscription = risk.add_subscription(channel, 7).unwrap();
        let publication = source.add_exclusive_publication(channel, 7).unwrap();
        // Clients write their names with their first keepalive.
        let named = || {
            let counters = risk.counters_reader();
            counters.iter().filter(|counter| counter.label.contains(" name=")).count() == 2
        };
        await_that("a stream between two clients with names", || {
            publication.is_connected() && subscription.is_connected() && named()
        });
        Self { driver, publication, subscription, _clients: (source, risk) }
    }

    fn directory(&self) -> &Path {
        self.driver.directory()
    }

    /// Offers until back pressure holds on.
    fn fill(&mut self) {
        let mut refusals = 0;
        while refusals < 1_000 {
            match self.publication.offer(&[0; 1000]) {
                Ok(_) => refusals = 0,
                Err(OfferError::BackPressured | OfferError::AdminAction) => refusals += 1,
                Err(error) => panic!("{error}"),
            }
            thread::yield_now();
        }
    }

    fn json(&self, args: &[&str]) -> Value {
        let ended = run(self.directory(), &[args, &["--format", "json"]].concat()).expect_code(0);
        serde_json::from_str(&ended.stdout.join("")).unwrap()
    }

    fn text(&self, args: &[&str]) -> Vec<String> {
        run(self.directory(), args).expect_code(0).stdout
    }
}

#[test]
fn stat_prints_every_counter_as_aeron_stat_does() {
    let world = World::new("aeron:ipc");
    let lines = world.text(&["stat"]);
    let heading = format!(" - Aeron Stat (CnC v0.2.0), pid {}, heartbeat age ", std::process::id());
    assert!(lines[0].contains(&heading) && lines[0].ends_with("ms"), "{}", lines[0]);
    assert_eq!(lines[1], "=".repeat(70));
    assert!(lines[2].starts_with("    0: ") && lines[2].ends_with(" - Bytes sent"), "{}", lines[2]);
    assert_eq!(lines[2].find(" - "), Some(5 + 2 + 26), "ids have five places, values 26");
    assert_eq!(lines.last().unwrap(), "--");
    let position = format!("pub-pos (exclusive): {}", world.publication.registration_id());
    assert!(lines.iter().any(|line| line.contains(&position)), "{lines:#?}");
}

#[test]
fn stat_filters_by_type_identity_session_stream_and_channel() {
    let world = World::new("aeron:ipc");
    let ids = |args: &[&str]| -> Vec<i64> {
        let json = world.json(&[&["stat"], args].concat());
        json["counters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|counter| counter["type_id"].as_i64().unwrap())
            .collect()
    };
    assert!(ids(&[]).len() > 46);
    assert_eq!(ids(&["--type", "^0$"]), [0; 46]);
    assert_eq!(ids(&["--type", "^0$", "--identity", "^15$"]), [0]);
    let session = format!("^{}$", world.publication.session_id());
    assert_eq!(ids(&["--type", "^(1|4|12)$", "--session", &session]).len(), 3);
    assert_eq!(ids(&["--type", "^4$", "--stream", "^8$"]), [0; 0]);
    assert_eq!(ids(&["--type", "^4$", "--channel", "ipc", "--stream", "^7$"]), [4]);
    let refused = run(world.directory(), &["stat", "--type", "("]).expect_code(2);
    assert_eq!(refused.stderr.len(), 1, "{refused:?}");
}

#[test]
fn stat_prints_again_until_ctrl_c() {
    let world = World::new("aeron:ipc");
    let mut stat = Epona::start(world.directory(), &["stat", "--watch", "--delay", "10ms", "--type", "^0$"]);
    let mut headings = 0;
    while headings < 3 {
        headings += usize::from(stat.await_output().contains("Aeron Stat"));
    }
    stat.interrupt();
    stat.end().expect_code(0);
}

#[test]
fn streams_prints_a_line_of_positions_for_each_stream() {
    let world = World::new("aeron:ipc");
    let lines = world.text(&["streams"]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let (session, publication) = (world.publication.session_id(), world.publication.registration_id());
    let begin = format!("sessionId={session} streamId=7 channel=aeron:ipc : ");
    assert!(lines[0].starts_with(&begin), "{}", lines[0]);
    for position in [
        format!(" pub-pos (exclusive):{publication}:0"),
        format!(" pub-lmt:{publication}:"),
        format!(" sub-pos:{}:0", world.subscription.registration_id()),
    ] {
        assert!(lines[0].contains(&position), "{position} in {}", lines[0]);
    }
    let json = world.json(&["streams"]);
    assert_eq!(json[0]["stream_id"], 7);
    assert_eq!(json[0]["positions"].as_array().unwrap().len(), 3);
}

#[test]
fn backlog_names_the_subscriber_that_stands_still_over_ipc() {
    let mut world = World::new("aeron:ipc?term-length=64k");
    assert_eq!(world.json(&["backlog"])["publications"][0]["is_waiting"], false);
    world.fill();
    let text = world.text(&["backlog", "--waiting"]).join("\n");
    let subscriber = world.subscription.registration_id();
    let words =
        format!("=> publisher waits for subscriber {subscriber} of client 'risk', which has not moved");
    assert!(text.contains(&words), "{text}");
    assert!(text.contains("publisher") && text.contains("of client 'source'"), "{text}");
}

#[test]
fn backlog_tells_since_when_a_subscriber_stands_still_if_it_watched() {
    let mut world = World::new("aeron:ipc?term-length=64k");
    let mut backlog = Epona::start(world.directory(), &["backlog", "--watch", "--delay", "20ms"]);
    let is_of_subscriber = |line: &str| line.contains("of client 'risk', which has not moved since ");
    // Before it has anything to read it is not waited for; it moves once, and then never again.
    while backlog.await_output() != "  => nobody waits" {}
    world.fill();
    let mut line = backlog.await_output();
    while !is_of_subscriber(&line) {
        line = backlog.await_output();
    }
    assert!(line.ends_with(" or before"), "it was never seen to move: {line}");
    await_that("a message", || world.subscription.poll(|_, _| {}, 1) == 1);
    while !is_of_subscriber(&line) || line.ends_with(" or before") {
        line = backlog.await_output();
        if line.contains("nobody waits") {
            world.fill();
        }
    }
    backlog.interrupt();
    backlog.end().expect_code(0);
}

#[test]
fn backlog_tells_the_chain_from_publisher_to_subscriber_over_udp() {
    let channel = free_channel();
    let mut world = World::new(&format!("{channel}|term-length=64k"));
    let endpoint = channel.split('=').nth(1).unwrap();
    let subscriber = world.subscription.registration_id();
    let words = [
        "=> publisher waits for the sender".to_owned(),
        format!("=> sender waits for the receiver at {endpoint}: its window is full"),
        format!("=> receiver waits for subscriber {subscriber} of client 'risk', which has not moved"),
    ];
    await_that("chain of three who wait", || {
        // The driver moves the limit between two offers: what is full now may take more a moment later.
        world.fill();
        let text = world.text(&["backlog"]).join("\n");
        words.iter().all(|words| text.contains(words)) && text.contains("  last status message ")
    });
    let json = world.json(&["backlog"]);
    let age = json["publications"][0]["sender"]["status_message_age_ms"].as_u64();
    assert!(age.is_some_and(|age| age < 60_000), "receivers report every 200 ms: {json}");
    assert_eq!(json["publications"][0]["sender"]["pacemaker"], endpoint);
}

#[test]
fn backlog_says_that_there_is_no_receiver_and_not_that_the_sender_is_slow() {
    let driver = EmbeddedDriver::launch().unwrap();
    let aeron = Aeron::connect(Context::new().dir(driver.directory())).unwrap();
    let _publication = aeron.add_publication(&free_channel(), 7).unwrap();
    let text = run(driver.directory(), &["backlog"]).expect_code(0).stdout.join("\n");
    assert!(text.contains("=> publisher waits for a receiver: there is none"), "{text}");
    assert!(!text.contains("waits for the sender") && !text.contains("sender waits"), "{text}");
}

#[test]
fn errors_prints_each_distinct_error_once() {
    let world = World::new("aeron:ipc");
    assert_eq!(world.text(&["errors"]), ["", "0 distinct errors observed."]);
    let aeron = Aeron::connect(Context::new().dir(world.directory())).unwrap();
    for _ in 0..2 {
        aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:99999", 1).unwrap_err();
    }
    let lines = world.text(&["errors"]);
    assert!(lines[0] == "***" && lines[1].starts_with("2 observations from 2"), "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "1 distinct errors observed.");
    assert!(world.json(&["errors"])[0]["text"].as_str().unwrap().contains("99999"));
}

#[test]
fn loss_prints_a_heading_and_the_count() {
    let world = World::new("aeron:ipc");
    let lines = world.text(&["loss"]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].starts_with("OBSERVATION_COUNT, TOTAL_BYTES_LOST, "), "{}", lines[0]);
    assert_eq!(lines[1], "0 entries read");
    assert_eq!(world.json(&["loss"]), Value::Array(Vec::new()));
}

#[test]
fn driver_tells_pid_versions_activity_and_clients() {
    let world = World::new("aeron:ipc");
    assert_eq!(world.text(&["driver", "--pid"]), [std::process::id().to_string()]);
    let lines = world.text(&["driver"]);
    assert_eq!(lines[0], format!("Command 'n Control cnc_file: {}/cnc.dat", world.directory().display()));
    assert_eq!(lines[1], format!("Version: 512, PID: {}", std::process::id()));
    assert!(lines[2].contains(" (start: ") && lines[2].contains(", activity: "), "{}", lines[2]);
    let json = world.json(&["driver"]);
    assert_eq!((&json["is_active"], &json["cnc_version"]), (&Value::Bool(true), &"0.2.0".into()));
    let clients = json["clients"].as_array().unwrap();
    let mut names: Vec<_> = clients.iter().map(|client| client["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["risk", "source"]);
    assert_eq!(json["configuration"]["threading"], "SHARED");
}

#[test]
fn a_driver_that_refuses_to_end_goes_on_and_its_setting_is_named() {
    let world = World::new("aeron:ipc");
    let ended = run(world.directory(), &["driver", "--terminate"]).expect_code(1);
    assert!(ended.stderr[0].contains("aeron.driver.termination.validator"), "{ended:?}");
    assert_eq!(world.json(&["driver"])["is_active"], true);
}

#[test]
fn a_driver_that_allows_it_is_ended_and_its_end_awaited() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("driver");
    let mut context = config::Context::default().dir(&path).threading_mode(ThreadingMode::Shared);
    context.threads.termination_validator = TerminationValidator::Allow;
    let driver = MediaDriver::launch(context).unwrap();
    let ending = thread::spawn(move || {
        await_that("request to end", || driver.is_termination_requested());
        driver.close().unwrap();
    });
    let ended = run(&path, &["driver", "--terminate", "--token", "secret"]).expect_code(0);
    assert_eq!(ended.stderr, [format!("The media driver (pid {}) has ended.", std::process::id())]);
    ending.join().unwrap();
    let ended = run(&path, &["driver", "--terminate"]).expect_code(1);
    assert!(ended.stderr[0].contains("no media driver is running"), "{ended:?}");
    for command in ["driver", "streams"] {
        let ended = run(&path, &[command]);
        assert!(ended.stderr[0].contains("is not running: it was shut down"), "{command}: {ended:?}");
    }
    // The heartbeat of a driver that was shut down is -1, which is no time.
    let stdout = |args: &[&str]| run(&path, args).stdout.join("\n");
    let json = |args: &[&str]| serde_json::from_str::<Value>(&stdout(args)).unwrap();
    let facts = json(&["driver", "--format", "json"]);
    for fact in ["activity_ms", "activity_age_ms", "uptime_ms"] {
        assert_eq!(facts[fact], Value::Null, "{fact}");
    }
    assert_eq!(json(&["stat", "--format", "json"])["heartbeat_age_ms"], Value::Null);
    assert!(stdout(&["stat"]).lines().next().unwrap().ends_with(", no heartbeat"));
    assert!(stdout(&["driver"]).contains(", activity: none)"));
}

#[test]
fn errors_of_a_file_are_read_from_where_the_log_starts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive-error.log");
    let view = AtomicView::allocate(4096);
    let mut log = DistinctErrorLog::new(view.clone());
    for (code, text) in [(1, "disk is full"), (2, "catalog\u{1b}[2J is corrupt"), (1, "disk is full")] {
        let _ = log.record(code, text, EpochMillis::new(1_700_000_000_000));
    }
    let bytes = view.to_vec(0, view.len());
    for (before, after) in [(0, 0), (64, 0), (128, 5)] {
        fs::write(&path, [&vec![0; before], bytes.as_slice(), &vec![0; after]].concat()).unwrap();
        let offset = before.to_string();
        let args = ["errors", "--file", path.to_str().unwrap(), "--offset", &offset];
        let lines = run(directory.path(), &args).expect_code(0).stdout;
        assert!(lines[1].starts_with("2 observations from "), "{lines:#?}");
        assert_eq!(
            (lines[2].as_str(), lines[5].as_str()),
            (" disk is full", " catalog\u{FFFD}[2J is corrupt")
        );
        assert_eq!(lines.last().unwrap(), "2 distinct errors observed.");
    }
    let length = fs::metadata(&path).unwrap().len();
    let letter = directory.path().join("letter");
    fs::write(&letter, "Dear Sir or Madam, this is no error log.").unwrap();
    for (file, offset, part) in [
        (&path, "4", "multiples of 8"),
        (&path, "1000000", "change --offset"),
        (&letter, "0", "there is no record"),
        (&directory.path().join("none"), "0", "cannot read"),
        (&directory.path().to_owned(), "0", "cannot read"),
    ] {
        let args = ["errors", "--file", file.to_str().unwrap(), "--offset", offset];
        let ended = run(directory.path(), &args).expect_code(1);
        assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 1), "{ended:?}");
        assert!(ended.stderr[0].contains(part), "{part} in {ended:?} of {length}");
    }
}

#[test]
fn what_a_dead_driver_left_can_still_be_looked_at() {
    let world = World::new("aeron:ipc");
    let copy = tempfile::tempdir().unwrap();
    for file in ["cnc.dat", "loss-report.dat"] {
        fs::copy(world.directory().join(file), copy.path().join(file)).unwrap();
    }
    drop(world);
    // A heartbeat long ago: the ring buffer's trailer ends with it. Source: shared-memory spec 3.1.
    let file = copy.path().join("cnc.dat");
    let mut bytes = fs::read(&file).unwrap();
    let to_driver = i32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let heartbeat = 128 + to_driver - 768 + 640;
    bytes[heartbeat..heartbeat + 8].copy_from_slice(&1000_i64.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    for command in LOOKING {
        let ended = run(copy.path(), &[command]).expect_code(i32::from(command == "driver"));
        assert!(!ended.stdout.is_empty(), "{command}: {ended:?}");
        assert!(ended.stderr[0].contains("is not running"), "{command}: {ended:?}");
    }
}

#[test]
fn a_directory_that_is_none_gets_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cnc.dat");
    let told = |command: &str| {
        let ended = run(directory.path(), &[command]).expect_code(1);
        assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 1), "{command}: {ended:?}");
        ended.stderr[0].clone()
    };
    for command in LOOKING {
        let missing = told(command);
        assert!(missing.contains("no media driver at ") && missing.contains("--dir"), "{missing}");
    }
    let mut other_version = vec![0; 8192];
    other_version[2] = 9;
    let contents: [(&[u8], &str); 4] = [
        (b"", "0 bytes"),
        (&[0; 64], "64 bytes"),
        (&[0x55; 4096], "version"),
        (&other_version, "version 9.0.0"),
    ];
    for (bytes, part) in contents {
        fs::write(&file, bytes).unwrap();
        for command in LOOKING {
            let answer = told(command);
            assert!(answer.contains(part), "{command}: {part} in {answer}");
        }
    }
}

#[test]
fn garbage_in_counters_and_logs_neither_ends_nor_hangs_a_command() {
    let world = World::new("aeron:ipc");
    let copy = tempfile::tempdir().unwrap();
    for file in ["cnc.dat", "loss-report.dat"] {
        let mut bytes = fs::read(world.directory().join(file)).unwrap();
        let start = if file == "cnc.dat" { 4096 } else { 0 };
        for (index, byte) in bytes.iter_mut().enumerate().skip(start) {
            *byte = (index.wrapping_mul(2_654_435_761) >> 13) as u8 | 1;
        }
        fs::write(copy.path().join(file), bytes).unwrap();
    }
    for command in LOOKING {
        let ended = run(copy.path(), &[command]);
        assert!(matches!(ended.code, Some(0 | 1)), "{command}: {:?} {:?}", ended.code, ended.stderr);
    }
}

//! `epona log`: log buffers of live drivers, of Aeron's driver, and hostile ones.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod harness;

use std::{
    fs,
    path::{Path, PathBuf},
};

use epona_media_driver::EmbeddedDriver;
use epona_protocol::{
    frame::{DataFlags, DataHeader},
    logbuffer::{LogBuffers, LogKind, LogParameters, insert},
    memory::Allocation,
    types::{Mtu, RegistrationId, SessionId, StreamId, TermId, TermLength, TermOffset},
};
use harness::{Ended, await_that, free_channel, run};
use serde_json::Value;

const TERM: usize = 64 * 1024;

/// A log of 64 KiB terms of session 3, stream 7, initial term id 5, with frames at places of its first terms.
fn log_of(path: &Path, frames: &[(i32, i32, &[u8])]) {
    let length = TermLength::new(TERM as i64).unwrap();
    let mut parameters =
        LogParameters::new(LogKind::Image, RegistrationId::new(9), Mtu::new(1408).unwrap(), length);
    parameters.initial_term_id = TermId::new(5);
    (parameters.session_id, parameters.stream_id) = (SessionId::new(3), StreamId::new(7));
    let log = LogBuffers::create(path, &parameters, Allocation::Full).unwrap();
    for (count, offset, payload) in frames {
        let header = DataHeader {
            frame_length: 32 + payload.len() as i32,
            flags: DataFlags::UNFRAGMENTED,
            is_padding: false,
            term_offset: TermOffset::new(*offset),
            session_id: parameters.session_id,
            stream_id: parameters.stream_id,
            term_id: TermId::new(5 + count),
            reserved_value: 0,
        };
        let mut packet = vec![0; 32 + payload.len().next_multiple_of(32)];
        header.emit(&mut packet);
        packet[32..32 + payload.len()].copy_from_slice(payload);
        assert!(insert(log.term(*count as usize % 3), header.term_offset, &packet));
    }
}

fn log(path: &Path, args: &[&str]) -> Ended {
    run(path.parent().unwrap(), &[&["log", path.to_str().unwrap()], args].concat())
}

fn json(path: &Path, args: &[&str]) -> Value {
    let ended = log(path, &[args, &["--format", "json"]].concat()).expect_code(0);
    serde_json::from_str(&ended.stdout.join("")).unwrap()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("9.logbuffer");
    (directory, path)
}

#[test]
fn messages_of_a_live_stream_are_found_by_registration_id_on_both_sides() {
    let driver = EmbeddedDriver::launch().unwrap();
    let context = epona_client::Context::new().dir(driver.directory());
    let aeron = epona_client::Aeron::connect(context).unwrap();
    let channel = free_channel();
    let mut subscription = aeron.add_subscription(&channel, 7).unwrap();
    let mut publication = aeron.add_exclusive_publication(&channel, 7).unwrap();
    await_that("a connection", || publication.is_connected() && subscription.is_connected());
    for message in ["first", "second \u{1b}[31m"] {
        publication.offer(message.as_bytes()).unwrap();
    }
    let mut received = 0;
    await_that("two messages", || {
        received += subscription.poll(|_, _| {}, 10);
        received == 2
    });
    let image = subscription.images()[0].correlation_id().get();
    for (id, kind) in [(publication.registration_id().get(), "exclusive publication"), (image, "image")] {
        let id = id.to_string();
        let text = run(driver.directory(), &["log", &id, "--dump", "text"]).expect_code(0).stdout;
        assert!(text.iter().any(|line| *line == format!("{:<22}{kind}", "kind")), "{text:#?}");
        assert!(text.iter().any(|line| line.trim() == "first"), "{text:#?}");
        assert!(text.iter().any(|line| line.trim() == "second \u{FFFD}[31m"), "{text:#?}");
        let ended = run(driver.directory(), &["log", &id, "--format", "json", "--bytes", "2"]).expect_code(0);
        let json: Value = serde_json::from_str(&ended.stdout.join("")).unwrap();
        assert_eq!(json["metadata"]["stream_id"], 7);
        let frames = json["items"].as_array().unwrap();
        assert_eq!(frames.len(), 2, "{json}");
        assert_eq!((&frames[1]["position"], &frames[1]["payload"]), (&64.into(), &"7365".into()));
    }
}

#[test]
fn gaps_are_told_and_terms_come_in_the_order_of_positions() {
    let (_directory, path) = place();
    // The fourth term lies where the first was.
    log_of(&path, &[(1, 0, b"b"), (1, 192, b"after the gap"), (2, 64, b"joined late"), (3, 0, b"again")]);
    let items = json(&path, &["--dump", "text"])["items"].clone();
    let seen: Vec<_> = items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (item["kind"].as_str().unwrap(), item["position"].as_u64().unwrap(), item["length"].as_u64())
        })
        .collect();
    let term = TERM as u64;
    assert_eq!(
        seen,
        [
            ("frame", term, None),
            ("gap", term + 64, Some(128)),
            ("frame", term + 192, None),
            ("gap", 2 * term, Some(64)),
            ("frame", 2 * term + 64, None),
            ("frame", 3 * term, None),
        ]
    );
    let text = log(&path, &["--from", &(2 * term).to_string(), "--frames", "2"]).expect_code(0).stdout;
    assert!(text.iter().any(|line| line.ends_with("gap of 64 bytes")), "{text:#?}");
    let more = format!("... more from position {0} on: --from {0}, or raise --frames", 3 * term);
    assert_eq!(*text.last().unwrap(), more);
}

#[test]
fn nothing_but_metadata_is_printed_when_no_frames_are_wanted_or_there() {
    let (_directory, path) = place();
    log_of(&path, &[]);
    assert_eq!(log(&path, &[]).expect_code(0).stdout.last().unwrap(), "no frames from position 0 on");
    assert_eq!(json(&path, &["--frames", "0"])["items"], Value::Array(Vec::new()));
}

#[test]
fn a_frame_length_that_cannot_be_ends_its_term() {
    for length in [-64_i32, 1, 31, TERM as i32 + 1, i32::MAX] {
        let (_directory, path) = place();
        log_of(&path, &[(0, 0, b"good"), (1, 0, b"next term")]);
        let mut bytes = fs::read(&path).unwrap();
        bytes[64..68].copy_from_slice(&length.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        let items = json(&path, &[])["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 3, "{items}");
        assert_eq!((&items[1]["kind"], &items[1]["frame_length"]), (&"broken".into(), &length.into()));
        assert_eq!(items[2]["position"], TERM);
    }
}

#[test]
fn what_is_no_log_buffer_gets_one_clear_line() {
    let (directory, path) = place();
    let refused = |part: &str| {
        let ended = log(&path, &[]).expect_code(1);
        assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 1), "{ended:?}");
        assert!(ended.stderr[0].contains(part), "{part} in {ended:?}");
    };
    refused("cannot read");
    fs::create_dir(&path).unwrap();
    refused("not a file");
    fs::remove_dir(&path).unwrap();
    for (length, part) in [(0, "0 bytes"), (4096, "needs at least 200704"), (200_704, "term length 0")] {
        fs::write(&path, vec![0; length]).unwrap();
        refused(part);
    }
    log_of(&directory.path().join("whole"), &[]);
    let mut bytes = fs::read(directory.path().join("whole")).unwrap();
    // The same metadata, with a term length of 1 GiB that the file does not have.
    let term_length = bytes.windows(4).rposition(|four| four == (TERM as u32).to_le_bytes()).unwrap();
    bytes[term_length..term_length + 4].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    fs::write(&path, bytes).unwrap();
    refused("needs at least");
    let ended = run(directory.path(), &["log", "77"]).expect_code(1);
    assert!(ended.stderr[0].contains("no log buffer of registration id 77"), "{ended:?}");
}

#[test]
fn garbage_in_a_log_buffer_neither_ends_nor_hangs_it() {
    let (_directory, path) = place();
    log_of(&path, &[(0, 0, b"good")]);
    let whole = fs::read(&path).unwrap();
    for seed in 0..8_u64 {
        let mut bytes = whole.clone();
        // Terms in whole, of metadata all but the term length and what else is checked.
        let metadata = bytes.len() - 4096;
        for (index, byte) in bytes.iter_mut().enumerate() {
            if index < 3 * TERM || index < metadata + 32 {
                *byte = ((index as u64 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8;
            }
        }
        fs::write(&path, bytes).unwrap();
        for format in ["text", "json"] {
            log(&path, &["--format", format, "--frames", "1000000", "--bytes", "1000000"]).expect_code(0);
        }
    }
}

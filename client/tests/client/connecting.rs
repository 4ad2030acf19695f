use std::{path::Path, time::Duration};

use epona_client::{Aeron, ClientError, Context, EpochMillis, Nanos, Now};
use epona_protocol::cnc::CNC_FILE;

use crate::fake_driver::FakeDriver;

fn at(millis: i64) -> Now {
    Now { nanos: Nanos::new(millis * 1_000_000), epoch: EpochMillis::new(1_700_000_000_000 + millis) }
}

fn context(directory: &Path) -> Context {
    Context::new().dir(directory).use_invoker().driver_timeout(Duration::from_secs(10))
}

/// Polls until the deadline and returns what it was given up with.
fn give_up(context: Context) -> ClientError {
    let mut connecting = Aeron::connecting(context);
    for millis in (0..10_000).step_by(50) {
        assert!(connecting.poll(at(millis)).unwrap().is_none(), "gave up or connected after {millis} ms");
    }
    connecting.poll(at(10_000)).unwrap_err()
}

#[test]
fn a_missing_driver_is_waited_for_and_then_explained() {
    let directory = tempfile::tempdir().unwrap();
    let error = give_up(context(directory.path()));
    assert!(matches!(error, ClientError::NoDriver { .. }), "{error}");
    assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_file_without_a_version_is_waited_for_and_then_explained() {
    let driver = FakeDriver::not_published();
    let error = give_up(driver.context());
    assert!(matches!(error, ClientError::DriverNotReady { .. }), "{error}");
}

#[test]
fn an_empty_file_counts_as_a_driver_that_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(CNC_FILE), b"").unwrap();
    let error = give_up(context(directory.path()));
    assert!(matches!(error, ClientError::DriverNotReady { .. }), "{error}");
}

#[test]
fn a_driver_that_finishes_while_it_is_waited_for_is_connected_to() {
    let driver = FakeDriver::not_published();
    let mut connecting = Aeron::connecting(driver.context());
    assert!(connecting.poll(at(0)).unwrap().is_none());
    driver.cnc.publish();
    assert!(connecting.poll(at(20)).unwrap().is_none(), "no heartbeat yet");
    driver.commands.set_heartbeat(at(30).epoch);
    let aeron = connecting.poll(at(40)).unwrap().unwrap();
    assert!(!aeron.is_closed());
    assert!(aeron.client_id().get() >= 1, "id 0 is never given to a client");
    assert!(matches!(connecting.poll(at(50)), Err(ClientError::Closed { .. })), "nothing more to poll");
}

#[test]
fn a_driver_that_stopped_is_told_from_one_that_went_silent() {
    let driver = FakeDriver::new();
    driver.commands.set_heartbeat(EpochMillis::new(-1));
    let error = give_up(driver.context());
    assert!(matches!(error, ClientError::DriverInactive { .. }), "{error}");
    assert!(error.to_string().contains("shut down"), "{error}");

    let driver = FakeDriver::new();
    driver.commands.set_heartbeat(EpochMillis::new(at(0).epoch.get() - 10_001));
    let error = give_up(driver.context());
    assert!(error.to_string().contains("20001 ms ago"), "{error}");
}

#[test]
fn a_new_driver_that_replaces_a_dead_ones_file_is_found() {
    let dead = FakeDriver::new();
    dead.commands.set_heartbeat(EpochMillis::new(-1));
    let mut connecting = Aeron::connecting(dead.context());
    assert!(connecting.poll(at(0)).unwrap().is_none());

    let alive = FakeDriver::new();
    std::fs::rename(alive.directory.path().join(CNC_FILE), dead.directory.path().join(CNC_FILE)).unwrap();
    assert!(connecting.poll(at(10)).unwrap().is_none(), "a stale file is not looked at again at once");
    assert!(connecting.poll(at(200)).unwrap().is_some());
}

#[test]
fn another_major_version_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = vec![0_u8; 8192];
    file[..4].copy_from_slice(&0x0001_0000_i32.to_le_bytes());
    std::fs::write(directory.path().join(CNC_FILE), file).unwrap();
    let error = Aeron::connecting(context(directory.path())).poll(at(0)).unwrap_err();
    assert!(matches!(error, ClientError::IncompatibleDriver { .. }), "{error}");
    assert!(error.to_string().contains("1.0.0") && error.to_string().contains("0.2.0"), "{error}");
}

#[test]
fn a_file_shorter_than_its_sections_is_not_ready() {
    let driver = FakeDriver::new();
    let path = driver.directory.path().join(CNC_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(4096);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(CNC_FILE), bytes).unwrap();
    assert!(matches!(give_up(context(directory.path())), ClientError::DriverNotReady { .. }));
}

#[test]
fn a_keepalive_interval_longer_than_the_drivers_patience_is_refused() {
    let driver = FakeDriver::new();
    let error = driver.connect(driver.context().keepalive_interval(Duration::from_secs(10))).unwrap_err();
    assert!(matches!(error, ClientError::Configuration(_)), "{error}");
    assert!(error.to_string().contains("aeron.client.liveness.timeout"), "{error}");
}

#[test]
fn clients_of_one_driver_have_different_ids() {
    let driver = FakeDriver::new();
    let first = driver.connect(driver.context()).unwrap();
    let second = driver.connect(driver.context()).unwrap();
    assert_ne!(first.client_id(), second.client_id());
    assert_ne!(first.next_correlation_id(), second.next_correlation_id());
}

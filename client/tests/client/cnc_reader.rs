//! Looking at a driver, and asking it to end, without a client of it.

use std::time::Duration;

use epona_client::{ClientError, CncReader, Context, CounterTypeId, EpochMillis, TerminationError};
use epona_protocol::{
    command::{Request, command_id},
    error_log::DistinctErrorLog,
    loss_report::{LOSS_REPORT_FILE, LossReport},
    memory::{Allocation, MappedFile},
    types::{EpochMillis as Millis, SessionId, StreamId},
};

use crate::fake_driver::FakeDriver;

#[test]
fn constants_counters_errors_and_losses_are_read_without_a_client() {
    let mut driver = FakeDriver::new();
    let counter = driver.counter(CounterTypeId::new(1001), 7, 0);
    counter.set_release(42);
    let mut errors = DistinctErrorLog::new(driver.cnc.error_log());
    let _ = errors.record(11, "old", Millis::new(100));
    let _ = errors.record(11, "new", Millis::new(200));
    let path = driver.directory.path().join(LOSS_REPORT_FILE);
    let file = MappedFile::create(&path, 4096, Allocation::Sparse).unwrap();
    let ids = (SessionId::new(1), StreamId::new(2));
    LossReport::new(file.view().clone()).create_entry(
        96,
        Millis::new(100),
        ids.0,
        ids.1,
        "aeron:udp?x",
        "host:1",
    );

    let reader = CncReader::open(driver.directory.path()).unwrap();
    assert_eq!((reader.metadata().pid, reader.directory()), (4242, driver.directory.path()));
    assert_eq!(reader.driver_heartbeat(), Some(driver.now.epoch));
    assert!(reader.is_driver_active(driver.now.epoch, Duration::from_secs(10)));
    assert!(!reader.is_driver_active(driver.now.epoch + Duration::from_secs(11), Duration::from_secs(10)));
    let printed: Vec<_> = reader.counters().iter().map(|counter| counter.to_string()).collect();
    assert_eq!(printed, ["  0:                   42 - counter"]);
    let texts =
        |since| reader.errors_since(EpochMillis::new(since)).map(|entry| entry.text).collect::<Vec<_>>();
    assert_eq!((texts(0).len(), texts(150).len()), (2, 1));
    assert!(texts(150)[0].contains("new"), "{:?}", texts(150));
    let losses = reader.losses().unwrap();
    assert_eq!((losses.len(), losses[0].total_bytes_lost, losses[0].session_id), (1, 96, ids.0));
}

#[test]
fn a_directory_without_a_driver_is_explained_and_one_without_a_report_too() {
    let directory = tempfile::tempdir().unwrap();
    let error = CncReader::open_within(directory.path(), Duration::from_millis(40)).unwrap_err();
    assert!(matches!(error, ClientError::NoDriver { .. }), "{error}");
    assert!(!Context::new().dir(directory.path()).is_driver_active());
    let driver = FakeDriver::new();
    let error = CncReader::open(driver.directory.path()).unwrap().losses().unwrap_err();
    assert!(error.to_string().contains(LOSS_REPORT_FILE), "{error}");
}

#[test]
fn a_driver_is_active_only_while_it_gives_signs_of_life() {
    let driver = FakeDriver::new();
    let context = Context::new().dir(driver.directory.path());
    assert!(!context.is_driver_active(), "its time is long past");
    driver.commands.set_heartbeat(EpochMillis::new(i64::MAX / 2));
    assert!(context.is_driver_active());
}

#[test]
fn a_driver_is_asked_to_end_with_the_token_and_nothing_else_is() {
    let mut driver = FakeDriver::new();
    let context = Context::new().dir(driver.directory.path());
    context.request_driver_termination(b"token").unwrap();
    let recorded = driver.expect_command(command_id::TERMINATE_DRIVER);
    assert_eq!(recorded.command().request, Request::TerminateDriver { token: b"token" });

    let error = context.request_driver_termination(&[0; 5000]).unwrap_err();
    assert!(
        matches!(error, ClientError::Termination { reason: TerminationError::TokenTooLong(5000), .. }),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    let error = Context::new().dir(empty.path()).request_driver_termination(b"").unwrap_err();
    assert!(error.to_string().contains("was not asked to end"), "{error}");
}

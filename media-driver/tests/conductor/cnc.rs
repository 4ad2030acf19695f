//! What other processes read in the files of a running driver.

use std::time::Duration;

use epona_media_driver::config::PageSize;
use epona_protocol::{
    counters::SystemCounter,
    logbuffer::{LogBuffers, LogKind},
    ring_buffer::mpsc::Producer,
};

use crate::harness::{Driver, Told, UDP};

#[test]
fn the_file_of_a_driver_tells_its_constants() {
    let driver = Driver::with(|context| {
        context.buffers.file_page_size = PageSize::new(8192).unwrap();
        context.buffers.to_driver_length = (2 << 20) + 768;
        context.buffers.counter_values_length = 2 << 20;
        context.timeouts.client_liveness = Duration::from_secs(7);
    });
    let constants = driver.cnc.metadata();
    assert_eq!(constants.pid, i64::from(std::process::id()));
    assert_eq!(constants.start_timestamp, driver.now.epoch);
    assert_eq!(constants.client_liveness_timeout, Duration::from_secs(7));
    assert_eq!(constants.file_page_size, 8192);
    assert_eq!(
        (constants.lengths.to_driver, constants.lengths.to_clients),
        ((2 << 20) + 768, (1 << 20) + 128)
    );
    assert_eq!((constants.lengths.counters_metadata, constants.lengths.counters_values), (8 << 20, 2 << 20));
    assert_eq!(constants.lengths.error_log, 4 << 20);
}

#[test]
fn files_are_made_of_the_pages_that_are_configured() {
    const PAGE: u64 = 64 << 10;
    let mut driver =
        Driver::with(|context| context.buffers.file_page_size = PageSize::new(PAGE as i64).unwrap());
    driver.subscribe(UDP);
    let (_, told) = driver.publish(UDP);
    let Told::Available { log: image, .. } = &told[1] else { panic!("{told:?}") };
    for log in [&told[0].ready().log, image] {
        let metadata = LogBuffers::open_to_read(log.as_ref()).unwrap();
        assert_eq!(u64::from(metadata.metadata().page_size().unwrap().get().unsigned_abs()), PAGE);
    }
    let cnc = driver.path().join("cnc.dat");
    let report = driver.path().join("loss-report.dat");
    for file in [told[0].ready().log.as_ref(), image.as_ref(), cnc.as_path(), report.as_path()] {
        assert_eq!(std::fs::metadata(file).unwrap().len() % PAGE, 0, "{}", file.display());
    }
}

#[test]
fn the_driver_takes_the_first_correlation_id() {
    let driver = Driver::new();
    let ids = Producer::new(driver.cnc.to_driver()).unwrap();
    assert_eq!([(); 3].map(|()| ids.next_correlation_id().get()), [1, 2, 3]);
}

#[test]
fn a_role_that_is_kept_from_its_work_counts_it() {
    let mut driver = Driver::with(|context| {
        context.timeouts.conductor_cycle_threshold = Duration::from_millis(100);
        context.timeouts.sender_cycle_threshold = Duration::from_millis(300);
        context.timeouts.receiver_cycle_threshold = Duration::from_millis(200);
    });
    driver.turn();
    for pause in [50, 250, 150, 100] {
        driver.pass(Duration::from_millis(pause));
        driver.turn();
    }
    for (longest, exceeded, count) in [
        (SystemCounter::ConductorMaxCycleTime, SystemCounter::ConductorCycleTimeThresholdExceeded, 2),
        (SystemCounter::SenderMaxCycleTime, SystemCounter::SenderCycleTimeThresholdExceeded, 0),
        (SystemCounter::ReceiverMaxCycleTime, SystemCounter::ReceiverCycleTimeThresholdExceeded, 1),
    ] {
        assert_eq!((driver.system(longest), driver.system(exceeded)), (250_000_000, count), "{longest:?}");
    }
}

#[test]
fn log_metadata_tells_the_kind_of_a_publication() {
    let mut driver = Driver::new();
    driver.subscribe(UDP);
    let (_, told) = driver.publish(UDP);
    let Told::Available { log: image, .. } = &told[1] else { panic!("{told:?}") };
    let (_, exclusive) = driver.publish_exclusively(UDP);
    let (_, ipc) = driver.publish("aeron:ipc");
    let (_, exclusive_ipc) = driver.publish_exclusively("aeron:ipc");
    for (log, kind) in [
        (&told[0].ready().log, LogKind::ConcurrentPublication),
        (image, LogKind::Image),
        (&exclusive[0].ready().log, LogKind::ExclusivePublication),
        (&ipc[0].ready().log, LogKind::ConcurrentPublication),
        (&exclusive_ipc[0].ready().log, LogKind::ExclusivePublication),
    ] {
        let log = LogBuffers::open_to_read(log.as_ref()).unwrap();
        assert_eq!(log.metadata().kind(), Some(kind));
    }
}

/// Where the metadata of a log has the SO_RCVBUF of its channel. Source: shared-memory spec 7.2.
const RECEIVE_BUFFER: usize = 304;

#[test]
fn log_metadata_tells_of_the_socket_in_use_rather_than_of_what_the_channel_says() {
    let mut driver = Driver::new();
    driver.publish("aeron:udp?endpoint=127.0.0.1:24325|so-rcvbuf=64k");
    driver.publish("aeron:udp?control-mode=manual|tags=7");
    for (channel, receive_buffer, is_group) in [
        (UDP, 64 << 10, false),
        ("aeron:udp?endpoint=127.0.0.1:24325|control-mode=manual", 64 << 10, false),
        ("aeron:udp?tags=7", 0, true),
    ] {
        let (_, told) = driver.publish_exclusively(channel);
        let log = LogBuffers::open_to_read(told[0].ready().log.as_ref()).unwrap();
        assert_eq!(log.metadata().view().get_i32(RECEIVE_BUFFER), receive_buffer, "{channel}");
        assert_eq!(log.metadata().is_group(), is_group, "{channel}");
    }
}

#[test]
fn log_metadata_of_ipc_publications_never_tells_of_a_response_channel() {
    let mut driver = Driver::new();
    for channel in ["aeron:ipc", "aeron:ipc?control-mode=response"] {
        let (_, told) = driver.publish_exclusively(channel);
        let log = LogBuffers::open_to_read(told.last().unwrap().ready().log.as_ref()).unwrap();
        assert!(!log.metadata().is_response(), "{channel}");
    }
}

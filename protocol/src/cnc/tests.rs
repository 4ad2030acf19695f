//! Behaviour of the CnC file through its public interface.

use core::time::Duration;

use super::*;
use crate::{
    memory::{Allocation, AtomicView},
    ring_buffer::{Consumer, mpsc::Producer},
    types::EpochMillis,
};

const NOW: EpochMillis = EpochMillis::new(1_700_000_000_000);
const TIMEOUT: Duration = Duration::from_secs(10);

fn metadata(lengths: CncLengths) -> CncMetadata {
    CncMetadata {
        lengths,
        client_liveness_timeout: TIMEOUT,
        start_timestamp: NOW,
        pid: 4242,
        file_page_size: 4096,
    }
}

fn small() -> CncLengths {
    CncLengths {
        to_driver: 65_536 + 768,
        to_clients: 65_536 + 128,
        counters_metadata: 65_536,
        counters_values: 16_384,
        error_log: 4096,
    }
}

fn region(lengths: CncLengths) -> AtomicView {
    AtomicView::allocate(lengths.file_length(4096).unwrap())
}

fn ready(state: CncState) -> Cnc {
    match state {
        CncState::Ready(cnc) => cnc,
        other => panic!("not ready: {other:?}"),
    }
}

fn not_ready(state: CncState) -> NotReady {
    match state {
        CncState::NotReady(reason) => reason,
        other => panic!("not the expected state: {other:?}"),
    }
}

#[test]
fn the_header_is_that_of_the_reference() {
    // Shared-memory spec 14.1.
    let view = AtomicView::allocate(CncLengths::default().file_length(4096).unwrap());
    assert_eq!(view.len(), 48_238_592);
    let cnc = Cnc::initialise(view.clone(), &metadata(CncLengths::default())).unwrap();
    assert_eq!(view.get_i32(0), 0, "the version comes last");
    cnc.publish();
    #[rustfmt::skip]
    let expected = [
        0x00, 0x02, 0x00, 0x00, 0x00, 0x03, 0x10, 0x00, 0x80, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x02,
        0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0xe4, 0x0b, 0x54, 0x02, 0x00, 0x00, 0x00,
        0x00, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0x00, 0x00, 0x92, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x10, 0x00, 0x00,
    ];
    assert_eq!(view.to_vec(0, 52), expected);
    assert_eq!(view.to_vec(52, 76), [0; 76]);

    let sections = [
        (cnc.to_driver(), 128),
        (cnc.to_clients(), 1_049_472),
        (cnc.counters_metadata(), 2_098_176),
        (cnc.counters_values(), 35_652_608),
        (cnc.error_log(), 44_041_216),
    ];
    for (index, (section, offset)) in sections.into_iter().enumerate() {
        section.put_i64(0, index as i64 + 1);
        assert_eq!(view.get_i64(offset), index as i64 + 1);
    }
    assert_eq!(cnc.error_log().len(), 48_235_520 - 44_041_216);
}

#[test]
fn semantic_versions_are_packed_into_bytes() {
    assert_eq!((SemanticVersion::new(1, 0, 0).get(), SemanticVersion::new(0, 2, 0).get()), (65_536, 512));
    let version = SemanticVersion::from_raw(79_360);
    assert_eq!((version.major(), version.minor(), version.patch()), (1, 54, 0));
    assert_eq!(version.to_string(), "1.54.0");
}

#[test]
fn a_file_is_ready_only_once_published_and_alive() {
    let directory = tempfile::tempdir().unwrap();
    let look = || Cnc::open(directory.path()).unwrap();
    assert_eq!(not_ready(look()), NotReady::Missing);
    std::fs::write(directory.path().join(CNC_FILE), b"").unwrap();
    assert_eq!(not_ready(look()), NotReady::TooShort { length: 0 });
    std::fs::write(directory.path().join(CNC_FILE), [0; 128]).unwrap();
    assert_eq!(not_ready(look()), NotReady::TooShort { length: 128 });
    std::fs::remove_file(directory.path().join(CNC_FILE)).unwrap();

    let driver = Cnc::create(directory.path(), &metadata(small()), Allocation::Sparse).unwrap();
    assert_eq!(not_ready(look()), NotReady::NoVersion);
    driver.publish();
    let client = ready(look());
    assert_eq!((client.version(), *client.metadata()), (CNC_VERSION, metadata(small())));
    assert!(!client.is_driver_active(NOW, TIMEOUT));
    assert_eq!(not_ready(look().if_active(NOW, TIMEOUT)), NotReady::NoHeartbeat);

    let consumer = Consumer::new(driver.to_driver()).unwrap();
    consumer.set_heartbeat(NOW);
    let last_moment = NOW + TIMEOUT;
    ready(look().if_active(last_moment, TIMEOUT));
    assert!(client.is_driver_active(last_moment, TIMEOUT));
    let too_late = last_moment + Duration::from_millis(1);
    assert_eq!(not_ready(look().if_active(too_late, TIMEOUT)), NotReady::Stale { heartbeat: NOW });
    let stopped = EpochMillis::new(-1);
    consumer.set_heartbeat(stopped);
    assert_eq!(not_ready(look().if_active(NOW, TIMEOUT)), NotReady::Stale { heartbeat: stopped });
    assert!(!client.is_driver_active(EpochMillis::new(0), TIMEOUT), "stopped is stopped at any time");
}

#[test]
fn who_only_looks_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let driver = Cnc::create(directory.path(), &metadata(small()), Allocation::Sparse).unwrap();
    driver.publish();
    let looker = ready(Cnc::open_to_read(directory.path()).unwrap());
    looker.error_log().put_i64(0, 1);
    assert_eq!(driver.error_log().get_i64(0), 0);
}

#[test]
fn only_the_major_version_must_agree() {
    let view = region(small());
    Cnc::initialise(view.clone(), &metadata(small())).unwrap();
    view.put_i32(0, SemanticVersion::new(0, 9, 9).get());
    ready(Cnc::check(view.clone()));
    for raw in [SemanticVersion::new(1, 2, 0).get(), -1, i32::MIN] {
        view.put_i32(0, raw);
        let state = Cnc::check(view.clone());
        assert!(matches!(state, CncState::VersionMismatch { found } if found.get() == raw), "{state:?}");
    }
}

#[test]
fn lengths_that_make_no_sense_are_waited_out() {
    for (field, length) in
        [(4, -1), (8, i32::MIN), (12, i32::MAX), (16, 1_000_000), (4, 65_532), (20, 1 << 20)]
    {
        let view = region(small());
        Cnc::initialise(view.clone(), &metadata(small())).unwrap().publish();
        view.put_i32(field, length);
        let length = view.len();
        assert_eq!(not_ready(Cnc::check(view)), NotReady::Lengths { length });
    }
    let view = region(small());
    let broken = CncLengths { to_driver: 65_536, ..small() };
    Cnc::initialise(view.clone(), &metadata(broken)).unwrap().publish();
    let length = view.len();
    assert_eq!(not_ready(Cnc::connect(view, NOW, TIMEOUT)), NotReady::Lengths { length }, "no ring buffer");
}

#[test]
fn files_beyond_an_i32_are_refused() {
    let mib = 1 << 20;
    let most =
        CncLengths { counters_metadata: 1600 * mib, counters_values: 400 * mib, ..CncLengths::default() };
    assert_eq!(most.file_length(4096).unwrap() % 4096, 0);
    let more = CncLengths { counters_metadata: 2000 * mib, counters_values: 500 * mib, ..most };
    assert!(matches!(more.file_length(4096), Err(CncError::TooLong { .. })));
    assert_eq!(small().file_length(3000), Err(CncError::PageSize(3000)));
    let negative = CncLengths { error_log: -8, ..small() };
    assert_eq!(negative.file_length(4096), Err(CncError::Negative { section: "error log", length: -8 }));
    let odd = CncLengths { counters_values: 16_380, ..small() };
    assert_eq!(odd.file_length(4096), Err(CncError::Misaligned { section: "error log" }));
    let short = AtomicView::allocate(4096);
    assert!(matches!(Cnc::initialise(short, &metadata(small())), Err(CncError::TooLong { .. })));
}

#[test]
fn a_termination_request_is_a_command_with_two_fresh_ids() {
    let view = region(small());
    let cnc = Cnc::initialise(view.clone(), &metadata(small())).unwrap();
    assert_eq!(
        request_termination(Cnc::check(view.clone()), b"t"),
        Err(TerminationError::NotReady(NotReady::NoVersion))
    );
    cnc.publish();
    let producer = Producer::new(cnc.to_driver()).unwrap();
    assert_eq!(producer.next_correlation_id().get(), 0);
    request_termination(Cnc::check(view.clone()), b"golden-token").unwrap();
    let mut request = Vec::new();
    let mut consumer = Consumer::new(cnc.to_driver()).unwrap();
    consumer.read(10, |msg_type_id, payload| request.push((msg_type_id, payload.to_vec())));
    let mut expected = Vec::new();
    expected.extend(1_i64.to_le_bytes());
    expected.extend(2_i64.to_le_bytes());
    expected.extend(12_i32.to_le_bytes());
    expected.extend(b"golden-token");
    assert_eq!(request, [(TERMINATE_DRIVER, expected)]);

    let long = request_termination(Cnc::check(view.clone()), &[0; MAX_TOKEN_LENGTH + 1]);
    assert_eq!(long, Err(TerminationError::TokenTooLong(4097)));
    let older = SemanticVersion::new(0, 1, 9);
    view.put_i32(0, older.get());
    assert_eq!(request_termination(Cnc::check(view), b""), Err(TerminationError::Version(older)));
}

#[test]
fn a_termination_request_needs_a_file_that_a_driver_has_filled() {
    let directory = tempfile::tempdir().unwrap();
    let request = || request_termination(Cnc::open(directory.path()).unwrap(), b"t");
    assert_eq!(request(), Err(TerminationError::NotReady(NotReady::Missing)));
    let path = directory.path().join(CNC_FILE);
    for length in [0, 64, 4096] {
        std::fs::write(&path, vec![0; length]).unwrap();
        assert!(matches!(request(), Err(TerminationError::NotReady(_))), "{length} bytes");
        assert_eq!(std::fs::read(&path).unwrap(), vec![0; length], "nothing was written");
    }
}

#[test]
fn a_termination_request_that_cannot_be_written_says_why() {
    let view = region(small());
    let cnc = Cnc::initialise(view.clone(), &metadata(small())).unwrap();
    cnc.publish();
    let producer = Producer::new(cnc.to_driver()).unwrap();
    let written = std::iter::from_fn(|| producer.write(1, &[0; 4000]).ok()).count();
    assert_eq!(written, 16, "the ring is full but for less than one more");
    let full = request_termination(Cnc::check(view.clone()), &[0; 4000]);
    assert!(matches!(full, Err(TerminationError::Write(_))), "{full:?}");

    view.put_i32(0, SemanticVersion::new(1, 0, 0).get());
    let other = request_termination(Cnc::check(view), b"");
    assert_eq!(other, Err(TerminationError::Version(SemanticVersion::new(1, 0, 0))));

    let broken = region(CncLengths { to_driver: 65_536, ..small() });
    Cnc::initialise(broken.clone(), &metadata(CncLengths { to_driver: 65_536, ..small() }))
        .unwrap()
        .publish();
    let none = request_termination(Cnc::check(broken), b"");
    assert!(matches!(none, Err(TerminationError::Capacity(_))), "{none:?}");
}

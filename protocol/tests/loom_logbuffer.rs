//! Log buffers under every interleaving of publishers, readers and the unblocker.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p epona-protocol --release --test loom_logbuffer`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a helper of tests may panic")]

use epona_protocol::{
    logbuffer::{
        Fragment, LogBuffers, LogMetadata, RawTail, TermReader,
        appender::{ConcurrentAppender, ExclusiveAppender, Refusal},
        insert, unblock_log,
    },
    memory::AtomicView,
    types::{Position, SessionId, StreamId, TermGeometry, TermId, TermLength, TermOffset},
};
use loom::thread;

/// Room for a frame or two: loom explores every word.
const TERM: i32 = 64;

/// The metadata up to the term length, which is all that appending needs.
const METADATA: usize = 288;

fn log_starting_at(offset: i32) -> LogBuffers {
    let term_length = TermLength::new(i64::from(TERM)).unwrap();
    let initial_term_id = TermId::new(7);
    let metadata = AtomicView::allocate(METADATA);
    metadata.put_i32(272, TERM);
    metadata.put_i32(276, TERM);
    let metadata = LogMetadata::over(metadata);
    metadata.set_tail(0, RawTail::new(initial_term_id, TermOffset::new(offset)));
    metadata.set_tail(1, RawTail::new(initial_term_id.wrapping_add(-2), TermOffset::ZERO));
    metadata.set_tail(2, RawTail::new(initial_term_id.wrapping_add(-1), TermOffset::ZERO));
    LogBuffers::from_parts(
        core::array::from_fn(|_| AtomicView::allocate(TERM as usize)),
        metadata,
        TermGeometry::new(initial_term_id, term_length),
        SessionId::new(-1),
        StreamId::new(1001),
    )
}

/// A frame whose every field is what its publisher wrote, or the test fails.
fn check(log: &LogBuffers, term_id: TermId, fragment: Fragment<'_>) {
    assert_eq!(fragment.term_offset(), fragment.offset());
    assert_eq!(fragment.term_id(), term_id);
    assert_eq!((fragment.session_id(), fragment.stream_id()), (log.session_id(), log.stream_id()));
}

/// Fragments of the term in a partition, each checked, as their first payload byte or nothing.
fn read_term(log: &LogBuffers, index: usize) -> Vec<Option<u8>> {
    let term = log.term(index);
    let term_id = log.geometry().initial_term_id().wrapping_add(index as i32);
    TermReader::new(term, TermOffset::ZERO)
        .map(|fragment| {
            check(log, term_id, fragment);
            let payload = fragment.offset().index() + 32;
            (fragment.payload_length() > 0).then(|| term.get_u8(payload))
        })
        .collect()
}

/// Offers until it is in; how often the log had to rotate first does not matter.
fn insist(mut offer: impl FnMut() -> Result<Position, Refusal>) -> Position {
    loop {
        match offer() {
            Err(Refusal::AdminAction) => thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

fn model(preemptions: Option<usize>, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 20_000;
    builder.check(test);
}

#[test]
fn two_publishers_and_a_reader_across_a_rotation() {
    model(None, || {
        let log = log_starting_at(32);
        // Half of the term is left, room for one of the two.
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                let appender = ConcurrentAppender::new(log.clone()).unwrap();
                thread::spawn(move || insist(|| appender.offer(&[], Position::MAX)).get())
            })
            .collect();
        for fragment in TermReader::new(log.term(0), TermOffset::new(32)) {
            check(&log, TermId::new(7), fragment);
        }
        let mut positions: Vec<_> =
            publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect();
        positions.sort_unstable();
        assert_eq!(positions, [64, 96]);
        assert_eq!(log.producer_position().get(), 96);
        assert_eq!(read_term(&log, 1), [None]);
    });
}

#[test]
fn two_publishers_that_both_trip_rotate_once() {
    model(None, || {
        let log = log_starting_at(32);
        let other = {
            let appender = ConcurrentAppender::new(log.clone()).unwrap();
            thread::spawn(move || appender.offer(&[1], Position::MAX))
        };
        let appender = ConcurrentAppender::new(log.clone()).unwrap();
        let ours = appender.offer(&[2], Position::MAX);
        let results = [ours, other.join().unwrap()];
        assert!(results.iter().any(|result| *result == Err(Refusal::AdminAction)));
        assert!(results.iter().all(|result| matches!(result, Err(Refusal::AdminAction) | Ok(_))));
        assert_eq!(log.metadata().active_term_count(), 1);
        let padding = Fragment::at(log.term(0), TermOffset::new(32)).unwrap();
        assert_eq!((padding.frame_length(), padding.frame_type()), (32, 0));
        let landed = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(log.metadata().tail(1), RawTail::new(TermId::new(8), TermOffset::new(landed as i32 * 64)));
    });
}

#[test]
fn an_exclusive_publisher_is_read_in_order_across_a_rotation() {
    model(None, || {
        let log = log_starting_at(0);
        let publisher = {
            let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
            thread::spawn(move || {
                appender.offer(&[11], Position::MAX).unwrap();
                insist(|| appender.offer(&[22], Position::MAX));
            })
        };
        let second = read_term(&log, 1);
        let first = read_term(&log, 0);
        assert!(first.is_empty() || first == [Some(11)]);
        assert!(second.is_empty() || second == [Some(22)]);
        assert!(second.is_empty() || !first.is_empty(), "the second term implies the first");
        publisher.join().unwrap();
        assert_eq!((read_term(&log, 0), read_term(&log, 1)), (vec![Some(11)], vec![Some(22)]));
    });
}

#[test]
fn an_observer_of_the_tail_sees_the_term_count_that_belongs_to_it() {
    model(None, || {
        let log = log_starting_at(64);
        let publisher = {
            let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
            thread::spawn(move || insist(|| appender.offer(&[], Position::MAX)))
        };
        // As the conductor does for its position counters: never back, never ahead.
        let positions = [log.producer_position(), log.producer_position()];
        assert!(positions[0].get() >= 64 && positions[0] <= positions[1] && positions[1].get() <= 96);
        publisher.join().unwrap();
        assert_eq!(log.producer_position().get(), 96);
    });
}

#[test]
fn a_late_publisher_and_the_unblocker_rotate_once() {
    model(None, || {
        let log = log_starting_at(64);
        let publisher = {
            let appender = ConcurrentAppender::new(log.clone()).unwrap();
            thread::spawn(move || insist(|| appender.offer(&[], Position::MAX)))
        };
        unblock_log(&log, Position::new(64));
        assert_eq!(publisher.join().unwrap().get(), 96);
        assert_eq!(log.metadata().active_term_count(), 1);
        assert_eq!(read_term(&log, 1), [None]);
    });
}

#[test]
fn the_unblocker_never_covers_a_frame_that_a_live_publisher_committed_behind_the_blocked_one() {
    model(None, || {
        let log = log_starting_at(0);
        // A publisher claimed 32 bytes and died before it wrote anything.
        log.metadata().advance_tail(0, 32);
        let publisher = {
            let appender = ConcurrentAppender::new(log.clone()).unwrap();
            thread::spawn(move || appender.offer(&[], Position::MAX))
        };
        let unblocked = unblock_log(&log, Position::ZERO);
        assert_eq!(publisher.join().unwrap(), Ok(Position::new(64)));
        let padding = Fragment::at(log.term(0), TermOffset::ZERO);
        assert_eq!(padding.is_some(), unblocked);
        if let Some(padding) = padding {
            // To the next frame, or over the whole term when the claims fill it and nothing has begun.
            assert!(padding.frame_type() == 0 && [32, 64].contains(&padding.frame_length()));
        }
        let landed = Fragment::at(log.term(0), TermOffset::new(32)).unwrap();
        assert_eq!((landed.frame_type(), landed.frame_length()), (1, 32));
    });
}

#[test]
fn a_reader_sees_a_packet_whole_or_not_at_all() {
    model(None, || {
        let log = log_starting_at(0);
        let mut packet = [0; 64];
        packet[..4].copy_from_slice(&33_i32.to_le_bytes());
        packet[6] = 1;
        packet[12..16].fill(0xFF);
        packet[16..20].copy_from_slice(&1001_i32.to_le_bytes());
        packet[20..24].copy_from_slice(&7_i32.to_le_bytes());
        packet[32] = 99;
        let receiver = {
            let term = log.term(0).clone();
            thread::spawn(move || insert(&term, TermOffset::ZERO, &packet))
        };
        let read = read_term(&log, 0);
        assert!(read.is_empty() || read == [Some(99)]);
        assert!(receiver.join().unwrap());
        assert_eq!(read_term(&log, 0), [Some(99)]);
    });
}

#[test]
fn a_slot_that_still_reads_empty_has_nothing_of_its_frame() {
    model(None, || {
        let log = log_starting_at(0);
        let publisher = {
            let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
            thread::spawn(move || appender.offer(&[5], Position::MAX))
        };
        let term = log.term(0);
        // Whoever finds a field of the header finds the length that came before it: the fence after that store.
        let session_id = term.get_i32_acquire(12);
        loom::sync::atomic::fence(loom::sync::atomic::Ordering::Acquire);
        let length = term.get_i32(0);
        assert!(session_id == 0 || length != 0);
        publisher.join().unwrap().unwrap();
    });
}

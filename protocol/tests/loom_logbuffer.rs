//! Log buffers under every interleaving of publishers, readers and the unblocker.
//!
//! The thread that stores runs in the main thread and whoever only loads in a spawned one: loom remembers just the last
//! access to a word, so a store after a load of its own hides an earlier load elsewhere, while loads find every store.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p epona-protocol --release --test loom_logbuffer`.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a helper of tests may panic")]

use epona_protocol::{
    logbuffer::{
        Fragment, LogBuffers, LogMetadata, RawTail, TermReader,
        appender::{ConcurrentAppender, ExclusiveAppender, Refusal},
        clean, extend, insert, unblock_log,
    },
    memory::AtomicView,
    sync::{Ordering, fence},
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
    model(Some(3), || {
        // Half of the term is left, room for one of the two.
        let log = log_starting_at(32);
        let reader = {
            let log = log.clone();
            thread::spawn(move || {
                for fragment in TermReader::new(log.term(0), TermOffset::new(32)) {
                    check(&log, TermId::new(7), fragment);
                }
                read_term(&log, 1)
            })
        };
        let appender = ConcurrentAppender::new(log.clone()).unwrap();
        let other = {
            let appender = appender.clone();
            thread::spawn(move || insist(|| appender.offer(&[], Position::MAX)).get())
        };
        let ours = insist(|| appender.offer(&[], Position::MAX)).get();
        let mut positions = [ours, other.join().unwrap()];
        positions.sort_unstable();
        assert_eq!(positions, [64, 96]);
        assert_eq!(log.producer_position().get(), 96);
        let seen = reader.join().unwrap();
        assert!(seen.is_empty() || seen == [None]);
        assert_eq!(read_term(&log, 1), [None]);
    });
}

#[test]
fn publishers_that_trip_together_rotate_once_each_time() {
    model(Some(3), || {
        let log = log_starting_at(32);
        let appender = ConcurrentAppender::new(log.clone()).unwrap();
        let other = {
            let appender = appender.clone();
            thread::spawn(move || insist(|| appender.offer(&[1], Position::MAX)).get())
        };
        let ours = insist(|| appender.offer(&[2], Position::MAX)).get();
        let mut positions = [ours, other.join().unwrap()];
        positions.sort_unstable();
        assert_eq!(positions, [128, 192], "each has a term of its own");
        assert_eq!(log.metadata().active_term_count(), 2);
        assert_eq!(log.metadata().tail(2), RawTail::new(TermId::new(9), TermOffset::new(TERM)));
        let padding = Fragment::at(log.term(0), TermOffset::new(32)).unwrap();
        assert_eq!((padding.frame_length(), padding.frame_type()), (32, 0));
        let mut landed = [read_term(&log, 1), read_term(&log, 2)].concat();
        landed.sort_unstable();
        assert_eq!(landed, [Some(1), Some(2)]);
    });
}

#[test]
fn an_exclusive_publisher_is_read_in_order_across_a_rotation() {
    model(None, || {
        let log = log_starting_at(0);
        let reader = {
            let log = log.clone();
            thread::spawn(move || {
                let second = read_term(&log, 1);
                let first = read_term(&log, 0);
                assert!(first.is_empty() || first == [Some(11)]);
                assert!(second.is_empty() || second == [Some(22)]);
                assert!(second.is_empty() || !first.is_empty(), "the second term implies the first");
            })
        };
        let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
        appender.offer(&[11], Position::MAX).unwrap();
        insist(|| appender.offer(&[22], Position::MAX));
        reader.join().unwrap();
        assert_eq!((read_term(&log, 0), read_term(&log, 1)), (vec![Some(11)], vec![Some(22)]));
    });
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    model(None, || {
        let log = log_starting_at(0);
        let reader = {
            let log = log.clone();
            thread::spawn(move || assert!([0, 2].contains(&read_term(&log, 0).len())))
        };
        let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
        assert_eq!(appender.offer_batch(&[&[], &[]], Position::MAX).unwrap().messages, 2);
        reader.join().unwrap();
        assert_eq!(read_term(&log, 0), [None, None]);
    });
}

#[test]
fn batches_of_two_publishers_do_not_mix() {
    model(Some(3), || {
        let log = log_starting_at(0);
        let appender = ConcurrentAppender::new(log.clone()).unwrap();
        let other = {
            let appender = appender.clone();
            thread::spawn(move || appender.offer_batch(&[&[], &[]], Position::MAX))
        };
        let ours = appender.offer_batch(&[&[], &[]], Position::MAX);
        let outcomes = [ours, other.join().unwrap()];
        // The term takes one of them; the other finds it full, at its first look or after the claim.
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Err(Refusal::AdminAction)), "{outcomes:?}");
        assert_eq!(read_term(&log, 0), [None, None]);
    });
}

#[test]
fn the_unblocker_beside_a_late_batch_leaves_whole_frames() {
    model(None, || {
        let log = log_starting_at(0);
        let publisher = {
            let appender = ConcurrentAppender::new(log.clone()).unwrap();
            thread::spawn(move || appender.offer_batch(&[&[], &[]], Position::MAX))
        };
        unblock_log(&log, Position::ZERO);
        assert_eq!(publisher.join().unwrap().unwrap().messages, 2);
        let lengths = [0, 32]
            .map(|offset| Fragment::at(log.term(0), TermOffset::new(offset)).map(|at| at.frame_length()));
        assert!([[Some(32), Some(32)], [Some(64), Some(32)]].contains(&lengths), "{lengths:?}");
    });
}

#[test]
fn an_observer_of_the_tail_sees_the_term_count_that_belongs_to_it() {
    model(None, || {
        let log = log_starting_at(64);
        let observer = {
            let log = log.clone();
            // As the conductor does for its position counters: never back, never ahead.
            thread::spawn(move || {
                let positions = [log.producer_position(), log.producer_position()];
                assert!(positions[0].get() >= 64 && positions[0] <= positions[1] && positions[1].get() <= 96);
            })
        };
        let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
        insist(|| appender.offer(&[], Position::MAX));
        observer.join().unwrap();
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
        let reader = {
            let log = log.clone();
            thread::spawn(move || {
                let read = read_term(&log, 0);
                assert!(read.is_empty() || read == [Some(99)]);
            })
        };
        assert!(insert(log.term(0), TermOffset::ZERO, &packet));
        reader.join().unwrap();
        assert_eq!(read_term(&log, 0), [Some(99)]);
    });
}

#[test]
fn a_reader_sees_nothing_of_what_an_image_held_before() {
    model(None, || {
        let log = log_starting_at(0);
        // A frame of an earlier term, which the image reaches but does not cover.
        log.term(0).put_i64(32, 0x0001_0000_0000_0020);
        let mut packet = [0; 32];
        packet[..4].copy_from_slice(&32_i32.to_le_bytes());
        packet[6] = 1;
        let reader = {
            let log = log.clone();
            thread::spawn(move || {
                let term = log.term(0);
                if term.get_i32_acquire(0) == 32 {
                    assert_eq!(term.get_i32_acquire(32), 0);
                }
            })
        };
        extend(&log, Position::ZERO, Position::ZERO, Position::new(32));
        assert!(insert(log.term(0), TermOffset::ZERO, &packet));
        reader.join().unwrap();
    });
}

#[test]
fn a_slot_that_still_reads_empty_has_nothing_of_its_frame() {
    model(None, || {
        let log = log_starting_at(0);
        let observer = {
            let term = log.term(0).clone();
            // Whoever finds a field of the header finds the length that came before it: the fence after that store.
            thread::spawn(move || {
                let session_id = term.get_i32_acquire(12);
                fence(Ordering::Acquire);
                let length = term.get_i32(0);
                assert!(session_id == 0 || length != 0);
            })
        };
        let mut appender = ExclusiveAppender::new(log).unwrap();
        appender.offer(&[5], Position::MAX).unwrap();
        observer.join().unwrap();
    });
}

#[test]
fn a_range_that_starts_with_zero_is_clean() {
    model(None, || {
        let log = log_starting_at(0);
        for offset in [0, 32] {
            log.term(0).put_i64(offset, 32);
            log.term(0).put_i64(offset + 8, -1);
        }
        let observer = {
            let term = log.term(0).clone();
            thread::spawn(move || {
                if term.get_i32_acquire(0) == 0 {
                    assert_eq!([term.get_i64(8), term.get_i64(32), term.get_i64(40)], [0; 3]);
                }
            })
        };
        assert_eq!(clean(log.term(0), TermOffset::ZERO, TERM), TERM);
        observer.join().unwrap();
    });
}

//! Publishers that died half-way. CFG-09 of the driver spec.

use epona_protocol::{
    frame::frame_type::{DATA, PAD},
    logbuffer::{
        LogBuffers, RawTail, TermReader, Unblocked,
        appender::{ConcurrentAppender, Refusal},
        unblock_log, unblock_term,
    },
    types::{Position, TermId},
};

use crate::support::{FAR, TERM, at, frame, log, log_near_end, put_frame};

fn unblock_at(log: &LogBuffers, position: i64) -> bool {
    unblock_log(log, Position::new(position))
}

fn appender(log: &LogBuffers) -> ConcurrentAppender {
    ConcurrentAppender::new(log.clone()).unwrap()
}

#[test]
fn a_committed_message_is_not_touched() {
    let log = log();
    appender(&log).offer(b"done", FAR).unwrap();
    let before = log.term(0).to_vec(0, 64);
    assert!(!unblock_at(&log, 0));
    assert_eq!(log.term(0).to_vec(0, 64), before);
    assert!(!unblock_at(&log, 64), "nothing is claimed there");
}

#[test]
fn a_begun_frame_becomes_padding_of_its_length() {
    let log = log();
    core::mem::forget(appender(&log).claim(100, FAR).unwrap());
    appender(&log).offer(b"next", FAR).unwrap();
    assert!(unblock_at(&log, 0));
    let padding = frame(log.term(0), 0);
    assert_eq!((padding.frame_length(), padding.frame_type()), (132, PAD));
    assert_eq!((padding.term_offset(), padding.session_id()), (at(0), log.session_id()));
    let read: Vec<_> = TermReader::new(log.term(0), at(0)).map(|fragment| fragment.payload()).collect();
    assert_eq!(read, [b"next"]);
}

#[test]
fn claimed_space_becomes_padding_up_to_the_next_frame() {
    let log = log();
    log.metadata().advance_tail(0, 256);
    appender(&log).offer(b"next", FAR).unwrap();
    assert!(unblock_at(&log, 0));
    assert_eq!(frame(log.term(0), 0).frame_length(), 256);
}

#[test]
fn claimed_space_with_nothing_after_it_is_left_alone() {
    let log = log();
    log.metadata().advance_tail(0, 256);
    assert!(!unblock_at(&log, 0), "its publisher may only be slow");
    assert_eq!(log.term(0).get_i32(0), 0);
}

#[test]
fn claimed_space_to_the_end_of_the_term_is_padded_and_the_log_rotates() {
    for beyond in [0, 32, 1 << 20] {
        let log = log_near_end(7, 2, 256);
        log.metadata().advance_tail(2, 256 + beyond);
        assert!(unblock_at(&log, 3 * i64::from(TERM) - 256));
        let padding = frame(log.term(2), TERM - 256);
        assert_eq!((padding.frame_length(), padding.term_id()), (256, TermId::new(9)));
        assert_eq!(log.metadata().active_term_count(), 3);
        assert_eq!(appender(&log).offer(b"on", FAR), Ok(Position::new(3 * i64::from(TERM) + 64)));
    }
}

#[test]
fn a_full_term_that_nobody_rotated_is_rotated() {
    let log = log_near_end(0, 0, 32);
    appender(&log).offer(b"", FAR).unwrap();
    let next_term = i64::from(TERM);
    assert_eq!(log.producer_position().get(), next_term);
    assert!(unblock_at(&log, next_term));
    assert_eq!(log.metadata().active_term_count(), 1);
    assert!(!unblock_at(&log, next_term), "once is enough");
    assert_eq!(appender(&log).offer(b"", FAR), Ok(Position::new(next_term + 32)));
}

#[test]
fn a_publisher_that_trips_after_the_unblocker_rotated_just_retries() {
    let log = log_near_end(0, 0, 32);
    let late = appender(&log);
    late.offer(b"", FAR).unwrap();
    assert!(unblock_at(&log, i64::from(TERM)));
    log.metadata().set_active_term_count(0);
    assert_eq!(late.offer(b"", FAR), Err(Refusal::AdminAction));
    assert_eq!(log.metadata().active_term_count(), 1);
}

#[test]
fn the_term_unblocker_tells_what_it_did() {
    let tail = |offset| RawTail::new(TermId::new(0), at(offset));
    let log = log();
    assert_eq!(unblock_term(&log, 0, at(0), tail(0)), Unblocked::No);
    put_frame(log.term(0), 64, 32, DATA);
    assert_eq!(unblock_term(&log, 0, at(0), tail(64)), Unblocked::No, "the next frame is past the tail");
    assert_eq!(unblock_term(&log, 0, at(0), tail(96)), Unblocked::Frame);
    assert_eq!(unblock_term(&log, 0, at(96), tail(TERM + 32)), Unblocked::ToEnd);
    assert_eq!(frame(log.term(0), 96).frame_length(), TERM - 96);
    assert_eq!(unblock_term(&log, 0, at(TERM), tail(TERM)), Unblocked::No);
}

#[test]
fn a_begun_frame_whose_length_cannot_be_is_left_alone() {
    for length in [-1, -31, -TERM - 1, i32::MIN] {
        let log = log();
        put_frame(log.term(0), 0, length, DATA);
        assert!(!unblock_at(&log, 0));
        assert_eq!(log.term(0).get_i32(0), length);
    }
}

#[test]
fn positions_that_cannot_be_are_ignored() {
    let log = log();
    log.metadata().advance_tail(0, TERM);
    for position in [-1, -32, i64::MIN, 33, i64::MAX, i64::from(TERM) * 2, i64::from(TERM) + 32] {
        assert!(!unblock_at(&log, position), "{position}");
    }
    assert_eq!(log.metadata().active_term_count(), 0);
}

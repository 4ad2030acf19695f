//! Polls and block scans.

use epona_protocol::{
    frame::frame_type,
    logbuffer::{
        Action, LogBuffers, TermReader,
        appender::{ConcurrentAppender, ExclusiveAppender},
        scan_block,
    },
};

use crate::support::{FAR, TERM, at, log, log_near_end, put_frame};

/// Frames at 0, 64, 128 (padding), 192 and 256, then nothing.
fn five_frames() -> LogBuffers {
    let log = log();
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    for message in [b"a", b"b"] {
        appender.offer(message, FAR).unwrap();
    }
    appender.append_padding(32, FAR).unwrap();
    for message in [b"c", b"d"] {
        appender.offer(message, FAR).unwrap();
    }
    log
}

#[test]
fn a_read_takes_up_to_its_limit_and_skips_padding() {
    let log = five_frames();
    let mut reader = TermReader::new(log.term(0), at(0));
    let mut seen = Vec::new();
    assert_eq!(reader.read(2, |fragment| seen.push(fragment.payload()[0])), 2);
    assert_eq!(reader.offset(), at(128), "padding is left for the next read");
    assert_eq!(reader.read(10, |fragment| seen.push(fragment.payload()[0])), 2);
    assert_eq!((seen, reader.offset()), (b"abcd".to_vec(), at(320)));
    assert_eq!(reader.read(10, |_| panic!("nothing is left")), 0);
    assert_eq!(TermReader::new(log.term(0), at(0)).read(0, |_| panic!("not asked for")), 0);
}

#[test]
fn padding_at_the_end_of_a_term_is_consumed_without_a_fragment() {
    let log = log_near_end(0, 0, 64);
    ConcurrentAppender::new(log.clone()).unwrap().offer(&[0; 100], FAR).unwrap_err();
    let mut reader = TermReader::new(log.term(0), at(TERM - 64));
    assert_eq!(reader.read(10, |_| panic!("padding")), 0);
    assert_eq!(reader.offset(), at(TERM));
    assert_eq!(TermReader::new(log.term(0), at(TERM)).read(10, |_| panic!("past the end")), 0);
}

#[test]
fn a_bounded_read_delivers_whole_what_starts_before_the_bound() {
    let log = five_frames();
    let mut reader = TermReader::bounded(log.term(0), at(0), at(65));
    assert_eq!((reader.read(10, |_| {}), reader.offset()), (2, at(128)));
    let mut reader = TermReader::bounded(log.term(0), at(64), at(64));
    assert_eq!((reader.read(10, |_| {}), reader.offset()), (0, at(64)));
    let mut reader = TermReader::bounded(log.term(0), at(0), at(-5));
    assert_eq!((reader.read(10, |_| {}), reader.offset()), (0, at(0)));
}

#[test]
fn each_action_does_what_it_says() {
    let log = five_frames();
    let mut commits = Vec::new();
    let mut reader = TermReader::new(log.term(0), at(0));
    let actions = [Action::Continue, Action::Commit, Action::Break];
    let mut next = actions.iter();
    let count = reader.read_controlled(10, |_| *next.next().unwrap(), |offset| commits.push(offset));
    assert_eq!((count, reader.offset()), (3, at(256)));
    assert_eq!(commits, [at(128)]);
    let count = reader.read_controlled(10, |_| Action::Abort, |_| panic!("not committed"));
    assert_eq!((count, reader.offset()), (0, at(256)));
    let count = reader.read_controlled(10, |_| Action::Continue, |_| {});
    assert_eq!((count, reader.offset()), (1, at(320)));
}

#[test]
fn an_aborted_fragment_after_padding_keeps_the_padding_consumed() {
    let log = five_frames();
    let mut reader = TermReader::new(log.term(0), at(128));
    assert_eq!(reader.read_controlled(1, |_| Action::Abort, |_| {}), 0);
    assert_eq!(reader.offset(), at(192));
}

#[test]
fn a_fragment_is_consumed_before_its_handler_runs() {
    let log = five_frames();
    let mut reader = TermReader::new(log.term(0), at(0));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reader.read(10, |fragment| assert_ne!(fragment.payload(), b"b"));
    }));
    assert!(panicked.is_err());
    assert_eq!(reader.offset(), at(128));
}

#[test]
fn blocks_are_whole_frames_within_their_limit() {
    let log = five_frames();
    let block = |offset, limit| scan_block(log.term(0), at(offset), limit).map(|block| block.length());
    assert_eq!(block(0, TERM), Some(128));
    assert_eq!(block(0, 127), Some(64));
    assert_eq!(block(0, 63), None);
    assert_eq!(block(128, 1), Some(64), "padding passes the limit");
    assert_eq!(block(192, i32::MAX), Some(128));
    assert_eq!(block(320, TERM), None);
    assert_eq!(block(0, -1), None);
    let first = scan_block(log.term(0), at(0), TERM).unwrap();
    assert_eq!(first.bytes(), log.term(0).to_vec(0, 128));
    assert_eq!((first.session_id(), first.next_offset()), (log.session_id(), at(128)));
    assert_eq!(first.term_id(), log.geometry().initial_term_id());
    assert_eq!(scan_block(log.term(0), at(128), 1).unwrap().first().frame_type(), frame_type::PAD);
}

#[test]
fn a_begun_frame_stops_every_reader() {
    let log = log();
    put_frame(log.term(0), 0, -64, frame_type::DATA);
    put_frame(log.term(0), 64, 64, frame_type::DATA);
    assert_eq!(TermReader::new(log.term(0), at(0)).count(), 0);
    assert!(scan_block(log.term(0), at(0), TERM).is_none());
}

//! Inserting, finding and filling gaps, cleaning. DAT-14 and DAT-16 of the driver spec.

use epona_protocol::{
    frame::frame_type::{DATA, PAD},
    logbuffer::{Gap, GapScan, LogBuffers, LogKind, clean, extend, fill_gap, insert, scan_for_gap},
    types::{Position, TermId},
};

use crate::support::{TERM, at, frame, frame_bytes, messages, parameters, put_frame};

fn image() -> LogBuffers {
    LogBuffers::on_heap(&parameters(LogKind::Image))
}

fn gap(offset: i32, length: i32) -> Option<Gap> {
    Some(Gap { offset: at(offset), length })
}

fn scan(log: &LogBuffers, from: i32, limit: i32) -> GapScan {
    scan_for_gap(log.term(0), at(from), at(limit))
}

#[test]
fn packets_are_inserted_once() {
    let log = image();
    let packet = [frame_bytes(64, DATA, b"one"), frame_bytes(128, DATA, b"two")].concat();
    assert!(insert(log.term(0), at(64), &packet));
    assert_eq!(log.term(0).to_vec(64, 128), packet);
    let other = frame_bytes(64, DATA, b"new");
    assert!(!insert(log.term(0), at(64), &other), "what is there stays");
    assert_eq!(messages(log.term(0), 64), [b"one", b"two"]);
}

/// An image whose terms are full of what was there before.
fn dirty_image() -> LogBuffers {
    let log = image();
    (0..3).for_each(|index| log.term(index).write(0, &[0x5A; TERM as usize]));
    log
}

#[test]
fn an_image_ends_with_a_zero_and_what_is_behind_stays() {
    let log = dirty_image();
    extend(&log, Position::ZERO, Position::ZERO, Position::new(128));
    assert_eq!(log.term(0).to_vec(120, 24), [[0x5A; 8], [0; 8], [0x5A; 8]].concat());
    extend(&log, Position::new(128), Position::new(64), Position::new(96));
    extend(&log, Position::new(128), Position::new(64), Position::new(128));
    assert_eq!(log.term(0).get_i64(96), 0x5A5A_5A5A_5A5A_5A5A, "nothing is lost of what is there");
}

#[test]
fn what_frames_leave_out_is_zeroed_across_terms_also_where_they_begin_among_others() {
    let end = |position| Position::new(i64::from(TERM) + position);
    for (start, zeroed) in [(end(64), 192), (end(-256), 256)] {
        let log = dirty_image();
        extend(&log, end(-128), start, end(128));
        let around = [log.term(0).to_vec(TERM as usize - 128, 128), log.term(1).to_vec(0, 192)].concat();
        let gap = zeroed.min(256);
        assert!(around[..gap].iter().all(|byte| *byte == 0), "{start:?}");
        assert_eq!(log.term(1).get_i64(128), 0, "the end");
        assert_eq!(log.term(0).get_u8(TERM as usize - 129), 0x5A);
        assert_eq!(log.term(1).get_u8(136), 0x5A);
    }
}

#[test]
fn an_image_that_ends_with_its_term_ends_with_a_zero_in_the_next() {
    let log = dirty_image();
    let at = |terms| Position::new(i64::from(TERM) * terms);
    extend(&log, at(3) - 64, at(3) - 64, at(3));
    assert_eq!((log.term(0).get_i64(0), log.term(0).get_u8(8)), (0, 0x5A));
}

#[test]
fn what_does_not_fit_the_term_is_not_inserted() {
    let log = image();
    let packet = frame_bytes(0, DATA, &[1; 64]);
    for offset in [-32, 16, TERM - 64, TERM, i32::MAX, i32::MIN] {
        assert!(!insert(log.term(0), at(offset), &packet), "{offset}");
    }
    assert!(!insert(log.term(0), at(0), &packet[..31]) && !insert(log.term(0), at(0), &packet[..33]));
    assert!(!insert(log.term(0), at(0), &[]));
    assert!(insert(log.term(0), at(TERM - 96), &packet));
    assert!(log.term(0).to_vec(0, TERM as usize - 96).iter().all(|byte| *byte == 0));
}

#[test]
fn a_padding_header_stands_for_all_its_length() {
    let log = image();
    let mut header = frame_bytes(TERM - 256, PAD, &[]);
    header[..4].copy_from_slice(&256_i32.to_le_bytes());
    assert!(insert(log.term(0), at(TERM - 256), &header));
    assert_eq!(scan(&log, TERM - 256, TERM), GapScan { rebuilt_to: at(TERM), gap: None });
}

#[test]
fn a_gap_reaches_to_the_next_frame_or_the_limit() {
    let log = image();
    for (offset, length) in [(0, 64), (128, 64), (320, 32)] {
        put_frame(log.term(0), offset, length, DATA);
    }
    assert_eq!(scan(&log, 0, 64), GapScan { rebuilt_to: at(64), gap: None });
    assert_eq!(scan(&log, 0, 352), GapScan { rebuilt_to: at(64), gap: gap(64, 64) });
    assert_eq!(scan(&log, 0, 96), GapScan { rebuilt_to: at(64), gap: gap(64, 32) });
    assert_eq!(scan(&log, 128, 352), GapScan { rebuilt_to: at(192), gap: gap(192, 128) });
    assert_eq!(scan(&log, 320, 352), GapScan { rebuilt_to: at(352), gap: None });
    assert_eq!(scan(&log, 352, TERM), GapScan { rebuilt_to: at(352), gap: gap(352, TERM - 352) });
    assert_eq!(scan(&log, 352, i32::MAX), GapScan { rebuilt_to: at(352), gap: gap(352, TERM - 352) });
    assert_eq!(scan(&log, 352, 352), GapScan { rebuilt_to: at(352), gap: None });
    assert_eq!(scan(&log, TERM, TERM), GapScan { rebuilt_to: at(TERM), gap: None });
}

#[test]
fn an_empty_term_is_one_gap() {
    assert_eq!(scan(&image(), 0, TERM).gap, gap(0, TERM));
}

#[test]
fn gaps_are_filled_at_the_beginning_between_and_at_the_end() {
    let log = image();
    let term_id = log.geometry().initial_term_id();
    put_frame(log.term(0), 64, 64, DATA);
    put_frame(log.term(0), 192, 64, DATA);
    for (offset, length) in [(0, 64), (128, 64), (256, TERM - 256)] {
        assert!(fill_gap(&log, term_id, Gap { offset: at(offset), length }));
        let padding = frame(log.term(0), offset);
        assert_eq!((padding.frame_length(), padding.frame_type()), (length, PAD));
        assert_eq!((padding.term_offset(), padding.term_id()), (at(offset), term_id));
        assert_eq!((padding.session_id(), padding.stream_id()), (log.session_id(), log.stream_id()));
        assert_eq!(padding.flags().get(), 0xC0);
    }
    assert_eq!(scan(&log, 0, TERM), GapScan { rebuilt_to: at(TERM), gap: None });
}

#[test]
fn a_gap_with_anything_in_it_is_not_filled() {
    for arrived in [0, 32, 96] {
        let log = image();
        put_frame(log.term(0), arrived, 32, DATA);
        assert!(!fill_gap(&log, TermId::new(0), Gap { offset: at(0), length: 128 }));
        assert_eq!(frame(log.term(0), arrived).frame_length(), 32);
    }
}

#[test]
fn a_gap_that_cannot_be_is_not_filled() {
    let log = image();
    for (offset, length) in
        [(0, 0), (0, -32), (0, 33), (16, 32), (-32, 64), (TERM, 32), (0, TERM + 32), (32, TERM)]
    {
        assert!(!fill_gap(&log, TermId::new(0), Gap { offset: at(offset), length }), "{offset} {length}");
    }
    assert!(log.term(0).to_vec(0, TERM as usize).iter().all(|byte| *byte == 0));
}

#[test]
fn a_gap_is_filled_in_the_term_it_names() {
    let log = image();
    assert!(fill_gap(&log, TermId::new(4), Gap { offset: at(32), length: 32 }));
    assert_eq!(frame(log.term(1), 32).term_id(), TermId::new(4));
}

#[test]
fn cleaning_zeroes_just_its_range() {
    let log = image();
    let term = log.term(0);
    term.write(0, &[0xAA; TERM as usize]);
    assert_eq!(clean(term, at(64), 128), 128);
    let bytes = term.to_vec(0, 256);
    assert!(bytes[64..192].iter().all(|byte| *byte == 0));
    assert!(bytes[..64].iter().chain(&bytes[192..]).all(|byte| *byte == 0xAA));
    assert_eq!(clean(term, at(TERM - 32), 4096), 32, "at most to the end of the term");
    assert_eq!(clean(term, at(256), 63), 32);
    for (offset, length) in [(256, 0), (256, -64), (256, 31), (-32, 64), (TERM, 64), (40, 64)] {
        assert_eq!(clean(term, at(offset), length), 0);
    }
}

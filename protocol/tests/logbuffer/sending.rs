//! What a sender finds to send. DAT-17 of the driver spec.

use epona_protocol::{
    frame::frame_type::{DATA, PAD},
    logbuffer::{Availability, Run, scan_for_availability, scan_run},
    memory::AtomicView,
};

use crate::support::{MTU, TERM, at, put_frame};

fn term_of(frames: &[(i32, i32, u16)]) -> AtomicView {
    let term = AtomicView::allocate(TERM as usize);
    for (offset, length, kind) in frames {
        put_frame(&term, *offset, *length, *kind);
    }
    term
}

fn datagram(length: i32, padding: i32) -> Availability {
    Availability::Datagram { length, padding }
}

#[test]
fn frames_are_collected_up_to_the_limit() {
    let term = term_of(&[(0, 100, DATA), (128, 100, DATA), (256, 1000, DATA)]);
    assert_eq!(scan_for_availability(&term, at(0), MTU), datagram(1280, 0));
    assert_eq!(scan_for_availability(&term, at(0), 1279), datagram(256, 0));
    assert_eq!(scan_for_availability(&term, at(0), 256), datagram(256, 0));
    assert_eq!(scan_for_availability(&term, at(0), 255), datagram(128, 0));
    assert_eq!(scan_for_availability(&term, at(256), MTU), datagram(1024, 0));
    assert_eq!(scan_for_availability(&term, at(1280), MTU), Availability::Nothing);
}

#[test]
fn a_first_frame_over_the_limit_blocks() {
    let term = term_of(&[(0, 100, DATA)]);
    for limit in [127, 32, 0, -1, i32::MIN] {
        assert_eq!(scan_for_availability(&term, at(0), limit), Availability::Blocked(128));
    }
    assert_eq!(scan_for_availability(&term, at(128), 0), Availability::Nothing);
}

#[test]
fn a_frame_of_the_full_mtu_fits_and_one_more_byte_does_not() {
    let term = term_of(&[(0, MTU, DATA), (MTU, MTU, DATA)]);
    assert_eq!(scan_for_availability(&term, at(0), MTU), datagram(MTU, 0));
    assert_eq!(scan_for_availability(&term, at(0), 2 * MTU - 1), datagram(MTU, 0));
}

#[test]
fn padding_is_sent_as_a_header_and_ends_the_datagram() {
    let end = TERM - 512;
    let term = term_of(&[(end, 128, DATA), (end + 128, 384, PAD)]);
    assert_eq!(scan_for_availability(&term, at(end), MTU), datagram(160, 352));
    assert_eq!(scan_for_availability(&term, at(end), 159), datagram(128, 0));
    assert_eq!(scan_for_availability(&term, at(end + 128), 32), datagram(32, 352), "32 bytes of window do");
    assert_eq!(scan_for_availability(&term, at(end + 128), 31), Availability::Blocked(32));
}

#[test]
fn padding_of_one_header_ends_nothing() {
    let term = term_of(&[(0, 32, PAD), (32, 64, DATA)]);
    assert_eq!(scan_for_availability(&term, at(0), MTU), datagram(96, 0));
}

#[test]
fn a_frame_that_ends_with_the_term_is_sent() {
    let term = term_of(&[(TERM - 64, 64, DATA)]);
    assert_eq!(scan_for_availability(&term, at(TERM - 64), MTU), datagram(64, 0));
    assert_eq!(scan_for_availability(&term, at(TERM), MTU), Availability::Nothing);
}

#[test]
fn equal_datagrams_make_one_run() {
    let frames: Vec<_> =
        (0..10).map(|index| (index * MTU, MTU, DATA)).chain([(10 * MTU, 100, DATA)]).collect();
    let term = term_of(&frames);
    let all = Run { length: 10 * MTU + 128, segment: MTU, datagrams: 11, padding: 0, blocked: false };
    assert_eq!(scan_run(&term, at(0), TERM, MTU, 64), all);
    let four = Run { length: 4 * MTU, segment: MTU, datagrams: 4, padding: 0, blocked: false };
    assert_eq!(scan_run(&term, at(0), TERM, MTU, 4), four);
    assert_eq!(scan_run(&term, at(0), 4 * MTU, MTU, 64), four, "a window used up exactly is no block");
    assert_eq!(scan_run(&term, at(0), 5 * MTU - 1, MTU, 64), Run { blocked: true, ..four });
    assert_eq!(scan_run(&term, at(0), TERM, MTU, 0), Run::default());
}

#[test]
fn a_longer_datagram_starts_the_next_run() {
    // Two frames of 704 fill a datagram, 1000 do not leave room for the next.
    let term = term_of(&[(0, 1000, DATA), (1024, 704, DATA), (1728, 704, DATA), (2432, 64, DATA)]);
    let first = scan_run(&term, at(0), TERM, MTU, 64);
    assert_eq!((first.length, first.datagrams), (1024, 1));
    let second = scan_run(&term, at(1024), TERM, MTU, 64);
    assert_eq!((second.length, second.segment, second.datagrams), (1472, 1408, 2));
}

#[test]
fn padding_ends_a_run_and_is_skipped_after_it() {
    let end = TERM - 3 * MTU;
    let term = term_of(&[(end, MTU, DATA), (end + MTU, MTU, DATA), (end + 2 * MTU, MTU, PAD)]);
    let run = scan_run(&term, at(end), TERM, MTU, 64);
    assert_eq!(
        run,
        Run { length: 2 * MTU + 32, segment: MTU, datagrams: 3, padding: MTU - 32, blocked: false }
    );
    assert_eq!(run.advance(), 3 * MTU);
}

#[test]
fn a_blocked_run_says_so() {
    let term = term_of(&[(0, MTU, DATA)]);
    assert_eq!(scan_run(&term, at(0), 0, MTU, 64), Run { blocked: true, ..Run::default() });
    assert_eq!(scan_run(&term, at(MTU), 0, MTU, 64), Run::default());
}

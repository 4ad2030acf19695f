//! Several gaps at a time, over real terms and a model of what has arrived.

use std::collections::BTreeMap;

use epona_protocol::{
    logbuffer::{GapScan, LogBuffers, insert},
    types::{TermLength, TermOffset},
};
use proptest::prelude::*;

use super::*;
use crate::{
    loss::{AnswerTime, Detector, ImageTerms},
    testing::{INITIAL_TERM, SESSION, STREAM, TERM, image_log},
};

const FIRST: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(60);
const MAX_GAPS: usize = 8;

/// An image and what its detector has reported.
struct Image {
    detector: Detector,
    log: LogBuffers,
    rebuild: i64,
    hwm: i64,
    now: Nanos,
    loss_found: bool,
}

impl Image {
    fn new(join: i64, first: Duration, retry: Retry) -> Self {
        Self {
            detector: Detector::multi(Position::new(join), MAX_GAPS, first, retry),
            log: image_log(),
            rebuild: join,
            hwm: join,
            now: Nanos::new(0),
            loss_found: false,
        }
    }

    fn with_delays() -> Self {
        Self::new(0, FIRST, Retry::Fixed(RETRY))
    }

    fn at_once() -> Self {
        Self::new(0, Duration::ZERO, Retry::Fixed(RETRY))
    }

    /// A frame that takes these bytes, which are in one term.
    fn receive(&mut self, range: core::ops::Range<i64>) {
        let geometry = self.log.geometry();
        let begin = Position::new(range.start);
        let offset = geometry.term_offset(begin);
        let mut frame = vec![0xAB_u8; (range.end - range.start) as usize];
        let length = frame.len() as i32;
        for (at, field) in [
            (0, length),
            (4, 0x0001_C000),
            (8, offset.get()),
            (12, SESSION.get()),
            (16, STREAM.get()),
            (20, geometry.term_id(begin).get()),
        ] {
            frame[at..at + 4].copy_from_slice(&field.to_le_bytes());
        }
        insert(self.log.term_at(begin), offset, &frame);
        self.hwm = self.hwm.max(range.end);
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// The gaps that a scan reports, by position and length.
    fn scan(&mut self) -> Vec<(i64, i32)> {
        let geometry = self.log.geometry();
        let terms = ImageTerms { log: &self.log, geometry, session_id: SESSION, stream_id: STREAM };
        let (rebuild, hwm) = (Position::new(self.rebuild), Position::new(self.hwm));
        let mut reported = Vec::new();
        let scan = self.detector.scan(&geometry, rebuild, hwm, self.now, &terms, |gap| {
            reported.push((geometry.position(gap.term_id, gap.offset).get(), gap.length));
        });
        self.rebuild = scan.rebuild_position.get();
        self.loss_found = scan.loss_found;
        reported
    }
}

#[test]
fn every_gap_is_reported_after_the_first_delay_and_again_after_the_retry_delay() {
    let mut image = Image::with_delays();
    image.receive(0..64);
    image.receive(128..256);
    image.receive(320..384);
    assert_eq!((image.scan(), image.rebuild, image.loss_found), (vec![], 64, true));
    image.wait(FIRST);
    let gaps = vec![(64, 64), (256, 64)];
    assert_eq!((image.scan(), image.loss_found), (gaps.clone(), false));
    image.wait(RETRY - Duration::from_nanos(1));
    assert_eq!(image.scan(), []);
    image.wait(Duration::from_nanos(1));
    assert_eq!(image.scan(), gaps);
    image.receive(64..128);
    image.receive(256..320);
    image.wait(RETRY);
    assert_eq!((image.scan(), image.rebuild), (vec![], 384));
}

#[test]
fn gaps_filled_out_of_order_move_the_rebuild_position_at_the_first_only() {
    let mut image = Image::at_once();
    image.receive(64..128);
    image.receive(192..256);
    assert_eq!(image.scan(), [(0, 64), (128, 64)]);
    image.receive(128..192);
    assert_eq!((image.scan(), image.rebuild), (vec![], 0));
    image.receive(0..64);
    assert_eq!((image.scan(), image.rebuild), (vec![], 256));
}

#[test]
fn no_more_gaps_are_followed_than_allowed_and_the_next_come_in_their_place() {
    let mut image = Image::at_once();
    let frames = 0..2 * MAX_GAPS as i64;
    frames.clone().for_each(|number| image.receive(number * 128 + 64..number * 128 + 128));
    let gaps: Vec<_> = frames.map(|number| (number * 128, 64)).collect();
    assert_eq!(image.scan(), gaps[..MAX_GAPS]);
    image.receive(0..64);
    image.receive(128..192);
    assert_eq!(image.scan(), gaps[MAX_GAPS..MAX_GAPS + 2]);
    assert_eq!(image.rebuild, 256);
}

#[test]
fn a_gap_answered_in_part_is_not_asked_for_again_while_the_rest_is_on_its_way() {
    let mut image = Image::at_once();
    image.receive(256..320);
    assert_eq!(image.scan(), [(0, 256)]);
    for arrived in [0, 64, 128] {
        image.wait(RETRY - Duration::from_nanos(1));
        image.receive(arrived..arrived + 64);
        assert_eq!((image.scan(), image.rebuild), (vec![], arrived + 64));
    }
    image.wait(RETRY);
    assert_eq!(image.scan(), [(192, 64)]);
}

#[test]
fn what_is_missing_before_data_that_was_sent_again_is_lost_again_and_asked_for_at_once() {
    let mut image = Image::at_once();
    image.receive(320..384);
    assert_eq!(image.scan(), [(0, 320)]);
    image.receive(64..128);
    image.receive(192..256);
    assert_eq!(image.scan(), [(0, 64), (128, 64)], "the last part may still come");
    assert!(!image.loss_found, "it is the same loss");
    image.wait(RETRY);
    assert_eq!(image.scan(), [(0, 64), (128, 64), (256, 64)]);
}

#[test]
fn a_gap_that_a_heartbeat_lengthens_is_a_new_one() {
    let mut image = Image::with_delays();
    image.hwm = 64;
    image.scan();
    image.wait(FIRST);
    assert_eq!(image.scan(), [(0, 64)]);
    image.hwm = 192;
    assert_eq!(image.scan(), []);
    image.wait(FIRST);
    assert_eq!(image.scan(), [(0, 192)]);
}

#[test]
fn gaps_end_with_their_term_and_the_next_one_is_looked_at_too() {
    let mut image = Image::new(TERM - 128, Duration::ZERO, Retry::Fixed(RETRY));
    image.receive(TERM - 128..TERM - 64);
    image.receive(TERM + 96..TERM + 128);
    assert_eq!(image.scan(), [(TERM - 64, 64), (TERM, 96)]);
    image.receive(TERM..TERM + 96);
    assert_eq!((image.scan(), image.rebuild), (vec![], TERM - 64));
    image.receive(TERM - 64..TERM);
    assert_eq!((image.scan(), image.rebuild), (vec![], TERM + 128));
}

#[test]
fn loss_counts_once_for_all_that_was_under_way_when_it_was_found() {
    let mut image = Image::at_once();
    image.hwm = 1024;
    image.receive(64..128);
    image.scan();
    assert!(image.loss_found);
    image.receive(192..256);
    image.scan();
    assert!(!image.loss_found, "lost at the same time");
    image.receive(1088..1152);
    image.scan();
    assert!(image.loss_found, "lost later");
}

#[test]
fn subscribers_that_are_ahead_of_the_detector_leave_no_gaps_behind() {
    let mut image = Image::at_once();
    image.receive(64..128);
    image.receive(192..256);
    image.scan();
    image.receive(0..64);
    image.receive(128..192);
    image.rebuild = 256;
    image.wait(RETRY);
    assert_eq!((image.scan(), image.rebuild), (vec![], 256));
}

/// A datagram becomes visible with its first word, which is written last.
#[test]
fn a_frame_that_is_being_written_is_not_taken_for_the_end_of_a_gap() {
    let mut image = Image::at_once();
    image.receive(512..576);
    image.log.term(0).put_i32(128 + 32, 64);
    assert_eq!(image.scan(), [(0, 576)], "not up to its payload");
    image.log.term(0).put_i32(128 + 32, 0);
    image.receive(128..256);
    assert_eq!(image.scan(), [(0, 128), (256, 256)]);
}

#[test]
fn counters_and_lengths_that_others_made_up_end_a_scan_all_the_same() {
    for hwm in [i64::MAX & !31, 1 << 40] {
        for rebuild in [0, 64, (i64::MAX - (1 << 30)) & !31, i64::MAX & !31] {
            let mut image = Image::at_once();
            image.log.term(0).put_i32(0, i32::MAX);
            (image.hwm, image.rebuild) = (hwm, rebuild);
            image.scan();
            image.scan();
            (image.hwm, image.rebuild) = (0, 0);
            image.scan();
        }
    }
}

/// A term whose frames are longer than it.
struct Endless;

impl Terms for Endless {
    fn scan(&self, _: Position, _: Position) -> GapScan {
        GapScan { rebuilt_to: TermOffset::new(i32::MAX & !31), gap: None }
    }

    fn starts_frame(&self, _: Position) -> bool {
        true
    }
}

#[test]
fn a_frame_longer_than_its_term_does_not_carry_the_rebuild_past_the_term() {
    let mut detector = Detector::multi(Position::ZERO, 2, FIRST, Retry::Fixed(RETRY));
    let geometry = TermGeometry::new(INITIAL_TERM, TermLength::MIN);
    let scan = detector.scan(&geometry, Position::ZERO, Position::new(64), Nanos::new(0), &Endless, |_| ());
    assert_eq!(scan.rebuild_position, Position::new(TERM));
}

/// A source that answers each NAK after a round trip, over a network that loses and reorders.
struct Network {
    random: fastrand::Rng,
    loss: f64,
    /// Frames by position: all that will ever be sent.
    frames: Vec<(i64, i64)>,
    on_the_way: Vec<(Nanos, usize)>,
}

impl Network {
    fn send(&mut self, frame: usize, at: Nanos) {
        if self.random.f64() >= self.loss {
            let jitter = Duration::from_micros(self.random.u64(0..3) * 200);
            self.on_the_way.push((at + jitter, frame));
        }
    }

    fn answer(&mut self, (begin, length): (i64, i32), at: Nanos) {
        if self.random.f64() < self.loss {
            return;
        }
        let end = begin + i64::from(length);
        for frame in 0..self.frames.len() {
            let (from, to) = self.frames[frame];
            if from >= begin && to <= end {
                self.send(frame, at);
            }
        }
    }

    fn arrivals(&mut self, now: Nanos) -> Vec<(i64, i64)> {
        let frames = &self.frames;
        let (due, later) = self.on_the_way.iter().partition(|(at, _)| *at <= now);
        self.on_the_way = later;
        let due: Vec<(Nanos, usize)> = due;
        due.iter().map(|(_, frame)| frames[*frame]).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is lost and in whatever order it arrives: the rebuild position is the first byte that is missing, a
    /// report names missing bytes that begin with a frame, no more gaps than allowed are open, none is asked for before
    /// its time, every one is asked for in time, and in the end everything has arrived.
    #[test]
    fn every_gap_is_asked_for_until_it_has_arrived(
        seed: u64,
        loss in 0.0..0.4_f64,
        round_trip in prop_oneof![Just(300_u64), Just(5_000), Just(40_000)],
        lengths in proptest::collection::vec(1_i64..6, 100..260),
        is_measured: bool,
    ) {
        let least = Duration::from_micros(100);
        let retry = if is_measured { Retry::Measured(AnswerTime::new(least)) } else { Retry::Fixed(RETRY) };
        let start = TERM - 200 * 32;
        let mut image = Image::new(start, Duration::from_micros(1), retry);
        let mut end = start;
        let mut frames = Vec::new();
        for slots in lengths {
            // A frame that would cross the end of the term fills it up instead.
            let next = (end + slots * 32).min((end / TERM + 1) * TERM);
            frames.push((end, next));
            end = next;
        }
        let random = fastrand::Rng::with_seed(seed);
        let mut network = Network { random, loss, frames, on_the_way: Vec::new() };
        let mut arrived = vec![false; ((end - start) / 32) as usize];
        let slot = |position: i64| ((position - start) / 32) as usize;
        let (mut last_asked, mut missing_since) = (BTreeMap::new(), BTreeMap::new());
        let (mut sent, mut turns) = (0, 0_u64);
        while image.rebuild < end {
            turns += 1;
            // Far beyond what it takes: waits of up to a second, a few gaps at a time, of which every other NAK brings something.
            prop_assert!(turns < 2_000_000, "{} of {end}", image.rebuild);
            image.wait(Duration::from_micros(50));
            if sent < network.frames.len() {
                network.send(sent, image.now);
                sent += 1;
            } else {
                image.hwm = end;
            }
            for (from, to) in network.arrivals(image.now) {
                image.receive(from..to);
                arrived[slot(from)..slot(to)].fill(true);
            }
            let reported = image.scan();
            prop_assert_eq!(
                image.rebuild,
                (start..image.hwm).step_by(32).find(|p| !arrived[slot(*p)]).unwrap_or(image.hwm)
            );
            let Detector::Multi(detector) = &image.detector else { unreachable!() };
            prop_assert!(detector.gaps.len() <= MAX_GAPS && detector.gaps.capacity() == MAX_GAPS);
            for gap in &detector.gaps {
                prop_assert!(!arrived[slot(gap.begin.get())]);
                prop_assert!(network.frames.iter().any(|(from, _)| *from == gap.begin.get()));
                let known_since = *missing_since.entry((gap.begin, gap.end)).or_insert(image.now);
                let asked = last_asked.get(&gap.begin.get()).map_or(known_since, |(_, at)| *at);
                let waits = image.now.since(known_since.max(asked));
                prop_assert!(waits <= Duration::from_millis(1100), "{gap:?} waits {waits:?}");
            }
            missing_since.retain(|(begin, _), _| !arrived[slot(begin.get())]);
            let mut end_of_last = 0;
            for (begin, length) in reported {
                prop_assert!(begin >= end_of_last && length > 0);
                end_of_last = begin + i64::from(length);
                if let Some((length_before, before)) = last_asked.insert(begin, (length, image.now)) {
                    prop_assert!(length != length_before || image.now.since(before) >= least);
                }
                network.answer((begin, length), image.now + Duration::from_micros(round_trip));
            }
        }
        prop_assert_eq!(image.scan(), []);
    }
}

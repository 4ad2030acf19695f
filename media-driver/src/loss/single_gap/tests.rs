//! Acceptance line DAT-14, and a model of a term.

use core::time::Duration;

use epona_protocol::{
    logbuffer::{self, GapScan},
    memory::AtomicView,
    types::{FRAME_ALIGNMENT, TermId, TermLength, TermOffset},
};
use proptest::prelude::*;

use super::*;

const TERM: i64 = 65_536;
const INITIAL: TermId = TermId::new(i32::MAX);
const FIRST: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(60);
const NO_DELAY: FeedbackDelay = FeedbackDelay::Static { first: Duration::ZERO, retry: Duration::ZERO };

/// An image whose memory is a set of 32-byte slots: arrived or not.
struct Image {
    detector: SingleGap,
    geometry: TermGeometry,
    slots: Vec<bool>,
    rebuild: i64,
    hwm: i64,
    now: Nanos,
}

impl Image {
    fn starting_at(position: i64, delay: FeedbackDelay) -> Self {
        Self {
            detector: SingleGap::new(delay),
            geometry: TermGeometry::new(INITIAL, TermLength::MIN),
            slots: vec![false; (4 * TERM / 32) as usize],
            rebuild: position,
            hwm: position,
            now: Nanos::new(0),
        }
    }

    fn with_delays() -> Self {
        Self::starting_at(0, FeedbackDelay::Static { first: FIRST, retry: RETRY })
    }

    fn receive(&mut self, range: core::ops::Range<i64>) {
        self.slots[(range.start / 32) as usize..(range.end / 32) as usize].fill(true);
        self.hwm = self.hwm.max(range.end);
    }

    fn heartbeat(&mut self, position: i64) {
        self.hwm = self.hwm.max(position);
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    fn scan(&mut self) -> Found {
        let (rebuild, hwm) = (Position::new(self.rebuild), Position::new(self.hwm));
        let slots = Slots { arrived: &self.slots, geometry: self.geometry };
        let found = Found::by(&mut self.detector, &self.geometry, rebuild..hwm, self.now, &slots);
        self.rebuild = found.rebuild_position.get();
        found
    }
}

struct Slots<'a> {
    arrived: &'a [bool],
    geometry: TermGeometry,
}

impl Terms for Slots<'_> {
    fn scan(&self, from: Position, limit: Position) -> GapScan {
        assert!(from < limit && limit - self.geometry.term_begin(from) <= TERM);
        let end_of_scan = limit.get();
        let has_arrived = |position: i64| self.arrived[(position / 32) as usize];
        let steps = (from.get()..end_of_scan).step_by(FRAME_ALIGNMENT as usize);
        let begin = steps.clone().find(|&p| !has_arrived(p)).unwrap_or(end_of_scan);
        let end = steps.skip_while(|&p| p < begin).find(|&p| has_arrived(p)).unwrap_or(end_of_scan);
        let rebuilt_to = TermOffset::new((begin - self.geometry.term_begin(from).get()) as i32);
        let length = (end - begin) as i32;
        GapScan { rebuilt_to, gap: (length > 0).then_some(logbuffer::Gap { offset: rebuilt_to, length }) }
    }

    fn starts_frame(&self, _: Position) -> bool {
        true
    }
}

/// What a scan found and reported.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    rebuild_position: Position,
    loss_found: bool,
    report: Option<Gap>,
}

impl Found {
    fn by(
        detector: &mut SingleGap,
        geometry: &TermGeometry,
        range: core::ops::Range<Position>,
        now: Nanos,
        terms: &impl Terms,
    ) -> Self {
        let mut report = None;
        let mut on_gap = |gap| assert_eq!(report.replace(gap), None, "one at a time");
        let scan = detector.scan(geometry, range.start, range.end, now, terms, &mut on_gap);
        Self { rebuild_position: scan.rebuild_position, loss_found: scan.loss_found, report }
    }
}

fn gap(term: i32, offset: i32, length: i32) -> Option<Gap> {
    Some(Gap { term_id: INITIAL.wrapping_add(term), offset: TermOffset::new(offset), length })
}

#[test]
fn an_empty_image_has_no_gap() {
    let scan = Image::with_delays().scan();
    assert_eq!(scan, Found { rebuild_position: Position::ZERO, loss_found: false, report: None });
}

#[test]
fn contiguous_data_moves_the_rebuild_position_and_reports_nothing() {
    let mut image = Image::with_delays();
    image.receive(0..1024);
    image.wait(RETRY);
    let scan = image.scan();
    assert_eq!(scan, Found { rebuild_position: Position::new(1024), loss_found: false, report: None });
}

#[test]
fn a_gap_is_reported_after_the_first_delay_and_again_after_the_retry_delay() {
    let mut image = Image::with_delays();
    image.receive(0..64);
    image.receive(128..192);
    let scan = image.scan();
    assert_eq!(scan, Found { rebuild_position: Position::new(64), loss_found: true, report: None });
    image.wait(FIRST - Duration::from_nanos(1));
    assert_eq!(image.scan().report, None);
    image.wait(Duration::from_nanos(1));
    let scan = image.scan();
    assert_eq!((scan.loss_found, scan.report), (false, gap(0, 64, 64)));
    image.wait(RETRY - Duration::from_nanos(1));
    assert_eq!(image.scan().report, None);
    image.wait(Duration::from_nanos(1));
    assert_eq!(image.scan().report, gap(0, 64, 64));
}

#[test]
fn a_gap_at_the_start_of_the_stream_is_reported() {
    let mut image = Image::starting_at(0, NO_DELAY);
    image.receive(96..192);
    assert_eq!(
        image.scan(),
        Found { rebuild_position: Position::ZERO, loss_found: true, report: gap(0, 0, 96) }
    );
}

#[test]
fn a_delay_of_zero_reports_in_the_scan_that_finds_the_gap_and_in_every_one_after() {
    let mut image = Image::starting_at(0, NO_DELAY);
    image.receive(64..96);
    let first = image.scan();
    let second = image.scan();
    assert_eq!((first.loss_found, first.report), (true, gap(0, 0, 64)));
    assert_eq!((second.loss_found, second.report), (false, gap(0, 0, 64)));
}

#[test]
fn a_gap_filled_in_time_is_never_reported() {
    let mut image = Image::with_delays();
    image.receive(64..96);
    assert!(image.scan().loss_found);
    image.receive(0..64);
    image.wait(FIRST);
    assert_eq!(image.scan(), Found { rebuild_position: Position::new(96), loss_found: false, report: None });
}

#[test]
fn gaps_are_reported_one_after_the_other() {
    let mut image = Image::starting_at(0, NO_DELAY);
    image.receive(32..64);
    image.receive(128..160);
    assert_eq!(image.scan().report, gap(0, 0, 32));
    image.receive(0..32);
    let scan = image.scan();
    assert_eq!((scan.loss_found, scan.report), (true, gap(0, 64, 64)));
}

#[test]
fn a_partly_filled_gap_is_a_new_gap_and_waits_again() {
    let mut image = Image::with_delays();
    image.receive(96..128);
    image.scan();
    image.wait(FIRST);
    assert_eq!(image.scan().report, gap(0, 0, 96));
    image.receive(64..96);
    let scan = image.scan();
    assert_eq!((scan.loss_found, scan.report), (true, None));
    image.wait(FIRST);
    assert_eq!(image.scan().report, gap(0, 0, 64));
}

#[test]
fn a_heartbeat_exposes_loss_at_the_tail_and_lengthens_the_gap() {
    let mut image = Image::with_delays();
    image.receive(0..32);
    image.heartbeat(64);
    assert!(image.scan().loss_found);
    image.heartbeat(128);
    assert!(image.scan().loss_found);
    image.wait(FIRST);
    assert_eq!(image.scan().report, gap(0, 32, 96));
}

#[test]
fn a_gap_ends_with_its_term() {
    let mut image = Image::starting_at(TERM - 64, NO_DELAY);
    image.receive(TERM + 96..TERM + 128);
    assert_eq!(image.scan().report, gap(0, TERM as i32 - 64, 64));
    image.receive(TERM - 64..TERM);
    assert_eq!(
        image.scan(),
        Found { rebuild_position: Position::new(TERM), loss_found: false, report: None }
    );
    assert_eq!(image.scan().report, gap(1, 0, 96));
}

#[test]
fn a_stream_joined_inside_a_later_term_reports_that_term() {
    let mut image = Image::starting_at(2 * TERM + 320, NO_DELAY);
    image.receive(2 * TERM + 640..2 * TERM + 672);
    assert_eq!(image.scan().report, gap(2, 320, 320));
}

/// The first term, which the function scans.
struct OneTerm<F>(F);

impl<F: Fn(TermOffset, TermOffset) -> GapScan> Terms for OneTerm<F> {
    fn scan(&self, from: Position, limit: Position) -> GapScan {
        (self.0)(TermOffset::new(from.get() as i32), TermOffset::new(limit.get() as i32))
    }

    fn starts_frame(&self, _: Position) -> bool {
        true
    }
}

#[test]
fn a_term_buffer_with_a_hole_is_rebuilt_once_the_hole_is_filled() {
    let term = AtomicView::allocate(TERM as usize);
    let geometry = TermGeometry::new(INITIAL, TermLength::MIN);
    let mut detector = SingleGap::new(NO_DELAY);
    let terms = OneTerm(|from, limit| logbuffer::scan_for_gap(&term, from, limit));
    let range = Position::ZERO..Position::new(224);
    let mut scan = || Found::by(&mut detector, &geometry, range.clone(), Nanos::new(0), &terms);
    term.put_i32(0, 33);
    term.put_i32(160, 64);
    assert_eq!(
        scan(),
        Found { rebuild_position: Position::new(64), loss_found: true, report: gap(0, 64, 96) }
    );
    term.put_i32(64, 96);
    assert_eq!(scan(), Found { rebuild_position: Position::new(224), loss_found: false, report: None });
}

#[test]
fn a_frame_longer_than_its_term_does_not_carry_the_rebuild_past_the_term() {
    let mut detector = SingleGap::new(NO_DELAY);
    let geometry = TermGeometry::new(INITIAL, TermLength::MIN);
    let terms = OneTerm(|_, _| GapScan { rebuilt_to: TermOffset::new(i32::MAX & !31), gap: None });
    let range = Position::new(64)..Position::new(128);
    let scan = Found::by(&mut detector, &geometry, range, Nanos::new(0), &terms);
    assert_eq!(scan, Found { rebuild_position: Position::new(TERM), loss_found: false, report: None });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever arrives in whatever order: the rebuild position is the first byte not received (within one term a
    /// scan), a report names exactly the first run of missing bytes, and no gap goes unreported for ever.
    #[test]
    fn the_first_missing_run_is_reported_until_it_arrives(
        order in Just((0..200_i64).collect::<Vec<_>>()).prop_shuffle(),
        steps in proptest::collection::vec(0_u64..50, 200),
    ) {
        let start = TERM - 100 * 32;
        let mut image = Image::starting_at(start, FeedbackDelay::Static { first: FIRST, retry: RETRY });
        let mut unreported_since = image.now;
        for (slot, step) in order.into_iter().zip(steps) {
            image.receive(start + slot * 32..start + slot * 32 + 32);
            image.wait(Duration::from_millis(step));
            let before = image.rebuild;
            let scan = image.scan();
            prop_assert!(image.rebuild >= before && image.rebuild <= image.hwm);
            let is_missing = |position: i64| !image.slots[(position / 32) as usize];
            prop_assert!((before..image.rebuild).step_by(32).all(|p| !is_missing(p)));
            if let Some(gap) = scan.report {
                let begin = image.geometry.position(gap.term_id, gap.offset).get();
                let end = begin + i64::from(gap.length);
                prop_assert_eq!(begin, image.rebuild);
                prop_assert!(gap.length > 0 && (begin..end).step_by(32).all(is_missing));
                prop_assert!(end == image.hwm || end % TERM == 0 || !is_missing(end));
            }
            if scan.loss_found || scan.report.is_some() || image.rebuild != before {
                unreported_since = image.now;
            } else if image.rebuild < image.hwm {
                prop_assert!(image.now.since(unreported_since) < RETRY);
            }
        }
    }
}

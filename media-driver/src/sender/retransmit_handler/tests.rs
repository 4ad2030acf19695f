//! Acceptance line DAT-13.

use proptest::prelude::*;

use super::*;

const LINGER: Duration = Duration::from_millis(10);
const DELAY: Duration = Duration::from_millis(1);

fn gap(term: i32, offset: i32, length: i32) -> Gap {
    Gap { term_id: TermId::new(term), offset: TermOffset::new(offset), length }
}

fn resend(term: i32, offset: i32, length: i32) -> Resend {
    Resend { term_id: TermId::new(term), offset: TermOffset::new(offset), length }
}

/// A publication with 64 KiB terms whose receivers send NAKs.
struct Publication {
    handler: RetransmitHandler,
    flow_control: FlowControl,
    now: Nanos,
}

impl Publication {
    /// `max_resends` of a group, or of unicast as Aeron has it.
    fn with(delay: Duration, max_resends: Option<usize>) -> Self {
        let is_group = max_resends.is_some();
        let config =
            RetransmitConfig { delay, linger: LINGER, max_resends: max_resends.unwrap_or(1), is_group };
        Self {
            handler: RetransmitHandler::new(&config),
            flow_control: FlowControl::max(1),
            now: Nanos::new(0),
        }
    }

    /// A receiver that asks for several gaps at a time.
    fn unicast(max_resends: usize) -> Self {
        let config = RetransmitConfig { delay: Duration::ZERO, linger: LINGER, max_resends, is_group: false };
        Self { handler: RetransmitHandler::new(&config), ..Self::with(DELAY, None) }
    }

    fn nak(&mut self, gap: Gap) -> NakOutcome {
        self.handler.on_nak(gap, &self.flow_control, TermLength::MIN, self.now)
    }

    fn after(&mut self, duration: Duration) -> Vec<Resend> {
        self.now = self.now + duration;
        let mut resends = Vec::new();
        self.handler.process_timeouts(self.now, |resend| resends.push(resend));
        resends
    }
}

const TICK: Duration = Duration::from_nanos(1);

#[test]
fn a_nak_is_answered_at_once_without_a_delay() {
    for max_resends in [None, Some(16)] {
        let mut publication = Publication::with(Duration::ZERO, max_resends);
        assert_eq!(publication.nak(gap(5, 64, 96)), NakOutcome::Resend(resend(5, 64, 96)));
    }
}

#[test]
fn a_nak_is_answered_once_after_the_delay() {
    for max_resends in [None, Some(16)] {
        let mut publication = Publication::with(DELAY, max_resends);
        assert_eq!(publication.nak(gap(5, 64, 96)), NakOutcome::Delayed);
        assert_eq!(publication.nak(gap(5, 64, 96)), NakOutcome::Known);
        assert_eq!(publication.after(DELAY), []);
        assert_eq!(publication.after(TICK), [resend(5, 64, 96)]);
        assert_eq!(publication.after(LINGER), []);
    }
}

#[test]
fn what_was_just_sent_is_not_sent_again_until_the_linger_has_passed() {
    for max_resends in [None, Some(16)] {
        let mut publication = Publication::with(Duration::ZERO, max_resends);
        publication.nak(gap(5, 64, 96));
        publication.after(LINGER);
        for offset in [64, 96, 128] {
            assert_eq!(publication.nak(gap(5, offset, 320)), NakOutcome::Known, "{offset}");
        }
        publication.after(TICK);
        assert_eq!(publication.nak(gap(5, 96, 32)), NakOutcome::Resend(resend(5, 96, 32)));
    }
}

#[test]
fn a_nak_that_starts_elsewhere_is_answered_while_another_lingers() {
    for (elsewhere, max_resends) in
        [gap(5, 32, 96), gap(5, 160, 32), gap(6, 64, 96)].into_iter().flat_map(|g| [(g, None), (g, Some(2))])
    {
        let mut publication = Publication::with(Duration::ZERO, max_resends);
        publication.nak(gap(5, 64, 96));
        assert!(matches!(publication.nak(elsewhere), NakOutcome::Resend(_)), "{elsewhere:?}");
    }
}

#[test]
fn unicast_forgets_what_it_sent_before() {
    let mut publication = Publication::with(Duration::ZERO, None);
    publication.nak(gap(5, 0, 32));
    publication.nak(gap(5, 64, 32));
    assert_eq!(publication.nak(gap(5, 64, 32)), NakOutcome::Known);
    assert!(matches!(publication.nak(gap(5, 0, 32)), NakOutcome::Resend(_)));
    publication.after(LINGER + TICK);
    assert_eq!(publication.handler.active, 0);
}

#[test]
fn unicast_remembers_several_resends_and_forgets_the_oldest_for_another() {
    let mut publication = Publication::unicast(3);
    for offset in [0, 64, 128] {
        assert!(matches!(publication.nak(gap(5, offset, 32)), NakOutcome::Resend(_)));
        publication.after(TICK);
    }
    for offset in [0, 64, 128] {
        assert_eq!(publication.nak(gap(5, offset, 32)), NakOutcome::Known, "{offset}");
    }
    assert!(matches!(publication.nak(gap(5, 192, 32)), NakOutcome::Resend(_)));
    assert_eq!(publication.nak(gap(5, 64, 32)), NakOutcome::Known);
    assert!(matches!(publication.nak(gap(5, 0, 32)), NakOutcome::Resend(_)), "forgotten");
    publication.after(LINGER + TICK);
    assert_eq!((publication.handler.active, publication.handler.next_timeout()), (0, NEVER));
}

#[test]
fn what_was_sent_again_is_sent_once_more_where_something_behind_it_has_arrived() {
    let mut publication = Publication::unicast(8);
    publication.nak(gap(5, 0, 320));
    assert_eq!(publication.nak(gap(5, 64, 256)), NakOutcome::Known, "it may be on its way");
    assert_eq!(publication.nak(gap(5, 64, 96)), NakOutcome::Resend(resend(5, 64, 96)));
    assert_eq!(publication.nak(gap(5, 64, 96)), NakOutcome::Known);
    for mut as_in_aeron in [Publication::unicast(1), Publication::with(Duration::ZERO, Some(8))] {
        as_in_aeron.nak(gap(5, 0, 320));
        assert_eq!(as_in_aeron.nak(gap(5, 64, 96)), NakOutcome::Known);
    }
}

#[test]
fn naks_are_ignored_no_longer_than_a_round_trip_by_the_sender_to_one_receiver() {
    let round_trip = Duration::from_millis(2);
    for (mut publication, expected) in [
        (Publication::unicast(8), round_trip),
        (Publication::unicast(1), LINGER),
        (Publication::with(Duration::ZERO, Some(8)), LINGER),
    ] {
        publication.handler.on_round_trip(round_trip);
        publication.nak(gap(5, 0, 320));
        publication.after(expected);
        assert_eq!(publication.nak(gap(5, 0, 320)), NakOutcome::Known);
        publication.after(TICK);
        assert!(matches!(publication.nak(gap(5, 0, 320)), NakOutcome::Resend(_)));
    }
    let mut publication = Publication::unicast(8);
    publication.handler.on_round_trip(LINGER * 9);
    publication.nak(gap(5, 0, 320));
    publication.after(LINGER + TICK);
    assert!(matches!(publication.nak(gap(5, 0, 320)), NakOutcome::Resend(_)), "never longer than configured");
}

#[test]
fn a_group_overflows_when_every_slot_is_taken_and_recovers() {
    let mut publication = Publication::with(DELAY, Some(3));
    for offset in [0, 64, 128] {
        assert_eq!(publication.nak(gap(5, offset, 32)), NakOutcome::Delayed);
    }
    assert_eq!(publication.nak(gap(5, 192, 32)), NakOutcome::Overflow);
    assert_eq!(publication.nak(gap(5, 128, 32)), NakOutcome::Known);
    assert_eq!(publication.after(DELAY + TICK).len(), 3);
    assert_eq!(publication.nak(gap(5, 192, 32)), NakOutcome::Overflow);
    publication.after(LINGER + TICK);
    assert_eq!(publication.nak(gap(5, 192, 32)), NakOutcome::Delayed);
}

#[test]
fn an_answer_is_cut_to_what_flow_control_allows() {
    let mut publication = Publication::with(Duration::ZERO, None);
    assert_eq!(publication.nak(gap(5, 0, 65_536)), NakOutcome::Resend(resend(5, 0, 32_768)));
    assert_eq!(publication.nak(gap(5, 65_504, i32::MAX)), NakOutcome::Resend(resend(5, 65_504, 32)));
}

#[test]
fn invalid_and_empty_naks_change_nothing() {
    let mut publication = Publication::with(Duration::ZERO, Some(1));
    for invalid in [
        gap(5, -32, 32),
        gap(5, 65_536, 32),
        gap(5, i32::MAX, 32),
        gap(5, i32::MIN, 32),
        gap(5, 0, -1),
        gap(5, 0, i32::MIN),
        gap(5, 33, 32),
    ] {
        assert_eq!(publication.nak(invalid), NakOutcome::Invalid, "{invalid:?}");
    }
    assert_eq!(publication.nak(gap(5, 0, 0)), NakOutcome::Empty);
    assert!(matches!(publication.nak(gap(5, 0, 32)), NakOutcome::Resend(_)));
}

#[test]
fn only_what_was_sent_and_is_still_there_is_sent_again() {
    let geometry = TermGeometry::new(TermId::new(i32::MAX), TermLength::MIN);
    // One term of 64 KiB sent, and 64 bytes; half a term and 8 KiB of it may be asked for.
    let sender_position = Position::new(65_536 + 64);
    let oldest = 65_536 + 64 - 32_768 - 8192;
    for (term, offset, expected) in [
        (i32::MAX, oldest - 32, false),
        (i32::MAX, oldest, true),
        (i32::MIN, 0, true),
        (i32::MIN, 32, true),
        (i32::MIN, 64, false),
        (i32::MAX - 1, 65_504, false),
    ] {
        let resend = resend(term, offset, 32);
        assert_eq!(resend.is_allowed(sender_position, &geometry), expected, "{resend:?}");
    }
}

proptest! {
    /// Whatever is asked for: nothing is sent twice within the linger in a group, nothing is sent that was not asked
    /// for, and the slots all come free again.
    #[test]
    fn a_group_never_resends_the_start_of_a_gap_while_it_lingers(
        delayed: bool,
        naks in proptest::collection::vec((0_i32..64, 0_i32..20, 0_u64..4), 1..200),
    ) {
        let mut publication = Publication::with(if delayed { DELAY } else { Duration::ZERO }, Some(8));
        let mut sent: Vec<(Nanos, Resend)> = Vec::new();
        let mut asked = Vec::new();
        for (slot, length, millis) in naks {
            let due = publication.after(Duration::from_millis(millis));
            for resend in due {
                prop_assert!(asked.contains(&resend));
                sent.push((publication.now, resend));
            }
            let (offset, length) = (slot * 32, length * 32);
            asked.push(resend(1, offset, length));
            let lingers = sent.iter().any(|(at, resend)| {
                publication.now.since(*at) <= LINGER && resend.covers(TermId::new(1), TermOffset::new(offset))
            });
            match publication.nak(gap(1, offset, length)) {
                NakOutcome::Resend(resend) => {
                    prop_assert!(!lingers && !delayed);
                    sent.push((publication.now, resend));
                }
                NakOutcome::Delayed => prop_assert!(!lingers && delayed),
                NakOutcome::Empty => prop_assert_eq!(length, 0),
                NakOutcome::Known | NakOutcome::Overflow => {}
                NakOutcome::Invalid => prop_assert!(false),
            }
        }
        publication.after(DELAY + TICK);
        publication.after(LINGER + TICK);
        prop_assert_eq!(publication.handler.active, 0);
    }
}

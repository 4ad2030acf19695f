//! When to measure the round trip of an image, and what an answer tells. The receiver's, who sends and hears the
//! frames; the conductor's congestion control hears of the outcome. Source: wire spec 4, 6.2.

use core::time::Duration;

use epona_protocol::types::Nanos;

/// Round trips without an answer before a new measurement. Source: wire spec 6.2.
const TIMEOUT_MULTIPLE: u32 = 4;

/// Longest round trip that is believed: a source that takes longer counts as gone. Aeron believes anything.
const LONGEST: Duration = Duration::from_secs(10);

/// The measurement of one image.
#[derive(Clone, Copy, Debug)]
pub struct RoundTripTimer {
    initial: Duration,
    timeout: Duration,
    /// The last request or answer.
    last: Nanos,
}

impl RoundTripTimer {
    /// Nothing was measured yet; until then the round trip is taken to be `initial`.
    #[must_use]
    pub fn new(initial: Duration) -> Self {
        Self { initial, timeout: initial.saturating_mul(TIMEOUT_MULTIPLE), last: Nanos::new(0) }
    }

    /// Whether to send an RTTM frame now.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: Nanos) -> bool {
        self.deadline() < now
    }

    /// After this moment an RTTM frame is to be sent.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        self.last + self.timeout
    }

    /// An RTTM frame was sent.
    pub const fn on_request_sent(&mut self, now: Nanos) {
        self.last = now;
    }

    /// An answer arrived to the request sent at `echo`, which the sender held for `reception_delta` nanoseconds: the
    /// round trip, or `None` when these make no sense. Answers to older requests than the last count too, or a round
    /// trip longer than the timeout could never be measured.
    pub fn on_answer(&mut self, echo: i64, reception_delta: i64, now: Nanos) -> Option<Duration> {
        let nanos = now.get().checked_sub(echo)?.checked_sub(reception_delta)?;
        let rtt = Duration::from_nanos(u64::try_from(nanos).ok()?);
        if rtt > LONGEST {
            return None;
        }
        self.last = now;
        self.timeout = rtt.max(self.initial).saturating_mul(TIMEOUT_MULTIPLE);
        Some(rtt)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INITIAL: Duration = Duration::from_micros(100);

    fn micros(us: i64) -> Nanos {
        Nanos::new(us * 1000)
    }

    #[test]
    fn a_measurement_is_due_four_round_trips_after_the_last_request_or_answer() {
        let mut timer = RoundTripTimer::new(INITIAL);
        assert!(!timer.is_due(micros(400)) && timer.is_due(micros(401)));
        timer.on_request_sent(micros(401));
        assert!(!timer.is_due(micros(801)) && timer.is_due(micros(802)), "of the initial round trip");
        assert_eq!(timer.on_answer(401_000, 0, micros(1401)), Some(Duration::from_millis(1)));
        assert!(!timer.is_due(micros(5401)) && timer.is_due(micros(5402)), "of the measured one");
        assert_eq!(timer.on_answer(6_000_000, 0, micros(6010)), Some(Duration::from_micros(10)));
        assert!(!timer.is_due(micros(6410)) && timer.is_due(micros(6411)), "never less than the initial one");
    }

    #[test]
    fn the_time_that_the_sender_held_a_request_is_no_part_of_the_round_trip() {
        let mut timer = RoundTripTimer::new(INITIAL);
        assert_eq!(timer.on_answer(1_000, 3_000, micros(10)), Some(Duration::from_micros(6)));
    }

    #[test]
    fn answers_that_make_no_sense_change_nothing() {
        let mut timer = RoundTripTimer::new(INITIAL);
        let now = Nanos::new(20_000_000_000);
        for (echo, delta) in [
            (now.get() + 1, 0),
            (now.get() - 5, 6),
            (now.get() - 10_000_000_001, 0),
            (now.get(), -10_000_000_001),
            (i64::MIN, 0),
            (i64::MAX, i64::MIN),
            (0, i64::MIN),
        ] {
            assert_eq!(timer.on_answer(echo, delta, now), None, "{echo} {delta}");
            assert!(timer.is_due(now));
        }
        assert_eq!(timer.on_answer(now.get() - 10_000_000_000, 0, now), Some(LONGEST));
    }

    proptest! {
        #[test]
        fn whatever_peers_answer_the_next_measurement_comes(echo: i64, delta: i64, now in 0..i64::MAX / 2) {
            let mut timer = RoundTripTimer::new(INITIAL);
            let _ = timer.on_answer(echo, delta, Nanos::new(now));
            prop_assert!(timer.is_due(Nanos::new(now) + LONGEST * TIMEOUT_MULTIPLE + Duration::from_nanos(1)));
        }
    }
}

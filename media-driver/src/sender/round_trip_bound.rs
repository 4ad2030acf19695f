//! How long a round trip to a receiver takes at most: from sending data to hearing of what lies behind it.
//!
//! A NAK up to a position tells that its receiver has heard of that position, which it cannot have before it was sent: the
//! time since then is a round trip and more. The least of these is close to it where data flows.

use core::time::Duration;

use arrayvec::ArrayVec;
use epona_protocol::types::{Nanos, Position};

/// Positions whose times are remembered.
const MARKS: usize = 16;

/// Least time between two of them.
const LEAST_SPACING: Duration = Duration::from_micros(5);

/// Share by which the bound follows longer times: the way may have become longer.
const FOLLOW: u32 = 16;

/// The bound of one publication with a single receiver.
#[derive(Debug, Default)]
pub(super) struct RoundTripBound {
    /// When the stream had been sent up to which position, the oldest first.
    marks: ArrayVec<(Position, Nanos), MARKS>,
    spacing: Duration,
    bound: Option<Duration>,
}

impl RoundTripBound {
    /// Everything up to `position` has been sent for the first time.
    #[inline]
    pub(super) fn on_sent(&mut self, position: Position, now: Nanos) {
        if self.marks.last().is_some_and(|&(_, at)| now < at + self.spacing) {
            return;
        }
        if self.marks.is_full() {
            // Nobody has heard of the oldest yet: the way is longer than the marks reach back.
            let mut is_kept = false;
            self.marks.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.spacing = self.spacing.max(LEAST_SPACING) * 2;
        }
        self.marks.push((position, now));
    }

    /// The receiver knows that there is something up to `position`; the bound, if that tells.
    pub(super) fn on_heard(&mut self, position: Position, now: Nanos) -> Option<Duration> {
        let newest = self.marks.iter().rposition(|&(sent, _)| sent <= position)?;
        let took = now.since(self.marks[newest].1);
        self.marks.drain(..=newest);
        let bound = match self.bound {
            Some(bound) if took > bound => bound + (took - bound) / FOLLOW,
            _ => took,
        };
        self.spacing = (bound / (MARKS as u32 / 2)).max(LEAST_SPACING);
        self.bound = Some(bound);
        self.bound
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Nanos {
        Nanos::new(micros * 1000)
    }

    const fn us(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn a_nak_bounds_the_round_trip_by_the_time_since_what_lies_behind_its_gap_was_sent() {
        let mut bound = RoundTripBound::default();
        bound.on_sent(Position::new(1408), at(0));
        bound.on_sent(Position::new(2816), at(50));
        assert_eq!(bound.on_heard(Position::new(1376), at(80)), None);
        assert_eq!(bound.on_heard(Position::new(1408), at(100)), Some(us(100)));
        assert_eq!(bound.on_heard(Position::new(1408), at(101)), None, "it has been heard of");
        assert_eq!(bound.on_heard(Position::new(4224), at(120)), Some(us(70)));
    }

    #[test]
    fn the_bound_follows_a_way_that_becomes_longer_slowly() {
        let mut bound = RoundTripBound::default();
        bound.on_sent(Position::new(32), at(0));
        bound.on_heard(Position::new(32), at(100));
        bound.on_sent(Position::new(64), at(1000));
        assert_eq!(bound.on_heard(Position::new(64), at(2700)), Some(us(200)));
    }

    /// Whatever is sent and heard of: no bound is below the round trip, and on a stream that flows it is close to it.
    #[test]
    fn a_long_way_is_measured_though_many_positions_are_sent_meanwhile() {
        for round_trip in [20_i64, 1000, 250_000] {
            let mut bound = RoundTripBound::default();
            let mut last = None;
            for sent in 0..3 * round_trip {
                bound.on_sent(Position::new(sent * 32), at(sent));
                if sent >= round_trip && sent % 7 == 0 {
                    last = bound.on_heard(Position::new((sent - round_trip) * 32), at(sent)).or(last);
                }
            }
            let last = last.map_or(0, |bound| bound.as_micros() as i64);
            assert!(last >= round_trip && last <= round_trip * 2, "{last} of {round_trip}");
        }
    }

    proptest! {
        #[test]
        fn no_bound_is_below_the_round_trip(
            round_trip in 1_i64..5000,
            steps in proptest::collection::vec((0_i64..400, 0_i64..8), 1..200),
        ) {
            let mut bound = RoundTripBound::default();
            let mut sent = vec![(at(0), 0)];
            let mut now = 0;
            for (wait, frames) in steps {
                now += wait;
                let position = sent.last().map_or(0, |(_, position)| *position);
                if frames > 0 {
                    sent.push((at(now), position + frames * 32));
                    bound.on_sent(Position::new(position + frames * 32), at(now));
                } else if let Some(&(_, heard)) =
                    sent.iter().rfind(|(time, _)| *time <= at(now - round_trip))
                {
                    let told = bound.on_heard(Position::new(heard), at(now));
                    prop_assert!(told.is_none_or(|told| told >= us(round_trip as u64)));
                }
            }
        }
    }
}

//! When to ask again for what was asked for and has not come.

use core::time::Duration;

use epona_protocol::types::Nanos;

/// Longest wait that measurements bring about.
const LONGEST: Duration = Duration::from_secs(1);

/// Time between two NAKs for one gap.
#[derive(Clone, Copy, Debug)]
pub enum Retry {
    /// Always the same.
    Fixed(Duration),
    /// As long as answers take.
    Measured(AnswerTime),
}

impl Retry {
    /// How long to wait after a NAK, when the gap was first asked for that long ago.
    #[must_use]
    pub fn delay(&self, asked_for: Duration) -> Duration {
        match self {
            Self::Fixed(delay) => *delay,
            Self::Measured(times) => times.delay(asked_for),
        }
    }

    /// What a gap misses has come, at least in part, `now`; it was first asked for at `asked`.
    pub fn on_answer(&mut self, asked: Nanos, now: Nanos, was_asked_once: bool) {
        if let Self::Measured(times) = self {
            times.on_answer(asked, now, was_asked_once);
        }
    }
}

/// Time from a NAK to what it brings, smoothed as TCP does its round trips (RFC 6298).
///
/// Only gaps that were asked for once measure it: of several NAKs nobody knows which was answered. What took several says
/// only that the next gap had better wait as long, until one is answered at once; and not even that where one was that was
/// asked for no earlier: then the way is no longer, but NAKs or answers were lost. To wait as long for the next that are lost
/// would make each loss take longer than the one before.
#[derive(Clone, Copy, Debug)]
pub struct AnswerTime {
    least: Duration,
    /// Smoothed time and mean deviation, once known.
    measured: Option<(Duration, Duration)>,
    /// When the last was asked for of the gaps that were answered at once.
    last_measured: Option<Nanos>,
    /// Longest time that several NAKs took since the last measurement.
    doubted: Duration,
}

impl AnswerTime {
    /// Nothing is known; waits are never shorter than `least`.
    #[must_use]
    pub const fn new(least: Duration) -> Self {
        Self { least, measured: None, last_measured: None, doubted: Duration::ZERO }
    }

    /// Half as long again as a gap has waited already: as long as the way is unknown, or has become longer, the number of
    /// NAKs grows with the logarithm of it.
    fn delay(&self, asked_for: Duration) -> Duration {
        let expected =
            self.measured.map_or(Duration::ZERO, |(time, deviation)| time + (4 * deviation).max(time / 8));
        let wait = expected.max(self.doubted).max(asked_for / 2);
        wait.min(LONGEST).max(self.least)
    }

    fn on_answer(&mut self, asked: Nanos, now: Nanos, was_asked_once: bool) {
        let after = now.since(asked);
        if !was_asked_once {
            if self.last_measured.is_none_or(|measured| asked > measured) {
                self.doubted = self.doubted.max(after);
            }
            return;
        }
        self.doubted = Duration::ZERO;
        self.last_measured = self.last_measured.max(Some(asked));
        self.measured = Some(match self.measured {
            None => (after, after / 4),
            Some((time, deviation)) => {
                let difference = after.abs_diff(time);
                (time * 7 / 8 + after / 8, deviation * 3 / 4 + difference / 4)
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Gaps asked for one after the other, each when the one before has been answered.
    struct Asking {
        times: AnswerTime,
        now: Nanos,
    }

    impl Asking {
        fn new(least: Duration) -> Self {
            Self { times: AnswerTime::new(least), now: Nanos::new(1) }
        }

        fn is_answered(&mut self, after: Duration, was_asked_once: bool) {
            let asked = self.now;
            self.now = asked + after;
            self.times.on_answer(asked, self.now, was_asked_once);
        }

        fn wait(&self) -> Duration {
            self.times.delay(Duration::ZERO)
        }
    }

    /// How long after the first each NAK goes, up to `until`.
    fn naks(times: &AnswerTime, until: Duration) -> Vec<Duration> {
        let mut naks = vec![Duration::ZERO];
        let mut next = times.delay(Duration::ZERO);
        while next < until {
            naks.push(next);
            next += times.delay(next);
        }
        naks
    }

    #[test]
    fn over_an_unknown_way_few_naks_go_and_none_comes_much_later_than_it_might() {
        let naks = naks(&AnswerTime::new(Duration::from_micros(100)), ms(250));
        assert!(naks.len() <= 20, "{}", naks.len());
        assert_eq!(naks[1..3], [100, 200].map(Duration::from_micros));
        assert!(naks.windows(2).skip(2).all(|pair| pair[1] <= pair[0] * 3 / 2));
    }

    #[test]
    fn over_a_known_way_the_second_nak_goes_soon_after_the_answer_was_due() {
        let mut asking = Asking::new(Duration::from_micros(100));
        asking.is_answered(ms(40), true);
        assert_eq!(asking.wait(), ms(80), "the first measurement may be off");
        (0..40).for_each(|_| asking.is_answered(ms(40), true));
        let wait = asking.wait();
        assert!(wait > ms(44) && wait < ms(46), "{wait:?}");
    }

    #[test]
    fn what_took_several_naks_is_waited_for_until_one_is_answered_at_once() {
        let mut asking = Asking::new(Duration::from_micros(100));
        asking.is_answered(ms(1), true);
        asking.is_answered(ms(250), false);
        assert_eq!(asking.wait(), ms(250));
        asking.is_answered(ms(240), true);
        let wait = asking.wait();
        assert!(wait >= ms(240), "it has seen the longer way: {wait:?}");
        (0..40).for_each(|_| asking.is_answered(ms(240), true));
        assert!(asking.wait() < ms(280));
    }

    /// Many gaps at a time, as fast streams have them: some of the answers are always lost.
    #[test]
    fn what_is_lost_again_beside_what_is_answered_at_once_makes_no_later_wait_longer() {
        let mut times = AnswerTime::new(Duration::from_micros(100));
        let mut now = Nanos::new(1);
        for burst in 0..100 {
            let asked = now;
            (0..60).for_each(|_| times.on_answer(asked, asked + ms(1), true));
            let mut waited = Duration::ZERO;
            for _ in 0..3 {
                waited += times.delay(waited);
            }
            now = asked + waited + ms(1);
            times.on_answer(asked, now, false);
            let wait = times.delay(Duration::ZERO);
            assert!(burst < 4 || wait < ms(2), "{wait:?} in burst {burst}");
        }
    }

    #[test]
    fn waits_stay_within_bounds() {
        let mut asking = Asking::new(ms(3));
        assert_eq!(asking.wait(), ms(3));
        asking.is_answered(ms(1_000_000), false);
        assert_eq!(asking.wait(), LONGEST);
        assert_eq!(AnswerTime::new(ms(5000)).delay(Duration::ZERO), ms(5000));
        assert_eq!(Retry::Fixed(ms(2)).delay(ms(900)), ms(2));
    }
}

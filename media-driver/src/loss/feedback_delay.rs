//! How long to wait before asking for missing data. Source: wire spec 3.2.

use core::time::Duration;

/// Delay between finding a gap and reporting it, and between one report and the next.
#[derive(Clone, Debug)]
pub enum FeedbackDelay {
    /// The same every time: unicast and unreliable streams.
    Static {
        /// From finding a gap to its first report; zero reports in the same scan.
        first: Duration,
        /// From one report of a gap to the next.
        retry: Duration,
    },
    /// Random, so that of many receivers who lost the same data a few ask early and the others need not.
    OptimalMulticast(OptimalMulticastDelay),
}

impl FeedbackDelay {
    /// The delay before the first report of a gap.
    pub fn first(&mut self) -> Duration {
        match self {
            Self::Static { first, .. } => *first,
            Self::OptimalMulticast(delay) => delay.draw(),
        }
    }

    /// The delay before the next report of a gap.
    pub fn retry(&mut self) -> Duration {
        match self {
            Self::Static { retry, .. } => *retry,
            Self::OptimalMulticast(delay) => delay.draw(),
        }
    }
}

/// Truncated exponential delays, weighted towards the longest: the distribution of optimal multicast feedback.
#[derive(Clone, Debug)]
pub struct OptimalMulticastDelay {
    random: fastrand::Rng,
    rand_max: f64,
    base_x: f64,
    constant_t: f64,
    factor_t: f64,
}

impl OptimalMulticastDelay {
    /// Delays of up to `max_backoff` in a group of about `group_size` receivers (0 counts as 1).
    #[must_use]
    pub fn new(max_backoff: Duration, group_size: u32, random: fastrand::Rng) -> Self {
        let backoff = max_backoff.as_nanos() as f64;
        let lambda = f64::from(group_size.max(1)).ln() + 1.0;
        let growth = lambda.exp() - 1.0;
        Self {
            random,
            rand_max: lambda / backoff,
            base_x: lambda / (backoff * growth),
            constant_t: backoff / lambda,
            factor_t: growth * (backoff / lambda),
        }
    }

    fn draw(&mut self) -> Duration {
        let uniform = self.random.f64();
        self.delay_for(uniform)
    }

    /// The delay for a number in `[0, 1)`: 0 up to the maximum backoff, truncated to nanoseconds.
    fn delay_for(&self, uniform: f64) -> Duration {
        let x = uniform * self.rand_max + self.base_x;
        Duration::from_nanos((self.constant_t * (x * self.factor_t).ln()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ten_receivers() -> OptimalMulticastDelay {
        OptimalMulticastDelay::new(Duration::from_millis(10), 10, fastrand::Rng::with_seed(1))
    }

    #[test]
    fn multicast_delays_match_the_spec() {
        for (uniform, nanos) in
            [(0.0, 0), (0.25, 6_119_383), (0.5, 8_010_589), (0.75, 9_165_823), (0.999, 9_997_082)]
        {
            assert_eq!(ten_receivers().delay_for(uniform), Duration::from_nanos(nanos), "U={uniform}");
        }
    }

    #[test]
    fn multicast_delays_replay_from_a_seed() {
        let draw = |seed| {
            let random = fastrand::Rng::with_seed(seed);
            let mut delay = OptimalMulticastDelay::new(Duration::from_millis(10), 10, random);
            [delay.draw(), delay.draw(), delay.draw()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_backoff_of_zero_never_waits() {
        let mut delay = OptimalMulticastDelay::new(Duration::ZERO, 0, fastrand::Rng::with_seed(1));
        assert_eq!(delay.draw(), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn multicast_delays_stay_within_the_backoff(
            micros in 1_u64..10_000_000, group in 0_u32..100_000, uniform in 0.0_f64..1.0,
        ) {
            let backoff = Duration::from_micros(micros);
            let delay = OptimalMulticastDelay::new(backoff, group, fastrand::Rng::with_seed(0));
            prop_assert!(delay.delay_for(uniform) <= backoff);
        }
    }
}

//! Idle strategies: what a thread does when its agents had nothing to do. Source: driver spec 1.3.

use std::{thread, time::Duration};

use crate::config::values::parse_duration;

/// What to do between two duty cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Go straight on.
    None,
    /// Tell the processor that this thread spins.
    Spin,
    /// Let another thread run.
    Yield,
    /// Sleep this long, or until unparked.
    Park(Duration),
    /// Sleep this long, or until there is input; a park where no input is watched.
    Await(Duration),
}

impl Pause {
    /// Does it. An [unpark](thread::Thread::unpark) of the calling thread ends a park early.
    #[inline]
    pub fn perform(self) {
        match self {
            Self::None => {}
            Self::Spin => std::hint::spin_loop(),
            Self::Yield => thread::yield_now(),
            Self::Park(period) | Self::Await(period) => thread::park_timeout(period),
        }
    }
}

/// Why an idle strategy cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdleStrategyError {
    /// No strategy has this name.
    #[error("idle strategy {0:?} is unknown: use adaptive, backoff, sleeping, sleep-ns, yield, spin or noop")]
    UnknownName(String),
    /// The arguments do not fit.
    #[error("arguments {args:?} do not fit idle strategy {name}: {expected}")]
    Arguments {
        /// The strategy.
        name: &'static str,
        /// What was given.
        args: String,
        /// What would fit.
        expected: &'static str,
    },
}

/// An idle strategy with its state; one per thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdleStrategy {
    /// Sleeps the same time whenever there is nothing to do.
    Sleeping(Duration),
    /// Yields whenever there is nothing to do.
    Yielding,
    /// Spins.
    BusySpin,
    /// Does nothing.
    NoOp,
    /// Spins, then yields, then parks for longer and longer.
    Backoff(Backoff),
    /// Spins, then yields, then awaits input for longer and longer. Ours; the default.
    Adaptive(Adaptive),
}

impl IdleStrategy {
    /// Makes a strategy from its name in configuration, the name of Aeron C's symbol, or of Aeron Java's class.
    ///
    /// `args` is a duration for `sleeping` and `sleep-ns` (1 ns without), `SPINS-YIELDS-MIN-MAX` with two durations
    /// for `backoff` (`10-20-1us-1ms` without), and not looked at by the others. `adaptive` with arguments is `backoff`: they
    /// come from a configuration that means Aeron's default.
    ///
    /// # Errors
    /// When the name is unknown or the arguments do not fit.
    pub fn from_name(name: &str, args: Option<&str>) -> Result<Self, IdleStrategyError> {
        let name = name.strip_prefix("org.agrona.concurrent.").unwrap_or(name);
        match name.strip_prefix("aeron_idle_strategy_").unwrap_or(name) {
            "sleeping" | "sleep-ns" | "SleepingIdleStrategy" => Self::sleeping(args),
            "yield" | "yielding" | "YieldingIdleStrategy" => Ok(Self::Yielding),
            "spin" | "busy_spinning" | "BusySpinIdleStrategy" => Ok(Self::BusySpin),
            "noop" | "NoOpIdleStrategy" => Ok(Self::NoOp),
            // Such arguments, without a name, are meant for Aeron's default.
            "adaptive" if args.is_some() => Backoff::from_args(args).map(Self::Backoff),
            "adaptive" => Ok(Self::Adaptive(Adaptive::default())),
            "backoff" | "BackoffIdleStrategy" => Backoff::from_args(args).map(Self::Backoff),
            _ => Err(IdleStrategyError::UnknownName(name.to_owned())),
        }
    }

    fn sleeping(args: Option<&str>) -> Result<Self, IdleStrategyError> {
        let Some(args) = args else { return Ok(Self::Sleeping(Duration::from_nanos(1))) };
        parse_duration(args).map(Self::Sleeping).ok_or_else(|| IdleStrategyError::Arguments {
            name: "sleeping",
            args: args.to_owned(),
            expected: "give one duration, such as 1ms",
        })
    }

    /// The name in configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sleeping(_) => "sleeping",
            Self::Yielding => "yield",
            Self::BusySpin => "spin",
            Self::NoOp => "noop",
            Self::Backoff(_) => "backoff",
            Self::Adaptive(_) => "adaptive",
        }
    }

    /// What to do after a duty cycle that did this much work; remembers how long there was none.
    #[inline]
    pub fn next(&mut self, work_count: usize) -> Pause {
        match self {
            Self::Backoff(backoff) => backoff.next(work_count),
            Self::Adaptive(adaptive) => adaptive.next(work_count),
            _ if work_count > 0 => Pause::None,
            Self::Sleeping(period) => Pause::Park(*period),
            Self::Yielding => Pause::Yield,
            Self::BusySpin => Pause::Spin,
            Self::NoOp => Pause::None,
        }
    }

    /// Does what comes next.
    #[inline]
    pub fn idle(&mut self, work_count: usize) {
        self.next(work_count).perform();
    }

    /// Forgets how long there was no work.
    pub fn reset(&mut self) {
        match self {
            Self::Backoff(backoff) => backoff.reset(),
            Self::Adaptive(adaptive) => adaptive.reset(),
            Self::Sleeping(_) | Self::Yielding | Self::BusySpin | Self::NoOp => {}
        }
    }
}

impl Default for IdleStrategy {
    fn default() -> Self {
        Self::Adaptive(Adaptive::default())
    }
}

/// Turns without work in which [`Adaptive`] spins.
const SPINS: u32 = 20;

/// Turns without work after those, in which it yields.
const YIELDS: u32 = 40;

/// First period for which it awaits input; each next one is twice as long.
const MIN_AWAIT: Duration = Duration::from_micros(2);

/// Longest period, as long as the last work was not long ago.
const MAX_AWAIT: Duration = Duration::from_millis(1);

/// Periods of that length after which the last work was long ago.
const DROWSY_AFTER: u32 = 100;

/// Spins as long as more work is likely, yields to whoever else wants the processor, then sleeps until there is input,
/// looking by itself for what clients have published: after about as long again as nothing went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptive {
    turns: u32,
    periods: u32,
    longest: Duration,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { turns: 0, periods: 0, longest: MAX_AWAIT }
    }
}

impl Adaptive {
    /// How long it may sleep when the last work was long ago: as long as whoever idles may be left alone.
    pub fn set_longest(&mut self, longest: Duration) {
        self.longest = longest;
    }

    fn reset(&mut self) {
        (self.turns, self.periods) = (0, 0);
    }

    fn next(&mut self, work_count: usize) -> Pause {
        if work_count > 0 {
            self.reset();
            return Pause::None;
        }
        if self.turns < SPINS + YIELDS {
            self.turns += 1;
            return if self.turns <= SPINS { Pause::Spin } else { Pause::Yield };
        }
        if self.periods >= DROWSY_AFTER {
            return Pause::Await(self.longest);
        }
        let period = MIN_AWAIT.saturating_mul(1 << self.periods.min(16)).min(MAX_AWAIT);
        self.periods += 1;
        Pause::Await(period)
    }
}

/// Spins `max_spins` times, yields `max_yields` times, then parks, doubling the period from `min_park` to `max_park`.
/// Any work starts it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    max_spins: u64,
    max_yields: u64,
    min_park: Duration,
    max_park: Duration,
    spins: u64,
    yields: u64,
    park: Duration,
}

impl Backoff {
    /// A strategy in its first phase.
    #[must_use]
    pub const fn new(max_spins: u64, max_yields: u64, min_park: Duration, max_park: Duration) -> Self {
        Self { max_spins, max_yields, min_park, max_park, spins: 0, yields: 0, park: min_park }
    }

    fn from_args(args: Option<&str>) -> Result<Self, IdleStrategyError> {
        let Some(args) = args else { return Ok(Self::default()) };
        let parts: Vec<&str> = args.split('-').collect();
        let parsed = match parts[..] {
            [spins, yields, min_park, max_park] => {
                match (spins.parse(), yields.parse(), parse_duration(min_park), parse_duration(max_park)) {
                    (Ok(spins), Ok(yields), Some(min), Some(max)) => Some(Self::new(spins, yields, min, max)),
                    _ => None,
                }
            }
            _ => None,
        };
        parsed.ok_or_else(|| IdleStrategyError::Arguments {
            name: "backoff",
            args: args.to_owned(),
            expected: "give max spins, max yields, min park, max park, such as 10-20-1us-1ms",
        })
    }

    fn next(&mut self, work_count: usize) -> Pause {
        if work_count > 0 {
            self.reset();
            return Pause::None;
        }
        if self.spins < self.max_spins {
            self.spins += 1;
            return Pause::Spin;
        }
        if self.yields < self.max_yields {
            self.yields += 1;
            return Pause::Yield;
        }
        let period = self.park;
        self.park = period.saturating_mul(2).min(self.max_park);
        Pause::Park(period)
    }

    fn reset(&mut self) {
        self.spins = 0;
        self.yields = 0;
        self.park = self.min_park;
    }
}

impl Default for Backoff {
    /// 10 spins, 20 yields, park 1 us to 1 ms. Source: driver spec 1.3.
    fn default() -> Self {
        Self::new(10, 20, Duration::from_micros(1), Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(name: &str, args: Option<&str>) -> IdleStrategy {
        IdleStrategy::from_name(name, args).unwrap()
    }

    #[test]
    fn strategies_are_found_by_all_their_names() {
        for (name, expected) in [
            ("adaptive", "adaptive"),
            ("sleeping", "sleeping"),
            ("sleep-ns", "sleeping"),
            ("aeron_idle_strategy_sleeping", "sleeping"),
            ("yield", "yield"),
            ("aeron_idle_strategy_yielding", "yield"),
            ("spin", "spin"),
            ("aeron_idle_strategy_busy_spinning", "spin"),
            ("noop", "noop"),
            ("aeron_idle_strategy_noop", "noop"),
            ("backoff", "backoff"),
            ("aeron_idle_strategy_backoff", "backoff"),
            ("org.agrona.concurrent.BusySpinIdleStrategy", "spin"),
        ] {
            assert_eq!(strategy(name, None).name(), expected);
        }
        for bad in ["", "Backoff", "aeron_idle_strategy_", "sleeping "] {
            assert!(matches!(IdleStrategy::from_name(bad, None), Err(IdleStrategyError::UnknownName(_))));
        }
    }

    #[test]
    fn work_means_no_pause() {
        for name in ["adaptive", "sleeping", "yield", "spin", "noop", "backoff"] {
            assert_eq!(strategy(name, None).next(1), Pause::None, "{name}");
        }
    }

    #[test]
    fn simple_strategies_always_pause_the_same_way() {
        for (name, args, pause) in [
            ("sleeping", None, Pause::Park(Duration::from_nanos(1))),
            ("sleep-ns", Some("3us"), Pause::Park(Duration::from_micros(3))),
            ("yield", None, Pause::Yield),
            ("spin", None, Pause::Spin),
            ("noop", None, Pause::None),
        ] {
            let mut strategy = strategy(name, args);
            for _ in 0..100 {
                assert_eq!(strategy.next(0), pause, "{name}");
            }
        }
    }

    #[test]
    fn backoff_spins_then_yields_then_parks_for_longer_and_longer() {
        let mut strategy = strategy("backoff", Some("2-3-1us-5us"));
        let park = |micros| Pause::Park(Duration::from_micros(micros));
        let phases = [
            Pause::Spin,
            Pause::Spin,
            Pause::Yield,
            Pause::Yield,
            Pause::Yield,
            park(1),
            park(2),
            park(4),
            park(5),
            park(5),
        ];
        for _ in 0..2 {
            for (step, expected) in phases.into_iter().enumerate() {
                assert_eq!(strategy.next(0), expected, "step {step}");
            }
            assert_eq!(strategy.next(7), Pause::None, "work starts it over");
        }
        strategy.next(0);
        strategy.reset();
        assert_eq!(strategy, IdleStrategy::from_name("backoff", Some("2-3-1us-5us")).unwrap());
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused() {
        for (name, args) in [
            ("sleeping", ""),
            ("sleeping", "1x"),
            ("sleeping", "-1"),
            ("backoff", ""),
            ("backoff", "10-20-1us"),
            ("backoff", "10-20-1us-1ms-3"),
            ("backoff", "a-20-1us-1ms"),
            ("backoff", "10-20-1us-1parsec"),
        ] {
            let error = IdleStrategy::from_name(name, Some(args)).unwrap_err();
            assert!(matches!(error, IdleStrategyError::Arguments { .. }), "{name} {args}: {error}");
        }
    }

    #[test]
    fn without_arguments_backoff_is_10_20_1us_1ms_as_in_aeron() {
        assert_eq!(strategy("backoff", None), strategy("backoff", Some("10-20-1us-1ms")));
        assert_eq!(strategy("adaptive", Some("1-2-1us-1ms")), strategy("backoff", Some("1-2-1us-1ms")));
    }

    #[test]
    fn the_default_spins_yields_and_awaits_input_for_longer_and_longer() {
        let mut adaptive = Adaptive::default();
        let longest = Duration::from_secs(3600);
        adaptive.set_longest(longest);
        let mut strategy = IdleStrategy::Adaptive(adaptive);
        for _ in 0..2 {
            (0..SPINS).for_each(|_| assert_eq!(strategy.next(0), Pause::Spin));
            (0..YIELDS).for_each(|_| assert_eq!(strategy.next(0), Pause::Yield));
            let periods: Vec<_> = (0..DROWSY_AFTER + 2).map(|_| strategy.next(0)).collect();
            let micros = |n| Pause::Await(Duration::from_micros(n));
            assert_eq!(periods[..4], [2, 4, 8, 16].map(micros));
            assert_eq!(periods[9..DROWSY_AFTER as usize], [micros(1000)].repeat(DROWSY_AFTER as usize - 9));
            assert_eq!(periods[DROWSY_AFTER as usize..], [longest; 2].map(Pause::Await));
            assert_eq!(strategy.next(1), Pause::None, "work starts it over");
        }
    }
}

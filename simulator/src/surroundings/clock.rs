//! Virtual time: it passes between steps, by as much as the seed says, and jumps over idle times.

use std::time::Duration;

use epona_media_driver::clock::Clock;
use epona_protocol::types::{EpochMillis, Nanos, Now};

/// Wall-clock time at the start of every world, in milliseconds since 1970.
const START_EPOCH_MS: i64 = 1_750_000_000_000;

/// Longest step when nothing happens: shorter than the intervals at which roles act by themselves.
const LONGEST_STEP: Duration = Duration::from_millis(20);

/// How far time moves from step to step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pace {
    /// At most so far after a step with work in it.
    pub busy: Duration,
    /// At most so far after a step without, unless a datagram arrives before.
    pub idle: Duration,
}

/// The one clock of a world.
#[derive(Clone, Debug)]
pub(crate) struct VirtualClock {
    elapsed: Duration,
    /// By how much the wall clock has jumped, in milliseconds.
    jumped: i64,
    /// Steps without work in a row.
    idle_steps: u32,
}

impl VirtualClock {
    /// A clock at the start of time.
    #[must_use]
    pub(crate) const fn new() -> Self {
        // Not zero, which some read as "never".
        Self { elapsed: Duration::from_secs(1), jumped: 0, idle_steps: 0 }
    }

    /// Moves on after a step: a little if it had work, otherwise to the next datagram or the end of an idle time.
    pub(crate) fn advance(
        &mut self,
        had_work: bool,
        pace: Pace,
        next_delivery: Option<Nanos>,
        random: &mut fastrand::Rng,
    ) {
        self.idle_steps = if had_work { 0 } else { self.idle_steps + 1 };
        // The longer nothing happens, the less often it is worth looking.
        let idle = (pace.idle * (1 << (self.idle_steps / 8).min(6))).min(LONGEST_STEP);
        let longest = if had_work { pace.busy } else { idle };
        let mut step = Duration::from_nanos(random.u64(1..=nanos(longest).max(1)));
        // What is overdue waits for somebody who stands still, and need not be waited for.
        let now = self.now().nanos;
        if let Some(next) = next_delivery.filter(|next| !had_work && *next > now) {
            step = step.min(next.since(now));
        }
        self.elapsed += step;
    }

    /// The time of intervals.
    #[must_use]
    pub(crate) fn now_nanos(&self) -> Nanos {
        self.now().nanos
    }

    /// The wall clock jumps; time itself does not.
    pub(crate) const fn jump(&mut self, millis: i64) {
        self.jumped += millis;
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        let millis = i64::try_from(self.elapsed.as_millis()).unwrap_or(i64::MAX);
        Now {
            nanos: Nanos::new(i64::try_from(self.elapsed.as_nanos()).unwrap_or(i64::MAX)),
            epoch: EpochMillis::new(START_EPOCH_MS.saturating_add(millis).saturating_add(self.jumped)),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { busy: Duration::from_micros(10), idle: Duration::from_millis(5) };

    #[test]
    fn idle_time_ends_with_the_next_datagram() {
        let (mut clock, mut random) = (VirtualClock::new(), fastrand::Rng::with_seed(1));
        let start = clock.now().nanos;
        let due = start + Duration::from_nanos(3);
        clock.advance(false, PACE, Some(due), &mut random);
        assert!(clock.now().nanos > start && clock.now().nanos <= due);
    }

    #[test]
    fn time_always_passes_even_when_a_datagram_is_overdue() {
        let (mut clock, mut random) = (VirtualClock::new(), fastrand::Rng::with_seed(1));
        let start = clock.now().nanos;
        for _ in 0..100 {
            let before = clock.now().nanos;
            clock.advance(false, PACE, Some(start), &mut random);
            assert!(clock.now().nanos > before);
        }
    }
}

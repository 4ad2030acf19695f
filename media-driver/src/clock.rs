//! The only clocks of the driver. Everything else is told the time.

use std::{
    fmt,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use epona_protocol::types::{EpochMillis, Nanos, Now};
use rustix::time::{ClockId, clock_gettime};

/// Tells what the time is: once per duty cycle, to a runner; and around calls that may wait, to what measures them.
pub trait Clock: fmt::Debug {
    /// Both clocks, read now.
    fn now(&self) -> Now;
}

/// The machine's clocks. Monotonic time counts from when the clock was made, so copies agree with each other and two
/// clocks made apart do not.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time is close to zero.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Now {
        let nanos = i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX);
        // As of the last tick of the system, some milliseconds ago at most: cheaper, and no timeout of clients is short.
        let epoch = clock_gettime(ClockId::RealtimeCoarse);
        let millis = epoch.tv_sec.saturating_mul(1000).saturating_add(epoch.tv_nsec / 1_000_000);
        Now { nanos: Nanos::new(nanos), epoch: EpochMillis::new(millis) }
    }
}

/// The time of day in nanoseconds since 1970-01-01 UTC, read now: for what is stamped with when it passed a socket.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn epoch_nanos() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back_and_copies_agree() {
        let clock = SystemClock::new();
        let copy = clock;
        let (first, second, third) = (clock.now(), copy.now(), clock.now());
        assert!(first.nanos <= second.nanos && second.nanos <= third.nanos);
    }

    #[test]
    fn wall_clock_time_is_after_this_was_written() {
        assert!(SystemClock::new().now().epoch > EpochMillis::new(1_750_000_000_000));
    }
}

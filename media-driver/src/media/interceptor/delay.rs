//! `delay`: everything is late by a fixed and a random time, in order.

use std::time::Duration;

use epona_protocol::types::Nanos;

use super::{
    Fate, Interceptor,
    arguments::{ArgumentError, Arguments},
    random::Erand48,
};

#[derive(Clone, Debug)]
pub(super) struct Delay {
    delay: Duration,
    jitter: Duration,
    random: Erand48,
    /// When the last datagram goes on: none overtakes it.
    last: Nanos,
}

impl Delay {
    pub(super) fn parse(arguments: &Arguments<'_>, salt: u64) -> Result<Self, ArgumentError> {
        Ok(Self {
            delay: arguments.duration("delay", Duration::ZERO)?,
            jitter: arguments.duration("jitter", Duration::ZERO)?,
            random: Erand48::new(arguments.seed()?.wrapping_add(salt)),
            last: Nanos::new(i64::MIN),
        })
    }
}

impl Interceptor for Delay {
    fn judge(&mut self, now: Nanos, _datagram: &[u8]) -> Fate {
        let due = now + self.delay + self.jitter.mul_f64(self.random.next());
        self.last = self.last.max(due);
        Fate::Delay(self.last.since(now))
    }

    fn holds(&self) -> bool {
        true
    }
}

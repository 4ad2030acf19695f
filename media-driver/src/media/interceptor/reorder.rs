//! `reorder`: some datagrams are late, so that those after them overtake.

use std::time::Duration;

use epona_protocol::types::Nanos;

use super::{
    Fate, Interceptor,
    arguments::{ArgumentError, Arguments},
    random::Erand48,
};

#[derive(Clone, Debug)]
pub(super) struct Reorder {
    rate: f64,
    delay: Duration,
    random: Erand48,
}

impl Reorder {
    pub(super) fn parse(arguments: &Arguments<'_>, salt: u64) -> Result<Self, ArgumentError> {
        Ok(Self {
            rate: arguments.rate()?,
            delay: arguments.duration("delay", Duration::from_millis(1))?,
            random: Erand48::new(arguments.seed()?.wrapping_add(salt)),
        })
    }
}

impl Interceptor for Reorder {
    fn judge(&mut self, _now: Nanos, _datagram: &[u8]) -> Fate {
        if self.random.happens(self.rate) { Fate::Delay(self.delay) } else { Fate::Pass }
    }

    fn holds(&self) -> bool {
        true
    }
}

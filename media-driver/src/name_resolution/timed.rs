//! How long names take to be resolved, in the driver's counters. Source: driver spec 1.6.

use std::{borrow::Cow, net::IpAddr};

use epona_protocol::types::{Nanos, Now};

use super::{NameQuery, NameResolver, Report, ResolutionError};
use crate::{clock::Clock, duty_cycle::StallTracker, event_log::EventLog};

/// Measures another resolver.
#[derive(Debug)]
pub struct TimedNameResolver {
    names: Box<dyn NameResolver>,
    clock: Box<dyn Clock + Send>,
    tracker: StallTracker,
    name: &'static str,
    events: EventLog,
}

impl TimedNameResolver {
    /// Measures `names` by a clock that its runner hands in: a call that waits cannot be told the time it took.
    #[must_use]
    pub fn new(names: Box<dyn NameResolver>, clock: Box<dyn Clock + Send>, tracker: StallTracker) -> Self {
        Self { names, clock, tracker, name: "default", events: EventLog::off() }
    }

    /// Tells the event log what is asked and answered, under the name of the resolver.
    #[must_use]
    pub fn logging(self, name: &'static str, events: EventLog) -> Self {
        Self { name, events, ..self }
    }

    /// The answer, how long it took, and when it was there.
    fn measured<T>(&mut self, call: impl FnOnce(&mut dyn NameResolver) -> T) -> (T, Nanos, Nanos) {
        let start = self.clock.now().nanos;
        let answer = call(&mut *self.names);
        let end = self.clock.now().nanos;
        let took = end.get() - start.get();
        self.tracker.record(took);
        (answer, Nanos::new(took), end)
    }
}

impl NameResolver for TimedNameResolver {
    fn lookup<'a>(&mut self, query: NameQuery<'a>) -> Result<Cow<'a, str>, ResolutionError> {
        let (answer, took, now) = self.measured(|names| names.lookup(query));
        let found = answer.as_deref().unwrap_or_default();
        self.events.looked_up(self.name, query, took, found, now);
        answer
    }

    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        let (answer, took, now) = self.measured(|names| names.resolve(query));
        self.events.resolved(self.name, query, took, answer.as_ref().ok().copied(), now);
        answer
    }

    fn do_work(&mut self, now: Now, reports: &mut Vec<Report>) -> usize {
        self.names.do_work(now, reports)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use epona_protocol::counters::AtomicCounter;

    use super::*;
    use crate::name_resolution::DefaultNameResolver;

    /// Every look at it takes so long.
    #[derive(Debug)]
    struct SlowClock(Cell<i64>, i64);

    impl Clock for SlowClock {
        fn now(&self) -> Now {
            self.0.set(self.0.get() + self.1);
            Now { nanos: Nanos::new(self.0.get()), ..Now::default() }
        }
    }

    #[test]
    fn the_longest_answer_and_those_beyond_the_threshold_are_counted_whether_or_not_there_is_one() {
        let counter = AtomicCounter::detached;
        let (longest, exceeded) = (counter(), counter());
        let threshold = Duration::from_nanos(100);
        for (step, name, expected) in
            [(100, "localhost", 0), (101, "localhost", 1), (90, "no.such.host.invalid", 1)]
        {
            let tracker = StallTracker::new(longest.clone(), exceeded.clone(), threshold);
            let clock = Box::new(SlowClock(Cell::new(7), step));
            let mut names = TimedNameResolver::new(Box::new(DefaultNameResolver), clock, tracker);
            let _ = names.resolve(NameQuery { name, parameter: "endpoint", is_re_resolution: false });
            assert_eq!(exceeded.get(), expected, "{step}");
        }
        assert_eq!(longest.get(), 101);
    }
}

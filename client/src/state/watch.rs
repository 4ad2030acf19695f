//! Since when a publication stands as it does.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use epona_protocol::types::{EpochMillis, Nanos, Now, Position};

/// What the conductor saw of a publication when it last looked, and since when it is so.
///
/// Threading: written by the conductor, read by anyone; the fields need not fit each other exactly. All relaxed.
#[derive(Debug)]
pub(crate) struct Watch {
    looked: AtomicI64,
    looked_epoch: AtomicI64,
    limit: AtomicI64,
    limit_since: AtomicI64,
    connected: AtomicBool,
    connected_since: AtomicI64,
}

impl Watch {
    pub(crate) const fn new(connected: bool, limit: Position, now: Now) -> Self {
        let Now { nanos: now, epoch } = now;
        Self {
            looked: AtomicI64::new(now.get()),
            looked_epoch: AtomicI64::new(epoch.get()),
            limit: AtomicI64::new(limit.get()),
            limit_since: AtomicI64::new(now.get()),
            connected: AtomicBool::new(connected),
            connected_since: AtomicI64::new(now.get()),
        }
    }

    /// Notes how the publication stands; whether that is new. By the conductor.
    pub(crate) fn look(&self, connected: bool, limit: Position, now: Now) -> bool {
        let Now { nanos: now, epoch } = now;
        let is_limit_new = self.limit.swap(limit.get(), Ordering::Relaxed) != limit.get();
        if is_limit_new {
            self.limit_since.store(now.get(), Ordering::Relaxed);
        }
        let is_connection_new = self.connected.swap(connected, Ordering::Relaxed) != connected;
        if is_connection_new {
            self.connected_since.store(now.get(), Ordering::Relaxed);
        }
        self.looked.store(now.get(), Ordering::Relaxed);
        self.looked_epoch.store(epoch.get(), Ordering::Relaxed);
        is_limit_new || is_connection_new
    }

    /// How long a limit has stood; zero for another than was last seen.
    pub(crate) fn limit_age(&self, limit: Position) -> Duration {
        if self.limit.load(Ordering::Relaxed) == limit.get() {
            self.age(&self.limit_since)
        } else {
            Duration::ZERO
        }
    }

    /// How long the publication has been connected, or not; zero for another state than was last seen.
    pub(crate) fn connection_age(&self, connected: bool) -> Duration {
        if self.connected.load(Ordering::Relaxed) == connected {
            self.age(&self.connected_since)
        } else {
            Duration::ZERO
        }
    }

    /// How long before the last look something was that a driver stamped; zero for what came after it.
    pub(crate) fn epoch_age(&self, moment: EpochMillis) -> Duration {
        EpochMillis::new(self.looked_epoch.load(Ordering::Relaxed)).since(moment)
    }

    fn age(&self, since: &AtomicI64) -> Duration {
        let looked = Nanos::new(self.looked.load(Ordering::Relaxed));
        looked.since(Nanos::new(since.load(Ordering::Relaxed)))
    }

    /// Moves all moments, because the clock changes.
    pub(crate) fn move_times(&self, moved: impl Fn(Nanos) -> Nanos) {
        for moment in [&self.looked, &self.limit_since, &self.connected_since] {
            moment.store(moved(Nanos::new(moment.load(Ordering::Relaxed))).get(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const START: Now = Now { nanos: Nanos::new(5), epoch: EpochMillis::new(1_700_000_000_000) };

    fn after(duration: Duration) -> Now {
        Now { nanos: START.nanos + duration, epoch: START.epoch + duration }
    }

    #[test]
    fn what_does_not_change_grows_older_and_what_changes_is_new() {
        let watch = Watch::new(true, Position::ZERO, START);
        watch.look(true, Position::ZERO, after(SECOND));
        assert_eq!((watch.limit_age(Position::ZERO), watch.connection_age(true)), (SECOND, SECOND));
        watch.look(false, Position::ZERO, after(2 * SECOND));
        assert_eq!(watch.limit_age(Position::ZERO), 2 * SECOND);
        assert_eq!(
            (watch.connection_age(false), watch.connection_age(true)),
            (Duration::ZERO, Duration::ZERO)
        );
        assert_eq!(watch.limit_age(Position::new(64)), Duration::ZERO, "not seen yet");
    }

    #[test]
    fn what_a_driver_stamped_is_as_old_as_the_last_look_and_never_younger_than_now() {
        let watch = Watch::new(true, Position::ZERO, START);
        watch.look(true, Position::ZERO, after(3 * SECOND));
        assert_eq!(watch.epoch_age(after(SECOND).epoch), 2 * SECOND);
        assert_eq!(watch.epoch_age(EpochMillis::new(i64::MAX)), Duration::ZERO);
        assert_eq!(watch.epoch_age(EpochMillis::new(i64::MIN)).as_millis(), i64::MAX as u128);
    }

    #[test]
    fn ages_stay_when_the_clock_is_changed() {
        let watch = Watch::new(true, Position::ZERO, START);
        watch.look(true, Position::ZERO, after(SECOND));
        watch.move_times(|moment| moment + 3600 * SECOND);
        assert_eq!(watch.limit_age(Position::ZERO), SECOND);
    }
}

//! The clocks of the system, and sleep: nothing else of the client reads the time.

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use epona_protocol::types::{EpochMillis, Nanos, Now};

/// Whose clock a duty cycle of the conductor went by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clock {
    /// The system's.
    System,
    /// That of an application, virtual perhaps.
    Caller,
}

/// What the time is, by the clocks of the system.
#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
pub(crate) fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        nanos: Nanos::new(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)),
        epoch: EpochMillis::new(i64::try_from(epoch.as_millis()).unwrap_or(i64::MAX)),
    }
}

/// The time on the clock of an application, whose last reading is known, `since` a reading of the system's.
pub(crate) fn now_after(reading: Now, since: Now) -> Now {
    let elapsed = now().nanos.since(since.nanos);
    Now { nanos: reading.nanos + elapsed, epoch: reading.epoch + elapsed }
}

/// Pauses the calling thread.
#[expect(clippy::disallowed_methods, reason = "parking would eat the caller's own wake-ups")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

//! The only place of the client that reads clocks, starts a thread or sleeps.

use std::{
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use epona_protocol::types::{EpochMillis, Nanos, Now};

use crate::{
    client::{Shared, conducting},
    conductor::{Clock, Conductor},
    error::ClientError,
};

/// Pause between looks while an answer of the driver is awaited. Source: shared-memory spec 11.1.
pub(crate) const AWAITING_IDLE_SLEEP: Duration = Duration::from_millis(1);

/// What the time is, by the clocks of the system.
#[expect(clippy::disallowed_methods, reason = "the runner owns the clock")]
pub(crate) fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        nanos: Nanos::new(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)),
        epoch: EpochMillis::new(i64::try_from(epoch.as_millis()).unwrap_or(i64::MAX)),
    }
}

/// Pauses a caller that found nothing to do while it waits for an answer.
pub(crate) fn idle_while_waiting(work: usize) {
    if work == 0 {
        pause(AWAITING_IDLE_SLEEP);
    }
}

/// The time on the clock of an application, whose last reading is known, `since` a reading of the system's.
pub(crate) fn now_after(reading: Now, since: Now) -> Now {
    let elapsed = now().nanos.since(since.nanos);
    Now { nanos: reading.nanos + elapsed, epoch: reading.epoch + elapsed }
}

/// Pauses the calling thread.
#[expect(
    clippy::disallowed_methods,
    reason = "only the runner sleeps; parking would eat the caller's own wake-ups"
)]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// Starts a thread that runs the conductor until it has ended.
pub(crate) fn spawn(shared: Arc<Shared>, conductor: Conductor) -> Result<JoinHandle<()>, ClientError> {
    thread::Builder::new()
        .name(String::from("aeron-client-conductor"))
        // The conductor is dropped inside too: a handler may own the last handle, which must not join this thread.
        .spawn(move || conducting(&shared, || run(conductor)))
        .map_err(|error| ClientError::Io {
            what: String::from("cannot start the conductor's thread"),
            source: Arc::new(error),
        })
}

fn run(mut conductor: Conductor) {
    // An error is the end: the error handler has been told, and every handle answers with the cause.
    while let Ok(work) = conductor.do_work(now(), Clock::System) {
        if work == 0 {
            thread::park_timeout(conductor.idle_time(AWAITING_IDLE_SLEEP));
        }
    }
}

//! Running the conductor: on a thread of its own, or by whoever steps it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use epona_protocol::types::Now;

use crate::{
    clock::{Clock, now, now_after, pause},
    conductor::Conductor,
    context::DriverInvoker,
    error::ClientError,
    link::{Completion, Conducting, Outcome, Shared, conducting},
};

/// Pause between looks while an answer of the driver is awaited. Source: shared-memory spec 11.1.
pub(crate) const AWAITING_IDLE_SLEEP: Duration = Duration::from_millis(1);

/// A conductor on a thread of its own.
pub(crate) struct Threaded {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Threaded {
    /// Starts a thread that runs the conductor until it has ended.
    pub(crate) fn start(shared: Arc<Shared>, conductor: Conductor) -> Result<Self, ClientError> {
        let known = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name(String::from("aeron-client-conductor"))
            // The conductor is dropped inside too: a handler may own the last handle, which must not join this thread.
            .spawn(move || conducting(&known, || run(conductor)))
            .map_err(|error| ClientError::Io {
                what: String::from("cannot start the conductor's thread"),
                source: Arc::new(error),
            })?;
        shared.runs_on(handle.thread().clone());
        Ok(Self { shared, thread: Mutex::new(Some(handle)) })
    }
}

fn run(mut conductor: Conductor) {
    // An error is the end: the error handler has been told, and every handle answers with the cause.
    while let Ok(work) = conductor.do_work(now(), Clock::System) {
        if work == 0 {
            thread::park_timeout(conductor.idle_time(AWAITING_IDLE_SLEEP));
        }
    }
}

impl Conducting for Threaded {
    fn is_invoked(&self) -> bool {
        false
    }

    fn do_work(&self, _: Now, _: Clock) -> Result<usize, ClientError> {
        Ok(0)
    }

    fn wait(&self, completion: &Completion) -> Option<Outcome> {
        completion.wait()
    }

    fn close(&self) {
        self.shared.wake();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

/// A conductor that is stepped, perhaps together with an embedded driver.
pub(crate) struct Invoked {
    shared: Arc<Shared>,
    conductor: Mutex<Conductor>,
    driver: Mutex<Option<DriverInvoker>>,
}

impl Invoked {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        conductor: Conductor,
        driver: Option<DriverInvoker>,
    ) -> Self {
        Self { shared, conductor: Mutex::new(conductor), driver: Mutex::new(driver) }
    }
}

impl Conducting for Invoked {
    fn is_invoked(&self) -> bool {
        true
    }

    fn do_work(&self, now: Now, clock: Clock) -> Result<usize, ClientError> {
        conducting(&self.shared, || lock(&self.conductor).do_work(now, clock))
    }

    fn wait(&self, completion: &Completion) -> Option<Outcome> {
        let start = now();
        let (reading, clock) = lock(&self.conductor).last_time();
        loop {
            if let Some(outcome) = completion.take() {
                return Some(outcome);
            }
            if let Some(invoke) = lock(&self.driver).as_mut() {
                invoke();
            }
            let now = match clock {
                Clock::System => now(),
                Clock::Caller => now_after(reading, start),
            };
            // A fatal error settles all completions, so the loop ends with it.
            if self.do_work(now, clock).unwrap_or(0) == 0 {
                pause(AWAITING_IDLE_SLEEP);
            }
        }
    }

    fn close(&self) {
        conducting(&self.shared, || lock(&self.conductor).close());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

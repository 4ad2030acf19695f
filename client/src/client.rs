//! What all handles of one client share with each other and with its conductor.
//!
//! ```text
//!   Aeron, Publication, Subscription, Counter, Pending ──Arc──► Client ──owns──► conductor thread, or the conductor
//!                                                                 │
//!   conductor ────────────────────────────────────────Arc──► Shared: requests, ids, whether and why it is closed
//! ```
//!
//! The conductor never holds the client, so the client ends with its last handle, or earlier by a call to `close`.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, Thread},
};

use epona_protocol::{
    counters::CountersReader,
    ring_buffer::mpsc::Producer,
    types::{ClientId, CorrelationId, Now, RegistrationId},
};

use crate::{
    active_commands::ActiveCommands,
    completion::{Completion, Outcome},
    conductor::{Clock, Conductor},
    context::DriverInvoker,
    error::ClientError,
    request::{Request, Requests},
    runner,
    waiting::Waiters,
};

/// The part that the conductor knows too.
pub(crate) struct Shared {
    pub(crate) client_id: ClientId,
    pub(crate) to_driver: Producer,
    pub(crate) counters: CountersReader,
    pub(crate) requests: Requests,
    closed: AtomicBool,
    cause: OnceLock<Arc<ClientError>>,
    runner: OnceLock<Thread>,
    client: OnceLock<Weak<Client>>,
    close_requested: AtomicBool,
    pub(crate) waiters: Waiters,
    pub(crate) active_commands: Arc<ActiveCommands>,
}

impl Shared {
    pub(crate) fn new(to_driver: Producer, counters: CountersReader) -> Self {
        Self {
            client_id: ClientId::new(to_driver.next_correlation_id().get()),
            to_driver,
            counters,
            requests: Requests::new(),
            closed: AtomicBool::new(false),
            cause: OnceLock::new(),
            runner: OnceLock::new(),
            client: OnceLock::new(),
            close_requested: AtomicBool::new(false),
            waiters: Waiters::default(),
            active_commands: Arc::default(),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The client has ended; the first cause stands.
    pub(crate) fn mark_closed(&self, cause: Option<ClientError>) {
        if let Some(cause) = cause {
            let _ = self.cause.set(Arc::new(cause));
        }
        self.closed.store(true, Ordering::Release);
    }

    /// The fatal error that ended the client.
    pub(crate) fn failure(&self) -> Option<Arc<ClientError>> {
        self.cause.get().cloned()
    }

    /// What every call on a closed client answers.
    pub(crate) fn closed_error(&self) -> ClientError {
        ClientError::Closed { cause: self.failure() }
    }

    /// The handles' side, as long as there are handles.
    pub(crate) fn client(&self) -> Weak<Client> {
        self.client.get().cloned().unwrap_or_default()
    }

    pub(crate) fn close_requested(&self) -> bool {
        self.close_requested.load(Ordering::Acquire)
    }

    /// Leaves a request for the conductor and wakes it.
    pub(crate) fn request(&self, request: Request) -> Result<(), ClientError> {
        self.requests.push(request).map_err(|_| self.closed_error())?;
        self.wake();
        Ok(())
    }

    /// Ends the conductor's sleep, if it has a thread.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.runner.get() {
            thread.unpark();
        }
    }
}

/// Who calls the conductor's `do_work`.
enum Driving {
    Threaded(Mutex<Option<JoinHandle<()>>>),
    Invoked { conductor: Box<Mutex<Conductor>>, driver: Mutex<Option<DriverInvoker>> },
}

/// Owns the conductor; closes it when the last handle is gone.
pub(crate) struct Client {
    pub(crate) shared: Arc<Shared>,
    driving: Driving,
}

thread_local! {
    /// Address of the client whose conductor is at work on this thread, 0 for none.
    static CONDUCTING: Cell<usize> = const { Cell::new(0) };
}

/// Runs a conductor's work while remembering that this thread is inside it.
pub(crate) fn conducting<T>(shared: &Shared, work: impl FnOnce() -> T) -> T {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            CONDUCTING.set(self.0);
        }
    }
    let _restore = Restore(CONDUCTING.replace(std::ptr::from_ref(shared).addr()));
    work()
}

impl Client {
    /// Starts the conductor's thread.
    pub(crate) fn threaded(shared: Arc<Shared>, conductor: Conductor) -> Result<Arc<Self>, ClientError> {
        let handle = runner::spawn(Arc::clone(&shared), conductor)?;
        let _ = shared.runner.set(handle.thread().clone());
        Ok(Self::introduce(shared, Driving::Threaded(Mutex::new(Some(handle)))))
    }

    /// Leaves the conductor to be stepped.
    pub(crate) fn invoked(
        shared: Arc<Shared>,
        conductor: Conductor,
        driver: Option<DriverInvoker>,
    ) -> Arc<Self> {
        let driving =
            Driving::Invoked { conductor: Box::new(Mutex::new(conductor)), driver: Mutex::new(driver) };
        Self::introduce(shared, driving)
    }

    /// Lets the conductor find the client, before any request can reach it.
    fn introduce(shared: Arc<Shared>, driving: Driving) -> Arc<Self> {
        let client = Arc::new(Self { shared, driving });
        let _ = client.shared.client.set(Arc::downgrade(&client));
        client
    }

    pub(crate) fn is_invoked(&self) -> bool {
        matches!(self.driving, Driving::Invoked { .. })
    }

    /// One duty cycle of an invoked conductor; nothing when it has a thread of its own.
    pub(crate) fn do_work(&self, now: Now, clock: Clock) -> Result<usize, ClientError> {
        match &self.driving {
            Driving::Threaded(_) => Ok(0),
            Driving::Invoked { conductor, .. } => {
                self.refuse_reentry()?;
                conducting(&self.shared, || lock(conductor).do_work(now, clock))
            }
        }
    }

    /// Waits for the outcome of a request, stepping the conductor (and an embedded driver) if nobody else does.
    pub(crate) fn wait(&self, completion: &Completion) -> Outcome {
        self.refuse_reentry()?;
        let outcome = match &self.driving {
            Driving::Threaded(_) => completion.wait(),
            Driving::Invoked { conductor, driver } => self.wait_invoking(completion, conductor, driver),
        };
        outcome.unwrap_or_else(|| Err(self.shared.closed_error()))
    }

    fn wait_invoking(
        &self,
        completion: &Completion,
        conductor: &Mutex<Conductor>,
        driver: &Mutex<Option<DriverInvoker>>,
    ) -> Option<Outcome> {
        let start = runner::now();
        let (reading, clock) = lock(conductor).last_time();
        loop {
            if let Some(outcome) = completion.take() {
                return Some(outcome);
            }
            if let Some(invoke) = lock(driver).as_mut() {
                invoke();
            }
            let now = match clock {
                Clock::System => runner::now(),
                Clock::Caller => runner::now_after(reading, start),
            };
            // A fatal error settles all completions, so the loop ends with it.
            let work = self.do_work(now, clock).unwrap_or(0);
            runner::idle_while_waiting(work);
        }
    }

    /// Refuses what would wait for the conductor from within it.
    pub(crate) fn refuse_reentry(&self) -> Result<(), ClientError> {
        if CONDUCTING.get() == std::ptr::from_ref(&*self.shared).addr() {
            return Err(ClientError::Reentrant);
        }
        Ok(())
    }

    /// Ends the client; returns when its conductor has ended, except from within one of its own handlers.
    pub(crate) fn close(&self) {
        self.shared.close_requested.store(true, Ordering::Release);
        if self.refuse_reentry().is_err() {
            return;
        }
        match &self.driving {
            Driving::Threaded(handle) => {
                self.shared.wake();
                if let Some(handle) = lock(handle).take() {
                    let _ = handle.join();
                }
            }
            Driving::Invoked { conductor, .. } => conducting(&self.shared, || lock(conductor).close()),
        }
    }

    pub(crate) fn next_correlation_id(&self) -> CorrelationId {
        self.shared.to_driver.next_correlation_id()
    }

    /// Leaves a request whose refusal does not matter: what it would end has ended with the client.
    pub(crate) fn tell(&self, request: Request) {
        let _ = self.shared.request(request);
    }

    pub(crate) fn abandon(&self, id: RegistrationId) {
        self.tell(Request::Abandon { id });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.shared.client_id).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

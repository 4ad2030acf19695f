//! What all handles of one client share with each other, and with its conductor.

use std::{
    cell::Cell,
    fmt,
    path::Path,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::Thread,
};

use epona_protocol::{
    cnc::Cnc,
    counters::CountersReader,
    doorbell::{Door, Doorbell},
    ring_buffer::mpsc::Producer,
    types::{ClientId, CorrelationId, Now, RegistrationId},
};

use super::{
    Completion, Outcome, Request, active_commands::ActiveCommands, request::Requests, waiters::Waiters,
};
use crate::{clock::Clock, error::ClientError};

/// What wakes threads of the driver; nothing, where it is not a driver that can be woken.
#[derive(Debug, Default)]
pub(crate) struct Doorbells {
    pub(crate) conductor: Option<Doorbell>,
    pub(crate) sender: Option<Doorbell>,
}

impl Doorbells {
    pub(crate) fn open(directory: &Path, cnc: &Cnc) -> Self {
        let open = |door| Doorbell::open(directory, cnc, door).ok();
        Self { conductor: open(Door::Conductor), sender: open(Door::Sender) }
    }
}

/// The part that the conductor knows too.
pub(crate) struct Shared {
    pub(crate) client_id: ClientId,
    pub(crate) to_driver: Producer,
    pub(crate) counters: CountersReader,
    pub(crate) doorbells: Doorbells,
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
    pub(crate) fn new(to_driver: Producer, counters: CountersReader, doorbells: Doorbells) -> Self {
        Self {
            client_id: ClientId::new(to_driver.next_correlation_id().get()),
            to_driver,
            counters,
            doorbells,
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

    /// The conductor has a thread, which requests wake from now on.
    pub(crate) fn runs_on(&self, thread: Thread) {
        let _ = self.runner.set(thread);
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

/// Who runs the conductor: a thread of its own, or whoever steps it.
pub(crate) trait Conducting: Send + Sync {
    /// Whether the conductor has no thread and is stepped.
    fn is_invoked(&self) -> bool;

    /// One duty cycle of a conductor that is stepped; nothing when it has a thread.
    fn do_work(&self, now: Now, clock: Clock) -> Result<usize, ClientError>;

    /// Waits for the outcome of a request, stepping the conductor if nobody else does; `None` when it was taken before.
    fn wait(&self, completion: &Completion) -> Option<Outcome>;

    /// Has the conductor close, which it was asked to; returns when it has ended.
    fn close(&self);
}

/// Owns the conductor; closes it when the last handle is gone.
pub(crate) struct Client {
    pub(crate) shared: Arc<Shared>,
    conducting: Box<dyn Conducting>,
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
    /// A client whose conductor is run so; it can be found through what they share before any request can reach it.
    pub(crate) fn new(shared: Arc<Shared>, conducting: Box<dyn Conducting>) -> Arc<Self> {
        let client = Arc::new(Self { shared, conducting });
        let _ = client.shared.client.set(Arc::downgrade(&client));
        client
    }

    pub(crate) fn is_invoked(&self) -> bool {
        self.conducting.is_invoked()
    }

    /// See [`Conducting::do_work`]; refused from within a handler.
    pub(crate) fn do_work(&self, now: Now, clock: Clock) -> Result<usize, ClientError> {
        self.refuse_reentry()?;
        self.conducting.do_work(now, clock)
    }

    /// Waits for the outcome of a request, stepping the conductor (and an embedded driver) if nobody else does.
    pub(crate) fn wait(&self, completion: &Completion) -> Outcome {
        self.refuse_reentry()?;
        self.conducting.wait(completion).unwrap_or_else(|| Err(self.shared.closed_error()))
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
        if self.refuse_reentry().is_ok() {
            self.conducting.close();
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.shared.client_id).finish_non_exhaustive()
    }
}

//! Tasks that wait until shared memory has changed.
//!
//! ```text
//!   task ── arm(waker, is_ready) ──► Waiters ◄── check, each duty cycle ── conductor
//!     ▲                                                                       │
//!     └────────────────────────────── wake ◄── is_ready ──────────────────────┘
//! ```
//!
//! The driver writes counters and log buffers and tells nobody: somebody has to look. That is the client's conductor,
//! which for as long as a task waits looks every [`Context::wake_interval`](crate::Context::wake_interval).

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::client::Shared;

/// How often a task that found nothing is run again before it waits: what comes at once needs no conductor then.
const TURNS_BEFORE_WAITING: usize = 8;

/// Whether what a task waits for is there.
type IsReady = Arc<dyn Fn() -> bool + Send + Sync>;

/// All waiting tasks of a client.
#[derive(Default)]
pub(crate) struct Waiters {
    list: Mutex<Vec<Waiter>>,
    count: AtomicUsize,
    next_id: AtomicU64,
}

struct Waiter {
    id: u64,
    waker: Waker,
    is_ready: IsReady,
}

impl Waiters {
    /// Whether anybody waits.
    pub(crate) fn is_anyone_waiting(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Wakes the tasks whose time has come; how many those were. By the conductor.
    pub(crate) fn check(&self) -> usize {
        if !self.is_anyone_waiting() {
            return 0;
        }
        let ready = {
            let mut list = self.lock();
            let ready: Vec<_> = list.extract_if(.., |waiter| (waiter.is_ready)()).collect();
            self.count.store(list.len(), Ordering::Relaxed);
            ready
        };
        let count = ready.len();
        // Not under the lock: waking runs code of an executor.
        ready.into_iter().for_each(|waiter| waiter.waker.wake());
        count
    }

    fn arm(&self, id: u64, waker: &Waker, is_ready: &IsReady) {
        let mut list = self.lock();
        match list.iter_mut().find(|waiter| waiter.id == id) {
            Some(waiter) => waiter.waker.clone_from(waker),
            None => list.push(Waiter { id, waker: waker.clone(), is_ready: Arc::clone(is_ready) }),
        }
        self.count.store(list.len(), Ordering::Relaxed);
    }

    fn disarm(&self, id: u64) {
        let mut list = self.lock();
        list.retain(|waiter| waiter.id != id);
        self.count.store(list.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiter>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One task's waiting for one thing, over and over.
pub(crate) struct Wait {
    shared: Arc<Shared>,
    is_ready: IsReady,
    id: u64,
    turns: usize,
    is_armed: bool,
}

impl Wait {
    /// Waits for `is_ready`, which must be true once the client has ended.
    pub(crate) fn new(shared: &Arc<Shared>, is_ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let id = shared.waiters.next_id.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(shared), is_ready: Arc::new(is_ready), id, turns: 0, is_armed: false }
    }

    /// There was something: the next wait begins anew.
    pub(crate) const fn found(&mut self) {
        self.turns = 0;
    }

    /// There was nothing: the task is run again soon, or when there may be something.
    pub(crate) fn pending<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        if self.turns < TURNS_BEFORE_WAITING {
            self.turns += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.shared.waiters.arm(self.id, context.waker(), &self.is_ready);
        self.is_armed = true;
        if (self.is_ready)() {
            // It came meanwhile, or the client has ended and nobody looks any more.
            context.waker().wake_by_ref();
        } else {
            self.shared.wake();
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.is_armed {
            self.shared.waiters.disarm(self.id);
        }
    }
}

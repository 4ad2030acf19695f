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
    task::Waker,
};

/// Whether what a task waits for is there.
pub(super) type IsReady = Arc<dyn Fn() -> bool + Send + Sync>;

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

    /// Has a task woken once `is_ready`; again for one that waits already.
    pub(super) fn arm(&self, id: u64, waker: &Waker, is_ready: &IsReady) {
        let mut list = self.lock();
        match list.iter_mut().find(|waiter| waiter.id == id) {
            Some(waiter) => waiter.waker.clone_from(waker),
            None => list.push(Waiter { id, waker: waker.clone(), is_ready: Arc::clone(is_ready) }),
        }
        self.count.store(list.len(), Ordering::Relaxed);
    }

    /// A task waits no more.
    pub(super) fn disarm(&self, id: u64) {
        let mut list = self.lock();
        list.retain(|waiter| waiter.id != id);
        self.count.store(list.len(), Ordering::Relaxed);
    }

    /// An id for a task's waiting.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiter>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

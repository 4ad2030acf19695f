//! One task that waits.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{Shared, waiters::IsReady};

/// How often a task that found nothing is run again before it waits: what comes at once needs no conductor then.
const TURNS_BEFORE_WAITING: usize = 8;

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
        let id = shared.waiters.next_id();
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

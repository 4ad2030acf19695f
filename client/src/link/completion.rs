//! Where the conductor leaves the outcome of a request, and its caller finds it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use epona_protocol::types::SessionId;

use crate::{
    error::ClientError,
    state::{CounterState, PublicationState, SubscriptionState},
};

/// What a request became once the driver had answered it.
#[derive(Debug)]
pub(crate) enum Registered {
    Publication(Arc<PublicationState>),
    Subscription(Arc<SubscriptionState>),
    Counter(Arc<CounterState>),
    SessionId(SessionId),
    Done,
}

pub(crate) type Outcome = Result<Registered, ClientError>;

#[derive(Debug)]
enum Slot {
    /// With the task to wake, if one waits.
    Open(Option<Waker>),
    Settled(Box<Outcome>),
    Taken,
}

/// A place for one outcome, settled once by the conductor and taken once by the caller.
#[derive(Debug)]
pub(crate) struct Completion {
    slot: Mutex<Slot>,
    settled: Condvar,
}

impl Completion {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { slot: Mutex::new(Slot::Open(None)), settled: Condvar::new() })
    }

    /// Leaves the outcome; the first one stands.
    pub(crate) fn settle(&self, outcome: Outcome) {
        let mut slot = self.lock();
        let Slot::Open(waker) = &mut *slot else { return };
        let waker = waker.take();
        *slot = Slot::Settled(Box::new(outcome));
        self.settled.notify_all();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the outcome if there is one.
    pub(crate) fn take(&self) -> Option<Outcome> {
        let mut slot = self.lock();
        Self::take_settled(&mut slot)
    }

    /// [`Completion::take`], or has the task woken when there is one.
    #[cfg(feature = "async")]
    pub(crate) fn take_or_wake(&self, waker: &Waker) -> Option<Outcome> {
        let mut slot = self.lock();
        if let Slot::Open(waiting) = &mut *slot {
            *waiting = Some(waker.clone());
        }
        Self::take_settled(&mut slot)
    }

    /// Waits until the conductor has settled it, which it does at the latest when the driver timeout has passed or the
    /// client ends; `None` when the outcome was taken before.
    pub(crate) fn wait(&self) -> Option<Outcome> {
        let slot = self.lock();
        let mut slot = self
            .settled
            .wait_while(slot, |slot| matches!(slot, Slot::Open(_)))
            .unwrap_or_else(PoisonError::into_inner);
        Self::take_settled(&mut slot)
    }

    fn take_settled(slot: &mut Slot) -> Option<Outcome> {
        if !matches!(slot, Slot::Settled(_)) {
            return None;
        }
        match std::mem::replace(slot, Slot::Taken) {
            Slot::Settled(outcome) => Some(*outcome),
            Slot::Open(_) | Slot::Taken => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What wakes a role that waits for something to do.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, OnceLock},
    thread::{self, Thread},
    time::Duration,
};

use epona_protocol::doorbell::Doorbell;

/// How long a role is left alone that nothing has woken, unless it says otherwise: the longest that a client waits who
/// publishes, or asks for something, after long silence.
const LONGEST_WAIT: Duration = Duration::from_millis(4);

/// How a role learns that there is something to do, while its thread sleeps.
#[derive(Debug)]
pub struct Inputs {
    /// Readable when there is input, now or later. A thread without a doorbell waits for these or else to be woken, not for both.
    pub descriptors: Vec<OwnedFd>,
    /// Through which other roles wake it.
    pub wakers: Vec<Waker>,
    /// Longest time after which it has to look by itself, for what neither tells of.
    pub longest_wait: Duration,
}

impl Default for Inputs {
    /// Nothing tells of anything.
    fn default() -> Self {
        Self { descriptors: Vec::new(), wakers: Vec::new(), longest_wait: LONGEST_WAIT }
    }
}

impl Inputs {
    /// Those of two roles on one thread.
    #[must_use]
    pub fn and(mut self, mut other: Self) -> Self {
        self.descriptors.append(&mut other.descriptors);
        self.wakers.append(&mut other.wakers);
        self.longest_wait = self.longest_wait.min(other.longest_wait);
        self
    }
}

/// Wakes the thread that runs a role out of its sleep. Clones wake the same thread; before it runs, none.
#[derive(Clone, Debug, Default)]
pub struct Waker {
    sleeper: Arc<OnceLock<Sleeper>>,
}

/// A thread, and what wakes it.
#[derive(Debug)]
struct Sleeper {
    thread: Thread,
    doorbell: Option<Doorbell>,
}

impl Waker {
    /// The calling thread is the one to wake, by its doorbell if it sleeps behind one.
    pub(super) fn attach(&self, doorbell: Option<&Doorbell>) {
        // A role that was started before has its thread.
        let _ = self.sleeper.set(Sleeper { thread: thread::current(), doorbell: doorbell.cloned() });
    }

    /// Wakes the thread, or keeps it from its next sleep: what was done before is seen by its next turn. A system call
    /// only when it sleeps.
    pub fn wake(&self) {
        match self.sleeper.get() {
            Some(Sleeper { doorbell: Some(doorbell), .. }) => doorbell.ring(),
            Some(Sleeper { thread, doorbell: None }) => thread.unpark(),
            None => {}
        }
    }
}

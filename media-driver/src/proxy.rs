//! Queues between roles: the same path in every threading mode.
//!
//! ```text
//!   conductor ──► sender         Proxy<SenderCommand>          ──► Inbox<SenderCommand>
//!   conductor ──► receiver       Proxy<ReceiverCommand>        ──► Inbox<ReceiverCommand>
//!   conductor ──► resource agent Proxy<ResourceCommand>        ──► Inbox<ResourceCommand>
//!   sender, receiver ──► conductor   Proxy<ConductorCommand>   ──► Inbox<ConductorCommand>
//!   resource agent ──► conductor     Proxy<ResourceOutcome>    ──► Inbox<ResourceOutcome>
//! ```
//!
//! A full queue never blocks its producer, which may be on the same thread as the consumer: what does not fit waits,
//! in order, on the producer's side and is offered again on its next duty cycle.

use std::{collections::VecDeque, sync::Arc};

use crossbeam::queue::ArrayQueue;

use crate::{duty_cycle::Waker, status::SharedCounter};

/// Commands that fit a queue between two roles. Source: driver spec 1.4 (Java: 1024 entries).
const QUEUE_CAPACITY: usize = 1024;

/// Most commands that a role takes from one queue in one duty cycle.
pub const COMMAND_DRAIN_LIMIT: usize = 8;

/// Free entries below which the conductor reads no further client command. Source: driver spec 1.4.
const CONGESTION_RESERVE: usize = 64;

/// The sending end of a queue; one for each producing role.
#[derive(Debug)]
pub struct Proxy<T> {
    queue: Arc<ArrayQueue<T>>,
    backlog: VecDeque<T>,
    failed_offers: SharedCounter,
    waker: Waker,
}

/// The receiving end of a queue.
#[derive(Debug)]
pub struct Inbox<T> {
    queue: Arc<ArrayQueue<T>>,
    waker: Waker,
}

/// A queue; `failed_offers` counts what did not fit at once.
#[must_use]
pub fn queue<T>(failed_offers: SharedCounter) -> (Proxy<T>, Inbox<T>) {
    let queue = Arc::new(ArrayQueue::new(QUEUE_CAPACITY));
    let waker = Waker::default();
    (
        Proxy { queue: Arc::clone(&queue), backlog: VecDeque::new(), failed_offers, waker: waker.clone() },
        Inbox { queue, waker },
    )
}

impl<T> Proxy<T> {
    /// A further sending end of the same queue, for another role.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            backlog: VecDeque::new(),
            failed_offers: self.failed_offers.clone(),
            waker: self.waker.clone(),
        }
    }

    /// Sends a command, after all that were sent before.
    pub fn send(&mut self, command: T) {
        self.flush();
        if !self.backlog.is_empty() {
            self.backlog.push_back(command);
        } else if let Err(command) = self.push(command) {
            self.backlog.push_back(command);
        }
    }

    /// Sends a command that may be dropped when the queue is full, because its cause will come again.
    ///
    /// # Errors
    /// Gives the command back when there is no room.
    pub fn try_send(&mut self, command: T) -> Result<(), T> {
        self.flush();
        if !self.backlog.is_empty() {
            return Err(command);
        }
        self.push(command)
    }

    fn push(&self, command: T) -> Result<(), T> {
        self.queue.push(command).inspect_err(|_| self.failed_offers.increment())?;
        self.waker.wake();
        Ok(())
    }

    /// Moves what waits here into the queue; once per duty cycle of the producing role.
    #[inline]
    pub fn flush(&mut self) {
        while let Some(command) = self.backlog.pop_front() {
            if let Err(command) = self.push(command) {
                self.backlog.push_front(command);
                return;
            }
        }
    }

    /// Whether the consumer is so far behind that no new work should be taken on for it.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        !self.backlog.is_empty() || self.queue.capacity() - self.queue.len() <= CONGESTION_RESERVE
    }
}

impl<T> Inbox<T> {
    /// The next command, if any.
    #[inline]
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.queue.pop()
    }

    /// What wakes the consumer when something is sent to it.
    #[must_use]
    pub fn waker(&self) -> &Waker {
        &self.waker
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::SystemCounters;

    fn counter() -> SharedCounter {
        SystemCounters::detached().sender_proxy_fails
    }

    #[test]
    fn what_does_not_fit_waits_in_order_and_is_counted() {
        let failures = counter();
        let (mut proxy, inbox) = queue::<usize>(failures.clone());
        for i in 0..QUEUE_CAPACITY + 10 {
            proxy.send(i);
        }
        assert!(proxy.is_congested() && failures.get() > 0);
        let mut taken = Vec::new();
        loop {
            while let Some(i) = inbox.take() {
                taken.push(i);
            }
            proxy.flush();
            if taken.len() == QUEUE_CAPACITY + 10 {
                break;
            }
        }
        assert!(taken.iter().copied().eq(0..QUEUE_CAPACITY + 10));
        assert!(!proxy.is_congested());
    }

    #[test]
    fn a_droppable_command_comes_back_when_there_is_no_room() {
        let (mut proxy, _inbox) = queue::<usize>(counter());
        for i in 0..QUEUE_CAPACITY {
            assert!(proxy.try_send(i).is_ok());
        }
        assert_eq!(proxy.try_send(7), Err(7));
    }
}

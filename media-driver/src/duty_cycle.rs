//! The contract between roles and what runs them: [`DutyCycle`], stall tracking, and the thread loop.
//!
//! A role is stepped: it is told the time, does a bounded amount of work and says how much. All it takes to run it is
//! here: reading the clock once per turn, idling when there was no work, stopping. Tests and the simulator call
//! [`DutyCycle::do_work`] themselves instead.

mod agent_runner;
mod inputs;
#[cfg(test)]
mod tests;

use std::{io, sync::Arc, time::Duration};

use epona_protocol::{
    counters::AtomicCounter,
    doorbell::Door,
    sync::{AtomicBool, Ordering},
    types::{Nanos, Now},
};

pub use self::{
    agent_runner::{AgentRunner, RunningAgent},
    inputs::{Inputs, Waker},
};
use crate::config::{ThreadNaming, ThreadingMode};

/// A role that can be stepped by hand. Never blocks, sleeps, spawns or reads a clock.
pub trait DutyCycle {
    /// What the role is called, as in thread names and labels.
    fn role_name(&self) -> &str;

    /// Called once, on the thread that will call [`DutyCycle::do_work`], before it does.
    fn on_start(&mut self, _now: Now) {}

    /// One turn; returns an amount of work, 0 when there was nothing to do.
    fn do_work(&mut self, now: Now) -> usize;

    /// Called once, after the last turn of every role, on any thread.
    fn on_close(&mut self, _now: Now) {}

    /// What wakes the role when there is something to do; asked for once.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    fn inputs(&self) -> io::Result<Inputs> {
        Ok(Inputs::default())
    }
}

impl<T: DutyCycle + ?Sized> DutyCycle for Box<T> {
    fn role_name(&self) -> &str {
        (**self).role_name()
    }

    fn on_start(&mut self, now: Now) {
        (**self).on_start(now);
    }

    fn do_work(&mut self, now: Now) -> usize {
        (**self).do_work(now)
    }

    fn on_close(&mut self, now: Now) {
        (**self).on_close(now);
    }

    fn inputs(&self) -> io::Result<Inputs> {
        (**self).inputs()
    }
}

/// Two roles that share a thread, in this order. Nest it for more.
#[derive(Debug)]
pub struct Shared<A, B> {
    name: &'static str,
    first: A,
    second: B,
}

impl<A: DutyCycle, B: DutyCycle> Shared<A, B> {
    /// Runs `first` then `second` in each turn, under one name.
    pub const fn new(name: &'static str, first: A, second: B) -> Self {
        Self { name, first, second }
    }
}

impl<A: DutyCycle, B: DutyCycle> DutyCycle for Shared<A, B> {
    fn role_name(&self) -> &str {
        self.name
    }

    fn on_start(&mut self, now: Now) {
        self.first.on_start(now);
        self.second.on_start(now);
    }

    #[inline]
    fn do_work(&mut self, now: Now) -> usize {
        let first = self.first.do_work(now);
        first + self.second.do_work(now)
    }

    fn on_close(&mut self, now: Now) {
        self.first.on_close(now);
        self.second.on_close(now);
    }

    fn inputs(&self) -> io::Result<Inputs> {
        Ok(self.first.inputs()?.and(self.second.inputs()?))
    }
}

/// Threads of a driver, by what they run. Source: driver spec 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadRole {
    /// The conductor's own.
    Conductor,
    /// The native resource agent's own.
    NativeResourceAgent,
    /// The sender's own.
    Sender,
    /// The receiver's own.
    Receiver,
    /// Sender and receiver.
    SharedNetwork,
    /// Everything.
    Shared,
}

impl ThreadRole {
    /// The name of such a thread; the system may cut it to 15 bytes. Source: driver spec 1.2.
    #[must_use]
    pub const fn thread_name(self, naming: ThreadNaming) -> &'static str {
        match (self, naming) {
            (Self::NativeResourceAgent, _) => "aeron-md-nra",
            (Self::Conductor, ThreadNaming::Classic) => "conductor",
            (Self::Sender, ThreadNaming::Classic) => "sender",
            (Self::Receiver, ThreadNaming::Classic) => "receiver",
            (Self::SharedNetwork, ThreadNaming::Classic) => "[sender, receiver]",
            (Self::Shared, ThreadNaming::Classic) => "[conductor, sender, receiver]",
            (Self::Conductor, ThreadNaming::New) => "aeron-md-cnd",
            (Self::Sender, ThreadNaming::New) => "aeron-md-snd",
            (Self::Receiver, ThreadNaming::New) => "aeron-md-rcv",
            (Self::SharedNetwork, ThreadNaming::New) => "aeron-md-net",
            (Self::Shared, ThreadNaming::New) => "aeron-md-shd",
        }
    }

    /// Whose bells wake such a thread.
    #[must_use]
    pub const fn doors(self) -> &'static [Door] {
        match self {
            Self::Conductor => &[Door::Conductor],
            Self::Sender | Self::SharedNetwork => &[Door::Sender],
            Self::Shared => &Door::ALL,
            Self::NativeResourceAgent | Self::Receiver => &[],
        }
    }

    /// The threads of a mode, the one for the main thread first; none for [`ThreadingMode::Invoker`].
    #[must_use]
    pub const fn of_mode(mode: ThreadingMode) -> &'static [Self] {
        match mode {
            ThreadingMode::Dedicated => {
                &[Self::Conductor, Self::NativeResourceAgent, Self::Receiver, Self::Sender]
            }
            ThreadingMode::SharedNetwork => {
                &[Self::Conductor, Self::NativeResourceAgent, Self::SharedNetwork]
            }
            ThreadingMode::Shared => &[Self::Shared],
            ThreadingMode::Invoker => &[],
        }
    }
}

/// Watches the time between turns, or of single operations, in two counters: the longest, and how many were longer
/// than a threshold. Source: driver spec 1.6.
#[derive(Debug)]
pub struct StallTracker {
    longest: AtomicCounter,
    exceeded: AtomicCounter,
    threshold_ns: i64,
    last: Option<Nanos>,
}

impl StallTracker {
    /// A tracker that has seen nothing. `longest` is in nanoseconds.
    #[must_use]
    pub fn new(longest: AtomicCounter, exceeded: AtomicCounter, threshold: Duration) -> Self {
        let threshold_ns = i64::try_from(threshold.as_nanos()).unwrap_or(i64::MAX);
        Self { longest, exceeded, threshold_ns, last: None }
    }

    /// A tracker whose counters nobody sees.
    #[must_use]
    pub fn detached() -> Self {
        Self::new(AtomicCounter::detached(), AtomicCounter::detached(), Duration::MAX)
    }

    /// A turn begins: measures since the last began. The first is only remembered.
    #[inline]
    pub fn on_cycle(&mut self, now: Nanos) {
        if let Some(last) = self.last.replace(now) {
            self.record(now.get().saturating_sub(last.get()));
        }
    }

    /// Something took this long, in nanoseconds.
    #[inline]
    pub fn record(&self, elapsed_ns: i64) {
        self.longest.propose_max(elapsed_ns);
        if elapsed_ns > self.threshold_ns {
            self.exceeded.increment();
        }
    }
}

/// Asks a loop to end. Clones are the same signal; once raised it stays so.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    raised: Arc<AtomicBool>,
}

impl StopSignal {
    /// A signal over a flag that others, such as signal handlers, raise too.
    #[must_use]
    pub const fn over(flag: Arc<AtomicBool>) -> Self {
        Self { raised: flag }
    }

    /// Raises it. Release: what was written before is seen by who sees it raised.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Release);
    }

    /// Whether it is raised. Acquire.
    #[inline]
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }
}

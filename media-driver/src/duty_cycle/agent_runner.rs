//! What runs a role: its clock, its idling, and a thread of its own.

use std::{
    io,
    num::NonZeroU64,
    os::fd::OwnedFd,
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use arrayvec::ArrayVec;
use epona_protocol::doorbell::Doorbell;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    thread::set_current_timer_slack,
};

use super::{DutyCycle, StopSignal};
use crate::{
    clock::Clock,
    idle::{IdleStrategy, Pause},
};

/// How much longer than asked for the system may let a thread sleep that awaits input, in ns.
const TIMER_SLACK_NS: u64 = 1000;

/// Most descriptors that a thread watches: those of the sender and of the receiver, and two bells.
const MAX_INPUTS: usize = 4;

/// Shortest sleep that others end: a shorter one costs them more than it saves.
const LEAST_BELL: Duration = Duration::from_micros(64);

/// A role with what it takes to run it: a clock and an idle strategy.
#[derive(Debug)]
pub struct AgentRunner<A, C> {
    agent: A,
    idle: IdleStrategy,
    clock: C,
    inputs: Vec<OwnedFd>,
    doorbells: Vec<Doorbell>,
    is_armed: bool,
}

impl<A: DutyCycle, C: Clock> AgentRunner<A, C> {
    /// Puts them together; nothing runs yet.
    pub const fn new(agent: A, idle: IdleStrategy, clock: C) -> Self {
        Self { agent, idle, clock, inputs: Vec::new(), doorbells: Vec::new(), is_armed: false }
    }

    /// Has these bells wake it, where its idle strategy awaits input.
    #[must_use]
    pub fn behind(mut self, doorbells: Vec<Doorbell>) -> Self {
        self.doorbells = doorbells;
        self
    }

    /// Starts the role on the calling thread, which is to call [`AgentRunner::turn`] or [`AgentRunner::run`].
    pub fn start(&mut self) {
        if let IdleStrategy::Adaptive(adaptive) = &mut self.idle {
            // Without its inputs a role looks for itself, which takes longer.
            let inputs = self.agent.inputs().unwrap_or_default();
            adaptive.set_longest(inputs.longest_wait);
            inputs.wakers.iter().for_each(|waker| waker.attach(self.doorbells.first()));
            self.inputs = inputs.descriptors;
            // The system may lengthen sleeps by 50 us otherwise; one that does not let itself be told does so.
            let _ = set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
        }
        self.agent.on_start(self.clock.now());
    }

    /// One turn without idling; returns its work.
    #[inline]
    pub fn turn(&mut self) -> usize {
        self.agent.do_work(self.clock.now())
    }

    /// Idles after a turn that did this much work.
    #[inline]
    pub fn idle(&mut self, work_count: usize) {
        if work_count > 0 && self.is_armed {
            self.disarm();
        }
        match self.idle.next(work_count) {
            Pause::Await(period) if !(self.inputs.is_empty() && self.doorbells.is_empty()) => {
                self.await_input(period);
            }
            pause => pause.perform(),
        }
    }

    #[cold]
    fn await_input(&mut self, period: Duration) {
        if period >= LEAST_BELL && !self.is_armed {
            self.doorbells.iter().for_each(Doorbell::arm);
            self.is_armed = true;
        }
        let inputs = self.inputs.iter().map(|input| PollFd::new(input, PollFlags::IN));
        let bells = self.doorbells.iter().map(|bell| PollFd::new(bell, PollFlags::IN));
        let mut watched: ArrayVec<_, MAX_INPUTS> = bells.chain(inputs).take(MAX_INPUTS).collect();
        // An interrupted wait is a short one. A period fits: it is milliseconds at most.
        let _ = poll(&mut watched, Timespec::try_from(period).ok().as_ref());
        for (bell, watched) in self.doorbells.iter().zip(&watched) {
            if watched.revents().contains(PollFlags::IN) {
                bell.silence();
            }
        }
        drop(watched);
        // What was rung for may take another moment to be seen: it is looked for as after work.
        if self.is_armed && self.doorbells.iter().any(Doorbell::has_rung) {
            self.disarm();
            self.idle.reset();
        }
    }

    #[cold]
    fn disarm(&mut self) {
        self.doorbells.iter().for_each(Doorbell::disarm);
        self.is_armed = false;
    }

    /// Turns and idles until the signal is raised.
    pub fn run(&mut self, stop: &StopSignal) {
        while !stop.is_raised() {
            let work_count = self.turn();
            self.idle(work_count);
        }
        self.disarm();
    }

    /// Ends the role; call it when every role of the driver has stopped.
    pub fn close(mut self) {
        self.agent.on_close(self.clock.now());
    }
}

impl<A: DutyCycle + Send + 'static, C: Clock + Send + 'static> AgentRunner<A, C> {
    /// Starts and runs the role on a thread of its own. `failed` is raised should it panic.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(mut self, name: &str, failed: StopSignal) -> io::Result<RunningAgent<A, C>> {
        let stop = StopSignal::default();
        let (signal, doorbell) = (stop.clone(), self.doorbells.first().cloned());
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let alarm = RaiseOnPanic(failed);
            self.start();
            self.run(&signal);
            drop(alarm);
            self
        })?;
        Ok(RunningAgent { stop, doorbell, thread })
    }
}

struct RaiseOnPanic(StopSignal);

impl Drop for RaiseOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.raise();
        }
    }
}

/// A role that runs on a thread of its own.
#[derive(Debug)]
pub struct RunningAgent<A, C> {
    stop: StopSignal,
    doorbell: Option<Doorbell>,
    thread: JoinHandle<AgentRunner<A, C>>,
}

impl<A, C> RunningAgent<A, C> {
    /// The thread, to wake it from its idling.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.thread.thread()
    }

    /// Asks the loop to end after the turn in progress, without waiting for it.
    pub fn ask_to_stop(&self) {
        self.stop.raise();
        self.thread.thread().unpark();
        self.doorbell.iter().for_each(Doorbell::ring);
    }

    /// Ends the loop after the turn in progress and waits for the thread; the role is then to be
    /// [closed](AgentRunner::close).
    ///
    /// # Errors
    /// When the role panicked, with what it panicked with.
    pub fn stop(self) -> thread::Result<AgentRunner<A, C>> {
        self.ask_to_stop();
        self.thread.join()
    }

    /// As [`RunningAgent::stop`], but leaves a thread to itself whose turn in progress takes longer than `patience`.
    /// It ends after that turn, and its role is dropped without being closed.
    ///
    /// `pause` sleeps.
    ///
    /// # Errors
    /// As [`RunningAgent::stop`].
    pub fn stop_within(
        self,
        patience: Duration,
        mut pause: impl FnMut(Duration),
    ) -> thread::Result<Option<AgentRunner<A, C>>> {
        const LOOK: Duration = Duration::from_millis(1);
        self.ask_to_stop();
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() {
            if waited >= patience {
                return Ok(None);
            }
            pause(LOOK);
            waited += LOOK;
        }
        self.thread.join().map(Some)
    }
}

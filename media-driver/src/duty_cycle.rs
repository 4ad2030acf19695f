//! The contract between roles and what runs them: [`DutyCycle`], stall tracking, and the thread loop.
//!
//! A role is stepped: it is told the time, does a bounded amount of work and says how much. All it takes to run it is
//! here: reading the clock once per turn, idling when there was no work, stopping. Tests and the simulator call
//! [`DutyCycle::do_work`] themselves instead.

use std::{
    io,
    num::NonZeroU64,
    os::fd::OwnedFd,
    sync::Arc,
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use arrayvec::ArrayVec;
use epona_protocol::{
    counters::AtomicCounter,
    sync::{AtomicBool, Ordering},
    types::{Nanos, Now},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    thread::set_current_timer_slack,
};

use crate::{
    clock::Clock,
    config::{ThreadNaming, ThreadingMode},
    idle::{IdleStrategy, Pause},
};

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

    /// Descriptors that are readable when there is input for the role, now or later; asked for once. Without any, a role
    /// has to look for itself.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    fn inputs(&self) -> io::Result<Vec<OwnedFd>> {
        Ok(Vec::new())
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

    fn inputs(&self) -> io::Result<Vec<OwnedFd>> {
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

    fn inputs(&self) -> io::Result<Vec<OwnedFd>> {
        let mut inputs = self.first.inputs()?;
        inputs.append(&mut self.second.inputs()?);
        Ok(inputs)
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

/// How much longer than asked for the system may let a thread sleep that awaits input, in ns.
const TIMER_SLACK_NS: u64 = 1000;

/// Most descriptors that a thread watches: those of the sender and of the receiver.
const MAX_INPUTS: usize = 2;

/// A role with what it takes to run it: a clock and an idle strategy.
#[derive(Debug)]
pub struct AgentRunner<A, C> {
    agent: A,
    idle: IdleStrategy,
    clock: C,
    inputs: Vec<OwnedFd>,
}

impl<A: DutyCycle, C: Clock> AgentRunner<A, C> {
    /// Puts them together; nothing runs yet.
    pub const fn new(agent: A, idle: IdleStrategy, clock: C) -> Self {
        Self { agent, idle, clock, inputs: Vec::new() }
    }

    /// Starts the role on the calling thread, which is to call [`AgentRunner::turn`] or [`AgentRunner::run`].
    pub fn start(&mut self) {
        if let IdleStrategy::Adaptive(_) = self.idle {
            // Without its inputs a role looks for itself, which takes longer. The system may lengthen sleeps by 50 us
            // otherwise; one that does not let itself be told does so.
            self.inputs = self.agent.inputs().unwrap_or_default();
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
        match self.idle.next(work_count) {
            Pause::Await(period) if !self.inputs.is_empty() => self.await_input(period),
            pause => pause.perform(),
        }
    }

    #[cold]
    fn await_input(&self, period: Duration) {
        let inputs = self.inputs.iter().map(|input| PollFd::new(input, PollFlags::IN));
        let mut inputs: ArrayVec<_, MAX_INPUTS> = inputs.take(MAX_INPUTS).collect();
        // An interrupted wait is a short one. A period fits: it is milliseconds at most.
        let _ = poll(&mut inputs, Timespec::try_from(period).ok().as_ref());
    }

    /// Turns and idles until the signal is raised.
    pub fn run(&mut self, stop: &StopSignal) {
        while !stop.is_raised() {
            let work_count = self.turn();
            self.idle(work_count);
        }
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
        let signal = stop.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let alarm = RaiseOnPanic(failed);
            self.start();
            self.run(&signal);
            drop(alarm);
            self
        })?;
        Ok(RunningAgent { stop, thread })
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

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc, sync::mpsc};

    use epona_protocol::types::EpochMillis;

    use super::*;
    use crate::clock::SystemClock;

    fn at(nanos: i64) -> Now {
        Now { nanos: Nanos::new(nanos), epoch: EpochMillis::new(0) }
    }

    struct Recorder {
        name: &'static str,
        calls: Rc<RefCell<Vec<String>>>,
    }

    impl DutyCycle for Recorder {
        fn role_name(&self) -> &str {
            self.name
        }
        fn on_start(&mut self, now: Now) {
            self.calls.borrow_mut().push(format!("{} starts at {:?}", self.name, now.nanos));
        }
        fn do_work(&mut self, now: Now) -> usize {
            self.calls.borrow_mut().push(format!("{} works at {:?}", self.name, now.nanos));
            1
        }
        fn on_close(&mut self, now: Now) {
            self.calls.borrow_mut().push(format!("{} closes at {:?}", self.name, now.nanos));
        }
    }

    #[test]
    fn roles_that_share_a_thread_take_turns_in_order_and_see_the_same_time() {
        let calls = Rc::new(RefCell::new(Vec::new()));
        let role = |name| Recorder { name, calls: Rc::clone(&calls) };
        let network = Shared::new("network", role("sender"), role("receiver"));
        let mut shared = Shared::new("all", network, Box::new(role("conductor")) as Box<dyn DutyCycle>);
        shared.on_start(at(1));
        assert_eq!(shared.do_work(at(2)), 3);
        shared.on_close(at(3));
        assert_eq!(shared.role_name(), "all");
        let expected: Vec<String> = ["starts at 1ns", "works at 2ns", "closes at 3ns"]
            .iter()
            .flat_map(|what| ["sender", "receiver", "conductor"].map(|name| format!("{name} {what}")))
            .collect();
        assert_eq!(*calls.borrow(), expected);
    }

    #[test]
    fn stalls_are_measured_between_turns() {
        let (longest, exceeded) = (AtomicCounter::detached(), AtomicCounter::detached());
        let mut tracker = StallTracker::new(longest.clone(), exceeded.clone(), Duration::from_nanos(100));
        for (now, max, count) in [
            (1_000, 0, 0),
            (1_100, 100, 0),
            (1_150, 100, 0),
            (1_251, 101, 1),
            (1_151, 101, 1),
            (9_000, 7_849, 2),
        ] {
            tracker.on_cycle(Nanos::new(now));
            assert_eq!((longest.get(), exceeded.get()), (max, count), "at {now}");
        }
    }

    #[test]
    fn threads_are_named_by_both_conventions() {
        use ThreadRole::{Conductor, NativeResourceAgent, Receiver, Sender, Shared, SharedNetwork};
        let names = |mode, naming| -> Vec<&str> {
            ThreadRole::of_mode(mode).iter().map(|role| role.thread_name(naming)).collect()
        };
        assert_eq!(
            names(ThreadingMode::Dedicated, ThreadNaming::Classic),
            ["conductor", "aeron-md-nra", "receiver", "sender"]
        );
        assert_eq!(
            names(ThreadingMode::Dedicated, ThreadNaming::New),
            ["aeron-md-cnd", "aeron-md-nra", "aeron-md-rcv", "aeron-md-snd"]
        );
        assert_eq!(
            names(ThreadingMode::SharedNetwork, ThreadNaming::Classic),
            ["conductor", "aeron-md-nra", "[sender, receiver]"]
        );
        assert_eq!(
            names(ThreadingMode::SharedNetwork, ThreadNaming::New),
            ["aeron-md-cnd", "aeron-md-nra", "aeron-md-net"]
        );
        assert_eq!(names(ThreadingMode::Shared, ThreadNaming::Classic), ["[conductor, sender, receiver]"]);
        assert_eq!(names(ThreadingMode::Shared, ThreadNaming::New), ["aeron-md-shd"]);
        assert!(ThreadRole::of_mode(ThreadingMode::Invoker).is_empty());
        assert_eq!(
            [Conductor, NativeResourceAgent, Sender, Receiver, SharedNetwork, Shared]
                .map(|role| role.thread_name(ThreadNaming::New).len() <= 15),
            [true; 6]
        );
    }

    struct Announcer {
        events: mpsc::Sender<(&'static str, Option<String>)>,
        worked: bool,
    }

    impl Announcer {
        fn announce(&self, what: &'static str) {
            let _ = self.events.send((what, thread::current().name().map(str::to_owned)));
        }
    }

    impl DutyCycle for Announcer {
        fn role_name(&self) -> &str {
            "announcer"
        }
        fn on_start(&mut self, _now: Now) {
            self.announce("start");
        }
        fn do_work(&mut self, _now: Now) -> usize {
            if !self.worked {
                self.worked = true;
                self.announce("work");
            }
            0
        }
        fn on_close(&mut self, _now: Now) {
            self.announce("close");
        }
    }

    #[test]
    fn a_spawned_role_runs_on_a_named_thread_until_stopped_even_out_of_a_long_park() {
        let (events, seen) = mpsc::channel();
        let idle = IdleStrategy::Sleeping(Duration::from_secs(3600));
        let failed = StopSignal::default();
        let agent = Announcer { events, worked: false };
        let running =
            AgentRunner::new(agent, idle, SystemClock::new()).spawn("tester", failed.clone()).unwrap();
        let on_thread = Some("tester".to_owned());
        assert_eq!(seen.recv().unwrap(), ("start", on_thread.clone()));
        assert_eq!(seen.recv().unwrap(), ("work", on_thread));
        running.stop().unwrap().close();
        assert_eq!(seen.recv().unwrap().0, "close");
        assert!(!failed.is_raised());
    }

    /// Its turn lasts until it is let go.
    struct Stuck {
        let_go: mpsc::Receiver<()>,
        events: mpsc::Sender<&'static str>,
    }

    impl DutyCycle for Stuck {
        fn role_name(&self) -> &str {
            "stuck"
        }
        fn do_work(&mut self, _now: Now) -> usize {
            let _ = self.events.send("work");
            let _ = self.let_go.recv();
            0
        }
        fn on_close(&mut self, _now: Now) {
            let _ = self.events.send("close");
        }
    }

    #[test]
    fn a_turn_that_does_not_end_is_waited_for_only_so_long() {
        let (events, seen) = mpsc::channel();
        let (let_go, held) = mpsc::channel();
        let agent = Stuck { let_go: held, events };
        let runner = AgentRunner::new(agent, IdleStrategy::NoOp, SystemClock::new());
        let running = runner.spawn("stuck", StopSignal::default()).unwrap();
        assert_eq!(seen.recv().unwrap(), "work");
        let mut pauses = 0;
        let stopped = running.stop_within(Duration::from_millis(500), |_| pauses += 1).unwrap();
        assert!(stopped.is_none() && pauses == 500, "given up after {pauses} pauses");
        drop(let_go);
        assert!(seen.recv().is_err(), "ends by itself after its turn, and takes no other");
    }

    #[test]
    fn a_turn_that_ends_in_time_is_waited_for() {
        let (events, seen) = mpsc::channel();
        let (let_go, held) = mpsc::channel();
        let agent = Stuck { let_go: held, events };
        let runner = AgentRunner::new(agent, IdleStrategy::NoOp, SystemClock::new());
        let running = runner.spawn("stuck", StopSignal::default()).unwrap();
        assert_eq!(seen.recv().unwrap(), "work");
        let mut let_go = Some(let_go);
        let stopped = running.stop_within(Duration::from_secs(3600), |_| {
            let_go = None;
            thread::yield_now();
        });
        stopped.unwrap().unwrap().close();
        assert_eq!(seen.recv().unwrap(), "close");
    }

    struct Panicker;

    impl DutyCycle for Panicker {
        fn role_name(&self) -> &str {
            "panicker"
        }
        fn do_work(&mut self, _now: Now) -> usize {
            std::panic::resume_unwind(Box::new("gave up"))
        }
    }

    #[test]
    fn a_role_that_panics_raises_the_alarm() {
        let failed = StopSignal::default();
        let runner = AgentRunner::new(Panicker, IdleStrategy::NoOp, SystemClock::new());
        let running = runner.spawn("panicker", failed.clone()).unwrap();
        while !failed.is_raised() {
            thread::yield_now();
        }
        assert!(running.stop().is_err());
    }
}

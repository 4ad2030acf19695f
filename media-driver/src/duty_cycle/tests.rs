mod doorbells;

use std::{cell::RefCell, rc::Rc, sync::mpsc, thread};

use epona_protocol::types::EpochMillis;

use super::*;
use crate::{clock::SystemClock, idle::IdleStrategy};

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
    for (now, max, count) in
        [(1_000, 0, 0), (1_100, 100, 0), (1_150, 100, 0), (1_251, 101, 1), (1_151, 101, 1), (9_000, 7_849, 2)]
    {
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
    let running = AgentRunner::new(agent, idle, SystemClock::new()).spawn("tester", failed.clone()).unwrap();
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

/// Takes one command, if there is any; all others wait for it.
struct Servant {
    inbox: crate::proxy::Inbox<u32>,
    events: mpsc::Sender<u32>,
}

impl DutyCycle for Servant {
    fn role_name(&self) -> &str {
        "servant"
    }
    fn do_work(&mut self, _now: Now) -> usize {
        let Some(command) = self.inbox.take() else { return 0 };
        let _ = self.events.send(command);
        1
    }
    fn inputs(&self) -> io::Result<Inputs> {
        let wakers = vec![self.inbox.waker().clone()];
        Ok(Inputs { wakers, longest_wait: Duration::from_secs(3600), ..Inputs::default() })
    }
}

#[test]
fn a_role_that_sleeps_for_long_is_woken_by_what_is_sent_to_it() {
    let (events, seen) = mpsc::channel();
    let failures = crate::status::SystemCounters::detached().sender_proxy_fails;
    let (mut proxy, inbox) = crate::proxy::queue(failures);
    let mut idle = IdleStrategy::default();
    // Its first sleep is a long one.
    for _ in 0..1000 {
        let _ = idle.next(0);
    }
    let runner = AgentRunner::new(Servant { inbox, events }, idle, SystemClock::new());
    let running = runner.spawn("servant", StopSignal::default()).unwrap();
    proxy.send(7);
    assert_eq!(seen.recv_timeout(Duration::from_secs(600)), Ok(7));
    running.stop().unwrap();
}

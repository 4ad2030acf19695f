//! Threads that clients wake.

use epona_protocol::{
    cnc::{Cnc, CncLengths, CncMetadata},
    doorbell::{Door, Doorbell},
    memory::Allocation,
};

use super::*;
use crate::proxy::Proxy;

/// A bell, its FIFO and its `cnc.dat`.
fn doorbell() -> (tempfile::TempDir, Doorbell) {
    let directory = tempfile::tempdir().unwrap();
    let metadata = CncMetadata {
        lengths: CncLengths::default(),
        client_liveness_timeout: Duration::from_secs(10),
        start_timestamp: EpochMillis::new(1),
        pid: 1,
        file_page_size: 4096,
    };
    let cnc = Cnc::create(directory.path(), &metadata, Allocation::Sparse).unwrap();
    crate::directory::create_doorbells(directory.path()).unwrap();
    let doorbell = Doorbell::open(directory.path(), &cnc, Door::Sender).unwrap();
    (directory, doorbell)
}

type Runner = AgentRunner<Servant, SystemClock>;

/// Has nothing to do but what it is sent, and would wait for an hour once `idle` says so.
fn servant(doorbell: &Doorbell, idle: IdleStrategy) -> (Proxy<u32>, mpsc::Receiver<u32>, Runner) {
    let (events, seen) = mpsc::channel();
    let (proxy, inbox) = crate::proxy::queue(crate::status::SystemCounters::detached().sender_proxy_fails);
    let runner = AgentRunner::new(Servant { inbox, events }, idle, SystemClock::new());
    (proxy, seen, runner.behind(vec![doorbell.clone()]))
}

fn is_armed(doorbell: &Doorbell) -> bool {
    !doorbell.has_rung()
}

/// Pauses before others are to end one.
fn pauses_until_armed(runner: &mut Runner, doorbell: &Doorbell) -> usize {
    (0..1000)
        .find(|_| {
            runner.idle(0);
            is_armed(doorbell)
        })
        .unwrap()
}

#[test]
fn a_thread_may_be_woken_once_it_sleeps_for_a_while_and_no_more_when_there_is_work() {
    let (_directory, doorbell) = doorbell();
    let (_proxy, _seen, mut runner) = servant(&doorbell, IdleStrategy::default());
    runner.start();
    // 20 spins, 40 yields, then sleeps of 2, 4, 8, 16 and 32 us.
    assert_eq!(pauses_until_armed(&mut runner, &doorbell), 65);
    runner.idle(0);
    assert!(is_armed(&doorbell), "as long as it sleeps");
    runner.idle(1);
    assert!(!is_armed(&doorbell));
    assert_eq!(pauses_until_armed(&mut runner, &doorbell), 65);
}

#[test]
fn a_thread_that_was_woken_looks_as_often_as_after_work() {
    let (_directory, doorbell) = doorbell();
    let (_proxy, _seen, mut runner) = servant(&doorbell, IdleStrategy::default());
    runner.start();
    pauses_until_armed(&mut runner, &doorbell);
    doorbell.ring();
    runner.idle(0);
    assert!(!is_armed(&doorbell));
    assert_eq!(pauses_until_armed(&mut runner, &doorbell), 65);
}

#[test]
fn garbage_in_the_word_and_the_fifo_costs_turns_only() {
    use std::io::Write;

    let (directory, doorbell) = doorbell();
    let (_proxy, _seen, mut runner) = servant(&doorbell, IdleStrategy::default());
    runner.start();
    let mut fifo =
        std::fs::File::options().read(true).write(true).open(Door::Sender.path(directory.path())).unwrap();
    fifo.write_all(&[0xa5; 64 << 10]).unwrap();
    pauses_until_armed(&mut runner, &doorbell);
    // 64 bytes at a time, none of which takes it for woken.
    let is_readable = || {
        let mut fds = [rustix::event::PollFd::new(&doorbell, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&rustix::event::Timespec::default())).unwrap() > 0
    };
    let mut turns = 0;
    while is_readable() {
        runner.idle(0);
        turns += 1;
    }
    assert!(turns <= 1024 && is_armed(&doorbell), "{turns}");
}

/// Had nothing to do for so long that the next pause is the longest.
fn long_idle() -> IdleStrategy {
    let mut idle = IdleStrategy::default();
    (0..1000).for_each(|_| _ = idle.next(0));
    idle
}

/// Runs until the thread sleeps for the hour that nothing but a bell ends.
fn asleep(doorbell: &Doorbell, runner: Runner) -> RunningAgent<Servant, SystemClock> {
    let running = runner.spawn("servant", StopSignal::default()).unwrap();
    while !is_armed(doorbell) {
        thread::yield_now();
    }
    running
}

#[test]
fn a_thread_behind_a_bell_is_woken_by_what_other_roles_send() {
    let (_directory, doorbell) = doorbell();
    let (mut proxy, seen, runner) = servant(&doorbell, long_idle());
    let running = asleep(&doorbell, runner);
    proxy.send(7);
    assert_eq!(seen.recv_timeout(Duration::from_secs(600)), Ok(7));
    running.stop().unwrap();
}

#[test]
fn a_thread_behind_a_bell_is_stopped_out_of_a_long_sleep() {
    let (_directory, doorbell) = doorbell();
    let (_proxy, _seen, runner) = servant(&doorbell, long_idle());
    asleep(&doorbell, runner).stop().unwrap();
    assert!(!is_armed(&doorbell), "nobody is there to be woken");
}

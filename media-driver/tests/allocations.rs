//! The path of a message does not allocate: counted by an allocator, for driver and client together on one thread.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests panic, and have deadlines")]

use std::time::{Duration, Instant};

use epona_client::{
    Aeron, Context as ClientContext, ExclusivePublication, Pending, Publication, Subscription,
};
use epona_media_driver::{
    Context, InvokedDriver,
    clock::{Clock, SystemClock},
    config::ThreadingMode,
};
use epona_protocol::{frame::DataFlags, types::TermLength};

#[allow(unreachable_pub, reason = "programs of other packages share the file")]
#[path = "support/ports.rs"]
mod ports;

/// How long anything may take; nothing is asserted about how long it does take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A driver without threads and a client of it.
struct World {
    driver: InvokedDriver,
    clock: SystemClock,
    aeron: Aeron,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = SystemClock::new();
        let mut context =
            Context::default().threading_mode(ThreadingMode::Invoker).term_lengths(TermLength::MIN);
        context.directory.path = directory.path().join("aeron");
        let mut driver = InvokedDriver::launch(context).unwrap();
        driver.do_work(clock.now());
        let client = ClientContext::new().dir(driver.directory()).use_invoker();
        Self { aeron: Aeron::connect(client).unwrap(), driver, clock, _directory: directory }
    }

    fn turn(&mut self) {
        self.driver.do_work(self.clock.now());
    }

    fn until<T>(&mut self, what: &str, mut attempt: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.turn();
            self.aeron.invoker().unwrap().invoke().unwrap();
            if let Some(done) = attempt(self) {
                return done;
            }
            assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        }
    }

    fn made<T>(&mut self, mut pending: Pending<T>) -> T {
        self.until("made", |_| pending.poll().unwrap())
    }
}

/// Sends and receives `count` messages, of which some take several fragments.
fn exchange(
    world: &mut World,
    mut offer: impl FnMut(&[u8]) -> bool,
    subscription: &mut Subscription,
    count: usize,
) {
    let message = [7; 4000];
    let (mut sent, mut received, mut turns) = (0, 0, 0_u64);
    let deadline = Instant::now() + DEADLINE;
    while received < count {
        let length = if sent % 8 == 0 { message.len() } else { 64 };
        if sent < count && offer(&message[..length]) {
            sent += 1;
        }
        world.turn();
        subscription.poll(
            |fragment, header| {
                assert!(fragment.iter().all(|byte| *byte == 7));
                received += usize::from(header.flags().contains(DataFlags::END));
            },
            10,
        );
        turns += 1;
        assert!(
            !turns.is_multiple_of(1024) || Instant::now() < deadline,
            "{received} of {count} in {DEADLINE:?}"
        );
    }
}

fn allocations_of(
    world: &mut World,
    offer: &mut dyn FnMut(&[u8]) -> bool,
    subscription: &mut Subscription,
) -> u64 {
    // Tables and queues take their size, and every term of the log is used once.
    exchange(world, &mut *offer, subscription, 2000);
    allocation_counter::measure(|| exchange(world, &mut *offer, subscription, 20_000)).count_total
}

fn of_shared_publication(to: &str, from: &str) -> u64 {
    let mut world = World::new();
    let pending = world.aeron.add_subscription_async(from, 1).unwrap();
    let mut subscription: Subscription = world.made(pending);
    let pending = world.aeron.add_publication_async(to, 1).unwrap();
    let publication: Publication = world.made(pending);
    world.until("connected", |_| (publication.is_connected() && subscription.is_connected()).then_some(()));
    let mut offer = |message: &[u8]| publication.offer(message).is_ok();
    allocations_of(&mut world, &mut offer, &mut subscription)
}

fn of_exclusive_publication(to: &str, from: &str) -> u64 {
    let mut world = World::new();
    let pending = world.aeron.add_subscription_async(from, 1).unwrap();
    let mut subscription: Subscription = world.made(pending);
    let pending = world.aeron.add_exclusive_publication_async(to, 1).unwrap();
    let mut publication: ExclusivePublication = world.made(pending);
    world.until("connected", |_| (publication.is_connected() && subscription.is_connected()).then_some(()));
    let mut offer = |message: &[u8]| publication.offer(message).is_ok();
    allocations_of(&mut world, &mut offer, &mut subscription)
}

#[test]
fn allocations_are_counted() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7_u64))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn messages_are_sent_and_received_without_allocating() {
    let port = || ports::free_port().unwrap();
    let unicast = format!("aeron:udp?endpoint=127.0.0.1:{}", port());
    let to_all = format!("aeron:udp?control=127.0.0.1:{}|control-mode=dynamic", port());
    let from_one = format!("{to_all}|endpoint=127.0.0.1:{}", port());
    for (to, from) in [(&unicast, &unicast), (&to_all, &from_one), (&"aeron:ipc".into(), &"aeron:ipc".into())]
    {
        assert_eq!(of_shared_publication(to, from), 0, "shared publication on {to}");
        assert_eq!(of_exclusive_publication(to, from), 0, "exclusive publication on {to}");
    }
}

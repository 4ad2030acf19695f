//! The path of a message does not allocate: counted by an allocator, for driver and client together on one thread. Nor does it
//! when every datagram is logged, which another thread writes down.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests panic, and have deadlines")]

use std::{
    array,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

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
        Self::logging_to(None)
    }

    /// With every event logged to a file, if there is one.
    fn logging_to(log: Option<&Path>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = SystemClock::new();
        let mut context =
            Context::default().threading_mode(ThreadingMode::Invoker).term_lengths(TermLength::MIN);
        context.directory.path = directory.path().join("aeron");
        context.logging.events = log.map(|_| "all".to_owned());
        context.logging.file = log.map(|file| file.to_str().unwrap().to_owned());
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

/// How a publisher gives its messages away.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// One by one.
    Offer,
    /// One by one, written in place, in a single fragment each.
    Claim,
    /// All that are at hand together.
    Batch,
}

const WAYS: [Way; 3] = [Way::Offer, Way::Claim, Way::Batch];

/// Messages that are at hand together.
const BATCH: usize = 4;

/// How many of the messages at hand a publication of either kind takes.
macro_rules! taken {
    ($publication:ident, $way:expr, $messages:expr) => {
        match $way {
            Way::Offer => usize::from($publication.offer($messages[0]).is_ok()),
            Way::Claim => $publication.try_claim($messages[0].len().min(1000)).map_or(0, |mut claim| {
                claim.fill(7);
                claim.commit();
                1
            }),
            Way::Batch => $publication.offer_batch($messages).map_or(0, |batch| batch.messages),
        }
    };
}

/// Sends and receives `count` messages, of which some take several fragments; `offer` is given those at hand and tells how many
/// were taken.
fn exchange(
    world: &mut World,
    mut offer: impl FnMut(&[&[u8]]) -> usize,
    subscription: &mut Subscription,
    count: usize,
) {
    let message = [7; 4000];
    let (mut sent, mut received, mut turns) = (0, 0, 0_u64);
    let deadline = Instant::now() + DEADLINE;
    while received < count {
        let length = |number: usize| if number.is_multiple_of(8) { message.len() } else { 64 };
        let messages: [&[u8]; BATCH] = array::from_fn(|at| &message[..length(sent + at)]);
        if sent < count {
            sent += offer(&messages[..BATCH.min(count - sent)]);
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

/// What the thread that exchanges messages does beside that.
#[derive(Default, PartialEq, Eq, Debug)]
struct Cost {
    allocations: u64,
    /// Calls of `write` and the like, which is not how datagrams are sent.
    writes: u64,
}

impl Cost {
    const NOTHING: Self = Self { allocations: 0, writes: 0 };

    fn of(
        world: &mut World,
        offer: &mut dyn FnMut(&[&[u8]]) -> usize,
        subscription: &mut Subscription,
    ) -> Self {
        // Tables and queues take their size, and every term of the log is used once.
        exchange(world, &mut *offer, subscription, 2000);
        let before = writes_of_this_thread();
        let measured = allocation_counter::measure(|| exchange(world, &mut *offer, subscription, 20_000));
        Self { allocations: measured.count_total, writes: writes_of_this_thread() - before }
    }
}

fn writes_of_this_thread() -> u64 {
    let io = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("syscw: "));
    line.unwrap().parse().unwrap()
}

/// A world with a stream from a shared publication to a subscription, and what they are.
fn streaming(mut world: World, to: &str, from: &str) -> (World, Publication, Subscription) {
    let pending = world.aeron.add_subscription_async(from, 1).unwrap();
    let subscription: Subscription = world.made(pending);
    let pending = world.aeron.add_publication_async(to, 1).unwrap();
    let publication: Publication = world.made(pending);
    world.until("connected", |_| (publication.is_connected() && subscription.is_connected()).then_some(()));
    (world, publication, subscription)
}

fn of_shared_publication(world: World, to: &str, from: &str, way: Way) -> Cost {
    let (mut world, publication, mut subscription) = streaming(world, to, from);
    let mut offer = |messages: &[&[u8]]| taken!(publication, way, messages);
    Cost::of(&mut world, &mut offer, &mut subscription)
}

fn of_exclusive_publication(mut world: World, to: &str, from: &str, way: Way) -> Cost {
    let pending = world.aeron.add_subscription_async(from, 1).unwrap();
    let mut subscription: Subscription = world.made(pending);
    let pending = world.aeron.add_exclusive_publication_async(to, 1).unwrap();
    let mut publication: ExclusivePublication = world.made(pending);
    world.until("connected", |_| (publication.is_connected() && subscription.is_connected()).then_some(()));
    let mut offer = |messages: &[&[u8]]| taken!(publication, way, messages);
    Cost::of(&mut world, &mut offer, &mut subscription)
}

/// Channels to publish and subscribe to: unicast, multicast, and one that learns its destinations.
fn network_channels() -> [(String, String); 3] {
    let port = || ports::free_port().unwrap();
    let unicast = format!("aeron:udp?endpoint=127.0.0.1:{}", port());
    let to_all = format!("aeron:udp?control=127.0.0.1:{}|control-mode=dynamic", port());
    let from_one = format!("{to_all}|endpoint=127.0.0.1:{}", port());
    let multicast = format!("aeron:udp?endpoint=224.20.30.51:{}|interface=localhost", port());
    [(unicast.clone(), unicast), (multicast.clone(), multicast), (to_all, from_one)]
}

#[test]
fn allocations_are_counted() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7_u64))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn messages_are_sent_and_received_without_allocating() {
    let ipc = || "aeron:ipc".to_owned();
    for (to, from) in network_channels().into_iter().chain([(ipc(), ipc())]) {
        for way in WAYS {
            let shared = of_shared_publication(World::new(), &to, &from, way);
            assert_eq!(shared, Cost::NOTHING, "shared, on {to}: {way:?}");
            let exclusive = of_exclusive_publication(World::new(), &to, &from, way);
            assert_eq!(exclusive, Cost::NOTHING, "exclusive, on {to}: {way:?}");
        }
    }
}

#[test]
fn logging_every_datagram_neither_allocates_nor_writes_on_the_thread_of_the_driver() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("events.log");
    for (to, from) in network_channels() {
        for cost_of in [of_shared_publication, of_exclusive_publication] {
            let cost = cost_of(World::logging_to(Some(&log)), &to, &from, Way::Offer);
            assert_eq!(cost, Cost::NOTHING, "on {to}");
            // The driver has ended, so all is written that there was room for.
            let lines = fs::read_to_string(&log).unwrap();
            for event in [" FRAME_OUT ", " FRAME_IN "] {
                assert!(lines.matches(event).count() > 1000, "{event} on {to}");
            }
            fs::remove_file(&log).unwrap();
        }
    }
}

#[test]
fn messages_go_on_without_allocating_while_nobody_takes_what_is_logged() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("events.pipe");
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    let (take, told) = taker(&log);
    let (to, from) = &network_channels()[0];
    let (mut world, publication, mut subscription) = streaming(World::logging_to(Some(&log)), to, from);
    // Before the world goes, which waits for the writer.
    let take = take;
    let mut offer = |messages: &[&[u8]]| taken!(publication, Way::Offer, messages);
    // The writer waits for room in the pipe from the start; the ring is full after 8 MiB of events.
    exchange(&mut world, &mut offer, &mut subscription, 80_000);
    assert_eq!(Cost::of(&mut world, &mut offer, &mut subscription), Cost::NOTHING);
    drop(take);
    told.recv_timeout(DEADLINE).expect("a line that tells of lost events");
}

/// Takes what comes out of a pipe when the first of the two is dropped, and on the second tells of lines about lost events.
fn taker(pipe: &Path) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
    let ((take, taken), (tell, told)) = (mpsc::channel(), mpsc::channel());
    // Open in both directions, so that opening waits for nobody, here and in the driver.
    let pipe = OpenOptions::new().read(true).write(true).open(pipe).unwrap();
    thread::spawn(move || {
        // A driver that waits, as none should, is freed at last, and has lost nothing to tell of.
        let _ = taken.recv_timeout(DEADLINE);
        // To the end of the process, so that the writer can end too.
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if line.contains(" events were lost") {
                let _ = tell.send(());
            }
        }
    });
    (take, told)
}

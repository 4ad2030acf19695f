//! With real threads and clocks: nothing here depends on how long anything takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use epona_client::{
    Aeron, ClientError, Context, CounterId, EpochMillis, ExclusivePublication, Nanos, Now, OfferError,
    Publication, Subscription,
};
use epona_protocol::{
    command::{Event, Request},
    logbuffer::{LogKind, appender::ExclusiveAppender},
    types::Position,
};

use crate::fake_driver::{CHANNEL, FakeDriver, STREAM};

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// Tries until it is done, or the deadline passes.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test that hangs should fail")]
fn until(what: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_done() {
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        thread::yield_now();
    }
}

fn assert_send<T: Send>() {}
fn assert_sync<T: Sync>() {}

#[test]
fn handles_may_move_between_threads_where_that_is_sound() {
    assert_send::<Aeron>();
    assert_sync::<Aeron>();
    assert_send::<Publication>();
    assert_sync::<Publication>();
    assert_send::<ExclusivePublication>();
    assert_send::<Subscription>();
    assert_send::<epona_client::Counter>();
    assert_sync::<epona_client::Counter>();
    assert_send::<epona_client::Pending<Publication>>();
    assert_send::<ClientError>();
    assert_sync::<ClientError>();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake driver's heartbeat is read by a client with a real clock"
)]
fn wall_clock() -> EpochMillis {
    EpochMillis::new(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}

/// Answers adds, with one image for each subscription, on a thread of its own until told to stop.
struct RunningDriver {
    directory: std::path::PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<FakeDriver>>,
}

impl RunningDriver {
    fn start() -> Self {
        let mut driver = FakeDriver::patient(wall_clock());
        let directory = driver.directory.path().to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                driver.commands.set_heartbeat(wall_clock());
                match driver.next_command() {
                    Some(recorded) => answer(&mut driver, &recorded.command()),
                    None => thread::yield_now(),
                }
            }
            driver
        });
        Self { directory, stop, thread: Some(thread) }
    }

    fn context(&self) -> Context {
        Context::new()
            .dir(&self.directory)
            .driver_timeout(Duration::from_secs(600))
            .idle_sleep(Duration::from_millis(1))
            .on_error(|_| {})
    }

    fn stop(&mut self) -> FakeDriver {
        self.stop.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn answer(driver: &mut FakeDriver, command: &epona_protocol::command::Command<'_>) {
    let id = command.correlation_id;
    match command.request {
        Request::AddPublication { .. } => {
            let log = driver.create_publication(LogKind::ConcurrentPublication, id);
            driver.send(&Event::PublicationReady(FakeDriver::publication_ready(
                id,
                id,
                log.limit.id(),
                &log.path,
            )));
        }
        Request::AddSubscription { .. } => {
            driver.send(&Event::SubscriptionReady { correlation_id: id, channel_status_id: CounterId::NULL });
            let image = driver.create_image(id.as_registration_id(), "127.0.0.1:1");
            let mut appender = ExclusiveAppender::new(image.log).unwrap();
            while appender.offer(&[1; 100], Position::MAX).is_ok() {}
        }
        _ => {}
    }
}

#[test]
fn a_threaded_client_adds_by_blocking_and_closes() {
    let mut driver = RunningDriver::start();
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let context = driver.context().on_close(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let aeron = Aeron::connect(context).unwrap();
    assert!(aeron.invoker().is_none());
    let publication = aeron.add_publication(CHANNEL, STREAM).unwrap();
    publication.offer(b"x").unwrap();
    aeron.close();
    assert!(aeron.is_closed() && publication.is_closed());
    assert_eq!(closed.load(Ordering::Relaxed), 1);
    driver.stop();
}

#[test]
fn an_invoked_client_steps_itself_and_its_driver_while_it_waits() {
    let mut driver = RunningDriver::start();
    let invoked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&invoked);
    let context = driver.context().use_invoker().driver_invoker(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let aeron = Aeron::connect(context).unwrap();
    let publication = aeron.add_publication(CHANNEL, STREAM).unwrap();
    assert!(!publication.is_closed() && invoked.load(Ordering::Relaxed) > 0);
    aeron.invoker().unwrap().invoke().unwrap();
    driver.stop();
}

#[test]
fn an_application_may_step_by_a_clock_of_its_own_between_blocking_calls() {
    let mut driver = RunningDriver::start();
    let aeron = Aeron::connect(driver.context().use_invoker()).unwrap();
    let _first = aeron.add_publication(CHANNEL, STREAM).unwrap();
    let invoker = aeron.invoker().unwrap();
    let far_away = Nanos::new(i64::MAX / 2);
    invoker.do_work(Now { nanos: far_away, epoch: wall_clock() }).unwrap();
    let _second = aeron.add_publication(CHANNEL, STREAM).unwrap();
    invoker.do_work(Now { nanos: far_away + Duration::from_secs(9), epoch: wall_clock() }).unwrap();
    invoker.invoke().unwrap();
    driver.stop();
}

#[test]
fn closing_the_client_while_others_poll_and_offer_is_safe() {
    for _ in 0..20 {
        let mut driver = RunningDriver::start();
        let aeron = Aeron::connect(driver.context()).unwrap();
        let publication = aeron.add_publication(CHANNEL, STREAM).unwrap();
        let mut subscription = aeron.add_subscription(CHANNEL, STREAM).unwrap();
        let started = Arc::new(AtomicUsize::new(0));
        let (polling, offering) = (Arc::clone(&started), Arc::clone(&started));
        let poller = thread::spawn(move || {
            until("the subscription is closed", || {
                subscription.poll(|payload, _| assert_eq!(payload, [1; 100]), 3);
                polling.fetch_or(1, Ordering::Release);
                subscription.is_closed()
            });
            assert_eq!(subscription.poll(|_, _| panic!("closed"), 10), 0);
        });
        let publisher = thread::spawn(move || {
            until("the publication is closed", || {
                let outcome = publication.offer(&[2; 200]);
                offering.fetch_or(2, Ordering::Release);
                outcome == Err(OfferError::Closed)
            });
        });
        until("both are at work", || started.load(Ordering::Acquire) == 3);
        aeron.close();
        poller.join().unwrap();
        publisher.join().unwrap();
        drop(driver.stop());
    }
}

#[test]
fn a_driver_that_dies_ends_a_threaded_client_and_its_blocking_calls() {
    let mut driver = RunningDriver::start();
    let context = driver.context().keepalive_interval(Duration::from_millis(20));
    let aeron = Aeron::connect(context).unwrap();
    let publication = aeron.add_publication(CHANNEL, STREAM).unwrap();
    let dead = driver.stop();
    dead.commands.set_heartbeat(EpochMillis::new(-1));
    let error = aeron.add_publication(CHANNEL, STREAM).unwrap_err();
    assert!(matches!(&error, ClientError::Closed { cause: Some(_) }), "{error}");
    assert_eq!(publication.offer(b"x"), Err(OfferError::Closed));
}

#[test]
fn dropping_the_last_handle_in_a_handler_does_not_hang() {
    let mut driver = RunningDriver::start();
    let slot: Arc<std::sync::Mutex<Option<(Subscription, Aeron)>>> = Arc::default();
    let (held, dropped) = (Arc::clone(&slot), Arc::new(AtomicBool::new(false)));
    let done = Arc::clone(&dropped);
    let context = driver.context().on_available_image(move |_| {
        until("the last handles are here", || held.lock().unwrap().take().is_some());
        done.store(true, Ordering::Release);
    });
    let aeron = Aeron::connect(context).unwrap();
    // Without its subscription there would be no handler to call, should the image come later.
    let subscription = aeron.add_subscription(CHANNEL, STREAM).unwrap();
    *slot.lock().unwrap() = Some((subscription, aeron));
    until("the handler has dropped them", || dropped.load(Ordering::Acquire));
    driver.stop();
}

#[test]
fn many_threads_publish_to_one_publication_and_nothing_is_torn() {
    let mut driver = FakeDriver::new();
    let aeron = driver.connect(driver.context()).unwrap();
    let invoker = aeron.invoker().unwrap();
    let mut pending = aeron.add_publication_async(CHANNEL, STREAM).unwrap();
    invoker.do_work(driver.now).unwrap();
    let id = driver.next_command().unwrap().command().correlation_id;
    let log = driver.create_publication(LogKind::ConcurrentPublication, id);
    log.limit.set_release(i64::from(crate::fake_driver::TERM_LENGTH) - 8192);
    driver.send(&Event::PublicationReady(FakeDriver::publication_ready(id, id, log.limit.id(), &log.path)));
    invoker.do_work(driver.now).unwrap();
    let publication = pending.poll().unwrap().unwrap();
    let threads: Vec<_> = (0..3_u8)
        .map(|number| {
            let publication = publication.clone();
            thread::spawn(move || {
                let mut offered = 0;
                while publication.offer(&[number; 77]).is_ok() {
                    offered += 1;
                }
                offered
            })
        })
        .collect();
    let offered: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let mut reader =
        epona_protocol::logbuffer::TermReader::new(log.log.term(0), epona_protocol::types::TermOffset::ZERO);
    let read = reader.read(usize::MAX, |fragment| {
        let payload = fragment.payload();
        assert!(payload.len() == 77 && payload.iter().all(|byte| *byte == payload[0]));
    });
    assert_eq!(read, offered);
}

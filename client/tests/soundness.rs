//! Safe code cannot cause undefined behaviour through the client: what it tries here, with a whole driver in this
//! process, must end in answers and whole messages. `.ci/sanitizers` runs this under AddressSanitizer and
//! ThreadSanitizer, which see what a plain run may not.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests poll against a deadline and fail loudly"
)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use epona_client::{
    Aeron, Context, CounterTypeId, ExclusivePublication, FragmentAssembler, Header, OfferError, Publication,
    Subscription, TermLength,
};
use epona_media_driver::{Context as DriverContext, EmbeddedDriver, config::ThreadingMode};

#[path = "../../media-driver/tests/support/ports.rs"]
#[allow(unreachable_pub, reason = "programs of several packages share the file")]
mod ports;

const STREAM: i32 = 1001;
/// How long anything may take; sanitizers make everything slower.
const DEADLINE: Duration = Duration::from_secs(120);

fn launch() -> EmbeddedDriver {
    launch_with(|_| {})
}

fn launch_with(change: impl FnOnce(&mut DriverContext)) -> EmbeddedDriver {
    let mut context =
        DriverContext::default().threading_mode(ThreadingMode::Shared).term_lengths(TermLength::MIN);
    change(&mut context);
    EmbeddedDriver::launch_with(context).unwrap()
}

fn connect(driver: &EmbeddedDriver) -> Aeron {
    Aeron::connect(context(driver)).unwrap()
}

/// A client that lets go of mappings as soon as it may.
fn context(driver: &EmbeddedDriver) -> Context {
    Context::new()
        .dir(driver.directory())
        .resource_linger(Duration::ZERO)
        .idle_sleep(Duration::from_millis(1))
        .on_error(|_| {})
}

#[track_caller]
fn until(what: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_done() {
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        thread::yield_now();
    }
}

fn channels() -> [String; 2] {
    [String::from("aeron:ipc"), format!("aeron:udp?endpoint=127.0.0.1:{}", ports::free_port().unwrap())]
}

/// Any length, one byte throughout, which the length tells: a message that is torn or mixed shows.
fn message(number: usize) -> Vec<u8> {
    let length = number * 37 % 3000;
    vec![length as u8; length]
}

fn check(payload: &[u8]) {
    assert!(
        payload.iter().all(|byte| *byte == payload.len() as u8),
        "a message of {} bytes is torn",
        payload.len()
    );
}

/// Offers in one way after the other until the publication is closed.
fn publish_until_closed(publication: &Publication) {
    let mut number = 0;
    until("the publication is closed", || {
        number += 1;
        let (one, other) = (message(number), message(number + 1));
        let outcome = match number % 4 {
            0 => publication.offer(&one).map(|_| ()),
            1 => publication.offer_batch(&[&one, &other]).map(|_| ()),
            2 => publication.offer_with_reserved_value(&one, |payload| payload.len() as i64).map(|_| ()),
            _ => publication.try_claim(one.len().min(publication.max_payload_length())).map(|mut claim| {
                let length = claim.len() as u8;
                claim.fill(length);
                claim.commit();
            }),
        };
        outcome == Err(OfferError::Closed)
    });
}

/// Polls until the subscription is closed; what it finds is whole.
fn read_until_closed(mut subscription: Subscription, messages: &AtomicUsize) {
    let mut assembler = FragmentAssembler::new(|payload: &[u8], _: &Header<'_>| {
        check(payload);
        messages.fetch_add(1, Ordering::Relaxed);
    });
    let mut turn = 0;
    until("the subscription is closed", || {
        turn += 1;
        if turn % 3 == 0 {
            for image in subscription.images() {
                image.poll(|fragment, header| assembler.on_fragment(fragment, header), 3);
                let _ = (image.position(), image.is_end_of_stream(), image.active_transport_count());
            }
        } else {
            subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 7);
        }
        subscription.is_closed()
    });
    assert_eq!(subscription.poll(|_, _| panic!("closed"), 10), 0);
}

/// One publisher and two subscribers at work on threads of their own, while `end` ends it all.
fn at_work(end: impl Fn(&Aeron, EmbeddedDriver, &Publication)) {
    for channel in channels() {
        let driver = launch();
        let aeron = Aeron::connect(context(&driver).keepalive_interval(Duration::from_millis(20))).unwrap();
        let publication = aeron.add_publication(&channel, STREAM).unwrap();
        let messages = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                let subscription = aeron.add_subscription(&channel, STREAM).unwrap();
                scope.spawn(|| read_until_closed(subscription, &messages));
            }
            scope.spawn(|| publish_until_closed(&publication));
            until("messages pass", || messages.load(Ordering::Relaxed) > 100);
            end(&aeron, driver, &publication);
            until("the client has ended", || aeron.is_closed());
        });
    }
}

#[test]
fn the_client_is_closed_while_others_poll_and_offer() {
    at_work(|aeron, driver, _| {
        aeron.close();
        drop(driver);
    });
}

#[test]
fn the_driver_ends_while_others_poll_and_offer() {
    at_work(|_, driver, _| drop(driver));
}

#[test]
fn handles_are_closed_one_by_one_while_others_poll_and_offer() {
    at_work(|aeron, driver, publication| {
        publication.close();
        aeron.remove(publication.registration_id());
        // Ids of whatever else there is: what does not exist is ignored.
        let last = aeron.next_correlation_id().get();
        (0..last).for_each(|id| aeron.remove(epona_client::RegistrationId::new(id)));
        aeron.close();
        drop(driver);
    });
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for order in orders(count - 1) {
        for at in 0..count {
            let mut longer = order.clone();
            longer.insert(at, count - 1);
            all.push(longer);
        }
    }
    all
}

#[test]
fn handles_are_dropped_in_every_order() {
    let driver = launch();
    for (number, order) in orders(5).into_iter().enumerate() {
        let aeron = connect(&driver);
        let mut publication = Some(aeron.add_publication("aeron:ipc", STREAM).unwrap());
        let mut exclusive = Some(aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap());
        let mut subscription = Some(aeron.add_subscription("aeron:ipc", STREAM).unwrap());
        let mut counter = Some(aeron.add_counter(CounterTypeId::new(1001), b"", "counter").unwrap());
        let pending = aeron.add_counter_async(CounterTypeId::new(1001), b"", "pending").unwrap();
        let mut rest = Some((aeron, pending));
        for handle in order {
            match handle {
                0 => drop(publication.take()),
                1 => drop(exclusive.take()),
                2 => drop(subscription.take()),
                3 => drop(counter.take()),
                _ => drop(rest.take()),
            }
            use_what_is_left(publication.as_ref(), exclusive.as_mut(), subscription.as_mut(), number);
            let _ = counter.as_ref().map(|counter| counter.get_and_add(1));
        }
    }
}

fn use_what_is_left(
    publication: Option<&Publication>,
    exclusive: Option<&mut ExclusivePublication>,
    subscription: Option<&mut Subscription>,
    number: usize,
) {
    let (one, other) = (message(number), message(number + 1));
    let _ = publication.map(|publication| publication.offer(&one));
    let _ = exclusive.map(|exclusive| exclusive.offer_batch(&[&one, &other]));
    let mut assembler = FragmentAssembler::new(|payload: &[u8], _: &Header<'_>| check(payload));
    let _ = subscription.map(|subscription| {
        subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 10)
    });
}

#[test]
fn a_fragment_stays_readable_in_its_handler_whatever_ends_meanwhile() {
    for channel in channels() {
        let driver = launch();
        let aeron = connect(&driver);
        let mut subscription = aeron.add_subscription(&channel, STREAM).unwrap();
        let publication = aeron.add_publication(&channel, STREAM).unwrap();
        until("a message is taken", || publication.offer(&message(20)).is_ok());
        let mut driver = Some(driver);
        let mut read = 0;
        until("the message arrives", || {
            subscription.poll(
                |payload, header| {
                    check(payload);
                    aeron.close();
                    driver.take().unwrap().close().unwrap();
                    check(payload);
                    assert_eq!(payload, message(20));
                    assert!(header.image().is_closed());
                    read += 1;
                },
                10,
            );
            read == 1
        });
        assert_eq!(subscription.poll(|_, _| panic!("closed"), 10), 0);
        assert_eq!(publication.offer(b"x"), Err(OfferError::Closed));
    }
}

#[test]
fn logs_are_unmapped_under_handles_that_look_at_them() {
    let driver = launch();
    let aeron = connect(&driver);
    let mut subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let (stop, watched) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                subscription.poll(|payload, _| check(payload), 10);
                watched.fetch_add(subscription.images().len(), Ordering::Relaxed);
                let images = subscription.images().iter();
                assert!(images.clone().all(|image| image.position() >= image.join_position()));
            }
        });
        for number in 0..50 {
            let mut publication = aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
            until("a message is taken", || publication.offer(&message(number % 30)).is_ok());
            if number % 2 == 0 { publication.close() } else { publication.revoke() }
        }
        until("images were seen", || watched.load(Ordering::Relaxed) > 0);
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn handlers_and_suppliers_that_panic_leave_the_stream_whole() {
    let driver = launch();
    let aeron = Aeron::connect(
        context(&driver)
            .on_available_image(|_| panic!("no images"))
            .on_unavailable_image(|_| panic!("none either")),
    )
    .unwrap();
    let mut subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let (mut offered, mut read, mut panics) = (0_usize, 0_usize, 0_usize);
    until("many messages pass", || {
        let number = offered + panics;
        if number % 5 == 4 {
            let supplier = AssertUnwindSafe(|| {
                publication.offer_with_reserved_value(&message(number), |_| panic!("no value")).is_ok()
            });
            // It panics only where there was room; then nothing but padding was published.
            panics += usize::from(catch_unwind(supplier).is_err());
        } else if publication.offer(&message(20)).is_ok() {
            offered += 1;
        }
        let poll = AssertUnwindSafe(|| {
            subscription.poll(
                |payload, _| {
                    assert_eq!(payload, message(20));
                    read += 1;
                    assert!(read % 7 != 0, "this handler panics");
                },
                10,
            )
        });
        let _ = catch_unwind(poll);
        read > 500 && panics > 50
    });
    until("the rest arrives", || {
        subscription.poll(|_, _| read += 1, 10);
        read == offered
    });
}

#[test]
fn claims_that_are_leaked_or_held_too_long_cost_their_own_message_only() {
    let driver = launch_with(|context| {
        context.timeouts.timer_interval = Duration::from_millis(20);
        context.timeouts.client_liveness = Duration::from_secs(2);
        context.timeouts.publication_unblock = Duration::from_millis(2100);
    });
    let aeron = connect(&driver);
    let mut subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
    until("there is room", || publication.is_connected());
    let mut held = publication.try_claim(100).unwrap();
    held.fill(1);
    std::mem::forget(publication.try_claim(100).unwrap());
    let mut read = 0_usize;
    until("the stream goes on, over more than three terms", || {
        let _ = publication.offer(&message(20));
        subscription.poll(
            |payload, _| {
                assert_eq!(payload, message(20));
                read += 1;
            },
            10,
        );
        read > 400
    });
    // Its place is another message's by now.
    held.set_reserved_value(7);
    held.commit();
    let before = read;
    until("the stream goes on", || {
        let _ = publication.offer(&message(20));
        subscription.poll(|payload, _| assert_eq!(payload, message(20)), 10);
        read += 1;
        read > before + 200
    });
}

#[test]
fn clones_of_a_publication_are_used_and_closed_from_many_threads() {
    let driver = launch();
    let aeron = connect(&driver);
    let subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = Arc::new(aeron.add_publication("aeron:ipc", STREAM).unwrap());
    let messages = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| read_until_closed(subscription, &messages));
        for _ in 0..3 {
            let publication = Publication::clone(&publication);
            scope.spawn(move || publish_until_closed(&publication));
        }
        until("messages pass", || messages.load(Ordering::Relaxed) > 1000);
        publication.close();
        aeron.close();
    });
}

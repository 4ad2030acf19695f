//! Tasks of any runtime: woken by the client's conductor, and only when there is something.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use epona_client::{ClientError, ErrorCode, Messages, OfferError};
use epona_protocol::{
    command::{Event, command_id},
    logbuffer::{LogKind, appender::ConcurrentAppender},
    types::Position,
};

use crate::fake_driver::{CHANNEL, FakeDriver, MAX_PAYLOAD, SESSION, STREAM, TERM_LENGTH, World, position};

/// More turns than a task takes before it waits.
const MANY: usize = 1000;

/// Counts its wake-ups.
#[derive(Default)]
struct Alarm {
    rung: AtomicUsize,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Relaxed);
    }
}

/// An executor of one task, run by hand.
#[derive(Default)]
struct Task {
    alarm: Arc<Alarm>,
}

impl Task {
    fn is_woken(&self) -> bool {
        self.alarm.rung.swap(0, Ordering::Relaxed) > 0
    }

    /// Runs a future until it is done, or waits.
    fn run<F: Future>(&self, mut future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.alarm));
        for _ in 0..MANY {
            let outcome = future.as_mut().poll(&mut Context::from_waker(&waker));
            if outcome.is_ready() || !self.is_woken() {
                return outcome;
            }
        }
        panic!("never rests");
    }
}

#[test]
fn an_answer_of_the_driver_wakes_the_task_that_asked() {
    let mut world = World::new();
    let task = Task::default();
    let mut adding = pin!(world.aeron.add_publication_async(CHANNEL, STREAM).unwrap());
    assert!(task.run(adding.as_mut()).is_pending());
    world.step().unwrap();
    assert!(!task.is_woken());
    let id = world.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
    let log = world.driver.create_publication(LogKind::ConcurrentPublication, id);
    world.driver.send(&Event::PublicationReady(FakeDriver::publication_ready(
        id,
        id,
        log.limit.id(),
        &log.path,
    )));
    world.step().unwrap();
    assert!(task.is_woken());
    let Poll::Ready(Ok(publication)) = task.run(adding) else { panic!("no publication") };
    assert_eq!(publication.registration_id().get(), id.get());
}

#[test]
fn a_refusal_of_the_driver_wakes_the_task_with_the_error() {
    let mut world = World::new();
    let task = Task::default();
    let mut adding = pin!(world.aeron.add_subscription_async(CHANNEL, STREAM).unwrap());
    assert!(task.run(adding.as_mut()).is_pending());
    world.step().unwrap();
    let correlation_id = world.driver.expect_command(command_id::ADD_SUBSCRIPTION).command().correlation_id;
    let error_code = ErrorCode::InvalidChannel;
    world.driver.send(&Event::Error { correlation_id, error_code, message: b"no" });
    world.step().unwrap();
    assert!(task.is_woken());
    let Poll::Ready(Err(ClientError::Registration { code, .. })) = task.run(adding) else {
        panic!("no error")
    };
    assert_eq!(code, error_code);
}

#[test]
fn a_request_that_is_not_awaited_to_its_end_is_taken_back() {
    let mut world = World::new();
    let adding = world.aeron.add_subscription_async(CHANNEL, STREAM).unwrap();
    let id = adding.registration_id();
    {
        let mut adding = pin!(adding);
        assert!(Task::default().run(adding.as_mut()).is_pending());
    }
    world.confirm_subscription(epona_client::CounterId::NULL);
    world.step().unwrap();
    world.step().unwrap();
    let removal = world.driver.expect_command(command_id::REMOVE_SUBSCRIPTION);
    assert_eq!(
        removal.command().request,
        epona_protocol::command::Request::RemoveSubscription { registration_id: id }
    );
}

#[test]
fn an_offer_awaits_room_and_a_subscriber() {
    let mut world = World::new();
    let (publication, log) = world.add_publication();
    log.log.metadata().set_connected(false);
    log.limit.set_release(0);
    let task = Task::default();
    let mut offering = pin!(publication.offer_async(b"hello"));
    assert!(task.run(offering.as_mut()).is_pending());
    for _ in 0..10 {
        world.step().unwrap();
        assert!(!task.is_woken(), "nothing has changed");
    }
    log.log.metadata().set_connected(true);
    log.limit.set_release(i64::from(TERM_LENGTH) / 2);
    world.step().unwrap();
    assert!(task.is_woken());
    assert_eq!(task.run(offering), Poll::Ready(Ok(position(64))));
}

#[test]
fn an_offer_of_an_exclusive_publication_awaits_room_and_goes_over_the_end_of_a_term() {
    let mut world = World::new();
    let (mut publication, log) = world.add_exclusive_publication();
    let task = Task::default();
    let mut end = Position::ZERO;
    let mut waited = 0;
    for _ in 0..200 {
        let mut offering = pin!(publication.offer_async(&[7; 992]));
        end = loop {
            match task.run(offering.as_mut()) {
                Poll::Ready(outcome) => break outcome.unwrap(),
                Poll::Pending => {
                    waited += 1;
                    log.limit.set_release(end.get() + i64::from(TERM_LENGTH) / 2);
                    world.step().unwrap();
                    assert!(task.is_woken());
                }
            }
        };
    }
    assert!(end > position(3 * i64::from(TERM_LENGTH)) && waited > 3, "{end:?} {waited}");
}

#[test]
fn waiting_tasks_are_woken_when_the_client_ends() {
    let mut world = World::new();
    let (publication, log) = world.add_publication();
    log.limit.set_release(0);
    let mut messages = world.add_subscription().into_messages();
    let (offerer, reader) = (Task::default(), Task::default());
    let mut offering = pin!(publication.offer_async(b"hello"));
    let mut reading = pin!(messages.next());
    assert!(offerer.run(offering.as_mut()).is_pending() && reader.run(reading.as_mut()).is_pending());
    world.aeron.close();
    assert!(offerer.is_woken() && reader.is_woken());
    assert_eq!(offerer.run(offering), Poll::Ready(Err(OfferError::Closed)));
    assert_eq!(reader.run(reading), Poll::Ready(None));
}

fn next(task: &Task, messages: &mut Messages) -> Option<Vec<u8>> {
    let reading = pin!(messages.next());
    match task.run(reading) {
        Poll::Ready(message) => Some(message.expect("the stream goes on").payload),
        Poll::Pending => None,
    }
}

#[test]
fn a_stream_hands_out_whole_messages_and_wakes_for_new_ones() {
    let mut world = World::new();
    let subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    let publisher = ConcurrentAppender::new(image.log.clone()).unwrap();
    let mut messages = subscription.into_messages();
    let task = Task::default();
    assert_eq!(next(&task, &mut messages), None);
    world.step().unwrap();
    assert!(!task.is_woken());

    let long: Vec<u8> = (0..3 * MAX_PAYLOAD).map(|i| i as u8).collect();
    publisher.offer(b"short", Position::MAX).unwrap();
    let end = publisher.offer(&long, Position::MAX).unwrap();
    world.step().unwrap();
    assert!(task.is_woken());
    {
        let mut reading = pin!(messages.next());
        let Poll::Ready(Some(message)) = task.run(reading.as_mut()) else { panic!("no message") };
        assert_eq!((message.payload.as_slice(), message.session_id), (b"short".as_slice(), SESSION));
        assert_eq!((message.position, message.stream_id.get()), (position(64), STREAM));
    }
    assert_eq!(next(&task, &mut messages), Some(long));
    assert_eq!(image.position.get_acquire(), end.get());
    assert_eq!(next(&task, &mut messages), None);
}

#[test]
fn a_stream_waits_for_images_to_come() {
    let mut world = World::new();
    let subscription = world.add_subscription();
    let id = subscription.registration_id();
    let mut messages = subscription.into_messages();
    let task = Task::default();
    let mut reading = pin!(messages.next());
    assert!(task.run(reading.as_mut()).is_pending());
    let image = world.driver.create_image(id, "127.0.0.1:4001");
    ConcurrentAppender::new(image.log.clone()).unwrap().offer(b"hello", Position::MAX).unwrap();
    world.step().unwrap();
    assert!(task.is_woken());
    let Poll::Ready(Some(message)) = task.run(reading) else { panic!("no message") };
    assert_eq!(message.payload, b"hello");
}

#[test]
fn a_stream_that_is_not_polled_reads_only_a_little_ahead() {
    let mut world = World::new();
    let subscription = world.add_subscription();
    let image = world.add_image(&subscription);
    let publisher = ConcurrentAppender::new(image.log.clone()).unwrap();
    for _ in 0..500 {
        publisher.offer(b"x", Position::MAX).unwrap();
    }
    let mut messages = subscription.into_messages();
    let task = Task::default();
    assert_eq!(next(&task, &mut messages), Some(b"x".to_vec()));
    assert!(image.position.get_acquire() <= 32 * 64, "{}", image.position.get_acquire());
}

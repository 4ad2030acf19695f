//! An IPC publication, stepped by hand.

use epona_protocol::logbuffer::appender::ConcurrentAppender;

use super::*;
use crate::testing::{
    AVAILABLE_IMAGE, Bench, SESSION, STREAM, TERM, TETHER_TIMEOUTS, UNAVAILABLE_IMAGE, available_image, ms,
    publication_log, publish,
};

const WINDOW: i64 = TERM / 2;
const UNBLOCK: Duration = ms(15_000);
const COOL_DOWN: Duration = ms(10_000);

struct World {
    bench: Bench,
    publication: IpcPublication,
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::new();
        let log = publication_log(0, 1408);
        let params = IpcPublicationParams {
            registration_id: RegistrationId::new(1),
            session_id: SESSION,
            stream_id: STREAM,
            mtu: log.metadata().mtu().unwrap(),
            is_exclusive: false,
            start: Position::ZERO,
            term_window: WINDOW,
            unblock_timeout: UNBLOCK,
            cool_down: COOL_DOWN,
            untethered: TETHER_TIMEOUTS,
            response_correlation_id: None,
            entity_tag: None,
        };
        let (position, limit, now) = (bench.counter(0), bench.counter(0), bench.now());
        let mut publication = IpcPublication::new(params, log, available_image(), position, limit, now);
        publication.add_reference();
        Self { bench, publication }
    }

    fn limit(&mut self) -> i64 {
        self.publication.update_limits(Nanos::new(1));
        self.publication.publisher_limit_counter().get()
    }

    fn after(&mut self, wait: Duration) -> Phase {
        self.bench.wait(wait);
        self.publication.on_time_event(&mut self.bench.services);
        self.publication.phase()
    }

    fn subscribe(&mut self, id: i64, channel: &str) -> AtomicCounter {
        let join = self.publication.join_position().get();
        let subscriber = self.bench.subscriber(id, channel, join);
        let counter = subscriber.counter.clone();
        self.publication.add_subscriber(subscriber);
        counter
    }

    fn unsubscribe(&mut self, id: i64) {
        self.publication.remove_subscriber(RegistrationId::new(id), &mut self.bench.services);
    }

    fn is_connected(&self) -> bool {
        self.publication.log.metadata().is_connected()
    }
}

#[test]
fn nobody_may_publish_until_somebody_subscribes() {
    let mut world = World::new();
    assert_eq!((world.limit(), world.is_connected()), (0, false));
    let reader = world.subscribe(1, "aeron:ipc");
    assert_eq!((world.limit(), world.is_connected()), (WINDOW, true));
    reader.set(640);
    world.limit();
    world.unsubscribe(1);
    assert_eq!((world.limit(), world.is_connected()), (640, false));
}

#[test]
fn the_limit_follows_the_slowest_in_steps_of_an_eighth_of_the_window() {
    let mut world = World::new();
    let slow = world.subscribe(1, "aeron:ipc");
    let fast = world.subscribe(2, "aeron:ipc");
    assert_eq!(world.limit(), WINDOW);
    fast.set(20_000);
    slow.set(WINDOW / 8);
    assert_eq!(world.limit(), WINDOW, "the step is not passed yet");
    slow.set(WINDOW / 8 + 32);
    assert_eq!(world.limit(), WINDOW + WINDOW / 8 + 32);
}

#[test]
fn a_subscriber_joins_with_the_slowest_or_where_the_last_one_stopped() {
    let mut world = World::new();
    let first = world.subscribe(1, "aeron:ipc");
    first.set(4096);
    world.limit();
    let second = world.subscribe(2, "aeron:ipc");
    assert_eq!(second.get(), 4096);
    first.set(8192);
    world.limit();
    assert_eq!(world.publication.join_position(), Position::new(4096));
    second.set(6400);
    world.unsubscribe(2);
    world.unsubscribe(1);
    assert_eq!(world.publication.join_position(), Position::new(8192));
}

#[test]
fn terms_are_clean_before_the_publisher_comes_round() {
    let mut world = World::new();
    let reader = world.subscribe(1, "aeron:ipc");
    let log = world.publication.log.clone();
    for _ in 0..200 {
        let limit = world.limit();
        while log.producer_position().get() + 2048 < limit {
            publish(&log, &[1000]);
        }
        let producer = log.producer_position().get();
        for ahead in (producer..limit).step_by(32) {
            let (term, offset) = (log.term_at(Position::new(ahead)), (ahead % TERM) as usize);
            assert_eq!(term.get_i32(offset), 0, "dirty at {ahead}");
        }
        reader.set(producer);
    }
    assert!(log.producer_position().get() > 10 * TERM);
}

#[test]
fn a_publication_drains_until_all_have_read_and_does_not_linger() {
    let mut world = World::new();
    let reader = world.subscribe(1, "aeron:ipc");
    world.limit();
    let end = publish(&world.publication.log, &[1000]).get();
    world.publication.remove_reference();
    assert_eq!(world.publication.log.metadata().end_of_stream_position().get(), end);
    assert_eq!(world.publication.publisher_limit_counter().get(), end);
    assert!(world.publication.accepts_subscribers(), "there is something left to read");
    assert_eq!(world.after(ms(60_000)), Phase::Draining);
    reader.set(end);
    assert!(!world.publication.accepts_subscribers());
    assert_eq!(world.after(ms(0)), Phase::Linger);
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
    assert!(world.publication.is_finished());
    world.publication.close(&mut world.bench.services);
    assert!(matches!(
        world.bench.to_resources.take(),
        Some(crate::commands::ResourceCommand::FreeLog { .. })
    ));
}

#[test]
fn revoking_abandons_what_is_unread_and_waits_for_the_last_holder() {
    let mut world = World::new();
    world.publication.add_reference();
    world.subscribe(1, "aeron:ipc");
    let end = publish(&world.publication.log, &[1000]).get();
    world.publication.revoke();
    world.publication.remove_reference();
    assert_eq!(world.after(ms(0)), Phase::Linger);
    assert_eq!((world.bench.events(), world.is_connected()), (vec![UNAVAILABLE_IMAGE], false));
    assert_eq!(world.publication.publisher_limit_counter().get(), end);
    assert_eq!(world.bench.services.system.publications_revoked.get(), 1);
    assert!(!world.publication.is_finished());
    world.publication.remove_reference();
    assert!(world.publication.is_finished());
}

#[test]
fn a_rejected_stream_takes_no_subscriber_until_it_has_cooled_down() {
    let mut world = World::new();
    world.subscribe(1, "aeron:ipc");
    world.publication.reject(&mut world.bench.services);
    assert_eq!((world.bench.events(), world.is_connected()), (vec![UNAVAILABLE_IMAGE], false));
    assert!(
        !world.publication.accepts_subscribers()
            && !world.publication.subscribers().contains(RegistrationId::new(1))
    );
    world.bench.wait(COOL_DOWN);
    assert!(!world.publication.take_cool_down_end(world.bench.now()));
    world.publication.reject(&mut world.bench.services);
    world.bench.wait(COOL_DOWN);
    assert!(!world.publication.take_cool_down_end(world.bench.now()), "each rejection starts it anew");
    world.bench.wait(Duration::from_nanos(1));
    assert!(world.publication.take_cool_down_end(world.bench.now()));
    assert!(world.publication.accepts_subscribers());
    assert!(!world.publication.take_cool_down_end(world.bench.now()), "once");
}

#[test]
fn an_untethered_subscriber_stops_holding_the_publisher_back() {
    let mut world = World::new();
    let fast = world.subscribe(1, "aeron:ipc");
    let slow = world.subscribe(2, "aeron:ipc?tether=false");
    world.limit();
    fast.set(WINDOW);
    assert_eq!(world.limit(), WINDOW);
    world.after(ms(5001));
    world.after(ms(5001));
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
    assert_eq!(world.limit(), 2 * WINDOW);
    world.after(ms(10_001));
    assert_eq!((world.bench.events(), slow.get()), (vec![AVAILABLE_IMAGE], WINDOW));
    assert_eq!(slow.id(), world.publication.subscribers().iter().nth(1).unwrap().counter.id());
}

/// UNT-06
#[test]
fn a_publication_that_drains_does_not_wait_for_who_lingers_or_rests() {
    for rests in [false, true] {
        let mut world = World::new();
        let fast = world.subscribe(1, "aeron:ipc");
        world.subscribe(2, "aeron:ipc?tether=false");
        world.limit();
        let end = publish(&world.publication.log, &[1376; 23]).get();
        assert!(end > WINDOW / 2);
        fast.set(WINDOW);
        world.limit();
        world.after(ms(5001));
        assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE], "it lingers");
        if rests {
            world.after(ms(5001));
        }
        fast.set(end);
        world.publication.remove_reference();
        world.after(ms(5001));
        world.after(ms(0));
        assert!(world.publication.is_finished(), "rests: {rests}");
        // As Aeron C does, it tells all that it is linked to, also who knows already.
        assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE; 2], "and nobody came back");
    }
}

#[test]
fn a_publisher_that_died_in_a_claim_is_unblocked_after_the_timeout_or_when_draining() {
    for is_draining in [false, true] {
        let mut world = World::new();
        world.subscribe(1, "aeron:ipc");
        world.limit();
        let appender = ConcurrentAppender::new(world.publication.log.clone()).unwrap();
        std::mem::forget(appender.claim(100, Position::MAX).unwrap());
        let unblocked = world.bench.services.system.unblocked_publications.clone();
        if is_draining {
            world.publication.remove_reference();
        } else {
            world.after(ms(0));
            world.after(UNBLOCK);
            assert_eq!(unblocked.get(), 0);
        }
        world.after(Duration::from_nanos(1));
        assert_eq!(unblocked.get(), 1);
    }
}

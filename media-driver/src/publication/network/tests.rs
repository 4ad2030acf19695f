//! The conductor's half of a network publication, stepped by hand.

use epona_protocol::logbuffer::appender::ConcurrentAppender;

use super::*;
use crate::{
    publication::{response::ResponseRole, shared::NetworkPublicationIdentity},
    testing::{
        AVAILABLE_IMAGE, Bench, SESSION, STREAM, TERM, TETHER_TIMEOUTS, UNAVAILABLE_IMAGE, available_image,
        ms, publication_log, publish, unheard,
    },
};

const WINDOW: i64 = TERM / 2;
const LINGER: Duration = ms(5000);
const UNBLOCK: Duration = ms(15_000);

struct World {
    bench: Bench,
    publication: NetworkPublication,
}

impl World {
    fn new() -> Self {
        Self::with(false, false)
    }

    fn with(ssc: bool, is_exclusive: bool) -> Self {
        let mut bench = Bench::new();
        let log = publication_log(0, 1408);
        let counters = NetworkPublicationCounters {
            publisher_position: bench.counter(0),
            publisher_limit: bench.counter(0),
            sender_position: bench.counter(0),
            sender_limit: bench.counter(0),
            back_pressure_events: bench.counter(0),
            naks_received: bench.counter(0),
            receivers: None,
        };
        let identity = NetworkPublicationIdentity {
            registration_id: RegistrationId::new(1),
            session_id: SESSION,
            stream_id: STREAM,
            mtu: log.metadata().mtu().unwrap(),
            spies_simulate_connection: ssc,
            signal_eos: true,
        };
        let state = Arc::new(NetworkPublicationState::new(
            identity,
            log,
            counters.sender_position.clone(),
            counters.sender_limit.clone(),
            unheard(),
        ));
        let params = NetworkPublicationParams {
            endpoint: SendEndpointId::new(0),
            is_exclusive,
            start: Position::ZERO,
            term_window: WINDOW,
            linger: LINGER,
            unblock_timeout: UNBLOCK,
            untethered: TETHER_TIMEOUTS,
            response_correlation_id: None,
            response: ResponseRole::None,
            entity_tag: None,
        };
        let now = bench.now();
        let mut publication = NetworkPublication::new(state, params, counters, available_image(), now);
        publication.add_reference();
        Self { bench, publication }
    }

    fn limit(&self) -> i64 {
        self.publication.publisher_limit_counter().get()
    }

    /// The sender has got as far as this.
    fn sent(&mut self, position: i64) {
        self.publication.state.sender_position.set_release(position);
    }

    fn tick(&mut self) {
        self.publication.on_time_event(&mut self.bench.services);
    }

    /// Lets time pass, then the timer fires.
    fn after(&mut self, wait: Duration) -> Phase {
        self.bench.wait(wait);
        self.tick();
        self.publication.phase()
    }

    fn release(&mut self) {
        let now = self.bench.now();
        self.publication.remove_reference(now);
    }

    fn add_spy(&mut self, id: i64, channel: &str) -> AtomicCounter {
        let position = self.publication.state.sender_position.get();
        let spy = self.bench.subscriber(id, channel, position);
        let counter = spy.counter.clone();
        self.publication.add_spy(spy);
        counter
    }

    fn eos_position(&self) -> i64 {
        self.publication.state.log.metadata().end_of_stream_position().get()
    }

    fn is_connected(&self) -> bool {
        self.publication.state.log.metadata().is_connected()
    }

    fn is_removed_from_sender(&self) -> bool {
        matches!(self.bench.to_sender.take(), Some(SenderCommand::RemovePublication(_)))
    }
}

#[test]
fn the_publisher_may_go_a_window_past_the_sender_while_somebody_receives() {
    let mut world = World::new();
    assert_eq!((world.publication.update_limits(Nanos::new(1)), world.limit()), (0, 0));
    world.publication.state.set_receivers(true, false);
    assert_eq!(
        (world.publication.update_limits(Nanos::new(1)), world.limit()),
        (0, 0),
        "flow control wants more receivers"
    );
    world.publication.state.set_receivers(true, true);
    assert_eq!((world.publication.update_limits(Nanos::new(1)), world.limit()), (1, WINDOW));
    assert_eq!(world.publication.update_limits(Nanos::new(1)), 0);
    world.sent(4096);
    world.publication.update_limits(Nanos::new(1));
    assert_eq!(world.limit(), 4096 + WINDOW);
    world.publication.state.log.metadata().set_connected(true);
    world.publication.state.set_receivers(false, true);
    assert_eq!((world.publication.update_limits(Nanos::new(1)), world.limit()), (1, 4096));
    assert!(!world.is_connected());
}

#[test]
fn the_slowest_spy_holds_the_publisher_back_and_the_fastest_is_known_to_the_sender() {
    let mut world = World::new();
    world.publication.state.set_receivers(true, true);
    let slow = world.add_spy(1, "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325");
    let fast = world.add_spy(2, "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325");
    world.sent(8192);
    slow.set(1024);
    fast.set(16_384);
    world.publication.update_limits(Nanos::new(1));
    assert_eq!(world.limit(), 1024 + WINDOW);
    assert_eq!(world.publication.state.max_spy_position(), Position::new(16_384));
    assert!(!world.is_connected(), "spies alone make no connection");
}

#[test]
fn spies_that_simulate_a_connection_make_one() {
    let mut world = World::with(true, false);
    world.add_spy(1, "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325");
    assert!(world.is_connected() && world.publication.state.has_subscribers());
    world.publication.remove_spy(RegistrationId::new(1), &mut world.bench.services);
    assert!(!world.is_connected() && !world.publication.state.has_spies());
}

#[test]
fn terms_are_cleaned_a_term_behind_the_sender_before_the_publisher_comes_round() {
    let mut world = World::new();
    world.publication.state.set_receivers(true, true);
    let log = world.publication.state.log.clone();
    let mut position = 0;
    for _ in 0..40 {
        position += TERM / 4;
        while log.producer_position().get() < position {
            publish(&log, &[1000]);
        }
        world.sent(position);
        while world.publication.update_limits(Nanos::new(1)) > 0 && world.limit() < position + WINDOW {}
        assert_eq!(world.limit(), position + WINDOW);
        // Everything that the publisher may write to next is zero.
        for ahead in (log.producer_position().get()..world.limit()).step_by(32) {
            let (term, offset) = (log.term_at(Position::new(ahead)), (ahead % TERM) as usize);
            assert_eq!(term.get_i32(offset), 0, "dirty at {ahead}");
        }
    }
}

#[test]
fn the_last_reference_ends_the_stream_where_the_publisher_stands() {
    let mut world = World::new();
    world.publication.add_reference();
    let end = publish(&world.publication.state.log, &[1000]).get();
    world.release();
    assert_eq!(world.publication.phase(), Phase::Active);
    world.release();
    assert_eq!(world.publication.phase(), Phase::Draining);
    assert_eq!((world.limit(), world.eos_position()), (end, end));
    assert!(!world.publication.state.is_end_of_stream(), "not all is sent");
}

#[test]
fn draining_waits_for_receivers_then_lingers_then_leaves_the_sender_then_is_gone() {
    let mut world = World::new();
    let end = publish(&world.publication.state.log, &[1000]).get();
    world.publication.state.set_receivers(true, true);
    world.release();
    assert_eq!(world.after(ms(60_000)), Phase::Draining);
    world.sent(end);
    assert_eq!(world.after(ms(0)), Phase::Linger);
    assert!(world.publication.state.is_end_of_stream());
    assert_eq!(world.after(LINGER), Phase::Linger);
    assert!(!world.is_removed_from_sender());
    assert_eq!(world.after(Duration::from_nanos(1)), Phase::Done);
    assert!(world.is_removed_from_sender() && !world.publication.is_finished());
    world.publication.on_sender_released();
    assert!(world.publication.is_finished());
    world.publication.close(&mut world.bench.services);
    assert!(matches!(
        world.bench.to_resources.take(),
        Some(crate::commands::ResourceCommand::FreeLog { .. })
    ));
}

#[test]
fn unsent_data_is_abandoned_without_receivers_and_the_stream_has_no_end_then() {
    let mut world = World::new();
    publish(&world.publication.state.log, &[1000]);
    world.release();
    assert_eq!(world.after(ms(0)), Phase::Linger);
    assert!(!world.publication.state.is_end_of_stream());
}

#[test]
fn the_end_of_the_one_unicast_receiver_ends_the_linger() {
    let mut world = World::new();
    world.release();
    assert!(world.publication.state.is_end_of_stream(), "nothing was left to send");
    assert_eq!(world.after(ms(0)), Phase::Linger);
    world.publication.state.set_received_unicast_eos();
    assert_eq!(world.after(ms(0)), Phase::Done);
}

#[test]
fn revoking_ends_the_stream_for_all_at_the_next_tick_and_waits_for_the_last_holder() {
    let mut world = World::new();
    world.publication.add_reference();
    world.add_spy(1, "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325");
    let end = publish(&world.publication.state.log, &[1000]).get();
    world.publication.state.log.metadata().set_connected(true);
    world.publication.revoke();
    world.release();
    assert!(world.publication.state.log.metadata().is_revoked());
    assert_eq!((world.publication.phase(), world.bench.events()), (Phase::Active, vec![]));
    assert_eq!(world.after(ms(0)), Phase::Linger);
    assert_eq!((world.limit(), world.eos_position(), world.is_connected()), (end, end, false));
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
    assert_eq!(world.bench.services.system.publications_revoked.get(), 1);
    assert_eq!(world.after(LINGER * 2), Phase::Linger, "it is still held");
    world.release();
    assert_eq!(world.after(LINGER), Phase::Linger, "the linger starts with the last release");
    assert_eq!(world.after(Duration::from_nanos(1)), Phase::Done);
}

#[test]
fn a_publication_drains_until_its_spies_have_read_everything() {
    let mut world = World::new();
    let spy = world.add_spy(1, "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325");
    let end = publish(&world.publication.state.log, &[1000]).get();
    world.sent(end);
    world.release();
    assert_eq!(world.after(ms(60_000)), Phase::Draining);
    assert_eq!(world.bench.events(), []);
    spy.set(end);
    assert_eq!(world.after(ms(0)), Phase::Linger);
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
    assert!(!world.publication.state.has_spies());
}

#[test]
fn an_untethered_spy_falls_off_rests_rejoins_and_never_holds_up_the_end() {
    let mut world = World::new();
    world.publication.state.set_receivers(true, true);
    let spy = world.add_spy(1, "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325|tether=false");
    world.sent(WINDOW);
    world.after(ms(5001));
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
    world.publication.update_limits(Nanos::new(1));
    assert_eq!(world.limit(), WINDOW, "it holds back while it lingers");
    world.after(ms(5001));
    world.publication.update_limits(Nanos::new(1));
    assert_eq!(world.limit(), 2 * WINDOW);
    world.after(ms(10_001));
    assert_eq!((world.bench.events(), spy.get()), (vec![AVAILABLE_IMAGE], WINDOW));
    world.sent(2 * WINDOW);
    world.after(ms(5001));
    world.after(ms(5001));
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
    world.release();
    world.sent(world.publication.state.log.producer_position().get());
    assert_eq!(world.after(ms(0)), Phase::Linger);
    assert_eq!(world.bench.events(), [], "it was told long ago");
}

#[test]
fn a_closed_spy_stays_attached_and_its_counter_is_freed_once() {
    let mut world = World::new();
    let id = RegistrationId::new(1);
    let spy = world.add_spy(1, "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325|tether=false|rejoin=false");
    world.sent(WINDOW);
    world.after(ms(5001));
    world.after(ms(5001));
    assert_eq!(world.publication.spies().working_count(), 0);
    assert!(world.publication.spies().contains(id), "or it would be linked again");
    // Somebody else gets the freed counter; it must stay theirs.
    let reused = world.bench.counter(0);
    assert_eq!(reused.id(), spy.id());
    world.publication.remove_spy(id, &mut world.bench.services);
    assert_ne!(world.bench.counter(0).id(), reused.id());
}

#[test]
fn a_publisher_that_died_in_a_claim_is_unblocked_after_the_timeout() {
    let mut world = World::new();
    world.publication.state.set_receivers(true, true);
    let log = world.publication.state.log.clone();
    let appender = ConcurrentAppender::new(log).unwrap();
    std::mem::forget(appender.claim(100, Position::MAX).unwrap());
    world.after(ms(0));
    assert_eq!(world.after(UNBLOCK), Phase::Active);
    assert_eq!(world.bench.services.system.unblocked_publications.get(), 0);
    world.after(Duration::from_nanos(1));
    assert_eq!(world.bench.services.system.unblocked_publications.get(), 1);
    world.after(UNBLOCK * 2);
    assert_eq!(world.bench.services.system.unblocked_publications.get(), 1);
}

#[test]
fn an_exclusive_publication_is_unblocked_only_when_it_drains() {
    let mut world = World::with(false, true);
    let appender = ConcurrentAppender::new(world.publication.state.log.clone()).unwrap();
    std::mem::forget(appender.claim(100, Position::MAX).unwrap());
    world.after(ms(0));
    world.after(UNBLOCK * 2);
    assert_eq!(world.bench.services.system.unblocked_publications.get(), 0);
    world.publication.state.set_receivers(true, true);
    world.release();
    assert_eq!(world.after(ms(0)), Phase::Draining);
    assert_eq!(world.bench.services.system.unblocked_publications.get(), 1);
}

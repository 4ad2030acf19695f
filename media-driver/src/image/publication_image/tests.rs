//! The conductor's half of an image, stepped by hand.

use epona_protocol::{
    logbuffer::insert,
    loss_report,
    seq_slot::ChangeNumber,
    types::{Mtu, TermOffset},
};

use super::*;
use crate::{
    congestion_control::{CongestionControlKind, CubicConfig, StaticWindow},
    image::{shared::ImageIdentity, status_message_schedule::ScheduledStatus},
    loss::FeedbackDelay,
    testing::{
        Bench, INITIAL_TERM, SESSION, STREAM, TERM, TETHER_TIMEOUTS, UNAVAILABLE_IMAGE, available_image,
        image_log, ms, publication_log, publish, unheard,
    },
};

const WINDOW: i32 = 32 * 1024;
const LIVENESS: Duration = ms(10_000);
const NO_DELAY: FeedbackDelay = FeedbackDelay::Static { first: Duration::ZERO, retry: Duration::ZERO };

struct World {
    bench: Bench,
    image: PublicationImage,
    statuses: ChangeNumber,
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::new();
        let counters = ImageCounters {
            high_water_mark: bench.counter(0),
            rebuild_position: bench.counter(0),
            naks_sent: bench.counter(0),
            cubic: None,
        };
        let state = Arc::new(ImageState::new(
            ImageIdentity {
                correlation_id: CorrelationId::new(5),
                endpoint: ReceiveEndpointId::new(0),
                session_id: SESSION,
                stream_id: STREAM,
                join_position: Position::ZERO,
                is_reliable: true,
                max_gaps: 1,
            },
            image_log(),
            counters.high_water_mark.clone(),
            counters.naks_sent.clone(),
            WINDOW,
            unheard(),
            bench.now(),
        ));
        let params = ImageParams {
            liveness_timeout: LIVENESS,
            status_message_timeout: ms(200),
            untethered: TETHER_TIMEOUTS,
            wants_response: false,
        };
        let image = PublicationImage::new(
            state,
            params,
            available_image(),
            counters,
            Detector::single(NO_DELAY),
            CongestionControl::Static(StaticWindow::new(WINDOW)),
            bench.now(),
        );
        let mut world = Self { bench, image, statuses: ChangeNumber::default() };
        assert_eq!(world.status(), Some((0, WINDOW)), "the first is scheduled from the start");
        world
    }

    fn subscribe(&mut self, id: i64, channel: &str) -> AtomicCounter {
        let join = self.image.join_position().get();
        let subscriber = self.bench.subscriber(id, channel, join);
        let counter = subscriber.counter.clone();
        self.image.add_subscriber(subscriber);
        counter
    }

    fn unsubscribe(&mut self, id: i64) {
        self.image.remove_subscriber(RegistrationId::new(id), &mut self.bench.services);
    }

    /// Frames of 1024 bytes arrive at these positions.
    fn arrive(&mut self, positions: &[i64]) {
        let source = publication_log(0, 1408);
        publish(&source, &[992; 63]);
        for position in positions {
            let frame = source.term(0).to_vec((position % TERM) as usize, 1024);
            insert(
                self.image.state.log.term_at(Position::new(*position)),
                TermOffset::new((position % TERM) as i32),
                &frame,
            );
            self.image.state.high_water_mark.propose_max(position + 1024);
        }
    }

    fn rebuild(&mut self) -> i64 {
        let now = self.bench.now();
        self.image.track_rebuild(now, &mut self.bench.services);
        self.image.counters.rebuild_position.get()
    }

    /// The status message scheduled since the last call.
    fn status(&mut self) -> Option<(i64, i32)> {
        let status = self.image.state.newer_status_report(&mut self.statuses);
        status.map(|ScheduledStatus { position, window }| (position.get(), window))
    }

    /// The gap reported since the last call.
    fn gap(&mut self) -> Option<Gap> {
        self.image.state.take_gap()
    }

    fn after(&mut self, wait: Duration) -> (Phase, TimeEvent) {
        self.bench.wait(wait);
        let event = self.image.on_time_event(&mut self.bench.services);
        (self.image.phase(), event)
    }

    /// The source was heard of just now.
    fn hear(&mut self) {
        self.image.state.set_time_of_last_packet(self.bench.now());
    }
}

const CHANNEL: &str = "aeron:udp?endpoint=127.0.0.1:24325";
const RELEASE: TimeEvent = TimeEvent::ReleaseEndpoint(ReceiveEndpointId::new(0));

#[test]
fn rebuilding_moves_over_what_is_contiguous_and_reports_the_first_gap() {
    let mut world = World::new();
    world.subscribe(1, CHANNEL);
    world.arrive(&[0, 1024, 4096, 8192]);
    assert_eq!(world.rebuild(), 2048);
    let gap = Gap { term_id: INITIAL_TERM, offset: TermOffset::new(2048), length: 2048 };
    assert_eq!(world.gap(), Some(gap));
    world.arrive(&[2048, 3072]);
    assert_eq!(world.rebuild(), 5120);
    assert_eq!(world.gap().map(|gap| (gap.offset.get(), gap.length)), Some((5120, 3072)));
    world.arrive(&[5120, 6144, 7168]);
    assert_eq!((world.rebuild(), world.gap()), (9216, None));
}

#[test]
fn a_measured_round_trip_reaches_the_window_and_its_counter() {
    let mut world = World::new();
    let config = CubicConfig { tcp_mode: true, measure_rtt: true, ..CubicConfig::default() };
    let (kind, mtu) = (CongestionControlKind::Cubic, Mtu::new(1408).unwrap());
    world.image.congestion_control = CongestionControl::new(kind, WINDOW, mtu, &config, world.bench.now());
    let (rtt, window) = (world.bench.counter(0), world.bench.counter(0));
    world.image.counters.cubic = Some(CubicCounters { rtt: rtt.clone(), window: window.clone() });
    world.subscribe(1, CHANNEL);
    world.rebuild();
    assert_eq!((rtt.get(), window.get()), (0, 10 * 1408));
    world.image.state.set_round_trip(ms(20));
    world.rebuild();
    assert_eq!(rtt.get(), 20_000_000);
    assert_eq!(world.image.congestion_control.cubic().unwrap().rtt(), ms(20));
}

#[test]
fn nothing_is_tracked_without_subscribers_or_once_revoked() {
    let mut world = World::new();
    world.arrive(&[0, 4096]);
    assert_eq!((world.rebuild(), world.gap()), (0, None));
    world.subscribe(1, CHANNEL);
    world.image.state.set_end_of_stream(Position::ZERO, true);
    assert_eq!((world.rebuild(), world.gap()), (0, None));
}

#[test]
fn a_status_message_is_scheduled_when_the_slowest_has_consumed_more_than_a_quarter_of_the_window() {
    let mut world = World::new();
    let (slow, fast) = (world.subscribe(1, CHANNEL), world.subscribe(2, CHANNEL));
    fast.set(20_000);
    slow.set(i64::from(WINDOW / 4));
    world.rebuild();
    assert_eq!(world.status(), None);
    slow.set(i64::from(WINDOW / 4) + 32);
    world.rebuild();
    assert_eq!(world.status(), Some((i64::from(WINDOW / 4) + 32, WINDOW)));
    world.rebuild();
    assert_eq!(world.status(), None);
}

#[test]
fn subscribers_join_with_the_slowest_but_not_beyond_what_is_complete() {
    let mut world = World::new();
    let first = world.subscribe(1, CHANNEL);
    world.arrive(&[0, 1024, 2048]);
    world.rebuild();
    assert_eq!(world.subscribe(2, CHANNEL).get(), 0);
    first.set(3072);
    world.unsubscribe(2);
    assert_eq!(world.subscribe(3, CHANNEL).get(), 3072);
}

#[test]
fn a_stream_that_has_ended_drains_for_a_second_after_all_is_read_then_leaves_the_receiver() {
    let mut world = World::new();
    let reader = world.subscribe(1, CHANNEL);
    world.arrive(&[0, 2048]);
    world.rebuild();
    world.image.state.set_end_of_stream(Position::new(3072), false);
    assert_eq!(world.after(ms(0)).0, Phase::Active, "something is missing yet");
    world.arrive(&[1024]);
    world.rebuild();
    assert_eq!(world.after(ms(0)), (Phase::Draining, TimeEvent::Nothing));
    assert!(world.image.state.is_sending_eos());
    assert_eq!(world.after(ms(5000)).0, Phase::Draining, "not all is read");
    assert!(world.image.accepts_subscribers());
    reader.set(3072);
    assert_eq!(
        (world.after(ms(0)), world.bench.events()),
        ((Phase::Linger, RELEASE), vec![UNAVAILABLE_IMAGE])
    );
    let receiver = &world.bench.to_receiver;
    assert!(matches!(receiver.take(), Some(ReceiverCommand::RemoveImage(..))));
    assert!(matches!(receiver.take(), Some(ReceiverCommand::AllowRejoin(_, _, SESSION))));
    assert_eq!(world.after(LIVENESS).0, Phase::Linger);
    assert_eq!(world.after(Duration::from_nanos(1)).0, Phase::Done);
    assert!(!world.image.is_finished());
    world.image.on_receiver_released();
    assert!(world.image.is_finished());
    world.image.close(&mut world.bench.services);
    assert!(matches!(
        world.bench.to_resources.take(),
        Some(crate::commands::ResourceCommand::FreeLog { .. })
    ));
}

#[test]
fn five_status_message_intervals_pass_before_a_drained_image_goes() {
    let mut world = World::new();
    world.subscribe(1, CHANNEL);
    world.unsubscribe(1);
    assert_eq!(world.after(ms(0)).0, Phase::Draining, "nobody reads");
    assert_eq!(world.after(ms(1000)).0, Phase::Draining);
    assert_eq!(world.after(Duration::from_nanos(1)).0, Phase::Linger);
    assert_eq!(world.bench.events(), []);
    assert_eq!(world.after(ms(0)).0, Phase::Done, "nobody has it mapped");
}

#[test]
fn an_image_times_out_when_its_source_is_silent() {
    let mut world = World::new();
    world.subscribe(1, CHANNEL);
    assert_eq!(world.after(LIVENESS).0, Phase::Active);
    world.hear();
    assert_eq!(world.after(LIVENESS).0, Phase::Active);
    assert_eq!(world.after(Duration::from_nanos(1)).0, Phase::Draining);
}

#[test]
fn a_session_that_must_not_rejoin_is_left_to_cool_down() {
    let mut world = World::new();
    world.subscribe(1, "aeron:udp?endpoint=127.0.0.1:24325|rejoin=false");
    world.after(LIVENESS * 2);
    assert_eq!(world.after(ms(1001)).0, Phase::Linger);
    assert!(matches!(world.bench.to_receiver.take(), Some(ReceiverCommand::RemoveImage(..))));
    assert!(world.bench.to_receiver.take().is_none());
}

#[test]
fn a_revoked_image_goes_at_once_whatever_is_unread() {
    let mut world = World::new();
    world.subscribe(1, CHANNEL);
    world.arrive(&[0]);
    world.rebuild();
    world.image.state.set_end_of_stream(Position::new(1024), true);
    assert_eq!(world.after(ms(0)).0, Phase::Draining);
    assert_eq!(world.after(ms(0)), (Phase::Linger, RELEASE));
    assert!(world.image.state.is_sending_eos() && world.image.state.take_status_message_request());
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
}

#[test]
fn an_untethered_subscriber_that_falls_behind_does_not_hold_the_window_or_the_end() {
    let mut world = World::new();
    let fast = world.subscribe(1, CHANNEL);
    world.subscribe(2, "aeron:udp?endpoint=127.0.0.1:24325|tether=false");
    fast.set(i64::from(WINDOW));
    world.after(ms(5001));
    assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE]);
    world.hear();
    world.rebuild();
    assert_eq!(world.status(), None, "it counts while it lingers");
    world.after(ms(5001));
    world.rebuild();
    assert_eq!(world.status(), Some((i64::from(WINDOW), WINDOW)));
}

/// UNT-06
#[test]
fn an_image_that_drains_closes_who_lingers_or_rests_and_does_not_wait_for_them() {
    for rests in [false, true] {
        let mut world = World::new();
        let fast = world.subscribe(1, CHANNEL);
        world.subscribe(2, "aeron:udp?endpoint=127.0.0.1:24325|tether=false");
        let end = i64::from(WINDOW);
        fast.set(end);
        world.arrive(&(0..end).step_by(1024).collect::<Vec<_>>());
        world.rebuild();
        world.after(ms(5001));
        assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE], "it lingers");
        if rests {
            world.hear();
            world.after(ms(5001));
        }
        world.hear();
        world.image.state.set_end_of_stream(Position::new(end), false);
        assert_eq!(world.after(ms(0)).0, Phase::Draining);
        let mut waited = 0;
        while world.image.phase() == Phase::Draining {
            assert!(waited < 6, "rests: {rests}");
            world.hear();
            world.after(ms(1000));
            waited += 1;
        }
        assert_eq!(world.image.phase(), Phase::Linger);
        // As Aeron C does, it tells all that it is linked to, also who knows already.
        assert_eq!(world.bench.events(), [UNAVAILABLE_IMAGE; 2], "and nobody came back");
    }
}

#[test]
fn loss_is_entered_into_the_report_once() {
    let mut world = World::new();
    world.subscribe(1, CHANNEL);
    world.arrive(&[1024]);
    world.rebuild();
    world.rebuild();
    let entries: Vec<_> = loss_report::entries(world.bench.loss_report.clone()).collect();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].observation_count, entries[0].total_bytes_lost), (1, 1024));
    assert_eq!((&*entries[0].channel, &*entries[0].source), (CHANNEL, "127.0.0.1:1"));
}

#[test]
fn absurd_positions_of_a_subscriber_stop_nothing() {
    for position in [i64::MIN, -1, 17, i64::MAX - 5, i64::MAX] {
        let mut world = World::new();
        let broken = world.subscribe(1, CHANNEL);
        world.arrive(&[0, 4096]);
        broken.set(position);
        for _ in 0..3 {
            world.rebuild();
            world.after(ms(500));
        }
    }
}

#[test]
fn an_image_that_nobody_reads_does_not_settle_as_what_arrives_is_not_looked_at() {
    let mut world = World::new();
    world.rebuild();
    assert!(!world.image.is_settled());
    let read = world.subscribe(1, CHANNEL);
    world.arrive(&[0]);
    world.rebuild();
    assert!(!world.image.is_settled(), "it has just arrived");
    world.rebuild();
    assert!(!world.image.is_settled(), "it is not read");
    read.set(1024);
    world.rebuild();
    assert!(world.image.is_settled());
    world.unsubscribe(1);
    assert!(!world.image.is_settled());
}

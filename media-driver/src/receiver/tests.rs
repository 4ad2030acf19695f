//! The receiver, one turn at a time: what it makes of datagrams, and what it sends back.

mod destinations;
mod response;

use std::{net::SocketAddr, sync::Arc};

use epona_protocol::{
    counters::AtomicCounter,
    frame::{
        DataFlags, DataHeader, ErrorFrame, Nak, Rttm, RttmFlags, Setup, SetupFlags, StatusMessage,
        StatusMessageFlags, rttm,
    },
    types::{Position, ReceiverId, RegistrationId, SessionId, StreamId, TermId, TermOffset},
};

use super::{
    destination::ReceiveDestination,
    dispatcher::Dispatcher,
    image::ReceiverImageParams,
    origin::{DestinationIndex, Origin},
    *,
};
use crate::{
    commands::ImageRequest,
    congestion_control::RoundTripTimer,
    image::{
        shared::{ImageIdentity, ImageState},
        status_message_schedule::ScheduledStatus,
    },
    loss::Gap,
    media::{PollerConfig, ReceiveBuffers},
    proxy::queue,
    testing::{INITIAL_TERM, SESSION, STREAM, TERM, Wire, channel, image_log, ms, to_conductor},
};

const RECEIVER: ReceiverId = ReceiverId::new(77);
const WINDOW: i32 = 32 * 1024;
const ENDPOINT: ReceiveEndpointId = ReceiveEndpointId::new(0);

fn source() -> SocketAddr {
    ([10, 0, 0, 9], 5000).into()
}

/// A receiver with one endpoint on which one stream is subscribed to.
struct World {
    receiver: Receiver,
    commands: Proxy<ReceiverCommand>,
    reports: Inbox<ConductorCommand>,
    system: SystemCounters,
    wire: Wire,
    now: Nanos,
    images: i64,
    /// What images measure round trips with.
    round_trips: Option<RoundTripTimer>,
}

impl World {
    fn new() -> Self {
        let system = SystemCounters::detached();
        let (mut commands, inbox) = queue(system.receiver_proxy_fails.clone());
        let (conductor, reports) = to_conductor(&system);
        let poller = ReceiverPoller::new(PollerConfig::default(), ReceiveBuffers::new(4, 65_536)).unwrap();
        let config = ReceiverConfig {
            poll_to_slow_work_ratio: 10,
            status_message_timeout: ms(200),
            re_resolution_check_interval: ms(1000),
        };
        let receiver =
            Receiver::new(inbox, conductor, system.clone(), StallTracker::detached(), config, poller);
        let (wire, now) = (Wire::default(), Nanos::new(1_000_000_000));
        let destination = ReceiveDestination::new(
            DestinationIndex::new(0),
            channel("aeron:udp?endpoint=127.0.0.1:24325"),
            wire.transport(),
            now,
        );
        commands.send(ReceiverCommand::AddEndpoint(Box::new(ReceiveEndpoint::new(
            ENDPOINT,
            RegistrationId::new(1),
            RECEIVER,
            None,
            Some(destination),
            Dispatcher::new(10, 42),
        ))));
        commands.send(ReceiverCommand::AddInterest(ENDPOINT, STREAM, None));
        let mut world = Self { receiver, commands, reports, system, wire, now, images: 0, round_trips: None };
        world.turn();
        world
    }

    fn turn(&mut self) {
        self.receiver.do_work(Now { nanos: self.now, ..Now::default() });
    }

    /// Lets time pass, then takes a turn; the datagrams sent in it.
    fn after(&mut self, wait: Duration) -> Vec<Vec<u8>> {
        self.now = self.now + wait;
        self.turn();
        self.wire.take()
    }

    /// A datagram arrives; what is sent because of it.
    fn hear(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.wire.deliver(source(), bytes);
        while self.wire.has_incoming() {
            self.turn();
        }
        self.after(ms(0))
    }

    fn command(&mut self, command: ReceiverCommand) -> Vec<Vec<u8>> {
        self.commands.send(command);
        self.after(ms(0))
    }

    fn requests(&mut self) -> Vec<ImageRequest> {
        let mut requests = Vec::new();
        while let Some(report) = self.reports.take() {
            if let ConductorCommand::CreateImage(request) = report {
                requests.push(*request);
            }
        }
        requests
    }

    /// An image as the conductor makes it, and what the receiver sends at once.
    fn add_image(&mut self, join: i64, is_reliable: bool) -> (Arc<ImageState>, Vec<Vec<u8>>) {
        self.images += 1;
        let hwm = AtomicCounter::detached();
        hwm.set(join);
        let state = Arc::new(ImageState::new(
            ImageIdentity {
                correlation_id: CorrelationId::new(self.images),
                endpoint: ENDPOINT,
                session_id: SESSION,
                stream_id: STREAM,
                join_position: Position::new(join),
                is_reliable,
            },
            image_log(),
            hwm,
            AtomicCounter::detached(),
            WINDOW,
            self.now,
        ));
        let params = ReceiverImageParams {
            max_window: WINDOW,
            status_message_timeout: ms(200),
            liveness_timeout: ms(10_000),
            round_trips: self.round_trips,
        };
        let origin = Origin { destination: DestinationIndex::new(0), control_address: source() };
        let image = ReceiverImage::new(Arc::clone(&state), params, origin, self.now);
        let sent = self.command(ReceiverCommand::AddImage(Box::new(image)));
        (state, sent)
    }

    fn with_image() -> (Self, Arc<ImageState>) {
        let mut world = Self::new();
        let (state, _) = world.add_image(0, true);
        (world, state)
    }

    fn invalid(&self) -> i64 {
        self.system.invalid_packets.get()
    }
}

fn data(position: i64, length: i32) -> Vec<u8> {
    let mut bytes = vec![0xAB; epona_protocol::types::align_frame(length) as usize];
    DataHeader {
        frame_length: length,
        flags: DataFlags::UNFRAGMENTED,
        is_padding: false,
        term_offset: TermOffset::new((position % TERM) as i32),
        session_id: SESSION,
        stream_id: STREAM,
        term_id: INITIAL_TERM.wrapping_add((position / TERM) as i32),
        reserved_value: 0,
    }
    .emit(&mut bytes);
    bytes
}

fn heartbeat(position: i64, flags: DataFlags) -> Vec<u8> {
    let mut bytes = data(position, 32);
    let mut header = DataHeader::parse(&bytes).unwrap();
    (header.frame_length, header.flags) = (0, flags);
    header.emit(&mut bytes);
    bytes
}

fn setup(change: impl FnOnce(&mut Setup)) -> Vec<u8> {
    let mut setup = Setup {
        flags: SetupFlags::NONE,
        term_offset: TermOffset::ZERO,
        session_id: SESSION,
        stream_id: STREAM,
        initial_term_id: INITIAL_TERM,
        active_term_id: INITIAL_TERM,
        term_length: TERM as i32,
        mtu: 1408,
        ttl: 0,
    };
    change(&mut setup);
    let mut bytes = vec![0; epona_protocol::frame::setup::LENGTH];
    setup.emit(&mut bytes);
    bytes
}

fn status_messages(sent: &[Vec<u8>]) -> Vec<StatusMessage> {
    sent.iter().map(|bytes| StatusMessage::parse(bytes).unwrap()).collect()
}

/// Position and flags of status messages.
fn positions(sent: &[Vec<u8>]) -> Vec<(i64, StatusMessageFlags)> {
    let terms = |id: TermId| i64::from(id.terms_since(INITIAL_TERM)) * TERM;
    let position =
        |sm: &StatusMessage| terms(sm.consumption_term_id) + i64::from(sm.consumption_term_offset.get());
    status_messages(sent).iter().map(|sm| (position(sm), sm.flags)).collect()
}

const NOTHING: Vec<Vec<u8>> = Vec::new();

#[test]
fn data_of_an_unknown_session_elicits_a_setup_once_a_second_from_its_source() {
    let mut world = World::new();
    world.wire.deliver(source(), &data(0, 64));
    world.turn();
    let runs = world.wire.take_runs();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].destination, Some(source()));
    assert_eq!(
        StatusMessage::parse(&runs[0].bytes).unwrap(),
        StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None)
    );
    assert_eq!(world.hear(&data(64, 64)), NOTHING);
    world.after(ms(1000));
    assert_eq!(world.hear(&data(64, 64)), NOTHING, "it may still come");
    world.after(ms(1));
    assert_eq!(world.hear(&data(64, 64)).len(), 1, "the request has expired");
    assert_eq!(world.requests().len(), 0);
}

#[test]
fn nothing_is_elicited_for_other_streams_or_by_the_end_of_a_stream() {
    let mut world = World::new();
    let mut other = data(0, 64);
    let header = DataHeader { stream_id: StreamId::new(5), ..DataHeader::parse(&other).unwrap() };
    header.emit(&mut other);
    assert_eq!(world.hear(&other), NOTHING);
    assert_eq!(world.hear(&heartbeat(0, DataFlags::HEARTBEAT_EOS)), NOTHING);
    assert_eq!(world.hear(&heartbeat(0, DataFlags::UNFRAGMENTED)).len(), 1, "a heartbeat elicits");
    assert_eq!(world.invalid(), 0);
}

#[test]
fn a_setup_asks_for_one_image_until_that_has_failed() {
    let mut world = World::new();
    world.hear(&setup(|_| {}));
    world.hear(&setup(|_| {}));
    world.hear(&data(0, 64));
    let requests = world.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].source, requests[0].setup.session_id), (source(), SESSION));
    world.command(ReceiverCommand::ImageCreationFailed(ENDPOINT, STREAM, SESSION));
    world.hear(&setup(|_| {}));
    assert_eq!(world.requests().len(), 1);
}

#[test]
fn impossible_setups_are_invalid_and_ask_for_nothing() {
    let mut world = World::new();
    let changes: [fn(&mut Setup); 11] = [
        |s| s.term_length = 65_536 - 32,
        |s| s.term_length = -65_536,
        |s| s.term_length = 3 << 16,
        |s| s.term_offset = TermOffset::new(-32),
        |s| s.term_offset = TermOffset::new(TERM as i32),
        |s| s.term_offset = TermOffset::new(8),
        |s| s.mtu = 0,
        |s| s.mtu = 1400,
        |s| s.mtu = 65_536,
        |s| s.mtu = i32::MIN,
        |s| s.active_term_id = s.initial_term_id.wrapping_add(-1),
    ];
    for (count, change) in (1..).zip(changes) {
        world.hear(&setup(change));
        assert_eq!((world.requests().len(), world.invalid()), (0, count));
    }
    world.hear(&setup(|s| s.term_length = 1 << 30));
    assert_eq!((world.requests().len(), world.invalid()), (1, 11));
}

#[test]
fn a_new_image_tells_its_join_position_and_window_at_once_and_repeats_it_every_200_ms() {
    let mut world = World::new();
    let (_, first) = world.add_image(4096, true);
    let sm = &status_messages(&first)[0];
    assert_eq!((sm.receiver_window, sm.receiver_id, sm.group_tag), (WINDOW, RECEIVER, None));
    assert_eq!(positions(&first), [(4096, StatusMessageFlags::NONE)]);
    for _ in 0..3 {
        assert_eq!(world.after(ms(200)), NOTHING);
        assert_eq!(world.after(Duration::from_nanos(1)), first);
    }
    assert_eq!(world.system.status_messages_sent.get(), 4);
}

#[test]
fn a_scheduled_status_message_goes_out_once_and_the_latest_wins() {
    let (mut world, state) = World::with_image();
    world.after(ms(150));
    let status = |position| ScheduledStatus { position: Position::new(position), window: WINDOW };
    state.schedule_status_message(status(8224));
    state.schedule_status_message(status(TERM + 64));
    assert_eq!(positions(&world.after(ms(0))), [(TERM + 64, StatusMessageFlags::NONE)]);
    assert_eq!(world.after(ms(200)), NOTHING, "the timeout counts from the last one");
    assert_eq!(positions(&world.after(ms(1))), [(TERM + 64, StatusMessageFlags::NONE)]);
}

#[test]
fn a_draining_image_says_in_every_status_message_that_it_has_finished() {
    let (mut world, state) = World::with_image();
    state.set_sending_eos();
    let sent: Vec<_> = (0..5).flat_map(|_| world.after(ms(201))).collect();
    assert_eq!(positions(&sent), [(0, StatusMessageFlags::END_OF_STREAM); 5]);
}

#[test]
fn status_messages_stop_when_the_source_has_been_silent_for_5_s() {
    let (mut world, _) = World::with_image();
    assert_eq!(world.after(ms(4999)).len(), 1);
    assert_eq!(world.after(ms(201)), NOTHING);
    world.hear(&heartbeat(0, DataFlags::UNFRAGMENTED));
    assert_eq!(world.after(ms(201)).len(), 1);
}

#[test]
fn data_is_stored_as_it_came_and_raises_the_high_water_mark_also_out_of_order() {
    let (mut world, state) = World::with_image();
    let (first, second) = (data(0, 100), data(128, 64));
    world.hear(&second);
    assert_eq!(state.high_water_mark.get(), 192);
    world.hear(&first);
    assert_eq!(state.high_water_mark.get(), 192);
    assert_eq!(state.log.term(0).to_vec(0, 192), [first, second].concat());
    world.hear(&data(128, 128));
    assert_eq!(state.log.term(0).get_i32(128), 64, "what is there stays");
    assert_eq!(world.system.bytes_received.get(), 128 + 64 + 128);
}

#[test]
fn data_beyond_half_a_term_ahead_is_an_over_run_and_behind_the_consumption_an_under_run() {
    let mut world = World::new();
    let (state, _) = world.add_image(TERM, true);
    world.hear(&data(TERM + TERM / 2 - 64, 64));
    assert_eq!(world.system.flow_control_over_runs.get(), 0);
    world.hear(&data(TERM + TERM / 2 - 32, 64));
    world.hear(&heartbeat(TERM + TERM / 2 + 32, DataFlags::UNFRAGMENTED));
    assert_eq!(
        (world.system.flow_control_over_runs.get(), state.high_water_mark.get()),
        (2, TERM + TERM / 2)
    );
    world.hear(&data(TERM - 64, 64));
    world.hear(&heartbeat(0, DataFlags::UNFRAGMENTED));
    assert_eq!((world.system.flow_control_under_runs.get(), world.system.heartbeats_received.get()), (1, 1));
    state.schedule_status_message(ScheduledStatus { position: Position::new(TERM + 64), window: WINDOW });
    world.after(ms(0));
    world.hear(&heartbeat(32, DataFlags::UNFRAGMENTED));
    assert_eq!(world.system.flow_control_under_runs.get(), 2, "more than a term behind");
    assert_eq!(world.invalid(), 0);
}

#[test]
fn what_is_behind_the_consumption_does_not_keep_an_image_alive() {
    let mut world = World::new();
    let (state, _) = world.add_image(TERM, true);
    let joined = state.time_of_last_packet();
    world.after(ms(100));
    world.hear(&data(TERM - 64, 64));
    world.hear(&setup(|_| {}));
    assert_eq!(state.time_of_last_packet(), joined);
    world.hear(&heartbeat(TERM, DataFlags::UNFRAGMENTED));
    assert_eq!(state.time_of_last_packet(), world.now);
}

#[test]
fn a_heartbeat_ahead_of_the_data_raises_the_high_water_mark() {
    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(640, DataFlags::UNFRAGMENTED));
    assert_eq!((state.high_water_mark.get(), world.system.heartbeats_received.get()), (640, 1));
    assert_eq!(state.log.term(0).get_i32(0), 0);
}

#[test]
fn the_end_of_a_stream_is_told_to_conductor_and_clients_and_revoking_counts() {
    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_EOS));
    assert!(state.is_end_of_stream() && !state.is_revoked());
    assert_eq!(state.log.metadata().end_of_stream_position(), Position::new(640));
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_REVOKED));
    assert!(!state.is_revoked(), "a stream that has ended cannot be revoked any more");

    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_REVOKED));
    world.hear(&heartbeat(640, DataFlags::HEARTBEAT_REVOKED));
    assert!(state.is_end_of_stream() && state.is_revoked() && state.log.metadata().is_revoked());
    assert_eq!(world.system.publication_images_revoked.get(), 1);
}

#[test]
fn a_revoked_image_tells_its_source_before_it_goes() {
    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(0, DataFlags::HEARTBEAT_REVOKED));
    state.set_sending_eos();
    state.request_status_message();
    let sent = world.command(ReceiverCommand::RemoveImage(ENDPOINT, state.correlation_id));
    assert_eq!(positions(&sent), [(0, StatusMessageFlags::END_OF_STREAM)]);
}

#[test]
fn a_reported_gap_is_naked_once() {
    let (mut world, state) = World::with_image();
    let gap = Gap { term_id: INITIAL_TERM.next(), offset: TermOffset::new(64), length: 8192 };
    state.report_gap(gap);
    let sent = world.after(ms(0));
    assert_eq!(sent.iter().map(|b| Nak::parse(b).unwrap().into()).collect::<Vec<Gap>>(), [gap]);
    assert_eq!(world.after(ms(1)), NOTHING);
    state.report_gap(gap);
    assert_eq!(world.after(ms(0)).len(), 1, "reported again, asked for again");
    assert_eq!((world.system.naks_sent.get(), state.naks_sent.get()), (2, 2));
    state.set_end_of_stream(Position::ZERO, true);
    state.report_gap(gap);
    assert_eq!(world.after(ms(0)), NOTHING, "nothing is asked of a revoked stream");
}

#[test]
fn a_gap_of_an_unreliable_stream_is_filled_with_padding() {
    let mut world = World::new();
    let (state, _) = world.add_image(0, false);
    world.hear(&data(640, 64));
    state.report_gap(Gap { term_id: INITIAL_TERM, offset: TermOffset::ZERO, length: 640 });
    assert_eq!(world.after(ms(0)), NOTHING);
    let padding = DataHeader::parse(&state.log.term(0).to_vec(0, 32)).unwrap();
    assert_eq!((padding.is_padding, padding.frame_length), (true, 640));
    assert_eq!((world.system.loss_gap_fills.get(), world.system.naks_sent.get()), (1, 0));
    world.hear(&data(0, 64));
    assert_eq!(state.log.term(0).get_i32(0), 640, "late data is ignored");
}

#[test]
fn a_rejected_image_sends_errors_instead_of_status_messages_and_ignores_its_stream() {
    let (mut world, state) = World::with_image();
    world.command(ReceiverCommand::RejectImage(ENDPOINT, state.correlation_id, "too much".into()));
    for _ in 0..3 {
        let sent = world.after(ms(201));
        assert_eq!(sent.len(), 1);
        let error = ErrorFrame::parse(&sent[0]).unwrap();
        assert_eq!((error.text, error.error_code, error.receiver_id), (&b"too much"[..], 13, RECEIVER));
    }
    let alive = state.time_of_last_packet();
    world.hear(&data(0, 64));
    world.hear(&heartbeat(64, DataFlags::HEARTBEAT_EOS));
    assert_eq!((state.time_of_last_packet(), state.high_water_mark.get()), (alive, 0));
    assert!(!state.is_end_of_stream());
    assert!(world.system.error_frames_sent.get() >= 3);
}

#[test]
fn a_removed_image_cools_down_until_it_may_rejoin_unless_its_stream_had_ended() {
    let (mut world, state) = World::with_image();
    world.command(ReceiverCommand::RemoveImage(ENDPOINT, state.correlation_id));
    assert!(matches!(world.reports.take(), Some(ConductorCommand::ImageReleased(_))));
    assert_eq!(world.hear(&data(0, 64)), NOTHING);
    world.hear(&setup(|_| {}));
    assert_eq!(world.requests().len(), 0);
    world.command(ReceiverCommand::AllowRejoin(ENDPOINT, STREAM, SESSION));
    assert_eq!(world.hear(&data(0, 64)).len(), 1);

    let (mut world, state) = World::with_image();
    world.hear(&heartbeat(0, DataFlags::HEARTBEAT_EOS));
    world.command(ReceiverCommand::RemoveImage(ENDPOINT, state.correlation_id));
    assert_eq!(world.hear(&data(0, 64)).len(), 1, "it may start again at once");
}

#[test]
fn an_image_that_was_replaced_is_silent_about_its_end() {
    let (mut world, older) = World::with_image();
    world.command(ReceiverCommand::RemoveInterest(ENDPOINT, STREAM, None));
    world.command(ReceiverCommand::AddInterest(ENDPOINT, STREAM, None));
    world.hear(&setup(|_| {}));
    assert_eq!(world.requests().len(), 1);
    older.set_sending_eos();
    let (_, first) = world.add_image(64, true);
    assert_eq!(positions(&first), [(64, StatusMessageFlags::NONE)]);
    assert_eq!(positions(&world.after(ms(201))), [(64, StatusMessageFlags::NONE)]);
}

#[test]
fn round_trip_requests_for_this_receiver_or_all_are_answered() {
    let (mut world, _) = World::with_image();
    for (receiver_id, flags, answers) in [
        (RECEIVER, RttmFlags::REPLY, 1),
        (ReceiverId::new(0), RttmFlags::REPLY, 1),
        (ReceiverId::new(5), RttmFlags::REPLY, 0),
        (RECEIVER, RttmFlags::NONE, 0),
    ] {
        let request = Rttm {
            flags,
            session_id: SESSION,
            stream_id: STREAM,
            echo_timestamp: 5,
            reception_delta: 9,
            receiver_id,
        };
        let sent = world.hear(&rttm_bytes(request));
        assert_eq!(sent.len(), answers, "{request:?}");
        for answer in sent {
            let expected =
                Rttm { flags: RttmFlags::NONE, reception_delta: 0, receiver_id: RECEIVER, ..request };
            assert_eq!(Rttm::parse(&answer).unwrap(), expected);
        }
    }
}

fn rttm_bytes(rttm: Rttm) -> Vec<u8> {
    let mut bytes = vec![0; rttm::LENGTH];
    rttm.emit(&mut bytes);
    bytes
}

/// Requests for a round trip among what was sent.
fn rttm_requests(sent: &[Vec<u8>]) -> Vec<Rttm> {
    sent.iter().filter_map(|bytes| Rttm::parse(bytes).ok()).collect()
}

#[test]
fn round_trips_are_measured_when_congestion_control_wants_them() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    let (state, sent) = world.add_image(0, true);
    let request = Rttm {
        flags: RttmFlags::REPLY,
        session_id: SESSION,
        stream_id: STREAM,
        echo_timestamp: world.now.get(),
        reception_delta: 0,
        receiver_id: RECEIVER,
    };
    assert_eq!((rttm_requests(&sent), state.round_trip()), (vec![request], None), "at once");
    assert_eq!(rttm_requests(&world.after(ms(40))), [], "four round trips later at the earliest");
    assert_eq!(rttm_requests(&world.after(ms(1))).len(), 1);
    world.after(ms(9));
    let answer = request.reply(2_000_000);
    world.hear(&rttm_bytes(answer));
    assert_eq!(
        state.round_trip(),
        Some(ms(48)),
        "from the request that it answers, less what the sender took"
    );
    assert_eq!(rttm_requests(&world.after(ms(4 * 48))), []);
    assert_eq!(rttm_requests(&world.after(ms(1))).len(), 1);
}

#[test]
fn answers_for_others_or_that_make_no_sense_measure_nothing() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    let (state, _) = world.add_image(0, true);
    let answer = Rttm {
        flags: RttmFlags::NONE,
        session_id: SESSION,
        stream_id: STREAM,
        echo_timestamp: world.now.get() - 1,
        reception_delta: 0,
        receiver_id: RECEIVER,
    };
    let future = world.now.get() + 1_000_000_000;
    for (answer, invalid) in [
        (Rttm { receiver_id: ReceiverId::new(5), ..answer }, 0),
        (Rttm { session_id: SessionId::new(99), ..answer }, 0),
        (Rttm { echo_timestamp: future, ..answer }, 1),
        (Rttm { reception_delta: 1_000_000, ..answer }, 2),
    ] {
        world.hear(&rttm_bytes(answer));
        assert_eq!((state.round_trip(), world.invalid()), (None, invalid), "{answer:?}");
    }
    world.hear(&rttm_bytes(Rttm { receiver_id: ReceiverId::new(0), ..answer }));
    assert_eq!(state.round_trip(), Some(Duration::from_nanos(1)));
}

#[test]
fn round_trips_are_not_measured_of_a_source_that_is_gone() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    world.add_image(0, true);
    assert_eq!(rttm_requests(&world.after(ms(4999))).len(), 1);
    assert_eq!(rttm_requests(&world.after(ms(5001))), []);
}

#[test]
fn a_refused_control_frame_is_an_error_and_not_a_short_send() {
    let (mut world, _) = World::with_image();
    world.wire.refuse(true);
    world.after(ms(201));
    assert!(matches!(world.reports.take(), Some(ConductorCommand::Error(_))));
    assert_eq!(world.system.short_sends.get(), 0);
    world.wire.refuse(false);
    world.wire.accept_only(Some(0));
    world.after(ms(201));
    assert!(world.reports.take().is_none());
    assert_eq!(world.system.short_sends.get(), 1);
}

#[test]
fn a_flood_of_made_up_sessions_is_bounded_and_reported_once_a_second() {
    let mut world = World::new();
    let mut packet = data(0, 64);
    let mut elicited = 0;
    for session in 0..20_000 {
        let header =
            DataHeader { session_id: SessionId::new(session), ..DataHeader::parse(&packet).unwrap() };
        header.emit(&mut packet);
        elicited += world.hear(&packet).len();
    }
    assert_eq!((elicited, world.invalid()), (8192, 0));
    let errors = std::iter::from_fn(|| world.reports.take()).count();
    assert_eq!(errors, 1);
    world.after(ms(1001));
    let header = DataHeader { session_id: SESSION, ..DataHeader::parse(&packet).unwrap() };
    header.emit(&mut packet);
    assert_eq!(world.hear(&packet).len(), 1, "the flood is over");
}

#[test]
fn a_flood_of_made_up_sessions_with_setups_of_their_own_is_bounded_too() {
    let mut world = World::new();
    let mut packet = data(0, 64);
    let mut elicited = 0;
    for session in (0..20_000).map(SessionId::new) {
        DataHeader { session_id: session, ..DataHeader::parse(&packet).unwrap() }.emit(&mut packet);
        elicited += world.hear(&packet).len();
        world.hear(&setup(|setup| setup.session_id = session));
        // The conductor makes none of these images.
        for request in world.requests() {
            let session = request.setup.session_id;
            world.command(ReceiverCommand::ImageCreationFailed(ENDPOINT, STREAM, session));
        }
    }
    assert_eq!((elicited, world.invalid()), (16 * 1024, 0));
    world.after(ms(1001));
    assert_eq!(world.hear(&data(0, 64)).len(), 1, "the flood is over");
}

#[test]
fn sessions_beyond_the_limit_of_a_stream_are_reported_once_a_second() {
    let mut world = World::new();
    for session in 0..1000 {
        world.hear(&setup(|setup| setup.session_id = SessionId::new(session)));
    }
    let mut reports = (0, 0);
    while let Some(report) = world.reports.take() {
        match report {
            ConductorCommand::CreateImage(_) => reports.0 += 1,
            ConductorCommand::Error(_) => reports.1 += 1,
            _ => {}
        }
    }
    assert_eq!(reports, (10, 1), "images as many as the limit, and one word about the others");
    world.after(ms(1000));
    world.hear(&setup(|setup| setup.session_id = SessionId::new(5000)));
    assert!(matches!(world.reports.take(), Some(ConductorCommand::Error(_))));
    assert_eq!(world.invalid(), 0);
}

/// Ten turns each of which brings data; what was sent meanwhile.
fn ten_busy_turns(world: &mut World) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    for _ in 0..10 {
        world.wire.deliver(source(), &data(64, 64));
        world.turn();
        sent.extend(world.wire.take());
    }
    sent
}

#[test]
fn slow_work_is_done_at_the_tenth_busy_turn_at_the_latest() {
    let mut world = World::new();
    world.round_trips = Some(RoundTripTimer::new(ms(10)));
    let (state, _) = world.add_image(0, true);
    world.after(ms(0));

    state.report_gap(Gap { term_id: INITIAL_TERM, offset: TermOffset::ZERO, length: 64 });
    assert_eq!(ten_busy_turns(&mut world).iter().filter(|bytes| Nak::parse(bytes).is_ok()).count(), 1, "NAK");

    state.schedule_status_message(ScheduledStatus { position: Position::new(64), window: WINDOW });
    let sent = ten_busy_turns(&mut world);
    assert_eq!(sent.iter().filter(|bytes| StatusMessage::parse(bytes).is_ok()).count(), 1, "status message");

    world.now = world.now + ms(41);
    assert_eq!(rttm_requests(&ten_busy_turns(&mut world)).len(), 1, "round-trip request");

    let (other, unknown) = (StreamId::new(5), |session| {
        let mut bytes = data(0, 64);
        let header = DataHeader::parse(&bytes).unwrap();
        DataHeader { stream_id: StreamId::new(5), session_id: SessionId::new(session), ..header }
            .emit(&mut bytes);
        bytes
    });
    world.commands.send(ReceiverCommand::AddInterest(ENDPOINT, other, None));
    ten_busy_turns(&mut world);
    world.wire.deliver(source(), &unknown(1));
    assert_eq!(ten_busy_turns(&mut world).len(), 1, "the command was taken: a setup is asked for");
    world.wire.deliver(source(), &unknown(1));
    assert_eq!(ten_busy_turns(&mut world), NOTHING, "it may still come");

    // The image falls silent too, so that nothing else is sent.
    state.set_end_of_stream(Position::new(128), true);
    world.now = world.now + ms(1001);
    ten_busy_turns(&mut world);
    world.wire.deliver(source(), &unknown(1));
    let sent = ten_busy_turns(&mut world);
    let asks = |bytes: &&Vec<u8>| {
        StatusMessage::parse(bytes).is_ok_and(|sm| sm.flags == StatusMessageFlags::SEND_SETUP)
    };
    assert_eq!(sent.iter().filter(asks).count(), 1, "the request has expired");
}

#[test]
fn random_datagrams_never_stop_the_receiver_and_harm_no_stream() {
    let (mut world, state) = World::with_image();
    let mut random = fastrand::Rng::with_seed(11);
    let pad = {
        let mut bytes = data(0, 32);
        let header =
            DataHeader { is_padding: true, frame_length: 4096, ..DataHeader::parse(&bytes).unwrap() };
        header.emit(&mut bytes);
        bytes
    };
    let templates = [data(0, 64), [data(0, 64), data(64, 64)].concat(), pad, setup(|_| {})];
    for _ in 0..20_000 {
        let mut frame = templates[random.usize(..templates.len())].clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..frame.len());
            // The identity stays, so that the frame gets as far as it can; its data stays out of the stream's way.
            if !(12..20).contains(&at) {
                frame[at] = [0, 0xFF, 0x80, random.u8(..)][random.usize(..4)];
            }
        }
        frame.truncate(random.usize(frame.len() / 2..=frame.len()));
        world.wire.deliver(source(), &frame);
        world.now = world.now + Duration::from_micros(1);
        world.turn();
        world.wire.take();
        while world.reports.take().is_some() {}
    }
    assert!(world.invalid() > 0);
    let position = state.join_position.get() + TERM / 2;
    assert!(state.high_water_mark.get() <= position, "nothing moves it past what may be received");
    state.schedule_status_message(ScheduledStatus { position: Position::new(position), window: WINDOW });
    world.after(ms(201));
    let packet = data(position, 64);
    world.hear(&packet);
    assert_eq!(state.log.term(0).to_vec(position as usize, 64), packet);
}

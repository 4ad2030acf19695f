//! The sender, one turn at a time: what it puts on the wire, and what it makes of what comes back.

use std::sync::Arc;

use epona_protocol::{
    counters::AtomicCounter,
    frame::{
        DataFlags, DataHeader, ErrorFrame, Nak, Rttm, RttmFlags, Setup, SetupFlags, StatusMessage,
        StatusMessageFlags, error, nak, rttm, status_message,
    },
    types::{GroupTag, Position, ReceiverId, TermId, TermOffset},
};

use super::{
    endpoint::Route,
    publication::{SenderCounters, SenderParams},
    retransmit_handler::{RetransmitConfig, RetransmitHandler},
    *,
};
use crate::{
    flow_control::{FlowControl, GroupOptions},
    proxy::queue,
    publication::shared::{NetworkPublicationIdentity, NetworkPublicationState},
    testing::{
        INITIAL_TERM, SESSION, STREAM, TERM, Wire, channel, ms, publication_log, publish, to_conductor,
    },
};

const RECEIVER: ReceiverId = ReceiverId::new(77);
const WINDOW: i32 = 32 * 1024;

/// How a test wants its publication.
struct Wish {
    start: i64,
    mtu: i64,
    messages_per_send: usize,
    flow_control: FlowControl,
    is_group: bool,
    ssc: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            start: 0,
            mtu: 1408,
            messages_per_send: 4,
            flow_control: FlowControl::max(16),
            is_group: false,
            ssc: false,
        }
    }
}

/// A sender with one publication on one endpoint.
struct World {
    sender: Sender,
    commands: Proxy<SenderCommand>,
    reports: Inbox<ConductorCommand>,
    state: Arc<NetworkPublicationState>,
    back_pressure: AtomicCounter,
    naks: AtomicCounter,
    system: SystemCounters,
    wire: Wire,
    now: Nanos,
}

impl World {
    fn new() -> Self {
        Self::with(Wish::default())
    }

    fn with(wish: Wish) -> Self {
        let system = SystemCounters::detached();
        let (commands, inbox) = queue(system.sender_proxy_fails.clone());
        let (conductor, reports) = to_conductor(&system);
        let config = SenderConfig { send_to_status_poll_ratio: 6, status_message_timeout: ms(200) };
        let sender = Sender::new(
            inbox,
            conductor,
            system.clone(),
            StallTracker::detached(),
            config,
            PollerConfig::default(),
            ReceiveBuffers::new(4, 2048),
        )
        .unwrap();
        let log = publication_log(wish.start, wish.mtu);
        let (position, limit) = (AtomicCounter::detached(), AtomicCounter::detached());
        position.set(wish.start);
        limit.set(wish.start);
        let identity = NetworkPublicationIdentity {
            registration_id: RegistrationId::new(1),
            session_id: SESSION,
            stream_id: STREAM,
            mtu: log.metadata().mtu().unwrap(),
            spies_simulate_connection: wish.ssc,
            signal_eos: true,
        };
        let state = Arc::new(NetworkPublicationState::new(identity, log, position, limit));
        let counters = SenderCounters {
            back_pressure_events: AtomicCounter::detached(),
            naks_received: AtomicCounter::detached(),
            receivers: None,
        };
        let mut world = Self {
            sender,
            commands,
            reports,
            state,
            back_pressure: counters.back_pressure_events.clone(),
            naks: counters.naks_received.clone(),
            system,
            wire: Wire::default(),
            now: Nanos::new(1_000_000_000),
        };
        world.add(wish, counters);
        world
    }

    fn add(&mut self, wish: Wish, counters: SenderCounters) {
        let id = SendEndpointId::new(0);
        let retransmits = RetransmitHandler::new(&RetransmitConfig {
            delay: ms(0),
            linger: ms(10),
            max_resends: wish.is_group.then_some(16),
        });
        let params = SenderParams {
            endpoint: id,
            max_messages_per_send: wish.messages_per_send,
            connection_timeout: ms(5000),
            has_group_semantics: wish.is_group,
            is_response: false,
            wants_response: false,
            ttl: 0,
        };
        let endpoint = SendEndpoint::new(
            id,
            channel("aeron:udp?endpoint=127.0.0.1:24325"),
            self.wire.transport(),
            Route::Connected,
            self.now,
        );
        let publication = SenderPublication::new(
            Arc::clone(&self.state),
            params,
            counters,
            wish.flow_control,
            retransmits,
            self.now,
        );
        self.commands.send(SenderCommand::AddEndpoint(Box::new(endpoint)));
        self.commands.send(SenderCommand::AddPublication(Box::new(publication)));
        self.turn();
    }

    fn turn(&mut self) {
        self.sender.do_work(Now { nanos: self.now, ..Now::default() });
    }

    /// Lets time pass, then takes a turn; the datagrams sent in it.
    fn after(&mut self, wait: Duration) -> Vec<Vec<u8>> {
        self.now = self.now + wait;
        self.turn();
        self.wire.take()
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.wire.deliver(([127, 0, 0, 1], 24_325).into(), bytes);
        // A turn that sends does not read.
        while self.wire.has_incoming() {
            self.turn();
        }
    }

    fn hear_status(&mut self, change: impl FnOnce(&mut StatusMessage)) {
        let mut sm = StatusMessage {
            flags: StatusMessageFlags::NONE,
            session_id: SESSION,
            stream_id: STREAM,
            consumption_term_id: INITIAL_TERM,
            consumption_term_offset: TermOffset::ZERO,
            receiver_window: WINDOW,
            receiver_id: RECEIVER,
            group_tag: None,
        };
        change(&mut sm);
        let mut bytes = [0; status_message::TAGGED_LENGTH];
        let length = sm.emit(&mut bytes);
        self.hear(&bytes[..length]);
    }

    fn hear_nak(&mut self, term_id: TermId, offset: i32, length: i32) {
        let nak = Nak {
            session_id: SESSION,
            stream_id: STREAM,
            term_id,
            term_offset: TermOffset::new(offset),
            length,
        };
        let mut bytes = [0; nak::LENGTH];
        nak.emit(&mut bytes);
        self.hear(&bytes);
    }

    /// A receiver has said that it is there, with this window from 0 on; what was sent so far is forgotten.
    fn connect(&mut self, window: i32) {
        self.hear_status(|sm| sm.receiver_window = window);
        self.after(ms(0));
    }

    fn position(&self) -> i64 {
        self.state.sender_position.get()
    }

    fn term_bytes(&self, offset: usize, length: usize) -> Vec<u8> {
        self.state.log.term(0).to_vec(offset, length)
    }
}

const NOTHING: Vec<Vec<u8>> = Vec::new();

fn setup(datagram: &[u8]) -> Setup {
    Setup::parse(datagram).unwrap()
}

fn heartbeat_flags(datagrams: &[Vec<u8>]) -> DataFlags {
    assert_eq!(datagrams.len(), 1, "one heartbeat, not {datagrams:?}");
    let header = DataHeader::parse(&datagrams[0]).unwrap();
    assert_eq!((datagrams[0].len(), header.frame_length), (32, 0));
    header.flags
}

#[test]
fn a_setup_goes_out_at_once_and_every_100_ms_until_a_receiver_answers_and_no_heartbeat_before() {
    let mut world = World::with(Wish { start: 4096, ..Wish::default() });
    let first = world.after(ms(0));
    assert_eq!(first.len(), 1);
    assert_eq!(
        setup(&first[0]),
        Setup {
            flags: SetupFlags::NONE,
            term_offset: TermOffset::new(4096),
            session_id: SESSION,
            stream_id: STREAM,
            initial_term_id: INITIAL_TERM,
            active_term_id: INITIAL_TERM,
            term_length: TERM as i32,
            mtu: 1408,
            ttl: 0,
        }
    );
    for _ in 0..5 {
        assert_eq!(world.after(ms(100)), NOTHING);
        assert_eq!(world.after(Duration::from_nanos(1)), first);
    }
    world.hear_status(|sm| sm.consumption_term_offset = TermOffset::new(4096));
    assert_eq!(
        heartbeat_flags(&world.after(ms(0))),
        DataFlags::UNFRAGMENTED,
        "the first heartbeat is due at once"
    );
    assert!(world.state.has_receivers() && world.state.log.metadata().is_connected());
    assert_eq!(world.system.heartbeats_sent.get(), 1);
}

#[test]
fn a_group_says_so_in_its_setups() {
    let mut world = World::with(Wish { is_group: true, ..Wish::default() });
    assert_eq!(setup(&world.after(ms(0))[0]).flags, SetupFlags::GROUP);
}

#[test]
fn an_elicited_setup_repeats_every_100_ms_until_a_receiver_is_live() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.hear_status(|sm| sm.flags = StatusMessageFlags::END_OF_STREAM);
    assert!(!world.state.has_receivers());
    world.hear_status(|sm| sm.flags = StatusMessageFlags::SEND_SETUP);
    world.wire.take();
    for _ in 0..3 {
        let sent = world.after(ms(101));
        assert_eq!(sent.iter().filter(|bytes| Setup::parse(bytes).is_ok()).count(), 1, "{sent:?}");
    }
    world.hear_status(|_| {});
    world.after(ms(101));
    let sent = world.after(ms(101));
    assert!(sent.iter().all(|bytes| Setup::parse(bytes).is_err()), "{sent:?}");
}

#[test]
fn a_publication_at_its_end_answers_no_request_for_a_setup() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.state.set_end_of_stream();
    world.hear_status(|sm| sm.flags = StatusMessageFlags::SEND_SETUP);
    assert_eq!(heartbeat_flags(&world.after(ms(101))), DataFlags::HEARTBEAT_EOS);
    assert_eq!(world.system.status_messages_received.get(), 2);
}

#[test]
fn heartbeats_come_every_100_ms_and_tell_how_the_stream_ends() {
    let mut world = World::new();
    world.connect(WINDOW);
    assert_eq!(world.after(ms(100)), NOTHING);
    assert_eq!(heartbeat_flags(&world.after(Duration::from_nanos(1))), DataFlags::UNFRAGMENTED);
    world.state.set_end_of_stream();
    assert_eq!(heartbeat_flags(&world.after(ms(101))), DataFlags::HEARTBEAT_EOS);
    world.state.set_revoked();
    assert_eq!(heartbeat_flags(&world.after(ms(101))), DataFlags::HEARTBEAT_REVOKED);
}

#[test]
fn data_postpones_the_heartbeat_which_then_carries_the_sender_position() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.now = world.now + ms(90);
    publish(&world.state.log, &[100]);
    assert_eq!(world.after(ms(0)), [world.term_bytes(0, 160)]);
    assert_eq!(world.after(ms(100)), NOTHING);
    let heartbeat = world.after(ms(1));
    assert_eq!(DataHeader::parse(&heartbeat[0]).unwrap().term_offset, TermOffset::new(160));
}

/// The sequence of `unicast` in the recordings of the reference driver: sizes of datagrams and flags of their frames.
#[test]
fn messages_of_many_lengths_become_the_datagrams_that_the_reference_driver_sends() {
    let mut world = World::with(Wish { messages_per_send: 1, ..Wish::default() });
    world.connect(WINDOW);
    publish(&world.state.log, &[0]);
    let mut sent = world.after(ms(1));
    for length in [5, 100, 1376, 5000] {
        publish(&world.state.log, &[length]);
        for _ in 0..4 {
            sent.extend(world.after(ms(1)));
        }
    }
    let seen: Vec<_> = sent
        .iter()
        .map(|datagram| {
            let header = DataHeader::parse(datagram).unwrap();
            (datagram.len(), header.frame_length, header.flags.get())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (32, 32, 0xC0),
            (64, 37, 0xC0),
            (160, 132, 0xC0),
            (1408, 1408, 0xC0),
            (1408, 1408, 0x80),
            (1408, 1408, 0x00),
            (1408, 1408, 0x00),
            (928, 904, 0x40),
        ]
    );
    assert_eq!(world.position(), 6816);
}

#[test]
fn datagrams_of_equal_size_go_out_as_one_run_straight_from_the_term() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376, 1376, 1376, 200, 1376]);
    world.now = world.now + ms(1);
    world.turn();
    let runs = world.wire.take_runs();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].segment_size, runs[0].destination), (1408, None));
    assert_eq!(runs[0].bytes, world.term_bytes(0, 3 * 1408 + 256));
    assert_eq!((world.position(), world.system.bytes_sent.get()), (3 * 1408 + 256, 3 * 1408 + 256 + 32));
}

#[test]
fn small_messages_share_a_datagram_up_to_the_mtu() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[600; 5]);
    let lengths: Vec<_> = world.after(ms(1)).iter().map(Vec::len).collect();
    assert_eq!(lengths, [1280, 1280, 640]);
}

#[test]
fn data_stops_exactly_at_the_sender_limit_and_back_pressure_counts_once() {
    let mut world = World::new();
    world.connect(1024);
    publish(&world.state.log, &[480; 4]);
    assert_eq!(world.after(ms(1)), [world.term_bytes(0, 1024)]);
    world.hear_status(|sm| sm.receiver_window = 2048);
    world.after(ms(1));
    assert_eq!(world.position(), 2048);
    assert_eq!(world.back_pressure.get(), 1, "between the two windows");
    publish(&world.state.log, &[480]);
    for _ in 0..3 {
        world.after(ms(1));
        assert_eq!((world.back_pressure.get(), world.system.sender_flow_control_limits.get()), (2, 2));
    }
    // 511 more bytes do not hold another frame of 512.
    world.hear_status(|sm| sm.receiver_window = 2048 + 511);
    world.after(ms(1));
    assert_eq!(world.position(), 2048);
    world.hear_status(|sm| sm.receiver_window = 2048 + 512);
    world.after(ms(1));
    assert_eq!(world.position(), 2560);
}

#[test]
fn a_window_that_a_batch_uses_up_is_back_pressure_only_at_the_next_turn() {
    let mut world = World::new();
    world.connect(2048);
    publish(&world.state.log, &[992]);
    world.after(ms(1));
    publish(&world.state.log, &[992, 992]);
    world.after(ms(1));
    assert_eq!((world.position(), world.back_pressure.get()), (2048, 0));
    world.after(ms(1));
    world.after(ms(1));
    assert_eq!(world.back_pressure.get(), 1);
}

#[test]
fn nothing_counts_as_back_pressure_before_data_was_sent_once() {
    let mut world = World::new();
    publish(&world.state.log, &[480]);
    world.after(ms(1));
    assert_eq!(world.back_pressure.get(), 0);
}

#[test]
fn padding_at_the_end_of_a_term_needs_a_window_of_32_bytes_and_sends_its_header_alone() {
    let start = TERM - 1024;
    let mut world = World::with(Wish { start, ..Wish::default() });
    let at = TermOffset::new(start as i32);
    publish(&world.state.log, &[1376]);
    world.hear_status(|sm| {
        sm.consumption_term_offset = at;
        sm.receiver_window = 0;
    });
    world.after(ms(0));
    assert_eq!(world.position(), start);
    world.hear_status(|sm| {
        sm.consumption_term_offset = at;
        sm.receiver_window = 32;
    });
    let sent = world.after(ms(1));
    let header = DataHeader::parse(sent.last().unwrap()).unwrap();
    assert_eq!((sent.last().unwrap().len(), header.is_padding, header.frame_length), (32, true, 1024));
    assert_eq!(world.position(), TERM);
    world.hear_status(|sm| sm.consumption_term_id = INITIAL_TERM.next());
    let sent = world.after(ms(1));
    assert_eq!(DataHeader::parse(sent.last().unwrap()).unwrap().term_id, INITIAL_TERM.next());
}

#[test]
fn a_short_send_is_counted_and_the_whole_batch_is_sent_again() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376, 1376, 200]);
    world.wire.accept_only(Some(1));
    let first = world.after(ms(1));
    assert_eq!((world.position(), world.system.short_sends.get()), (0, 1));
    world.wire.accept_only(None);
    assert_eq!(world.after(ms(1)), first);
    assert_eq!(world.position(), 3072);
}

#[test]
fn a_refused_send_is_an_error_and_not_a_short_send() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376]);
    world.wire.refuse(true);
    world.after(ms(1));
    assert_eq!((world.position(), world.system.short_sends.get()), (0, 0));
    let Some(ConductorCommand::Error(error)) = world.reports.take() else { panic!("no error was reported") };
    assert!(error.message.contains("endpoint=127.0.0.1:24325"), "{error}");
    world.wire.refuse(false);
    world.after(ms(1));
    assert_eq!(world.position(), 1408);
}

#[test]
fn a_nak_brings_exactly_the_missing_datagrams_once_per_linger() {
    let mut world = World::new();
    world.connect(WINDOW);
    publish(&world.state.log, &[1376, 1376, 1376]);
    world.after(ms(1));
    world.hear_nak(INITIAL_TERM, 1408, 1408);
    assert_eq!(world.wire.take(), [world.term_bytes(1408, 1408)]);
    world.hear_nak(INITIAL_TERM, 1408, 1408);
    assert_eq!(world.wire.take(), NOTHING, "it lingers");
    world.after(ms(11));
    world.hear_nak(INITIAL_TERM, 1408, 1408);
    assert_eq!(world.wire.take(), [world.term_bytes(1408, 1408)]);
    assert_eq!((world.naks.get(), world.system.naks_received.get()), (3, 3));
    assert_eq!((world.system.retransmits_sent.get(), world.system.retransmitted_bytes.get()), (2, 2816));
    assert_eq!(world.position(), 3 * 1408);
}

#[test]
fn naks_outside_what_was_sent_bring_nothing_and_impossible_ones_are_invalid() {
    let mut world = World::new();
    world.connect(1408);
    publish(&world.state.log, &[1376, 1376]);
    world.after(ms(1));
    assert_eq!(world.position(), 1408);
    for (term, offset) in [
        (INITIAL_TERM, 1408),
        (INITIAL_TERM.wrapping_add(-1), TERM as i32 - 32),
        (INITIAL_TERM.next(), 0),
        (INITIAL_TERM.wrapping_add(i32::MIN), 0),
        (INITIAL_TERM.wrapping_add(i32::MAX), TERM as i32 - 32),
    ] {
        world.hear_nak(term, offset, 32);
        assert_eq!(world.wire.take(), NOTHING, "{term} {offset}");
    }
    assert_eq!(world.system.invalid_packets.get(), 0);
    for (offset, length) in
        [(-32, 32), (TERM as i32, 32), (16, 32), (0, -1), (32, TERM as i32), (0, i32::MIN)]
    {
        world.hear_nak(INITIAL_TERM, offset, length);
    }
    assert_eq!((world.system.invalid_packets.get(), world.system.retransmits_sent.get()), (6, 0));
}

#[test]
fn a_nak_from_before_the_start_of_the_stream_brings_no_unsent_data() {
    let mut world = World::new();
    world.connect(1024);
    // The whole first term is written, and little of it sent; the term before it would lie in the same buffer.
    publish(&world.state.log, &[992; 64]);
    world.after(ms(1));
    assert_eq!(world.position(), 1024);
    world.hear_nak(INITIAL_TERM.wrapping_add(-1), TERM as i32 - 1024, 1024);
    assert_eq!(world.wire.take(), NOTHING);
}

/// The sequence of `rotation` in the recordings of the reference driver.
#[test]
fn a_term_ends_with_its_padding_in_the_datagram_of_the_last_frames() {
    let mut world = World::new();
    // A whole number of datagrams, so that none is cut short by it.
    let window = 25 * 1280;
    world.connect(window);
    publish(&world.state.log, &[600; 104]);
    let mut sent = Vec::new();
    while world.position() < TERM + 1280 {
        sent.extend(world.after(ms(1)));
        let (position, geometry) = (Position::new(world.position()), world.state.geometry);
        world.hear_status(|sm| {
            sm.consumption_term_id = geometry.term_id(position);
            sm.consumption_term_offset = geometry.term_offset(position);
            sm.receiver_window = window;
        });
        sent.extend(world.wire.take());
    }
    let lengths: Vec<_> = sent.iter().map(Vec::len).filter(|length| *length > 32).collect();
    let (term, next) = lengths.split_at(51);
    assert!(term[..50].iter().all(|length| *length == 1280), "{term:?}");
    assert_eq!((term[50], next), (1312, &[1280][..]));
    let padding = DataHeader::parse(&sent.iter().find(|bytes| bytes.len() == 1312).unwrap()[1280..]).unwrap();
    assert_eq!(
        (padding.is_padding, padding.frame_length, padding.flags, padding.term_offset.get()),
        (true, 256, DataFlags::UNFRAGMENTED, 65_280)
    );
}

#[test]
fn a_nak_across_padding_resends_its_header_and_stops_at_the_end_of_the_term() {
    let start = TERM - 2048;
    let mut world = World::with(Wish { start, ..Wish::default() });
    let at = start as i32;
    publish(&world.state.log, &[480, 1500]);
    world.hear_status(|sm| sm.consumption_term_offset = TermOffset::new(at));
    world.after(ms(1));
    world.after(ms(1));
    assert_eq!(world.position(), TERM + 1568);
    world.hear_nak(INITIAL_TERM, at, 2048);
    let lengths: Vec<_> = world.wire.take().iter().map(Vec::len).collect();
    assert_eq!(lengths, [512 + 32]);
    assert_eq!(world.system.retransmitted_bytes.get(), 2048);
}

#[test]
fn status_messages_are_accepted_from_half_a_term_behind_to_one_and_a_half_ahead() {
    let start = 4 * TERM;
    let (half, term) = (TERM / 2, TERM);
    for (position, is_accepted) in [
        (start - half, true),
        (start - half - 32, false),
        (start + term + half, true),
        (start + term + half + 32, false),
    ] {
        let mut world = World::with(Wish { start, ..Wish::default() });
        world.hear_status(|sm| {
            sm.consumption_term_id = INITIAL_TERM.wrapping_add((position / TERM) as i32);
            sm.consumption_term_offset = TermOffset::new((position % TERM) as i32);
        });
        assert_eq!(world.state.has_receivers(), is_accepted, "{position}");
        assert_eq!(world.system.status_messages_received.get(), 1);
        assert_eq!(world.system.status_messages_rejected.get(), i64::from(!is_accepted));
    }
}

#[test]
fn status_messages_with_impossible_fields_are_invalid_and_those_of_others_are_nothing() {
    let mut world = World::new();
    let half = TERM as i32 / 2;
    for (offset, window) in
        [(-32, 0), (TERM as i32, 0), (1, 0), (0, -1), (0, half + 1), (0, i32::MIN), (i32::MIN, i32::MAX)]
    {
        world.hear_status(|sm| {
            sm.consumption_term_offset = TermOffset::new(offset);
            sm.receiver_window = window;
        });
    }
    assert_eq!((world.system.invalid_packets.get(), world.system.status_messages_received.get()), (7, 0));
    world.hear_status(|sm| sm.session_id = SessionId::new(1));
    assert_eq!(world.system.status_messages_received.get(), 1, "counted whatever the session");
    assert!(!world.state.has_receivers());
}

#[test]
fn a_receiver_is_gone_after_5_s_of_silence_or_when_it_says_so() {
    let mut world = World::new();
    world.connect(WINDOW);
    world.after(ms(4999));
    assert!(world.state.has_receivers());
    world.after(ms(1));
    assert!(!world.state.has_receivers() && !world.state.has_received_unicast_eos());
    world.hear_status(|_| {});
    assert!(world.state.has_receivers());
    world.hear_status(|sm| sm.flags = StatusMessageFlags::END_OF_STREAM);
    assert!(!world.state.has_receivers() && world.state.has_received_unicast_eos());
    assert!(!world.state.log.metadata().is_connected());
}

#[test]
fn the_end_of_one_receiver_of_a_group_does_not_end_the_group() {
    let mut world = World::with(Wish { is_group: true, ..Wish::default() });
    world.hear_status(|_| {});
    world.hear_status(|sm| sm.receiver_id = ReceiverId::new(2));
    world.hear_status(|sm| sm.flags = StatusMessageFlags::END_OF_STREAM);
    assert!(world.state.has_receivers() && !world.state.has_received_unicast_eos());
}

#[test]
fn a_group_is_connected_once_flow_control_has_the_receivers_it_requires() {
    let options = GroupOptions { receiver_timeout: ms(5000), group_min_size: 1, rrwm: 4 };
    let flow_control = FlowControl::tagged(GroupTag::new(101), &options);
    let mut world = World::with(Wish { is_group: true, flow_control, ..Wish::default() });
    world.hear_status(|_| {});
    assert!(world.state.has_receivers() && !world.state.has_subscribers());
    assert!(!world.state.log.metadata().is_connected());
    world.hear_status(|sm| {
        sm.receiver_id = ReceiverId::new(2);
        sm.group_tag = Some(GroupTag::new(101));
    });
    assert!(world.state.log.metadata().is_connected());
}

#[test]
fn a_round_trip_request_is_answered_along_the_data_path_and_a_reply_is_not() {
    let mut world = World::new();
    world.connect(WINDOW);
    let mut request = Rttm {
        flags: RttmFlags::REPLY,
        session_id: SESSION,
        stream_id: STREAM,
        echo_timestamp: 12_345,
        reception_delta: 6,
        receiver_id: RECEIVER,
    };
    let mut bytes = [0; rttm::LENGTH];
    request.emit(&mut bytes);
    world.hear(&bytes);
    let answer = Rttm { flags: RttmFlags::NONE, reception_delta: 0, ..request };
    assert_eq!(world.wire.take().iter().map(|b| Rttm::parse(b).unwrap()).collect::<Vec<_>>(), [answer]);
    request.flags = RttmFlags::NONE;
    request.emit(&mut bytes);
    world.hear(&bytes);
    assert_eq!(world.wire.take(), NOTHING);
}

#[test]
fn an_error_frame_is_told_once_until_its_receiver_reports_again() {
    let mut world = World::new();
    let frame = ErrorFrame {
        session_id: SESSION,
        stream_id: STREAM,
        receiver_id: RECEIVER,
        group_tag: None,
        error_code: 13,
        text: b"no thanks",
    };
    let mut bytes = [0; error::MAX_LENGTH];
    let length = frame.emit(&mut bytes);
    let told = |world: &mut World| {
        world.hear(&bytes[..length]);
        world.reports.take().is_some_and(|report| {
            let ConductorCommand::PublicationError(report) = report else { panic!("{report:?}") };
            assert_eq!((report.message.as_slice(), report.receiver_id), (&b"no thanks"[..], RECEIVER));
            true
        })
    };
    assert!(!told(&mut world), "it is no receiver of ours");
    world.connect(WINDOW);
    assert!(told(&mut world) && !world.state.has_receivers());
    assert!(!told(&mut world));
    world.hear_status(|_| {});
    assert!(told(&mut world));
    assert_eq!(world.system.error_frames_received.get(), 4);
}

#[test]
fn several_control_frames_of_one_read_are_all_handled_and_own_data_is_ignored() {
    let mut world = World::new();
    let source = ([127, 0, 0, 1], 24_325).into();
    let mut bytes = [0; status_message::TAGGED_LENGTH];
    for receiver in 0..3 {
        let sm = StatusMessage::eliciting_setup(SESSION, STREAM, ReceiverId::new(receiver), None);
        let length = sm.emit(&mut bytes);
        world.wire.deliver(source, &bytes[..length]);
    }
    let mut data = vec![0; 2048];
    DataHeader { frame_length: 2048, ..DataHeader::parse(&heartbeat()).unwrap() }.emit(&mut data);
    world.wire.deliver(source, &data);
    world.turn();
    assert_eq!((world.system.status_messages_received.get(), world.system.invalid_packets.get()), (3, 0));
}

fn heartbeat() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    DataHeader::heartbeat(SESSION, STREAM, INITIAL_TERM, TermOffset::ZERO, DataFlags::UNFRAGMENTED)
        .emit(&mut bytes);
    bytes
}

#[test]
fn spies_that_simulate_a_connection_move_the_sender_on_without_a_receiver() {
    let mut world = World::with(Wish { ssc: true, ..Wish::default() });
    publish(&world.state.log, &[1376, 1376]);
    world.state.set_has_spies(true);
    world.state.propose_max_spy_position(Position::new(1408));
    world.after(ms(1));
    assert_eq!((world.position(), world.state.sender_limit.get()), (1408, 1408));
}

#[test]
fn control_frames_are_read_at_the_sixth_busy_turn_at_the_latest() {
    let mut world = World::with(Wish { messages_per_send: 1, mtu: 64, ..Wish::default() });
    world.connect(WINDOW);
    publish(&world.state.log, &[0; 40]);
    world.after(ms(0));
    let before = world.system.status_messages_received.get();
    for turn in 1..=6 {
        let sm = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None);
        let mut bytes = [0; status_message::TAGGED_LENGTH];
        let length = sm.emit(&mut bytes);
        world.wire.deliver(([127, 0, 0, 1], 1).into(), &bytes[..length]);
        world.turn();
        let read = world.system.status_messages_received.get() - before;
        if read > 0 {
            return;
        }
        assert!(turn < 6, "not read in six turns");
    }
}

#[test]
fn random_datagrams_never_stop_the_sender_and_harm_no_stream() {
    let mut world = World::new();
    world.connect(WINDOW);
    let mut random = fastrand::Rng::with_seed(7);
    let mut templates = Vec::new();
    let mut bytes = [0; status_message::TAGGED_LENGTH];
    let sm = StatusMessage::eliciting_setup(SESSION, STREAM, RECEIVER, None);
    let length = sm.emit(&mut bytes);
    templates.push(bytes[..length].to_vec());
    for kind in [2_u8, 3, 4, 5, 6, 7, 10, 11, 200] {
        let mut frame = vec![0; 44];
        (frame[0], frame[6]) = (44, kind);
        frame[8..12].copy_from_slice(&SESSION.get().to_le_bytes());
        frame[12..16].copy_from_slice(&STREAM.get().to_le_bytes());
        templates.push(frame);
    }
    for _ in 0..20_000 {
        let mut frame = templates[random.usize(..templates.len())].clone();
        for _ in 0..random.usize(0..8) {
            // The identity stays, so that the frame gets as far as it can.
            let at = random.usize(16..frame.len());
            frame[at] = [0, 0xFF, 0x80, random.u8(..)][random.usize(..4)];
        }
        frame.truncate(random.usize(frame.len() / 2..=frame.len()));
        world.wire.deliver(([10, 0, 0, 1], 9).into(), &frame);
        world.after(Duration::from_micros(1));
        while world.reports.take().is_some() {}
    }
    assert!(world.system.invalid_packets.get() > 0);
    world.now = world.now + ms(6000);
    world.turn();
    let position = world.position();
    publish(&world.state.log, &[100]);
    world.hear_status(|sm| sm.receiver_window = WINDOW);
    world.after(ms(1));
    assert_eq!(world.position(), position + 160);
}

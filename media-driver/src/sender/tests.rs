//! The sender, one turn at a time: what it puts on the wire, and what it makes of what comes back.

mod announcing;
mod control_frames;
mod data;
mod destinations;
mod gather;
mod offload;
mod quiet;
mod response;
mod retransmit;

use std::sync::Arc;

use epona_protocol::{
    counters::{AtomicCounter, Confirmation},
    frame::{
        DataFlags, DataHeader, ErrorFrame, Nak, Rttm, RttmFlags, Setup, SetupFlags, StatusMessage,
        StatusMessageFlags, error, nak, rttm, status_message,
    },
    types::{
        EpochMillis, GroupTag, Position, ReceiverId, RegistrationId, SessionId, StreamId, TermId, TermOffset,
    },
};

use super::{
    destinations::ManualDestination,
    endpoint::Route,
    publication::{SenderCounters, SenderParams, SenderPublication},
    retransmit_handler::{RetransmitConfig, RetransmitHandler},
    *,
};
use crate::{
    flow_control::{FlowControl, GroupOptions},
    media::{Offload, OffloadRefusal},
    proxy::queue,
    publication::{
        response::ResponseRole,
        shared::{NetworkPublicationIdentity, NetworkPublicationState},
    },
    testing::{
        INITIAL_TERM, SESSION, STREAM, TERM, Wire, channel, ms, publication_log, publication_log_of, publish,
        to_conductor, unheard,
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
    response: ResponseRole,
    destinations: Option<Destinations>,
    offload: Offload,
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
            response: ResponseRole::None,
            destinations: None,
            offload: Offload::Off,
        }
    }
}

impl Wish {
    fn route(&mut self) -> Route {
        match (self.destinations.take(), self.response) {
            (Some(destinations), _) => Route::Destinations(destinations),
            (None, ResponseRole::Response(_)) => Route::Learned,
            _ => Route::Connected,
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
        let config = SenderConfig {
            control_poll_interval: Duration::ZERO,
            send_to_status_poll_ratio: 6,
            status_message_timeout: ms(200),
            re_resolution_check_interval: ms(1000),
        };
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
        let state = Arc::new(NetworkPublicationState::new(identity, log, position, limit, unheard()));
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

    fn add(&mut self, mut wish: Wish, counters: SenderCounters) {
        self.wire.set_offload(wish.offload);
        let endpoint = SendEndpoint::new(
            SendEndpointId::new(0),
            channel("aeron:udp?endpoint=127.0.0.1:24325"),
            self.wire.transport(),
            wish.route(),
            self.now,
        );
        self.commands.send(SenderCommand::AddEndpoint(Box::new(endpoint)));
        self.add_publication(wish, Arc::clone(&self.state), counters);
    }

    fn add_publication(&mut self, wish: Wish, state: Arc<NetworkPublicationState>, counters: SenderCounters) {
        let retransmits = RetransmitHandler::new(&RetransmitConfig {
            delay: ms(0),
            linger: ms(10),
            max_resends: 16,
            is_group: wish.is_group,
        });
        let params = SenderParams {
            endpoint: SendEndpointId::new(0),
            max_messages_per_send: wish.messages_per_send,
            connection_timeout: ms(5000),
            has_group_semantics: wish.is_group,
            response: wish.response,
            ttl: 0,
        };
        let publication =
            SenderPublication::new(state, params, counters, wish.flow_control, retransmits, self.now);
        self.commands.send(SenderCommand::AddPublication(Box::new(publication)));
        self.turn();
    }

    /// One more publication on the endpoint, on another stream, that a receiver has said it takes [`WINDOW`] bytes of.
    fn add_stream(&mut self, stream: i32) -> Arc<NetworkPublicationState> {
        let log = publication_log_of(StreamId::new(stream), 0, 1408);
        let identity = NetworkPublicationIdentity {
            registration_id: RegistrationId::new(i64::from(stream)),
            session_id: SESSION,
            stream_id: StreamId::new(stream),
            mtu: log.metadata().mtu().unwrap(),
            spies_simulate_connection: false,
            signal_eos: true,
        };
        let (position, limit) = (AtomicCounter::detached(), AtomicCounter::detached());
        let state = Arc::new(NetworkPublicationState::new(identity, log, position, limit, unheard()));
        let counters = SenderCounters {
            back_pressure_events: AtomicCounter::detached(),
            naks_received: AtomicCounter::detached(),
            receivers: None,
        };
        self.add_publication(Wish::default(), Arc::clone(&state), counters);
        self.hear_status(|sm| sm.stream_id = StreamId::new(stream));
        self.after(ms(0));
        state
    }

    fn turn(&mut self) {
        self.sender.do_work(Now { nanos: self.now, epoch: self.epoch() });
    }

    /// The time of day, which goes on with the other clock.
    fn epoch(&self) -> EpochMillis {
        EpochMillis::new(1_700_000_000_000 + self.now.get() / 1_000_000)
    }

    /// Lets time pass, then takes a turn; the datagrams sent in it.
    fn after(&mut self, wait: Duration) -> Vec<Vec<u8>> {
        self.now = self.now + wait;
        self.turn();
        self.wire.take()
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.hear_from(([127, 0, 0, 1], 24_325).into(), bytes);
    }

    fn hear_from(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.wire.deliver(source, bytes);
        // A turn that sends does not read.
        while self.wire.has_incoming() {
            self.turn();
        }
    }

    fn hear_status(&mut self, change: impl FnOnce(&mut StatusMessage)) {
        self.hear_status_from(([127, 0, 0, 1], 24_325).into(), change);
    }

    fn hear_status_from(&mut self, source: SocketAddr, change: impl FnOnce(&mut StatusMessage)) {
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
        self.hear_from(source, &bytes[..length]);
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

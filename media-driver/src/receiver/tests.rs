//! The receiver, one turn at a time: what it makes of datagrams, and what it sends back.

mod control_frames;
mod data;
mod destinations;
mod response;
mod round_trips;
mod setups;

use std::{net::SocketAddr, sync::Arc};

use epona_protocol::{
    counters::AtomicCounter,
    frame::{
        DataFlags, DataHeader, ErrorFrame, Nak, Rttm, RttmFlags, Setup, SetupFlags, StatusMessage,
        StatusMessageFlags, rttm,
    },
    logbuffer::LogBuffers,
    types::{Position, ReceiverId, RegistrationId, SessionId, StreamId, TermId, TermLength, TermOffset},
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
    testing::{
        INITIAL_TERM, SESSION, STREAM, TERM, Wire, channel, image_log, image_log_of, ms, to_conductor,
        unheard,
    },
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

    /// Datagrams arrive as one.
    fn hear_coalesced(&mut self, bytes: &[u8], segment_size: usize) {
        if !bytes.is_empty() {
            self.wire.deliver_coalesced(source(), bytes, segment_size);
            self.turn();
        }
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
        self.add_image_in(image_log(), join, is_reliable)
    }

    /// [`World::add_image`] with a log of one's own.
    fn add_image_in(
        &mut self,
        log: LogBuffers,
        join: i64,
        is_reliable: bool,
    ) -> (Arc<ImageState>, Vec<Vec<u8>>) {
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
                max_gaps: 8,
            },
            log,
            hwm,
            AtomicCounter::detached(),
            WINDOW,
            unheard(),
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

fn rttm_bytes(rttm: Rttm) -> Vec<u8> {
    let mut bytes = vec![0; rttm::LENGTH];
    rttm.emit(&mut bytes);
    bytes
}

/// Requests for a round trip among what was sent.
fn rttm_requests(sent: &[Vec<u8>]) -> Vec<Rttm> {
    sent.iter().filter_map(|bytes| Rttm::parse(bytes).ok()).collect()
}

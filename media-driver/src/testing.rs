//! What tests of single roles are made of: a transport that records, and resources without a driver around them.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::RawFd,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use epona_protocol::{
    broadcast::{self, Transmitter},
    counters::CountersManager,
    error_log::DistinctErrorLog,
    logbuffer::{LogBuffers, LogKind, LogParameters, StartPosition, appender::ExclusiveAppender},
    loss_report::LossReport,
    memory::AtomicView,
    signals::{Signal, Signals},
    types::{
        ClientId, CorrelationId, Mtu, Nanos, Now, Position, RegistrationId, SessionId, StreamId, TermId,
        TermLength,
    },
    uri::ChannelUri,
};

use crate::{
    Context,
    commands::{ConductorCommand, ReceiverCommand, ResourceCommand, SenderCommand},
    conductor::{
        client_proxy::ClientProxy,
        error_recorder::ErrorRecorder,
        services::{AvailableImage, Services},
    },
    endpoint_id::ReceiveEndpointId,
    event_log::EventLog,
    media::{
        ChannelPurpose, ChannelResolver, Offload, ReceiveBuffers, Received, RecvOutcome, SendOutcome,
        SendRun, Transport, UdpChannel,
    },
    name_resolution::DefaultNameResolver,
    proxy::{Inbox, Proxy, queue},
    publication::params::SubscriptionParams,
    status::SystemCounters,
    subscribable::SubscriberPosition,
    subscription::{Subscription, SubscriptionKind},
    untethered::{Tether, TetherTimeouts},
};

pub(crate) const SESSION: SessionId = SessionId::new(0x1122_3344);
pub(crate) const STREAM: StreamId = StreamId::new(1001);
pub(crate) const INITIAL_TERM: TermId = TermId::new(7);
pub(crate) const TERM: i64 = 64 * 1024;

/// A signal that nobody listens to.
pub(crate) fn unheard() -> Signal {
    Signals::new().signal(0)
}

/// Milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A run as it was handed to the transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SentRun {
    pub(crate) bytes: Vec<u8>,
    pub(crate) segment_size: usize,
    pub(crate) destination: Option<SocketAddr>,
}

/// The far side of a [`RecordingTransport`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<WireState>>);

#[derive(Debug, Default)]
struct WireState {
    sent: Vec<SentRun>,
    /// Source, bytes, and how long each datagram in them is.
    incoming: VecDeque<(SocketAddr, Vec<u8>, usize)>,
    accepts: Option<usize>,
    refuses: bool,
    offload: Offload,
    blocked: Vec<(SocketAddr, Option<io::ErrorKind>)>,
    calls: usize,
}

impl Wire {
    /// A transport with its far side here.
    pub(crate) fn transport(&self) -> Box<dyn Transport> {
        Box::new(RecordingTransport(self.clone()))
    }

    fn state(&self) -> MutexGuard<'_, WireState> {
        self.0.lock().unwrap()
    }

    /// A datagram arrives.
    pub(crate) fn deliver(&self, source: SocketAddr, bytes: &[u8]) {
        self.deliver_coalesced(source, bytes, bytes.len().max(1));
    }

    /// Datagrams of `segment_size` bytes each arrive as one, the last maybe shorter.
    pub(crate) fn deliver_coalesced(&self, source: SocketAddr, bytes: &[u8], segment_size: usize) {
        self.state().incoming.push_back((source, bytes.to_vec(), segment_size));
    }

    /// Whether something has arrived that was not read yet.
    pub(crate) fn has_incoming(&self) -> bool {
        !self.state().incoming.is_empty()
    }

    /// The socket takes so many datagrams of each batch from now on.
    pub(crate) fn accept_only(&self, datagrams: Option<usize>) {
        self.state().accepts = datagrams;
    }

    /// The socket refuses everything with an error from now on.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state().refuses = refuses;
    }

    /// Whether the kernel cuts up runs from the next send on.
    pub(crate) fn set_offload(&self, offload: Offload) {
        self.state().offload = offload;
    }

    /// The socket takes nothing for this destination from now on: with an error, or because it is full.
    pub(crate) fn block(&self, destination: SocketAddr, error: Option<io::ErrorKind>) {
        self.state().blocked.push((destination, error));
    }

    /// Calls to send since the last time.
    pub(crate) fn take_calls(&self) -> usize {
        std::mem::take(&mut self.state().calls)
    }

    /// Runs that were sent, or tried, since the last call.
    pub(crate) fn take_runs(&self) -> Vec<SentRun> {
        std::mem::take(&mut self.state().sent)
    }

    /// Datagrams that were sent, or tried, since the last call.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        self.take_runs()
            .iter()
            .flat_map(|run| run.bytes.chunks(run.segment_size.max(1)).map(<[u8]>::to_vec).collect::<Vec<_>>())
            .collect()
    }
}

/// A transport without a network.
#[derive(Debug)]
struct RecordingTransport(Wire);

impl Transport for RecordingTransport {
    fn send_batch(&mut self, _now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome {
        let mut state = self.0.state();
        if state.refuses {
            return SendOutcome { datagrams: 0, error: Some(io::ErrorKind::NetworkUnreachable.into()) };
        }
        state.calls += 1;
        let is_blocked = |run: &SendRun<'_>| {
            state.blocked.iter().find(|(destination, _)| run.destination == Some(*destination))
        };
        let stop = runs.iter().position(|run| is_blocked(run).is_some());
        if let Some(at @ 0) = stop {
            // As with `sendmmsg`, only a call that sends nothing says why.
            let error = is_blocked(&runs[at]).and_then(|(_, error)| *error).map(io::Error::from);
            return SendOutcome { datagrams: 0, error };
        }
        let runs = &runs[..stop.unwrap_or(runs.len())];
        let datagrams = runs.iter().map(SendRun::datagrams).sum::<usize>();
        state.sent.extend(runs.iter().map(|run| SentRun {
            bytes: run.bytes.to_vec(),
            segment_size: run.segment_size,
            destination: run.destination,
        }));
        SendOutcome { datagrams: datagrams.min(state.accepts.unwrap_or(usize::MAX)), error: None }
    }

    fn recv_batch(
        &mut self,
        _now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        let mut outcome = RecvOutcome::default();
        for _ in 0..buffers.count() {
            let Some((source, bytes, segment_size)) = self.0.state().incoming.pop_front() else {
                return outcome;
            };
            outcome.bytes += bytes.len();
            outcome.messages += 1;
            handler(Received { bytes: &bytes, segment_size, source, timestamp_ns: None });
        }
        outcome.more = true;
        outcome
    }

    fn offload(&self) -> Offload {
        self.0.state().offload
    }

    fn local_address(&self) -> SocketAddr {
        ([127, 0, 0, 1], 40_000).into()
    }

    fn reconnect(&mut self, _address: SocketAddr) -> io::Result<()> {
        Ok(())
    }

    fn descriptor(&self) -> Option<RawFd> {
        None
    }

    fn receive_buffer_length(&self) -> io::Result<usize> {
        Ok(1 << 20)
    }
}

/// A channel, resolved.
pub(crate) fn channel(text: &str) -> Arc<UdpChannel> {
    let mut resolver = ChannelResolver::new(Box::new(DefaultNameResolver));
    Arc::new(resolver.resolve(text, ChannelPurpose::Endpoint).unwrap())
}

/// A log of 64 KiB terms whose publisher starts at `start`.
pub(crate) fn publication_log(start: i64, mtu: i64) -> LogBuffers {
    publication_log_of(STREAM, start, mtu)
}

/// [`publication_log`] of another stream.
pub(crate) fn publication_log_of(stream_id: StreamId, start: i64, mtu: i64) -> LogBuffers {
    let term = TermLength::MIN;
    LogBuffers::on_heap(&LogParameters {
        session_id: SESSION,
        stream_id,
        initial_term_id: INITIAL_TERM,
        start: Some(StartPosition {
            term_id: INITIAL_TERM.wrapping_add((start / TERM) as i32),
            term_offset: epona_protocol::types::TermOffset::new((start % TERM) as i32),
        }),
        ..LogParameters::new(
            LogKind::ExclusivePublication,
            RegistrationId::new(1),
            Mtu::new(mtu).unwrap(),
            term,
        )
    })
}

/// The log of an image, of 64 KiB terms.
pub(crate) fn image_log() -> LogBuffers {
    image_log_of(TermLength::MIN)
}

/// The log of an image, of terms of this length.
pub(crate) fn image_log_of(term: TermLength) -> LogBuffers {
    LogBuffers::on_heap(&LogParameters {
        session_id: SESSION,
        stream_id: STREAM,
        initial_term_id: INITIAL_TERM,
        ..LogParameters::new(LogKind::Image, RegistrationId::new(1), Mtu::new(1408).unwrap(), term)
    })
}

/// Appends messages of these lengths, each filled with its number; the position after the last.
pub(crate) fn publish(log: &LogBuffers, lengths: &[usize]) -> Position {
    let mut appender = ExclusiveAppender::new(log.clone()).unwrap();
    for (number, length) in lengths.iter().enumerate() {
        let message = vec![number as u8 + 1; *length];
        while appender.offer(&message, Position::MAX).is_err() {}
    }
    appender.position()
}

/// The services of a conductor, with the far ends of its queues.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) services: Services,
    pub(crate) to_sender: Inbox<SenderCommand>,
    pub(crate) to_receiver: Inbox<ReceiverCommand>,
    pub(crate) to_resources: Inbox<ResourceCommand>,
    pub(crate) loss_report: AtomicView,
    events: broadcast::Receiver,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let system = SystemCounters::detached();
        let events = AtomicView::allocate((1 << 16) + 128);
        let loss_report = AtomicView::allocate(1 << 12);
        let (sender, to_sender) = queue(system.sender_proxy_fails.clone());
        let (receiver, to_receiver) = queue(system.receiver_proxy_fails.clone());
        let (resources, to_resources) = queue(system.native_resource_agent_proxy_fails.clone());
        let services = Services {
            now: Now { nanos: Nanos::new(1_000_000_000), ..Now::default() },
            clients: ClientProxy::new(Transmitter::new(events.clone()).unwrap()),
            counters: CountersManager::new(
                AtomicView::allocate(64 * 512),
                AtomicView::allocate(64 * 128),
                Duration::ZERO,
            ),
            errors: ErrorRecorder::new(
                DistinctErrorLog::new(AtomicView::allocate(1 << 16)),
                system.errors.clone(),
            ),
            losses: LossReport::new(loss_report.clone()),
            has_missed_links: false,
            events: EventLog::off(),
            system,
            sender,
            receiver,
            resources,
        };
        let events = broadcast::Receiver::new(events).unwrap();
        Self { services, to_sender, to_receiver, to_resources, loss_report, events }
    }

    pub(crate) fn now(&self) -> Nanos {
        self.services.now.nanos
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.services.now.nanos = self.services.now.nanos + duration;
    }

    /// A counter of the driver's, at a value.
    pub(crate) fn counter(&mut self, value: i64) -> epona_protocol::counters::AtomicCounter {
        let counter = self
            .services
            .allocate(&epona_protocol::counters::NewCounter {
                type_id: epona_protocol::types::CounterTypeId::new(4),
                key: &[],
                label: b"test",
                registration_id: 0,
                owner_id: 0,
                reference_id: 0,
            })
            .unwrap();
        counter.set_release(value);
        counter
    }

    /// A subscriber of a channel at a position.
    pub(crate) fn subscriber(&mut self, id: i64, channel: &str, position: i64) -> SubscriberPosition {
        let subscription = Arc::new(subscription(id, channel));
        let (is_tethered, may_rejoin) = (subscription.params.is_tethered, subscription.params.rejoin);
        SubscriberPosition {
            tether: Tether::new(is_tethered, may_rejoin, self.now()),
            counter: self.counter(position),
            subscription,
        }
    }

    /// Type ids of the events sent to clients since the last call.
    pub(crate) fn events(&mut self) -> Vec<i32> {
        let mut types = Vec::new();
        while let Some(received) = self.events.receive_next().unwrap() {
            types.push(received.msg_type_id);
        }
        types
    }
}

/// Event types. Source: shared-memory spec 10.5.
pub(crate) const AVAILABLE_IMAGE: i32 = 0x0F02;
pub(crate) const UNAVAILABLE_IMAGE: i32 = 0x0F05;

/// A subscription as the conductor keeps it.
pub(crate) fn subscription(id: i64, channel: &str) -> Subscription {
    let uri = ChannelUri::parse(channel).unwrap();
    Subscription {
        registration_id: RegistrationId::new(id),
        client_id: ClientId::new(1),
        stream_id: STREAM,
        channel: channel.into(),
        params: SubscriptionParams::read(&uri, &Context::default()).unwrap(),
        kind: SubscriptionKind::Network(ReceiveEndpointId::new(0)),
    }
}

pub(crate) fn available_image() -> AvailableImage {
    AvailableImage {
        correlation_id: CorrelationId::new(1),
        session_id: SESSION,
        stream_id: STREAM,
        log_path: "1.logbuffer".into(),
        source_identity: "127.0.0.1:1".into(),
    }
}

pub(crate) const TETHER_TIMEOUTS: TetherTimeouts =
    TetherTimeouts { window_limit: ms(5000), linger: ms(5000), resting: ms(10_000) };

/// A queue to a conductor that is not there.
pub(crate) fn to_conductor(system: &SystemCounters) -> (Proxy<ConductorCommand>, Inbox<ConductorCommand>) {
    queue(system.conductor_proxy_fails.clone())
}

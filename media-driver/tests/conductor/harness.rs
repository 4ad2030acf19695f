//! A driver without threads, and the client that talks to it through shared memory.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::RawFd,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use epona_media_driver::{
    Context,
    clock::Clock,
    config::ProbedSocketBuffers,
    directory::{DriverDirectory, storage::SystemStorage},
    driver::{Environment, Roles, assemble},
    duty_cycle::DutyCycle,
    event_log::EventLog,
    media::{
        simulated::{SimulatedFactory, SimulatedNetwork},
        transport::{
            Offload, OpenError, ReceiveBuffers, Received, RecvOutcome, SendOutcome, SendRun, Transport,
            TransportFactory, TransportSpec,
        },
    },
    name_resolution::{DefaultNameResolver, NameResolver},
};
use epona_protocol::{
    broadcast::CopyReceiver,
    cnc::{Cnc, CncState},
    command::{Command, ErrorCode, Event, Request},
    counters::{CounterDescriptor, CountersReader},
    error_log,
    ring_buffer::mpsc::Producer,
    types::{
        ClientId, CorrelationId, CounterId, CounterTypeId, EpochMillis, Nanos, Now, RegistrationId, StreamId,
        TermLength,
    },
};

/// The client that asks, unless a test says otherwise.
pub(crate) const CLIENT: i64 = 1;
/// System counters, which are always there.
pub(crate) const SYSTEM_COUNTERS: usize = 46;
pub(crate) const STREAM: i32 = 1001;
pub(crate) const UDP: &str = "aeron:udp?endpoint=127.0.0.1:24325";

/// An event, to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Error {
        id: i64,
        code: ErrorCode,
        text: String,
    },
    Publication(Ready),
    Exclusive(Ready),
    Subscription {
        id: i64,
        status: CounterId,
    },
    Available {
        image: i64,
        session: i32,
        subscription: i64,
        position: CounterId,
        log: String,
        source: String,
    },
    Unavailable {
        image: i64,
        subscription: i64,
        channel: String,
    },
    Success(i64),
    Counter(i64, CounterId),
    CounterGone(i64, CounterId),
    StaticCounter(i64, CounterId),
    ClientTimeout(i64),
    PublicationError {
        publication: i64,
        receiver: i64,
        source: String,
        code: ErrorCode,
        text: String,
    },
    NextSession(i64, i32),
}

/// A publication as its client is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) id: i64,
    pub(crate) original: i64,
    pub(crate) session: i32,
    pub(crate) stream: i32,
    pub(crate) limit: CounterId,
    pub(crate) status: CounterId,
    pub(crate) log: String,
}

impl Told {
    fn of(event: &Event<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match *event {
            Event::Error { correlation_id, error_code, message } => {
                Self::Error { id: correlation_id.get(), code: error_code, text: text(message) }
            }
            Event::PublicationReady(ready) => Self::Publication(Ready::of(&ready)),
            Event::ExclusivePublicationReady(ready) => Self::Exclusive(Ready::of(&ready)),
            Event::SubscriptionReady { correlation_id, channel_status_id } => {
                Self::Subscription { id: correlation_id.get(), status: channel_status_id }
            }
            Event::AvailableImage(image) => Self::Available {
                image: image.image_id.get(),
                session: image.session_id.get(),
                subscription: image.subscription_id.get(),
                position: image.position_id,
                log: image.log_file_name.to_owned(),
                source: image.source_identity.to_owned(),
            },
            Event::UnavailableImage { image_id, subscription_id, channel, .. } => Self::Unavailable {
                image: image_id.get(),
                subscription: subscription_id.get(),
                channel: channel.to_owned(),
            },
            Event::OperationSuccess { correlation_id } => Self::Success(correlation_id.get()),
            Event::CounterReady { correlation_id, counter_id } => {
                Self::Counter(correlation_id.get(), counter_id)
            }
            Event::UnavailableCounter { registration_id, counter_id } => {
                Self::CounterGone(registration_id.get(), counter_id)
            }
            Event::StaticCounter { correlation_id, counter_id } => {
                Self::StaticCounter(correlation_id.get(), counter_id)
            }
            Event::ClientTimeout { client_id } => Self::ClientTimeout(client_id.get()),
            Event::PublicationError(error) => Self::PublicationError {
                publication: error.registration_id.get(),
                receiver: error.receiver_id.get(),
                source: error.source.map_or_else(String::new, |source| source.to_string()),
                code: error.error_code,
                text: text(error.message),
            },
            Event::NextAvailableSessionId { correlation_id, session_id } => {
                Self::NextSession(correlation_id.get(), session_id.get())
            }
        }
    }

    /// A publication that is ready, of either kind.
    pub(crate) fn ready(&self) -> &Ready {
        match self {
            Self::Publication(ready) | Self::Exclusive(ready) => ready,
            other => panic!("not a publication: {other:?}"),
        }
    }
}

impl Ready {
    fn of(ready: &epona_protocol::command::PublicationReady<'_>) -> Self {
        Self {
            id: ready.correlation_id.get(),
            original: ready.original_registration_id.get(),
            session: ready.session_id.get(),
            stream: ready.stream_id.get(),
            limit: ready.limit_id,
            status: ready.channel_status_id,
            log: ready.log_file_name.to_owned(),
        }
    }
}

/// Stands still.
#[derive(Debug)]
struct Still(Now);

impl Clock for Still {
    fn now(&self) -> Now {
        self.0
    }
}

/// Opens sockets of a simulated network, and remembers what was asked for.
#[derive(Debug)]
struct Recording {
    inner: SimulatedFactory,
    opened: Arc<Mutex<Vec<TransportSpec>>>,
    offload: Arc<Mutex<Offload>>,
}

impl TransportFactory for Recording {
    fn open(&mut self, spec: &TransportSpec) -> Result<Box<dyn Transport>, OpenError> {
        self.opened.lock().unwrap().push(*spec);
        let inner = self.inner.open(spec)?;
        Ok(Box::new(Offloaded { inner, offload: Arc::clone(&self.offload) }))
    }
}

/// A socket of which a test says whether runs are cut up for it.
#[derive(Debug)]
struct Offloaded {
    inner: Box<dyn Transport>,
    offload: Arc<Mutex<Offload>>,
}

impl Transport for Offloaded {
    fn send_batch(&mut self, now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome {
        self.inner.send_batch(now, runs)
    }

    fn recv_batch(
        &mut self,
        now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        self.inner.recv_batch(now, buffers, handler)
    }

    fn offload(&self) -> Offload {
        *self.offload.lock().unwrap()
    }

    fn local_address(&self) -> SocketAddr {
        self.inner.local_address()
    }

    fn reconnect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.inner.reconnect(address)
    }

    fn descriptor(&self) -> Option<RawFd> {
        self.inner.descriptor()
    }

    fn receive_buffer_length(&self) -> io::Result<usize> {
        self.inner.receive_buffer_length()
    }
}

/// A driver, its network, and one client's view of it.
pub(crate) struct Driver {
    pub(crate) roles: Roles,
    /// What the driver asked of each socket, in the order of opening.
    pub(crate) opened: Arc<Mutex<Vec<TransportSpec>>>,
    /// What the system says of cutting up runs for sockets of the sender.
    pub(crate) offload: Arc<Mutex<Offload>>,
    pub(crate) now: Now,
    pub(crate) cnc: Cnc,
    commands: Producer,
    events: CopyReceiver,
    directory: tempfile::TempDir,
}

impl Driver {
    /// A driver with small terms on a network of its own.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A driver with settings of the test's.
    pub(crate) fn with(change: impl FnOnce(&mut Context)) -> Self {
        Self::on(&SimulatedNetwork::new(7), Ipv4Addr::new(10, 0, 0, 1), change)
    }

    /// A driver on a host of a network.
    pub(crate) fn on(network: &SimulatedNetwork, host: Ipv4Addr, change: impl FnOnce(&mut Context)) -> Self {
        Self::knowing(Box::new(DefaultNameResolver), network, host, change)
    }

    /// A driver whose system knows the hosts that the test says.
    pub(crate) fn knowing(
        names: Box<dyn NameResolver>,
        network: &SimulatedNetwork,
        host: Ipv4Addr,
        change: impl FnOnce(&mut Context),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut context =
            Context::default().dir(directory.path().join("aeron")).term_lengths(TermLength::MIN);
        change(&mut context);
        let now = Now { nanos: Nanos::new(1_000_000_000), epoch: EpochMillis::new(1_800_000_000_000) };
        let path = context.directory.path.clone();
        let driver_directory = DriverDirectory::take_over(&context.directory, &Still(now), |_| ()).unwrap();
        let opened = Arc::<Mutex<Vec<TransportSpec>>>::default();
        let offload = Arc::<Mutex<Offload>>::default();
        let environment = Environment {
            events: EventLog::off(),
            transports: Box::new(Recording {
                inner: network.host(IpAddr::V4(host)),
                opened: Arc::clone(&opened),
                offload: Arc::clone(&offload),
            }),
            names,
            file_system: Box::new(SystemStorage),
            clock: Box::new(Still(now)),
            system_buffers: ProbedSocketBuffers { send: 212_992, receive: 212_992 },
            random: fastrand::Rng::with_seed(42),
            now,
        };
        let roles = assemble(context, &driver_directory, environment).unwrap();
        let CncState::Ready(cnc) = Cnc::open(&path).unwrap() else {
            panic!("the driver has published its file")
        };
        Self {
            roles,
            opened,
            offload,
            now,
            commands: Producer::new(cnc.to_driver()).unwrap(),
            events: CopyReceiver::new(cnc.to_clients()).unwrap(),
            cnc,
            directory,
        }
    }

    /// The Aeron directory.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("aeron")
    }

    /// Writes a command of a client; its correlation id.
    pub(crate) fn send_as(&mut self, client: i64, request: Request<'_>) -> i64 {
        let correlation_id = self.commands.next_correlation_id();
        self.send_with(client, correlation_id.get(), request);
        correlation_id.get()
    }

    /// Writes a command with ids of the caller's.
    pub(crate) fn send_with(&mut self, client: i64, correlation_id: i64, request: Request<'_>) {
        let mut record = Vec::new();
        let command = Command {
            client_id: ClientId::new(client),
            correlation_id: CorrelationId::new(correlation_id),
            request,
        };
        command.encode(&mut record);
        self.send_raw(command.type_id(), &record);
    }

    /// Writes whatever the test wants to the command buffer.
    pub(crate) fn send_raw(&mut self, type_id: i32, record: &[u8]) {
        self.commands.write(type_id, record).unwrap();
    }

    /// Writes a command, lets the driver finish it, and returns its correlation id and what clients were told.
    pub(crate) fn ask(&mut self, request: Request<'_>) -> (i64, Vec<Told>) {
        self.ask_as(CLIENT, request)
    }

    /// [`Driver::ask`] as another client.
    pub(crate) fn ask_as(&mut self, client: i64, request: Request<'_>) -> (i64, Vec<Told>) {
        let id = self.send_as(client, request);
        self.settle();
        (id, self.told())
    }

    /// One turn of all roles, in the order of a shared thread.
    pub(crate) fn turn(&mut self) -> usize {
        let Roles { conductor, sender, receiver, native_resource_agent, .. } = &mut self.roles;
        sender.do_work(self.now)
            + receiver.do_work(self.now)
            + native_resource_agent.do_work(self.now)
            + conductor.do_work(self.now)
    }

    /// One turn of the conductor and the resource agent: senders and receivers have not noticed yet.
    pub(crate) fn turn_of_control(&mut self) {
        self.roles.native_resource_agent.do_work(self.now);
        self.turn_of_conductor();
    }

    pub(crate) fn turn_of_conductor(&mut self) {
        self.roles.conductor.do_work(self.now);
    }

    /// One turn of all roles but the resource agent, which is busy.
    pub(crate) fn turn_without_agent(&mut self) {
        self.roles.sender.do_work(self.now);
        self.roles.receiver.do_work(self.now);
        self.turn_of_conductor();
    }

    /// Turns without time passing, enough for any command or setup to run its course.
    pub(crate) fn settle(&mut self) {
        for _ in 0..24 {
            self.turn();
        }
    }

    /// Lets time pass for the conductor while the resource agent is stuck.
    pub(crate) fn wait_without_agent(&mut self, time: Duration) {
        self.roles.conductor.do_work(self.now);
        self.pass(time);
        self.roles.conductor.do_work(self.now);
    }

    /// Lets time pass in steps of 50 ms, with turns between.
    pub(crate) fn wait(&mut self, time: Duration) {
        let step = Duration::from_millis(50);
        let mut left = time;
        while !left.is_zero() {
            self.pass(step.min(left));
            left = left.saturating_sub(step);
            for _ in 0..4 {
                self.turn();
            }
        }
    }

    /// Lets time pass, like [`Driver::wait`], while a client is alive.
    pub(crate) fn wait_alive(&mut self, time: Duration, client: i64) {
        let step = Duration::from_secs(1);
        let mut left = time;
        while !left.is_zero() {
            self.send_with(client, -1, Request::ClientKeepalive);
            self.wait(step.min(left));
            left = left.saturating_sub(step);
        }
    }

    /// Moves the clocks, without a turn.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = Now { nanos: self.now.nanos + time, epoch: self.now.epoch + time };
    }

    /// Everything that clients were told since the last call.
    pub(crate) fn told(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while self
            .events
            .receive(|type_id, bytes| told.push(Told::of(&Event::parse(type_id, bytes).unwrap())))
            .unwrap()
            > 0
        {}
        told
    }

    /// The only thing that clients were told since the last call.
    pub(crate) fn told_one(&mut self) -> Told {
        let mut told = self.told();
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    /// All counters beyond the driver's own.
    pub(crate) fn counters(&self) -> Vec<CounterDescriptor> {
        let system = |counter: &CounterDescriptor| counter.type_id == CounterTypeId::SYSTEM_COUNTER;
        self.reader().iter().filter(|counter| !system(counter)).collect()
    }

    /// The only counter of a type.
    pub(crate) fn counter(&self, type_id: CounterTypeId) -> CounterDescriptor {
        let mut found: Vec<_> = self.counters().into_iter().filter(|c| c.type_id == type_id).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// Labels of counters, sorted.
    pub(crate) fn labels(&self) -> Vec<String> {
        let mut labels: Vec<_> = self.counters().into_iter().map(|counter| counter.label).collect();
        labels.sort();
        labels
    }

    pub(crate) fn reader(&self) -> CountersReader {
        CountersReader::new(self.cnc.counters_metadata(), self.cnc.counters_values())
    }

    /// Value of a system counter.
    pub(crate) fn system(&self, counter: epona_protocol::counters::SystemCounter) -> i64 {
        self.reader().value(counter.id()).unwrap()
    }

    /// Texts of the error log.
    pub(crate) fn errors(&self) -> Vec<String> {
        error_log::entries(self.cnc.error_log()).map(|entry| entry.text).collect()
    }

    /// Names of the log buffers that exist.
    pub(crate) fn logs(&self) -> Vec<String> {
        let mut names = Vec::new();
        for kind in ["publications", "images"] {
            for entry in std::fs::read_dir(self.path().join(kind)).unwrap() {
                names.push(format!("{kind}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        names.sort();
        names
    }

    pub(crate) fn publish(&mut self, channel: &str) -> (i64, Vec<Told>) {
        self.ask(publication(channel, STREAM))
    }

    pub(crate) fn publish_exclusively(&mut self, channel: &str) -> (i64, Vec<Told>) {
        self.ask(exclusive(channel, STREAM))
    }

    pub(crate) fn subscribe(&mut self, channel: &str) -> (i64, Vec<Told>) {
        self.ask(subscription(channel, STREAM))
    }

    pub(crate) fn remove_publication(&mut self, id: i64) -> Vec<Told> {
        self.ask(Request::RemovePublication { registration_id: RegistrationId::new(id), revoke: false }).1
    }

    pub(crate) fn remove_subscription(&mut self, id: i64) -> Vec<Told> {
        self.ask(Request::RemoveSubscription { registration_id: RegistrationId::new(id) }).1
    }
}

pub(crate) fn publication(channel: &str, stream: i32) -> Request<'_> {
    Request::AddPublication { stream_id: StreamId::new(stream), channel }
}

pub(crate) fn exclusive(channel: &str, stream: i32) -> Request<'_> {
    Request::AddExclusivePublication { stream_id: StreamId::new(stream), channel }
}

pub(crate) fn subscription(channel: &str, stream: i32) -> Request<'_> {
    Request::AddSubscription { stream_id: StreamId::new(stream), channel }
}

/// The code of the error that a command was answered with; its text says why.
pub(crate) fn refusal(told: &[Told]) -> (ErrorCode, &str) {
    match told {
        [Told::Error { code, text, .. }] => (*code, text),
        other => panic!("not a refusal: {other:?}"),
    }
}

/// Whether a file exists.
pub(crate) fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

//! A driver whose every answer the test gives.

use std::{path::PathBuf, time::Duration};

use epona_client::{
    Aeron, ChannelStatus, ClientError, Context, CorrelationId, CounterId, CounterTypeId, EpochMillis,
    ExclusivePublication, Image, Invoker, Mtu, Nanos, Now, Pending, Position, Publication, RegistrationId,
    SessionId, StreamId, Subscription, TermId, TermLength, TermOffset,
};
use epona_protocol::{
    broadcast::Transmitter,
    cnc::{Cnc, CncLengths, CncMetadata},
    command::{AvailableImage, Command, Event, PublicationReady, command_id},
    counters::{AtomicCounter, CountersManager, HeartbeatKey, NewCounter, heartbeat_label},
    logbuffer::{LogBuffers, LogKind, LogParameters, RawTail},
    memory::Allocation,
    ring_buffer::Consumer,
};
use tempfile::TempDir;

pub(crate) const CHANNEL: &str = "aeron:udp?endpoint=localhost:20121";
pub(crate) const STREAM: i32 = 1001;
pub(crate) const SESSION: SessionId = SessionId::new(-77);
pub(crate) const INITIAL_TERM: TermId = TermId::new(i32::MAX);
pub(crate) const TERM_LENGTH: i32 = 64 * 1024;
pub(crate) const MTU: i32 = 1408;
pub(crate) const MAX_PAYLOAD: usize = MTU as usize - 32;
const START: EpochMillis = EpochMillis::new(1_700_000_000_000);

/// A driver's side of the directory, and the time.
pub(crate) struct FakeDriver {
    pub(crate) directory: TempDir,
    pub(crate) cnc: Cnc,
    pub(crate) commands: Consumer,
    pub(crate) events: Transmitter,
    pub(crate) counters: CountersManager,
    pub(crate) now: Now,
}

/// A command as it was read.
#[derive(Debug)]
pub(crate) struct Recorded {
    type_id: i32,
    payload: Vec<u8>,
}

impl Recorded {
    pub(crate) fn command(&self) -> Command<'_> {
        Command::parse(self.type_id, &self.payload).unwrap()
    }
}

/// A publication's log and limit, as the driver has them.
pub(crate) struct DriverLog {
    pub(crate) log: LogBuffers,
    pub(crate) path: PathBuf,
    pub(crate) limit: AtomicCounter,
}

/// An image's log and the position of its subscriber, as the driver has them.
pub(crate) struct DriverImage {
    pub(crate) id: RegistrationId,
    pub(crate) log: LogBuffers,
    pub(crate) position: AtomicCounter,
}

impl FakeDriver {
    pub(crate) fn new() -> Self {
        let driver = Self::not_published();
        driver.publish();
        driver
    }

    /// A driver by the wall clock, for clients with real clocks on a machine that may stall.
    pub(crate) fn patient(now: EpochMillis) -> Self {
        let mut driver = Self::with_liveness_timeout(Duration::from_secs(3600));
        driver.now.epoch = now;
        driver.publish();
        driver
    }

    fn publish(&self) {
        self.commands.set_heartbeat(self.now.epoch);
        self.cnc.publish();
    }

    /// A driver that has not finished its file: no version, no heartbeat.
    pub(crate) fn not_published() -> Self {
        Self::with_liveness_timeout(Duration::from_secs(10))
    }

    fn with_liveness_timeout(client_liveness_timeout: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let metadata = CncMetadata {
            lengths: CncLengths {
                to_driver: 16 * 1024 + 768,
                to_clients: 16 * 1024 + 128,
                counters_metadata: 64 * 512,
                counters_values: 64 * 128,
                error_log: 4096,
            },
            client_liveness_timeout,
            start_timestamp: START,
            pid: 4242,
            file_page_size: 4096,
        };
        let cnc = Cnc::create(directory.path(), &metadata, Allocation::Sparse).unwrap();
        let commands = Consumer::new(cnc.to_driver()).unwrap();
        let _ = commands.next_correlation_id();
        Self {
            events: Transmitter::new(cnc.to_clients()).unwrap(),
            counters: CountersManager::new(
                cnc.counters_metadata(),
                cnc.counters_values(),
                Duration::from_secs(1),
            ),
            commands,
            cnc,
            directory,
            now: Now { nanos: Nanos::new(5_000_000_000), epoch: START },
        }
    }

    /// Settings of a client of this driver that is stepped by hand.
    pub(crate) fn context(&self) -> Context {
        Context::new().dir(self.directory.path()).use_invoker().on_error(|_| {})
    }

    /// Lets time pass for everybody; this driver lives.
    pub(crate) fn pass(&mut self, duration: Duration) {
        self.pass_without_sign_of_life(duration);
        self.commands.set_heartbeat(self.now.epoch);
    }

    pub(crate) fn pass_without_sign_of_life(&mut self, duration: Duration) {
        self.now = Now { nanos: self.now.nanos + duration, epoch: self.now.epoch + duration };
    }

    pub(crate) fn connect(&self, context: Context) -> Result<Aeron, ClientError> {
        Aeron::connecting(context).poll(self.now).map(Option::unwrap)
    }

    pub(crate) fn next_command(&mut self) -> Option<Recorded> {
        let mut recorded = None;
        self.commands
            .read(1, |type_id, payload| recorded = Some(Recorded { type_id, payload: payload.to_vec() }));
        recorded
    }

    /// The next command, which must be of this type.
    pub(crate) fn expect_command(&mut self, type_id: i32) -> Recorded {
        let recorded = self.next_command().expect("a command");
        assert_eq!(recorded.type_id, type_id, "{:?}", recorded.command());
        recorded
    }

    pub(crate) fn send(&mut self, event: &Event<'_>) {
        let mut payload = Vec::new();
        event.encode(&mut payload);
        self.events.transmit(event.type_id(), &payload).unwrap();
    }

    pub(crate) fn counter(
        &mut self,
        type_id: CounterTypeId,
        registration_id: i64,
        owner_id: i64,
    ) -> AtomicCounter {
        let new =
            NewCounter { type_id, key: &[], label: b"counter", registration_id, owner_id, reference_id: 0 };
        self.counters.allocate(self.now.epoch, &new).unwrap()
    }

    pub(crate) fn heartbeat_counter(&mut self, aeron: &Aeron) -> AtomicCounter {
        let label = heartbeat_label(aeron.client_id());
        self.heartbeat_counter_labelled(aeron, &label)
    }

    pub(crate) fn heartbeat_counter_labelled(&mut self, aeron: &Aeron, label: &str) -> AtomicCounter {
        let (client_id, id) = (aeron.client_id(), aeron.client_id().get());
        let key = HeartbeatKey { client_id }.encode();
        let new = NewCounter {
            type_id: CounterTypeId::CLIENT_HEARTBEAT,
            key: &key,
            label: label.as_bytes(),
            registration_id: id,
            owner_id: id,
            reference_id: 0,
        };
        self.counters.allocate(self.now.epoch, &new).unwrap()
    }

    pub(crate) fn log_path(&self, id: i64) -> PathBuf {
        self.directory.path().join(format!("{id}.logbuffer"))
    }

    pub(crate) fn create_log(&mut self, kind: LogKind, id: i64) -> (LogBuffers, PathBuf) {
        let parameters = LogParameters {
            session_id: SESSION,
            stream_id: StreamId::new(STREAM),
            initial_term_id: INITIAL_TERM,
            ..LogParameters::new(
                kind,
                RegistrationId::new(id),
                Mtu::new(i64::from(MTU)).unwrap(),
                TermLength::new(i64::from(TERM_LENGTH)).unwrap(),
            )
        };
        let path = self.log_path(id);
        let log = LogBuffers::create(&path, &parameters, Allocation::Sparse).unwrap();
        // Images have no tails; with one, an appender plays the receiver that fills them.
        log.metadata().set_tail(0, RawTail::new(INITIAL_TERM, TermOffset::ZERO));
        (log, path)
    }

    /// Creates a publication's log and its limit; connected, with a window of half a term.
    pub(crate) fn create_publication(&mut self, kind: LogKind, id: CorrelationId) -> DriverLog {
        let (log, path) = self.create_log(kind, id.get());
        let limit = self.counter(CounterTypeId::PUBLISHER_LIMIT, id.get(), 0);
        limit.set_release(i64::from(TERM_LENGTH) / 2);
        log.metadata().set_connected(true);
        DriverLog { log, path, limit }
    }

    pub(crate) fn publication_ready<'a>(
        id: CorrelationId,
        original: CorrelationId,
        limit: CounterId,
        path: &'a std::path::Path,
    ) -> PublicationReady<'a> {
        PublicationReady {
            correlation_id: id,
            original_registration_id: original.as_registration_id(),
            session_id: SESSION,
            stream_id: StreamId::new(STREAM),
            limit_id: limit,
            channel_status_id: CounterId::NULL,
            log_file_name: path.to_str().unwrap(),
        }
    }

    /// Creates an image's log and tells a subscription of it.
    pub(crate) fn create_image(&mut self, subscription: RegistrationId, source: &str) -> DriverImage {
        let id = self.commands.next_correlation_id();
        let (log, path) = self.create_log(LogKind::Image, id.get());
        let position = self.counter(CounterTypeId::SUBSCRIBER_POSITION, subscription.get(), 0);
        self.announce_image(subscription, id, SESSION, position.id(), &path, source);
        DriverImage { id: id.as_registration_id(), log, position }
    }

    pub(crate) fn announce_image(
        &mut self,
        subscription_id: RegistrationId,
        image_id: CorrelationId,
        session_id: SessionId,
        position_id: CounterId,
        path: &std::path::Path,
        source_identity: &str,
    ) {
        self.send(&Event::AvailableImage(AvailableImage {
            image_id,
            session_id,
            stream_id: StreamId::new(STREAM),
            subscription_id,
            position_id,
            log_file_name: path.to_str().unwrap(),
            source_identity,
        }));
    }

    pub(crate) fn withdraw_image(&mut self, subscription_id: RegistrationId, image_id: RegistrationId) {
        self.send(&Event::UnavailableImage {
            image_id: CorrelationId::new(image_id.get()),
            subscription_id,
            stream_id: StreamId::new(STREAM),
            channel: CHANNEL,
        });
    }
}

/// A client stepped by hand beside its driver.
pub(crate) struct World {
    pub(crate) driver: FakeDriver,
    pub(crate) aeron: Aeron,
    pub(crate) invoker: Invoker,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|context| context)
    }

    pub(crate) fn with(configure: impl FnOnce(Context) -> Context) -> Self {
        let driver = FakeDriver::new();
        let aeron = driver.connect(configure(driver.context())).unwrap();
        let invoker = aeron.invoker().unwrap();
        Self { driver, aeron, invoker }
    }

    /// One duty cycle of the client, now.
    pub(crate) fn step(&self) -> Result<usize, ClientError> {
        self.invoker.do_work(self.driver.now)
    }

    /// Duty cycles over a time in which nothing goes wrong.
    pub(crate) fn run(&mut self, duration: Duration) {
        let tick = Duration::from_millis(20);
        let mut left = duration;
        while !left.is_zero() {
            let passed = left.min(tick);
            self.driver.pass(passed);
            self.step().unwrap();
            left -= passed;
        }
    }

    /// What a pending answer became after one more duty cycle.
    pub(crate) fn answer<T>(&self, pending: &mut Pending<T>) -> Result<T, ClientError> {
        self.step().unwrap();
        pending.poll().map(|answer| answer.expect("an answer"))
    }

    pub(crate) fn add_publication(&mut self) -> (Publication, DriverLog) {
        let mut pending = self.aeron.add_publication_async(CHANNEL, STREAM).unwrap();
        self.step().unwrap();
        let id = self.driver.expect_command(command_id::ADD_PUBLICATION).command().correlation_id;
        let log = self.driver.create_publication(LogKind::ConcurrentPublication, id);
        let ready = FakeDriver::publication_ready(id, id, log.limit.id(), &log.path);
        self.driver.send(&Event::PublicationReady(ready));
        (self.answer(&mut pending).unwrap(), log)
    }

    pub(crate) fn add_exclusive_publication(&mut self) -> (ExclusivePublication, DriverLog) {
        let mut pending = self.aeron.add_exclusive_publication_async(CHANNEL, STREAM).unwrap();
        self.step().unwrap();
        let id = self.driver.expect_command(command_id::ADD_EXCLUSIVE_PUBLICATION).command().correlation_id;
        let log = self.driver.create_publication(LogKind::ExclusivePublication, id);
        let ready = FakeDriver::publication_ready(id, id, log.limit.id(), &log.path);
        self.driver.send(&Event::ExclusivePublicationReady(ready));
        (self.answer(&mut pending).unwrap(), log)
    }

    pub(crate) fn add_subscription(&mut self) -> Subscription {
        let mut pending = self.aeron.add_subscription_async(CHANNEL, STREAM).unwrap();
        self.confirm_subscription(CounterId::NULL);
        self.answer(&mut pending).unwrap()
    }

    pub(crate) fn confirm_subscription(&mut self, channel_status_id: CounterId) {
        self.step().unwrap();
        let correlation_id =
            self.driver.expect_command(command_id::ADD_SUBSCRIPTION).command().correlation_id;
        self.driver.send(&Event::SubscriptionReady { correlation_id, channel_status_id });
    }

    pub(crate) fn add_image(&mut self, subscription: &Subscription) -> DriverImage {
        let image = self.driver.create_image(subscription.registration_id(), "127.0.0.1:4001");
        self.step().unwrap();
        image
    }

    pub(crate) fn active_channel(&mut self) -> CounterId {
        let counter = self.driver.counter(CounterTypeId::RECEIVE_CHANNEL_STATUS, 0, 0);
        counter.set_release(ChannelStatus::Active.value());
        counter.id()
    }
}

/// The only image of a subscription.
pub(crate) fn only_image(subscription: &mut Subscription) -> &mut Image {
    let images = subscription.images();
    assert_eq!(images.len(), 1);
    &mut images[0]
}

pub(crate) const fn position(bytes: i64) -> Position {
    Position::new(bytes)
}

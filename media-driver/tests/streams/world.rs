//! Hosts with a driver each, clients, and time that passes only when the test says so.

use std::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use epona_client::{
    Aeron, ClientError, Context as ClientContext, ExclusivePublication, FragmentAssembler, Invoker,
    OfferError, Pending, Publication, Subscription,
};
use epona_media_driver::{
    Context, InvokedDriver,
    clock::Clock,
    config::{ProbedSocketBuffers, ThreadingMode},
    directory::{DriverDirectory, storage::SystemStorage},
    driver::{Environment, fresh_directory},
    media::simulated::{Conditions, Event, SimulatedNetwork},
    name_resolution::DefaultNameResolver,
};
use epona_protocol::{
    cnc::{Cnc, CncState},
    counters::{CounterDescriptor, CountersReader, SystemCounter},
    error_log,
    types::{CounterTypeId, EpochMillis, Nanos, Now, TermLength},
};

/// Virtual time after which what a test waits for will not come any more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Messages of all lengths that make a difference to frames of 1408 bytes.
pub(crate) const LENGTHS: &[usize] = &[0, 1, 100, 1376, 1377, 2752, 5000, 8192];

pub(crate) struct World {
    pub(crate) network: SimulatedNetwork,
    pub(crate) now: Now,
    /// Time between two turns of everybody.
    pub(crate) step: Duration,
    clients: Vec<(Aeron, Invoker)>,
    hosts: Vec<(InvokedDriver, Cnc)>,
}

#[derive(Debug)]
struct At(Now);

impl Clock for At {
    fn now(&self) -> Now {
        self.0
    }
}

pub(crate) fn address(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, u8::try_from(host + 1).unwrap()))
}

/// A channel to a host.
pub(crate) fn to(host: usize, port: u16) -> String {
    format!("aeron:udp?endpoint={}:{port}|term-length=64k", address(host))
}

impl World {
    /// Drivers with small terms on as many hosts.
    pub(crate) fn new(hosts: usize) -> Self {
        Self::with(hosts, |_| {})
    }

    /// Drivers with settings of the test's.
    pub(crate) fn with(hosts: usize, mut change: impl FnMut(&mut Context)) -> Self {
        let network = SimulatedNetwork::new(11);
        let now = at(Nanos::new(1_000_000_000));
        let hosts = (0..hosts).map(|host| start(&network, host, now, &mut change)).collect();
        Self { network, now, step: Duration::from_millis(1), clients: Vec::new(), hosts }
    }

    /// A client of a host's driver.
    pub(crate) fn connect(&mut self, host: usize) -> Aeron {
        self.connect_with(host, |context| context)
    }

    /// A client with handlers of the test's.
    pub(crate) fn connect_with(
        &mut self,
        host: usize,
        change: impl FnOnce(ClientContext) -> ClientContext,
    ) -> Aeron {
        let context = ClientContext::new()
            .dir(self.hosts[host].0.directory())
            .driver_timeout(Duration::from_secs(10))
            .resource_linger(Duration::from_secs(3))
            .use_invoker();
        let mut connecting = Aeron::connecting(change(context));
        let aeron = connecting.poll(self.now).unwrap().expect("the driver is there");
        self.clients.push((aeron.clone(), aeron.invoker().unwrap()));
        aeron
    }

    /// One turn of everybody; then time passes.
    pub(crate) fn turn(&mut self) {
        for (driver, _) in &mut self.hosts {
            driver.do_work(self.now);
        }
        for (aeron, invoker) in &self.clients {
            if !aeron.is_closed() {
                invoker.do_work(self.now).unwrap();
            }
        }
        self.now = at(self.now.nanos + self.step);
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.nanos + time;
        while self.now.nanos < end {
            self.turn();
        }
    }

    /// Turns until there is something.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
        let end = self.now.nanos + PATIENCE;
        loop {
            if let Some(done) = attempt() {
                return done;
            }
            assert!(self.now.nanos < end, "not in {PATIENCE:?}: {what}; errors: {:?}", self.errors());
            self.turn();
        }
    }

    #[track_caller]
    pub(crate) fn complete<T>(&mut self, pending: Result<Pending<T>, ClientError>) -> Result<T, ClientError> {
        let mut pending = pending?;
        self.until("an answer", || pending.poll().transpose())
    }

    #[track_caller]
    pub(crate) fn publish(&mut self, aeron: &Aeron, channel: &str, stream: i32) -> Publication {
        self.complete(aeron.add_publication_async(channel, stream)).unwrap()
    }

    #[track_caller]
    pub(crate) fn publish_exclusively(
        &mut self,
        aeron: &Aeron,
        channel: &str,
        stream: i32,
    ) -> ExclusivePublication {
        self.complete(aeron.add_exclusive_publication_async(channel, stream)).unwrap()
    }

    #[track_caller]
    pub(crate) fn subscribe(&mut self, aeron: &Aeron, channel: &str, stream: i32) -> Subscription {
        self.complete(aeron.add_subscription_async(channel, stream)).unwrap()
    }

    /// Waits until both sides know of each other.
    #[track_caller]
    pub(crate) fn meet(&mut self, publication: &Publication, subscription: &Subscription) {
        self.until("both are connected", || {
            (publication.is_connected() && subscription.is_connected()).then_some(())
        });
    }

    /// Sends messages of [`LENGTHS`] and checks that each subscription gets every byte in order.
    #[track_caller]
    pub(crate) fn exchange(
        &mut self,
        publication: &Publication,
        subscriptions: &mut [&mut Subscription],
        messages: usize,
    ) {
        let mut readers: Vec<_> =
            subscriptions.iter_mut().map(|subscription| Reader::new(subscription)).collect();
        let mut sent = 0;
        self.until("all messages exchanged", || {
            while sent < messages && offer(publication, &message(sent)) {
                sent += 1;
            }
            readers.iter_mut().for_each(Reader::poll);
            readers.iter().all(|reader| reader.received.get() == messages).then_some(())
        });
    }

    pub(crate) fn system(&self, host: usize, counter: SystemCounter) -> i64 {
        self.reader(host).value(counter.id()).unwrap()
    }

    pub(crate) fn counters(&self, host: usize, kind: CounterTypeId) -> Vec<CounterDescriptor> {
        self.reader(host).iter().filter(|counter| counter.type_id == kind).collect()
    }

    fn reader(&self, host: usize) -> CountersReader {
        let cnc = &self.hosts[host].1;
        CountersReader::new(cnc.counters_metadata(), cnc.counters_values())
    }

    /// Texts in the error logs of all drivers.
    pub(crate) fn errors(&self) -> Vec<String> {
        let logs = self.hosts.iter().map(|(_, cnc)| cnc.error_log());
        logs.flat_map(error_log::entries).map(|entry| entry.text).collect()
    }

    /// Cuts a link or mends it, in one direction.
    pub(crate) fn set_loss(&self, from: usize, to: usize, loss: f64) {
        let conditions = Conditions { loss, ..Conditions::default() };
        self.network.set_link(address(from), address(to), conditions);
    }

    /// Datagrams of a frame type that hosts have sent since recording began or was looked at last.
    pub(crate) fn sent(&self, frame_type: u16) -> usize {
        let is_it =
            |bytes: &[u8]| bytes.get(6..8).is_some_and(|t| u16::from_le_bytes([t[0], t[1]]) == frame_type);
        let trace = self.network.take_trace();
        trace.iter().filter(|entry| entry.event != Event::Unreachable && is_it(&entry.bytes)).count()
    }
}

fn at(nanos: Nanos) -> Now {
    Now { nanos, epoch: EpochMillis::new(1_800_000_000_000 + nanos.get() / 1_000_000) }
}

fn start(
    network: &SimulatedNetwork,
    host: usize,
    now: Now,
    change: &mut impl FnMut(&mut Context),
) -> (InvokedDriver, Cnc) {
    let mut context = Context::default()
        .dir(fresh_directory())
        .delete_dir_on_shutdown(true)
        .threading_mode(ThreadingMode::Invoker)
        .term_lengths(TermLength::MIN);
    context.buffers.counter_values_length = 1 << 20;
    context.buffers.storage_checks = false;
    // Datagrams are counted here: with offload all of a window goes in one turn, as far as a padding beyond the term's half
    // that receivers take for an over-run, as Aeron's do, and ask for again.
    context.network.offload = false;
    change(&mut context);
    let directory = DriverDirectory::take_over(&context.directory, &At(now), |_| ()).unwrap();
    let environment = Environment {
        events: epona_media_driver::event_log::EventLog::off(),
        transports: Box::new(network.host(address(host))),
        names: Box::new(DefaultNameResolver),
        file_system: Box::new(SystemStorage),
        clock: Box::new(At(now)),
        system_buffers: ProbedSocketBuffers { send: 212_992, receive: 212_992 },
        random: fastrand::Rng::with_seed(host as u64),
        now,
    };
    let path = context.directory.path.clone();
    let driver = InvokedDriver::assemble(context, directory, environment).unwrap();
    let CncState::Ready(cnc) = Cnc::open(&path).unwrap() else { panic!("the driver has published its file") };
    (driver, cnc)
}

/// Message of a number: every byte tells both.
pub(crate) fn message(number: usize) -> Vec<u8> {
    (0..LENGTHS[number % LENGTHS.len()]).map(|index| (number * 31 + index) as u8).collect()
}

/// Whether an offer was taken; what makes no sense to repeat ends the test.
pub(crate) fn offer(publication: &Publication, message: &[u8]) -> bool {
    match publication.offer(message) {
        Ok(_) => true,
        Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => false,
        Err(error) => panic!("{error}"),
    }
}

type Handler = Box<dyn FnMut(&[u8], &epona_client::Header<'_>)>;

/// Reads messages that must come in order from number 0.
struct Reader<'a> {
    subscription: &'a mut Subscription,
    assembler: FragmentAssembler<Handler>,
    received: std::rc::Rc<Cell<usize>>,
}

impl<'a> Reader<'a> {
    fn new(subscription: &'a mut Subscription) -> Self {
        let received = std::rc::Rc::new(Cell::new(0));
        let count = std::rc::Rc::clone(&received);
        let check: Handler = Box::new(move |payload, _| {
            assert_eq!(payload, message(count.get()), "message {}", count.get());
            count.set(count.get() + 1);
        });
        Self { subscription, assembler: FragmentAssembler::new(check), received }
    }

    fn poll(&mut self) {
        let assembler = &mut self.assembler;
        self.subscription.poll(|fragment, header| assembler.on_fragment(fragment, header), 20);
    }
}

//! A whole driver on a simulated network, with streams of every kind, that whoever can reach it may do anything to.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
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
        simulated::{Conditions, SimulatedNetwork},
        transport::{Affinity, ReceiveBuffers, SendRun, Transport, TransportFactory, TransportSpec},
    },
    name_resolution::DefaultNameResolver,
};
use epona_protocol::{
    broadcast::CopyReceiver,
    cnc::{Cnc, CncState},
    command::{Command, Event, Request},
    counters::CountersReader,
    logbuffer::LogBuffers,
    memory::SharedBytes,
    ring_buffer::mpsc::Producer,
    types::{
        ClientId, CorrelationId, CounterId, CounterTypeId, EpochMillis, Nanos, Now, StreamId, TermLength,
    },
};

use crate::Input;

const DRIVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// Port of the stranger, which publications send to.
const STRANGERS_PORT: u16 = 40_001;
/// Ports of the driver, the first for control, the second for data.
const PORTS: [u16; 2] = [40_002, 40_003];

/// What there is before anything happens.
const STREAMS: &[(bool, &str)] = &[
    (true, "aeron:udp?endpoint=10.0.0.2:40001|session-id=5|init-term-id=0|term-id=0|term-offset=0"),
    (true, "aeron:udp?control=10.0.0.1:40002|control-mode=dynamic|fc=min|session-id=6"),
    (true, "aeron:ipc?session-id=7"),
    (false, "aeron:udp?endpoint=10.0.0.1:40003"),
    (false, "aeron:udp?endpoint=10.0.0.1:40003|tether=false"),
    (false, "aeron:ipc"),
    (false, "aeron-spy:aeron:udp?endpoint=10.0.0.2:40001"),
];
const STREAM: i32 = 1001;
const CLIENT: i64 = 1;

/// Turns after each thing that happens, enough for a command to run its course.
const TURNS: usize = 12;

/// Stands still.
#[derive(Debug)]
struct Still(Now);

impl Clock for Still {
    fn now(&self) -> Now {
        self.0
    }
}

/// The driver, and what surrounds it.
#[derive(Debug)]
pub struct World {
    roles: Roles,
    now: Now,
    cnc: Cnc,
    commands: Producer,
    events: CopyReceiver,
    stranger: Box<dyn Transport>,
    buffers: ReceiveBuffers,
    /// Where datagrams to the stranger came from last: the publication's own port.
    sender: SocketAddr,
    logs: Vec<LogBuffers>,
    directory: PathBuf,
}

impl World {
    /// A driver that has just started, and its streams.
    pub fn new() -> Self {
        let now = Now { nanos: Nanos::new(1_000_000_000), epoch: EpochMillis::new(1_800_000_000_000) };
        let network = SimulatedNetwork::new(7);
        network.set_conditions(Conditions { delay: Duration::ZERO, ..Conditions::default() });
        let directory = directory();
        let context = context(directory.clone());
        let taken = DriverDirectory::take_over(&context.directory, &Still(now), |_| ()).expect("a directory");
        let environment = Environment {
            events: EventLog::off(),
            transports: Box::new(network.host(DRIVER)),
            names: Box::new(DefaultNameResolver),
            file_system: Box::new(SystemStorage),
            clock: Box::new(Still(now)),
            system_buffers: ProbedSocketBuffers { send: 212_992, receive: 212_992 },
            random: fastrand::Rng::with_seed(42),
            now,
        };
        let roles = assemble(context, &taken, environment).expect("a driver");
        let CncState::Ready(cnc) = Cnc::open(&directory).expect("a CnC file") else {
            panic!("the driver has published its file")
        };
        let spec = TransportSpec::bound(Affinity::Receiver, SocketAddr::new(STRANGER, STRANGERS_PORT));
        let mut this = Self {
            roles,
            now,
            commands: Producer::new(cnc.to_driver()).expect("a ring buffer"),
            events: CopyReceiver::new(cnc.to_clients()).expect("a broadcast buffer"),
            cnc,
            stranger: network.host(STRANGER).open(&spec).expect("a socket"),
            buffers: ReceiveBuffers::new(1, 2048),
            sender: SocketAddr::new(DRIVER, PORTS[0]),
            logs: Vec::new(),
            directory,
        };
        this.add_streams();
        this
    }

    fn add_streams(&mut self) {
        let stream_id = StreamId::new(STREAM);
        for &(is_publication, channel) in STREAMS {
            self.ask(match is_publication {
                true => Request::AddPublication { stream_id, channel },
                false => Request::AddSubscription { stream_id, channel },
            });
        }
        let label = b"a counter";
        self.ask(Request::AddCounter { type_id: CounterTypeId::new(1000), key: &[1], label });
    }

    fn ask(&mut self, request: Request<'_>) {
        let mut record = Vec::new();
        let correlation_id = self.commands.next_correlation_id();
        Command { client_id: ClientId::new(CLIENT), correlation_id, request }.encode(&mut record);
        self.command(request.type_id(), &record);
    }

    fn command(&mut self, type_id: i32, record: &[u8]) {
        // Without room, or too long for any, it is the client that has a problem.
        let _ = self.commands.write(type_id, record);
        self.settle();
    }

    /// Something that strangers, clients or time may do, from the front of the input.
    pub fn happen(&mut self, input: &mut Input<'_>) {
        let [what, length] = input.take();
        match what % 8 {
            0 => self.command(i32::from(length), input.bytes(usize::from(length))),
            1 | 2 => self.datagram(SocketAddr::new(DRIVER, PORTS[1]), input.bytes(usize::from(length))),
            3 => self.datagram(self.sender, input.bytes(usize::from(length))),
            4 => self.datagram(SocketAddr::new(DRIVER, PORTS[0]), input.bytes(usize::from(length))),
            5 => self.pass(Duration::from_millis(u64::from(length) * 20)),
            6 => self.overwrite_log(usize::from(length), input),
            _ => self.overwrite_counter(input),
        }
    }

    fn datagram(&mut self, to: SocketAddr, bytes: &[u8]) {
        let run = SendRun::datagram(SharedBytes::from_slice(bytes), Some(to));
        let _ = self.stranger.send_batch(self.now.nanos, &[run]);
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now { nanos: self.now.nanos + time, epoch: self.now.epoch + time };
        self.settle();
    }

    /// Eight bytes anywhere in a log that the driver has told of: in its first term, or in the metadata that moves.
    fn overwrite_log(&mut self, which: usize, input: &mut Input<'_>) {
        let (offset, value) = (input.i32() as usize, input.i64());
        let Some(log) = self.logs.get(which % self.logs.len().max(1)) else { return };
        match which & 1 {
            0 => log.metadata().view().put_i64(offset % 18 * 8, value),
            _ => log.term(0).put_i64(offset % 8192 * 8, value),
        }
        self.settle();
    }

    /// The value of any counter.
    fn overwrite_counter(&mut self, input: &mut Input<'_>) {
        let (counter, value) = (CounterId::new(input.i32() & 0x7F), input.i64());
        let counters = CountersReader::new(self.cnc.counters_metadata(), self.cnc.counters_values());
        if let Some(counter) = counters.writable(counter) {
            counter.set_release(value);
        }
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..TURNS {
            let Roles { conductor, sender, receiver, native_resource_agent, .. } = &mut self.roles;
            sender.do_work(self.now);
            receiver.do_work(self.now);
            native_resource_agent.do_work(self.now);
            conductor.do_work(self.now);
        }
        self.listen();
        let Self { stranger, buffers, sender, now, .. } = self;
        for _ in 0..64 {
            let read = stranger.recv_batch(now.nanos, buffers, &mut |datagram| *sender = datagram.source);
            if read.messages == 0 {
                break;
            }
        }
    }

    /// Everything that clients are told is what they can read; logs that they are told of are there.
    fn listen(&mut self) {
        let Self { events, logs, .. } = self;
        loop {
            let heard = events.receive(|type_id, bytes| {
                let event = Event::parse(type_id, bytes).expect("an event that clients can read");
                let log = match event {
                    Event::PublicationReady(ready) | Event::ExclusivePublicationReady(ready) => {
                        ready.log_file_name
                    }
                    Event::AvailableImage(image) => image.log_file_name,
                    _ => return,
                };
                logs.extend(LogBuffers::open(log.as_ref()));
            });
            if heard.is_ok_and(|count| count == 0) {
                return;
            }
        }
    }

    /// Whatever happened, the driver answers its next client, and ends well.
    pub fn end(mut self) {
        self.pass(Duration::from_secs(1));
        let asked = self.commands.next_correlation_id();
        let answered = self.answers(asked);
        assert!(answered, "the driver does not answer any more");
        for _ in 0..20 {
            self.pass(Duration::from_secs(1));
        }
    }

    fn answers(&mut self, asked: CorrelationId) -> bool {
        let request = Request::NextAvailableSessionId { stream_id: StreamId::new(77) };
        let mut record = Vec::new();
        Command { client_id: ClientId::new(2), correlation_id: asked, request }.encode(&mut record);
        if self.commands.write(request.type_id(), &record).is_err() {
            // Its ring buffer was overwritten, which is its clients' affair.
            return true;
        }
        for _ in 0..64 {
            let Roles { conductor, native_resource_agent, .. } = &mut self.roles;
            native_resource_agent.do_work(self.now);
            conductor.do_work(self.now);
            let mut answered = false;
            let heard = self.events.receive(|type_id, bytes| {
                let event = Event::parse(type_id, bytes).expect("an event that clients can read");
                answered = matches!(event, Event::NextAvailableSessionId { correlation_id, .. } if correlation_id == asked);
            });
            if answered || heard.is_err() {
                return true;
            }
        }
        false
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A directory of this process, in memory where there is some.
fn directory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    parent.join(format!("epona-fuzz-{}", std::process::id()))
}

/// Small files, which are made anew for every input.
fn context(directory: PathBuf) -> Context {
    let mut context = Context::default().dir(directory).term_lengths(TermLength::MIN);
    context.directory.delete_on_start = true;
    context.buffers.to_driver_length = (4 << 10) + 768;
    context.buffers.to_clients_length = (16 << 10) + 128;
    context.buffers.counter_values_length = 16 << 10;
    context.buffers.error_log_length = 16 << 10;
    context.buffers.loss_report_length = 4 << 10;
    context.buffers.storage_checks = false;
    context.timeouts.client_liveness = Duration::from_secs(3600);
    context.timeouts.publication_unblock = Duration::from_secs(3);
    context
}

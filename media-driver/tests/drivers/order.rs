//! In which order the roles of a driver end: senders before receivers, the conductor last.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::RawFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use epona_client::{Aeron, Context as ClientContext};
use epona_media_driver::{
    Context, MediaDriver,
    clock::{Clock, SystemClock},
    config::{ProbedSocketBuffers, ThreadingMode},
    directory::{DriverDirectory, storage::SystemStorage},
    driver::Environment,
    event_log::EventLog,
    media::{
        Affinity, Offload, OpenError, ReceiveBuffers, Received, RecvOutcome, SendOutcome, SendRun, Transport,
        TransportFactory, TransportSpec, UdpTransportFactory,
    },
    name_resolution::{DefaultNameResolver, NameQuery, NameResolver, ResolutionError},
};
use epona_protocol::{
    cnc::{Cnc, CncState},
    types::{Nanos, TermLength},
};

use crate::harness::{unicast, until};

/// What happened, in order: who ended, and whether the driver had told by then that it has stopped.
#[derive(Clone, Debug)]
struct Record {
    directory: PathBuf,
    ends: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl Record {
    fn add(&self, what: &'static str) {
        self.ends.lock().unwrap().push((what, has_stopped(&self.directory)));
    }

    /// What belongs to a role, and goes with it.
    fn part_of(&self, role: &'static str) -> Part {
        Part { role, record: self.clone() }
    }
}

fn has_stopped(directory: &Path) -> bool {
    match Cnc::open(directory) {
        Ok(CncState::Ready(cnc)) => cnc.driver_heartbeat().is_ok_and(|heartbeat| heartbeat.get() == -1),
        _ => false,
    }
}

#[derive(Debug)]
struct Part {
    role: &'static str,
    record: Record,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.record.add(self.role);
    }
}

/// The conductor's.
#[derive(Debug)]
struct Sockets(Part);

impl TransportFactory for Sockets {
    fn open(&mut self, spec: &TransportSpec) -> Result<Box<dyn Transport>, OpenError> {
        let role = match spec.affinity {
            Affinity::Sender => "sender",
            Affinity::Receiver => "receiver",
            Affinity::Conductor => "names",
        };
        let inner = UdpTransportFactory.open(spec)?;
        Ok(Box::new(Socket { inner, part: self.0.record.part_of(role) }))
    }
}

/// The sender's or the receiver's.
#[derive(Debug)]
struct Socket {
    inner: Box<dyn Transport>,
    part: Part,
}

impl Socket {
    /// A role at work; when another has ended already, that is recorded.
    fn work(&self) {
        if !self.part.record.ends.lock().unwrap().is_empty() {
            self.part.record.add("a role at work");
        }
    }
}

impl Transport for Socket {
    fn send_batch(&mut self, now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome {
        self.work();
        self.inner.send_batch(now, runs)
    }

    fn recv_batch(
        &mut self,
        now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        self.work();
        self.inner.recv_batch(now, buffers, handler)
    }

    fn offload(&self) -> Offload {
        self.inner.offload()
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

/// The native resource agent's.
#[derive(Debug)]
struct Names {
    _part: Part,
}

impl NameResolver for Names {
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        DefaultNameResolver.resolve(query)
    }
}

/// Runs a driver with a stream, and ends it while that flows.
fn ends_of(mode: ThreadingMode) -> Vec<(&'static str, bool)> {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("aeron");
    let context = Context::default().dir(&path).threading_mode(mode).term_lengths(TermLength::MIN);
    let record = Record { directory: path.clone(), ends: Arc::default() };
    let clock = SystemClock::new();
    let environment = Environment {
        transports: Box::new(Sockets(record.part_of("conductor"))),
        names: Box::new(Names { _part: record.part_of("native resource agent") }),
        file_system: Box::new(SystemStorage),
        clock: Box::new(clock),
        system_buffers: ProbedSocketBuffers { send: 1 << 20, receive: 1 << 20 },
        random: fastrand::Rng::new(),
        events: EventLog::off(),
        now: clock.now(),
    };
    let directory = DriverDirectory::take_over(&context.directory, &clock, thread::sleep).unwrap();
    let driver = MediaDriver::launch_in(context, directory, environment).unwrap();
    let aeron = Aeron::connect(ClientContext::new().dir(&path).on_error(|_| {})).unwrap();
    let channel = unicast();
    let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
    let publication = aeron.add_publication(&channel, 1001).unwrap();
    until("a message arrives", || {
        let _ = publication.offer(b"x");
        subscription.poll(|_, _| (), 10) > 0
    });
    assert_eq!(*record.ends.lock().unwrap(), []);
    driver.close().unwrap();
    std::mem::take(&mut *record.ends.lock().unwrap())
}

#[test]
fn no_role_ends_while_another_works_and_the_conductor_ends_last_and_says_so() {
    for mode in [ThreadingMode::Dedicated, ThreadingMode::SharedNetwork] {
        let expected =
            [("sender", false), ("receiver", false), ("native resource agent", false), ("conductor", true)];
        assert_eq!(ends_of(mode), expected, "{mode:?}");
    }
}

#[test]
fn roles_of_one_thread_end_in_the_same_order() {
    let ends: Vec<_> = ends_of(ThreadingMode::Shared).into_iter().map(|(role, _)| role).collect();
    assert_eq!(ends, ["sender", "receiver", "native resource agent", "conductor"]);
}

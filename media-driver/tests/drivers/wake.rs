//! Clients wake threads of the driver that would sleep for long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use epona_client::{Aeron, Context as ClientContext};
use epona_media_driver::{
    Context, EmbeddedDriver,
    clock::{Clock, SystemClock},
    config::{ProbedSocketBuffers, ThreadingMode},
    directory::{DriverDirectory, create_doorbells, storage::SystemStorage},
    driver::{Environment, Roles, assemble},
    duty_cycle::{AgentRunner, DutyCycle, Inputs, RunningAgent, StopSignal, ThreadRole},
    event_log::EventLog,
    idle::IdleStrategy,
    media::UdpTransportFactory,
    name_resolution::DefaultNameResolver,
};
use epona_protocol::{
    cnc::{Cnc, CncState},
    doorbell::{Door, Doorbell},
    types::{Now, TermLength},
};

use crate::harness::{connect, launch_with, unicast, until};

/// Longer than any test waits for anything.
const LONG: Duration = Duration::from_secs(600);

/// Turns without work after which an adaptive thread sleeps for as long as it may: 20 spins, 40 yields, 100 short sleeps.
const TURNS_AWAKE: usize = 161;

/// A role that would be left alone for long, with a count of its turns since it had work.
struct Drowsy {
    role: Box<dyn DutyCycle + Send>,
    longest_wait: Option<Duration>,
    turns: Arc<AtomicUsize>,
}

impl DutyCycle for Drowsy {
    fn role_name(&self) -> &str {
        self.role.role_name()
    }
    fn on_start(&mut self, now: Now) {
        self.role.on_start(now);
    }
    fn do_work(&mut self, now: Now) -> usize {
        let work = self.role.do_work(now);
        let turns = if work > 0 { 0 } else { self.turns.load(Ordering::Relaxed) + 1 };
        self.turns.store(turns, Ordering::Relaxed);
        work
    }
    fn on_close(&mut self, now: Now) {
        self.role.on_close(now);
    }
    fn inputs(&self) -> std::io::Result<Inputs> {
        let inputs = self.role.inputs()?;
        Ok(Inputs { longest_wait: self.longest_wait.unwrap_or(inputs.longest_wait), ..inputs })
    }
}

/// A driver one of whose threads sleeps for as long as nothing wakes it.
struct World {
    agents: Vec<RunningAgent<Drowsy, SystemClock>>,
    turns: Arc<AtomicUsize>,
    bell: Doorbell,
    directory: tempfile::TempDir,
}

impl World {
    fn with_drowsy(drowsy: Door) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let clock = SystemClock::new();
        let path = parent.path().join("aeron");
        let mut context = Context::default().dir(&path).term_lengths(TermLength::MIN);
        // What receivers say wakes the sender too.
        context.timeouts.status_message = LONG;
        context.timeouts.publication_connection = 2 * LONG;
        let directory = DriverDirectory::take_over(&context.directory, &clock, thread::sleep).unwrap();
        let environment = Environment {
            transports: Box::new(UdpTransportFactory),
            names: Box::new(DefaultNameResolver),
            file_system: Box::new(SystemStorage),
            clock: Box::new(clock),
            system_buffers: ProbedSocketBuffers { send: 1 << 20, receive: 1 << 20 },
            random: fastrand::Rng::new(),
            events: EventLog::off(),
            now: clock.now(),
        };
        create_doorbells(&path).unwrap();
        let Roles { conductor, sender, receiver, native_resource_agent, cnc, .. } =
            assemble(context, &directory, environment).unwrap();
        let open = |door| Doorbell::open(&path, &cnc, door).unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let roles: [(ThreadRole, Box<dyn DutyCycle + Send>); 4] = [
            (ThreadRole::NativeResourceAgent, Box::new(native_resource_agent)),
            (ThreadRole::Receiver, Box::new(receiver)),
            (ThreadRole::Sender, Box::new(sender)),
            (ThreadRole::Conductor, Box::new(conductor)),
        ];
        let agents = roles.map(|(thread, role)| {
            let is_drowsy = thread.doors() == [drowsy];
            let turns = if is_drowsy { Arc::clone(&turns) } else { Arc::default() };
            let agent = Drowsy { role, longest_wait: is_drowsy.then_some(LONG), turns };
            AgentRunner::new(agent, IdleStrategy::default(), clock)
                .behind(thread.doors().iter().map(|door| open(*door)).collect())
                .spawn("role", StopSignal::default())
                .unwrap()
        });
        Self { agents: agents.into(), turns, bell: open(drowsy), directory: parent }
    }

    fn connect(&self) -> Aeron {
        Aeron::connect(ClientContext::new().dir(self.directory.path().join("aeron"))).unwrap()
    }

    /// Waits until the thread has looked for the last time, and may be woken.
    fn await_sleep(&self) {
        until("it sleeps", || self.turns.load(Ordering::Relaxed) >= TURNS_AWAKE && !self.bell.has_rung());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let agents = self.agents.drain(..).collect::<Vec<_>>();
        agents.iter().for_each(RunningAgent::ask_to_stop);
        let stopped: Vec<_> = agents.into_iter().map(|agent| agent.stop().unwrap()).collect();
        stopped.into_iter().for_each(AgentRunner::close);
    }
}

#[test]
fn what_is_published_after_long_silence_wakes_the_sender() {
    let world = World::with_drowsy(Door::Sender);
    let aeron = world.connect();
    let channel = unicast();
    let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
    let shared = aeron.add_publication(&channel, 1001).unwrap();
    let mut exclusive = aeron.add_exclusive_publication(&channel, 1001).unwrap();
    until("both are connected", || shared.is_connected() && exclusive.is_connected());
    let publish: [(&str, &mut dyn FnMut() -> bool); 4] = [
        ("an offer", &mut || shared.offer(b"x").is_ok()),
        ("a batch", &mut || shared.offer_batch(&[b"x"]).is_ok()),
        ("a claim", &mut || shared.try_claim(1).is_ok_and(|claim| claim.commit().get() > 0)),
        ("an exclusive offer", &mut || exclusive.offer(b"x").is_ok()),
    ];
    for (what, publish) in publish {
        world.await_sleep();
        assert!(publish(), "{what}");
        until(what, || subscription.poll(|_, _| (), 10) > 0);
    }
}

#[test]
fn what_is_claimed_exclusively_wakes_the_sender_when_it_is_committed() {
    let world = World::with_drowsy(Door::Sender);
    let aeron = world.connect();
    let channel = unicast();
    let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
    let mut publication = aeron.add_exclusive_publication(&channel, 1001).unwrap();
    until("it is connected", || publication.is_connected());
    world.await_sleep();
    let claim = publication.try_claim(1).unwrap();
    assert!(!world.bell.has_rung(), "nothing is published yet");
    claim.commit();
    until("the message arrives", || subscription.poll(|_, _| (), 10) > 0);
    world.await_sleep();
    publication.offer_batch(&[b"x", b"y"]).unwrap();
    until("the batch arrives", || subscription.poll(|_, _| (), 10) > 0);
    world.await_sleep();
    let end = publication.append_padding(100).unwrap();
    until("the padding arrives", || {
        subscription.poll(|_, _| (), 10);
        subscription.images().iter().all(|image| image.position() == end)
    });
}

#[test]
fn a_command_wakes_the_conductor_and_so_do_answers_of_the_resource_agent() {
    let world = World::with_drowsy(Door::Conductor);
    let aeron = world.connect();
    for _ in 0..3 {
        world.await_sleep();
        // Takes a log buffer, which another thread makes.
        aeron.add_publication(&unicast(), 1001).unwrap();
    }
}

#[test]
fn over_ipc_only_a_publisher_that_needs_room_wakes_anybody() {
    let world = World::with_drowsy(Door::Conductor);
    let aeron = world.connect();
    let mut subscription = aeron.add_subscription("aeron:ipc", 1001).unwrap();
    let mut publication = aeron.add_exclusive_publication("aeron:ipc", 1001).unwrap();
    until("it is connected", || publication.is_connected());
    world.await_sleep();
    publication.offer(b"x").unwrap();
    assert!(!world.bell.has_rung());
    until("the message arrives", || subscription.poll(|_, _| (), 10) > 0);
    let message = [0; 4096];
    let mut sent = 0;
    until("more was sent than there is room for", || {
        sent += publication.offer(&message).map_or(0, |_| message.len());
        subscription.poll(|_, _| (), 100);
        sent > 4 * TermLength::MIN.get() as usize
    });
}

/// The bells of a driver, as clients find them.
fn bells(driver: &EmbeddedDriver) -> Vec<Doorbell> {
    let CncState::Ready(cnc) = Cnc::open(driver.directory()).unwrap() else { panic!("no cnc.dat") };
    Door::ALL.iter().filter_map(|door| Doorbell::open(driver.directory(), &cnc, *door).ok()).collect()
}

#[test]
fn the_setting_takes_the_bells_away_and_nothing_else() {
    for mode in [
        ThreadingMode::Dedicated,
        ThreadingMode::SharedNetwork,
        ThreadingMode::Shared,
        ThreadingMode::Invoker,
    ] {
        for client_wake in [true, false] {
            let driver = launch_with(|context| {
                context.threads.mode = mode;
                context.threads.client_wake = client_wake;
            });
            let bells = bells(&driver);
            assert_eq!(bells.len(), if client_wake { 2 } else { 0 }, "{mode:?}");
            for bell in bells {
                until("its thread sleeps behind it", || !bell.has_rung());
            }
            let aeron = connect(&driver);
            let channel = unicast();
            let mut subscription = aeron.add_subscription(&channel, 1001).unwrap();
            let publication = aeron.add_publication(&channel, 1001).unwrap();
            until("a message is taken", || publication.offer(b"x").is_ok());
            until("it arrives", || subscription.poll(|_, _| (), 10) > 0);
        }
    }
}

//! A machine: a driver, role by role, in a real directory. It may die and start anew.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use epona_media_driver::{
    Context,
    clock::Clock,
    commands::ConductorCommand,
    config::{ProbedSocketBuffers, Resolver, ResolverKind, ThreadingMode},
    directory::DriverDirectory,
    driver::{Environment, Roles, assemble, fresh_directory},
    duty_cycle::DutyCycle,
    error::DriverError,
    event_log::EventLog,
    media::{PortRange, simulated::SimulatedNetwork},
};
use epona_protocol::{
    cnc::{Cnc, CncState},
    command::{Command, Request},
    counters::NameEntryKey,
    ring_buffer::mpsc::Producer,
    types::{ClientId, CounterTypeId, Nanos, Now, TermLength},
};

use crate::{
    Violation,
    fault::Role,
    invariants::content::mix,
    invariants::watch::CounterWatch,
    scenario::{self, Naming, Scenario},
    surroundings::clock::VirtualClock,
    surroundings::system::{Names, Room},
    violation,
};

/// Socket buffers of a simulated system, in bytes: what Linux gives unasked.
const SYSTEM_BUFFERS: ProbedSocketBuffers = ProbedSocketBuffers { send: 212_992, receive: 212_992 };

/// Length of the values of counters, in bytes: as few as there may be, so that they can all be taken.
const COUNTERS_LENGTH: usize = 1 << 20;

/// Window of a receiver, in bytes. It is less than half a term, so that padding, of which a sender counts the header alone
/// as Aeron's does, takes no sender beyond what a receiver takes that has missed what came before.
pub(crate) const WINDOW: i64 = 16 << 10;

/// Port at which drivers gossip.
const GOSSIP_PORT: u16 = 8050;

/// Length of the texts that fill an error log, in bytes.
const LONG_ERROR: usize = 60_000;

pub(crate) struct Host {
    address: IpAddr,
    settings: Settings,
    path: PathBuf,
    network: SimulatedNetwork,
    names: Names,
    pub(crate) room: Room,
    /// Names that have moved, by the table.
    moved: Vec<String>,
    seed: u64,
    /// Of drivers on this host.
    starts: u64,
    /// This host among all, and how many there are.
    place: (usize, usize),
    paused_until: [Nanos; 4],
    driver: Option<Driver>,
    last: Now,
}

/// A driver that runs.
struct Driver {
    cnc: Cnc,
    watch: CounterWatch,
    roles: Roles,
    directory: DriverDirectory,
}

impl Host {
    pub(crate) fn new(
        scenario: &Scenario,
        index: usize,
        network: &SimulatedNetwork,
        names: &Names,
        now: Now,
    ) -> Self {
        Self {
            address: scenario.address(index),
            settings: Settings::of(scenario, index),
            // What a driver saves of the one before it, it puts beside its directory.
            path: fresh_directory().join("aeron"),
            network: network.clone(),
            names: names.clone(),
            room: Room::default(),
            moved: Vec::new(),
            seed: mix(scenario.seed, 100 + index as u64),
            starts: 0,
            place: (index, scenario.hosts),
            paused_until: [Nanos::new(i64::MIN); 4],
            driver: None,
            last: now,
        }
    }

    /// Starts a driver in the directory, whatever another one left there.
    pub(crate) fn start(&mut self, clock: &VirtualClock) -> Result<(), Violation> {
        let broken = |error: &dyn std::fmt::Display| violation!("the driver does not start: {error}");
        let (index, hosts) = self.place;
        let context = self.settings.context(&self.path, 1 + index + hosts * self.starts as usize);
        context.validate().map_err(|error| broken(&error))?;
        let directory =
            DriverDirectory::take_over(&context.directory, clock, |_| ()).map_err(|error| broken(&error))?;
        let environment = Environment {
            events: EventLog::off(),
            transports: Box::new(self.network.host(self.address)),
            names: Box::new(self.names.clone()),
            file_system: Box::new(self.room.clone()),
            clock: Box::new(clock.clone()),
            system_buffers: SYSTEM_BUFFERS,
            random: fastrand::Rng::with_seed(mix(self.seed, self.starts)),
            now: clock.now(),
        };
        self.starts += 1;
        let roles = assemble(context, &directory, environment).map_err(|error| broken(&error))?;
        let CncState::Ready(cnc) = Cnc::open(&self.path).map_err(|error| broken(&error))? else {
            return Err(broken(&"its cnc.dat is not ready"));
        };
        let watch = CounterWatch::new(&cnc);
        self.driver = Some(Driver { cnc, watch, roles, directory });
        self.moved.iter().for_each(|name| self.switch_row(name));
        Ok(())
    }

    /// From now on a name stands for the other address of its row.
    pub(crate) fn move_name(&mut self, name: &str) {
        self.switch_row(name);
        self.moved.push(name.to_owned());
    }

    fn switch_row(&self, name: &str) {
        let Some(Driver { watch, .. }) = &self.driver else { return };
        let counters = watch.counters();
        let is_row = |key: &[u8]| NameEntryKey::decode(key).is_some_and(|row| row.name == name);
        let mut rows = counters.iter().filter(|found| found.type_id == CounterTypeId::NAME_TABLE_ENTRY);
        let row = rows.find(|found| is_row(&found.key)).and_then(|found| counters.writable(found.id));
        row.into_iter().for_each(|row| row.set_release(1));
    }

    /// The driver dies: it tells nobody and cleans nothing up, but its system closes its sockets.
    pub(crate) fn die(&mut self) {
        self.driver = None;
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.driver.is_some()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn watch(&self) -> Option<&CounterWatch> {
        self.driver.as_ref().map(|driver| &driver.watch)
    }

    pub(crate) fn watch_mut(&mut self) -> Option<&mut CounterWatch> {
        self.driver.as_mut().map(|driver| &mut driver.watch)
    }

    pub(crate) fn cnc(&self) -> Option<&Cnc> {
        self.driver.as_ref().map(|driver| &driver.cnc)
    }

    pub(crate) fn pause(&mut self, role: Role, until: Nanos) {
        let paused = &mut self.paused_until[role as usize];
        *paused = until.max(*paused);
    }

    /// Whether a role stands still.
    pub(crate) fn is_paused(&self, role: Role, now: Nanos) -> bool {
        now < self.paused_until[role as usize]
    }

    /// One turn of one role.
    pub(crate) fn step(&mut self, role: Role, now: Now) -> usize {
        let Some(driver) = &mut self.driver else { return 0 };
        if now.nanos < self.paused_until[role as usize] {
            return 0;
        }
        self.last = now;
        let roles = &mut driver.roles;
        match role {
            Role::Sender => roles.sender.do_work(now),
            Role::Receiver => roles.receiver.do_work(now),
            Role::Resources => roles.native_resource_agent.do_work(now),
            Role::Conductor => {
                let work = roles.conductor.do_work(now);
                if work > 0 {
                    driver.watch.look_again();
                }
                work
            }
        }
    }

    /// Lets the driver have so many errors that its log is full.
    pub(crate) fn fill_error_log(&mut self) {
        let Some(driver) = &mut self.driver else { return };
        let log = driver.cnc.error_log().len();
        for number in 0..log / LONG_ERROR + 2 {
            let text = format!("made up {number} {}", "x".repeat(LONG_ERROR));
            driver.roles.errors.send(ConductorCommand::Error(Box::new(DriverError::generic(text))));
        }
    }

    /// Fills the command buffer with signs of life of a client that nobody knows.
    pub(crate) fn fill_commands(&self) {
        let Some(producer) = self.commands() else { return };
        let client = ClientId::new(-7);
        let command = Command {
            client_id: client,
            correlation_id: producer.next_correlation_id(),
            request: Request::ClientKeepalive,
        };
        let mut payload = Vec::new();
        command.encode(&mut payload);
        // Long ones, so that the driver gets through them in time once it runs again.
        payload.resize(producer.max_message_length() / 4, 0);
        while producer.write(command.type_id(), &payload).is_ok() {}
    }

    /// Claims room for a command and never commits it.
    pub(crate) fn claim_command_in_vain(&self) {
        if let Some(producer) = self.commands()
            && let Ok(claim) = producer.try_claim(1, 64)
        {
            std::mem::forget(claim);
        }
    }

    fn commands(&self) -> Option<Producer> {
        Producer::new(self.cnc()?.to_driver()).ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(Driver { mut roles, directory, .. }) = self.driver.take() {
            roles.sender.on_close(self.last);
            roles.receiver.on_close(self.last);
            roles.native_resource_agent.on_close(self.last);
            roles.conductor.on_close(self.last);
            let _ = directory.delete();
        }
        // Left behind, directories harm nobody: every world has directories of its own.
        if let Some(place) = self.path.parent() {
            let _ = std::fs::remove_dir_all(place);
        }
    }
}

/// What sets the drivers of a scenario apart from others, and those of its hosts from each other.
struct Settings {
    resolver: Resolver,
    /// Of senders and receivers.
    ports: [PortRange; 2],
    session_limit: Option<usize>,
    spare_logs: usize,
    reserves_sessions: bool,
    /// Whether runs of datagrams go out as one and come in as one.
    offload: bool,
}

impl Settings {
    fn of(scenario: &Scenario, index: usize) -> Self {
        let gossips_at = |host| SocketAddr::new(scenario.address(host), GOSSIP_PORT).to_string();
        let gossip = || Resolver {
            kind: ResolverKind::Driver,
            name: Some(scenario::host_name(index)),
            interface: Some(gossips_at(index)),
            bootstrap_neighbors: Some(gossips_at((index + 1) % scenario.hosts)),
            ..Resolver::default()
        };
        let table = || Resolver {
            kind: ResolverKind::CsvTable,
            csv_table: Some(scenario.name_table()),
            ..Resolver::default()
        };
        let ports = if scenario.has_port_ranges {
            [scenario::SENDER_PORTS, scenario::RECEIVER_PORTS]
                .map(|ports| PortRange { low: *ports.start(), high: *ports.end() })
        } else {
            [PortRange::SYSTEM; 2]
        };
        Self {
            resolver: match scenario.naming {
                Naming::System => Resolver::default(),
                Naming::Gossip => gossip(),
                Naming::Table => table(),
            },
            ports,
            session_limit: scenario.limits_sessions.then_some(scenario::SESSION_LIMIT),
            spare_logs: scenario.spare_logs,
            reserves_sessions: scenario.reserves_sessions,
            offload: (scenario.seed + index as u64).is_multiple_of(2),
        }
    }

    /// As shipped, but small, and with round trips measured; `number` is another one for each driver of a world.
    fn context(&self, path: &Path, number: usize) -> Context {
        let mut context =
            Context::default().dir(path).threading_mode(ThreadingMode::Invoker).term_lengths(TermLength::MIN);
        context.buffers.counter_values_length = COUNTERS_LENGTH;
        context.buffers.loss_report_length = 64 << 10;
        context.network.initial_window = WINDOW as usize;
        context.network.offload = self.offload;
        context.congestion_control.cubic.measure_rtt = true;
        context.resolver = self.resolver.clone();
        context.buffers.spare_logs = self.spare_logs;
        [context.network.sender_port_range, context.network.receiver_port_range] = self.ports;
        if let Some(limit) = self.session_limit {
            context.network.stream_session_limit = limit as i32;
        }
        if self.reserves_sessions {
            let reserved = scenario::RESERVED_SESSIONS;
            context.streams.reserved_session_id_low = *reserved.start();
            context.streams.reserved_session_id_high =
                reserved.end() + scenario::MORE_RESERVED_SESSIONS * number as i32;
        }
        context
    }
}

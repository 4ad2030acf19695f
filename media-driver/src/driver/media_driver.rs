//! A driver with threads of its own: the runner, where the clocks and sleeps are.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use epona_protocol::{doorbell::Doorbell, uri::units::format_duration};

use super::{Environment, LaunchError, Roles, assemble, event_logging::EventLogging};
use crate::{
    affinity::{Affinity, Machine, Pinned},
    clock::{Clock, SystemClock},
    conductor::error_recorder::UnrecordedErrors,
    config::{Context, IdleSettings, ThreadingMode},
    directory::{DriverDirectory, create_doorbells, storage::SystemStorage},
    duty_cycle::{AgentRunner, DutyCycle, RunningAgent, Shared, StopSignal, ThreadRole},
    error::DriverError,
    event_log::{EventLog, LoggingFactory},
    media::{
        TransportFactory, UdpTransportFactory, interceptor::InterceptingFactory, probe_busy_poll,
        probe_socket_buffers,
    },
    name_resolution::DefaultNameResolver,
};

type Agent = Box<dyn DutyCycle + Send>;

/// Longest wait at the end of a driver for a name that is just being resolved.
const NAME_SERVER_PATIENCE: Duration = Duration::from_millis(500);

/// A driver that runs on its own threads until it is closed or dropped.
pub struct MediaDriver {
    agents: Vec<(ThreadRole, RunningAgent<Agent, SystemClock>)>,
    directory: Option<DriverDirectory>,
    path: PathBuf,
    is_deleted_on_close: bool,
    termination_requested: Arc<AtomicBool>,
    unrecorded_errors: UnrecordedErrors,
    failed: StopSignal,
    notices: Vec<String>,
    /// The last to go, so that the end is logged too.
    logging: EventLogging,
}

impl MediaDriver {
    /// Checks the configuration, takes the directory over, and starts the threads of the configured mode. Who asks for
    /// INVOKER gets one thread that invokes all roles, as `aeronmd` does; to invoke a driver oneself is for
    /// [`InvokedDriver`](super::InvokedDriver). Source: `aeronmd.c`, its main loop.
    ///
    /// # Errors
    /// When a setting cannot be used, a driver lives in the directory, or the system refuses a file, socket or thread.
    pub fn launch(context: Context) -> Result<Self, LaunchError> {
        let clock = SystemClock::new();
        let directory = take_directory(&context, &clock)?;
        let logging = EventLogging::start(&context.logging, clock)?;
        let environment = system_environment(&context, &logging.log, &clock)?;
        let doubt = busy_poll_doubt(context.network.socket_busy_poll, probe_busy_poll);
        let mut driver = Self::launch_in(context, directory, environment)?;
        driver.notices.extend(logging.notices.iter().cloned().chain(doubt));
        driver.logging = logging;
        Ok(driver)
    }

    /// As [`MediaDriver::launch`], in an environment of the caller's making.
    ///
    /// # Errors
    /// When the system refuses a file or thread, or processors cannot be chosen as configured.
    pub fn launch_in(
        context: Context,
        directory: DriverDirectory,
        environment: Environment,
    ) -> Result<Self, LaunchError> {
        let clock = SystemClock::new();
        let path = directory.path().to_owned();
        let mut notices = directory.notices().to_vec();
        let is_deleted_on_close = context.directory.delete_on_shutdown;
        let threads = context.threads.clone();
        let (affinity, doubts) = Affinity::resolve(&threads, &Machine::default())?;
        notices.extend(doubts);
        // Before clients find the driver, so that all of them find its bells.
        if threads.client_wake {
            notices.extend(create_doorbells(&path).err().map(|error| no_doorbells(&path, &error)));
        }
        let roles = assemble(context, &directory, environment)?;
        let cnc = roles.cnc.clone();
        let errors = roles.errors.another();
        let termination_requested = Arc::clone(&roles.termination_requested);
        let unrecorded_errors = roles.unrecorded_errors.clone();
        let failed = StopSignal::default();
        let mut driver = Self {
            agents: Vec::new(),
            directory: Some(directory),
            path,
            is_deleted_on_close,
            termination_requested,
            unrecorded_errors,
            failed,
            notices,
            logging: EventLogging::default(),
        };
        // The conductor last: by then there is someone to take what it sends.
        for (role, agent, idle) in agents_of(roles, &threads).into_iter().rev() {
            let agent = match affinity.of(role) {
                Some(cpu) => Box::new(Pinned::new(agent, cpu, errors.another())),
                None => agent,
            };
            let doors = role.doors().iter();
            let doorbells = doors.filter_map(|door| Doorbell::open(&driver.path, &cnc, *door).ok()).collect();
            let runner = AgentRunner::new(agent, idle.build()?, clock).behind(doorbells);
            let name = role.thread_name(threads.naming);
            let running = runner
                .spawn(name, driver.failed.clone())
                .map_err(LaunchError::system(format!("start the thread {name}")))?;
            driver.agents.insert(0, (role, running));
        }
        Ok(driver)
    }

    /// The directory that clients attach to.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.path
    }

    /// What there is to tell a person about the directory that was taken over, the processors that were chosen and what
    /// the system does not allow.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether a client was allowed to end the driver.
    #[must_use]
    pub fn is_termination_requested(&self) -> bool {
        self.termination_requested.load(Ordering::Acquire)
    }

    /// An error that the distinct error log had no room for, to be printed; each is told once.
    #[must_use]
    pub fn take_unrecorded_error(&self) -> Option<DriverError> {
        self.unrecorded_errors.take()
    }

    /// Whether a thread of the driver has died of a bug.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.is_raised()
    }

    /// Stops the threads and ends the driver: its log files go, clients see that it has stopped.
    ///
    /// # Errors
    /// When the directory was to be deleted and could not be.
    pub fn close(mut self) -> Result<(), LaunchError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), LaunchError> {
        let Some(directory) = self.directory.take() else { return Ok(()) };
        // Asked all at once, so that their last turns pass at the same time.
        for (_, agent) in &self.agents {
            agent.ask_to_stop();
        }
        // Every role stops before any of them closes: they refer to each other's resources.
        let stopped: Vec<_> =
            self.agents.drain(..).rev().filter_map(|(role, agent)| stop(role, agent)).collect();
        for runner in stopped {
            runner.close();
        }
        if self.is_deleted_on_close {
            directory.delete()?;
        }
        Ok(())
    }
}

impl fmt::Debug for MediaDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaDriver({}, {} threads)", self.path.display(), self.agents.len())
    }
}

impl Drop for MediaDriver {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Waits for a role to stop. Nobody can hurry the native resource agent when a name server keeps it waiting, so then it
/// is left behind.
#[expect(clippy::disallowed_methods, reason = "the runner waits for a thread to end")]
fn stop(
    role: ThreadRole,
    agent: RunningAgent<Agent, SystemClock>,
) -> Option<AgentRunner<Agent, SystemClock>> {
    match role {
        ThreadRole::NativeResourceAgent => {
            agent.stop_within(NAME_SERVER_PATIENCE, thread::sleep).ok().flatten()
        }
        _ => agent.stop().ok(),
    }
}

/// Which roles run on which thread. The conductor's comes first, so that it is the last to close.
fn agents_of(roles: Roles, threads: &crate::config::Threads) -> Vec<(ThreadRole, Agent, IdleSettings)> {
    let Roles { conductor, sender, receiver, native_resource_agent, .. } = roles;
    match threads.mode {
        ThreadingMode::Dedicated => vec![
            (ThreadRole::Conductor, Box::new(conductor) as Agent, threads.conductor_idle.clone()),
            (
                ThreadRole::NativeResourceAgent,
                Box::new(native_resource_agent),
                threads.native_resource_agent_idle.clone(),
            ),
            (ThreadRole::Receiver, Box::new(receiver), threads.receiver_idle.clone()),
            (ThreadRole::Sender, Box::new(sender), threads.sender_idle.clone()),
        ],
        ThreadingMode::SharedNetwork => vec![
            (ThreadRole::Conductor, Box::new(conductor) as Agent, threads.conductor_idle.clone()),
            (
                ThreadRole::NativeResourceAgent,
                Box::new(native_resource_agent),
                threads.native_resource_agent_idle.clone(),
            ),
            (
                ThreadRole::SharedNetwork,
                Box::new(Shared::new("[sender, receiver]", sender, receiver)),
                threads.shared_network_idle.clone(),
            ),
        ],
        ThreadingMode::Shared | ThreadingMode::Invoker => {
            let control = Shared::new("conductor", native_resource_agent, conductor);
            let network = Shared::new("[sender, receiver]", sender, receiver);
            let all = Shared::new("[conductor, sender, receiver]", network, control);
            vec![(ThreadRole::Shared, Box::new(all) as Agent, threads.shared_idle.clone())]
        }
    }
}

/// Checks a configuration and takes its directory over.
#[expect(
    clippy::disallowed_methods,
    reason = "the runner waits for a driver that is just starting in the directory"
)]
pub(super) fn take_directory(context: &Context, clock: &SystemClock) -> Result<DriverDirectory, LaunchError> {
    context.validate()?;
    Ok(DriverDirectory::take_over(&context.directory, clock, thread::sleep)?)
}

/// A warning when clients cannot wake the driver; they wait for it to look.
fn no_doorbells(directory: &Path, error: &io::Error) -> String {
    format!(
        "WARNING: clients cannot wake threads that sleep, as there is no FIFO in {} ({error}): the first message after \
         silence may wait for 4 ms; set aeron.dir to a file system that has FIFOs, or epona.client.wake=false",
        directory.display()
    )
}

/// A warning when the system does not let sockets be polled as the setting says; they are opened all the same.
fn busy_poll_doubt(asked: Duration, probe: impl FnOnce(Duration) -> io::Result<()>) -> Option<String> {
    let error = if asked.is_zero() { None } else { probe(asked).err() }?;
    Some(format!(
        "WARNING: epona.socket.busy.poll={} has no effect: the system refuses SO_BUSY_POLL ({error}): give the driver \
         CAP_NET_ADMIN, or raise net.core.busy_read to that many microseconds instead",
        format_duration(asked)
    ))
}

/// Real sockets, the system's resolver, real randomness.
pub(super) fn system_environment(
    context: &Context,
    events: &EventLog,
    clock: &SystemClock,
) -> Result<Environment, LaunchError> {
    let network = &context.network;
    let probe = |send, receive| {
        probe_socket_buffers(send, receive).map_err(LaunchError::system("probe the system's socket buffers"))
    };
    context.validate_socket_buffers(probe(network.socket_send_buffer, network.socket_receive_buffer)?)?;
    let interceptors = context.interceptors.parse()?;
    let mut transports: Box<dyn TransportFactory> =
        Box::new(LoggingFactory::new(Box::new(UdpTransportFactory), events.clone()));
    if !interceptors.is_empty() {
        // What the network sees and what the driver sees are two things then; both are logged, as Aeron does.
        transports = Box::new(InterceptingFactory::new(transports, interceptors));
        transports = Box::new(LoggingFactory::new(transports, events.clone()));
    }
    Ok(Environment {
        transports,
        names: Box::new(DefaultNameResolver),
        file_system: Box::new(SystemStorage),
        clock: Box::new(*clock),
        system_buffers: probe(0, 0)?,
        random: fastrand::Rng::new(),
        events: events.clone(),
        now: clock.now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_refuses_busy_polling_is_a_warning_that_names_setting_and_remedy() {
        let refuse = |_| Err(io::Error::from_raw_os_error(libc::EPERM));
        let warning = busy_poll_doubt(Duration::from_micros(50), refuse).unwrap();
        for word in
            ["WARNING", "epona.socket.busy.poll=50us", "os error 1", "CAP_NET_ADMIN", "net.core.busy_read"]
        {
            assert!(warning.contains(word), "{word} in {warning}");
        }
        assert_eq!(busy_poll_doubt(Duration::ZERO, refuse), None);
        assert_eq!(busy_poll_doubt(Duration::from_micros(50), |_| Ok(())), None);
    }
}

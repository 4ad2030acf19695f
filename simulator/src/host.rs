//! A machine: a driver, role by role, in a real directory.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use epona_media_driver::{
    Context,
    clock::Clock,
    config::{ProbedSocketBuffers, ThreadingMode},
    directory::DriverDirectory,
    driver::{Environment, Roles, assemble, fresh_directory},
    duty_cycle::DutyCycle,
    event_log::EventLog,
    media::simulated::SimulatedNetwork,
    name_resolution::DefaultNameResolver,
};
use epona_protocol::{
    cnc::{Cnc, CncState},
    types::{Now, TermLength},
};

use crate::{Violation, clock::VirtualClock, violation, watch::CounterWatch};

/// Socket buffers of a simulated system, in bytes: what Linux gives unasked.
const SYSTEM_BUFFERS: ProbedSocketBuffers = ProbedSocketBuffers { send: 212_992, receive: 212_992 };

/// A role of a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Sender,
    Receiver,
    Resources,
    Conductor,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Sender, Self::Receiver, Self::Resources, Self::Conductor];
}

pub(crate) struct Host {
    pub(crate) cnc: Cnc,
    pub(crate) watch: CounterWatch,
    roles: Roles,
    directory: Option<DriverDirectory>,
    path: PathBuf,
    last: Now,
}

impl Host {
    pub(crate) fn start(
        address: IpAddr,
        network: &SimulatedNetwork,
        clock: &VirtualClock,
        seed: u64,
    ) -> Result<Self, Violation> {
        let broken = |error: &dyn std::fmt::Display| violation!("the driver does not start: {error}");
        let path = fresh_directory();
        let context = context(&path);
        context.validate().map_err(|error| broken(&error))?;
        let directory =
            DriverDirectory::take_over(&context.directory, clock, |_| ()).map_err(|error| broken(&error))?;
        let now = clock.now();
        let environment = Environment {
            events: EventLog::off(),
            transports: Box::new(network.host(address)),
            names: Box::new(DefaultNameResolver),
            clock: Box::new(clock.clone()),
            system_buffers: SYSTEM_BUFFERS,
            random: fastrand::Rng::with_seed(seed),
            now,
        };
        let roles = assemble(context, &directory, environment).map_err(|error| broken(&error))?;
        let CncState::Ready(cnc) = Cnc::open(&path).map_err(|error| broken(&error))? else {
            return Err(broken(&"its cnc.dat is not ready"));
        };
        let watch = CounterWatch::new(&cnc);
        Ok(Self { cnc, watch, roles, directory: Some(directory), path, last: now })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// One turn of one role.
    pub(crate) fn step(&mut self, role: Role, now: Now) -> usize {
        self.last = now;
        match role {
            Role::Sender => self.roles.sender.do_work(now),
            Role::Receiver => self.roles.receiver.do_work(now),
            Role::Resources => self.roles.native_resource_agent.do_work(now),
            Role::Conductor => self.roles.conductor.do_work(now),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.roles.sender.on_close(self.last);
        self.roles.receiver.on_close(self.last);
        self.roles.native_resource_agent.on_close(self.last);
        self.roles.conductor.on_close(self.last);
        if let Some(directory) = self.directory.take() {
            // Left behind, it harms nobody: every world has directories of its own.
            let _ = directory.delete();
        }
    }
}

/// As shipped, but small, and without questions to the system whose answers would differ from run to run.
fn context(path: &Path) -> Context {
    let mut context =
        Context::default().dir(path).threading_mode(ThreadingMode::Invoker).term_lengths(TermLength::MIN);
    context.buffers.counter_values_length = 1 << 20;
    context.buffers.loss_report_length = 64 << 10;
    context.buffers.storage_checks = false;
    context
}

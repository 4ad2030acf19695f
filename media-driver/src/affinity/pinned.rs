//! A role that moves to a processor of its own when its thread starts.

use std::io;

use epona_protocol::types::Now;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{
    commands::ConductorCommand,
    duty_cycle::{DutyCycle, Inputs},
    error::DriverError,
    proxy::Proxy,
};

/// Runs a role on one processor. When the system refuses, the error log tells and the role runs anywhere.
/// Source: driver spec 1.2.
#[derive(Debug)]
pub struct Pinned<A> {
    agent: A,
    cpu: u16,
    errors: Proxy<ConductorCommand>,
}

impl<A> Pinned<A> {
    /// Runs `agent` on processor `cpu`.
    pub const fn new(agent: A, cpu: u16, errors: Proxy<ConductorCommand>) -> Self {
        Self { agent, cpu, errors }
    }
}

impl<A: DutyCycle> DutyCycle for Pinned<A> {
    fn role_name(&self) -> &str {
        self.agent.role_name()
    }

    fn on_start(&mut self, now: Now) {
        if let Err(error) = pin_this_thread(self.cpu) {
            let name = self.agent.role_name();
            let error = DriverError::generic(format!(
                "could not pin {name} to CPU {}, it runs anywhere: {error}; check aeron.*.cpu.affinity",
                self.cpu
            ));
            let _ = self.errors.try_send(ConductorCommand::Error(Box::new(error)));
        }
        self.agent.on_start(now);
    }

    #[inline]
    fn do_work(&mut self, now: Now) -> usize {
        self.agent.do_work(now)
    }

    fn on_close(&mut self, now: Now) {
        self.agent.on_close(now);
    }

    fn inputs(&self) -> io::Result<Inputs> {
        self.agent.inputs()
    }
}

fn pin_this_thread(cpu: u16) -> io::Result<()> {
    let cpu = usize::from(cpu);
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::other(format!("processors from {} on cannot be named", CpuSet::MAX_CPU)));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

//! Which processor each thread of a driver runs on: settings resolved, doubtful choices told, threads pinned.
//!
//! Settings name a processor, or, with `aeron.thread.affinity.use.cpuset.offsets`, an offset into the processors that
//! the process's control group leaves to it. Source: driver spec 1.2, 14.5.

mod cpu_list;
mod machine;
mod pinned;

use std::{io, path::PathBuf};

pub use cpu_list::{CpuList, InvalidCpuList};
pub use machine::Machine;
pub use pinned::Pinned;

use crate::{config::Threads, duty_cycle::ThreadRole};

/// Why processors cannot be chosen as configured.
#[derive(Debug, thiserror::Error)]
pub enum AffinityError {
    /// A file of the kernel could not be read.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the kernel does not say what it should.
    #[error("{}: {source}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidCpuList,
    },
    /// The process is in no control group of version 2.
    #[error(
        "{} names no control group of version 2 (a line 0::/...); unset aeron.thread.affinity.use.cpuset.offsets",
        .0.display()
    )]
    NoControlGroup(PathBuf),
    /// No group from the process's own up to the root has processors assigned.
    #[error(
        "no cpuset.cpus.effective for this process under {}; unset aeron.thread.affinity.use.cpuset.offsets",
        .0.display()
    )]
    NoCpuset(PathBuf),
    /// An offset beyond the process's own processors.
    #[error("{setting}={offset} must be less than {count}, the number of processors in the cpuset {cpuset}")]
    Offset {
        /// The setting.
        setting: &'static str,
        /// Its value.
        offset: u8,
        /// How many processors there are.
        count: usize,
        /// Which they are.
        cpuset: CpuList,
    },
    /// Doubts that were to be errors.
    #[error(
        "{} doubtful choices of processors, told above; choose others or unset \
         aeron.thread.affinity.fail.on.validation.errors\n{}", .0.len(), .0.join("\n")
    )]
    Warnings(Vec<String>),
}

/// A processor for each role that has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// Of the conductor, and of the thread that all roles share.
    pub conductor: Option<u16>,
    /// Of the sender, and of the thread that sender and receiver share.
    pub sender: Option<u16>,
    /// Of the receiver.
    pub receiver: Option<u16>,
    /// Of the native resource agent.
    pub native_resource_agent: Option<u16>,
}

impl Affinity {
    /// The processors that `threads` asks for, and what is doubtful about them, a line each.
    ///
    /// # Errors
    /// When offsets are configured and the process's processors are unknown or too few, when the processors of the
    /// machine are unknown, or when doubts are to be errors.
    pub fn resolve(threads: &Threads, machine: &Machine) -> Result<(Self, Vec<String>), AffinityError> {
        let settings = Setting::all(threads);
        let is_configured = settings.iter().any(|setting| setting.value.is_some());
        if !is_configured && !threads.affinity_by_cpuset_offset {
            return Ok((Self::default(), Vec::new()));
        }
        let mut warnings = shared_processors(&settings);
        let online = machine.online()?;
        let resolved = if threads.affinity_by_cpuset_offset {
            let cpuset = machine.cpuset()?;
            warnings.extend(partial_cores(&cpuset, machine));
            let cpus: Vec<u16> = cpuset.iter().collect();
            warnings.extend(spread("cpuset", &cpus, &cpuset.to_string(), machine));
            let [conductor, sender, receiver, agent] = settings.map(|setting| setting.at(&cpuset));
            [conductor?, sender?, receiver?, agent?]
        } else {
            settings.map(|setting| setting.value.map(u16::from))
        };
        warnings.extend(offline(&settings, &resolved, &online));
        let cpus: Vec<u16> = resolved.iter().flatten().copied().collect();
        let [conductor, sender, receiver, native_resource_agent] = resolved;
        let affinity = Self { conductor, sender, receiver, native_resource_agent };
        warnings.extend(spread("affinity", &cpus, &describe(&settings, &resolved), machine));
        if threads.affinity_warnings_fail_start && !warnings.is_empty() {
            return Err(AffinityError::Warnings(warnings));
        }
        Ok((affinity, warnings))
    }

    /// The processor of a thread. Source: driver spec 14.5.
    #[must_use]
    pub const fn of(&self, role: ThreadRole) -> Option<u16> {
        match role {
            ThreadRole::Conductor | ThreadRole::Shared => self.conductor,
            ThreadRole::Sender | ThreadRole::SharedNetwork => self.sender,
            ThreadRole::Receiver => self.receiver,
            ThreadRole::NativeResourceAgent => self.native_resource_agent,
        }
    }
}

/// One setting of an affinity.
#[derive(Clone, Copy)]
struct Setting {
    role: &'static str,
    property: &'static str,
    value: Option<u8>,
}

impl Setting {
    fn all(threads: &Threads) -> [Self; 4] {
        let new = |role, property, value| Self { role, property, value };
        [
            new("conductor", "aeron.conductor.cpu.affinity", threads.conductor_cpu),
            new("sender", "aeron.sender.cpu.affinity", threads.sender_cpu),
            new("receiver", "aeron.receiver.cpu.affinity", threads.receiver_cpu),
            new(
                "native_resource_agent",
                "aeron.driver.native.resource.agent.cpu.affinity",
                threads.native_resource_agent_cpu,
            ),
        ]
    }

    fn at(self, cpuset: &CpuList) -> Result<Option<u16>, AffinityError> {
        let Some(offset) = self.value else { return Ok(None) };
        let cpu = cpuset.at(usize::from(offset)).ok_or_else(|| AffinityError::Offset {
            setting: self.property,
            offset,
            count: cpuset.count(),
            cpuset: cpuset.clone(),
        })?;
        Ok(Some(cpu))
    }
}

fn shared_processors(settings: &[Setting; 4]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (at, one) in settings.iter().enumerate() {
        for other in &settings[at + 1..] {
            if let Some(value) = one.value.filter(|_| one.value == other.value) {
                warnings
                    .push(format!("WARN: {} and {} are sharing cpu affinity={value}", one.role, other.role));
            }
        }
    }
    warnings
}

fn offline(settings: &[Setting; 4], resolved: &[Option<u16>; 4], online: &CpuList) -> Vec<String> {
    let chosen = settings.iter().zip(resolved).filter_map(|(setting, cpu)| Some((setting, (*cpu)?)));
    chosen
        .filter(|(_, cpu)| !online.contains(*cpu))
        .map(|(setting, cpu)| {
            format!("WARNING: {} asks for CPU {cpu}, but online are {online}", setting.property)
        })
        .collect()
}

fn partial_cores(cpuset: &CpuList, machine: &Machine) -> Vec<String> {
    let missing = |cpu: u16| machine.siblings(cpu).into_iter().filter(|sibling| !cpuset.contains(*sibling));
    cpuset
        .iter()
        .flat_map(|cpu| missing(cpu).map(move |sibling| (cpu, sibling)))
        .map(|(cpu, sibling)| {
            format!(
                "WARNING: cpuset is missing sibling CPU(s) {sibling} of the core containing CPU {cpu} \
                 (partial core in cpuset)"
            )
        })
        .collect()
}

/// Warns of processors that do not share a cache or a die with the first of them.
fn spread(name: &str, cpus: &[u16], configuration: &str, machine: &Machine) -> Vec<String> {
    let Some((&first, others)) = cpus.split_first() else { return Vec::new() };
    let warn = |what| format!("WARNING: {name} spans multiple {what}, configuration: {configuration}");
    let mut warnings = Vec::new();
    if others.iter().any(|&other| machine.is_l3_apart(first, other)) {
        warnings.push(warn("L3 cache domains"));
    }
    if others.iter().any(|&other| machine.die(other) != machine.die(first)) {
        warnings.push(warn("CPU dies"));
    }
    warnings
}

fn describe(settings: &[Setting; 4], resolved: &[Option<u16>; 4]) -> String {
    let or_minus_one = |cpu: Option<u16>| cpu.map_or(-1, i32::from);
    let one = |(setting, cpu): (&Setting, &Option<u16>)| {
        let given = or_minus_one(setting.value.map(u16::from));
        format!("{}={given} ({})", setting.role, or_minus_one(*cpu))
    };
    settings.iter().zip(resolved).map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

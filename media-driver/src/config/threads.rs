//! Threads, their idling, and where they run.

use super::{
    kinds::{Choice, Flag, IdleName, Integer, OptionalInteger, Text},
    setting::{NO_NATIVE_CODE, Setting, effective, field, ignored},
};
use crate::idle::IdleStrategy;

/// Who runs what, and what happens when there is nothing to do. Source: driver spec 1.2, 1.3, 9.2, 14.5.
#[derive(Clone, Debug, PartialEq)]
pub struct Threads {
    /// Which agents share a thread. Default: none do.
    pub mode: ThreadingMode,
    /// What threads are called. Default: as they always were.
    pub naming: ThreadNaming,
    /// Idling of the conductor's own thread.
    pub conductor_idle: IdleSettings,
    /// Idling of the sender's own thread.
    pub sender_idle: IdleSettings,
    /// Idling of the receiver's own thread.
    pub receiver_idle: IdleSettings,
    /// Idling of the thread that sender and receiver share.
    pub shared_network_idle: IdleSettings,
    /// Idling of the thread that all agents share.
    pub shared_idle: IdleSettings,
    /// Idling of the native resource agent's own thread.
    pub native_resource_agent_idle: IdleSettings,
    /// Clients that know how may wake conductor and sender, where those are `adaptive`. Default true.
    pub client_wake: bool,
    /// Processor of the conductor, 0..=255; none: any.
    pub conductor_cpu: Option<u8>,
    /// Processor of the sender, 0..=255; none: any.
    pub sender_cpu: Option<u8>,
    /// Processor of the receiver, 0..=255; none: any.
    pub receiver_cpu: Option<u8>,
    /// Processor of the native resource agent, 0..=255; none: any.
    pub native_resource_agent_cpu: Option<u8>,
    /// Processors are counted within the process's own set. Default false.
    pub affinity_by_cpuset_offset: bool,
    /// A doubtful choice of processors ends the start. Default false.
    pub affinity_warnings_fail_start: bool,
    /// Symbol of a C function to call when a thread starts; none is ever called.
    pub on_start_function: Option<String>,
    /// What a request to terminate is answered with. Default: deny.
    pub termination_validator: TerminationValidator,
    /// Retries of freeing log buffers per turn of the native resource agent, at least 1. Default 1.
    pub resource_free_limit: u32,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            mode: ThreadingMode::Dedicated,
            naming: ThreadNaming::Classic,
            conductor_idle: IdleSettings::default(),
            sender_idle: IdleSettings::default(),
            receiver_idle: IdleSettings::default(),
            shared_network_idle: IdleSettings::default(),
            shared_idle: IdleSettings::default(),
            native_resource_agent_idle: IdleSettings::default(),
            client_wake: true,
            conductor_cpu: None,
            sender_cpu: None,
            receiver_cpu: None,
            native_resource_agent_cpu: None,
            affinity_by_cpuset_offset: false,
            affinity_warnings_fail_start: false,
            on_start_function: None,
            termination_validator: TerminationValidator::Deny,
            resource_free_limit: 1,
        }
    }
}

/// Which agents share a thread. Source: driver spec 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadingMode {
    /// Each agent has its own.
    Dedicated,
    /// Sender and receiver share one.
    SharedNetwork,
    /// All share one.
    Shared,
    /// None: whoever holds the driver calls, be it the embedding program or the main loop of the standalone one.
    Invoker,
}

impl ThreadingMode {
    /// The name, as in configuration and in counter labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dedicated => "DEDICATED",
            Self::SharedNetwork => "SHARED_NETWORK",
            Self::Shared => "SHARED",
            Self::Invoker => "INVOKER",
        }
    }
}

/// What threads are called. Source: driver spec 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadNaming {
    /// `conductor`, `sender`, `receiver`, `[sender, receiver]`, ...
    Classic,
    /// `aeron-md-cnd`, `aeron-md-snd`, `aeron-md-rcv`, `aeron-md-net`, ...
    New,
}

/// Who may end the driver through its directory. Source: driver spec 9.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationValidator {
    /// Everyone who can write the directory.
    Allow,
    /// No one.
    Deny,
}

/// An idle strategy by name and arguments, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleSettings {
    /// `adaptive`, `backoff`, `sleeping`, `sleep-ns`, `yield`, `spin`, `noop`, or a name of Aeron C or Java.
    pub strategy: String,
    /// Arguments in the form that the strategy takes; none for its defaults.
    pub init_args: Option<String>,
}

impl IdleSettings {
    /// The strategy itself, in its first state.
    ///
    /// # Errors
    /// When the name is unknown or the arguments do not fit it.
    pub fn build(&self) -> Result<IdleStrategy, crate::idle::IdleStrategyError> {
        IdleStrategy::from_name(&self.strategy, self.init_args.as_deref())
    }
}

impl Default for IdleSettings {
    fn default() -> Self {
        Self { strategy: "adaptive".to_owned(), init_args: None }
    }
}

const THREADING_MODE: &[(&str, ThreadingMode)] = &[
    ("DEDICATED", ThreadingMode::Dedicated),
    ("SHARED_NETWORK", ThreadingMode::SharedNetwork),
    ("SHARED", ThreadingMode::Shared),
    ("INVOKER", ThreadingMode::Invoker),
];

const THREAD_NAMING: &[(&str, ThreadNaming)] =
    &[("classic", ThreadNaming::Classic), ("new", ThreadNaming::New)];

const TERMINATION_VALIDATOR: &[(&str, TerminationValidator)] = &[
    ("deny", TerminationValidator::Deny),
    ("allow", TerminationValidator::Allow),
    ("aeron_driver_termination_validator_default_deny", TerminationValidator::Deny),
    ("aeron_driver_termination_validator_default_allow", TerminationValidator::Allow),
    ("io.aeron.driver.DefaultDenyTerminationValidator", TerminationValidator::Deny),
    ("io.aeron.driver.DefaultAllowTerminationValidator", TerminationValidator::Allow),
];

/// Settings of [`super::Context::threads`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.threading.mode",
        &Choice { field: field!(threads.mode), names: THREADING_MODE, is_strict: false },
        "which agents share a thread",
    ),
    effective(
        "aeron.thread.naming",
        &Choice { field: field!(threads.naming), names: THREAD_NAMING, is_strict: false },
        "what threads are called",
    ),
    effective(
        "aeron.conductor.idle.strategy",
        &IdleName(field!(threads.conductor_idle.strategy)),
        "idling of the conductor",
    ),
    effective(
        "aeron.conductor.idle.strategy.init.args",
        &Text(field!(threads.conductor_idle.init_args)),
        "arguments of the idling of the conductor",
    ),
    effective(
        "aeron.sender.idle.strategy",
        &IdleName(field!(threads.sender_idle.strategy)),
        "idling of the sender",
    ),
    effective(
        "aeron.sender.idle.strategy.init.args",
        &Text(field!(threads.sender_idle.init_args)),
        "arguments of the idling of the sender",
    ),
    effective(
        "aeron.receiver.idle.strategy",
        &IdleName(field!(threads.receiver_idle.strategy)),
        "idling of the receiver",
    ),
    effective(
        "aeron.receiver.idle.strategy.init.args",
        &Text(field!(threads.receiver_idle.init_args)),
        "arguments of the idling of the receiver",
    ),
    effective(
        "aeron.sharednetwork.idle.strategy",
        &IdleName(field!(threads.shared_network_idle.strategy)),
        "idling of the thread that sender and receiver share",
    ),
    effective(
        "aeron.sharednetwork.idle.strategy.init.args",
        &Text(field!(threads.shared_network_idle.init_args)),
        "arguments of the idling of the thread that sender and receiver share",
    ),
    effective(
        "aeron.shared.idle.strategy",
        &IdleName(field!(threads.shared_idle.strategy)),
        "idling of the thread that all agents share",
    ),
    effective(
        "aeron.shared.idle.strategy.init.args",
        &Text(field!(threads.shared_idle.init_args)),
        "arguments of the idling of the thread that all agents share",
    ),
    effective(
        "aeron.driver.native.resource.agent.idle.strategy",
        &IdleName(field!(threads.native_resource_agent_idle.strategy)),
        "idling of the native resource agent",
    ),
    effective(
        "aeron.driver.native.resource.agent.idle.strategy.init.args",
        &Text(field!(threads.native_resource_agent_idle.init_args)),
        "arguments of the idling of the native resource agent",
    ),
    effective(
        "epona.client.wake",
        &Flag(field!(threads.client_wake)),
        "clients may wake conductor and sender that are adaptive",
    ),
    effective(
        "aeron.conductor.cpu.affinity",
        &OptionalInteger { field: field!(threads.conductor_cpu), max: 255 },
        "processor of the conductor; -1: any",
    ),
    effective(
        "aeron.sender.cpu.affinity",
        &OptionalInteger { field: field!(threads.sender_cpu), max: 255 },
        "processor of the sender; -1: any",
    ),
    effective(
        "aeron.receiver.cpu.affinity",
        &OptionalInteger { field: field!(threads.receiver_cpu), max: 255 },
        "processor of the receiver; -1: any",
    ),
    effective(
        "aeron.driver.native.resource.agent.cpu.affinity",
        &OptionalInteger { field: field!(threads.native_resource_agent_cpu), max: 255 },
        "processor of the native resource agent; -1: any",
    ),
    effective(
        "aeron.thread.affinity.use.cpuset.offsets",
        &Flag(field!(threads.affinity_by_cpuset_offset)),
        "count processors within the process's own set",
    )
    .with_aliases(&["aeron.driver.cpuset.affinity"]),
    effective(
        "aeron.thread.affinity.fail.on.validation.errors",
        &Flag(field!(threads.affinity_warnings_fail_start)),
        "a doubtful choice of processors ends the start",
    )
    .with_aliases(&["aeron.driver.cpuset.warnings.as.errors"]),
    effective(
        "aeron.driver.resource.free.limit",
        &Integer { field: field!(threads.resource_free_limit), min: 1, max: u32::MAX as i64 },
        "retries of freeing log buffers per turn",
    ),
    effective(
        "aeron.driver.termination.validator",
        &Choice {
            field: field!(threads.termination_validator),
            names: TERMINATION_VALIDATOR,
            is_strict: true,
        },
        "what a request to terminate is answered with",
    ),
    ignored(
        "aeron.agent.on.start.function",
        &Text(field!(threads.on_start_function)),
        "C function to call when a thread starts",
        NO_NATIVE_CODE,
    ),
];

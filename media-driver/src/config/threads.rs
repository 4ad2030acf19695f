//! Threads, their idling, and where they run.

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

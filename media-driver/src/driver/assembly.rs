//! Puts the roles of a driver together around a fresh `cnc.dat`.
//!
//! The order of steps is one that clients can observe: everything is in place before the version is published.
//! Source: shared-memory spec 2.4, driver spec 8.1.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use epona_protocol::{
    broadcast::Transmitter,
    cnc::Cnc,
    counters::CountersManager,
    error_log::DistinctErrorLog,
    frame,
    loss_report::LossReport,
    memory::{Allocation, MappedFile},
    ring_buffer::Consumer,
    types::{Now, align_usize},
    uri::units::format_duration,
};

use super::{LaunchError, cnc};
use crate::{
    clock::Clock,
    commands::ConductorCommand,
    conductor::{
        Conductor, ConductorParts, Termination,
        client_proxy::ClientProxy,
        error_recorder::{ErrorRecorder, UnrecordedErrors},
        services::Services,
    },
    config::{Context, ProbedSocketBuffers, TerminationValidator},
    directory::{DriverDirectory, storage::FileSystem},
    duty_cycle::StallTracker,
    event_log::EventLog,
    media::{ChannelResolver, PollerConfig, ReceiveBuffers, TransportFactory},
    name_resolution::{Means, NameResolver, supply},
    native_resource_agent::{NativeResourceAgent, ResourceConfig},
    proxy::{Proxy, queue},
    receiver::{Receiver, ReceiverConfig, ReceiverPoller},
    sender::{Sender, SenderConfig},
    status::{LabelSuffixes, SystemCounters},
};

/// Longest datagram, and so the length of a receive buffer, in bytes.
const RECEIVE_BUFFER_LENGTH: usize = 64 * 1024;

/// Least time between two reads of the sender's sockets that nothing waits for: about ten turns without data.
const CONTROL_POLL_INTERVAL: Duration = Duration::from_micros(10);

/// What surrounds a driver: everything that a simulator replaces.
#[derive(Debug)]
pub struct Environment {
    /// Opens sockets, or what stands for them.
    pub transports: Box<dyn TransportFactory>,
    /// Knows hosts, as the system's resolver does.
    pub names: Box<dyn NameResolver>,
    /// Knows how much room there is for files.
    pub file_system: Box<dyn FileSystem>,
    /// Measures calls that may wait.
    pub clock: Box<dyn Clock + Send>,
    /// Socket buffers that the system gives unasked.
    pub system_buffers: ProbedSocketBuffers,
    /// Randomness; one seed makes one behaviour.
    pub random: fastrand::Rng,
    /// What is told to those who look for a fault.
    pub events: EventLog,
    /// The time of the start.
    pub now: Now,
}

/// The four roles of one driver, ready to be stepped, and what outlives them.
#[derive(Debug)]
pub struct Roles {
    /// Commands, resources, timers.
    pub conductor: Conductor,
    /// Data out.
    pub sender: Sender,
    /// Data in.
    pub receiver: Receiver,
    /// Whatever may block.
    pub native_resource_agent: NativeResourceAgent,
    /// Raised when a client was allowed to end the driver.
    pub termination_requested: Arc<AtomicBool>,
    /// Lets whoever runs the roles record errors.
    pub errors: Proxy<ConductorCommand>,
    /// Errors that the distinct error log had no room for.
    pub unrecorded_errors: UnrecordedErrors,
    /// Where clients meet the driver.
    pub cnc: Cnc,
}

/// Creates the files of a driver in its directory and the roles around them.
///
/// # Errors
/// When a file cannot be created or its lengths do not work.
pub fn assemble(
    context: Context,
    directory: &DriverDirectory,
    environment: Environment,
) -> Result<Roles, LaunchError> {
    let Environment { mut transports, names, file_system, clock, system_buffers, random, events, now } =
        environment;
    let (cnc, counter_storage) = cnc::create(&context, now)?;
    let losses = create_loss_report(&context, directory)?;
    let mut counters = CountersManager::new(
        cnc.counters_metadata(),
        cnc.counters_values(),
        context.timeouts.counter_free_to_reuse,
    )
    .with_storage(counter_storage);
    let system = SystemCounters::allocate(&mut counters, &label_suffixes(&context), now.epoch)?;
    system.bytes_currently_mapped.add((cnc.length() + losses.length()) as i64);
    let names = supply(
        &context,
        Means {
            hosts: names,
            clock,
            transports: &mut *transports,
            counters: &mut counters,
            system: &system,
            events: &events,
            now,
        },
    )?;

    let (to_sender, sender_inbox) = queue(system.sender_proxy_fails.clone());
    let (to_receiver, receiver_inbox) = queue(system.receiver_proxy_fails.clone());
    let (to_resources, resource_inbox) = queue(system.native_resource_agent_proxy_fails.clone());
    let (from_sender, conductor_inbox) = queue(system.conductor_proxy_fails.clone());
    let from_receiver = from_sender.another();
    let errors = from_sender.another();
    let (from_resources, outcomes) = queue(system.conductor_proxy_fails.clone());

    let to_driver = Consumer::new(cnc.to_driver())?;
    let termination = Termination {
        is_allowed: context.threads.termination_validator == TerminationValidator::Allow,
        is_requested: Arc::new(AtomicBool::new(false)),
    };
    let termination_requested = Arc::clone(&termination.is_requested);
    let services = Services {
        now,
        clients: ClientProxy::new(Transmitter::new(cnc.to_clients())?),
        counters,
        sender: to_sender,
        receiver: to_receiver,
        resources: to_resources,
        errors: ErrorRecorder::new(DistinctErrorLog::new(cnc.error_log()), system.errors.clone()),
        events,
        losses: LossReport::new(losses.view().clone()),
        has_missed_links: false,
        system: system.clone(),
    };
    let unrecorded_errors = services.errors.unrecorded().clone();
    let sender = Sender::new(
        sender_inbox,
        from_sender,
        system.clone(),
        tracker(&system.sender_max_cycle_time, &system.sender_cycle_time_threshold_exceeded, &context, |t| {
            t.sender_cycle_threshold
        }),
        SenderConfig {
            send_to_status_poll_ratio: context.network.send_to_status_poll_ratio,
            status_message_timeout: context.timeouts.status_message,
            control_poll_interval: CONTROL_POLL_INTERVAL,
            re_resolution_check_interval: context.network.re_resolution_check_interval,
        },
        poller_config(&context),
        ReceiveBuffers::new(1, (context.network.mtu.get() as usize).max(frame::error::MAX_LENGTH)),
    )
    .map_err(LaunchError::system("create the sender's poller"))?;
    let receiver = Receiver::new(
        receiver_inbox,
        from_receiver,
        system.clone(),
        tracker(
            &system.receiver_max_cycle_time,
            &system.receiver_cycle_time_threshold_exceeded,
            &context,
            |t| t.receiver_cycle_threshold,
        ),
        ReceiverConfig {
            poll_to_slow_work_ratio: context.network.receiver_poll_to_slow_work_ratio,
            status_message_timeout: context.timeouts.status_message,
            re_resolution_check_interval: context.network.re_resolution_check_interval,
        },
        ReceiverPoller::new(
            poller_config(&context),
            ReceiveBuffers::new(context.network.receiver_vector_capacity, RECEIVE_BUFFER_LENGTH),
        )
        .map_err(LaunchError::system("create the receiver's poller"))?,
    );
    let native_resource_agent = NativeResourceAgent::new(
        ResourceConfig {
            directory: directory.path().to_owned(),
            perform_storage_checks: context.buffers.storage_checks,
            low_storage_warning: context.buffers.low_storage_threshold,
            resource_free_limit: context.threads.resource_free_limit as usize,
            spare_logs: context.buffers.spare_logs,
            huge_pages: context.buffers.huge_pages,
        },
        file_system,
        ChannelResolver::new(names).with_interfaces(transports.interfaces()),
        resource_inbox,
        from_resources,
        system.clone(),
    );
    let conductor_tracker = tracker(
        &system.conductor_max_cycle_time,
        &system.conductor_cycle_time_threshold_exceeded,
        &context,
        |t| t.conductor_cycle_threshold,
    );
    // Clients never get correlation id 0.
    let _ = to_driver.next_correlation_id();
    to_driver.set_heartbeat(now.epoch);
    cnc.publish();
    let conductor = Conductor::new(ConductorParts {
        context: Arc::new(context),
        services,
        to_driver,
        inbox: conductor_inbox,
        outcomes,
        transports,
        termination,
        random,
        system_buffers,
        tracker: conductor_tracker,
    });
    Ok(Roles {
        conductor,
        sender,
        receiver,
        native_resource_agent,
        termination_requested,
        errors,
        unrecorded_errors,
        cnc,
    })
}

fn create_loss_report(context: &Context, directory: &DriverDirectory) -> Result<MappedFile, LaunchError> {
    let page = context.buffers.file_page_size.get() as usize;
    let length = align_usize(context.buffers.loss_report_length, page);
    let path = directory.loss_report();
    MappedFile::create(&path, length, Allocation::Full)
        .map_err(LaunchError::system(format!("create {}", path.display())))
}

fn label_suffixes(context: &Context) -> LabelSuffixes {
    let timeouts = &context.timeouts;
    LabelSuffixes {
        threading_mode: context.threads.mode.name().to_owned(),
        conductor_threshold: format_duration(timeouts.conductor_cycle_threshold),
        sender_threshold: format_duration(timeouts.sender_cycle_threshold),
        receiver_threshold: format_duration(timeouts.receiver_cycle_threshold),
        resolver_threshold: format_duration(timeouts.name_resolver_threshold),
        resolver_name: context.resolver.name.clone().unwrap_or_default(),
    }
}

fn poller_config(context: &Context) -> PollerConfig {
    PollerConfig {
        iteration_threshold: context.network.poller_iteration_threshold,
        socket_poll_limit: context.network.socket_poll_limit as usize,
    }
}

fn tracker(
    longest: &crate::status::SharedCounter,
    exceeded: &crate::status::SharedCounter,
    context: &Context,
    threshold: impl Fn(&crate::config::Timeouts) -> Duration,
) -> StallTracker {
    StallTracker::new(longest.handle().clone(), exceeded.handle().clone(), threshold(&context.timeouts))
}

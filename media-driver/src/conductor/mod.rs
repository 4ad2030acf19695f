//! The conductor: everything that is not per message. Client commands, resources, liveness, timers.
//!
//! | file | does |
//! | --- | --- |
//! | `requests`, `pending_command` | reads commands of clients and answers the simple ones; those that wait |
//! | `publications`, `ipc_publications`, `network_publications` | create and share publications, step by step with the resource agent |
//! | `subscriptions`, `images` | create subscriptions and images, and link them to what they read |
//! | `response_channels` | brings requests, responses and their subscriptions together |
//! | `send_destinations` | where a publication with several destinations sends to |
//! | `send_endpoints`, `receive_endpoints`, `endpoint_options`, `endpoint_counters` | find, open and give up the sockets that channels name |
//! | `receive_destinations` | add sockets, spies and IPC to subscriptions that take several, and remove them |
//! | `clients`, `endpoints` | tables of who and what exists |
//! | `re_resolutions` | has names resolved again whose peers fell silent |
//! | `offload_refusals` | counts sockets for which the kernel does not cut up runs of datagrams |
//! | `client_counters` | counters that clients ask for |
//! | `streams` | publications and images, the busy ones of which get every turn |
//! | `timers` | what happens when time passes |
//! | `services`, `client_proxy`, `error_recorder` | what all of these use |
//!
//! Source: driver spec 1.5, 2.

pub mod client_proxy;
pub mod clients;
pub mod error_recorder;
pub mod services;
pub mod session_ids;

mod client_counters;
mod endpoint_counters;
mod endpoint_options;
mod endpoints;
mod events;
mod images;
mod ipc_publications;
mod network_publications;
mod offload_refusals;
mod pending_command;
mod publications;
mod re_resolutions;
mod receive_destinations;
mod receive_endpoints;
mod requests;
mod response_channels;
mod send_destinations;
mod send_endpoints;
mod streams;
mod subscriptions;
mod timers;

use std::{io, sync::Arc, time::Duration};

use epona_protocol::{
    ring_buffer::Consumer,
    types::{Nanos, Now},
};

use self::{
    clients::Clients, endpoints::Endpoints, images::PendingImage, offload_refusals::OffloadRefusals,
    pending_command::PendingCommand, re_resolutions::ReResolutions, receive_endpoints::ReceiveEndpointEntry,
    send_endpoints::SendEndpointEntry, services::Services, session_ids::SessionIds, streams::Streams,
    timers::BlockedCommands,
};
use crate::{
    commands::{ConductorCommand, JobId, ResourceOutcome},
    config::{Context, ProbedSocketBuffers},
    duty_cycle::{DutyCycle, Inputs, StallTracker},
    image::publication_image::PublicationImage,
    media::{PortManager, TransportFactory},
    proxy::{COMMAND_DRAIN_LIMIT, Inbox},
    publication::{ipc::IpcPublication, network::NetworkPublication},
    subscription::Subscription,
};

/// What a conductor is made of; see [`Conductor::new`].
#[derive(Debug)]
pub struct ConductorParts {
    /// The driver's configuration, checked.
    pub context: Arc<Context>,
    /// Counters, queues and logs.
    pub services: Services,
    /// Commands of clients.
    pub to_driver: Consumer,
    /// Commands of sender and receiver.
    pub inbox: Inbox<ConductorCommand>,
    /// Answers of the native resource agent.
    pub outcomes: Inbox<ResourceOutcome>,
    /// Opens sockets.
    pub transports: Box<dyn TransportFactory>,
    /// Decides about requests to terminate, and remembers that one was granted.
    pub termination: Termination,
    /// Randomness: session ids, initial term ids, receiver ids.
    pub random: fastrand::Rng,
    /// Socket buffers that the system gives unasked.
    pub system_buffers: ProbedSocketBuffers,
    /// Watches the time between turns.
    pub tracker: StallTracker,
}

/// Lets clients end the driver, or not. Source: shared-memory spec 2.7.
#[derive(Clone, Debug, Default)]
pub struct Termination {
    /// Whether requests are granted.
    pub is_allowed: bool,
    /// Set when one was.
    pub is_requested: Arc<std::sync::atomic::AtomicBool>,
}

/// The conductor role.
#[derive(Debug)]
pub struct Conductor {
    context: Arc<Context>,
    services: Services,
    to_driver: Consumer,
    inbox: Inbox<ConductorCommand>,
    outcomes: Inbox<ResourceOutcome>,
    transports: Box<dyn TransportFactory>,
    termination: Termination,
    random: fastrand::Rng,
    system_buffers: ProbedSocketBuffers,
    tracker: StallTracker,
    clients: Clients,
    ipc_publications: Streams<IpcPublication>,
    network_publications: Streams<NetworkPublication>,
    images: Streams<PublicationImage>,
    subscriptions: Vec<Arc<Subscription>>,
    send_endpoints: Endpoints<SendEndpointEntry>,
    receive_endpoints: Endpoints<ReceiveEndpointEntry>,
    sender_ports: PortManager,
    receiver_ports: PortManager,
    session_ids: SessionIds,
    next_receiver_id: i64,
    next_job: u64,
    pending_command: Option<PendingCommand>,
    pending_image: Option<PendingImage>,
    re_resolutions: ReResolutions,
    offload_refusals: OffloadRefusals,
    blocked_commands: BlockedCommands,
    record: Vec<u8>,
    time_of_next_timer: Nanos,
}

impl Conductor {
    /// A conductor without clients. Its first turn checks all timers.
    #[must_use]
    pub fn new(parts: ConductorParts) -> Self {
        let ConductorParts { context, mut random, .. } = parts;
        let streams = &context.streams;
        let session_ids = SessionIds::new(
            random.i32(..),
            streams.reserved_session_id_low,
            streams.reserved_session_id_high,
        );
        let now = parts.services.now.nanos;
        Self {
            clients: Clients::new(context.timeouts.client_liveness),
            blocked_commands: BlockedCommands::new(
                parts.to_driver.consumer_position(),
                now,
                context.timeouts.client_liveness,
            ),
            sender_ports: PortManager::for_senders(context.network.sender_port_range),
            receiver_ports: PortManager::for_receivers(context.network.receiver_port_range),
            services: parts.services,
            to_driver: parts.to_driver,
            inbox: parts.inbox,
            outcomes: parts.outcomes,
            transports: parts.transports,
            termination: parts.termination,
            system_buffers: parts.system_buffers,
            tracker: parts.tracker,
            ipc_publications: Streams::default(),
            network_publications: Streams::default(),
            images: Streams::default(),
            subscriptions: Vec::new(),
            send_endpoints: Endpoints::default(),
            receive_endpoints: Endpoints::default(),
            session_ids,
            next_receiver_id: random.i64(..),
            next_job: 0,
            pending_command: None,
            pending_image: None,
            re_resolutions: ReResolutions::default(),
            offload_refusals: OffloadRefusals::default(),
            record: Vec::with_capacity(4096),
            time_of_next_timer: now - Duration::from_nanos(1),
            context,
            random,
        }
    }

    fn next_job(&mut self) -> JobId {
        self.next_job += 1;
        JobId(self.next_job)
    }

    fn take_outcomes(&mut self) -> usize {
        for taken in 0..COMMAND_DRAIN_LIMIT {
            let Some(outcome) = self.outcomes.take() else { return taken };
            match outcome {
                ResourceOutcome::Channel(job, channel) => self.on_channel(job, channel),
                ResourceOutcome::Log(job, log) => self.on_log(job, log),
                ResourceOutcome::Address(job, address) => self.on_address(job, address),
                ResourceOutcome::Label(counter, label) => {
                    self.services.counters.set_label(counter, label.as_bytes());
                }
                ResourceOutcome::Warning(warning) => self.services.record(&warning),
            }
        }
        COMMAND_DRAIN_LIMIT
    }

    fn take_commands(&mut self) -> usize {
        for taken in 0..COMMAND_DRAIN_LIMIT {
            // One image at a time waits for its log; what follows it in the queue waits too.
            if self.pending_image.is_some() {
                return taken;
            }
            let Some(command) = self.inbox.take() else { return taken };
            self.execute(command);
        }
        COMMAND_DRAIN_LIMIT
    }

    fn execute(&mut self, command: ConductorCommand) {
        match command {
            ConductorCommand::SendEndpointReleased(endpoint) => {
                if let Some(bind) = self.send_endpoints.on_released(endpoint.id(), &mut self.services) {
                    self.sender_ports.release(bind);
                }
            }
            ConductorCommand::PublicationReleased(publication) => {
                let id = publication.state().registration_id;
                if let Some(p) = self.network_publications.iter_mut().find(|p| p.registration_id() == id) {
                    p.on_sender_released();
                }
            }
            ConductorCommand::ReceiveEndpointReleased(endpoint) => {
                for bind in self.receive_endpoints.on_released(endpoint.id(), &mut self.services) {
                    self.receiver_ports.release(bind);
                }
            }
            ConductorCommand::ReceiveDestinationReleased(id, destination) => {
                self.on_destination_released(id, &destination);
            }
            ConductorCommand::ImageReleased(image) => {
                let id = image.state().correlation_id;
                if let Some(image) = self.images.iter_mut().find(|image| image.correlation_id() == id) {
                    image.on_receiver_released();
                }
            }
            ConductorCommand::ReResolve(asked) => self.re_resolve(asked),
            ConductorCommand::CreateImage(request) => self.create_image(*request),
            ConductorCommand::PublicationError(report) => self.on_publication_error(&report),
            ConductorCommand::ResponseSetup { subscription, response_session_id } => {
                self.on_response_setup(subscription, response_session_id);
            }
            ConductorCommand::ResponseConnected(image) => self.on_response_connected(image),
            ConductorCommand::OffloadRefused { endpoint, refusal } => {
                self.on_offload_refused(endpoint, refusal);
            }
            ConductorCommand::Error(error) => self.services.record(&error),
        }
    }

    fn update_streams(&mut self) -> usize {
        let Self { images, network_publications, ipc_publications, services, .. } = self;
        let now = services.now.nanos;
        images.take_turns(now, |image| image.track_rebuild(now, services))
            + network_publications.take_turns(now, |publication| publication.update_limits(now))
            + ipc_publications.take_turns(now, |publication| publication.update_limits(now))
    }

    fn flush_queues(&mut self) {
        self.services.sender.flush();
        self.services.receiver.flush();
        self.services.resources.flush();
    }
}

impl DutyCycle for Conductor {
    fn do_work(&mut self, now: Now) -> usize {
        self.services.now = now;
        self.tracker.on_cycle(now.nanos);
        self.flush_queues();
        if now.nanos > self.time_of_next_timer {
            self.check_timers();
            self.time_of_next_timer = now.nanos + self.context.timeouts.timer_interval;
            // That time passes is no work: nothing more follows from it, and a thread that sleeps may sleep on.
        } else {
            self.check_some_streams();
        }
        let mut work = self.take_outcomes();
        work += self.take_request();
        self.ask_next();
        work += self.take_commands();
        work + self.update_streams()
    }

    fn role_name(&self) -> &str {
        "conductor"
    }

    fn inputs(&self) -> io::Result<Inputs> {
        let wakers = vec![self.inbox.waker().clone(), self.outcomes.waker().clone()];
        Ok(Inputs { wakers, ..Inputs::default() })
    }

    fn on_close(&mut self, _now: Now) {
        self.close();
    }
}

//! The receiver: datagrams into images, status messages and NAKs out.
//!
//! Each turn reads the sockets first; commands, status messages, NAKs and pending setups follow when nothing came in,
//! or often enough anyway. Source: driver spec 14.3, wire spec 15.3.

pub mod destination;
pub mod dispatcher;
pub mod endpoint;
pub mod image;
pub mod origin;
pub mod pending_setup;

mod connections;
mod data_frames;
mod destinations;
mod images;

use std::{io, time::Duration};

use epona_protocol::types::{CorrelationId, Nanos, Now, SessionId, StreamId};

use self::{
    endpoint::ReceiveEndpoint,
    image::ReceiverImage,
    images::Images,
    pending_setup::{Due, PendingSetups, SetupTarget},
};
use crate::{
    commands::{ConductorCommand, ReceiverCommand},
    duty_cycle::{DutyCycle, Inputs, StallTracker},
    endpoint_id::ReceiveEndpointId,
    error::DriverError,
    media::Poller,
    proxy::{COMMAND_DRAIN_LIMIT, Inbox, Proxy},
    status::SystemCounters,
};

/// Settings of the receiver. Source: driver spec 9.2.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverConfig {
    /// Busy turns after which slow work is done all the same, 1 and up.
    pub poll_to_slow_work_ratio: u32,
    /// Half of this is the longest time between two rounds of slow work.
    pub status_message_timeout: Duration,
    /// How often it is checked whether peers fell silent; zero: never.
    pub re_resolution_check_interval: Duration,
}

/// Names a socket in the receiver's poller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct SocketKey {
    endpoint: ReceiveEndpointId,
    /// Place of the destination in the endpoint.
    place: usize,
}

/// The receiver role.
#[derive(Debug)]
pub struct Receiver {
    endpoints: Vec<Option<ReceiveEndpoint>>,
    images: Images,
    poller: Poller<SocketKey>,
    pending_setups: PendingSetups<SetupTarget>,
    inbox: Inbox<ReceiverCommand>,
    conductor: Proxy<ConductorCommand>,
    system: SystemCounters,
    tracker: StallTracker,
    config: ReceiverConfig,
    turns_since_slow_work: u32,
    slow_work_deadline: Nanos,
    next_overflow_report: Nanos,
    next_limit_report: Nanos,
    next_re_resolution_check: Nanos,
}

impl Receiver {
    /// A receiver without endpoints, reading through `poller`'s buffers.
    #[must_use]
    pub fn new(
        inbox: Inbox<ReceiverCommand>,
        conductor: Proxy<ConductorCommand>,
        system: SystemCounters,
        tracker: StallTracker,
        config: ReceiverConfig,
        poller: ReceiverPoller,
    ) -> Self {
        Self {
            endpoints: Vec::new(),
            images: Images::default(),
            poller: poller.0,
            pending_setups: PendingSetups::default(),
            inbox,
            conductor,
            system,
            tracker,
            config,
            turns_since_slow_work: 0,
            slow_work_deadline: Nanos::default(),
            next_overflow_report: Nanos::default(),
            next_limit_report: Nanos::default(),
            next_re_resolution_check: Nanos::default(),
        }
    }

    /// Reads every socket that has something; bytes read, and bytes of data among them.
    #[inline]
    fn poll(&mut self, now: Nanos) -> (usize, usize) {
        let Self {
            endpoints,
            images,
            poller,
            pending_setups,
            next_overflow_report,
            next_limit_report,
            conductor,
            system,
            ..
        } = self;
        let mut data_bytes = 0;
        let outcome = poller.poll(|key, buffers| {
            let Some(endpoint) = endpoints.get_mut(key.endpoint.index()).and_then(Option::as_mut) else {
                return Default::default();
            };
            let mut outcome = data_frames::receive(
                endpoint,
                key.place,
                buffers,
                &mut data_frames::Collaborators {
                    now,
                    data_bytes: &mut data_bytes,
                    images,
                    pending_setups,
                    next_overflow_report,
                    next_limit_report,
                    conductor,
                    system,
                },
            );
            report_send_error(conductor, endpoint);
            if let Some(error) = outcome.error.take() {
                report(conductor, "receive", &error);
            }
            outcome
        });
        if let Some(error) = &outcome.error {
            report(&mut self.conductor, "poll for readiness", error);
        }
        if outcome.bytes > 0 {
            self.system.bytes_received.add(outcome.bytes as i64);
        }
        (outcome.bytes, data_bytes)
    }

    fn do_slow_work(&mut self, now: Nanos) -> usize {
        self.conductor.flush();
        let mut work = self.take_commands(now);
        let Self { endpoints, images, conductor, system, .. } = self;
        // What is said to the sources gives the next turn nothing to do.
        images.take_turns(now, |image| {
            let id = image.state().endpoint;
            let Some(endpoint) = endpoints.get_mut(id.index()).and_then(Option::as_mut) else { return };
            image.send_pending_status_message(now, endpoint, system);
            image.send_pending_loss(now, endpoint, system);
            image.initiate_rttm(now, endpoint, system);
            report_send_error(conductor, endpoint);
        });
        work += self.process_pending_setups(now);
        self.check_silent_peers(now);
        work
    }

    fn process_pending_setups(&mut self, now: Nanos) -> usize {
        let Self { endpoints, pending_setups, conductor, system, .. } = self;
        pending_setups.poll(now, |due| {
            let (Due::Expired(target, stream, session) | Due::Repeat(target, stream, session)) = due;
            let endpoint = endpoints.get_mut(target.endpoint.index()).and_then(Option::as_mut);
            let Some(endpoint) = endpoint else { return false };
            if matches!(due, Due::Expired(..)) {
                endpoint.dispatcher.remove_pending_setup(stream, session);
                return false;
            }
            let destination = endpoint.destination_mut(target.destination);
            let to = destination.and_then(|destination| destination.explicit_control());
            let Some(to) = to.filter(|_| endpoint.dispatcher.has_interest()) else { return false };
            endpoint.elicit_setup(now, to, stream, session, system);
            report_send_error(conductor, endpoint);
            true
        })
    }

    /// Asks for the control addresses of peers that fell silent. What does not fit now is asked for after the next
    /// silence.
    fn check_silent_peers(&mut self, now: Nanos) {
        let interval = self.config.re_resolution_check_interval;
        if interval.is_zero() || now < self.next_re_resolution_check {
            return;
        }
        self.next_re_resolution_check = now + interval;
        let Self { endpoints, conductor, .. } = self;
        for endpoint in endpoints.iter_mut().flatten() {
            let id = endpoint.id();
            for silent in endpoint.destinations().filter_map(|d| d.take_silent_peer(id, now)) {
                let _ = conductor.try_send(ConductorCommand::ReResolve(silent));
            }
        }
    }

    fn take_commands(&mut self, now: Nanos) -> usize {
        for taken in 0..COMMAND_DRAIN_LIMIT {
            let Some(command) = self.inbox.take() else { return taken };
            self.execute(command, now);
        }
        COMMAND_DRAIN_LIMIT
    }

    fn execute(&mut self, command: ReceiverCommand, now: Nanos) {
        match command {
            ReceiverCommand::AddEndpoint(endpoint) => self.add_endpoint(*endpoint, now),
            ReceiverCommand::RemoveEndpoint(id) => self.remove_endpoint(id),
            ReceiverCommand::AddInterest(id, stream, session) => {
                if let Some(endpoint) = self.endpoint_mut(id) {
                    match session {
                        None => endpoint.dispatcher.add_subscription(stream),
                        Some(session) => endpoint.dispatcher.add_session_subscription(stream, session),
                    }
                }
                if let Some(session) = session {
                    self.request_setup(id, stream, session, now);
                }
            }
            ReceiverCommand::RequestSetup(id, stream, session) => {
                self.request_setup(id, stream, session, now);
            }
            ReceiverCommand::RemoveInterest(id, stream, session) => {
                if let Some(endpoint) = self.endpoint_mut(id) {
                    match session {
                        None => endpoint.dispatcher.remove_subscription(stream),
                        Some(session) => endpoint.dispatcher.remove_session_subscription(stream, session),
                    };
                }
            }
            ReceiverCommand::AddDestination(id, destination) => {
                self.add_destination(id, *destination, now);
            }
            ReceiverCommand::RemoveDestination(id, index) => self.remove_destination(id, index, now),
            ReceiverCommand::UpdateControlAddress { endpoint, destination, address } => {
                self.update_control_address(endpoint, destination, address);
            }
            ReceiverCommand::AddImage(image) => self.add_image(*image),
            ReceiverCommand::RemoveImage(id, correlation_id) => self.remove_image(id, correlation_id, now),
            ReceiverCommand::ImageCreationFailed(id, stream, session) => {
                if let Some(endpoint) = self.endpoint_mut(id) {
                    endpoint.dispatcher.remove_init_in_progress(stream, session);
                }
            }
            ReceiverCommand::AllowRejoin(id, stream, session) => {
                if let Some(endpoint) = self.endpoint_mut(id) {
                    endpoint.dispatcher.remove_cool_down(stream, session);
                }
            }
            ReceiverCommand::RejectImage(_, correlation_id, reason) => {
                if let Some(image) = self.images.find(correlation_id).and_then(|at| self.images.wake(at)) {
                    image.reject(reason, now);
                }
            }
        }
    }

    /// Asks for the setup of a session, where a channel names an address to ask at.
    fn request_setup(&mut self, id: ReceiveEndpointId, stream: StreamId, session: SessionId, now: Nanos) {
        if let Some(endpoint) = self.endpoints.get_mut(id.index()).and_then(Option::as_mut) {
            endpoint.elicit_setup_by_control(now, stream, session, &self.system);
            report_send_error(&mut self.conductor, endpoint);
        }
    }

    fn endpoint_mut(&mut self, id: ReceiveEndpointId) -> Option<&mut ReceiveEndpoint> {
        self.endpoints.get_mut(id.index())?.as_mut()
    }

    fn add_endpoint(&mut self, endpoint: ReceiveEndpoint, now: Nanos) {
        let id = endpoint.id();
        if self.endpoints.len() <= id.index() {
            self.endpoints.resize_with(id.index() + 1, || None);
        }
        let places = endpoint.destinations.len();
        self.endpoints[id.index()] = Some(endpoint);
        for place in 0..places {
            self.watch(id, place, now);
        }
    }

    fn remove_endpoint(&mut self, id: ReceiveEndpointId) {
        if let Some(mut endpoint) = self.endpoints.get_mut(id.index()).and_then(Option::take) {
            for token in endpoint.destinations().filter_map(|destination| destination.token.take()) {
                self.poller.remove(token);
            }
            self.pending_setups.remove(|target| target.endpoint == id);
            self.conductor.send(ConductorCommand::ReceiveEndpointReleased(Box::new(endpoint)));
        }
    }

    fn add_image(&mut self, mut image: ReceiverImage) {
        let state = image.state();
        let (id, stream, session) = (state.endpoint, state.stream_id, state.session_id);
        // What an older image of the session has left to say would be taken for the word of the new one: both speak
        // for the same receiver.
        for older in self.images.iter_mut() {
            let older_state = older.state();
            if (older_state.endpoint, older_state.stream_id, older_state.session_id) == (id, stream, session)
            {
                older.disable_status_messages();
            }
        }
        if let Some(endpoint) = self.endpoint_mut(id) {
            image.retain_destinations(|index| endpoint.destination_mut(index).is_some());
        }
        let slot = self.images.add(image);
        if let Some(endpoint) = self.endpoint_mut(id) {
            // Without interest the image stays, to be drained by the conductor like any other without subscribers.
            let _ = endpoint.dispatcher.add_image(stream, session, slot);
        }
    }

    fn remove_image(&mut self, id: ReceiveEndpointId, correlation_id: CorrelationId, now: Nanos) {
        let Some((slot, mut image)) = self.images.take(correlation_id) else { return };
        if let Some(endpoint) = self.endpoints.get_mut(id.index()).and_then(Option::as_mut) {
            if image.state().is_revoked() {
                // The conductor does not wait for a revoked image to drain, yet its source should hear of the end.
                image.send_pending_status_message(now, endpoint, &self.system);
                report_send_error(&mut self.conductor, endpoint);
            }
            let state = image.state();
            endpoint.dispatcher.remove_image(
                state.stream_id,
                state.session_id,
                slot,
                state.is_end_of_stream(),
            );
        }
        self.conductor.send(ConductorCommand::ImageReleased(Box::new(image)));
    }
}

/// The receiver's poller, made by whoever assembles the driver.
#[derive(Debug)]
pub struct ReceiverPoller(Poller<SocketKey>);

impl ReceiverPoller {
    /// A poller that reads as configured into `buffers`.
    ///
    /// # Errors
    /// When the system has no readiness queue left.
    pub fn new(
        config: crate::media::PollerConfig,
        buffers: crate::media::ReceiveBuffers,
    ) -> io::Result<Self> {
        Poller::new(config, buffers).map(Self)
    }
}

#[inline]
fn report_send_error(conductor: &mut Proxy<ConductorCommand>, endpoint: &mut ReceiveEndpoint) {
    if let Some(error) = endpoint.take_error() {
        report(conductor, "send a control frame", &error);
    }
}

#[cold]
fn report(conductor: &mut Proxy<ConductorCommand>, action: &str, error: &io::Error) {
    let error = DriverError::generic(format!("receiver failed to {action}: {error}"));
    // Errors come again as long as their cause lasts: what does not fit may be dropped.
    let _ = conductor.try_send(ConductorCommand::Error(Box::new(error)));
}

impl DutyCycle for Receiver {
    #[inline]
    fn do_work(&mut self, now: Now) -> usize {
        let now = now.nanos;
        self.tracker.on_cycle(now);
        let (bytes, data_bytes) = self.poll(now);
        self.turns_since_slow_work += 1;
        let is_slow_work_due = bytes == 0
            || self.turns_since_slow_work >= self.config.poll_to_slow_work_ratio
            || self.slow_work_deadline <= now;
        if !is_slow_work_due {
            return data_bytes;
        }
        self.turns_since_slow_work = 0;
        self.slow_work_deadline = now + self.config.status_message_timeout / 2;
        data_bytes + self.do_slow_work(now)
    }

    fn role_name(&self) -> &str {
        "receiver"
    }

    fn inputs(&self) -> io::Result<Inputs> {
        Ok(Inputs { descriptors: vec![self.poller.readiness()?], ..Inputs::default() })
    }
}

#[cfg(test)]
mod tests;

//! The sender: puts publications on the wire and hears what their receivers say.
//!
//! Each turn sends on every busy publication, or some of many, starting with another one each time, what several have
//! with one call, and looks at some of the quiet ones;
//! then - when there was nothing to send, or often enough anyway - takes commands and reads the control frames of every
//! endpoint. A read that finds nothing costs a system call: while nobody waits for a window, turns without data leave some
//! time between two of them.
//! Source: driver spec 14.3, wire spec 10.1 and 15.3.

pub mod destinations;
pub mod endpoint;
pub mod publication;
pub mod receiver_liveness;
pub mod retransmit_handler;
mod round_trip_bound;
pub mod sent;

mod control_frames;
mod fan_out;
mod gather;
mod publications;
mod turn;
mod watch;

use std::{fmt::Display, io, net::SocketAddr, time::Duration};

use epona_protocol::types::{Nanos, Now};

use self::{
    control_frames::ControlFrame, destinations::Destinations, endpoint::SendEndpoint, gather::Gather,
    publications::Publications, sent::SendFailure, turn::Turn,
};
use crate::{
    commands::{ConductorCommand, SenderCommand},
    duty_cycle::{DutyCycle, Inputs, StallTracker},
    endpoint_id::SendEndpointId,
    error::DriverError,
    media::{PollToken, Poller, PollerConfig, ReceiveBuffers, RecvOutcome},
    proxy::{COMMAND_DRAIN_LIMIT, Inbox, Proxy},
    status::SystemCounters,
};

/// Settings of the sender. Source: driver spec 9.2.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Busy turns after which control frames are read all the same, 1 and up.
    pub send_to_status_poll_ratio: u32,
    /// Half of this is the longest time between two reads of control frames.
    pub status_message_timeout: Duration,
    /// Least time between two reads of control frames that nothing waits for; zero: they are read in every turn without
    /// data.
    pub control_poll_interval: Duration,
    /// How often it is checked whether peers fell silent; zero: never.
    pub re_resolution_check_interval: Duration,
}

/// The sender role.
#[derive(Debug)]
pub struct Sender {
    endpoints: Vec<Option<Slot>>,
    publications: Publications,
    gather: Gather,
    inbox: Inbox<SenderCommand>,
    conductor: Proxy<ConductorCommand>,
    system: SystemCounters,
    tracker: StallTracker,
    poller: Poller<SendEndpointId>,
    control_frames: Vec<ControlFrame>,
    config: SenderConfig,
    turns_since_poll: u32,
    control_poll_deadline: Nanos,
    next_control_poll: Nanos,
    next_re_resolution_check: Nanos,
}

/// An endpoint with its place in the poller.
#[derive(Debug)]
struct Slot {
    endpoint: SendEndpoint,
    token: Option<PollToken>,
}

impl Sender {
    /// A sender without endpoints, that reads control frames into `buffers`.
    ///
    /// # Errors
    /// When the system has no readiness queue left.
    pub fn new(
        inbox: Inbox<SenderCommand>,
        conductor: Proxy<ConductorCommand>,
        system: SystemCounters,
        tracker: StallTracker,
        config: SenderConfig,
        poller: PollerConfig,
        buffers: ReceiveBuffers,
    ) -> io::Result<Self> {
        Ok(Self {
            endpoints: Vec::new(),
            publications: Publications::default(),
            gather: Gather::new(),
            inbox,
            conductor,
            system,
            tracker,
            control_frames: Vec::with_capacity(buffers.count()),
            poller: Poller::new(poller, buffers)?,
            config,
            turns_since_poll: 0,
            control_poll_deadline: Nanos::default(),
            next_control_poll: Nanos::default(),
            next_re_resolution_check: Nanos::default(),
        })
    }

    /// How much moved, and whether something waits for a receiver to open its window.
    fn send(&mut self, now: Nanos) -> (usize, bool) {
        let Self { endpoints, publications, gather, conductor, system, .. } = self;
        let mut turn = Turn::new(now, gather, endpoints, conductor, system);
        let moved = publications.take_turns(now, |slots, at, is_alone| turn.take(slots, at, is_alone));
        turn.flush(publications.slots_mut());
        turn.send_heartbeats();
        let Turn { bytes, is_blocked, .. } = turn;
        let moved = moved + turn.moved;
        if moved == 0 {
            publications.on_rest();
        }
        if bytes > 0 {
            system.bytes_sent.add(bytes as i64);
        }
        (moved, is_blocked)
    }

    fn is_poll_due(&mut self, now: Nanos, moved: usize, short_sends_before: i64) -> bool {
        self.turns_since_poll += 1;
        moved == 0
            || self.turns_since_poll >= self.config.send_to_status_poll_ratio
            || now > self.control_poll_deadline
            || self.system.short_sends.get() != short_sends_before
    }

    fn take_commands(&mut self, now: Nanos) -> usize {
        for taken in 0..COMMAND_DRAIN_LIMIT {
            let Some(command) = self.inbox.take() else { return taken };
            self.execute(command, now);
        }
        COMMAND_DRAIN_LIMIT
    }

    fn execute(&mut self, command: SenderCommand, now: Nanos) {
        match command {
            SenderCommand::AddEndpoint(endpoint) => {
                self.add_endpoint(*endpoint);
            }
            SenderCommand::RemoveEndpoint(id) => {
                if let Some(slot) = self.endpoints.get_mut(id.index()).and_then(Option::take) {
                    if let Some(token) = slot.token {
                        self.poller.remove(token);
                    }
                    self.conductor.send(ConductorCommand::SendEndpointReleased(Box::new(slot.endpoint)));
                }
            }
            SenderCommand::AddPublication(publication) => self.publications.add(*publication),
            SenderCommand::RemovePublication(id) => {
                if let Some(publication) = self.publications.remove(id) {
                    self.conductor.send(ConductorCommand::PublicationReleased(Box::new(publication)));
                }
            }
            SenderCommand::AddDestination { endpoint, destination } => {
                if let Some(destinations) = self.destinations_of(endpoint) {
                    destinations.add(destination, now);
                }
            }
            SenderCommand::RemoveDestination { endpoint, name, address } => {
                if let Some(destinations) = self.destinations_of(endpoint) {
                    destinations.remove(&name, address);
                }
            }
            SenderCommand::RemoveDestinationById { endpoint, id } => {
                if let Some(destinations) = self.destinations_of(endpoint) {
                    destinations.remove_by_id(id);
                }
            }
            SenderCommand::UpdateDestination { endpoint, name, address } => {
                self.update_destination(endpoint, &name, address);
            }
        }
    }

    fn add_endpoint(&mut self, mut endpoint: SendEndpoint) {
        let id = endpoint.id();
        let token = match self.poller.add(id, endpoint.transport_mut().descriptor()) {
            Ok(token) => Some(token),
            Err(error) => {
                report(&mut self.conductor, "watch a socket", &error);
                None
            }
        };
        if self.endpoints.len() <= id.index() {
            self.endpoints.resize_with(id.index() + 1, || None);
        }
        self.endpoints[id.index()] = Some(Slot { endpoint, token });
    }

    fn destinations_of(&mut self, id: SendEndpointId) -> Option<&mut Destinations> {
        endpoint_of(&mut self.endpoints, id)?.destinations_mut()
    }

    fn update_destination(&mut self, id: SendEndpointId, name: &str, address: SocketAddr) {
        if let Some(endpoint) = endpoint_of(&mut self.endpoints, id) {
            match endpoint.update_destination(name, address) {
                Ok(true) => self.system.resolution_changes.increment(),
                Ok(false) => {}
                Err(error) => report(&mut self.conductor, format_args!("connect to {address}"), &error),
            }
        }
    }

    /// Asks for the addresses of peers that fell silent. The check comes again, so what does not fit is dropped.
    fn check_silent_peers(&mut self, now: Nanos) {
        let interval = self.config.re_resolution_check_interval;
        if interval.is_zero() || now < self.next_re_resolution_check {
            return;
        }
        self.next_re_resolution_check = now + interval;
        let Self { endpoints, conductor, .. } = self;
        for Slot { endpoint, .. } in endpoints.iter_mut().flatten() {
            endpoint.take_silent_peers(now, |silent| {
                let _ = conductor.try_send(ConductorCommand::ReResolve(silent));
            });
        }
    }

    /// Reads what receivers say on every endpoint; bytes read, and frames that may give the next turn something to do.
    fn poll_control(&mut self, now: Now) -> (usize, usize) {
        let Self { endpoints, publications, conductor, system, poller, control_frames, .. } = self;
        let mut news = 0;
        let outcome = poller.poll(|id, buffers| {
            let Some(endpoint) = endpoint_of(endpoints, *id) else { return RecvOutcome::default() };
            let with = &mut control_frames::Collaborators { now, conductor, system, news: &mut news };
            let mut outcome = control_frames::receive(endpoint, publications, buffers, control_frames, with);
            report_trouble(with.conductor, endpoint);
            if let Some(error) = outcome.error.take() {
                report(with.conductor, "receive", &error);
            }
            outcome
        });
        if let Some(error) = &outcome.error {
            report(&mut self.conductor, "poll for readiness", error);
        }
        (outcome.bytes, news)
    }
}

impl DutyCycle for Sender {
    fn do_work(&mut self, at: Now) -> usize {
        let now = at.nanos;
        self.tracker.on_cycle(now);
        let short_sends_before = self.system.short_sends.get();
        let (mut work, is_blocked) = self.send(now);
        if self.is_poll_due(now, work, short_sends_before) {
            self.conductor.flush();
            work += self.take_commands(now);
            if work > 0 || is_blocked || now >= self.next_control_poll {
                let (bytes, news) = self.poll_control(at);
                // Frames seldom come alone.
                let pause = if bytes > 0 { Duration::ZERO } else { self.config.control_poll_interval };
                self.next_control_poll = now + pause;
                work += news;
            }
            self.turns_since_poll = 0;
            self.control_poll_deadline = now + self.config.status_message_timeout / 2;
            self.check_silent_peers(now);
        }
        work
    }

    fn role_name(&self) -> &str {
        "sender"
    }

    fn inputs(&self) -> io::Result<Inputs> {
        let (descriptors, wakers) = (vec![self.poller.readiness()?], vec![self.inbox.waker().clone()]);
        Ok(Inputs { descriptors, wakers, ..Inputs::default() })
    }
}

fn endpoint_of(endpoints: &mut [Option<Slot>], id: SendEndpointId) -> Option<&mut SendEndpoint> {
    endpoints.get_mut(id.index())?.as_mut().map(|slot| &mut slot.endpoint)
}

#[inline]
fn report_trouble(conductor: &mut Proxy<ConductorCommand>, endpoint: &mut SendEndpoint) {
    if let Some(failure) = endpoint.take_error() {
        report_failure(conductor, endpoint, &failure);
    }
    if let Some(refusal) = endpoint.take_refusal() {
        conductor.send(ConductorCommand::OffloadRefused { endpoint: endpoint.id(), refusal });
    }
}

#[cold]
fn report_failure(
    conductor: &mut Proxy<ConductorCommand>,
    endpoint: &SendEndpoint,
    SendFailure { destination, error }: &SendFailure,
) {
    let channel = endpoint.channel().uri();
    match destination {
        Some(address) => report(conductor, format_args!("send to {address} on {channel}"), error),
        None => report(conductor, format_args!("send on {channel}"), error),
    }
}

#[cold]
fn report(conductor: &mut Proxy<ConductorCommand>, action: impl Display, error: &io::Error) {
    let error = DriverError::generic(format!("sender failed to {action}: {error}"));
    // Errors come again as long as their cause lasts: what does not fit may be dropped.
    let _ = conductor.try_send(ConductorCommand::Error(Box::new(error)));
}

#[cfg(test)]
mod tests;

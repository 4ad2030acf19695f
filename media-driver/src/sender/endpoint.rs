//! The sender's half of a send channel endpoint: one socket, and where what is sent on it goes.

use std::{io, net::SocketAddr, sync::Arc};

use epona_protocol::{
    memory::SharedBytes,
    types::{DATA_HEADER_LENGTH, Nanos, ReceiverId, RegistrationId},
    uri::ControlMode,
};

use super::{
    destinations::{Destinations, Learned, SilentDestination},
    sent::{SendFailure, Sent},
};
use crate::{
    endpoint_id::SendEndpointId,
    event_log::EventLog,
    media::{
        timestamps::SendTimestamps,
        transport::{MAX_BATCH, Offload, OffloadRefusal, SendRun, Transport},
        udp_channel::UdpChannel,
    },
    re_resolution::{ReResolution, SILENCE, SilentPeer},
    status::SystemCounters,
};

/// Bytes of a heartbeat: a header without data.
pub const HEARTBEAT_LENGTH: usize = DATA_HEADER_LENGTH as usize;

/// Where datagrams of an endpoint go when the publication does not name an address itself.
#[derive(Debug)]
pub enum Route {
    /// The address that the socket is connected to.
    Connected,
    /// One address, named with each datagram.
    Address(SocketAddr),
    /// Nowhere until a publication learns an address (response channels).
    Learned,
    /// Several addresses, each of which gets everything (`control-mode=manual` and `dynamic`).
    Destinations(Destinations),
}

/// A socket of the sender with its peer.
#[derive(Debug)]
pub struct SendEndpoint {
    id: SendEndpointId,
    channel: Arc<UdpChannel>,
    transport: Box<dyn Transport>,
    /// As the last send left it.
    offload: Offload,
    /// Whether the last datagrams were not all accepted.
    was_short: bool,
    refusal: Option<OffloadRefusal>,
    route: Route,
    /// The name of the one peer, if it has one that may come to stand for another address.
    name: Option<Arc<str>>,
    /// What that stands for now.
    remote: SocketAddr,
    timestamps: Option<SendTimestamps>,
    /// Heartbeats that are sent at the end of the turn, side by side.
    heartbeats: Vec<u8>,
    error: Option<SendFailure>,
    /// What is told to those who look for a fault.
    pub events: EventLog,
    /// When a status message for one of the endpoint's publications last came.
    pub time_of_last_status_message: Nanos,
}

impl SendEndpoint {
    /// An endpoint over an open transport.
    #[must_use]
    pub fn new(
        id: SendEndpointId,
        channel: Arc<UdpChannel>,
        transport: Box<dyn Transport>,
        route: Route,
        now: Nanos,
    ) -> Self {
        let has_one_peer = channel.control_mode() == ControlMode::None && !channel.is_multicast();
        let name = channel.uri().endpoint().filter(|_| has_one_peer).map(Arc::from);
        let remote = channel.remote_data();
        let timestamps = SendTimestamps::new(channel.timestamps(), transport.time_of_day());
        Self {
            id,
            channel,
            offload: transport.offload(),
            was_short: false,
            refusal: None,
            transport,
            route,
            name,
            remote,
            timestamps,
            heartbeats: Vec::with_capacity(MAX_BATCH * HEARTBEAT_LENGTH),
            error: None,
            events: EventLog::off(),
            time_of_last_status_message: now,
        }
    }

    /// Which endpoint this is.
    #[must_use]
    pub fn id(&self) -> SendEndpointId {
        self.id
    }

    /// The channel that the endpoint was made for.
    #[must_use]
    pub fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    /// What stamps frames that are sent, when the channel asks for that.
    #[inline]
    #[must_use]
    pub fn timestamps(&self) -> Option<SendTimestamps> {
        self.timestamps
    }

    /// Whether a run of datagrams costs about as much as a single one.
    #[inline]
    #[must_use]
    pub fn is_offloaded(&self) -> bool {
        self.offload.is_on()
    }

    /// Whether the last datagrams were not all accepted.
    #[inline]
    #[must_use]
    pub fn was_short(&self) -> bool {
        self.was_short
    }

    /// Whether what it sends goes to several destinations, each of which may miss some of it.
    #[inline]
    #[must_use]
    pub fn has_destinations(&self) -> bool {
        matches!(self.route, Route::Destinations(_))
    }

    /// The socket, to read control frames from.
    pub fn transport_mut(&mut self) -> &mut dyn Transport {
        self.transport.as_mut()
    }

    /// Sends runs to `learned` when given, else along the endpoint's route. Runs carry no destination yet.
    #[inline]
    pub fn send(&mut self, now: Nanos, runs: &mut [SendRun<'_>], learned: Option<SocketAddr>) -> Sent {
        let sent = self.send_along(now, runs, learned);
        self.was_short = matches!(sent, Sent::Short { .. } | Sent::Failed { .. });
        if self.offload.is_on() {
            self.watch_offload();
        }
        sent
    }

    /// Has a heartbeat sent along the endpoint's route, at the latest with [`SendEndpoint::send_heartbeats`]: for streams
    /// on which nothing else is sent, a call for each would be most of their cost. Whether it can take no more.
    pub fn add_heartbeat(&mut self, heartbeat: &[u8; HEARTBEAT_LENGTH]) -> bool {
        self.heartbeats.extend_from_slice(heartbeat);
        self.heartbeats.len() >= MAX_BATCH * HEARTBEAT_LENGTH
    }

    /// Whether there are heartbeats to be sent.
    #[inline]
    #[must_use]
    pub fn has_heartbeats(&self) -> bool {
        !self.heartbeats.is_empty()
    }

    /// Sends the heartbeats that were added, all to the same; bytes sent. Those that are not accepted are lost, as on the way.
    pub fn send_heartbeats(&mut self, now: Nanos, system: &SystemCounters) -> usize {
        let mut heartbeats = std::mem::take(&mut self.heartbeats);
        let bytes = SharedBytes::from_slice(&heartbeats);
        let sent =
            self.send(now, &mut [SendRun { bytes, segment_size: HEARTBEAT_LENGTH, destination: None }], None);
        if matches!(sent, Sent::Short { .. } | Sent::Partly) {
            system.short_sends.increment();
        }
        let bytes = match sent {
            Sent::All | Sent::Partly => heartbeats.len(),
            Sent::Short { accepted } | Sent::Failed { accepted } => accepted * HEARTBEAT_LENGTH,
            Sent::Nowhere => 0,
        };
        heartbeats.clear();
        self.heartbeats = heartbeats;
        bytes
    }

    #[inline]
    fn watch_offload(&mut self) {
        self.offload = self.transport.offload();
        if let Offload::Refused(refusal) = self.offload {
            self.refusal = Some(refusal);
        }
    }

    fn send_along(&mut self, now: Nanos, runs: &mut [SendRun<'_>], learned: Option<SocketAddr>) -> Sent {
        let destination = match (&mut self.route, learned) {
            (_, Some(address)) => Some(address),
            (Route::Connected, None) => None,
            (Route::Address(address), None) => Some(*address),
            (Route::Learned, None) => return Sent::Nowhere,
            (Route::Destinations(destinations), None) => {
                return destinations.send(now, self.transport.as_mut(), runs, &mut self.error);
            }
        };
        let mut datagrams = 0;
        for run in runs.iter_mut() {
            run.destination = destination;
            datagrams += run.datagrams();
        }
        debug_assert!(runs.len() <= MAX_BATCH, "a batch is at most {MAX_BATCH} runs");
        let outcome = self.transport.send_batch(now, runs);
        if outcome.datagrams == datagrams {
            return Sent::All;
        }
        let accepted = outcome.datagrams;
        match outcome.error {
            Some(error) => {
                self.error = Some(SendFailure { destination: None, error });
                Sent::Failed { accepted }
            }
            None => Sent::Short { accepted },
        }
    }

    /// Why the last send failed, once.
    #[inline]
    pub fn take_error(&mut self) -> Option<SendFailure> {
        self.error.take()
    }

    /// How the kernel ceased to cut up runs, once.
    #[inline]
    pub fn take_refusal(&mut self) -> Option<OffloadRefusal> {
        self.refusal.take()
    }

    /// The destinations, where there are several.
    pub fn destinations_mut(&mut self) -> Option<&mut Destinations> {
        match &mut self.route {
            Route::Destinations(destinations) => Some(destinations),
            Route::Connected | Route::Address(_) | Route::Learned => None,
        }
    }

    /// A valid status message came, for a publication of the endpoint or none: receivers may be destinations.
    #[inline]
    pub fn learn_from(&mut self, receiver_id: ReceiverId, source: SocketAddr, now: Nanos) -> Learned {
        match &mut self.route {
            Route::Destinations(destinations) => destinations.on_status_message(receiver_id, source, now),
            Route::Connected | Route::Address(_) | Route::Learned => Learned::Nothing,
        }
    }

    /// Id of the manual destination that a receiver belongs to.
    #[must_use]
    pub fn destination_of(&self, receiver_id: ReceiverId, source: SocketAddr) -> Option<RegistrationId> {
        match &self.route {
            Route::Destinations(destinations) => destinations.registration_id_of(receiver_id, source),
            Route::Connected | Route::Address(_) | Route::Learned => None,
        }
    }

    /// Hands out the names of peers that should be resolved again, because no status message came from them for too
    /// long. Groups do not move, and receivers that make themselves known say where they are. Source: driver spec 6.8.
    pub fn take_silent_peers(&mut self, now: Nanos, mut ask: impl FnMut(ReResolution)) {
        let peer = SilentPeer::OfSender(self.id);
        if let Route::Destinations(destinations) = &mut self.route {
            for SilentDestination { name, address } in destinations.take_silent(now) {
                ask(ReResolution { peer, name, known: address });
            }
        } else if let Some(name) = &self.name
            && now > self.time_of_last_status_message + SILENCE
        {
            ask(ReResolution { peer, name: Arc::clone(name), known: Some(self.remote) });
        }
    }

    /// Sends to a new address from now on, after a name was resolved again: that of the channel, or of a destination.
    /// Whether anything is sent there: a destination may have gone meanwhile.
    ///
    /// # Errors
    /// What the system says of connecting to the address.
    pub fn update_destination(&mut self, name: &str, address: SocketAddr) -> io::Result<bool> {
        self.remote = address;
        match &mut self.route {
            Route::Address(old) => *old = address,
            Route::Connected => self.transport.reconnect(address)?,
            Route::Learned => return Ok(false),
            Route::Destinations(destinations) => return Ok(destinations.update(name, address) > 0),
        }
        Ok(true)
    }
}

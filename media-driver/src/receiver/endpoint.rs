//! The receiver's half of a receive channel endpoint: its sockets, and who is interested in what arrives.

use std::{io, net::SocketAddr, sync::Arc};

use epona_protocol::{
    frame::{StatusMessage, status_message},
    memory::SharedBytes,
    types::{GroupTag, Nanos, ReceiverId, RegistrationId, SessionId, StreamId},
};

use super::{
    dispatcher::Dispatcher,
    origin::{DestinationIndex, Origin},
};
use crate::{
    endpoint_id::ReceiveEndpointId,
    media::{
        transport::{SendRun, Transport},
        udp_channel::UdpChannel,
    },
    status::SystemCounters,
};

/// Slot of an image in the receiver; what the dispatcher knows images by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageSlot(pub(super) usize);

/// A socket that data arrives on.
#[derive(Debug)]
pub struct ReceiveDestination {
    index: DestinationIndex,
    channel: Arc<UdpChannel>,
    transport: Box<dyn Transport>,
    /// Where control frames go when the channel says so: the control group, or explicit control.
    control_address: Option<SocketAddr>,
    time_of_last_activity: Nanos,
}

impl ReceiveDestination {
    /// A destination over an open transport; `control_address` is where its channel sends control frames, and `None`
    /// when they go to the source of each packet.
    #[must_use]
    pub fn new(
        index: DestinationIndex,
        channel: Arc<UdpChannel>,
        transport: Box<dyn Transport>,
        control_address: Option<SocketAddr>,
        now: Nanos,
    ) -> Self {
        Self { index, channel, transport, control_address, time_of_last_activity: now }
    }

    /// The socket.
    pub fn transport_mut(&mut self) -> &mut dyn Transport {
        self.transport.as_mut()
    }

    /// The channel that the destination was made for.
    #[must_use]
    pub fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    /// How replies to what arrives here are addressed.
    #[inline]
    #[must_use]
    pub fn route(&self) -> ReplyRoute {
        ReplyRoute { destination: self.index, control_address: self.control_address }
    }

    /// The way to the control address that the channel names, which a group's does not.
    #[must_use]
    pub fn explicit_control(&self) -> Option<Origin> {
        let control_address = self.control_address.filter(|_| self.channel.has_explicit_control())?;
        Some(Origin { destination: self.index, control_address })
    }

    /// Notes that a frame arrived, of interest or not.
    #[inline]
    pub fn on_activity(&mut self, now: Nanos) {
        self.time_of_last_activity = now;
    }
}

/// How replies to what arrives on a destination are addressed.
#[derive(Clone, Copy, Debug)]
pub struct ReplyRoute {
    destination: DestinationIndex,
    control_address: Option<SocketAddr>,
}

impl ReplyRoute {
    /// Where a datagram from `source` came from, as images know it. Source: wire spec 2.1.
    #[inline]
    #[must_use]
    pub fn origin(self, source: SocketAddr) -> Origin {
        Origin { destination: self.destination, control_address: self.control_address.unwrap_or(source) }
    }
}

/// One receive channel endpoint as the receiver drives it.
#[derive(Debug)]
pub struct ReceiveEndpoint {
    id: ReceiveEndpointId,
    registration_id: RegistrationId,
    receiver_id: ReceiverId,
    group_tag: Option<GroupTag>,
    error: Option<io::Error>,
    /// Open sockets.
    pub destinations: Vec<ReceiveDestination>,
    /// Streams of interest and their images.
    pub dispatcher: Dispatcher<ImageSlot>,
}

impl ReceiveEndpoint {
    /// An endpoint with its first socket, without interest in any stream.
    #[must_use]
    pub fn new(
        id: ReceiveEndpointId,
        registration_id: RegistrationId,
        receiver_id: ReceiverId,
        group_tag: Option<GroupTag>,
        destinations: Vec<ReceiveDestination>,
        dispatcher: Dispatcher<ImageSlot>,
    ) -> Self {
        Self { id, registration_id, receiver_id, group_tag, error: None, destinations, dispatcher }
    }

    /// Which endpoint this is.
    #[must_use]
    pub fn id(&self) -> ReceiveEndpointId {
        self.id
    }

    /// Registration id of the command that created the endpoint.
    #[must_use]
    pub fn registration_id(&self) -> RegistrationId {
        self.registration_id
    }

    /// How the endpoint names itself in status messages. Source: wire spec 1.7.
    #[must_use]
    pub fn receiver_id(&self) -> ReceiverId {
        self.receiver_id
    }

    /// The tag added to status messages, if any.
    #[must_use]
    pub fn group_tag(&self) -> Option<GroupTag> {
        self.group_tag
    }

    /// Sends one control frame from a destination's socket. A frame that the socket has no room for is a counted short
    /// send; one that it refuses is an error for [`ReceiveEndpoint::take_error`].
    pub fn send(&mut self, now: Nanos, to: Origin, frame: &[u8], system: &SystemCounters) {
        let Some(destination) = self.destinations.iter_mut().find(|d| d.index == to.destination) else {
            return;
        };
        let run = [SendRun::datagram(SharedBytes::from_slice(frame), Some(to.control_address))];
        let outcome = destination.transport.send_batch(now, &run);
        if outcome.datagrams < 1 {
            match outcome.error {
                Some(error) => self.error = Some(error),
                None => system.short_sends.increment(),
            }
        }
    }

    /// Asks the source of a session for a setup. Source: wire spec 2.3.
    pub fn elicit_setup(
        &mut self,
        now: Nanos,
        to: Origin,
        stream_id: StreamId,
        session_id: SessionId,
        system: &SystemCounters,
    ) {
        let sm = StatusMessage::eliciting_setup(session_id, stream_id, self.receiver_id, self.group_tag);
        let mut bytes = [0; status_message::TAGGED_LENGTH];
        let length = sm.emit(&mut bytes);
        self.send(now, to, &bytes[..length], system);
    }

    /// Asks the source of a session for a setup at every control address that a channel names; nothing where none does.
    /// Source: driver spec 6.3.
    pub fn elicit_setup_by_control(
        &mut self,
        now: Nanos,
        stream_id: StreamId,
        session_id: SessionId,
        system: &SystemCounters,
    ) {
        for at in 0..self.destinations.len() {
            if let Some(to) = self.destinations[at].explicit_control() {
                self.elicit_setup(now, to, stream_id, session_id, system);
            }
        }
    }

    /// Why the last control frame was refused, once.
    #[inline]
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

//! The receiver's half of a receive channel endpoint: its sockets, and who is interested in what arrives.

use std::io;

use epona_protocol::{
    frame::{StatusMessage, status_message},
    memory::SharedBytes,
    types::{GroupTag, Nanos, ReceiverId, RegistrationId, SessionId, StreamId},
};

use super::{
    destination::ReceiveDestination,
    dispatcher::Dispatcher,
    origin::{DestinationIndex, Origin},
};
use crate::{
    endpoint_id::ReceiveEndpointId, event_log::EventLog, media::transport::SendRun, status::SystemCounters,
};

/// Slot of an image in the receiver; what the dispatcher knows images by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageSlot(pub(super) usize);

/// One receive channel endpoint as the receiver drives it.
#[derive(Debug)]
pub struct ReceiveEndpoint {
    id: ReceiveEndpointId,
    registration_id: RegistrationId,
    receiver_id: ReceiverId,
    group_tag: Option<GroupTag>,
    error: Option<io::Error>,
    /// What is told to those who look for a fault.
    pub events: EventLog,
    /// Open sockets, each at a place of its own: those of removed destinations are empty until they are used again.
    pub(super) destinations: Vec<Option<ReceiveDestination>>,
    /// Streams of interest and their images.
    pub dispatcher: Dispatcher<ImageSlot>,
}

impl ReceiveEndpoint {
    /// An endpoint with the socket that its channel names, if it names one, without interest in any stream.
    #[must_use]
    pub fn new(
        id: ReceiveEndpointId,
        registration_id: RegistrationId,
        receiver_id: ReceiverId,
        group_tag: Option<GroupTag>,
        destination: Option<ReceiveDestination>,
        dispatcher: Dispatcher<ImageSlot>,
    ) -> Self {
        let destinations = destination.into_iter().map(Some).collect();
        Self {
            id,
            registration_id,
            receiver_id,
            group_tag,
            error: None,
            events: EventLog::off(),
            destinations,
            dispatcher,
        }
    }

    /// Which endpoint this is.
    #[must_use]
    pub fn id(&self) -> ReceiveEndpointId {
        self.id
    }

    /// The channel of one of its sockets, as the log names it; empty when that is gone.
    #[must_use]
    pub fn channel_text(&self, destination: DestinationIndex) -> &str {
        let mut open = self.destinations.iter().flatten();
        let found = open.find(|open| open.index() == destination);
        found.map_or("", |destination| destination.channel().text())
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

    /// All destinations.
    pub fn destinations(&mut self) -> impl Iterator<Item = &mut ReceiveDestination> {
        self.destinations.iter_mut().flatten()
    }

    /// The destination with this number.
    pub fn destination_mut(&mut self, index: DestinationIndex) -> Option<&mut ReceiveDestination> {
        self.destinations().find(|destination| destination.index() == index)
    }

    /// Opens an ear to a further destination; its place.
    pub(super) fn add_destination(&mut self, destination: ReceiveDestination) -> usize {
        let free = self.destinations.iter().position(Option::is_none);
        let place = free.unwrap_or(self.destinations.len());
        match free {
            Some(place) => self.destinations[place] = Some(destination),
            None => self.destinations.push(Some(destination)),
        }
        place
    }

    /// Takes a destination out; the places of the others stay.
    pub(super) fn take_destination(&mut self, index: DestinationIndex) -> Option<ReceiveDestination> {
        let is_it = |destination: &mut ReceiveDestination| destination.index() == index;
        self.destinations.iter_mut().find_map(|place| place.take_if(is_it))
    }

    /// Sends one control frame from a destination's socket. A frame that the socket has no room for is a counted short
    /// send; one that it refuses is an error for [`ReceiveEndpoint::take_error`].
    pub fn send(&mut self, now: Nanos, to: Origin, frame: &[u8], system: &SystemCounters) {
        let Some(destination) = self.destination_mut(to.destination) else { return };
        let run = [SendRun::datagram(SharedBytes::from_slice(frame), Some(to.control_address))];
        let outcome = destination.transport_mut().send_batch(now, &run);
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
            let destination = self.destinations[at].as_ref();
            if let Some(to) = destination.and_then(ReceiveDestination::explicit_control) {
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

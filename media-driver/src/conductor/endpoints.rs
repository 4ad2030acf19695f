//! Channel endpoints as the conductor keeps them: which sockets exist, who uses them, and when they go.
//!
//! ```text
//!            no user left                       agent gave it back
//!   Active ───────────────► Closing (command) ───────────────────► slot free
//! ```
//! Source: driver spec 2.6, 2.10.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use epona_protocol::{
    counters::{
        AtomicCounter, ChannelKey, ChannelStatus, LocalSocketAddressKey, NewCounter, bound_channel_label,
        channel_label, local_socket_address_label,
    },
    types::{CounterId, CounterTypeId, RegistrationId, SessionId, StreamId},
};

use super::{Conductor, services::Services};
use crate::{
    commands::{ReceiverCommand, SenderCommand},
    endpoint_id::{ReceiveEndpointId, SendEndpointId},
    error::DriverError,
    media::{Transport, TransportSpec, address::Identity, udp_channel::UdpChannel},
    subscription::Subscription,
};

/// Whether an endpoint may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndpointPhase {
    /// In use.
    Active,
    /// On its way out: commands that want it are asked to come back.
    Closing,
}

/// `snd-channel` or `rcv-channel`, and the address counter that belongs to it.
#[derive(Debug)]
pub struct EndpointCounters {
    status: AtomicCounter,
    address: Option<AtomicCounter>,
}

impl EndpointCounters {
    /// Allocates both, labelled with the address bound to, and marks the endpoint active. Source: driver spec 2.10.
    ///
    /// # Errors
    /// When no counter is left.
    pub fn allocate(
        kind: &EndpointKind,
        channel: &str,
        registration_id: RegistrationId,
        bound: SocketAddr,
        services: &mut Services,
    ) -> Result<Self, DriverError> {
        let status = services.allocate(&NewCounter {
            type_id: kind.status_type,
            key: &ChannelKey { channel: channel.into() }.encode(),
            label: channel_label(kind.status_name, channel).as_bytes(),
            registration_id: registration_id.get(),
            owner_id: 0,
            reference_id: 0,
        })?;
        let text = Identity(bound).to_string();
        let address = services.allocate(&NewCounter {
            type_id: CounterTypeId::LOCAL_SOCKET_ADDRESS,
            key: &LocalSocketAddressKey { channel_status_id: status.id(), address: text.as_str().into() }
                .encode(),
            label: local_socket_address_label(kind.address_name, status.id(), &text).as_bytes(),
            registration_id: registration_id.get(),
            owner_id: 0,
            reference_id: 0,
        });
        let address = match address {
            Ok(address) => address,
            Err(error) => {
                services.free(status.id());
                return Err(error);
            }
        };
        let label = bound_channel_label(kind.status_name, channel, &text);
        services.counters.set_label(status.id(), label.as_bytes());
        for counter in [&address, &status] {
            counter.set_release(ChannelStatus::Active.value());
        }
        Ok(Self { status, address: Some(address) })
    }

    /// The status counter, which clients are told of.
    #[must_use]
    pub fn status_id(&self) -> CounterId {
        self.status.id()
    }

    fn set_closing(&self) {
        for counter in self.address.iter().chain([&self.status]) {
            counter.set_release(ChannelStatus::Closing.value());
        }
    }

    /// Gives them back.
    pub fn free(&self, services: &mut Services) {
        for counter in self.address.iter().chain([&self.status]) {
            services.free(counter.id());
        }
    }
}

/// What tells the counters of the two kinds of endpoint apart.
#[derive(Debug)]
pub struct EndpointKind {
    status_type: CounterTypeId,
    status_name: &'static str,
    address_name: &'static str,
}

/// Counters of send channel endpoints.
pub const SEND: EndpointKind = EndpointKind {
    status_type: CounterTypeId::SEND_CHANNEL_STATUS,
    status_name: "snd-channel",
    address_name: "snd-local-sockaddr",
};

/// Counters of receive channel endpoints.
pub const RECEIVE: EndpointKind = EndpointKind {
    status_type: CounterTypeId::RECEIVE_CHANNEL_STATUS,
    status_name: "rcv-channel",
    address_name: "rcv-local-sockaddr",
};

/// A send channel endpoint.
#[derive(Debug)]
pub struct SendEndpointEntry {
    /// The channel that it was made for.
    pub channel: Arc<UdpChannel>,
    /// Whether it may be used.
    pub phase: EndpointPhase,
    /// Its counters.
    pub counters: EndpointCounters,
    /// How many destinations it sends to, where there may be several.
    pub destinations: Option<AtomicCounter>,
    /// Address that was asked of the system, to be given back to the port manager.
    pub bind: SocketAddr,
    /// Publications that use it.
    pub publications: usize,
}

impl SendEndpointEntry {
    /// An endpoint in use by nobody yet.
    #[must_use]
    pub fn new(
        channel: Arc<UdpChannel>,
        counters: EndpointCounters,
        destinations: Option<AtomicCounter>,
        bind: SocketAddr,
    ) -> Self {
        Self { channel, phase: EndpointPhase::Active, counters, destinations, bind, publications: 0 }
    }
}

/// A receive channel endpoint.
#[derive(Debug)]
pub struct ReceiveEndpointEntry {
    /// The channel that it was made for.
    pub channel: Arc<UdpChannel>,
    /// Whether it may be used.
    pub phase: EndpointPhase,
    /// Its counters.
    pub counters: EndpointCounters,
    /// Address that was asked of the system, to be given back to the port manager.
    pub bind: SocketAddr,
    /// Subscriptions by stream, and by session where they name one.
    interests: HashMap<(StreamId, Option<SessionId>), usize>,
    /// Response subscriptions that have no session to receive: the receiver knows nothing of them.
    unsettled_responses: usize,
    /// Images that arrive here.
    pub images: usize,
}

impl ReceiveEndpointEntry {
    /// An endpoint in use by nobody yet.
    #[must_use]
    pub fn new(channel: Arc<UdpChannel>, counters: EndpointCounters, bind: SocketAddr) -> Self {
        Self {
            channel,
            phase: EndpointPhase::Active,
            counters,
            bind,
            interests: HashMap::new(),
            unsettled_responses: 0,
            images: 0,
        }
    }

    /// One more subscription; the first of its kind is told to the receiver. Source: driver spec 2.7.
    pub fn add_subscription(
        &mut self,
        id: ReceiveEndpointId,
        subscription: &Subscription,
        services: &mut Services,
    ) {
        if subscription.params.response.is_unsettled() {
            self.unsettled_responses += 1;
            return;
        }
        let (stream, session) = (subscription.stream_id, subscription.params.session_id);
        let count = self.interests.entry((stream, session)).or_insert(0);
        *count += 1;
        if *count == 1 {
            services.receiver.send(ReceiverCommand::AddInterest(id, stream, session));
        }
    }

    /// One subscription less; the last of its kind is told to the receiver.
    pub fn remove_subscription(
        &mut self,
        id: ReceiveEndpointId,
        subscription: &Subscription,
        services: &mut Services,
    ) {
        if subscription.params.response.is_unsettled() {
            self.unsettled_responses = self.unsettled_responses.saturating_sub(1);
            return;
        }
        let (stream, session) = (subscription.stream_id, subscription.params.session_id);
        if let Some(count) = self.interests.get_mut(&(stream, session)) {
            *count -= 1;
            if *count == 0 {
                self.interests.remove(&(stream, session));
                services.receiver.send(ReceiverCommand::RemoveInterest(id, stream, session));
            }
        }
    }

    fn is_unused(&self) -> bool {
        self.interests.is_empty() && self.unsettled_responses == 0 && self.images == 0
    }
}

/// All endpoints of one kind, in slots that are used again.
#[derive(Debug)]
pub struct Endpoints<E> {
    slots: Vec<Option<E>>,
}

impl<E> Default for Endpoints<E> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

/// What both kinds of endpoint can say of themselves.
pub trait Entry {
    /// The channel that the endpoint was made for.
    fn channel(&self) -> &Arc<UdpChannel>;
    /// Whether it may be used.
    fn phase(&self) -> EndpointPhase;
}

impl Entry for SendEndpointEntry {
    fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    fn phase(&self) -> EndpointPhase {
        self.phase
    }
}

impl Entry for ReceiveEndpointEntry {
    fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    fn phase(&self) -> EndpointPhase {
        self.phase
    }
}

impl<E: Entry> Endpoints<E> {
    /// Index of the slot that the next endpoint will get.
    #[must_use]
    pub fn next_index(&self) -> u32 {
        let at = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Puts an endpoint into the slot that [`Endpoints::next_index`] named.
    pub fn insert(&mut self, index: u32, entry: E) {
        let at = index as usize;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        self.slots[at] = Some(entry);
    }

    /// The endpoint in a slot.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&E> {
        self.slots.get(index)?.as_ref()
    }

    /// The endpoint in a slot, to change.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut E> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// Frees a slot.
    pub fn remove(&mut self, index: usize) -> Option<E> {
        self.slots.get_mut(index)?.take()
    }

    /// The endpoint that a channel should use: by tag, else by canonical form. Source: driver spec 2.6.
    ///
    /// # Errors
    /// When a tag names an endpoint with other addresses, or the endpoint is on its way out.
    pub fn find(&self, channel: &UdpChannel) -> Result<Option<u32>, DriverError> {
        let Some((at, entry)) = self.find_entry(channel)? else { return Ok(None) };
        if entry.phase() == EndpointPhase::Closing {
            return Err(DriverError::temporarily_unavailable(format!(
                "channel {} is closing: try again",
                channel.uri()
            )));
        }
        Ok(Some(at))
    }

    fn find_entry(&self, channel: &UdpChannel) -> Result<Option<(u32, &E)>, DriverError> {
        let entries = || {
            self.slots
                .iter()
                .enumerate()
                .filter_map(|(at, slot)| Some((u32::try_from(at).ok()?, slot.as_ref()?)))
        };
        for (at, entry) in entries() {
            if channel.matches_tag(entry.channel(), None, None)? {
                return Ok(Some((at, entry)));
            }
        }
        let is_same = |existing: &UdpChannel| {
            existing.canonical_form() == channel.canonical_form()
                && (existing.tag().is_none() || channel.tag().is_none() || existing.tag() == channel.tag())
        };
        Ok(entries().find(|(_, entry)| is_same(entry.channel())))
    }
}

impl Endpoints<SendEndpointEntry> {
    /// One publication less; the last one gives the socket up.
    pub fn release_publication(&mut self, id: SendEndpointId, services: &mut Services) {
        if let Some(entry) = self.get_mut(id.index()) {
            entry.publications = entry.publications.saturating_sub(1);
        }
        self.close_if_unused(id, services);
    }

    /// Gives the socket up when no publication uses it.
    pub fn close_if_unused(&mut self, id: SendEndpointId, services: &mut Services) {
        let Some(entry) = self.get_mut(id.index()) else { return };
        if entry.publications == 0 && entry.phase == EndpointPhase::Active {
            entry.phase = EndpointPhase::Closing;
            entry.counters.set_closing();
            services.sender.send(SenderCommand::RemoveEndpoint(id));
        }
    }

    /// The sender has let go: the counters are free, and so is the slot. What was bound.
    pub fn on_released(&mut self, id: SendEndpointId, services: &mut Services) -> Option<SocketAddr> {
        let entry = self.remove(id.index())?;
        entry.counters.free(services);
        if let Some(destinations) = &entry.destinations {
            services.free(destinations.id());
        }
        Some(entry.bind)
    }
}

impl Endpoints<ReceiveEndpointEntry> {
    /// Gives the socket up when neither subscription nor image uses it.
    pub fn close_if_unused(&mut self, id: ReceiveEndpointId, services: &mut Services) {
        let Some(entry) = self.get_mut(id.index()) else { return };
        if entry.is_unused() && entry.phase == EndpointPhase::Active {
            entry.phase = EndpointPhase::Closing;
            entry.counters.set_closing();
            services.receiver.send(ReceiverCommand::RemoveEndpoint(id));
        }
    }

    /// The receiver has let go: the counters are free, and so is the slot. What was bound.
    pub fn on_released(&mut self, id: ReceiveEndpointId, services: &mut Services) -> Option<SocketAddr> {
        let entry = self.remove(id.index())?;
        entry.counters.free(services);
        Some(entry.bind)
    }
}

impl Conductor {
    /// Opens the socket of an endpoint and allocates its counters: both, or neither.
    pub(super) fn open_endpoint(
        &mut self,
        kind: &EndpointKind,
        channel: &UdpChannel,
        spec: &TransportSpec,
        registration_id: RegistrationId,
    ) -> Result<(Box<dyn Transport>, EndpointCounters), DriverError> {
        let transport = self
            .transports
            .open(spec)
            .map_err(|error| DriverError::generic(format!("{error}: channel={}", channel.text())))?;
        let bound = transport.local_address();
        let counters =
            EndpointCounters::allocate(kind, channel.text(), registration_id, bound, &mut self.services)?;
        Ok((transport, counters))
    }
}

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
    uri::ControlMode,
};

use super::{Conductor, receive_destinations::DestinationEntry, services::Services};
use crate::{
    commands::{ReceiverCommand, SenderCommand},
    endpoint_id::{ReceiveEndpointId, SendEndpointId},
    error::DriverError,
    event_log::DriverEvent,
    media::{Transport, TransportSpec, address::Identity, udp_channel::UdpChannel},
    receiver::origin::DestinationIndex,
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
        let status = Self::allocate_status(kind, channel, registration_id, services)?.status;
        let address = allocate_address(kind, status.id(), registration_id, bound, services)
            .inspect_err(|_| services.free(status.id()))?;
        address.set_release(ChannelStatus::Active.value());
        let counters = Self { status, address: Some(address) };
        counters.set_active(kind, channel, Some(bound), services);
        Ok(counters)
    }

    /// Allocates the status alone, of an endpoint that has no address, or each with a counter of its own.
    ///
    /// # Errors
    /// When no counter is left.
    pub fn allocate_status(
        kind: &EndpointKind,
        channel: &str,
        registration_id: RegistrationId,
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
        Ok(Self { status, address: None })
    }

    /// Marks the endpoint active, with the address bound to, or none, at the end of its label.
    pub fn set_active(
        &self,
        kind: &EndpointKind,
        channel: &str,
        bound: Option<SocketAddr>,
        services: &mut Services,
    ) {
        let text = bound.map_or_else(String::new, |bound| Identity(bound).to_string());
        let label = bound_channel_label(kind.status_name, channel, &text);
        services.counters.set_label(self.status.id(), label.as_bytes());
        self.status.set_release(ChannelStatus::Active.value());
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

/// Allocates the counter that names the address a socket is bound to. Source: driver spec 2.10.
///
/// # Errors
/// When no counter is left.
pub fn allocate_address(
    kind: &EndpointKind,
    status_id: CounterId,
    registration_id: RegistrationId,
    bound: SocketAddr,
    services: &mut Services,
) -> Result<AtomicCounter, DriverError> {
    let text = Identity(bound).to_string();
    services.allocate(&NewCounter {
        type_id: CounterTypeId::LOCAL_SOCKET_ADDRESS,
        key: &LocalSocketAddressKey { channel_status_id: status_id, address: text.as_str().into() }.encode(),
        label: local_socket_address_label(kind.address_name, status_id, &text).as_bytes(),
        registration_id: registration_id.get(),
        owner_id: 0,
        reference_id: 0,
    })
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
    /// Where data goes, once the name in the channel was resolved again to another address.
    pub remote: Option<SocketAddr>,
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
        Self {
            channel,
            phase: EndpointPhase::Active,
            counters,
            destinations,
            bind,
            publications: 0,
            remote: None,
        }
    }
}

/// A receive channel endpoint.
#[derive(Debug)]
pub struct ReceiveEndpointEntry {
    /// The channel that it was made for.
    pub channel: Arc<UdpChannel>,
    /// Whether it may be used.
    pub phase: EndpointPhase,
    /// Its counter; those of addresses belong to destinations.
    pub counters: EndpointCounters,
    /// Its sockets: the one that its channel names, or those that were added, oldest first.
    pub destinations: Vec<DestinationEntry>,
    next_destination: DestinationIndex,
    /// Subscriptions by stream, and by session where they name one.
    interests: HashMap<(StreamId, Option<SessionId>), usize>,
    /// Response subscriptions that have no session to receive: the receiver knows nothing of them.
    unsettled_responses: usize,
    /// Images that arrive here.
    pub images: usize,
    /// The control address, once the name in the channel was resolved again to another one.
    pub control: Option<SocketAddr>,
}

impl ReceiveEndpointEntry {
    /// An endpoint in use by nobody yet; `destination`, its first, is the one that its channel names.
    #[must_use]
    pub fn new(
        channel: Arc<UdpChannel>,
        counters: EndpointCounters,
        destination: Option<DestinationEntry>,
    ) -> Self {
        Self {
            channel,
            phase: EndpointPhase::Active,
            counters,
            destinations: destination.into_iter().collect(),
            next_destination: DestinationIndex::FIRST.next(),
            interests: HashMap::new(),
            unsettled_responses: 0,
            images: 0,
            control: None,
        }
    }

    /// A number for a further destination.
    pub fn next_destination(&mut self) -> DestinationIndex {
        let index = self.next_destination;
        self.next_destination = index.next();
        index
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
    /// Whether channels of the same canonical form may share the endpoint.
    fn is_for(&self, _channel: &UdpChannel) -> bool {
        true
    }
    /// Its local or control address where that is no longer its channel's.
    fn moved_local(&self) -> Option<SocketAddr> {
        None
    }
    /// The address of its peer where that is no longer its channel's.
    fn moved_remote(&self) -> Option<SocketAddr> {
        None
    }
}

impl Entry for SendEndpointEntry {
    fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    fn phase(&self) -> EndpointPhase {
        self.phase
    }

    fn moved_remote(&self) -> Option<SocketAddr> {
        self.remote
    }
}

impl Entry for ReceiveEndpointEntry {
    fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    fn phase(&self) -> EndpointPhase {
        self.phase
    }

    /// Sockets that clients add and remove are not for those that count on one that stays.
    fn is_for(&self, channel: &UdpChannel) -> bool {
        let is_manual = |channel: &UdpChannel| channel.control_mode() == ControlMode::Manual;
        is_manual(&self.channel) == is_manual(channel)
    }

    fn moved_local(&self) -> Option<SocketAddr> {
        self.control
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
            if channel.matches_tag(entry.channel(), entry.moved_local(), entry.moved_remote())? {
                return Ok(Some((at, entry)));
            }
        }
        let is_same = |existing: &UdpChannel| {
            existing.canonical_form() == channel.canonical_form()
                && (existing.tag().is_none() || channel.tag().is_none() || existing.tag() == channel.tag())
        };
        Ok(entries().find(|(_, entry)| is_same(entry.channel()) && entry.is_for(channel)))
    }
}

impl Endpoints<SendEndpointEntry> {
    /// The channel of the endpoint that a publication shares, which says how its socket is; its own, where it is the first.
    pub fn channel_in_use<'a>(&'a self, channel: &'a Arc<UdpChannel>) -> &'a Arc<UdpChannel> {
        match self.find_entry(channel) {
            Ok(Some((_, entry))) => &entry.channel,
            _ => channel,
        }
    }

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
            let now = services.now.nanos;
            services.events.endpoint(DriverEvent::SendChannelClose, &entry.channel, now);
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
            entry.destinations.iter_mut().for_each(DestinationEntry::set_closing);
            let now = services.now.nanos;
            services.events.endpoint(DriverEvent::ReceiveChannelClose, &entry.channel, now);
            services.receiver.send(ReceiverCommand::RemoveEndpoint(id));
        }
    }

    /// The receiver has let go: the counters are free, and so is the slot. What was bound.
    pub fn on_released(&mut self, id: ReceiveEndpointId, services: &mut Services) -> Vec<SocketAddr> {
        let Some(entry) = self.remove(id.index()) else { return Vec::new() };
        entry.counters.free(services);
        entry.destinations.into_iter().map(|destination| destination.free(services)).collect()
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

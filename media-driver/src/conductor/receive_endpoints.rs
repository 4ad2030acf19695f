//! The sockets of subscriptions: found, checked against, or opened. Source: driver spec 2.6, 2.7.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use epona_protocol::{
    counters::{AtomicCounter, ChannelStatus},
    types::{ReceiverId, RegistrationId, SessionId, StreamId},
    uri::ControlMode,
};

use super::{
    Conductor,
    endpoint_counters::{EndpointCounters, RECEIVE},
    endpoint_options::{check_receive_buffers, check_receive_timestamps, check_transport_security},
    endpoints::{EndpointPhase, Endpoints, Entry},
    pending_command::AddSubscription,
    services::Services,
};
use crate::{
    commands::ReceiverCommand,
    endpoint_id::ReceiveEndpointId,
    error::DriverError,
    event_log::DriverEvent,
    media::udp_channel::UdpChannel,
    publication::params::SubscriptionParams,
    receiver::{
        destination::ReceiveDestination, dispatcher::Dispatcher, endpoint::ReceiveEndpoint,
        origin::DestinationIndex,
    },
    subscription::{Subscription, SubscriptionKind},
};

/// A socket of a receive endpoint, as the conductor keeps it: the one that the endpoint's channel names, or one that was
/// added.
#[derive(Debug)]
pub(super) struct DestinationEntry {
    pub(super) index: DestinationIndex,
    pub(super) channel: Arc<UdpChannel>,
    /// Address that was asked of the system, to be given back to the port manager.
    pub(super) bind: SocketAddr,
    /// `rcv-local-sockaddr`.
    pub(super) address: AtomicCounter,
    pub(super) is_closing: bool,
}

impl DestinationEntry {
    /// The socket is on its way out.
    pub(super) fn set_closing(&mut self) {
        self.is_closing = true;
        self.address.set_release(ChannelStatus::Closing.value());
    }

    /// The socket is closed. The address that it was bound to.
    pub(super) fn free(self, services: &mut Services) -> SocketAddr {
        services.free(self.address.id());
        self.bind
    }
}

/// A receive channel endpoint.
#[derive(Debug)]
pub(super) struct ReceiveEndpointEntry {
    /// The channel that it was made for.
    pub(super) channel: Arc<UdpChannel>,
    /// Whether it may be used.
    pub(super) phase: EndpointPhase,
    /// Its counter; those of addresses belong to destinations.
    pub(super) counters: EndpointCounters,
    /// Its sockets: the one that its channel names, or those that were added, oldest first.
    pub(super) destinations: Vec<DestinationEntry>,
    next_destination: DestinationIndex,
    /// Subscriptions by stream, and by session where they name one.
    interests: HashMap<(StreamId, Option<SessionId>), usize>,
    /// Response subscriptions that have no session to receive: the receiver knows nothing of them.
    unsettled_responses: usize,
    /// Images that arrive here.
    pub(super) images: usize,
    /// The control address, once the name in the channel was resolved again to another one.
    pub(super) control: Option<SocketAddr>,
}

impl ReceiveEndpointEntry {
    /// An endpoint in use by nobody yet; `destination`, its first, is the one that its channel names.
    #[must_use]
    pub(super) fn new(
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
    pub(super) fn next_destination(&mut self) -> DestinationIndex {
        let index = self.next_destination;
        self.next_destination = index.next();
        index
    }

    /// One more subscription; the first of its kind is told to the receiver. Source: driver spec 2.7.
    pub(super) fn add_subscription(
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
    pub(super) fn remove_subscription(
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

impl Endpoints<ReceiveEndpointEntry> {
    /// Gives the socket up when neither subscription nor image uses it.
    pub(super) fn close_if_unused(&mut self, id: ReceiveEndpointId, services: &mut Services) {
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
    pub(super) fn on_released(&mut self, id: ReceiveEndpointId, services: &mut Services) -> Vec<SocketAddr> {
        let Some(entry) = self.remove(id.index()) else { return Vec::new() };
        entry.counters.free(services);
        entry.destinations.into_iter().map(|destination| destination.free(services)).collect()
    }
}

impl Conductor {
    /// The endpoint that a subscription's channel shares, if there is one; the subscription is checked against it and
    /// those that use it already, or against what a new one needs.
    pub(super) fn find_receive_endpoint(
        &self,
        channel: &UdpChannel,
        add: &AddSubscription,
        params: &SubscriptionParams,
    ) -> Result<Option<ReceiveEndpointId>, DriverError> {
        let found = self.receive_endpoints.find(channel)?;
        let Some(entry) = found.and_then(|at| self.receive_endpoints.get(at as usize)) else {
            check_transport_security(channel)?;
            self.check_receiver_window(channel, params)?;
            return Ok(None);
        };
        let id = found.map(ReceiveEndpointId::new);
        check_receive_timestamps(channel, &entry.channel)?;
        if channel.tag().is_some() || entry.channel.tag().is_none() {
            self.check_subscription_clash(id, add, params)?;
        }
        check_transport_security(channel)?;
        // Of sockets that are added one by one there is none yet, or there are several.
        if channel.control_mode() != ControlMode::Manual && entry.destinations.len() == 1 {
            self.check_receiver_window(channel, params)?;
            check_receive_buffers(channel, &entry.channel, &self.context.network)?;
        }
        Ok(id)
    }

    /// Two subscriptions to one session on one endpoint must agree on how it is received.
    fn check_subscription_clash(
        &self,
        endpoint: Option<ReceiveEndpointId>,
        add: &AddSubscription,
        params: &SubscriptionParams,
    ) -> Result<(), DriverError> {
        let others = self.subscriptions.iter().filter(|other| {
            matches!(other.kind, SubscriptionKind::Network(id) if Some(id) == endpoint)
                && other.stream_id == add.stream_id
                && other.params.session_id == params.session_id
        });
        for other in others {
            for (name, existing, requested) in [
                ("reliable", other.params.is_reliable, params.is_reliable),
                ("rejoin", other.params.rejoin, params.rejoin),
                ("isResponse", other.params.response.is_unsettled(), params.response.is_unsettled()),
            ] {
                if existing != requested {
                    return Err(DriverError::generic(format!(
                        "option conflicts with existing subscription: {name}={requested} \
                         existingChannel={} channel={}",
                        other.channel, add.channel
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_receiver_window(
        &self,
        channel: &UdpChannel,
        params: &SubscriptionParams,
    ) -> Result<(), DriverError> {
        let receive_buffer = self.receive_buffer_of(channel);
        if params.receiver_window > receive_buffer {
            return Err(DriverError::generic(format!(
                "initial window {} greater than SO_RCVBUF {receive_buffer}: lower rcv-wnd or raise so-rcvbuf \
                 (aeron.socket.so_rcvbuf): channel={}",
                params.receiver_window,
                channel.text()
            )));
        }
        Ok(())
    }

    /// SO_RCVBUF that the socket of a channel will have: the channel's, else the configured, else the system's.
    pub(super) fn receive_buffer_of(&self, channel: &UdpChannel) -> usize {
        match channel.effective_receive_buffer(&self.context.network) {
            0 => self.system_buffers.receive,
            bytes => bytes,
        }
    }

    /// Opens a socket for subscriptions and hands it to the receiver. What fails leaves nothing behind.
    pub(super) fn create_receive_endpoint(
        &mut self,
        channel: &Arc<UdpChannel>,
        registration_id: RegistrationId,
    ) -> Result<ReceiveEndpointId, DriverError> {
        let context = Arc::clone(&self.context);
        let network = &context.network;
        let group_tag = channel.uri().group_tag()?.or(network.receiver_group_tag);
        let counters =
            EndpointCounters::allocate_status(&RECEIVE, channel.text(), registration_id, &mut self.services)?;
        let is_manual = channel.control_mode() == ControlMode::Manual;
        let named = (!is_manual).then(|| {
            let (index, status_id) = (DestinationIndex::FIRST, counters.status_id());
            self.open_receive_destination(index, channel, channel, status_id, registration_id)
        });
        let (entry, destination) =
            named.transpose().inspect_err(|_| counters.free(&mut self.services))?.unzip();
        let bound = destination.as_ref().map(ReceiveDestination::local_address);
        counters.set_active(&RECEIVE, channel.text(), bound, &mut self.services);
        let index = self.receive_endpoints.next_index();
        let id = ReceiveEndpointId::new(index);
        let session_limit = usize::try_from(network.stream_session_limit).unwrap_or(usize::MAX);
        let mut endpoint = ReceiveEndpoint::new(
            id,
            registration_id,
            ReceiverId::new(self.next_receiver_id),
            group_tag,
            destination,
            Dispatcher::new(session_limit, self.random.u64(..)),
        );
        endpoint.events = self.services.events.clone();
        endpoint.events.endpoint(DriverEvent::ReceiveChannelCreation, channel, self.services.now.nanos);
        self.next_receiver_id = self.next_receiver_id.wrapping_add(1);
        self.services.receiver.send(ReceiverCommand::AddEndpoint(Box::new(endpoint)));
        self.receive_endpoints.insert(index, ReceiveEndpointEntry::new(Arc::clone(channel), counters, entry));
        Ok(id)
    }
}

//! Destinations of subscriptions with `control-mode=manual`: sockets that are added to their endpoint and removed from
//! it, and links to publications of this driver.
//!
//! ```text
//!   aeron:udp?...         a socket of the subscription's endpoint: parsed and resolved by the native resource agent
//!   aeron-spy:aeron:udp?  a link to network publications, under the subscription's registration id; likewise
//!   aeron:ipc?...         a link to IPC publications, likewise, at once
//! ```
//! Source: driver spec 2.12.

use std::sync::Arc;

use epona_protocol::{
    counters::ChannelStatus,
    types::{CorrelationId, CounterId, RegistrationId},
    uri::{ChannelUri, ControlMode, InferableBool, SPY_PREFIX},
};

use super::{
    Conductor,
    endpoint_counters::{RECEIVE, allocate_address},
    endpoint_options::check_transport_security,
    pending_command::{AwaitedChannel, Change, ChangeReceiveDestination},
    receive_endpoints::DestinationEntry,
    requests::{IPC_PREFIX, check_length},
    send_destinations::check_destination_parameters,
    subscriptions::unknown_subscription,
};
use crate::{
    commands::ReceiverCommand,
    endpoint_id::ReceiveEndpointId,
    error::DriverError,
    media::{ChannelPurpose, udp_channel::UdpChannel},
    publication::{params::SubscriptionParams, response::ResponseProgress},
    receiver::{destination::ReceiveDestination, origin::DestinationIndex},
    subscription::{Subscription, SubscriptionKind},
};

impl Conductor {
    /// Starts to change the destinations of a subscription.
    pub(super) fn start_receive_destination(
        &mut self,
        correlation_id: CorrelationId,
        registration_id: RegistrationId,
        channel: &str,
        change: Change,
    ) -> Result<(), DriverError> {
        check_length(channel)?;
        let wish =
            ChangeReceiveDestination { correlation_id, registration_id, channel: channel.into(), change };
        let spied = channel.strip_prefix(SPY_PREFIX);
        if wish.change == Change::Remove && (channel.starts_with(IPC_PREFIX) || spied.is_some()) {
            return self.remove_linked_destination(&wish);
        }
        if channel.starts_with(IPC_PREFIX) {
            return self.add_ipc_destination(&wish);
        }
        let name = spied.unwrap_or(channel);
        self.resolve(name, ChannelPurpose::Destination, AwaitedChannel::ReceiveDestination(wish));
        Ok(())
    }

    /// The channel of a destination was resolved.
    pub(super) fn change_receive_destination(
        &mut self,
        wish: &ChangeReceiveDestination,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        match wish.change {
            Change::Add if wish.channel.starts_with(SPY_PREFIX) => self.add_spy_destination(wish, channel),
            Change::Add => self.add_socket_destination(wish, &channel),
            Change::Remove => self.remove_socket_destination(wish, &channel),
        }
    }

    fn add_ipc_destination(&mut self, wish: &ChangeReceiveDestination) -> Result<(), DriverError> {
        let uri = ChannelUri::parse(&wish.channel)?;
        let params = self.subscription_params(&uri, &wish.channel)?;
        let params = SubscriptionParams { is_reliable: true, ..params };
        let link = self.link_destination(wish, params, SubscriptionKind::Ipc)?;
        self.services.succeed(wish.correlation_id);
        self.link_to_ipc_publications(&link);
        Ok(())
    }

    fn add_spy_destination(
        &mut self,
        wish: &ChangeReceiveDestination,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let params = self.subscription_params(channel.uri(), &wish.channel)?;
        let link = self.link_destination(wish, params, SubscriptionKind::Spy(channel))?;
        self.services.succeed(wish.correlation_id);
        self.link_to_network_publications(&link);
        Ok(())
    }

    /// A further subscription to a publication of this driver, under the registration id of the one that it feeds.
    fn link_destination(
        &mut self,
        wish: &ChangeReceiveDestination,
        params: SubscriptionParams,
        kind: SubscriptionKind,
    ) -> Result<Arc<Subscription>, DriverError> {
        let (subscription, _) = self.manual_subscription(wish.registration_id)?;
        let link = Arc::new(Subscription {
            registration_id: subscription.registration_id,
            client_id: subscription.client_id,
            stream_id: subscription.stream_id,
            channel: Arc::clone(&wish.channel),
            params: SubscriptionParams {
                group: InferableBool::Infer,
                response: ResponseProgress::Ordinary,
                ..params
            },
            kind,
        });
        self.subscriptions.push(Arc::clone(&link));
        Ok(link)
    }

    /// Ends a link to publications of this driver; its client is told that their images are gone.
    fn remove_linked_destination(&mut self, wish: &ChangeReceiveDestination) -> Result<(), DriverError> {
        let id = wish.registration_id;
        let is_it = |link: &Arc<Subscription>| {
            link.registration_id == id && !link.is_network() && link.channel == wish.channel
        };
        let at = self.subscriptions.iter().position(is_it).ok_or_else(|| unknown_subscription(id))?;
        let link = self.subscriptions.remove(at);
        self.services.succeed(wish.correlation_id);
        for publication in &mut self.ipc_publications {
            if publication.subscribers().has_link(&link) {
                let image = publication.image.correlation_id;
                self.services.on_unavailable_image(image, &link, &link.channel);
                publication.remove_subscriber(id, &mut self.services);
            }
        }
        for publication in &mut self.network_publications {
            if publication.spies().has_link(&link) {
                let image = publication.image.correlation_id;
                self.services.on_unavailable_image(image, &link, &link.channel);
                publication.remove_spy(id, &mut self.services);
            }
        }
        self.relink(id);
        Ok(())
    }

    /// What one destination no longer brings, another one of the same subscription may.
    fn relink(&mut self, id: RegistrationId) {
        let is_left = |link: &&Arc<Subscription>| link.registration_id == id && !link.is_network();
        let left: Vec<_> = self.subscriptions.iter().filter(is_left).cloned().collect();
        for link in left {
            match link.kind {
                SubscriptionKind::Ipc => self.link_to_ipc_publications(&link),
                _ => self.link_to_network_publications(&link),
            }
        }
    }

    fn add_socket_destination(
        &mut self,
        wish: &ChangeReceiveDestination,
        channel: &Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let (_, id) = self.manual_subscription(wish.registration_id)?;
        check_destination_parameters(channel.uri(), channel.text())?;
        check_transport_security(channel)?;
        let vanished = || DriverError::generic("receive endpoint vanished while a destination was added");
        let entry = self.receive_endpoints.get_mut(id.index()).ok_or_else(vanished)?;
        let (index, endpoint, status_id) =
            (entry.next_destination(), Arc::clone(&entry.channel), entry.counters.status_id());
        let (added, destination) =
            self.open_receive_destination(index, channel, &endpoint, status_id, wish.registration_id)?;
        let entry = self.receive_endpoints.get_mut(id.index()).ok_or_else(vanished)?;
        entry.destinations.push(added);
        self.services.receiver.send(ReceiverCommand::AddDestination(id, Box::new(destination)));
        self.services.succeed(wish.correlation_id);
        Ok(())
    }

    /// Removes the latest destination on a channel. That there is none is no error. Source: driver spec 2.12.
    fn remove_socket_destination(
        &mut self,
        wish: &ChangeReceiveDestination,
        channel: &UdpChannel,
    ) -> Result<(), DriverError> {
        let (_, id) = self.manual_subscription(wish.registration_id)?;
        let name = channel.canonical_form();
        let is_it =
            |entry: &&mut DestinationEntry| !entry.is_closing && entry.channel.canonical_form() == name;
        let entry = self.receive_endpoints.get_mut(id.index());
        if let Some(destination) = entry.and_then(|entry| entry.destinations.iter_mut().rev().find(is_it)) {
            destination.set_closing();
            self.services.receiver.send(ReceiverCommand::RemoveDestination(id, destination.index));
        }
        self.services.succeed(wish.correlation_id);
        Ok(())
    }

    /// The receiver has let go of a destination.
    pub(super) fn on_destination_released(
        &mut self,
        id: ReceiveEndpointId,
        destination: &ReceiveDestination,
    ) {
        let Some(entry) = self.receive_endpoints.get_mut(id.index()) else { return };
        let at = entry.destinations.iter().position(|entry| entry.index == destination.index());
        if let Some(at) = at {
            let bind = entry.destinations.remove(at).free(&mut self.services);
            self.receiver_ports.release(bind);
        }
    }

    /// The subscription that destinations are added to, and its endpoint.
    fn manual_subscription(
        &self,
        id: RegistrationId,
    ) -> Result<(Arc<Subscription>, ReceiveEndpointId), DriverError> {
        let network = self.subscriptions.iter().find_map(|subscription| match subscription.kind {
            SubscriptionKind::Network(endpoint) if subscription.registration_id == id => {
                Some((subscription, endpoint))
            }
            _ => None,
        });
        let (subscription, endpoint) = network.ok_or_else(|| unknown_subscription(id))?;
        let entry = self.receive_endpoints.get(endpoint.index());
        if entry.is_none_or(|entry| entry.channel.control_mode() != ControlMode::Manual) {
            return Err(DriverError::invalid_channel(format!(
                "channel does not allow manual control of destinations: add control-mode=manual to {}",
                subscription.channel
            )));
        }
        Ok((Arc::clone(subscription), endpoint))
    }

    /// Opens a socket for an endpoint, whose socket parameters it inherits, and allocates the counter that names its
    /// address: both, or neither.
    pub(super) fn open_receive_destination(
        &mut self,
        index: DestinationIndex,
        channel: &Arc<UdpChannel>,
        endpoint: &UdpChannel,
        status_id: CounterId,
        registration_id: RegistrationId,
    ) -> Result<(DestinationEntry, ReceiveDestination), DriverError> {
        let bind = self.receiver_ports.acquire(channel.receive_bind(), channel.has_explicit_control())?;
        let spec = channel.receive_spec(endpoint, &self.context.network, bind);
        let opened = self
            .transports
            .open(&spec)
            .map_err(|error| DriverError::generic(format!("{error}: channel={}", channel.text())))
            .and_then(|transport| {
                let bound = transport.local_address();
                let address =
                    allocate_address(&RECEIVE, status_id, registration_id, bound, &mut self.services)?;
                Ok((transport, address))
            });
        let (transport, address) = opened.inspect_err(|_| self.receiver_ports.release(bind))?;
        address.set_release(ChannelStatus::Active.value());
        let now = self.services.now.nanos;
        let destination = ReceiveDestination::new(index, Arc::clone(channel), transport, now)
            .with_timestamps(endpoint.timestamps());
        let channel = Arc::clone(channel);
        Ok((DestinationEntry { index, channel, bind, address, is_closing: false }, destination))
    }
}

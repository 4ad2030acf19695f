//! Adding, linking and removing subscriptions. Source: driver spec 2.7, 2.8.

use std::{net::SocketAddr, sync::Arc};

use epona_protocol::{
    command::{ErrorCode, Event},
    counters::{AtomicCounter, NewCounter, StreamKey, subscriber_position_label},
    types::{
        ClientId, CorrelationId, CounterId, CounterTypeId, Position, RegistrationId, SessionId, StreamId,
    },
    uri::ChannelUri,
};

use super::{
    Conductor,
    endpoints::{EndpointCounters, RECEIVE, ReceiveEndpointEntry},
    services::{AvailableImage, Services},
};
use crate::{
    commands::{ReceiveEndpointId, ReceiverCommand},
    error::DriverError,
    media::udp_channel::UdpChannel,
    publication::params::SubscriptionParams,
    receiver::{
        dispatcher::Dispatcher,
        endpoint::{DestinationIndex, ReceiveDestination, ReceiveEndpoint},
    },
    subscribable::SubscriberPosition,
    subscription::{Subscription, SubscriptionKind},
    untethered::Tether,
};

/// A client's wish for a subscription.
#[derive(Clone, Debug)]
pub(super) struct AddSubscription {
    pub(super) client_id: ClientId,
    pub(super) correlation_id: CorrelationId,
    pub(super) stream_id: StreamId,
    pub(super) channel: Arc<str>,
}

impl Conductor {
    /// Adds a subscription to IPC publications.
    pub(super) fn add_ipc_subscription(&mut self, add: AddSubscription) -> Result<(), DriverError> {
        let uri = ChannelUri::parse(&add.channel)?;
        let params = SubscriptionParams::read(&uri, &self.context)?;
        let subscription = self.add_subscription(&add, params, SubscriptionKind::Ipc)?;
        self.answer_subscription(&subscription, CounterId::NULL);
        for at in 0..self.ipc_publications.len() {
            self.link_to_ipc(at, &subscription);
        }
        Ok(())
    }

    /// Adds a spy on network publications, its channel resolved.
    pub(super) fn add_spy(
        &mut self,
        add: AddSubscription,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let params = SubscriptionParams::read(channel.uri(), &self.context)?;
        let subscription = self.add_subscription(&add, params, SubscriptionKind::Spy(channel))?;
        self.answer_subscription(&subscription, CounterId::NULL);
        for at in 0..self.network_publications.len() {
            self.link_to_publication(at, &subscription);
        }
        Ok(())
    }

    /// Adds a subscription to images, its channel resolved.
    pub(super) fn add_network_subscription(
        &mut self,
        add: AddSubscription,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let params = SubscriptionParams::read(channel.uri(), &self.context)?;
        if channel.has_explicit_control() && channel.local().port() == 0 {
            return Err(DriverError::generic(format!(
                "{} has control port=0 for subscription: name the port of the publication's control",
                channel.uri()
            )));
        }
        let existing = self.receive_endpoints.find(&channel)?;
        if let Some(endpoint) = existing {
            self.check_subscription_clash(endpoint, &channel, &add, &params)?;
        }
        self.check_receiver_window(&channel, &params)?;
        let id = match existing {
            Some(endpoint) => ReceiveEndpointId::new(endpoint),
            None => self.create_receive_endpoint(&channel, add.correlation_id.as_registration_id())?,
        };
        let subscription = match self.add_subscription(&add, params, SubscriptionKind::Network(id)) {
            Ok(subscription) => subscription,
            Err(error) => {
                self.receive_endpoints.close_if_unused(id, &mut self.services);
                return Err(error);
            }
        };
        let Some(entry) = self.receive_endpoints.get_mut(id.index()) else {
            return Err(DriverError::generic("receive endpoint vanished while its subscription was made"));
        };
        entry.add_interest(id, subscription.stream_id, subscription.params.session_id, &mut self.services);
        let status_id = entry.counters.status_id();
        self.answer_subscription(&subscription, status_id);
        for at in 0..self.images.len() {
            self.link_to_image(at, &subscription);
        }
        Ok(())
    }

    fn add_subscription(
        &mut self,
        add: &AddSubscription,
        params: SubscriptionParams,
        kind: SubscriptionKind,
    ) -> Result<Arc<Subscription>, DriverError> {
        self.clients.get_or_add(add.client_id, &mut self.services)?;
        let subscription = Arc::new(Subscription {
            registration_id: add.correlation_id.as_registration_id(),
            client_id: add.client_id,
            stream_id: add.stream_id,
            channel: Arc::clone(&add.channel),
            params,
            kind,
        });
        self.subscriptions.push(Arc::clone(&subscription));
        Ok(subscription)
    }

    fn answer_subscription(&mut self, subscription: &Subscription, channel_status_id: CounterId) {
        self.services.tell(&Event::SubscriptionReady {
            correlation_id: CorrelationId::new(subscription.registration_id.get()),
            channel_status_id,
        });
    }

    /// Two subscriptions to one session on one endpoint must agree on how it is received. Source: driver spec 2.7.
    fn check_subscription_clash(
        &self,
        endpoint: u32,
        channel: &UdpChannel,
        add: &AddSubscription,
        params: &SubscriptionParams,
    ) -> Result<(), DriverError> {
        let Some(entry) = self.receive_endpoints.get(endpoint as usize) else { return Ok(()) };
        super::endpoints::check_receive_options(channel, &entry.channel, &self.context.network)?;
        let is_on_endpoint = |kind: &SubscriptionKind| matches!(kind, SubscriptionKind::Network(id) if id.index() == endpoint as usize);
        let others = self.subscriptions.iter().filter(|other| {
            is_on_endpoint(&other.kind)
                && other.stream_id == add.stream_id
                && other.params.session_id == params.session_id
        });
        for other in others {
            for (name, existing, requested) in [
                ("reliable", other.params.is_reliable, params.is_reliable),
                ("rejoin", other.params.rejoin, params.rejoin),
                ("isResponse", other.params.is_response, params.is_response),
            ] {
                if existing != requested {
                    return Err(DriverError::generic(format!(
                        "option conflicts with existing subscription: {name}={requested} existing={existing} \
                         channel={}",
                        add.channel
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
                "initial window {} greater than SO_RCVBUF {receive_buffer} for {}: lower rcv-wnd or raise so-rcvbuf \
                 (aeron.socket.so_rcvbuf)",
                params.receiver_window,
                channel.uri()
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

    fn create_receive_endpoint(
        &mut self,
        channel: &Arc<UdpChannel>,
        registration_id: RegistrationId,
    ) -> Result<ReceiveEndpointId, DriverError> {
        let network = &self.context.network;
        let bind = self.receiver_ports.acquire(channel.receive_bind(), channel.has_explicit_control())?;
        let opened = self.transports.open(&channel.receive_spec(channel, network, bind));
        let transport = match opened {
            Ok(transport) => transport,
            Err(error) => {
                self.receiver_ports.release(bind);
                return Err(DriverError::generic(format!("{}: {error}", channel.uri())));
            }
        };
        let text = channel.uri().to_string();
        let bound = transport.local_address();
        let counters =
            EndpointCounters::allocate(&RECEIVE, &text, registration_id, bound, &mut self.services)?;
        let index = self.receive_endpoints.next_index();
        let id = ReceiveEndpointId::new(index);
        let now = self.services.now.nanos;
        let destination = ReceiveDestination::new(
            DestinationIndex::new(0),
            Arc::clone(channel),
            transport,
            control_address(channel),
            now,
        );
        let group_tag = channel.uri().group_tag()?;
        let session_limit = usize::try_from(network.stream_session_limit).unwrap_or(usize::MAX);
        let endpoint = ReceiveEndpoint::new(
            id,
            registration_id,
            epona_protocol::types::ReceiverId::new(self.next_receiver_id),
            group_tag.or(network.receiver_group_tag),
            vec![destination],
            Dispatcher::new(session_limit, self.random.u64(..)),
        );
        self.next_receiver_id = self.next_receiver_id.wrapping_add(1);
        self.services.receiver.send(ReceiverCommand::AddEndpoint(Box::new(endpoint)));
        self.receive_endpoints.insert(index, ReceiveEndpointEntry::new(Arc::clone(channel), counters, bind));
        Ok(id)
    }

    /// Removes a subscription. Source: driver spec 2.11.
    pub(super) fn remove_subscription(&mut self, registration_id: RegistrationId) -> Result<(), DriverError> {
        let at = self.subscriptions.iter().position(|s| s.registration_id == registration_id).ok_or_else(
            || {
                DriverError::new(
                    ErrorCode::UnknownSubscription,
                    format!("unknown subscription registration_id={registration_id}"),
                )
            },
        )?;
        let subscription = self.subscriptions.swap_remove(at);
        self.unlink(&subscription);
        Ok(())
    }

    /// Takes a subscription off everything it is linked to.
    pub(super) fn unlink(&mut self, subscription: &Subscription) {
        let id = subscription.registration_id;
        match &subscription.kind {
            SubscriptionKind::Ipc => {
                for publication in &mut self.ipc_publications {
                    publication.remove_subscriber(id, &mut self.services);
                }
            }
            SubscriptionKind::Spy(_) => {
                for publication in &mut self.network_publications {
                    publication.remove_spy(id, &mut self.services);
                }
            }
            SubscriptionKind::Network(endpoint) => {
                for image in &mut self.images {
                    image.remove_subscriber(id, &mut self.services);
                }
                if let Some(entry) = self.receive_endpoints.get_mut(endpoint.index()) {
                    let (stream, session) = (subscription.stream_id, subscription.params.session_id);
                    entry.remove_interest(*endpoint, stream, session, &mut self.services);
                }
                self.receive_endpoints.close_if_unused(*endpoint, &mut self.services);
            }
        }
    }

    /// Links subscriptions that wait for a new IPC publication.
    pub(super) fn link_subscriptions_to_ipc(&mut self, publication: RegistrationId) {
        let Some(at) = self.ipc_publications.iter().position(|p| p.registration_id() == publication) else {
            return;
        };
        for subscription in self.subscriptions.clone() {
            if matches!(subscription.kind, SubscriptionKind::Ipc) {
                self.link_to_ipc(at, &subscription);
            }
        }
    }

    /// Links spies that wait for a new network publication.
    pub(super) fn link_spies_to_publication(&mut self, publication: RegistrationId) {
        let found = self.network_publications.iter().position(|p| p.registration_id() == publication);
        let Some(at) = found else { return };
        for subscription in self.subscriptions.clone() {
            if matches!(subscription.kind, SubscriptionKind::Spy(_)) {
                self.link_to_publication(at, &subscription);
            }
        }
    }

    fn link_to_ipc(&mut self, at: usize, subscription: &Arc<Subscription>) {
        let publication = &mut self.ipc_publications[at];
        let matches = publication.params.stream_id == subscription.stream_id
            && subscription.wants_session(publication.params.session_id)
            && publication.accepts_subscribers()
            && !publication.subscribers().contains(subscription.registration_id);
        if matches {
            let join = publication.join_position();
            if let Some(position) = join_stream(subscription, &publication.image, join, &mut self.services) {
                publication.add_subscriber(position);
            }
        }
    }

    fn link_to_publication(&mut self, at: usize, subscription: &Arc<Subscription>) {
        let SubscriptionKind::Spy(channel) = &subscription.kind else { return };
        let publication = &mut self.network_publications[at];
        let Some(entry) = self.send_endpoints.get(publication.params.endpoint.index()) else { return };
        let is_tagged = channel.tag().is_some() && channel.tag() == entry.channel.tag();
        let is_on_channel = channel.canonical_form() == entry.channel.canonical_form()
            && subscription.wants_session(publication.state.session_id);
        let matches = publication.state.stream_id == subscription.stream_id
            && (is_tagged || is_on_channel)
            && publication.accepts_spies()
            && !publication.spies().contains(subscription.registration_id);
        if matches {
            let join = publication.state.sender_position();
            if let Some(position) = join_stream(subscription, &publication.image, join, &mut self.services) {
                publication.add_spy(position);
            }
        }
    }

    /// Links a subscription to an image when it matches and the image still takes subscribers.
    fn link_to_image(&mut self, at: usize, subscription: &Arc<Subscription>) {
        let image = &self.images[at];
        if image.accepts_subscribers()
            && is_match(subscription, image.state.endpoint, image.state.stream_id, image.state.session_id)
        {
            let join = image.join_position();
            self.add_image_subscriber(at, subscription, join);
        }
    }

    pub(super) fn add_image_subscriber(
        &mut self,
        at: usize,
        subscription: &Arc<Subscription>,
        join: Position,
    ) {
        let image = &mut self.images[at];
        if let Some(position) = join_stream(subscription, &image.image, join, &mut self.services) {
            image.add_subscriber(position);
        }
    }
}

/// Where control frames for a channel go, when not to the source of what arrives. Source: wire spec 2.1.
fn control_address(channel: &UdpChannel) -> Option<SocketAddr> {
    if channel.is_multicast() {
        Some(channel.remote_control())
    } else {
        channel.has_explicit_control().then(|| channel.local())
    }
}

/// Whether a subscription is for images of a session that arrives on an endpoint.
pub(super) fn is_match(
    subscription: &Subscription,
    endpoint: ReceiveEndpointId,
    stream_id: StreamId,
    session_id: SessionId,
) -> bool {
    matches!(subscription.kind, SubscriptionKind::Network(id) if id == endpoint)
        && subscription.stream_id == stream_id
        && subscription.wants_session(session_id)
}

/// Gives a subscription its position in a stream and tells its client; nothing when counters have run out, which is
/// recorded.
fn join_stream(
    subscription: &Arc<Subscription>,
    image: &AvailableImage,
    join: Position,
    services: &mut Services,
) -> Option<SubscriberPosition> {
    let counter = match allocate_position(subscription, image, join, services) {
        Ok(counter) => counter,
        Err(error) => {
            services.record(&error);
            return None;
        }
    };
    services.on_available_image(image, subscription, counter.id());
    let params = &subscription.params;
    Some(SubscriberPosition {
        subscription: Arc::clone(subscription),
        tether: Tether::new(params.is_tethered, params.rejoin, services.now.nanos),
        counter,
    })
}

fn allocate_position(
    subscription: &Subscription,
    image: &AvailableImage,
    join: Position,
    services: &mut Services,
) -> Result<AtomicCounter, DriverError> {
    let registration_id = subscription.registration_id.get();
    let (session_id, stream_id, channel) = (image.session_id, image.stream_id, &*subscription.channel);
    let counter = services.allocate(&NewCounter {
        type_id: CounterTypeId::SUBSCRIBER_POSITION,
        key: &StreamKey { registration_id, session_id, stream_id, channel: channel.into() }.encode(),
        label: subscriber_position_label(registration_id, session_id, stream_id, channel, join).as_bytes(),
        registration_id,
        owner_id: subscription.client_id.get(),
        reference_id: image.correlation_id.get(),
    })?;
    counter.set_release(join.get());
    Ok(counter)
}

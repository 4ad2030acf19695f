//! Adding, linking and removing subscriptions. Source: driver spec 2.7, 2.8.

use std::sync::Arc;

use epona_protocol::{
    command::{ErrorCode, Event},
    counters::{AtomicCounter, NewCounter, StreamKey, subscriber_position_label},
    types::{CorrelationId, CounterId, CounterTypeId, Position, RegistrationId, SessionId, StreamId},
    uri::ChannelUri,
};

use super::{
    Conductor,
    endpoints::Endpoints,
    pending_command::AddSubscription,
    send_endpoints::SendEndpointEntry,
    services::{AvailableImage, Services},
};
use crate::{
    endpoint_id::ReceiveEndpointId,
    error::DriverError,
    image::publication_image::PublicationImage,
    media::udp_channel::UdpChannel,
    publication::{
        ipc::IpcPublication, network::NetworkPublication, params::SubscriptionParams,
        response::ResponseProgress,
    },
    subscribable::SubscriberPosition,
    subscription::{Subscription, SubscriptionKind},
    untethered::Tether,
};

impl Conductor {
    /// Adds a subscription to IPC publications.
    pub(super) fn add_ipc_subscription(&mut self, add: AddSubscription) -> Result<(), DriverError> {
        let uri = ChannelUri::parse(&add.channel)?;
        let params = self.subscription_params(&uri, &add.channel)?;
        let subscription = self.add_subscription(&add, params, SubscriptionKind::Ipc)?;
        self.answer_subscription(&subscription, CounterId::NULL);
        self.link_to_ipc_publications(&subscription);
        Ok(())
    }

    /// Adds a spy on network publications, its channel resolved.
    pub(super) fn add_spy(
        &mut self,
        add: AddSubscription,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let params = self.subscription_params(channel.uri(), &add.channel)?;
        // A spy reads what is there: `control-mode=response` means nothing to it, as in the C driver.
        let params = SubscriptionParams { response: ResponseProgress::Ordinary, ..params };
        let subscription = self.add_subscription(&add, params, SubscriptionKind::Spy(channel))?;
        self.answer_subscription(&subscription, CounterId::NULL);
        self.link_to_network_publications(&subscription);
        Ok(())
    }

    /// Adds a subscription to images, its channel resolved.
    pub(super) fn add_network_subscription(
        &mut self,
        add: AddSubscription,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let params = self.subscription_params(channel.uri(), &add.channel)?;
        if channel.has_explicit_control() && channel.local().port() == 0 {
            return Err(DriverError::generic(format!(
                "{} has control port=0 for subscription: name the port of the publication's control",
                add.channel
            )));
        }
        let id = match self.find_receive_endpoint(&channel, &add, &params)? {
            Some(endpoint) => endpoint,
            None => self.create_receive_endpoint(&channel, add.correlation_id.as_registration_id())?,
        };
        let subscription = self
            .add_subscription(&add, params, SubscriptionKind::Network(id))
            .inspect_err(|_| self.receive_endpoints.close_if_unused(id, &mut self.services))?;
        let Some(entry) = self.receive_endpoints.get_mut(id.index()) else {
            return Err(DriverError::generic("receive endpoint vanished while its subscription was made"));
        };
        entry.add_subscription(id, &subscription, &mut self.services);
        let status_id = entry.counters.status_id();
        self.answer_subscription(&subscription, status_id);
        self.link_to_images(&subscription);
        Ok(())
    }

    /// What a subscription's channel asks for.
    pub(super) fn subscription_params(
        &self,
        uri: &ChannelUri,
        channel: &str,
    ) -> Result<SubscriptionParams, DriverError> {
        SubscriptionParams::read(uri, &self.context).map_err(|error| error.about(channel))
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

    /// Removes a subscription, with the links to local publications that it has as destinations.
    /// Source: driver spec 2.11.
    pub(super) fn remove_subscription(&mut self, registration_id: RegistrationId) -> Result<(), DriverError> {
        let removed: Vec<_> =
            self.subscriptions.extract_if(.., |s| s.registration_id == registration_id).collect();
        if removed.is_empty() {
            return Err(unknown_subscription(registration_id));
        }
        for subscription in removed {
            self.unlink(&subscription);
        }
        Ok(())
    }

    /// Takes a subscription off everything it is linked to.
    pub(super) fn unlink(&mut self, subscription: &Subscription) {
        let id = subscription.registration_id;
        let now = self.services.now.nanos;
        self.services.events.subscription_removed(id, subscription.stream_id, &subscription.channel, now);
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
                    entry.remove_subscription(*endpoint, subscription, &mut self.services);
                }
                self.receive_endpoints.close_if_unused(*endpoint, &mut self.services);
            }
        }
    }

    /// Links a subscription to the IPC publications that it matches.
    pub(super) fn link_to_ipc_publications(&mut self, subscription: &Arc<Subscription>) {
        for publication in &mut self.ipc_publications {
            link_to_ipc(publication, subscription, &mut self.services);
        }
    }

    /// Links a spy to the network publications that it matches.
    pub(super) fn link_to_network_publications(&mut self, spy: &Arc<Subscription>) {
        for publication in &mut self.network_publications {
            link_to_publication(publication, &self.send_endpoints, spy, &mut self.services);
        }
    }

    /// Tries again to link subscriptions that found no counter for their position.
    pub(super) fn link_what_was_missed(&mut self) {
        if !std::mem::take(&mut self.services.has_missed_links) {
            return;
        }
        for subscription in self.subscriptions.clone() {
            match subscription.kind {
                SubscriptionKind::Ipc => self.link_to_ipc_publications(&subscription),
                SubscriptionKind::Spy(_) => self.link_to_network_publications(&subscription),
                SubscriptionKind::Network(_) => self.link_to_images(&subscription),
            }
        }
    }

    fn link_to_images(&mut self, subscription: &Arc<Subscription>) {
        for image in &mut self.images {
            link_to_image(image, subscription, &mut self.services);
        }
    }

    /// Links subscriptions to an IPC publication, where they match and are not linked yet.
    pub(super) fn link_subscriptions_to_ipc(&mut self, at: usize) {
        let publication = &mut self.ipc_publications[at];
        for subscription in &self.subscriptions {
            if matches!(subscription.kind, SubscriptionKind::Ipc) {
                link_to_ipc(publication, subscription, &mut self.services);
            }
        }
    }

    /// Links spies to a network publication, where they match and are not linked yet.
    pub(super) fn link_spies_to_publication(&mut self, at: usize) {
        let publication = &mut self.network_publications[at];
        for subscription in &self.subscriptions {
            link_to_publication(publication, &self.send_endpoints, subscription, &mut self.services);
        }
    }
}

pub(super) fn unknown_subscription(registration_id: RegistrationId) -> DriverError {
    DriverError::new(
        ErrorCode::UnknownSubscription,
        format!("unknown subscription registration_id={registration_id}"),
    )
}

fn link_to_ipc(publication: &mut IpcPublication, subscription: &Arc<Subscription>, services: &mut Services) {
    let matches = publication.params.stream_id == subscription.stream_id
        && subscription.wants_session(publication.params.session_id)
        && publication.accepts_subscribers()
        && !publication.subscribers().contains(subscription.registration_id);
    if matches {
        let join = publication.join_position();
        if let Some(position) = join_stream(subscription, &publication.image, join, services) {
            publication.add_subscriber(position);
        }
    }
}

fn link_to_publication(
    publication: &mut NetworkPublication,
    endpoints: &Endpoints<SendEndpointEntry>,
    subscription: &Arc<Subscription>,
    services: &mut Services,
) {
    let SubscriptionKind::Spy(channel) = &subscription.kind else { return };
    let Some(entry) = endpoints.get(publication.params.endpoint.index()) else { return };
    let is_tagged = channel.tag().is_some() && channel.tag() == entry.channel.tag();
    let is_on_channel = channel.canonical_form() == entry.channel.canonical_form()
        && subscription.wants_session(publication.state.session_id);
    let matches = publication.state.stream_id == subscription.stream_id
        && (is_tagged || is_on_channel)
        && publication.accepts_spies()
        && !publication.spies().contains(subscription.registration_id);
    if matches {
        let join = publication.state.sender_position();
        if let Some(position) = join_stream(subscription, &publication.image, join, services) {
            publication.add_spy(position);
        }
    }
}

/// Links a subscription to an image that it matches and that still takes subscribers.
pub(super) fn link_to_image(
    image: &mut PublicationImage,
    subscription: &Arc<Subscription>,
    services: &mut Services,
) {
    let state = &image.state;
    if image.accepts_subscribers()
        && !image.subscribers().contains(subscription.registration_id)
        && is_match(subscription, state.endpoint, state.stream_id, state.session_id)
    {
        let join = image.join_position();
        add_image_subscriber(image, subscription, join, services);
    }
}

pub(super) fn add_image_subscriber(
    image: &mut PublicationImage,
    subscription: &Arc<Subscription>,
    join: Position,
    services: &mut Services,
) {
    if let Some(position) = join_stream(subscription, &image.image, join, services) {
        image.add_subscriber(position);
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
/// recorded, and tried again at the next timer tick.
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
            services.has_missed_links = true;
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

//! Reactions to the driver's events. Source: shared-memory spec 10.8.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use epona_protocol::{
    broadcast::ReceiveError,
    command::{AvailableImage, ErrorCode, Event, Fault, PublicationError, PublicationReady, event_id},
    types::{CorrelationId, CounterId, RegistrationId},
};

use super::{Conductor, EVENT_LIMIT, SubscriptionEntry, requests::Registering};
use crate::{
    error::ClientError,
    handlers::{CounterEvent, ImageCalls, NewPublication, NewSubscription, PublicationErrorFrame, guarded},
    link::{Kind, Registered},
    state::{CounterState, ImageState, NewImage, NewPublicationState, PublicationState, SubscriptionState},
};

impl Conductor {
    /// Takes what the driver has sent; how many events those were.
    ///
    /// # Errors
    /// Fatal ones: [`ClientError::Lapped`], [`ClientError::ClientTimeout`].
    pub(super) fn take_events(&mut self) -> Result<usize, ClientError> {
        let mut events = 0;
        while events < EVENT_LIMIT {
            let mut record = None;
            let received = self.events.receive(|type_id, payload| record = Some((type_id, payload.to_vec())));
            match received {
                Ok(_) => {}
                Err(ReceiveError::Lapped | ReceiveError::Corrupt { .. }) => return Err(ClientError::Lapped),
            }
            let Some((type_id, payload)) = record else { break };
            events += 1;
            match Event::parse(type_id, &payload) {
                Ok(event) => self.on_event(event)?,
                // Newer drivers may know more events.
                Err(error) if error.fault == Fault::UnknownType => {}
                Err(error) => {
                    self.report(&ClientError::MalformedEvent { type_id, reason: error.fault.to_string() });
                }
            }
        }
        Ok(events)
    }

    fn on_event(&mut self, event: Event<'_>) -> Result<(), ClientError> {
        match event {
            Event::Error { correlation_id, error_code, message } => {
                self.on_error(correlation_id, error_code, &String::from_utf8_lossy(message));
            }
            Event::PublicationReady(ready) => self.on_publication_ready(&ready, false),
            Event::ExclusivePublicationReady(ready) => self.on_publication_ready(&ready, true),
            Event::SubscriptionReady { correlation_id, channel_status_id } => {
                self.on_subscription_ready(correlation_id.as_registration_id(), channel_status_id);
            }
            Event::AvailableImage(image) => self.on_available_image(&image),
            Event::UnavailableImage { image_id, subscription_id, .. } => {
                self.on_unavailable_image(image_id.as_registration_id(), subscription_id);
            }
            Event::OperationSuccess { correlation_id } => {
                self.settle(correlation_id, |kind| matches!(kind, Kind::Operation { .. }), Registered::Done);
            }
            Event::CounterReady { correlation_id, counter_id } => {
                self.on_counter_ready(correlation_id, counter_id)
            }
            Event::UnavailableCounter { registration_id, counter_id } => {
                let gone = CounterEvent { registration_id, counter_id };
                let panics = self.handlers.tell_unavailable_counter(&gone);
                panics.iter().for_each(|panicked| self.report(panicked));
            }
            Event::StaticCounter { correlation_id, counter_id } => {
                self.on_static_counter(correlation_id, counter_id)
            }
            Event::ClientTimeout { client_id } if client_id == self.shared.client_id => {
                return Err(ClientError::ClientTimeout);
            }
            Event::ClientTimeout { .. } => {}
            Event::PublicationError(error) => self.on_publication_error(&error),
            Event::NextAvailableSessionId { correlation_id, session_id } => {
                let is_asked = |kind: &Kind| matches!(kind, Kind::SessionId { .. });
                self.settle(correlation_id, is_asked, Registered::SessionId(session_id));
            }
        }
        Ok(())
    }

    /// The request that an event answers, if it is one of ours and of the right kind.
    fn answered(
        &mut self,
        correlation_id: CorrelationId,
        is_right: impl FnOnce(&Kind) -> bool,
    ) -> Option<(RegistrationId, Registering)> {
        let id = correlation_id.as_registration_id();
        self.registering.get(&id).filter(|registering| is_right(&registering.kind))?;
        let registering = self.registering.remove(&id)?;
        if registering.abandoned {
            self.take_back(id, &registering.kind);
            return None;
        }
        Some((id, registering))
    }

    fn settle(&mut self, id: CorrelationId, is_right: impl FnOnce(&Kind) -> bool, outcome: Registered) {
        if let Some((_, registering)) = self.answered(id, is_right) {
            registering.completion.settle(Ok(outcome));
        }
    }

    fn on_error(&mut self, correlation_id: CorrelationId, code: ErrorCode, message: &str) {
        if code == ErrorCode::ChannelEndpointError {
            self.on_channel_endpoint_error(correlation_id, code, message);
            return;
        }
        let id = correlation_id.as_registration_id();
        let Some(registering) = self.registering.remove(&id) else { return };
        let error = ClientError::Registration {
            request: registering.kind.describe(),
            registration_id: id,
            code,
            message: message.to_owned(),
        };
        registering.completion.settle(Err(error));
    }

    /// The driver names the failed channel by its status counter; only clients that use it are concerned.
    fn on_channel_endpoint_error(&mut self, status_id: CorrelationId, code: ErrorCode, message: &str) {
        let is_meant = |id: CounterId| i64::from(id.get()) == status_id.get();
        let publications = self.publications.values().map(|each| (each.channel_status_id, &each.channel));
        let subscriptions =
            self.subscriptions.values().map(|each| (each.state.channel_status_id, &each.state.channel));
        let concerned = publications.chain(subscriptions).find(|(id, _)| is_meant(*id));
        let Some(channel) = concerned.map(|(_, channel)| Arc::clone(channel)) else { return };
        self.report(&ClientError::Registration {
            request: format!("channel {channel}"),
            registration_id: status_id.as_registration_id(),
            code,
            message: message.to_owned(),
        });
    }

    fn on_publication_ready(&mut self, ready: &PublicationReady<'_>, exclusive: bool) {
        let is_right = |kind: &Kind| match kind {
            Kind::Publication { .. } => !exclusive,
            Kind::ExclusivePublication { .. } => exclusive,
            _ => false,
        };
        let Some((id, registering)) = self.answered(ready.correlation_id, is_right) else { return };
        let (Kind::Publication { channel, .. } | Kind::ExclusivePublication { channel, .. }) =
            &registering.kind
        else {
            return;
        };
        match self.make_publication(id, ready, Arc::clone(channel)) {
            Ok(publication) => {
                self.announce_publication(&publication, exclusive);
                registering.completion.settle(Ok(Registered::Publication(publication)));
            }
            Err(error) => {
                self.take_back(id, &registering.kind);
                registering.completion.settle(Err(error));
            }
        }
    }

    fn make_publication(
        &mut self,
        id: RegistrationId,
        ready: &PublicationReady<'_>,
        channel: Arc<str>,
    ) -> Result<Arc<PublicationState>, ClientError> {
        let path = Path::new(ready.log_file_name);
        let limit = self.shared.counters.readable(ready.limit_id).ok_or_else(|| {
            malformed(event_id::ON_PUBLICATION_READY, format!("there is no counter {}", ready.limit_id))
        })?;
        let log = self.logs.acquire(ready.original_registration_id, path)?;
        if let Err(error) = log.metadata().mtu() {
            self.logs.release(ready.original_registration_id, self.now.nanos);
            return Err(ClientError::LogBuffer { path: path.to_owned(), reason: error.to_string() });
        }
        let new = NewPublicationState {
            registration_id: id,
            original_registration_id: ready.original_registration_id,
            session_id: ready.session_id,
            stream_id: ready.stream_id,
            channel,
            channel_status_id: ready.channel_status_id,
        };
        let publication = Arc::new(PublicationState::new(new, log, limit, self.now));
        self.publications.insert(id, Arc::clone(&publication));
        Ok(publication)
    }

    fn announce_publication(&mut self, publication: &PublicationState, exclusive: bool) {
        let new = NewPublication {
            registration_id: publication.registration_id,
            original_registration_id: publication.original_registration_id,
            session_id: publication.session_id,
            stream_id: publication.stream_id,
            channel: publication.channel.to_string(),
        };
        let outcome = if exclusive {
            guarded("new exclusive publication", || (self.handlers.new_exclusive_publication)(&new))
        } else {
            guarded("new publication", || (self.handlers.new_publication)(&new))
        };
        self.called(outcome);
    }

    fn on_subscription_ready(&mut self, id: RegistrationId, channel_status_id: CounterId) {
        let is_right = |kind: &Kind| matches!(kind, Kind::Subscription { .. });
        let Some((_, registering)) = self.answered(CorrelationId::new(id.get()), is_right) else { return };
        let Registering { kind: Kind::Subscription { channel, stream_id, handlers }, completion, .. } =
            registering
        else {
            return;
        };
        let new = NewSubscription { registration_id: id, stream_id, channel: channel.to_string() };
        let state = Arc::new(SubscriptionState::new(id, channel, stream_id, channel_status_id));
        self.subscriptions.insert(id, SubscriptionEntry { state: Arc::clone(&state), handlers });
        let outcome = guarded("new subscription", || (self.handlers.new_subscription)(&new));
        self.called(outcome);
        completion.settle(Ok(Registered::Subscription(state)));
    }

    fn on_available_image(&mut self, available: &AvailableImage<'_>) {
        let Some(entry) = self.subscriptions.get(&available.subscription_id) else { return };
        let subscription = Arc::clone(&entry.state);
        if subscription.has_image(available.image_id.as_registration_id()) {
            return;
        }
        match self.make_image(available) {
            Ok(image) => {
                subscription.add_image(Arc::clone(&image));
                self.announce_image(&image);
            }
            Err(error) => self.report(&error),
        }
    }

    fn make_image(&mut self, available: &AvailableImage<'_>) -> Result<Arc<ImageState>, ClientError> {
        let position = self.shared.counters.writable(available.position_id).ok_or_else(|| {
            malformed(event_id::ON_AVAILABLE_IMAGE, format!("there is no counter {}", available.position_id))
        })?;
        let id = available.image_id.as_registration_id();
        let log = self.logs.acquire(id, Path::new(available.log_file_name))?;
        let new = NewImage {
            correlation_id: id,
            subscription_registration_id: available.subscription_id,
            session_id: available.session_id,
            stream_id: available.stream_id,
            source_identity: available.source_identity.to_owned(),
            log_file: PathBuf::from(available.log_file_name),
        };
        Ok(Arc::new(ImageState::new(new, log, position)))
    }

    fn announce_image(&mut self, image: &Arc<ImageState>) {
        let own = self.subscriptions.get_mut(&image.subscription_registration_id);
        let own = own.and_then(|entry| entry.handlers.available.as_mut());
        if let Some(handler) = own.or(self.handlers.images.available.as_mut()) {
            let outcome = guarded("available image", || handler(image));
            self.called(outcome);
        }
    }

    fn on_unavailable_image(&mut self, image_id: RegistrationId, subscription_id: RegistrationId) {
        let Some(entry) = self.subscriptions.get_mut(&subscription_id) else { return };
        let Some(image) = entry.state.remove_image(image_id) else { return };
        // Taken for the call, since closing the image needs all of the conductor.
        let mut handlers: ImageCalls = std::mem::take(&mut entry.handlers);
        self.close_image(image, &mut handlers);
        if let Some(entry) = self.subscriptions.get_mut(&subscription_id) {
            entry.handlers = handlers;
        }
    }

    fn on_counter_ready(&mut self, correlation_id: CorrelationId, counter_id: CounterId) {
        let registration_id = correlation_id.as_registration_id();
        if let Some((id, registering)) = self.answered(correlation_id, |kind| matches!(kind, Kind::Counter)) {
            self.make_counter(id, id, counter_id, false, &registering);
        }
        let available = CounterEvent { registration_id, counter_id };
        let panics = self.handlers.tell_available_counter(&available);
        panics.iter().for_each(|panicked| self.report(panicked));
    }

    fn on_static_counter(&mut self, correlation_id: CorrelationId, counter_id: CounterId) {
        let is_right = |kind: &Kind| matches!(kind, Kind::StaticCounter { .. });
        let Some((id, registering)) = self.answered(correlation_id, is_right) else { return };
        let Kind::StaticCounter { registration_id } = registering.kind else { return };
        self.make_counter(id, registration_id, counter_id, true, &registering);
    }

    fn make_counter(
        &mut self,
        id: RegistrationId,
        registration_id: RegistrationId,
        counter_id: CounterId,
        is_static: bool,
        registering: &Registering,
    ) {
        let Some(counter) = self.shared.counters.writable(counter_id) else {
            let error = malformed(event_id::ON_COUNTER_READY, format!("there is no counter {counter_id}"));
            registering.completion.settle(Err(error));
            return;
        };
        let counter = Arc::new(CounterState::new(registration_id, id, counter, is_static));
        self.counters.insert(id, Arc::clone(&counter));
        registering.completion.settle(Ok(Registered::Counter(counter)));
    }

    fn on_publication_error(&mut self, error: &PublicationError<'_>) {
        let is_meant = |publication: &&Arc<PublicationState>| {
            publication.original_registration_id == error.registration_id
        };
        let meant = self.publications.values().filter(is_meant).count();
        let frame = PublicationErrorFrame {
            registration_id: error.registration_id,
            destination_registration_id: error.destination_registration_id,
            session_id: error.session_id,
            stream_id: error.stream_id,
            receiver_id: error.receiver_id,
            group_tag: error.group_tag,
            source: error.source,
            error_code: error.error_code,
            message: String::from_utf8_lossy(error.message).into_owned(),
        };
        for _ in 0..meant {
            let outcome = guarded("publication error", || (self.handlers.publication_error)(&frame));
            self.called(outcome);
        }
    }
}

fn malformed(type_id: i32, reason: String) -> ClientError {
    ClientError::MalformedEvent { type_id, reason }
}

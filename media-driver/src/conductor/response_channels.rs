//! Requests, responses and the subscriptions that responses arrive at, brought together.
//!
//! See [`crate::publication::response`] for the exchange as a whole. Source: driver spec 2.12, 14.1.

use std::sync::Arc;

use epona_protocol::{
    types::{CorrelationId, RegistrationId, SessionId},
    uri::{ControlMode, ResponseCorrelation},
};

use super::{Conductor, pending_command::AddPublication, subscriptions::link_to_image};
use crate::{
    commands::ReceiverCommand,
    error::DriverError,
    media::udp_channel::UdpChannel,
    publication::{
        network::NetworkPublication,
        params::PublicationParams,
        response::{ResponseProgress, ResponseRole},
    },
    subscription::{Subscription, SubscriptionKind},
};

impl Conductor {
    /// A request names the network subscription that responses go to. Source: driver spec 2.3, row 6.
    pub(super) fn check_response_subscription(
        &self,
        channel: &UdpChannel,
        params: &PublicationParams,
    ) -> Result<(), DriverError> {
        let named = match params.response_correlation {
            Some(named) if channel.control_mode() != ControlMode::Response => named,
            _ => return Ok(()),
        };
        let is_named = |s: &Subscription| match named {
            ResponseCorrelation::Id(id) => s.registration_id == id.as_registration_id() && s.is_network(),
            ResponseCorrelation::Prototype => false,
        };
        if self.subscriptions.iter().any(|s| is_named(s)) {
            return Ok(());
        }
        let named = match named {
            ResponseCorrelation::Id(id) => id.to_string(),
            ResponseCorrelation::Prototype => "prototype, which is for control-mode=response".to_owned(),
        };
        Err(DriverError::generic(format!(
            "unable to find response subscription for response-correlation-id={named}: channel={}",
            channel.text()
        )))
    }

    /// A response answers an image whose source asked for one, or is made ahead of any. Source: driver spec 2.3, row 13.
    pub(super) fn check_answered_image(&self, params: &PublicationParams) -> Result<(), DriverError> {
        if !params.is_response {
            return Ok(());
        }
        match params.response_correlation {
            None => Err(DriverError::generic(
                "control-mode=response was specified, but no response-correlation-id set: name the image that is \
                 answered, or prototype",
            )),
            Some(ResponseCorrelation::Prototype) => Ok(()),
            Some(ResponseCorrelation::Id(id)) => {
                match self.images.iter().find(|image| image.correlation_id() == id) {
                    None => Err(DriverError::generic(format!("image.correlationId={id} not found"))),
                    Some(image) if !image.wants_response() => Err(DriverError::generic(format!(
                        "image.correlationId={id} did not request a response channel"
                    ))),
                    Some(_) => Ok(()),
                }
            }
        }
    }

    /// Has the source of the image that a response publication answers told of its session.
    pub(super) fn answer_image(&mut self, at: usize) {
        let publication = &self.network_publications[at];
        let ResponseRole::Response(Some(id)) = publication.params.response else { return };
        if publication.state.has_receivers() {
            // Another client's share in a response that has arrived.
            return;
        }
        if let Some(image) = self.images.iter().find(|image| image.correlation_id() == id) {
            image.state.response_session.set(publication.state.session_id);
            image.state.request_status_message();
        }
    }

    /// A response publication that nobody ever received is gone: its requester need not look for it any more.
    pub(super) fn forget_response(&self, publication: &NetworkPublication) {
        let ResponseRole::Response(Some(id)) = publication.params.response else { return };
        if let Some(image) = self.images.iter().find(|image| image.correlation_id() == id)
            && image.state.response_session.get() == Some(publication.state.session_id)
        {
            image.state.response_session.clear();
        }
    }

    /// A response publication has its receiver.
    pub(super) fn on_response_connected(&self, id: CorrelationId) {
        if let Some(image) = self.images.iter().find(|image| image.correlation_id() == id) {
            image.state.response_session.clear();
        }
    }

    /// A request is answered: the first time its response subscription takes the session, later it asks for a setup
    /// again. Source: driver spec 14.1.
    pub(super) fn on_response_setup(&mut self, subscription: RegistrationId, session: SessionId) {
        let is_it = |s: &Arc<Subscription>| s.registration_id == subscription && s.is_network();
        let Some(at) = self.subscriptions.iter().position(is_it) else { return };
        let subscription = &self.subscriptions[at];
        let SubscriptionKind::Network(endpoint) = subscription.kind else { return };
        let own_session = subscription.params.session_id;
        match subscription.params.response {
            ResponseProgress::Failed => {}
            ResponseProgress::Pending if own_session.is_none_or(|own| own == session) => {
                self.settle_response(at, session);
            }
            ResponseProgress::Pending => self.fail_response(at, session),
            ResponseProgress::Ordinary | ResponseProgress::Complete => {
                let command = ReceiverCommand::RequestSetup(
                    endpoint,
                    subscription.stream_id,
                    own_session.unwrap_or(session),
                );
                // Dropped when the receiver is swamped: the frame that asks for it is repeated.
                let _ = self.services.receiver.try_send(command);
            }
        }
    }

    /// From now on the subscription receives this session.
    fn settle_response(&mut self, at: usize, session: SessionId) {
        let pending = Arc::clone(&self.subscriptions[at]);
        let SubscriptionKind::Network(endpoint) = pending.kind else { return };
        let mut complete = Subscription::clone(&pending);
        complete.params.session_id = Some(session);
        complete.params.response = ResponseProgress::Complete;
        let complete = Arc::new(complete);
        if let Some(entry) = self.receive_endpoints.get_mut(endpoint.index()) {
            entry.add_subscription(endpoint, &complete, &mut self.services);
            entry.remove_subscription(endpoint, &pending, &mut self.services);
        }
        for image in &mut self.images {
            link_to_image(image, &complete, &mut self.services);
        }
        self.subscriptions[at] = complete;
    }

    /// The subscription's channel names another session than the response has.
    fn fail_response(&mut self, at: usize, session: SessionId) {
        let mut failed = Subscription::clone(&self.subscriptions[at]);
        let error = DriverError::generic(format!(
            "failed to setup response subscription (registrationId={}, channel={}): its session-id does not match \
             session-id={session} of the response publication",
            failed.registration_id, failed.channel
        ));
        failed.params.session_id = None;
        failed.params.response = ResponseProgress::Failed;
        self.subscriptions[at] = Arc::new(failed);
        self.services.record(&error);
    }

    /// The IPC response subscription that an IPC publication answers, if it does: its place among the subscriptions.
    /// Source: driver spec 2.12.
    ///
    /// # Errors
    /// When that subscription is for another session.
    pub(super) fn check_ipc_response(
        &self,
        add: &AddPublication,
        params: &PublicationParams,
        session: SessionId,
    ) -> Result<Option<usize>, DriverError> {
        let Some(ResponseCorrelation::Id(request)) = params.response_correlation else { return Ok(None) };
        let request = request.as_registration_id();
        let named = self
            .ipc_publications
            .iter()
            .find(|p| p.registration_id() == request)
            .and_then(|request| request.params.response_correlation_id);
        let is_named = |s: &Arc<Subscription>| {
            Some(s.registration_id.get()) == named && matches!(s.kind, SubscriptionKind::Ipc)
        };
        let Some(at) = self.subscriptions.iter().position(is_named) else { return Ok(None) };
        let subscription = &self.subscriptions[at];
        if subscription.params.session_id.is_some_and(|own| own != session) {
            return Err(DriverError::generic(format!(
                "failed to create response publication (registrationId={}, channel={}): session-id of response \
                 subscription (registrationId={}, channel={}) does not match session-id={session} of the response \
                 publication",
                add.registration_id(),
                add.channel,
                subscription.registration_id,
                subscription.channel
            )));
        }
        Ok(Some(at))
    }

    /// From now on the IPC subscription reads this session.
    pub(super) fn settle_ipc_response(&mut self, at: usize, session: SessionId) {
        let mut settled = Subscription::clone(&self.subscriptions[at]);
        settled.params.session_id = Some(session);
        if settled.params.response.is_unsettled() {
            settled.params.response = ResponseProgress::Complete;
        }
        self.subscriptions[at] = Arc::new(settled);
    }
}

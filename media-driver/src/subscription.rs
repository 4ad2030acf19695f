//! Subscriptions as the conductor sees them, and what they match.

use std::sync::Arc;

use epona_protocol::types::{ClientId, RegistrationId, SessionId, StreamId};

use crate::{
    endpoint_id::ReceiveEndpointId, media::udp_channel::UdpChannel, publication::params::SubscriptionParams,
};

/// What a subscription listens to.
#[derive(Clone, Debug)]
pub enum SubscriptionKind {
    /// IPC publications of this driver.
    Ipc,
    /// Images that arrive on an endpoint.
    Network(ReceiveEndpointId),
    /// Network publications of this driver on an equal channel.
    Spy(Arc<UdpChannel>),
}

/// One subscription of one client. Shared with every resource that it is linked to.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Correlation id of the command that added it.
    pub registration_id: RegistrationId,
    /// Who added it.
    pub client_id: ClientId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The channel, as the client wrote it.
    pub channel: Arc<str>,
    /// Its parameters.
    pub params: SubscriptionParams,
    /// What it listens to.
    pub kind: SubscriptionKind,
}

impl Subscription {
    /// Whether it listens to the network.
    #[must_use]
    pub fn is_network(&self) -> bool {
        matches!(self.kind, SubscriptionKind::Network(_))
    }

    /// Whether sessions are of interest: all of them, or the one that the channel names.
    ///
    /// A response subscription without a session matches nothing. Source: driver spec 2.8.
    #[must_use]
    pub fn wants_session(&self, session_id: SessionId) -> bool {
        match self.params.session_id {
            Some(wanted) => wanted == session_id,
            None => !self.params.response.is_unsettled(),
        }
    }
}

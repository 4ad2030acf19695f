//! The request to resolve a name again, because whoever it stands for fell silent: from sender and receiver by way of
//! the conductor to the native resource agent. Source: driver spec 6.8.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use epona_protocol::uri::keys;

use crate::{
    endpoint_id::{ReceiveEndpointId, SendEndpointId},
    receiver::origin::DestinationIndex,
};

/// Silence of a peer after which its name is resolved again.
pub const SILENCE: Duration = Duration::from_secs(5);

/// Who was not heard of for too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SilentPeer {
    /// The receivers that an endpoint, or a destination of it, sends to.
    OfSender(SendEndpointId),
    /// The sender at the explicit control address of an endpoint's destination.
    OfReceiver(ReceiveEndpointId, DestinationIndex),
}

/// A request to resolve a name again.
#[derive(Clone, Debug)]
pub struct ReResolution {
    /// Whose name it is.
    pub peer: SilentPeer,
    /// The name with its port, as it stands in the channel of the endpoint or destination.
    pub name: Arc<str>,
    /// What the name stood for so far; `None` if it never stood for anything.
    pub known: Option<SocketAddr>,
}

impl ReResolution {
    /// The parameter whose value the name is.
    #[must_use]
    pub const fn parameter(&self) -> &'static str {
        match self.peer {
            SilentPeer::OfSender(_) => keys::ENDPOINT,
            SilentPeer::OfReceiver(..) => keys::CONTROL,
        }
    }
}

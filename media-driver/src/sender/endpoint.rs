//! The sender's half of a send channel endpoint: one socket, and where what is sent on it goes.

use std::{io, net::SocketAddr, sync::Arc};

use epona_protocol::types::Nanos;

use crate::{
    endpoint_id::SendEndpointId,
    media::{
        transport::{MAX_BATCH, SendRun, Transport},
        udp_channel::UdpChannel,
    },
};

/// Where datagrams of an endpoint go when the publication does not name an address itself.
#[derive(Debug)]
pub enum Route {
    /// The address that the socket is connected to.
    Connected,
    /// One address, named with each datagram.
    Address(SocketAddr),
    /// Nowhere until a publication learns an address (response channels).
    Learned,
}

/// What became of a call to [`SendEndpoint::send`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// Every datagram was accepted.
    All,
    /// Some datagram was not accepted: nothing counts as sent, the caller tries all of them again later.
    Short,
    /// The socket refused a datagram for a reason worth recording, which [`SendEndpoint::take_error`] gives. Nothing
    /// counts as sent.
    Failed,
    /// There is nobody to send to yet.
    Nowhere,
}

/// A socket of the sender with its peer.
#[derive(Debug)]
pub struct SendEndpoint {
    id: SendEndpointId,
    channel: Arc<UdpChannel>,
    transport: Box<dyn Transport>,
    route: Route,
    error: Option<io::Error>,
    /// When a status message for one of the endpoint's publications last came.
    pub time_of_last_status_message: Nanos,
}

impl SendEndpoint {
    /// An endpoint over an open transport.
    #[must_use]
    pub fn new(
        id: SendEndpointId,
        channel: Arc<UdpChannel>,
        transport: Box<dyn Transport>,
        route: Route,
        now: Nanos,
    ) -> Self {
        Self { id, channel, transport, route, error: None, time_of_last_status_message: now }
    }

    /// Which endpoint this is.
    #[must_use]
    pub fn id(&self) -> SendEndpointId {
        self.id
    }

    /// The channel that the endpoint was made for.
    #[must_use]
    pub fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    /// The socket, to read control frames from.
    pub fn transport_mut(&mut self) -> &mut dyn Transport {
        self.transport.as_mut()
    }

    /// Sends runs to `learned` when given, else along the endpoint's route. Runs carry no destination yet.
    pub fn send(&mut self, now: Nanos, runs: &mut [SendRun<'_>], learned: Option<SocketAddr>) -> Sent {
        let destination = match (&self.route, learned) {
            (_, Some(address)) => Some(address),
            (Route::Connected, None) => None,
            (Route::Address(address), None) => Some(*address),
            (Route::Learned, None) => return Sent::Nowhere,
        };
        let mut datagrams = 0;
        for run in runs.iter_mut() {
            run.destination = destination;
            datagrams += run.datagrams();
        }
        debug_assert!(datagrams <= MAX_BATCH, "a batch is at most {MAX_BATCH} datagrams");
        let outcome = self.transport.send_batch(now, runs);
        if outcome.datagrams == datagrams {
            return Sent::All;
        }
        match outcome.error {
            Some(error) => {
                self.error = Some(error);
                Sent::Failed
            }
            None => Sent::Short,
        }
    }

    /// Why the last send failed, once.
    #[inline]
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Sends to a new address from now on, after the name of the channel was resolved again.
    ///
    /// # Errors
    /// What the system says of connecting to the address.
    pub fn update_destination(&mut self, address: SocketAddr) -> io::Result<()> {
        match &mut self.route {
            Route::Address(old) => *old = address,
            Route::Connected => self.transport.reconnect(address)?,
            Route::Learned => {}
        }
        Ok(())
    }
}

//! A receive destination: one socket of a receive channel endpoint, and how it comes and goes.
//!
//! A plain subscription's endpoint has one for all its life. One with `control-mode=manual` starts without any, and
//! clients add and remove them. Source: driver spec 5.3, 6.3, 6.4.

use std::{net::SocketAddr, sync::Arc};

use epona_protocol::types::Nanos;

use super::origin::{DestinationIndex, Origin, ReplyRoute};
use crate::{
    endpoint_id::ReceiveEndpointId,
    media::{
        PollToken,
        timestamps::ReceiveTimestamps,
        transport::Transport,
        udp_channel::{TimestampOffsets, UdpChannel},
    },
    re_resolution::{ReResolution, SILENCE, SilentPeer},
};

/// A socket that data arrives on.
#[derive(Debug)]
pub struct ReceiveDestination {
    index: DestinationIndex,
    channel: Arc<UdpChannel>,
    transport: Box<dyn Transport>,
    /// Where control frames go when the channel says so: the control group, or explicit control.
    control_address: Option<SocketAddr>,
    /// The name of explicit control.
    control_name: Option<Arc<str>>,
    timestamps: Option<ReceiveTimestamps>,
    time_of_last_activity: Nanos,
    /// Its place in the receiver's poller, while it has one.
    pub(super) token: Option<PollToken>,
}

impl ReceiveDestination {
    /// A destination over an open transport. Control frames go where its channel says, else to the source of what
    /// arrives. Source: wire spec 2.1.
    #[must_use]
    pub fn new(
        index: DestinationIndex,
        channel: Arc<UdpChannel>,
        transport: Box<dyn Transport>,
        now: Nanos,
    ) -> Self {
        let control_address = if channel.is_multicast() {
            Some(channel.remote_control())
        } else {
            channel.has_explicit_control().then(|| channel.local())
        };
        let control_name = channel.uri().control().filter(|_| channel.has_explicit_control()).map(Arc::from);
        Self {
            index,
            channel,
            transport,
            control_address,
            control_name,
            timestamps: None,
            time_of_last_activity: now,
            token: None,
        }
    }

    /// Stamps what arrives as the channel of the subscription asks.
    #[must_use]
    pub fn with_timestamps(mut self, offsets: TimestampOffsets) -> Self {
        self.timestamps = ReceiveTimestamps::new(offsets, self.transport.time_of_day());
        self
    }

    /// Which one this is.
    #[must_use]
    pub fn index(&self) -> DestinationIndex {
        self.index
    }

    /// The socket.
    pub fn transport_mut(&mut self) -> &mut dyn Transport {
        self.transport.as_mut()
    }

    /// The socket, and what stamps the data that it brings.
    #[inline]
    pub fn transport_and_timestamps(&mut self) -> (&mut dyn Transport, Option<&mut ReceiveTimestamps>) {
        (self.transport.as_mut(), self.timestamps.as_mut())
    }

    /// The address that the socket is bound to.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.transport.local_address()
    }

    /// The channel that the destination was made for.
    #[must_use]
    pub fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    /// How replies to what arrives here are addressed.
    #[inline]
    #[must_use]
    pub fn route(&self) -> ReplyRoute {
        ReplyRoute { destination: self.index, control_address: self.control_address }
    }

    /// The time to live that the channel of a group names, 0 for none. Packets of a source with a greater one may come
    /// from farther than the answers reach.
    #[inline]
    #[must_use]
    pub fn group_ttl(&self) -> Option<u8> {
        self.channel.is_multicast().then(|| self.channel.ttl())
    }

    /// The way to the control address that the channel names, which a group's does not: setups are asked for there
    /// before anything has arrived.
    #[must_use]
    pub fn explicit_control(&self) -> Option<Origin> {
        let control_address = self.control_address.filter(|_| self.channel.has_explicit_control())?;
        Some(Origin { destination: self.index, control_address })
    }

    /// The name of the explicit control address stands for another address now; whether that matters here.
    pub fn set_explicit_control(&mut self, address: SocketAddr) -> bool {
        let has_explicit_control = self.channel.has_explicit_control();
        if has_explicit_control {
            self.control_address = Some(address);
        }
        has_explicit_control
    }

    /// Notes that a frame arrived, of interest or not.
    #[inline]
    pub fn on_activity(&mut self, now: Nanos) {
        self.time_of_last_activity = now;
    }

    /// The peer whose name should be resolved again, because nothing was heard for too long: one at an explicit control
    /// address. It is given once per such time. Source: driver spec 6.8.
    pub fn take_silent_peer(&mut self, endpoint: ReceiveEndpointId, now: Nanos) -> Option<ReResolution> {
        let name = self.control_name.as_ref().filter(|_| now > self.time_of_last_activity + SILENCE)?;
        self.time_of_last_activity = now;
        Some(ReResolution {
            peer: SilentPeer::OfReceiver(endpoint, self.index),
            name: Arc::clone(name),
            known: self.control_address,
        })
    }
}

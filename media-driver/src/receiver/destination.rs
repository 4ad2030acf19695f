//! A receive destination: one socket of a receive channel endpoint, and how it comes and goes.
//!
//! A plain subscription's endpoint has one for all its life. One with `control-mode=manual` starts without any, and
//! clients add and remove them. Source: driver spec 5.3, 6.3, 6.4.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use epona_protocol::types::Nanos;

use super::origin::{DestinationIndex, Origin, ReplyRoute};
use crate::media::{PollToken, transport::Transport, udp_channel::UdpChannel};

/// A destination that heard nothing for this long may have the wrong control address. Source: driver spec 6.8.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// A socket that data arrives on.
#[derive(Debug)]
pub struct ReceiveDestination {
    index: DestinationIndex,
    channel: Arc<UdpChannel>,
    transport: Box<dyn Transport>,
    /// Where control frames go when the channel says so: the control group, or explicit control.
    control_address: Option<SocketAddr>,
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
        Self { index, channel, transport, control_address, time_of_last_activity: now, token: None }
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

    /// Whether nothing was heard for so long that the name of its explicit control address should be resolved again.
    /// Answers yes once per such time. Source: driver spec 6.8.
    pub fn take_silence(&mut self, now: Nanos) -> bool {
        let is_silent =
            self.channel.has_explicit_control() && now > self.time_of_last_activity + SILENCE_TIMEOUT;
        if is_silent {
            self.time_of_last_activity = now;
        }
        is_silent
    }
}

//! The sockets that a channel needs. Source: wire spec 2.1, 8.3; driver spec 6.7.

use std::{net::SocketAddr, time::Duration};

use epona_protocol::uri::ControlMode;

use super::UdpChannel;
use crate::{
    config::Network,
    media::transport::{Affinity, Multicast, TransportSpec},
};

impl UdpChannel {
    /// Where a sender binds, before the port manager has a say: the control group, or the local address.
    #[must_use]
    pub fn send_bind(&self) -> SocketAddr {
        if self.is_multicast { self.remote_control } else { self.local }
    }

    /// Where a receiver binds, before the port manager has a say: the group, or the endpoint.
    #[must_use]
    pub fn receive_bind(&self) -> SocketAddr {
        self.remote_data
    }

    /// SO_SNDBUF in effect, in bytes; 0 for the system's default.
    #[must_use]
    pub fn effective_send_buffer(&self, network: &Network) -> usize {
        if self.send_buffer > 0 { self.send_buffer } else { network.socket_send_buffer }
    }

    /// SO_RCVBUF in effect, in bytes; 0 for the system's default.
    #[must_use]
    pub fn effective_receive_buffer(&self, network: &Network) -> usize {
        if self.receive_buffer > 0 { self.receive_buffer } else { network.socket_receive_buffer }
    }

    /// Traffic class in effect; `None` for the system's default.
    #[must_use]
    pub fn effective_traffic_class(&self, network: &Network) -> Option<u8> {
        self.traffic_class.or(network.traffic_class)
    }

    /// Receiver window in effect, in bytes.
    #[must_use]
    pub fn effective_receiver_window(&self, network: &Network) -> usize {
        if self.receiver_window > 0 { self.receiver_window } else { network.initial_window }
    }

    /// The transport of a publication's endpoint, bound to what the port manager made of
    /// [`UdpChannel::send_bind`]. It is connected to a sole explicit endpoint, unless that is switched off.
    #[must_use]
    pub fn send_spec(&self, network: &Network, bind: SocketAddr) -> TransportSpec {
        // Who asks for a response is anybody.
        let is_to_one = !self.is_multi_destination() && self.control_mode != ControlMode::Response;
        let connects = network.connect_sockets && self.has_explicit_endpoint() && is_to_one;
        TransportSpec {
            connect: connects.then_some(self.remote_data),
            media_timestamps: false,
            ..self.spec(Affinity::Sender, self, network, bind)
        }
    }

    /// The transport of a subscription's endpoint, or of a destination of `endpoint`, whose socket parameters it
    /// inherits; bound to what the port manager made of [`UdpChannel::receive_bind`].
    #[must_use]
    pub fn receive_spec(&self, endpoint: &Self, network: &Network, bind: SocketAddr) -> TransportSpec {
        self.spec(Affinity::Receiver, endpoint, network, bind)
    }

    fn spec(
        &self,
        affinity: Affinity,
        endpoint: &Self,
        network: &Network,
        bind: SocketAddr,
    ) -> TransportSpec {
        let multicast = self.is_multicast.then_some(Multicast {
            group: bind,
            interface: self.local,
            interface_index: self.interface_index,
            ttl: if self.ttl > 0 { self.ttl } else { network.multicast_ttl },
        });
        TransportSpec {
            affinity,
            bind,
            connect: None,
            multicast,
            receive_buffer: endpoint.effective_receive_buffer(network),
            send_buffer: endpoint.effective_send_buffer(network),
            traffic_class: endpoint.effective_traffic_class(network),
            media_timestamps: endpoint.timestamps.media_receive.is_some(),
            offload: endpoint.offload.unwrap_or(network.offload),
            busy_poll: match affinity {
                Affinity::Receiver => network.socket_busy_poll,
                Affinity::Sender | Affinity::Conductor => Duration::ZERO,
            },
        }
    }
}

//! A channel as the driver sees it: addresses resolved, socket parameters read, a name to share it by.
//!
//! | case | local | remote | canonical form `UDP-<local>-<remote><suffix>` |
//! | --- | --- | --- | --- |
//! | multicast | interface | group; control group = last byte + 1 | both resolved |
//! | explicit control | control | endpoint or wildcard | both as written, wildcards printed |
//! | unicast | interface or wildcard | endpoint or wildcard | local resolved, remote as written |
//!
//! The suffix keeps channels apart that leave an address or port to the driver. Names stay as written, so that
//! resolving them again does not change what the channel is. Source: wire spec 8.1, 8.2, 11.2, 11.3.

mod error;
mod resolver;
mod sockets;
mod tag;

use std::net::SocketAddr;

use epona_protocol::uri::{ChannelUri, ControlMode, TimestampOffset};

use super::address::is_wildcard;
pub use error::{ChannelError, ChannelErrorReason};
pub use resolver::{ChannelPurpose, ChannelResolver};
pub use tag::TagMismatch;

/// A UDP channel, parsed and resolved.
#[derive(Clone, PartialEq, Debug)]
pub struct UdpChannel {
    uri: ChannelUri,
    text: String,
    canonical_form: String,
    local: SocketAddr,
    remote_data: SocketAddr,
    remote_control: SocketAddr,
    interface_index: u32,
    is_multicast: bool,
    ttl: u8,
    tag: Option<i64>,
    control_mode: ControlMode,
    ats: Option<bool>,
    offload: Option<bool>,
    send_buffer: usize,
    receive_buffer: usize,
    traffic_class: Option<u8>,
    receiver_window: usize,
    timestamps: TimestampOffsets,
}

/// Where a channel's timestamps go; absent ones are not taken. Source: wire spec 11.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimestampOffsets {
    /// When the network card or kernel received a frame, `media-rcv-ts-offset`.
    pub media_receive: Option<TimestampOffset>,
    /// When the receiver got a frame, `channel-rcv-ts-offset`.
    pub channel_receive: Option<TimestampOffset>,
    /// When the sender sent a frame, `channel-snd-ts-offset`.
    pub channel_send: Option<TimestampOffset>,
}

impl UdpChannel {
    /// The parsed URI, for parameters that are not about addresses and sockets.
    #[must_use]
    pub fn uri(&self) -> &ChannelUri {
        &self.uri
    }

    /// The URI as the client wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name by which endpoints are shared.
    #[must_use]
    pub fn canonical_form(&self) -> &str {
        &self.canonical_form
    }

    /// Where a unicast sender binds: the interface, or the explicit control address, which is also where receivers
    /// send status messages. For multicast, the interface to join on.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Where data goes: the endpoint, the group, or the wildcard.
    #[must_use]
    pub fn remote_data(&self) -> SocketAddr {
        self.remote_data
    }

    /// Where control frames of a group go: the control group; the endpoint for unicast.
    #[must_use]
    pub fn remote_control(&self) -> SocketAddr {
        self.remote_control
    }

    /// Index of the interface; 0 unless one was looked up.
    #[must_use]
    pub fn interface_index(&self) -> u32 {
        self.interface_index
    }

    /// Whether the endpoint is a group.
    #[must_use]
    pub fn is_multicast(&self) -> bool {
        self.is_multicast
    }

    /// Hops for multicast, 0 unless given.
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.ttl
    }

    /// The channel tag.
    #[must_use]
    pub fn tag(&self) -> Option<i64> {
        self.tag
    }

    /// How destinations are found.
    #[must_use]
    pub fn control_mode(&self) -> ControlMode {
        self.control_mode
    }

    /// Whether `endpoint` is given.
    #[must_use]
    pub fn has_explicit_endpoint(&self) -> bool {
        self.uri.endpoint().is_some()
    }

    /// Whether `control` is given and used, which a group does not.
    #[must_use]
    pub fn has_explicit_control(&self) -> bool {
        self.uri.control().is_some() && !self.is_multicast
    }

    /// Whether data goes to several destinations (MDC) or comes from several (MDS).
    #[must_use]
    pub fn is_multi_destination(&self) -> bool {
        matches!(self.control_mode, ControlMode::Manual | ControlMode::Dynamic)
    }

    /// Whether there may be several receivers.
    #[must_use]
    pub fn has_group_semantics(&self) -> bool {
        self.is_multicast || self.is_multi_destination()
    }

    /// Whether neither local nor remote address say anything, as in a channel of tags only.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        is_wildcard(self.remote_data) && is_wildcard(self.local)
    }

    /// `ats`, if given.
    #[must_use]
    pub fn ats(&self) -> Option<bool> {
        self.ats
    }

    /// `epona-offload`, if given: whether the kernel cuts up and puts together runs of datagrams.
    #[must_use]
    pub fn offload(&self) -> Option<bool> {
        self.offload
    }

    /// `so-sndbuf` in bytes, 0 unless given.
    #[must_use]
    pub fn send_buffer(&self) -> usize {
        self.send_buffer
    }

    /// `so-rcvbuf` in bytes, 0 unless given.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// `so-tos`, if given.
    #[must_use]
    pub fn traffic_class(&self) -> Option<u8> {
        self.traffic_class
    }

    /// `rcv-wnd` in bytes, 0 unless given.
    #[must_use]
    pub fn receiver_window(&self) -> usize {
        self.receiver_window
    }

    /// Where timestamps go.
    #[must_use]
    pub fn timestamps(&self) -> TimestampOffsets {
        self.timestamps
    }
}

#[cfg(test)]
mod tests;

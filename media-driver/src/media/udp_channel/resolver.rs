//! From the text of a channel to its addresses. May wait for name resolution, so this runs on the native resource
//! agent.

use std::net::{IpAddr, SocketAddr};

use epona_protocol::uri::{
    ChannelUri, Media, TimestampOffset, UriError,
    address::{Host, Interface},
    keys,
};

use super::{
    TimestampOffsets, UdpChannel,
    error::{ChannelError, ChannelErrorReason},
};
use crate::{
    media::{
        address::{Identity, control_group, wildcard},
        interface::{self, InterfaceChoice, InterfaceError, Interfaces, SystemInterfaces},
    },
    name_resolution::{NameQuery, NameResolver, ResolutionError, resolve_host_and_port},
};

/// Bytes of a timestamp.
const TIMESTAMP_LENGTH: i64 = 8;

/// What a channel is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelPurpose {
    /// A publication or subscription.
    Endpoint,
    /// A destination of one, which gets no suffix: it is matched by its addresses.
    Destination,
}

/// Resolves channels, and numbers those that must not be shared.
#[derive(Debug)]
pub struct ChannelResolver {
    names: Box<dyn NameResolver>,
    interfaces: Box<dyn Interfaces>,
    next_suffix: u32,
}

impl ChannelResolver {
    /// A resolver of channels that asks `names` for hosts, and the system for interfaces.
    #[must_use]
    pub fn new(names: Box<dyn NameResolver>) -> Self {
        Self { names, interfaces: Box::new(SystemInterfaces), next_suffix: 0 }
    }

    /// Asks somebody else for interfaces.
    #[must_use]
    pub fn with_interfaces(mut self, interfaces: Box<dyn Interfaces>) -> Self {
        self.interfaces = interfaces;
        self
    }

    /// The resolver of names.
    pub fn names(&mut self) -> &mut dyn NameResolver {
        &mut *self.names
    }

    /// Resolves what a parameter's value stands for.
    ///
    /// # Errors
    /// When it is not `host:port`, or the host has no address.
    pub fn resolve_address(&mut self, query: NameQuery<'_>) -> Result<SocketAddr, ResolutionError> {
        resolve_host_and_port(&mut *self.names, query)
    }

    /// Parses and resolves a channel; a spy's prefix is ignored.
    ///
    /// # Errors
    /// The first of the checks of driver spec 2.3, row 1, that fails.
    pub fn resolve(&mut self, text: &str, purpose: ChannelPurpose) -> Result<UdpChannel, ChannelError> {
        let uri = ChannelUri::parse(text).map_err(|error| ChannelErrorReason::Uri(error).of(text))?;
        self.resolve_uri(uri, text, purpose).map_err(|reason| reason.of(text))
    }

    fn resolve_uri(
        &mut self,
        uri: ChannelUri,
        text: &str,
        purpose: ChannelPurpose,
    ) -> Result<UdpChannel, ChannelErrorReason> {
        check_structure(&uri)?;
        let control = self.host_and_port(keys::CONTROL, uri.control())?;
        let endpoint = self.host_and_port(keys::ENDPOINT, uri.endpoint())?;
        let remote = endpoint.unwrap_or_else(|| wildcard(control.is_some_and(|address| address.is_ipv6())));
        let tag = uri.channel_tag()?;
        let ats = uri.bool(keys::ATS)?;
        let offload = uri.bool(keys::EPONA_OFFLOAD)?;
        let send_buffer = size(&uri, keys::SOCKET_SNDBUF)?;
        let receive_buffer = size(&uri, keys::SOCKET_RCVBUF)?;
        let traffic_class = uri.socket_tos()?;
        let receiver_window = size(&uri, keys::RECEIVER_WINDOW)?;

        let is_multicast = remote.ip().is_multicast();
        let (remote_control, local, ttl) = if is_multicast {
            let even = || ChannelErrorReason::EvenGroup(Identity(remote).to_string());
            let control_group = control_group(remote).ok_or_else(even)?;
            let interface = self.multicast_interface(uri.interface(), remote.is_ipv6())?;
            (control_group, interface, uri.ttl()?.unwrap_or(0))
        } else {
            let ipv6 = control.unwrap_or(remote).is_ipv6();
            (remote, self.unicast_interface(uri.interface(), ipv6)?, 0)
        };
        let local_address = if is_multicast { local.address } else { control.unwrap_or(local.address) };
        let timestamps = timestamp_offsets(&uri)?;
        let leaves_open = (endpoint.is_none() && control.is_none())
            || [endpoint, control].into_iter().flatten().any(|address| address.port() == 0);
        let numbered = leaves_open && !is_multicast && purpose == ChannelPurpose::Endpoint;
        let suffix = if numbered { self.suffix(tag) } else { String::new() };
        Ok(UdpChannel {
            canonical_form: canonical_form(&uri, is_multicast, local_address, remote) + &suffix,
            text: text.to_owned(),
            control_mode: uri.control_mode(),
            uri,
            local: local_address,
            remote_data: remote,
            remote_control,
            interface_index: local.index,
            is_multicast,
            ttl,
            tag,
            ats,
            offload,
            send_buffer,
            receive_buffer,
            traffic_class,
            receiver_window,
            timestamps,
        })
    }

    fn suffix(&mut self, tag: Option<i64>) -> String {
        if let Some(tag) = tag {
            return format!("#{tag}");
        }
        let number = self.next_suffix;
        self.next_suffix = number.wrapping_add(1);
        format!("-{number}")
    }

    fn host_and_port(
        &mut self,
        parameter: &str,
        value: Option<&str>,
    ) -> Result<Option<SocketAddr>, ResolutionError> {
        let resolve = |name| {
            resolve_host_and_port(&mut *self.names, NameQuery { name, parameter, is_re_resolution: false })
        };
        value.map(resolve).transpose()
    }

    fn multicast_interface(
        &mut self,
        value: Option<&str>,
        ipv6: bool,
    ) -> Result<InterfaceChoice, ChannelErrorReason> {
        self.interface(value.unwrap_or(if ipv6 { "[::]/0" } else { "0.0.0.0/0" }), ipv6)
    }

    /// The wildcard without `interface`, or with one that says so: nothing is looked up then.
    fn unicast_interface(
        &mut self,
        value: Option<&str>,
        ipv6: bool,
    ) -> Result<InterfaceChoice, ChannelErrorReason> {
        let Some(value) = value else { return Ok(InterfaceChoice { address: wildcard(ipv6), index: 0 }) };
        match Interface::parse(value).map_err(ChannelErrorReason::InterfaceAddress)? {
            Interface::Address { host: Host::Address(ip), port, .. } if ip.is_unspecified() => {
                Ok(InterfaceChoice { address: SocketAddr::new(ip, port), index: 0 })
            }
            _ => self.interface(value, ipv6),
        }
    }

    fn interface(&mut self, value: &str, ipv6: bool) -> Result<InterfaceChoice, ChannelErrorReason> {
        let wanted = Interface::parse(value).map_err(ChannelErrorReason::InterfaceAddress)?;
        let interfaces = self.interfaces.up()?;
        let available = || interface::describe(&interfaces);
        match wanted {
            Interface::Named { name, port } => {
                let missing = || InterfaceError::NoAddress {
                    name: name.into(),
                    family: if ipv6 { "IPv6" } else { "IPv4" },
                    available: available(),
                };
                Ok(interface::find_by_name(&interfaces, name, ipv6, port).ok_or_else(missing)?)
            }
            Interface::Address { host, port, prefix } => {
                let network = self.interface_host(host)?;
                let bits = if network.is_ipv6() { 128 } else { 32 };
                let prefix = prefix.unwrap_or(bits);
                let missing = || InterfaceError::NoMatch { value: value.into(), available: available() };
                let found = interface::find_by_network(&interfaces, network, prefix.into(), port);
                Ok(found.ok_or_else(missing)?)
            }
        }
    }

    fn interface_host(&mut self, host: Host<'_>) -> Result<IpAddr, ResolutionError> {
        match host {
            Host::Address(ip) => Ok(ip),
            Host::Name(name) => {
                self.names.resolve(NameQuery { name, parameter: keys::INTERFACE, is_re_resolution: false })
            }
        }
    }
}

fn check_structure(uri: &ChannelUri) -> Result<(), ChannelErrorReason> {
    use epona_protocol::uri::ControlMode::{Dynamic, Manual, Response};
    if uri.media() != Media::Udp {
        return Err(ChannelErrorReason::NotUdp);
    }
    let mode = uri.control_mode();
    if mode == Dynamic && uri.control().is_none() {
        return Err(ChannelErrorReason::ControlExpected);
    }
    let leads_somewhere = uri.endpoint().is_some() || uri.control().is_some() || uri.contains_key(keys::TAGS);
    if !leads_somewhere && !matches!(mode, Manual | Response) {
        return Err(ChannelErrorReason::Indistinct);
    }
    Ok(())
}

fn canonical_form(uri: &ChannelUri, is_multicast: bool, local: SocketAddr, remote: SocketAddr) -> String {
    let written = |text: Option<&str>, address| match text.filter(|_| !is_multicast) {
        Some(text) => text.to_owned(),
        None => Identity(address).to_string(),
    };
    format!("UDP-{}-{}", written(uri.control(), local), written(uri.endpoint(), remote))
}

fn size(uri: &ChannelUri, key: &str) -> Result<usize, UriError> {
    // Sizes are limited to i64, so on 64-bit systems nothing is cut.
    Ok(uri.size(key)?.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))
}

fn timestamp_offsets(uri: &ChannelUri) -> Result<TimestampOffsets, ChannelErrorReason> {
    const MEDIA: &str = keys::MEDIA_RECEIVE_TIMESTAMP_OFFSET;
    const RECEIVE: &str = keys::CHANNEL_RECEIVE_TIMESTAMP_OFFSET;
    const SEND: &str = keys::CHANNEL_SEND_TIMESTAMP_OFFSET;
    let offsets = TimestampOffsets {
        media_receive: uri.timestamp_offset(MEDIA)?,
        channel_receive: uri.timestamp_offset(RECEIVE)?,
        channel_send: uri.timestamp_offset(SEND)?,
    };
    let TimestampOffsets { media_receive, channel_receive, channel_send } = offsets;
    for (first, second, names) in [
        (media_receive, channel_receive, (MEDIA, RECEIVE)),
        (media_receive, channel_send, (MEDIA, SEND)),
        (channel_receive, channel_send, (RECEIVE, SEND)),
    ] {
        let (Some(first), Some(second)) = (first.map(position), second.map(position)) else { continue };
        if (first - second).abs() < TIMESTAMP_LENGTH {
            return Err(ChannelErrorReason::TimestampsOverlap(names.0, names.1));
        }
    }
    Ok(offsets)
}

/// Where a timestamp starts, counted from the payload: the reserved value lies just before it.
fn position(offset: TimestampOffset) -> i64 {
    match offset {
        TimestampOffset::ReservedValue => -TIMESTAMP_LENGTH,
        TimestampOffset::Payload(offset) => offset.into(),
    }
}

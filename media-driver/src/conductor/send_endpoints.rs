//! The sockets of publications: found, checked against, or opened. Source: driver spec 2.3, rows 7 to 16, and 2.6.

use std::{net::SocketAddr, sync::Arc};

use epona_protocol::{
    counters::{AtomicCounter, ChannelKey, NewCounter, channel_label},
    types::{CounterTypeId, Mtu, RegistrationId},
    uri::ControlMode,
};

use super::{
    Conductor,
    endpoint_counters::{EndpointCounters, SEND},
    endpoint_options::{check_send_buffers, check_send_timestamps, check_transport_security},
    endpoints::{EndpointPhase, Endpoints, Entry},
    services::Services,
};
use crate::{
    commands::SenderCommand,
    endpoint_id::SendEndpointId,
    error::DriverError,
    event_log::DriverEvent,
    media::{Transport, TransportSpec, udp_channel::UdpChannel},
    sender::{
        destinations::Destinations,
        endpoint::{Route, SendEndpoint},
    },
};

/// A send channel endpoint.
#[derive(Debug)]
pub(super) struct SendEndpointEntry {
    /// The channel that it was made for.
    pub(super) channel: Arc<UdpChannel>,
    /// Whether it may be used.
    pub(super) phase: EndpointPhase,
    /// Its counters.
    pub(super) counters: EndpointCounters,
    /// How many destinations it sends to, where there may be several.
    pub(super) destinations: Option<AtomicCounter>,
    /// Address that was asked of the system, to be given back to the port manager.
    pub(super) bind: SocketAddr,
    /// Publications that use it.
    pub(super) publications: usize,
    /// Where data goes, once the name in the channel was resolved again to another address.
    pub(super) remote: Option<SocketAddr>,
}

impl SendEndpointEntry {
    /// An endpoint in use by nobody yet.
    #[must_use]
    pub(super) fn new(
        channel: Arc<UdpChannel>,
        counters: EndpointCounters,
        destinations: Option<AtomicCounter>,
        bind: SocketAddr,
    ) -> Self {
        Self {
            channel,
            phase: EndpointPhase::Active,
            counters,
            destinations,
            bind,
            publications: 0,
            remote: None,
        }
    }
}

impl Entry for SendEndpointEntry {
    fn channel(&self) -> &Arc<UdpChannel> {
        &self.channel
    }

    fn phase(&self) -> EndpointPhase {
        self.phase
    }

    fn moved_remote(&self) -> Option<SocketAddr> {
        self.remote
    }
}

impl Endpoints<SendEndpointEntry> {
    /// The channel of the endpoint that a publication shares, which says how its socket is; its own, where it is the first.
    pub(super) fn channel_in_use<'a>(&'a self, channel: &'a Arc<UdpChannel>) -> &'a Arc<UdpChannel> {
        match self.find_entry(channel) {
            Ok(Some((_, entry))) => &entry.channel,
            _ => channel,
        }
    }

    /// One publication less; the last one gives the socket up.
    pub(super) fn release_publication(&mut self, id: SendEndpointId, services: &mut Services) {
        if let Some(entry) = self.get_mut(id.index()) {
            entry.publications = entry.publications.saturating_sub(1);
        }
        self.close_if_unused(id, services);
    }

    /// Gives the socket up when no publication uses it.
    pub(super) fn close_if_unused(&mut self, id: SendEndpointId, services: &mut Services) {
        let Some(entry) = self.get_mut(id.index()) else { return };
        if entry.publications == 0 && entry.phase == EndpointPhase::Active {
            entry.phase = EndpointPhase::Closing;
            entry.counters.set_closing();
            let now = services.now.nanos;
            services.events.endpoint(DriverEvent::SendChannelClose, &entry.channel, now);
            services.sender.send(SenderCommand::RemoveEndpoint(id));
        }
    }

    /// The sender has let go: the counters are free, and so is the slot. What was bound.
    pub(super) fn on_released(&mut self, id: SendEndpointId, services: &mut Services) -> Option<SocketAddr> {
        let entry = self.remove(id.index())?;
        entry.counters.free(services);
        if let Some(destinations) = &entry.destinations {
            services.free(destinations.id());
        }
        Some(entry.bind)
    }
}

impl Conductor {
    /// The endpoint that a publication's channel shares, if there is one; the channel is checked against it, or
    /// against what a new one needs.
    pub(super) fn find_send_endpoint(
        &self,
        channel: &UdpChannel,
        mtu: Mtu,
    ) -> Result<Option<SendEndpointId>, DriverError> {
        let found = self.send_endpoints.find(channel)?;
        let leads_nowhere = !channel.has_explicit_endpoint()
            && !channel.has_explicit_control()
            && channel.control_mode() != ControlMode::Manual;
        if found.is_none() && channel.tag().is_some() && leads_nowhere {
            return Err(DriverError::generic(format!(
                "URI must have explicit control, endpoint, or be manual control-mode when original: channel={}",
                channel.text()
            )));
        }
        check_transport_security(channel)?;
        let Some(entry) = found.and_then(|at| self.send_endpoints.get(at as usize)) else {
            self.check_mtu(mtu, channel, channel)?;
            return Ok(None);
        };
        check_send_timestamps(channel, &entry.channel)?;
        self.check_mtu(mtu, &entry.channel, channel)?;
        check_send_buffers(channel, &entry.channel, &self.context.network)?;
        Ok(found.map(SendEndpointId::new))
    }

    /// Whether a socket with the buffers of `sized_by` takes datagrams of this MTU.
    fn check_mtu(&self, mtu: Mtu, sized_by: &UdpChannel, channel: &UdpChannel) -> Result<(), DriverError> {
        let send_buffer = match sized_by.effective_send_buffer(&self.context.network) {
            0 => self.system_buffers.send,
            bytes => bytes,
        };
        if mtu.get() as usize > send_buffer {
            return Err(DriverError::generic(format!(
                "MTU {mtu} greater than SO_SNDBUF {send_buffer}: lower mtu or raise so-sndbuf \
                 (aeron.socket.so_sndbuf): channel={}",
                channel.text()
            )));
        }
        Ok(())
    }

    /// Opens a socket for publications and hands it to the sender. What fails leaves nothing behind.
    pub(super) fn create_send_endpoint(
        &mut self,
        channel: &Arc<UdpChannel>,
        registration_id: RegistrationId,
    ) -> Result<SendEndpointId, DriverError> {
        let bind = self.sender_ports.acquire(channel.send_bind(), channel.has_explicit_control())?;
        let spec = channel.send_spec(&self.context.network, bind);
        let (transport, counters) = self
            .open_endpoint(channel, &spec, registration_id)
            .inspect_err(|_| self.sender_ports.release(bind))?;
        let destinations = self.count_destinations(channel, registration_id).inspect_err(|_| {
            counters.free(&mut self.services);
            self.sender_ports.release(bind);
        })?;
        let index = self.send_endpoints.next_index();
        let id = SendEndpointId::new(index);
        let route = match (channel.control_mode(), &destinations) {
            (ControlMode::Response, _) => Route::Learned,
            (ControlMode::Manual, Some(count)) => Route::Destinations(Destinations::manual(count.clone())),
            (ControlMode::Dynamic, Some(count)) => Route::Destinations(Destinations::dynamic(count.clone())),
            _ if spec.connect.is_some() => Route::Connected,
            _ => Route::Address(channel.remote_data()),
        };
        let now = self.services.now.nanos;
        let mut endpoint = SendEndpoint::new(id, Arc::clone(channel), transport, route, now);
        endpoint.events = self.services.events.clone();
        endpoint.events.endpoint(DriverEvent::SendChannelCreation, channel, now);
        self.services.sender.send(SenderCommand::AddEndpoint(Box::new(endpoint)));
        let entry = SendEndpointEntry::new(Arc::clone(channel), counters, destinations, bind);
        self.send_endpoints.insert(index, entry);
        Ok(id)
    }

    /// The counter `mdc-num-dest` of a channel that may have several destinations. Source: driver spec 2.10.
    fn count_destinations(
        &mut self,
        channel: &UdpChannel,
        registration_id: RegistrationId,
    ) -> Result<Option<AtomicCounter>, DriverError> {
        if !channel.is_multi_destination() {
            return Ok(None);
        }
        let count = self.services.allocate(&NewCounter {
            type_id: CounterTypeId::MDC_DESTINATIONS,
            key: &ChannelKey { channel: channel.text().into() }.encode(),
            label: channel_label("mdc-num-dest", channel.text()).as_bytes(),
            registration_id: registration_id.get(),
            owner_id: 0,
            reference_id: 0,
        })?;
        Ok(Some(count))
    }

    /// Opens the socket of an endpoint and allocates its counters: both, or neither.
    fn open_endpoint(
        &mut self,
        channel: &UdpChannel,
        spec: &TransportSpec,
        registration_id: RegistrationId,
    ) -> Result<(Box<dyn Transport>, EndpointCounters), DriverError> {
        let transport = self
            .transports
            .open(spec)
            .map_err(|error| DriverError::generic(format!("{error}: channel={}", channel.text())))?;
        let bound = transport.local_address();
        let counters =
            EndpointCounters::allocate(&SEND, channel.text(), registration_id, bound, &mut self.services)?;
        Ok((transport, counters))
    }
}

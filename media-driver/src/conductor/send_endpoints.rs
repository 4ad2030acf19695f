//! The sockets of publications: found, checked against, or opened. Source: driver spec 2.3, rows 7 to 16, and 2.6.

use std::sync::Arc;

use epona_protocol::{
    counters::{AtomicCounter, ChannelKey, NewCounter, channel_label},
    types::{CounterTypeId, Mtu, RegistrationId},
    uri::ControlMode,
};

use super::{
    Conductor,
    endpoint_options::{check_send_buffers, check_send_timestamps},
    endpoints::{SEND, SendEndpointEntry},
};
use crate::{
    commands::SenderCommand,
    endpoint_id::SendEndpointId,
    error::DriverError,
    event_log::DriverEvent,
    media::udp_channel::UdpChannel,
    sender::{
        destinations::Destinations,
        endpoint::{Route, SendEndpoint},
    },
};

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
            .open_endpoint(&SEND, channel, &spec, registration_id)
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
}

/// A channel must not ask for encryption that the driver does not have. Source: driver spec 2.3, row 9.
pub(super) fn check_transport_security(channel: &UdpChannel) -> Result<(), DriverError> {
    if channel.ats() == Some(true) {
        return Err(DriverError::generic(format!(
            "ATS is not enabled and thus ats=true not supported: channel={}",
            channel.text()
        )));
    }
    Ok(())
}

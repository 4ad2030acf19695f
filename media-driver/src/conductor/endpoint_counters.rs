//! The counters of channel endpoints: their status, and the addresses that they are bound to. Source: driver spec 2.10.

use std::net::SocketAddr;

use epona_protocol::{
    counters::{
        AtomicCounter, ChannelKey, ChannelStatus, LocalSocketAddressKey, NewCounter, bound_channel_label,
        channel_label, local_socket_address_label,
    },
    types::{CounterId, CounterTypeId, RegistrationId},
};

use super::services::Services;
use crate::{error::DriverError, media::address::Identity};

/// `snd-channel` or `rcv-channel`, and the address counter that belongs to it.
#[derive(Debug)]
pub(super) struct EndpointCounters {
    status: AtomicCounter,
    address: Option<AtomicCounter>,
}

impl EndpointCounters {
    /// Allocates both, labelled with the address bound to, and marks the endpoint active. Source: driver spec 2.10.
    ///
    /// # Errors
    /// When no counter is left.
    pub(super) fn allocate(
        kind: &EndpointKind,
        channel: &str,
        registration_id: RegistrationId,
        bound: SocketAddr,
        services: &mut Services,
    ) -> Result<Self, DriverError> {
        let status = Self::allocate_status(kind, channel, registration_id, services)?.status;
        let address = allocate_address(kind, status.id(), registration_id, bound, services)
            .inspect_err(|_| services.free(status.id()))?;
        address.set_release(ChannelStatus::Active.value());
        let counters = Self { status, address: Some(address) };
        counters.set_active(kind, channel, Some(bound), services);
        Ok(counters)
    }

    /// Allocates the status alone, of an endpoint that has no address, or each with a counter of its own.
    ///
    /// # Errors
    /// When no counter is left.
    pub(super) fn allocate_status(
        kind: &EndpointKind,
        channel: &str,
        registration_id: RegistrationId,
        services: &mut Services,
    ) -> Result<Self, DriverError> {
        let status = services.allocate(&NewCounter {
            type_id: kind.status_type,
            key: &ChannelKey { channel: channel.into() }.encode(),
            label: channel_label(kind.status_name, channel).as_bytes(),
            registration_id: registration_id.get(),
            owner_id: 0,
            reference_id: 0,
        })?;
        Ok(Self { status, address: None })
    }

    /// Marks the endpoint active, with the address bound to, or none, at the end of its label.
    pub(super) fn set_active(
        &self,
        kind: &EndpointKind,
        channel: &str,
        bound: Option<SocketAddr>,
        services: &mut Services,
    ) {
        let text = bound.map_or_else(String::new, |bound| Identity(bound).to_string());
        let label = bound_channel_label(kind.status_name, channel, &text);
        services.counters.set_label(self.status.id(), label.as_bytes());
        self.status.set_release(ChannelStatus::Active.value());
    }

    /// The status counter, which clients are told of.
    #[must_use]
    pub(super) fn status_id(&self) -> CounterId {
        self.status.id()
    }

    /// Marks the endpoint as on its way out.
    pub(super) fn set_closing(&self) {
        for counter in self.address.iter().chain([&self.status]) {
            counter.set_release(ChannelStatus::Closing.value());
        }
    }

    /// Gives them back.
    pub(super) fn free(&self, services: &mut Services) {
        for counter in self.address.iter().chain([&self.status]) {
            services.free(counter.id());
        }
    }
}

/// Allocates the counter that names the address a socket is bound to. Source: driver spec 2.10.
///
/// # Errors
/// When no counter is left.
pub(super) fn allocate_address(
    kind: &EndpointKind,
    status_id: CounterId,
    registration_id: RegistrationId,
    bound: SocketAddr,
    services: &mut Services,
) -> Result<AtomicCounter, DriverError> {
    let text = Identity(bound).to_string();
    services.allocate(&NewCounter {
        type_id: CounterTypeId::LOCAL_SOCKET_ADDRESS,
        key: &LocalSocketAddressKey { channel_status_id: status_id, address: text.as_str().into() }.encode(),
        label: local_socket_address_label(kind.address_name, status_id, &text).as_bytes(),
        registration_id: registration_id.get(),
        owner_id: 0,
        reference_id: 0,
    })
}

/// What tells the counters of the two kinds of endpoint apart.
#[derive(Debug)]
pub(super) struct EndpointKind {
    status_type: CounterTypeId,
    status_name: &'static str,
    address_name: &'static str,
}

/// Counters of send channel endpoints.
pub(super) const SEND: EndpointKind = EndpointKind {
    status_type: CounterTypeId::SEND_CHANNEL_STATUS,
    status_name: "snd-channel",
    address_name: "snd-local-sockaddr",
};

/// Counters of receive channel endpoints.
pub(super) const RECEIVE: EndpointKind = EndpointKind {
    status_type: CounterTypeId::RECEIVE_CHANNEL_STATUS,
    status_name: "rcv-channel",
    address_name: "rcv-local-sockaddr",
};

//! The sockets of subscriptions: found, checked against, or opened. Source: driver spec 2.6, 2.7.

use std::sync::Arc;

use epona_protocol::{
    types::{ReceiverId, RegistrationId},
    uri::ControlMode,
};

use super::{
    Conductor,
    endpoint_options::{check_receive_buffers, check_receive_timestamps},
    endpoints::{EndpointCounters, RECEIVE, ReceiveEndpointEntry},
    send_endpoints::check_transport_security,
    subscriptions::AddSubscription,
};
use crate::{
    commands::ReceiverCommand,
    endpoint_id::ReceiveEndpointId,
    error::DriverError,
    event_log::DriverEvent,
    media::udp_channel::UdpChannel,
    publication::params::SubscriptionParams,
    receiver::{
        destination::ReceiveDestination, dispatcher::Dispatcher, endpoint::ReceiveEndpoint,
        origin::DestinationIndex,
    },
    subscription::SubscriptionKind,
};

impl Conductor {
    /// The endpoint that a subscription's channel shares, if there is one; the subscription is checked against it and
    /// those that use it already, or against what a new one needs.
    pub(super) fn find_receive_endpoint(
        &self,
        channel: &UdpChannel,
        add: &AddSubscription,
        params: &SubscriptionParams,
    ) -> Result<Option<ReceiveEndpointId>, DriverError> {
        let found = self.receive_endpoints.find(channel)?;
        let Some(entry) = found.and_then(|at| self.receive_endpoints.get(at as usize)) else {
            check_transport_security(channel)?;
            self.check_receiver_window(channel, params)?;
            return Ok(None);
        };
        let id = found.map(ReceiveEndpointId::new);
        check_receive_timestamps(channel, &entry.channel)?;
        if channel.tag().is_some() || entry.channel.tag().is_none() {
            self.check_subscription_clash(id, add, params)?;
        }
        check_transport_security(channel)?;
        // Of sockets that are added one by one there is none yet, or there are several.
        if channel.control_mode() != ControlMode::Manual && entry.destinations.len() == 1 {
            self.check_receiver_window(channel, params)?;
            check_receive_buffers(channel, &entry.channel, &self.context.network)?;
        }
        Ok(id)
    }

    /// Two subscriptions to one session on one endpoint must agree on how it is received.
    fn check_subscription_clash(
        &self,
        endpoint: Option<ReceiveEndpointId>,
        add: &AddSubscription,
        params: &SubscriptionParams,
    ) -> Result<(), DriverError> {
        let others = self.subscriptions.iter().filter(|other| {
            matches!(other.kind, SubscriptionKind::Network(id) if Some(id) == endpoint)
                && other.stream_id == add.stream_id
                && other.params.session_id == params.session_id
        });
        for other in others {
            for (name, existing, requested) in [
                ("reliable", other.params.is_reliable, params.is_reliable),
                ("rejoin", other.params.rejoin, params.rejoin),
                ("isResponse", other.params.response.is_unsettled(), params.response.is_unsettled()),
            ] {
                if existing != requested {
                    return Err(DriverError::generic(format!(
                        "option conflicts with existing subscription: {name}={requested} \
                         existingChannel={} channel={}",
                        other.channel, add.channel
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_receiver_window(
        &self,
        channel: &UdpChannel,
        params: &SubscriptionParams,
    ) -> Result<(), DriverError> {
        let receive_buffer = self.receive_buffer_of(channel);
        if params.receiver_window > receive_buffer {
            return Err(DriverError::generic(format!(
                "initial window {} greater than SO_RCVBUF {receive_buffer}: lower rcv-wnd or raise so-rcvbuf \
                 (aeron.socket.so_rcvbuf): channel={}",
                params.receiver_window,
                channel.text()
            )));
        }
        Ok(())
    }

    /// SO_RCVBUF that the socket of a channel will have: the channel's, else the configured, else the system's.
    pub(super) fn receive_buffer_of(&self, channel: &UdpChannel) -> usize {
        match channel.effective_receive_buffer(&self.context.network) {
            0 => self.system_buffers.receive,
            bytes => bytes,
        }
    }

    /// Opens a socket for subscriptions and hands it to the receiver. What fails leaves nothing behind.
    pub(super) fn create_receive_endpoint(
        &mut self,
        channel: &Arc<UdpChannel>,
        registration_id: RegistrationId,
    ) -> Result<ReceiveEndpointId, DriverError> {
        let context = Arc::clone(&self.context);
        let network = &context.network;
        let group_tag = channel.uri().group_tag()?.or(network.receiver_group_tag);
        let counters =
            EndpointCounters::allocate_status(&RECEIVE, channel.text(), registration_id, &mut self.services)?;
        let is_manual = channel.control_mode() == ControlMode::Manual;
        let named = (!is_manual).then(|| {
            let (index, status_id) = (DestinationIndex::FIRST, counters.status_id());
            self.open_receive_destination(index, channel, channel, status_id, registration_id)
        });
        let (entry, destination) =
            named.transpose().inspect_err(|_| counters.free(&mut self.services))?.unzip();
        let bound = destination.as_ref().map(ReceiveDestination::local_address);
        counters.set_active(&RECEIVE, channel.text(), bound, &mut self.services);
        let index = self.receive_endpoints.next_index();
        let id = ReceiveEndpointId::new(index);
        let session_limit = usize::try_from(network.stream_session_limit).unwrap_or(usize::MAX);
        let mut endpoint = ReceiveEndpoint::new(
            id,
            registration_id,
            ReceiverId::new(self.next_receiver_id),
            group_tag,
            destination,
            Dispatcher::new(session_limit, self.random.u64(..)),
        );
        endpoint.events = self.services.events.clone();
        endpoint.events.endpoint(DriverEvent::ReceiveChannelCreation, channel, self.services.now.nanos);
        self.next_receiver_id = self.next_receiver_id.wrapping_add(1);
        self.services.receiver.send(ReceiverCommand::AddEndpoint(Box::new(endpoint)));
        self.receive_endpoints.insert(index, ReceiveEndpointEntry::new(Arc::clone(channel), counters, entry));
        Ok(id)
    }
}

//! Receive destinations come, go, and move. Source: driver spec 6.3, 6.4, 6.8.

use std::net::SocketAddr;

use epona_protocol::types::{Nanos, SessionId, StreamId};

use super::{
    Receiver, SocketKey, destination::ReceiveDestination, origin::DestinationIndex,
    pending_setup::SetupTarget, report,
};
use crate::{commands::ConductorCommand, endpoint_id::ReceiveEndpointId};

/// Stream and session of a request for setups of all.
const ANY: (StreamId, SessionId) = (StreamId::new(0), SessionId::new(0));

impl Receiver {
    /// Starts to read a destination, which may bring data for the images that are there.
    pub(super) fn add_destination(
        &mut self,
        id: ReceiveEndpointId,
        destination: ReceiveDestination,
        now: Nanos,
    ) {
        let route = destination.route();
        let Some(endpoint) = self.endpoint_mut(id) else { return };
        let place = endpoint.add_destination(destination);
        self.watch(id, place, now);
        for image in self.images.of_endpoint(id) {
            image.on_destination_added(route, now);
        }
    }

    /// Reads a destination's socket from now on, and announces the receiver to a control address that is known
    /// beforehand: now, and once a second.
    pub(super) fn watch(&mut self, id: ReceiveEndpointId, place: usize, now: Nanos) {
        let Self { endpoints, poller, pending_setups, conductor, system, .. } = self;
        let Some(endpoint) = endpoints.get_mut(id.index()).and_then(Option::as_mut) else { return };
        let Some(destination) = endpoint.destinations.get_mut(place).and_then(Option::as_mut) else { return };
        match poller.add(SocketKey { endpoint: id, place }, destination.transport_mut().descriptor()) {
            Ok(token) => destination.token = Some(token),
            Err(error) => report(conductor, "watch a socket", &error),
        }
        if let Some(to) = destination.explicit_control() {
            pending_setups.add_periodic(SetupTarget { endpoint: id, destination: to.destination }, now);
            let (stream, session) = ANY;
            endpoint.elicit_setup(now, to, stream, session, system);
        }
    }

    /// Stops reading a destination and gives its socket back.
    pub(super) fn remove_destination(&mut self, id: ReceiveEndpointId, index: DestinationIndex, now: Nanos) {
        let Some(endpoint) = self.endpoint_mut(id) else { return };
        let Some(mut destination) = endpoint.take_destination(index) else { return };
        if let Some(token) = destination.token.take() {
            self.poller.remove(token);
        }
        self.pending_setups.remove_periodic(|target| target.endpoint == id && target.destination == index);
        for image in self.images.of_endpoint(id) {
            image.on_destination_removed(index, now);
        }
        let released = ConductorCommand::ReceiveDestinationReleased(id, Box::new(destination));
        self.conductor.send(released);
    }

    /// The name of a destination's explicit control address was resolved again and stands for another address.
    pub(super) fn update_control_address(
        &mut self,
        id: ReceiveEndpointId,
        index: DestinationIndex,
        address: SocketAddr,
    ) {
        let endpoint = self.endpoint_mut(id);
        let Some(destination) = endpoint.and_then(|endpoint| endpoint.destination_mut(index)) else { return };
        if destination.set_explicit_control(address) {
            self.system.resolution_changes.increment();
            for image in self.images.of_endpoint(id) {
                image.set_control_address(index, address);
            }
        }
    }
}

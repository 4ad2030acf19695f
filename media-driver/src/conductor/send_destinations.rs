//! Destinations of publications with `control-mode=manual`: added and removed by clients (MDC).
//!
//! ```text
//!   check publication, channel ── resolve endpoint (agent) ── check publication again ── tell sender ── answer
//! ```
//!
//! A name that stands for nothing yet is no error: its destination is added all the same, and sent to once
//! re-resolution finds an address. Source: driver spec 2.12, wire spec 7.1.

use std::{net::SocketAddr, sync::Arc};

use epona_protocol::{
    command::ErrorCode,
    types::{CorrelationId, RegistrationId},
    uri::{ChannelUri, ControlMode, Media, SPY_PREFIX, address::HostPort, keys},
};

use super::{
    Conductor,
    endpoints::EndpointPhase,
    pending_command::{Change, ChangeDestination, PendingCommand},
    requests::check_length,
};
use crate::{
    commands::{JobId, ResourceCommand, SenderCommand},
    endpoint_id::SendEndpointId,
    error::DriverError,
    sender::destinations::ManualDestination,
};

/// Parameters that belong to the socket of a channel, or to its streams, not to one of its destinations. Source: driver
/// spec 2.12, 14.1.
const REFUSED_KEYS: [&str; 6] = [
    keys::MTU,
    keys::RECEIVER_WINDOW,
    keys::SOCKET_RCVBUF,
    keys::SOCKET_SNDBUF,
    keys::SOCKET_TOS,
    keys::RESPONSE_CORRELATION_ID,
];

impl Conductor {
    /// Checks a command about a destination, and has the destination's name resolved.
    pub(super) fn start_destination(
        &mut self,
        correlation_id: CorrelationId,
        publication: RegistrationId,
        channel: &str,
        change: Change,
    ) -> Result<(), DriverError> {
        check_length(channel)?;
        self.endpoint_with_destinations(publication)?;
        let name = destination_name(channel)?;
        let job = self.next_job();
        let awaited = ChangeDestination { correlation_id, publication, name: Arc::clone(&name), change };
        self.services.resources.send(ResourceCommand::ResolveAddress {
            job,
            parameter: keys::ENDPOINT,
            name,
            is_re_resolution: false,
        });
        self.pending_command = Some(PendingCommand::Destination(job, awaited));
        Ok(())
    }

    /// The agent has resolved the name of a destination, or not.
    pub(super) fn on_destination_address(&mut self, job: JobId, address: Option<SocketAddr>) {
        let awaited = match self.pending_command.take() {
            Some(PendingCommand::Destination(pending, awaited)) if pending == job => awaited,
            other => {
                self.pending_command = other;
                return;
            }
        };
        let ChangeDestination { correlation_id, publication, name, change } = awaited;
        // The publication may have gone meanwhile.
        let endpoint = match self.endpoint_with_destinations(publication) {
            Ok(endpoint) => endpoint,
            Err(error) => return self.services.refuse(correlation_id, &error),
        };
        let registration_id = correlation_id.as_registration_id();
        self.services.sender.send(match change {
            Change::Add => {
                let destination = ManualDestination { registration_id, name, address };
                SenderCommand::AddDestination { endpoint, destination }
            }
            Change::Remove => SenderCommand::RemoveDestination { endpoint, name, address },
        });
        self.services.succeed(correlation_id);
    }

    /// Removes the destination that a client added with the command `destination`; one that is not there is as good as
    /// removed.
    pub(super) fn remove_destination_by_id(
        &mut self,
        publication: RegistrationId,
        destination: RegistrationId,
    ) -> Result<(), DriverError> {
        let endpoint = self.endpoint_with_destinations(publication)?;
        self.services.sender.send(SenderCommand::RemoveDestinationById { endpoint, id: destination });
        Ok(())
    }

    /// The endpoint of a publication whose destinations are up to clients.
    fn endpoint_with_destinations(&self, publication: RegistrationId) -> Result<SendEndpointId, DriverError> {
        let Some(found) = self.network_publications.iter().find(|p| p.registration_id() == publication)
        else {
            return Err(DriverError::new(
                ErrorCode::UnknownPublication,
                format!("unknown publication registration_id={publication}"),
            ));
        };
        let endpoint = found.params.endpoint;
        match self.send_endpoints.get(endpoint.index()) {
            Some(entry) if entry.channel.control_mode() != ControlMode::Manual => {
                Err(DriverError::generic(format!(
                    "channel does not allow manual control of destinations, only one with control-mode=manual does: \
                     publication registration_id={publication} channel={}",
                    entry.channel.text()
                )))
            }
            Some(entry) if entry.phase == EndpointPhase::Active => Ok(endpoint),
            _ => Err(DriverError::temporarily_unavailable(format!(
                "send channel endpoint of publication registration_id={publication} is closing: try again"
            ))),
        }
    }
}

/// The value of `endpoint` in the channel of a destination to send to.
fn destination_name(channel: &str) -> Result<Arc<str>, DriverError> {
    if channel.starts_with(SPY_PREFIX) {
        return Err(DriverError::invalid_channel(format!(
            "Aeron spies are invalid as send destinations: {channel}"
        )));
    }
    let uri = ChannelUri::parse(channel).map_err(|error| DriverError::from(error).about(channel))?;
    let endpoint = uri.endpoint().filter(|_| uri.media() == Media::Udp).ok_or_else(|| {
        DriverError::generic(format!(
            "incorrect URI format for destination, it must be UDP and have an endpoint: {channel}"
        ))
    })?;
    if HostPort::parse(endpoint).is_ok_and(|address| address.port == 0) {
        return Err(DriverError::generic(format!(
            "endpoint has port=0 for send destination, which must name a port: channel={channel}"
        )));
    }
    check_destination_parameters(&uri, channel)?;
    Ok(endpoint.into())
}

/// A destination must not ask for what is its channel's to say.
///
/// # Errors
/// Names the parameter.
pub(super) fn check_destination_parameters(uri: &ChannelUri, channel: &str) -> Result<(), DriverError> {
    if let Some(key) = REFUSED_KEYS.iter().find(|key| uri.contains_key(key)) {
        return Err(DriverError::invalid_channel(format!(
            "destinations must not contain the key: {key} channel={channel}"
        )));
    }
    if uri.control_mode() == ControlMode::Response {
        return Err(DriverError::invalid_channel(format!(
            "destinations may not specify control-mode=response: channel={channel}"
        )));
    }
    Ok(())
}

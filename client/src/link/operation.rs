//! Requests to the driver, made ready on the calling thread.

use std::sync::Arc;

use epona_protocol::{
    command::{Command, Request as DriverRequest},
    types::{CorrelationId, Position, RegistrationId},
};

use super::{Client, Completion, Kind, Pending, Registered, Request, Submission, pending::Assemble};
use crate::error::ClientError;

/// Leaves a request for the conductor.
pub(crate) fn submit<T>(
    client: &Arc<Client>,
    request: DriverRequest<'_>,
    kind: Kind,
    assemble: Assemble<T>,
) -> Result<Pending<T>, ClientError> {
    let id = client.next_correlation_id();
    let command = Command { client_id: client.shared.client_id, correlation_id: id, request };
    let mut payload = Vec::new();
    command.encode(&mut payload);
    let completion = Completion::new();
    let submission = Submission {
        id,
        type_id: command.type_id(),
        payload,
        kind,
        completion: Arc::clone(&completion),
        active: client.shared.active_commands.begin(id.as_registration_id()),
    };
    client.shared.request(Request::Submit(submission))?;
    Ok(Pending::new(id.as_registration_id(), completion, Arc::clone(client), assemble))
}

pub(crate) fn add_destination(
    client: &Arc<Client>,
    registration_id: RegistrationId,
    channel: &str,
) -> Result<Pending<RegistrationId>, ClientError> {
    let kind = Kind::Operation { name: "add destination" };
    submit(client, DriverRequest::AddDestination { registration_id, channel }, kind, to_id)
}

pub(crate) fn remove_destination(
    client: &Arc<Client>,
    registration_id: RegistrationId,
    channel: &str,
) -> Result<Pending<()>, ClientError> {
    let kind = Kind::Operation { name: "remove destination" };
    submit(client, DriverRequest::RemoveDestination { registration_id, channel }, kind, to_unit)
}

pub(crate) fn remove_destination_by_id(
    client: &Arc<Client>,
    registration_id: RegistrationId,
    destination_registration_id: RegistrationId,
) -> Result<Pending<()>, ClientError> {
    let kind = Kind::Operation { name: "remove destination by id" };
    let request = DriverRequest::RemoveDestinationById { registration_id, destination_registration_id };
    submit(client, request, kind, to_unit)
}

pub(crate) fn add_receive_destination(
    client: &Arc<Client>,
    registration_id: RegistrationId,
    channel: &str,
) -> Result<Pending<RegistrationId>, ClientError> {
    let kind = Kind::Operation { name: "add receive destination" };
    submit(client, DriverRequest::AddReceiveDestination { registration_id, channel }, kind, to_id)
}

pub(crate) fn remove_receive_destination(
    client: &Arc<Client>,
    registration_id: RegistrationId,
    channel: &str,
) -> Result<Pending<()>, ClientError> {
    let kind = Kind::Operation { name: "remove receive destination" };
    submit(client, DriverRequest::RemoveReceiveDestination { registration_id, channel }, kind, to_unit)
}

pub(crate) fn reject_image(
    client: &Arc<Client>,
    image_id: RegistrationId,
    position: Position,
    reason: &str,
) -> Result<Pending<()>, ClientError> {
    let image_id = CorrelationId::new(image_id.get());
    let request = DriverRequest::RejectImage { image_id, position, reason: reason.as_bytes() };
    submit(client, request, Kind::Operation { name: "reject image" }, to_unit)
}

fn to_unit(registered: Registered, _: &Arc<Client>, _: RegistrationId) -> Option<()> {
    matches!(registered, Registered::Done).then_some(())
}

fn to_id(registered: Registered, _: &Arc<Client>, id: RegistrationId) -> Option<RegistrationId> {
    matches!(registered, Registered::Done).then_some(id)
}

//! Requests to the driver, made ready on the calling thread.

use std::sync::Arc;

use epona_protocol::{
    command::{Command, Request as DriverRequest},
    types::{CorrelationId, CounterTypeId, Position, RegistrationId, SessionId, StreamId},
};

use crate::{
    client::Client,
    completion::{Completion, Registered},
    counter::Counter,
    error::ClientError,
    exclusive_publication::ExclusivePublication,
    handlers::ImageHandlers,
    pending::{Assemble, Pending},
    publication::Publication,
    request::{Kind, Request, Submission},
    subscription::Subscription,
};

/// Leaves a request for the conductor.
fn submit<T>(
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

pub(crate) fn add_publication(
    client: &Arc<Client>,
    channel: &str,
    stream_id: StreamId,
) -> Result<Pending<Publication>, ClientError> {
    let kind = Kind::Publication { channel: Arc::from(channel), stream_id };
    submit(client, DriverRequest::AddPublication { stream_id, channel }, kind, |registered, client, _| {
        match registered {
            Registered::Publication(state) => Publication::new(state, Arc::clone(client)),
            _ => None,
        }
    })
}

pub(crate) fn add_exclusive_publication(
    client: &Arc<Client>,
    channel: &str,
    stream_id: StreamId,
) -> Result<Pending<ExclusivePublication>, ClientError> {
    let kind = Kind::ExclusivePublication { channel: Arc::from(channel), stream_id };
    submit(
        client,
        DriverRequest::AddExclusivePublication { stream_id, channel },
        kind,
        |registered, client, _| match registered {
            Registered::Publication(state) => ExclusivePublication::new(state, Arc::clone(client)),
            _ => None,
        },
    )
}

pub(crate) fn add_subscription(
    client: &Arc<Client>,
    channel: &str,
    stream_id: StreamId,
    handlers: ImageHandlers,
) -> Result<Pending<Subscription>, ClientError> {
    let kind = Kind::Subscription { channel: Arc::from(channel), stream_id, handlers };
    submit(client, DriverRequest::AddSubscription { stream_id, channel }, kind, |registered, client, _| {
        match registered {
            Registered::Subscription(state) => Some(Subscription::new(state, Arc::clone(client))),
            _ => None,
        }
    })
}

pub(crate) fn add_counter(
    client: &Arc<Client>,
    type_id: CounterTypeId,
    key: &[u8],
    label: &str,
) -> Result<Pending<Counter>, ClientError> {
    let label = label.as_bytes();
    submit(client, DriverRequest::AddCounter { type_id, key, label }, Kind::Counter, to_counter)
}

pub(crate) fn add_static_counter(
    client: &Arc<Client>,
    type_id: CounterTypeId,
    key: &[u8],
    label: &str,
    registration_id: RegistrationId,
) -> Result<Pending<Counter>, ClientError> {
    let request = DriverRequest::AddStaticCounter { registration_id, type_id, key, label: label.as_bytes() };
    submit(client, request, Kind::StaticCounter { registration_id }, to_counter)
}

fn to_counter(registered: Registered, client: &Arc<Client>, _: RegistrationId) -> Option<Counter> {
    match registered {
        Registered::Counter(state) => Some(Counter::new(state, Arc::clone(client))),
        _ => None,
    }
}

pub(crate) fn next_session_id(
    client: &Arc<Client>,
    stream_id: StreamId,
) -> Result<Pending<SessionId>, ClientError> {
    let request = DriverRequest::NextAvailableSessionId { stream_id };
    submit(client, request, Kind::SessionId { stream_id }, |registered, _, _| match registered {
        Registered::SessionId(session_id) => Some(session_id),
        _ => None,
    })
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
